"""Explain: the controller's own decision, told by target and hardware class, without changing anything."""

import datetime as dt
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import algorithm, cloud, core_v1, workload
from suanli_controller.core import explanation, placement, rules, what_if

FAMILIES = {"kunpeng-920": "arm64", "phytium-s2500": "arm64", "intel": "amd64"}
TEMPLATE = {"spec": {"containers": [{"name": "app", "image": "x", "resources": {"requests": {"cpu": "2"}}}]}}


def node(name: str, family: str, cpu: int, ready: bool) -> core_v1.Node:
    amounts = {"cpu": str(cpu), "memory": "64Gi", "pods": "110"}
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/arch": FAMILIES[family], "suanli.io/cpu-family": family},
            },
            "status": {
                "capacity": amounts,
                "allocatable": amounts,
                "conditions": [{"type": "Ready", "status": str(ready)}],
            },
        },
        core_v1.Node,
    )


def fleet(*nodes: tuple[str, str, int, bool]) -> what_if.Builder:
    """Nodes as (target, family, cores, ready)."""
    builder = what_if.Builder()
    for name in ("a", "b"):
        item = {"metadata": {"name": name}, "spec": {"tier": "District", "clearance": "Core"}}
        builder.inventory.clouds[name] = msgspec.convert(item, cloud.Cloud)
    builder.add_targets()
    for number, (target, family, cpu, ready) in enumerate(nodes):
        builder.add_node(node(f"n{number}", family, cpu, ready), f"Cloud/{target}")
    return builder


def item(name: str = "w", placements: list[dict[str, Any]] | None = None, **spec: Any) -> workload.ComputeWorkload:
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}"},
            "spec": {"template": TEMPLATE, "replicas": 3, **spec},
            "status": {"placements": placements or []},
        },
        workload.ComputeWorkload,
    )


KUNPENG_ONLY = [{"name": "k", "requires": {"architectures": ["arm64"], "families": ["kunpeng-920"]}}]


def test_where_and_why_not_elsewhere() -> None:
    builder = fleet(("a", "kunpeng-920", 4, True), ("b", "phytium-s2500", 64, True), ("b", "intel", 64, True))
    told = explanation.explain(builder, item(variants=KUNPENG_ONLY))
    assert (told.placed, told.replicas, told.unplaced.replicas) == (2, 3, 1)
    assert told.placements == (explanation.Placement("Cloud/a", "k", 2, 0, (what_if.NodeShare("n0", 2),)),)
    assert told.elsewhere == (
        explanation.Elsewhere("Cloud/a", "arm64.kunpeng-920.unknown.none", "InsufficientCpu", 1),
        explanation.Elsewhere("Cloud/b", "amd64.intel.unknown.none", "ArchitectureMismatch", 1),
        explanation.Elsewhere("Cloud/b", "arm64.phytium-s2500.unknown.none", "FamilyMismatch", 1),
    )


def test_what_stands_already_is_told_apart() -> None:
    standing = [{"target": "Cloud/a", "variant": "default", "replicas": 2}]
    told = explanation.explain(fleet(("a", "intel", 64, True)), item(placements=standing))
    assert [(each.replicas, each.standing) for each in told.placements] == [(3, 2)]


def test_a_full_target_is_named() -> None:
    told = explanation.explain(fleet(("a", "intel", 64, True)), item(), full=["Cloud/a"])
    assert told.placed == 0
    assert [(each.target, each.reason) for each in told.elsewhere] == [("Cloud/a", "TargetFull")]


def test_what_cannot_be_understood_names_its_field() -> None:
    template = {"spec": {**TEMPLATE["spec"], "nodeName": "n0"}}
    told = explanation.explain(fleet(("a", "intel", 64, True)), item(template=template))
    assert "spec.template.spec.nodeName" in told.invalid
    assert (told.placed, told.unplaced.replicas) == (0, 3)


def test_others_hold_what_they_were_given() -> None:
    """A replica that is decided but not bound yet takes its room."""
    builder = fleet(("a", "intel", 4, True))
    other = item("other", [{"target": "Cloud/a", "variant": "default", "replicas": 1}])
    builder.inventory.workloads["ns/other"] = other
    explanation.settle(builder, but=["ns/w"])
    assert explanation.explain(builder, item(replicas=2)).placed == 1


def test_others_get_nothing_new() -> None:
    builder = fleet(("a", "intel", 4, True))
    builder.inventory.workloads["ns/other"] = item("other", replicas=5)
    explanation.settle(builder, but=[])
    assert explanation.explain(builder, item(replicas=2)).placed == 2


ARM = [{"name": "arm", "requires": {"architectures": ["arm64"]}}]


def with_catalogue(builder: what_if.Builder) -> what_if.Builder:
    """An Algorithm `detect` whose one version has an arm64 build."""
    versions = [{"version": "1", "variants": ARM}]
    entry = {"metadata": {"name": "detect"}, "spec": {"versions": versions}}
    builder.inventory.algorithms["detect"] = msgspec.convert(entry, algorithm.Algorithm)
    return builder


def test_builds_of_an_algorithm_are_those_of_the_catalogue() -> None:
    builder = with_catalogue(fleet(("a", "intel", 64, True), ("b", "kunpeng-920", 64, True)))
    told = explanation.explain(builder, item(algorithmRef={"name": "detect", "version": "1"}))
    assert [(each.target, each.variant) for each in told.placements] == [("Cloud/b", "arm")]


def test_an_algorithm_that_is_not_there_is_told_as_the_controller_does() -> None:
    told = explanation.explain(
        with_catalogue(fleet(("a", "intel", 64, True))), item(algorithmRef={"name": "detect", "version": "2"})
    )
    assert "spec.algorithmRef.version: '2'" in told.invalid


def test_others_hold_what_their_algorithm_s_build_was_given() -> None:
    builder = with_catalogue(fleet(("a", "kunpeng-920", 4, True)))
    standing = [{"target": "Cloud/a", "variant": "arm", "replicas": 1}]
    builder.inventory.workloads["ns/other"] = item(
        "other", standing, algorithmRef={"name": "detect", "version": "1"}
    )
    explanation.settle(builder, but=["ns/w"])
    assert explanation.explain(builder, item(replicas=2)).placed == 1


def job(completions: int = 2, ends: str = "", succeeded: int = 0, **spec: Any) -> workload.ComputeWorkload:
    """A Job of two pods at a time that was given all of Cloud/a; `ends`: a condition that is True."""
    status = {
        "placements": [{"target": "Cloud/a", "variant": "default", "replicas": 2, "succeeded": succeeded}],
        "conditions": [{"type": ends, "status": "True", "reason": ends}] if ends else [],
    }
    wanted = {"completions": completions, "parallelism": 2}
    meta = {"name": "job", "namespace": "ns", "uid": "uid-job"}
    whole = {
        "metadata": meta,
        "status": status,
        "spec": {"template": TEMPLATE, "type": "Job", "job": wanted, **spec},
    }
    return msgspec.convert(whole, workload.ComputeWorkload)


def gone(one: workload.ComputeWorkload) -> workload.ComputeWorkload:
    """The same, being deleted."""
    meta = msgspec.structs.replace(one.metadata, deletion_timestamp=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return msgspec.structs.replace(one, metadata=meta)


FULL = [{"target": "Cloud/a", "variant": "default", "replicas": 2}]
AT_REST = [
    (job(ends="Complete", succeeded=2), "Complete"),
    (job(ends="Failed"), "Failed"),
    (item("other", FULL, suspend=True), "Suspended"),
    (item("other", FULL, suspend=True, type="DaemonSet"), "Suspended"),
    (gone(item("other", FULL)), "Deleting"),
]


@pytest.mark.parametrize(("other", "word"), AT_REST)
def test_what_will_not_run_holds_no_room_and_gets_no_place(other: workload.ComputeWorkload, word: str) -> None:
    """As the controller has it, which gives a suspended, finished or deleted workload nothing."""
    builder = fleet(("a", "intel", 4, True))
    builder.inventory.workloads["ns/other"] = other
    explanation.settle(builder, but=["ns/w"])
    assert explanation.explain(builder, item(replicas=2)).placed == 2
    told = explanation.explain(builder, other)
    assert (told.undecided, told.placed, told.placements, told.unplaced.replicas) == (word, 0, (), 0)


@pytest.mark.parametrize(("succeeded", "room"), [(0, 0), (2, 0), (3, 1), (4, 2)])
def test_a_job_holds_room_for_what_it_has_left_to_complete(succeeded: int, room: int) -> None:
    builder = fleet(("a", "intel", 4, True))
    builder.inventory.workloads["ns/job"] = job(completions=4, succeeded=succeeded)
    explanation.settle(builder, but=["ns/w"])
    assert explanation.explain(builder, item(replicas=2)).placed == room


def test_a_job_that_has_begun_stays_where_it_is() -> None:
    """Though more is asked for now, and though it would fit elsewhere."""
    begun = job(completions=8, placement={"require": [{"key": "cloud", "operator": "In", "values": ["b"]}]})
    told = explanation.explain(fleet(("a", "intel", 64, True), ("b", "intel", 64, True)), begun)
    assert told.placements == (explanation.Placement("Cloud/a", "default", 2, 2),)
    assert (told.undecided, told.placed, told.elsewhere) == ("Begun", 2, ())


def test_a_mistake_outweighs_a_rest() -> None:
    broken = {"spec": {**TEMPLATE["spec"], "nodeName": "n0"}}
    told = explanation.explain(fleet(("a", "intel", 64, True)), item(template=broken, suspend=True))
    assert "spec.template.spec.nodeName" in told.invalid
    assert told.undecided == ""


def pod(uid: str, node_name: str) -> core_v1.Pod:
    spec = {**TEMPLATE["spec"], "nodeName": node_name}
    meta = {"name": "p", "namespace": "ns", "uid": uid}
    return msgspec.convert({"metadata": meta, "spec": spec}, core_v1.Pod)


def test_a_pod_that_two_clouds_show_takes_its_room_in_both() -> None:
    """Both lead to one cluster: counted by its uid alone, it would be counted in the last of them only."""
    builder = fleet(("a", "intel", 4, True), ("b", "intel", 4, True))
    for target, name in (("Cloud/a", "n0"), ("Cloud/b", "n1")):
        builder.add_pod(pod("one", name), target)
    told = explanation.explain(builder, item(replicas=4))
    assert [(each.target, each.replicas) for each in told.placements] == [("Cloud/a", 1), ("Cloud/b", 1)]


nodes = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([*FAMILIES]), st.integers(0, 9), st.booleans()),
    max_size=6,
)
variants = st.sampled_from([[], KUNPENG_ONLY, [{"name": "arm", "requires": {"architectures": ["arm64"]}}]])


@given(nodes, variants, st.integers(0, 9), st.sampled_from(["Deployment", "DaemonSet"]))
def test_it_tells_the_controllers_own_decision(
    given_nodes: list[tuple[str, str, int, bool]], builds: list[dict[str, Any]], replicas: int, kind: str
) -> None:
    asked = item(variants=builds, replicas=replicas if kind == "Deployment" else 1, type=kind)
    builder = fleet(*given_nodes)
    told = explanation.explain(builder, asked)
    again = explanation.explain(builder, asked)
    (decided,) = placement.place(builder.fleet, [builder.demand_of(asked, rules.ask_of(asked))])
    assert [(each.target, each.variant, each.replicas) for each in told.placements] == [
        (each.target, each.variant, each.replicas) for each in decided.placements
    ]
    assert told.unplaced.replicas == decided.unplaced
    assert told == again, "explaining changed something"


@given(nodes, variants, st.integers(0, 9))
def test_each_node_counts_once_and_the_parts_add_up(
    given_nodes: list[tuple[str, str, int, bool]], builds: list[dict[str, Any]], replicas: int
) -> None:
    told = explanation.explain(fleet(*given_nodes), item(variants=builds, replicas=replicas))
    apart: Counter[str] = Counter()
    for each in told.elsewhere:
        apart[each.reason] += each.nodes
    assert sum(apart.values()) <= len(given_nodes)
    if told.unplaced.replicas:
        assert sum(apart.values()) == len(given_nodes)
        assert apart == {each.reason: each.nodes for each in told.unplaced.reasons}


def test_the_shape_is_stable() -> None:
    told = explanation.explain(fleet(("a", "intel", 4, True)), item(variants=KUNPENG_ONLY, replicas=1))
    assert msgspec.json.decode(msgspec.json.encode(told)) == {
        "apiVersion": "suanli.io/v1alpha1",
        "kind": "Explanation",
        "namespace": "ns",
        "name": "w",
        "type": "Deployment",
        "replicas": 1,
        "placed": 0,
        "placements": [],
        "unplaced": {
            "replicas": 1,
            "reasons": [{"reason": "ArchitectureMismatch", "nodes": 1, "message": ""}],
        },
        "elsewhere": [
            {
                "target": "Cloud/a",
                "class": "amd64.intel.unknown.none",
                "reason": "ArchitectureMismatch",
                "nodes": 1,
                "message": "",
            }
        ],
        "notes": [],
        "undecided": "",
        "invalid": "",
        "warnings": [],
    }
