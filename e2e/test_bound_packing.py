"""We plan counts, the target's kube-scheduler binds: with our profile nothing that was planned stays Pending."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import suanli_packing as packing
from suanli_clusters import SCHEDULER, Cluster, Options, SimulatedNode, fleet
from suanli_controller.core import demand, placement
from suanli_controller.core import fleet as fleets

NPU = "huawei.com/Ascend910"
TARGET = fleets.Target("Cloud/npu", clearance="Core")
WORKS = (("small", 1, 40), ("pair", 2, 10), ("whole", 8, 7))
"""Name, devices a replica, replicas: 116 of 128 devices, the small ones first, which is the worst order for packing."""


def asked(devices: int) -> demand.Ask:
    requests = {"cpu": 1000 * devices, "memory": devices << 30, NPU: devices}
    return demand.Ask((demand.Variant(requests=requests),), strategy=demand.Strategy.FRAGMENTATION)


def test_all_that_was_planned_is_bound_and_lies_as_planned(
    cloud_factory: Callable[..., Cluster], tmp_path: Path
) -> None:
    cluster = cloud_factory("npu", Options(without=frozenset({SCHEDULER})))
    node = SimulatedNode(name="", capacity={"cpu": "96", "memory": "512Gi", "pods": "110", NPU: "8"})
    cluster.create_nodes(fleet("npu", 16, node))
    where = packing.fleet_of(cluster, TARGET)
    planned: Counter[str] = Counter()
    for name, devices, replicas in WORKS:
        decision = placement.place(where, [demand.Demand(name, asked(devices), replicas)])[0]
        assert decision.unplaced == 0
        for place in decision.placements:
            planned.update({on: devices * count for on, count in place.nodes})
    lies: Counter[str] = Counter()
    with packing.scheduler(cluster, tmp_path, packing.PROFILE):
        for name, devices, replicas in WORKS:
            requests = {"cpu": str(devices), "memory": f"{devices}Gi", NPU: str(devices)}
            cluster.apply(packing.deployment(name, replicas, requests))
            for on in packing.wait_bound(cluster, name, replicas):
                lies[on] += devices
    assert sum(lies.values()) == sum(planned.values()) == 116
    # the scheduler may choose other nodes of the same kind: what counts is how full they are
    assert sorted(lies.values()) == sorted(planned.values())
