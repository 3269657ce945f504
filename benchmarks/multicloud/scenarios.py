"""The measurements, one function each: they drive the hub as a user would and watch what arrives where."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.multicloud import city, meters, workload
from benchmarks.multicloud.city import City
from benchmarks.multicloud.server import OnEvent, Server, now
from benchmarks.multicloud.tracker import Key, Tracker, quantile

from suanli_clusters import Cluster, until

DEPLOYMENTS = "/apis/apps/v1/deployments"
IN_FLIGHT = 16
"""Requests that the driver has open at once, as a busy pipeline would."""

SETTLE_SECONDS = 3
STAGES = ("placed", "first", "spread", "ready", "told")


@dataclass(slots=True)
class Driver:
    """The driver's connections, and what it has seen."""

    place: City
    hub: Server
    tracker: Tracker
    watches: list["asyncio.Task[None]"]

    async def post(self, key: Key, body: Any) -> None:
        progress = self.tracker.workloads[key]
        progress.sent = now()
        await self.hub.request("POST", workload.collection(key[0]), body)

    async def scale(self, key: Key, replicas: int) -> None:
        path = f"{workload.collection(key[0])}/{key[1]}"
        await self.hub.request("PATCH", path, {"spec": {"replicas": replicas}}, workload.MERGE_PATCH)

    async def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """False when the time ran out. Raises what ended the operator or a watch: figures without would be made up."""
        deadline = now() + seconds
        while not done():
            self.place.operator.check()
            for watch in self.watches:
                if watch.done():
                    watch.result()
            if now() > deadline:
                return False
            await asyncio.sleep(0.002)
        return True


@contextlib.asynccontextmanager
async def driver(city: City, clouds: list[Cluster]) -> AsyncIterator[Driver]:
    """Connections to the hub and the clouds, with their watches running."""
    tracker = Tracker()
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Server(city.hub))
        watching: list[tuple[Server, str, OnEvent]] = [
            (hub, f"{workload.GROUP_PATH}/{workload.RESOURCE}", tracker.hub_event)
        ]
        for cloud in clouds:
            server = await stack.enter_async_context(Server(cloud))
            watching.append((server, DEPLOYMENTS, _to_cloud(tracker, cloud.name)))
        listed = [asyncio.Event() for _ in watching]
        tasks = [
            asyncio.create_task(server.watch(path, on_event, event))
            for (server, path, on_event), event in zip(watching, listed, strict=True)
        ]
        try:
            await asyncio.gather(*(event.wait() for event in listed))
            yield Driver(city, hub, tracker, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _to_cloud(tracker: Tracker, name: str) -> OnEvent:
    return lambda kind, deployment, arrived: tracker.cloud_event(name, kind, deployment, arrived)


def _keys(prefix: str, count: int, namespaces: int) -> list[Key]:
    names = workload.namespaces(namespaces)
    return [(names[number % namespaces], f"{prefix}{number:05d}") for number in range(count)]


async def burst(place: City, count: int, namespaces: int, seconds: float) -> dict[str, Any]:
    """`count` workloads of 2 replicas as fast as the hub takes them."""
    keys = _keys("b", count, namespaces)
    async with driver(place, list(place.clouds.values())) as drive:
        for key in keys:
            drive.tracker.expect(key, replicas=2)
        await asyncio.sleep(SETTLE_SECONDS)
        before = meters.writes((await drive.hub.raw("GET", "/metrics")).decode())
        meter, started = meters.Meter(place.groups()), now()
        gate = asyncio.Semaphore(IN_FLIGHT)
        await asyncio.gather(*(_post_through(gate, drive, key) for key in keys))
        posted = now() - started
        await drive.wait(lambda: drive.tracker.all("spread"), seconds)
        spread = meter.cost()
        await drive.wait(lambda: drive.tracker.all("told"), seconds)
        cost = meter.cost()
        written = meters.writes((await drive.hub.raw("GET", "/metrics")).decode()) - before
        return {
            "posted_s": posted,
            **_stages(drive.tracker, started),
            **_costs(place, cost, count),
            "operator_share_until_spread": spread.seconds["operator"] / spread.seconds["machine"],
            **_writes(written, count),
        }


async def _post_through(gate: asyncio.Semaphore, drive: Driver, key: Key) -> None:
    async with gate:
        await drive.post(key, workload.body(*key, replicas=2))


def _stages(tracker: Tracker, started: float) -> dict[str, Any]:
    """For each stage how many reached it, and of those how late; the rate only where all did."""
    found: dict[str, Any] = {}
    for stage in STAGES:
        times = tracker.latencies(stage)
        found[stage] = {"reached": len(times)}
        if times:
            found[stage] |= {"p50_s": quantile(times, 0.5), "p99_s": quantile(times, 0.99)}
        if tracker.all(stage):
            found[stage]["per_second"] = len(times) / (tracker.last(stage) - started)
    return found


def _costs(place: City, cost: meters.Cost, count: int) -> dict[str, Any]:
    return {
        "cpu_ms_per_workload": {name: 1000 * seconds / count for name, seconds in cost.seconds.items()},
        "others_share_of_cpu": cost.others(),
        "operator_mib": meters.resident_mib(place.operator.process.pid),
    }


def _writes(written: Counter[str], count: int) -> dict[str, Any]:
    """The user's own POST of each workload is not counted."""
    return {
        "hub_writes": dict(written.most_common()),
        "writes_per_workload": (meters.counted(written) - count) / count,
    }


async def steady(place: City, count: int, namespaces: int) -> dict[str, Any]:
    """One workload per second, so that none waits for another: the latency of the system itself."""
    keys = _keys("r", count, namespaces)
    async with driver(place, list(place.clouds.values())) as drive:
        for key in keys:
            drive.tracker.expect(key, replicas=2)
        meter, started = meters.Meter(place.groups()), now()
        for number, key in enumerate(keys):
            await asyncio.sleep(max(0, started + number - now()))
            await drive.post(key, workload.body(*key, replicas=2))
        await drive.wait(lambda: drive.tracker.all("told"), 60)
        return {**_stages(drive.tracker, started), **_costs(place, meter.cost(), count)}


async def change(place: City, tries: int) -> dict[str, Any]:
    """Replicas of one workload from 2 to 3 and back, each change after the one before has settled."""
    key = (workload.namespaces(1)[0], "changed")
    async with driver(place, list(place.clouds.values())) as drive:
        progress = drive.tracker.expect(key, replicas=2)
        await drive.post(key, workload.body(*key, replicas=2))
        await drive.wait(lambda: progress.told is not None, 60)
        jitter = random.Random(1)
        times: list[float] = []
        missed = 0
        for number in range(tries):
            await asyncio.sleep(0.7 + 0.6 * jitter.random())
            progress.wanted, progress.spread, progress.told = 3 - number % 2, None, None
            sent = now()
            await drive.scale(key, progress.wanted)
            if await drive.wait(lambda: progress.spread is not None, 30) and progress.spread is not None:
                times.append(progress.spread - sent)
            else:
                missed += 1
        return {"p50_s": quantile(times, 0.5), "p99_s": quantile(times, 0.99), "missed": missed}


async def decision(place: City, count: int, tries: int) -> dict[str, Any]:
    """From POST to the placement in the workload's status, where one cloud of `count` nodes is asked for by name.

    One at a time, each after the one before runs, in a cloud whose own start is over.
    """
    big = city.add_cloud(place, "m4", count)
    city.wait_at_rest(big)
    workload.make_namespaces([big], 1)
    placement = {"require": [{"key": "cloud", "operator": "In", "values": [big.name]}]}
    requests = {"cpu": "4", "memory": "128Mi"}
    async with driver(place, [big]) as drive:
        meter = meters.Meter(place.groups())
        for number in range(tries):
            key = (workload.namespaces(1)[0], f"decided-{number}")
            progress = drive.tracker.expect(key, replicas=2)
            await drive.post(key, workload.body(*key, replicas=2, requests=requests, placement=placement))
            await drive.wait(lambda progress=progress: progress.told is not None, 60)  # type: ignore[misc]
        times = drive.tracker.latencies("placed")
        return {
            "nodes": count,
            "p50_s": quantile(times, 0.5),
            "max_s": max(times),
            **_costs(place, meter.cost(), tries),
        }


def arm_only(place: City, seconds: float = 60) -> dict[str, Any]:
    """100 replicas for arm64 alone, where one cloud is all amd64 and one all arm64: how many pods find no node."""
    key = (workload.namespaces(1)[0], "arm-only")
    body = workload.body(
        *key,
        replicas=100,
        requests={"cpu": "1", "memory": "1Gi"},
        variants=[{"name": "arm64", "requires": {"architectures": ["arm64"]}}],
        placement={"require": [{"key": "cloud", "operator": "In", "values": ["m1", "m2"]}]},
    )
    place.hub.api.post(workload.collection(key[0]), body)
    until(lambda: len(_pods(place, key[0])) >= 100, "100 pods in the clouds", seconds)
    with contextlib.suppress(TimeoutError):
        until(lambda: not _pending(place, key[0]), "no pod pending", seconds)
    found = {name: len(_in_cloud(cloud, key[0])) for name, cloud in place.clouds.items()}
    return {"pods": found, "pending": len(_pending(place, key[0]))}


def _pods(place: City, namespace: str) -> list[Any]:
    return [pod for cloud in place.clouds.values() for pod in _in_cloud(cloud, namespace)]


def _in_cloud(cloud: Cluster, namespace: str) -> list[Any]:
    pods = cloud.api.items(f"/api/v1/namespaces/{namespace}/pods")
    return [pod for pod in pods if pod["metadata"]["name"].startswith("arm-only")]


def _pending(place: City, namespace: str) -> list[Any]:
    return [pod for pod in _pods(place, namespace) if pod["status"]["phase"] == "Pending"]
