"""What the requests and watches of a burst cost by themselves: `make bench-traffic`.

The operator's own client and cache, under the operator's event loop, do for each workload what it does, at the same
moments, and decide nothing: a status, an object in two clouds, an Event, a status again. What this takes is the least
that a controller on this client can take, however little it thinks.
"""

import argparse
import asyncio
import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import uvloop
from benchmarks.multicloud import city, meters, workload
from benchmarks.multicloud.scenarios import IN_FLIGHT, SETTLE_SECONDS
from benchmarks.multicloud.server import Server

from suanli_clusters import until
from suanli_controller.cli import run
from suanli_controller.kube import client, informer, kinds, kubeconfig, resources
from suanli_controller.reconcile import cluster
from suanli_controller.reconcile import workload as reconciler

NAME = "benchmarks.multicloud.traffic"
READY = "ready"
PLACES = 2


class Traffic:
    """Does the work of one controller, by rote."""

    def __init__(self, hub: client.Client, clouds: Sequence[client.Client]) -> None:
        self._hub, self._clouds = hub, clouds[:PLACES]
        self._gate = asyncio.Semaphore(reconciler.AT_ONCE)
        self._known: dict[str, Any] = {}  # uid -> metadata
        self._running: dict[str, set[int]] = {}  # uid -> clouds in which its pod runs
        self._tasks: set[asyncio.Task[None]] = set()
        items = informer.Informer(hub, kinds.WORKLOADS)
        items.subscribe(self._item_changed)
        self.caches: list[informer.Informer[Any]] = [items]
        for number, api in enumerate(clouds):
            deployments = informer.Informer(api, resources.DEPLOYMENTS, settings=cluster.LEISURE)
            deployments.subscribe(self._heard_in(number))
            self.caches += [deployments, informer.Informer(api, resources.PODS, settings=cluster.LEISURE)]

    def _item_changed(self, _: Any, new: Any) -> None:
        if new is not None and new.metadata.uid not in self._known:
            self._known[new.metadata.uid] = new.metadata
            self._spawn(self._carry_out(new.metadata))

    def _heard_in(self, number: int) -> Callable[[Any, Any], None]:
        def changed(_: Any, new: Any) -> None:
            meta = self._known.get(new.metadata.name) if new is not None else None
            if meta is None or not new.status.ready_replicas:
                return
            running = self._running.setdefault(meta.uid, set())
            if number not in running:
                running.add(number)
                if len(running) == PLACES:
                    self._spawn(self._tell(meta, PLACES))

        return changed

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            raise SystemExit(f"one request failed: {task.exception()!r}")  # figures without it would be made up

    async def _carry_out(self, meta: Any) -> None:
        async with self._gate:
            await self._tell(meta, 0)
        requests: list[Awaitable[Any]] = [
            api.apply(resources.DEPLOYMENTS, _deployment(meta)) for api in self._clouds
        ]
        await asyncio.gather(*requests, self._hub.create(resources.EVENTS, _event(meta)))

    async def _tell(self, meta: Any, ready: int) -> None:
        change = [{"op": "add", "path": "/status", "value": _status(ready)}]
        await self._hub.patch(
            kinds.WORKLOADS, meta.name, meta.namespace, change, kind=client.JSON_PATCH, subresource="status"
        )


def _status(ready: int) -> dict[str, Any]:
    moment = "2026-01-01T00:00:00Z"
    said = {"reason": "Told", "message": f"{PLACES} replicas in {PLACES} targets", "lastTransitionTime": moment}
    return {
        "observedGeneration": 1,
        "replicas": PLACES,
        "readyReplicas": ready,
        "placements": [
            {"target": f"Cloud/m{number}", "variant": "default", "replicas": 1, "readyReplicas": ready // PLACES}
            for number in range(1, PLACES + 1)
        ],
        "conditions": [
            {"type": "Placed", "status": "True", **said},
            {"type": "Ready", "status": "True" if ready else "False", **said},
        ],
    }


def _deployment(meta: Any) -> dict[str, Any]:
    """Named by the workload's uid, so that its events find the workload."""
    labels = {"suanli.io/workload-uid": meta.uid}
    container = {"name": "c", "image": "none:1", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": meta.uid, "namespace": meta.namespace, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def _event(meta: Any) -> dict[str, Any]:
    regarding = {"apiVersion": "suanli.io/v1alpha1", "kind": "ComputeWorkload", "name": meta.name}
    return {
        "metadata": {"name": f"{meta.name}.{secrets.token_hex(8)}", "namespace": meta.namespace},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "bench",
        "reportingInstance": "bench",
        "action": "Placed",
        "reason": "Placed",
        "type": "Normal",
        "note": f"{PLACES} replicas in {PLACES} targets",
        "regarding": {**regarding, "namespace": meta.namespace, "uid": meta.uid},
    }


async def follow(hub: str, clouds: Sequence[str]) -> None:
    """One controller's traffic, until killed; says so once all caches are filled."""
    run.spare_collecting()
    traffic = Traffic(*_clients(hub, clouds))
    async with asyncio.TaskGroup() as tasks:
        for cache in traffic.caches:
            tasks.create_task(cache.run())
        for cache in traffic.caches:
            await cache.synced.wait()
        print(READY, flush=True)


def _clients(hub: str, clouds: Sequence[str]) -> tuple[client.Client, list[client.Client]]:
    made = [client.Client(kubeconfig.from_operator(path)) for path in (hub, *clouds)]
    return made[0], made[1:]


# --- the measurement


async def post(place: city.City, count: int, namespaces: int) -> None:
    gate = asyncio.Semaphore(IN_FLIGHT)
    async with Server(place.hub) as hub:

        async def one(number: int) -> None:
            key = (workload.namespaces(namespaces)[number % namespaces], f"t{number:05d}")
            async with gate:
                await hub.request("POST", workload.collection(key[0]), workload.body(*key, replicas=PLACES))

        await asyncio.gather(*(one(number) for number in range(count)))


def all_told(place: city.City, count: int) -> bool:
    found = place.hub.api.items(f"{workload.GROUP_PATH}/{workload.RESOURCE}")
    told = [each for each in found if each.get("status", {}).get("readyReplicas", 0) == PLACES]
    return len(told) == count


@contextlib.contextmanager
def running(paths: Sequence[str]) -> Iterator[int]:
    """The pid of a process with one controller's traffic, whose caches are filled."""
    with subprocess.Popen([sys.executable, "-m", NAME, *paths], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if READY not in (line.strip() for line in process.stdout):
                raise RuntimeError("the traffic ended before it began")
            yield process.pid
        finally:
            process.kill()


def measure(count: int, namespaces: int) -> float:
    """Milliseconds of processor time for each workload."""
    with city.running() as place:
        place.operator.stop()
        workload.make_namespaces([place.hub, *place.clouds.values()], namespaces)
        with running([str(each.kubeconfig) for each in (place.hub, *place.clouds.values())]) as controller:
            time.sleep(SETTLE_SECONDS)
            before = meters.cpu_seconds([controller])
            asyncio.run(post(place, count, namespaces))
            until(lambda: all_told(place, count), "all workloads told to run", seconds=300, every=2)
            spent = meters.cpu_seconds([controller]) - before
    return 1000 * spent / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", type=int, default=500, help="of the burst (default: %(default)s)")
    parser.add_argument("--namespaces", type=int, default=50, help="they are spread over (default: %(default)s)")
    parser.add_argument(
        "kubeconfigs", nargs="*", help=argparse.SUPPRESS
    )  # of the hub and the clouds: be its traffic
    options = parser.parse_args()
    if options.kubeconfigs:
        uvloop.run(follow(options.kubeconfigs[0], options.kubeconfigs[1:]))
    else:
        spent = measure(options.workloads, options.namespaces)
        print(f"processor time of requests and watches alone, nothing decided: {spent:.1f} ms a workload")


if __name__ == "__main__":
    main()
