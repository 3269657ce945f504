"""How `cloud cordon`, `uncordon` and `drain` do it: one field or two of the Cloud, then watching what leaves."""

import asyncio
import time
from collections.abc import Mapping

import click

from suanli_controller.api import names
from suanli_controller.api.workload import ComputeWorkload
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

    Those that wait for their replacement are given elsewhere already, and still ready here.
    """
    left = {
        resources.key_of(each): sum(
            max(place.replicas, place.ready_replicas) for place in each.status.placements if place.target == target
        )
        for each in workloads.values()
    }
    return {key: count for key, count in left.items() if count}


def _line(left: Mapping[str, int]) -> str:
    most = sorted(left, key=lambda key: (-left[key], key))[:SHOWN]
    shown = ", ".join(f"{key} ({left[key]})" for key in most)
    more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    return f"  {sum(left.values())} replicas of {len(left)} workloads left: {shown}{more}"
