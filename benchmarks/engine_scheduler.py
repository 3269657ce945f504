"""The engine against the real kube-scheduler: the same pods on the same simulated nodes.

    python benchmarks/engine_scheduler.py [--nodes 1000] [--pods 2000]

kube-scheduler: from its start, with all pods waiting, until all are bound, through a real API server without limits
on requests (what etcd and API server take is not counted). Its CPU seconds hold watching, queueing, scoring and the
requests that bind. With the default profile it scores a sample of the nodes.

Engine: reading the same Nodes and Pods from JSON into the fleet, and one decision a pod over every node. It hands out
counts and binds nothing: the target's scheduler still has to. So the ratio tells what a decision costs, not what a pod
costs in all. Both use one process; times are of that process.
"""

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "e2e"))

import suanli_packing as packing  # noqa: E402 - the clusters live beside the e2e tests
from suanli_clusters import KWOK, SCHEDULER, Cluster, Clusters, Options, SimulatedNode, fleet, tools, until  # noqa: E402
from suanli_controller.api import core_v1  # noqa: E402
from suanli_controller.core import demand, hardware, placement, requests  # noqa: E402
from suanli_controller.core import fleet as fleets  # noqa: E402

TARGET = fleets.Target("Cloud/bench", clearance="Core")
SHAPES = (("250m", "512Mi"), ("1", "2Gi"), ("2", "4Gi"), ("4", "16Gi"))


def pod(number: int) -> dict[str, Any]:
    cpu, memory = SHAPES[number % len(SHAPES)]
    wanted = {"requests": {"cpu": cpu, "memory": memory}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}", "namespace": "default"},
        "spec": {"containers": [{"name": "app", "image": "app:1", "resources": wanted}]},
    }


def nodes(count: int) -> list[SimulatedNode]:
    arm = SimulatedNode(name="", architecture="arm64")
    return [*fleet("amd", count - count // 2, SimulatedNode(name="")), *fleet("arm", count // 2, arm)]


def scheduled(cluster: Cluster) -> int:
    return sum(1 for each in cluster.api.items("/api/v1/pods") if each["spec"].get("nodeName"))


def by_scheduler(cluster: Cluster, pods: int, folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds until all pods are bound."""
    cluster.api.post_all("/api/v1/namespaces/default/pods", [pod(number) for number in range(pods)])
    start = time.monotonic()
    with packing.scheduler(cluster, folder, qps=10_000, burst=10_000) as running:
        until(lambda: scheduled(cluster) >= pods, f"{pods} pods bound", 600, every=0.5)
        return time.monotonic() - start, running.cpu_seconds()


def by_engine(found: list[bytes], wanted: list[bytes]) -> tuple[float, float]:
    """CPU seconds to read everything, and to decide for each pod."""
    start = time.process_time()
    where, reader = fleets.Fleet(len(found)), hardware.Reader(TARGET.ref)
    where.upsert_target(TARGET)
    decoder = msgspec.json.Decoder(core_v1.Node)
    for raw in found:
        where.upsert_node(reader.read(decoder.decode(raw)))
    asked = [requests.of_spec(each.spec) for each in map(msgspec.json.Decoder(core_v1.Pod).decode, wanted)]
    kinds = {tuple(sorted(each.items())): demand.Ask((demand.Variant(requests=each),)) for each in asked}
    asks = [kinds[tuple(sorted(each.items()))] for each in asked]
    read = time.process_time()
    unplaced = sum(
        placement.place(where, [demand.Demand(str(number), ask)])[0].unplaced for number, ask in enumerate(asks)
    )
    if unplaced:
        raise SystemExit(f"{unplaced} pods found no node: give more --nodes")
    return read - start, time.process_time() - read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=2000)
    options = parser.parse_args()
    choices = Options(heartbeat_factor=50, unlimited=True, without=frozenset({SCHEDULER, KWOK}))
    with Clusters("engine-scheduler") as clusters, tempfile.TemporaryDirectory() as folder:
        cluster = clusters.start("bench", choices)
        cluster.create_nodes(nodes(options.nodes), ready=False)
        _make_ready(cluster)
        raw = [msgspec.json.encode(each) for each in cluster.api.items("/api/v1/nodes")]
        wall, cpu = by_scheduler(cluster, options.pods, Path(folder))
    read, decide = by_engine(raw, [msgspec.json.encode(pod(number)) for number in range(options.pods)])
    print(f"{options.pods} pods on {options.nodes} nodes; {platform.machine()}, {tools.kubernetes_version()}")
    print(f"kube-scheduler   {wall:8.2f} s wall, {cpu:8.2f} CPU s, {options.pods / cpu:10.0f} pods per CPU second")
    print(f"engine, decide   {decide:26.3f} CPU s, {options.pods / decide:10.0f} pods per CPU second")
    print(
        f"engine, read too {read + decide:26.3f} CPU s, {options.pods / (read + decide):10.0f} pods per CPU second"
    )
    print(
        f"ratio of CPU     {cpu / decide:.0f} deciding alone, {cpu / (read + decide):.0f} with reading nodes and pods"
    )


def _make_ready(cluster: Cluster) -> None:
    """What kwok would do; without it nothing but the scheduler works on the pods."""
    condition = {"type": "Ready", "status": "True", "reason": "Simulated", "message": ""}
    for each in cluster.api.items("/api/v1/nodes"):
        name = each["metadata"]["name"]
        cluster.api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [condition]}})
        cluster.api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})


if __name__ == "__main__":
    main()
