"""Filters, order and pages; rights cut before anything else."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.controller.dashboard import centre_rows

from suanli_controller.dashboard import query, rights
from suanli_controller.view import model

# What each sort word means, said once more and by rows.
KEYS: dict[str, Callable[[model.Node], Any]] = {
    "target": lambda n: (n.target, n.name),
    "name": lambda n: n.name,
    "class": lambda n: n.class_key,
    "cpu": lambda n: n.allocatable.get("cpu", 0),
    "cpuFree": lambda n: n.allocatable.get("cpu", 0) - n.requested.get("cpu", 0),
    "memory": lambda n: n.allocatable.get("memory", 0),
    "memoryFree": lambda n: n.allocatable.get("memory", 0) - n.requested.get("memory", 0),
    "accelerators": lambda n: sum(amount for name, amount in n.allocatable.items() if "/" in name),
    "ready": lambda n: (n.ready, not n.cordoned),
    "created": lambda n: n.created,
}
ALL = rights.Rights(totals=True, clouds=True, sites=True, algorithms=True, workloads=True)
EVERYTHING = query.Cut("", 0, 500)


@given(fleet=centre_rows.fleets(), sort=st.sampled_from(query.NODE_SORTS), size=st.integers(1, 5))
def test_pages_laid_end_to_end_are_the_table_in_order(fleet: list[model.Node], sort: str, size: int) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    total, whole = query.nodes(held, ALL, query.Filter(), query.Cut(sort, 0, 500))
    pages = [query.nodes(held, ALL, query.Filter(), query.Cut(sort, at, size))[1] for at in range(0, total, size)]
    assert total == len(fleet)
    assert sorted(node.key for page in pages for node in page) == sorted(node.key for node in fleet)
    key = KEYS[sort]
    assert [node.key for page in pages for node in page] == [node.key for node in whole]
    assert whole == sorted(sorted(fleet, key=KEYS["target"]), key=key)


@given(fleet=centre_rows.fleets(), sort=st.sampled_from(query.NODE_SORTS))
def test_a_minus_turns_the_order_round(fleet: list[model.Node], sort: str) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    _, down = query.nodes(held, ALL, query.Filter(), query.Cut(f"-{sort}", 0, 500))
    key = KEYS[sort]
    assert [key(node) for node in down] == sorted((key(node) for node in fleet), reverse=True)


@given(fleet=centre_rows.fleets())
def test_filters_match_class_place_state_and_text(fleet: list[model.Node]) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    cases: list[tuple[query.Filter, Callable[[model.Node], bool]]] = [
        (query.Filter(architecture="arm64"), lambda n: n.class_key.startswith("arm64.")),
        (query.Filter(accelerator="huawei.com_Ascend310P"), lambda n: n.class_key.endswith("Ascend310P")),
        (query.Filter(tier="Edge"), lambda n: n.target == "EdgeSite/s"),
        (query.Filter(target="Cloud/b"), lambda n: n.target == "Cloud/b"),
        (query.Filter(ready=True, cordoned=False), lambda n: n.ready and not n.cordoned),
        (query.Filter(text="N1"), lambda n: "n1" in n.name),
    ]
    for wanted, matches in cases:
        _, found = query.nodes(held, ALL, wanted, EVERYTHING)
        assert {n.key for n in found} == {n.key for n in fleet if matches(n)}


@given(fleet=centre_rows.fleets(), size=st.integers(1, 4))
def test_what_is_streamed_in_parts_is_the_table(fleet: list[model.Node], size: int) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    wanted = query.Filter(architecture="arm64")
    parts = list(query.node_parts(held, ALL, wanted, size))
    assert [node for part in parts for node in part] == query.nodes(held, ALL, wanted, EVERYTHING)[1]
    assert all(0 < len(part) <= size for part in parts)


@given(fleet=centre_rows.fleets())
def test_who_may_list_sites_only_sees_no_clouds_node(fleet: list[model.Node]) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    _, found = query.nodes(held, rights.Rights(totals=True, sites=True), query.Filter(), EVERYTHING)
    assert {n.key for n in found} == {n.key for n in fleet if n.target.startswith("EdgeSite/")}


def test_workloads_of_one_namespace_are_all_that_its_reader_sees() -> None:
    leader = centre_rows.leader_with([])
    for space in ("team-a", "team-b"):
        leader.put(centre_rows.workload(space, "web", unplaced=1))
    held = centre_rows.replica_of(leader)
    mine = rights.Rights(namespaces=frozenset({"team-a"}))
    total, found = query.workloads(held, mine, query.Filter(), EVERYTHING)
    assert (total, [w.key for w in found]) == (1, ["team-a/web"])


def test_workloads_are_found_by_target_algorithm_and_whether_they_wait() -> None:
    leader = centre_rows.leader_with([])
    leader.put(centre_rows.workload("a", "waits", unplaced=2, target="Cloud/b"))
    leader.put(centre_rows.workload("a", "runs"))
    held = centre_rows.replica_of(leader)
    for wanted, names in (
        (query.Filter(unplaced=True), ["waits"]),
        (query.Filter(target="Cloud/a"), ["runs"]),
        (query.Filter(algorithm="none"), []),
        (query.Filter(text="RUN"), ["runs"]),
    ):
        assert [w.name for w in query.workloads(held, ALL, wanted, EVERYTHING)[1]] == names
