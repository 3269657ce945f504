"""Our typed cache against the official client's, in one run, against one real API server.

    python benchmarks/informer.py [--nodes 10000] [--events 10000] [--repeats 3] [--json]

Each side fills a cache from all nodes and then follows changes to them, in a process of its own: ours is
suanli_controller.kube.informer with the controller's own Node, theirs is kubernetes.informer.SharedInformer over
CoreV1Api.list_node. Printed: wall time from nothing to a filled cache (connection and TLS included, imports not),
the follower's own CPU time in it, watch events per second of the follower's own CPU time, and resident memory after
the list and at its highest. Both sides' wall time holds the API server's own time to write the list as JSON, which
no client can shorten: the line below it is the same list fetched by our client and thrown away undecoded.
Medians of the repeats, which alternate. The cluster is etcd and kube-apiserver alone: no one else writes.
"""

import argparse
import asyncio
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from suanli_clusters import (
    CONTROLLER_MANAGER,
    KWOK,
    SCHEDULER,
    Cluster,
    Clusters,
    Options,
    SimulatedNode,
    node_object,
)
from suanli_controller.kube import client, informer, kubeconfig, paging, resources

SIDES = ("ours", "official")
FETCH = "fetch"
CHANGE = "benchmark.suanli.io/change"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--follow", choices=(*SIDES, FETCH), help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.follow:
        follow(options.follow, options.kubeconfig, options.nodes, options.events)
    else:
        report(compare(options), as_json=options.json)


# --- the comparison


def compare(options: argparse.Namespace) -> dict[str, Any]:
    alone = Options(unlimited=True, without=frozenset({CONTROLLER_MANAGER, SCHEDULER, KWOK}))
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in (*SIDES, FETCH)}
    with Clusters("bench-informer") as clusters:
        cluster = clusters.start("api", alone)
        say(f"making {options.nodes} nodes ...")
        cluster.api.post_all("/api/v1/nodes", nodes(options.nodes))
        for repeat in range(options.repeats):
            for side in SIDES if repeat % 2 == 0 else reversed(SIDES):
                runs[side].append(run(side, cluster, options))
                say(f"{side}: {runs[side][-1]}")
            runs[FETCH].append(run(FETCH, cluster, options))
        body = len(cluster.api.text("/api/v1/nodes?limit=100")) / 100
    figures = {
        side: {name: statistics.median(one[name] for one in runs[side]) for name in runs[side][0]} for side in runs
    }
    return {
        "nodes": options.nodes,
        "events": options.events,
        "bytes_per_node": round(body),
        "machine": machine(),
        **figures,
    }


def nodes(count: int) -> Iterator[dict[str, Any]]:
    """Nodes as a vendor's cloud has them: labels of feature discovery, conditions, an accelerator on some."""
    for number in range(count):
        arm = number % 2 == 0
        made = node_object(
            SimulatedNode(
                name=f"node-{number:05d}",
                architecture="arm64" if arm else "amd64",
                os_image="openEuler 22.03 (LTS-SP3)",
                labels={
                    "topology.kubernetes.io/zone": f"az-{number % 3}",
                    "node.kubernetes.io/instance-type": "kc2.16xlarge",
                    "suanli.io/cpu-family": "kunpeng-920" if arm else "hygon",
                    **{f"feature.node.kubernetes.io/cpu-cpuid.FEATURE{n}": "true" for n in range(12)},
                },
                annotations={"node.alpha.kubernetes.io/ttl": "0"},
                capacity={"cpu": "96", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110"}
                | ({"huawei.com/Ascend910": "8"} if number % 4 == 0 else {}),
            )
        )
        made["status"] |= {
            "addresses": [
                {"type": "InternalIP", "address": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
            ],
            "conditions": [condition(kind) for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")],
        }
        yield made


def condition(kind: str) -> dict[str, str]:
    moment = "2026-01-01T00:00:00Z"
    status = "True" if kind == "Ready" else "False"
    said = {"reason": f"Kubelet{kind}", "message": f"kubelet says that {kind} is {status}"}
    return {"type": kind, "status": status, "lastHeartbeatTime": moment, "lastTransitionTime": moment, **said}


def run(side: str, cluster: Cluster, options: argparse.Namespace) -> dict[str, float]:
    """One side from nothing to the last event, in a fresh process."""
    command = [sys.executable, __file__, "--follow", side, "--kubeconfig", str(cluster.kubeconfig)]
    counts = ["--nodes", str(options.nodes), "--events", str(options.events)]
    with subprocess.Popen(command + counts, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        listed: dict[str, float] = json.loads(follower.stdout.readline())
        if side == FETCH:
            return listed
        asyncio.run(change(cluster, options))
        followed = json.loads(follower.stdout.readline())
    return {**listed, **followed}


async def change(cluster: Cluster, options: argparse.Namespace) -> None:
    """Write `events` changes, as fast as the API server takes them over 16 connections."""
    todo, mark = iter(range(options.events)), secrets.token_hex(4)  # the same value again would be no change
    async with client.Client(kubeconfig.from_operator(str(cluster.kubeconfig))) as api:

        async def work() -> None:
            for number in todo:
                change = {"metadata": {"annotations": {CHANGE: f"{mark}-{number}"}}}
                await api.patch(resources.NODES.metadata_only, f"node-{number % options.nodes:05d}", "", change)

        await asyncio.gather(*(work() for _ in range(16)))


# --- one side, in its own process


def follow(side: str, path: str, count: int, events: int) -> None:
    if side == "ours":
        asyncio.run(follow_ours(path, count, events))
    elif side == FETCH:
        asyncio.run(fetch(path))
    else:
        follow_official(path, count, events)


class Meter:
    """Wall and CPU time of this process since it was made or told."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def listed(self) -> None:
        tell(
            list_seconds=time.perf_counter() - self.wall,
            list_cpu_seconds=time.process_time() - self.cpu,
            resident_mib=resident("VmRSS"),
        )
        self.cpu = time.process_time()

    def followed(self, events: int) -> None:
        spent = time.process_time() - self.cpu
        tell(events_per_cpu_second=events / spent, highest_mib=resident("VmHWM"))


async def follow_ours(path: str, count: int, events: int) -> None:
    way = kubeconfig.from_operator(path)
    meter, seen, enough = Meter(), 0, asyncio.Event()

    def heard(old: Any, _: Any, /) -> None:
        nonlocal seen
        if old is not None:
            seen += 1
            if seen == events:
                enough.set()

    async with client.Client(way) as api:
        cache = informer.Informer(api, resources.NODES)
        cache.subscribe(heard)
        task = asyncio.create_task(cache.run())
        await cache.synced.wait()
        assert len(cache) == count
        meter.listed()
        await enough.wait()
        meter.followed(events)
        task.cancel()


async def fetch(path: str) -> None:
    way = kubeconfig.from_operator(path)
    meter = Meter()
    async with client.Client(way) as api:
        async for _ in paging.bodies(api, resources.NODES, "", {}):
            pass
    meter.listed()


def follow_official(path: str, count: int, events: int) -> None:
    from kubernetes import client as official  # noqa: PLC0415 - ours must not carry its memory
    from kubernetes import config  # noqa: PLC0415
    from kubernetes.informer import SharedInformer  # noqa: PLC0415

    config.load_kube_config(path)  # type: ignore[no-untyped-call]
    seen, enough = 0, threading.Event()
    meter = Meter()
    cache: Any = SharedInformer(official.CoreV1Api().list_node)  # type: ignore[no-untyped-call]

    def heard(_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == events:
            enough.set()

    cache.add_event_handler("MODIFIED", heard)
    cache.start()
    while len(cache.cache.list()) < count:
        time.sleep(0.005)
    meter.listed()
    enough.wait()
    meter.followed(events)
    os._exit(0)  # its thread cannot be stopped while it waits for the server


def tell(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


def resident(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise AssertionError(field)


# --- saying it


def machine() -> str:
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    versions = " ".join(f"{name} {metadata.version(name)}" for name in ("aiohttp", "msgspec", "kubernetes"))
    model = cpu.partition(":")[2].strip() or platform.machine()
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    ours, theirs = figures["ours"], figures["official"]
    print(f"{figures['nodes']} nodes of {figures['bytes_per_node']} bytes, {figures['events']} changes")
    print(figures["machine"])
    print(f"{'':34}{'ours':>10}{'official':>10}{'ratio':>8}")
    for name, label, target in (
        ("list_seconds", "list and cache, s", " (target 20)"),
        ("list_cpu_seconds", "  of it own CPU, s", ""),
        ("events_per_cpu_second", "events per own CPU second", " (target 9)"),
        ("resident_mib", "resident after the list, MiB", ""),
        ("highest_mib", "resident at most, MiB", ""),
    ):
        ratio = max(ours[name], theirs[name]) / min(ours[name], theirs[name])
        print(f"{label:34}{ours[name]:>10.2f}{theirs[name]:>10.2f}{ratio:>7.1f}x{target}")
        if name == "list_seconds":
            print(f"{'  the list alone, undecoded, s':34}{figures[FETCH][name]:>10.2f}")


if __name__ == "__main__":
    main()
