"""How `cloud cordon`, `uncordon` and `drain` do it: one field or two of the Cloud, then watching what leaves."""

import asyncio
import time
from collections.abc import Collection, Mapping

import click

from suanli_controller.api import names
from suanli_controller.api.workload import ComputeWorkload, TargetPlacement
from suanli_controller.core import workload_status
from suanli_controller.kube import client, connection, errors, informer, kinds, resources

SHOWN = 5
"""Workloads that are named while they leave."""


async def mark(way: connection.Connection, name: str, *, cordoned: bool, draining: bool = False) -> None:
    """Write both fields: what is not cordoned does not drain."""
    async with client.Client(way) as hub:
        await _mark(hub, name, cordoned=cordoned, draining=draining)


async def _mark(hub: client.Client, name: str, *, cordoned: bool, draining: bool) -> None:
    change = {"spec": {"cordoned": cordoned, "draining": draining}}
    try:
        await hub.patch(kinds.CLOUDS.metadata_only, name, "", change)
    except errors.NotFound as error:
        raise click.ClickException(f"there is no Cloud {name}; `kubectl get clouds` lists them") from error


async def drain(way: connection.Connection, name: str, timeout: int) -> None:
    """Start draining and tell what is left until nothing is. Raises click.ClickException after `timeout` seconds."""
    async with client.Client(way) as hub:
        await _mark(hub, name, cordoned=True, draining=True)
        click.echo(f"cloud {name} cordoned and draining")
        wake = asyncio.Event()
        cache = informer.Informer(hub, kinds.WORKLOADS)
        cache.subscribe(lambda _old, _new: wake.set())
        task = asyncio.create_task(cache.run())
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout or None):
                await cache.synced.wait()
                await _until_empty(cache, names.target(names.CLOUD_KIND, name), wake)
        except TimeoutError as error:
            left = len(remaining(cache.objects, names.target(names.CLOUD_KIND, name)))
            raise click.ClickException(
                f"{left} workloads are still in {name} after {timeout} s; it goes on draining. `kubectl get cwl -A` "
                "says why they stay"
            ) from error
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if idle := resting(cache.objects, names.target(names.CLOUD_KIND, name)):
            click.echo(f"  not waited for, as nothing of them runs here: {_named(idle, idle)}")
        click.echo(f"cloud {name} is empty of our work after {time.monotonic() - began:.0f} s")


async def _until_empty(cache: informer.Informer[ComputeWorkload], target: str, wake: asyncio.Event) -> None:
    said = ""
    while left := remaining(cache.objects, target):
        wake.clear()
        line = _line(left)
        if line != said:
            click.echo(line)
            said = line
        await wake.wait()
        await asyncio.sleep(0.2)  # changes come in flocks


def remaining(workloads: Mapping[str, ComputeWorkload], target: str) -> dict[str, int]:
    """Replicas that workloads, by key, still have in a target; those without any are left out.

    Those that wait for their replacement are given elsewhere already, and still ready here. Of what rests, a place is
    on record for good, and only what is still ready runs.
    """
    left = {
        resources.key_of(each): sum(
            max(0 if _rest(each) else place.replicas, place.ready_replicas) for place in _places(each, target)
        )
        for each in workloads.values()
    }
    return {key: count for key, count in left.items() if count}


def resting(workloads: Mapping[str, ComputeWorkload], target: str) -> dict[str, str]:
    """Workloads, by key, that have a place in a target and run nothing: why."""
    found = {resources.key_of(each): _rest(each) for each in workloads.values() if _places(each, target)}
    return {key: why for key, why in found.items() if why}


def _places(item: ComputeWorkload, target: str) -> list[TargetPlacement]:
    return [place for place in item.status.placements if place.target == target]


def _rest(item: ComputeWorkload) -> str:
    """Why nothing of a workload runs, though its placements say where it has or had its place; empty where it does."""
    if workload_status.is_finished(item):
        return "finished"
    return "suspended" if item.spec.suspend else ""


def _line(left: Mapping[str, int]) -> str:
    most = sorted(left, key=lambda key: (-left[key], key))
    return f"  {sum(left.values())} replicas of {len(left)} workloads left: {_named(most, left)}"


def _named(keys: Collection[str], notes: Mapping[str, object]) -> str:
    shown = ", ".join(f"{key} ({notes[key]})" for key in list(keys)[:SHOWN])
    return f"{shown} and {len(keys) - SHOWN} more" if len(keys) > SHOWN else shown
