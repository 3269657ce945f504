"""Which workloads are looked at again when targets and nodes change."""

from typing import Any

import msgspec
import pytest
from tests import bare_city

from suanli_controller.api import core_v1
from suanli_controller.core import fleet
from suanli_controller.reconcile import city, cluster

CLOUD = "Cloud/c"


@pytest.fixture
def here() -> city.City:
    """A cloud with a node; workload `placed` has its place, workload `waiting` has none."""
    made = bare_city.made()
    made.set_target(fleet.Target(CLOUD, clearance="Core"), CLOUD)
    made.keys |= {"u1": "a/placed", "u2": "a/waiting"}
    made.waiting = {"a/waiting"}
    return made


def node(version: int, *taints: str, **labels: str) -> core_v1.Node:
    tainted = [{"key": key, "effect": "NoSchedule"} for key in taints]
    return msgspec.convert(
        {
            "metadata": {"name": "n", "labels": labels, "resourceVersion": str(version)},
            "spec": {"taints": tainted},
        },
        core_v1.Node,
    )


async def woken(here: city.City) -> set[str]:
    """Whom what happened wakes, once all of it was gathered."""
    if here._pending is None:
        return set()
    here._pending.cancel()
    here._wake_now()
    found = set(await here.workloads.get_batch())
    for key in found:
        here.workloads.done(key)
    return found


EVERYONE = {"a/placed", "a/waiting"}


@pytest.mark.parametrize("change", [{"clearance": "General"}, {"district": "370811"}, {"labels": {"a": "b"}}])
async def test_everyone_is_looked_at_when_a_target_takes_others_than_before(
    here: city.City, change: dict[str, Any]
) -> None:
    """What has its place may not stay there: data of a grade that the cloud is not cleared for any more, say."""
    await woken(here)
    here.set_target(fleet.Target(CLOUD, **({"clearance": "Core"} | change)), CLOUD)
    assert await woken(here) == EVERYONE


async def test_a_round_trip_concerns_those_who_wait(here: city.City) -> None:
    """Who asks for a quick link is always among them."""
    await woken(here)
    here.set_target(fleet.Target(CLOUD, clearance="Core", rtt_microseconds=9), CLOUD)
    assert await woken(here) == {"a/waiting"}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (node(2, pool="b"), EVERYONE),
        (node(2, "dedicated", pool="a"), EVERYONE),
        (node(2, "node.kubernetes.io/unreachable", pool="a"), {"a/waiting"}),
        (node(2, pool="a"), set()),
    ],
)
async def test_everyone_is_looked_at_when_a_node_takes_others_and_not_when_it_is_out_of_order(
    here: city.City, after: core_v1.Node, expected: set[str]
) -> None:
    there = cluster.Cluster(CLOUD, here.hub, "hub", here)
    there.nodes._put(node(1, pool="a"))
    await woken(here)
    there.nodes._put(after)
    assert await woken(here) == expected
