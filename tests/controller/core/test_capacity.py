"""Capacity by class: sums equal what the nodes hold, written in one way whatever the order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import core_v1
from suanli_controller.core import capacity, centre, hardware

TABLE = centre.UnitTable(
    per_core={"kunpeng-920": 1000},
    accelerators={("huawei.com/Ascend910", "ascend910b"): centre.Accelerator(milli_units=500_000)},
)


def node(
    family: Any = "kunpeng-920", ready: Any = True, cordoned: Any = False, **amounts: str
) -> hardware.NodeFacts:
    given = {"huawei.com/Ascend910" if name == "ascend" else name: amount for name, amount in amounts.items()}
    one = {
        "metadata": {
            "name": "n",
            "labels": {
                "kubernetes.io/arch": "arm64",
                "suanli.io/cpu-family": family,
                "suanli.io/os": "openeuler",
                "suanli.io/accelerator-model": "ascend910b",
            },
        },
        "spec": {"unschedulable": cordoned},
        "status": {
            "capacity": given,
            "allocatable": given,
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }
    return hardware.node_facts(msgspec.convert(one, core_v1.Node), "Cloud/c")


def status(*nodes: tuple[hardware.NodeFacts, dict[str, int]], table: centre.UnitTable | None = None) -> Any:
    return msgspec.to_builtins(capacity.status(capacity.by_class(nodes), table))


def test_the_contracts_own_example() -> None:
    ten: Any = [(node(cpu="96", memory="512Gi", pods="110", ascend="8"), {})] * 10
    (entry,) = status(*ten, table=TABLE)
    assert entry["class"] == "arm64.kunpeng-920.openeuler.ascend910b"
    assert (entry["nodes"], entry["readyNodes"]) == (10, 10)
    assert entry["allocatable"] == {"cpu": "960", "memory": "5Ti", "pods": "1100", "huawei.com/Ascend910": "80"}
    assert entry["milliUnits"] == 960 * 1000 + 80 * 500_000


def test_only_ready_schedulable_nodes_offer_anything() -> None:
    nodes: Any = (node(cpu="1"), {}), (node(cpu="2", ready=False), {}), (node(cpu="4", cordoned=True), {})
    (entry,) = status(*nodes)
    assert (entry["nodes"], entry["readyNodes"]) == (3, 2)
    assert (entry["allocatable"], entry["capacity"], entry["largestFree"]) == (
        {"cpu": "1"},
        {"cpu": "7"},
        {"cpu": "1"},
    )


def test_largest_free_is_of_one_node_and_not_a_sum() -> None:
    nodes: Any = [(node(cpu="4"), {"cpu": 3000}), (node(cpu="4"), {"cpu": 1500}), (node(cpu="2"), {"cpu": 5000})]
    (entry,) = status(*nodes)
    assert (entry["requested"], entry["largestFree"]) == ({"cpu": "9500m"}, {"cpu": "2500m"})


def test_a_resource_of_the_class_is_named_even_at_zero_and_others_are_not() -> None:
    (entry,) = status((node(cpu="4", **{"hugepages-2Mi": "0"}, ready=False), {}))
    assert (entry["allocatable"], entry["requested"], entry["largestFree"]) == (
        {"cpu": "0"},
        {"cpu": "0"},
        {"cpu": "0"},
    )
    assert "hugepages-2Mi" not in entry["capacity"]


def test_without_a_table_there_are_no_units() -> None:
    (entry,) = status((node(cpu="4"), {}))
    assert "milliUnits" not in entry


def test_no_node_no_class() -> None:
    assert status() == []


def test_classes_beyond_the_bound_give_way_to_larger_ones() -> None:
    nodes: Any = [(node(family=f"f{index}", cpu="1"), {}) for index in range(513)] + [
        (node(family="f512", cpu="1"), {})
    ]
    entries = capacity.status(capacity.by_class(nodes))
    assert len(entries) == 512
    assert "arm64.f512.openeuler.none" in {entry.class_ for entry in entries}


amounts = st.fixed_dictionaries({}, optional={"cpu": st.integers(0, 2**40), "memory": st.integers(0, 2**50)})
fleets = st.lists(
    st.tuples(
        st.builds(
            lambda given, **how: node(**how, **{k: f"{v}m" if k == "cpu" else str(v) for k, v in given.items()}),
            amounts,
            family=st.sampled_from(["kunpeng-920", "phytium-s2500"]),
            ready=st.booleans(),
            cordoned=st.booleans(),
        ),
        amounts,
    ),
    max_size=8,
)


@given(fleets)
def test_totals_equal_the_sum_over_nodes(fleet: list[tuple[hardware.NodeFacts, dict[str, int]]]) -> None:
    classes = capacity.by_class(fleet)
    for resource in ("cpu", "memory"):
        offered = sum(one.allocatable.get(resource, 0) for one, _ in fleet if one.ready and not one.cordoned)
        assert sum(each.allocatable.get(resource, 0) for each in classes.values()) == offered
        assert sum(each.requested.get(resource, 0) for each in classes.values()) == sum(
            requested.get(resource, 0) for _, requested in fleet
        )
    assert sum(each.nodes for each in classes.values()) == len(fleet)


@given(fleets, st.randoms())
def test_order_of_nodes_does_not_show(fleet: list[tuple[hardware.NodeFacts, dict[str, int]]], random: Any) -> None:
    """So that nothing is written when nothing changed."""
    shuffled = random.sample(fleet, len(fleet))
    encoded = [msgspec.json.encode(capacity.status(capacity.by_class(each), TABLE)) for each in (fleet, shuffled)]
    assert encoded[0] == encoded[1]


@given(fleets)
def test_a_status_reads_back(fleet: list[tuple[hardware.NodeFacts, dict[str, int]]]) -> None:
    written = capacity.status(capacity.by_class(fleet))
    assert capacity.status(capacity.from_status(written)) == written


@given(fleets, fleets)
def test_the_centre_sees_the_sum_of_its_targets(
    one: list[tuple[hardware.NodeFacts, dict[str, int]]], two: list[tuple[hardware.NodeFacts, dict[str, int]]]
) -> None:
    apart = capacity.merged([capacity.by_class(one), capacity.by_class(two)])
    assert capacity.status(apart, TABLE) == capacity.status(capacity.by_class([*one, *two]), TABLE)


changes = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(st.none(), fleets.filter(bool).map(lambda fleet: fleet[0][0])),
        st.booleans(),
        amounts,
        st.booleans(),
    ),
    max_size=12,
)


@given(changes)
def test_a_tally_that_is_kept_up_equals_a_count_of_what_is_left(changes: list[Any]) -> None:
    kept, nodes, pods = capacity.Tally(), dict[str, Any](), dict[str, list[dict[str, int]]]()
    for name, node_now, pod_ends, requested, is_looked_at in [*changes, ("a", None, False, {}, True)]:
        kept.put(name, node_now)
        nodes[name] = node_now
        held = pods.setdefault(name, [])
        if pod_ends and held:
            kept.request(name, held.pop(), -1)
        else:
            kept.request(name, requested, 1)
            held.append(requested)
        if is_looked_at:
            assert kept.by_class() == counted(nodes, pods)


def counted(nodes: dict[str, Any], pods: dict[str, list[dict[str, int]]]) -> dict[str, centre.Amounts]:
    """Each class by plain sums over its nodes."""
    there = {name: each for name, each in nodes.items() if each is not None}
    used = {name: summed(pods[name]) for name in there}
    return {name: amounts_of(name, there, used) for name in {each.class_name for each in there.values()}}


def amounts_of(class_name: str, there: dict[str, Any], used: dict[str, dict[str, int]]) -> centre.Amounts:
    mine = {name: each for name, each in there.items() if each.class_name == class_name}
    offering = {name: each for name, each in mine.items() if each.ready and not each.cordoned}
    largest: dict[str, int] = {}
    for name, each in offering.items():
        for resource, amount in each.allocatable.items():
            largest[resource] = max(largest.get(resource, 0), amount - used[name].get(resource, 0))
    return centre.Amounts(
        nodes=len(mine),
        ready_nodes=sum(each.ready for each in mine.values()),
        allocatable=summed(each.allocatable for each in offering.values()),
        capacity=summed(each.capacity for each in mine.values()),
        requested=summed(used[name] for name in mine),
        largest_free={resource: free for resource, free in largest.items() if free > 0},
    )


def summed(lot: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in lot:
        found.update(each)
    return {resource: amount for resource, amount in found.items() if amount}


def test_resources_that_nobody_names_any_more_are_forgotten() -> None:
    """A box may name ever new ones."""
    kept = capacity.Tally()
    kept.put("stays", node(cpu="1"))
    for number in range(3):
        kept.put("n", node(cpu="1", **{f"example.com/r{number}": "1"}))
        kept.request("n", {f"example.com/r{number}": 1}, 1)
        kept.request("n", {f"example.com/r{number}": 1}, -1)
    kept.put("n", None)
    ((_, totals),) = kept._classes.items()
    kept.by_class()
    assert [totals.capacity, totals.allocatable, totals.largest] == [{"cpu": 1000}] * 3
    assert not totals.requested


def test_a_node_that_comes_back_and_pods_told_before_it_are_counted_once() -> None:
    kept = capacity.Tally()
    kept.request("n", {"cpu": 1000}, 1)
    for _ in range(2):
        kept.put("n", node(cpu="4"))
    (amounts_now,) = kept.by_class().values()
    assert (amounts_now.nodes, amounts_now.requested, amounts_now.largest_free) == (
        1,
        {"cpu": 1000},
        {"cpu": 3000},
    )
