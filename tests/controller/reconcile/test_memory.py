"""What is gone leaves nothing behind: a controller runs for months, and names are ever new."""

from typing import Any

import msgspec
import pytest
from tests import bare_city, works

from suanli_controller.api import core_v1, workload
from suanli_controller.core import fleet
from suanli_controller.kube import informer, kinds
from suanli_controller.reconcile import city, cluster
from suanli_controller.reconcile import workload as workloads

CLOUD = "Cloud/c"


@pytest.fixture
def here() -> city.City:
    made = bare_city.made()
    made.set_target(fleet.Target(CLOUD), CLOUD)
    made.set_target(fleet.Target("Cloud/local", local=True), city.HUB)
    return made


def following(here: city.City, ref: str) -> cluster.Cluster:
    return cluster.Cluster(ref, here.hub, "hub", here)


def node(name: str, **labels: str) -> core_v1.Node:
    return msgspec.convert({"metadata": {"name": name, "resourceVersion": "1", "labels": labels}}, core_v1.Node)


def pod(uid: str, version: str, on: str = "n") -> core_v1.Pod:
    container = {"name": "c", "resources": {"requests": {"cpu": "2"}}}
    meta = {"name": "db-0", "namespace": "a", "uid": uid, "resourceVersion": version}
    return msgspec.convert({"metadata": meta, "spec": {"nodeName": on, "containers": [container]}}, core_v1.Pod)


def held(here: city.City) -> tuple[Any, ...]:
    """All that a city remembers of what is in its clusters."""
    counted = {ref: (dict(state.nodes), dict(state.tally._requested)) for ref, state in here.targets.items()}
    return counted, dict(here._bound), dict(here._early), dict(here.references)


def test_a_pod_made_anew_under_its_name_while_nobody_looked_counts_once(here: city.City) -> None:
    """A StatefulSet's, in a cloud that was silent so long that its history was gone when it came back."""
    there = following(here, CLOUD)
    there.nodes._put(node("n"))
    there.pods._put(pod("former", "1"))
    there.pods._put(pod("new", "2"))
    assert here.targets[CLOUD].tally.requested_on("n")["cpu"] == 2000
    there.pods._remove("a/db-0")
    assert here.targets[CLOUD].tally.requested_on("n") == {}


@pytest.mark.parametrize("ref", [CLOUD, city.HUB])
@pytest.mark.parametrize("pod_first", [True, False])
def test_nodes_and_pods_leave_nothing_behind(here: city.City, ref: str, *, pod_first: bool) -> None:
    before, there = held(here), following(here, ref)
    there.nodes._put(node("n"))
    there.pods._put(pod("u", "1"))
    for each, key in ((there.pods, "a/db-0"), (there.nodes, "n"))[:: 1 if pod_first else -1]:
        each._remove(key)
    assert held(here) == before


def test_a_pod_stays_counted_in_the_cloud_that_showed_it_last(here: city.City) -> None:
    """Its cluster's mark went from one Cloud to another: who lets go of it takes nothing of the other's."""
    here.set_target(fleet.Target("Cloud/d"), "Cloud/d")
    first, second = following(here, CLOUD), following(here, "Cloud/d")
    for there in (first, second):
        there.nodes._put(node("n"))
        there.pods._put(pod("u", "1"))
    first.pods._remove("a/db-0")
    assert here.targets[CLOUD].tally.requested_on("n") == {}
    assert here.targets["Cloud/d"].tally.requested_on("n")["cpu"] == 2000
    assert here.fleet._pods.keys() == {"u"}
    second.pods._remove("a/db-0")
    assert here.targets["Cloud/d"].tally.requested_on("n") == {}


def test_a_pod_on_a_node_that_never_comes_leaves_nothing_behind(here: city.City) -> None:
    before, there = held(here), following(here, city.HUB)
    there.pods._put(pod("u", "1", on="nowhere"))
    there.pods._remove("a/db-0")
    assert held(here) == before


@pytest.fixture
def items(here: city.City) -> workloads.Workloads:
    """Who listens to the cache of workloads."""
    local = following(here, city.HUB)
    hub: Any = here.hub
    made = informer.Informer(hub, kinds.WORKLOADS)
    algorithms = informer.Informer(hub, kinds.ALGORITHMS)
    return workloads.Workloads(here, made, local.priority_classes, algorithms)


async def test_workloads_leave_nothing_behind(here: city.City, items: workloads.Workloads) -> None:
    before = held(here)
    item: workload.ComputeWorkload = works.work()
    key = f"{item.metadata.namespace}/{item.metadata.name}"
    items.items._put(item)
    items.decide(await here.workloads.get_batch())
    here.workloads.retry(key)
    here.workloads.done(key)
    items.items._remove(key)
    items.decide(await here.workloads.get_batch())
    assert held(here) == before
    assert (items.records, here.keys, here.workloads.failures(key)) == ({}, {}, 0)


async def test_a_cluster_that_was_let_go_keeps_nothing_that_it_held(here: city.City) -> None:
    """Its parts hold each other, and what was there when the leader began is never collected."""
    there = following(here, CLOUD)
    there.nodes._put(node("n"))
    there.pods._put(pod("u", "1"))
    there.drop()
    assert (len(there.nodes), len(there.pods), len(there.pods_of("u"))) == (0, 0, 0)
