"""Rules of the placement, one a test."""

from typing import Any

import pytest
from tests import engine_fleets as fleets

from suanli_controller.api import names
from suanli_controller.core import demand, fleet, placement


def decide(where: fleet.Fleet, ask: demand.Ask, replicas: int = 1, **fields: Any) -> demand.Decision:
    return placement.place(where, [demand.Demand(fields.pop("key", "w"), ask, replicas, **fields)])[0]


def test_builds_are_divided_by_the_room_of_their_nodes() -> None:
    where = fleets.of(
        [fleets.cloud("a"), fleets.cloud("b")],
        [fleets.node("x1"), fleets.node("x2"), fleets.node("k", "Cloud/b", arch="arm64")],
    )
    ask = fleets.ask(
        fleets.variant("amd", architectures=("amd64",)), fleets.variant("arm", architectures=("arm64",))
    )
    assert decide(where, ask, 12).counts() == {("Cloud/a", "amd"): 8, ("Cloud/b", "arm"): 4}


def test_free_capacity_is_never_summed_over_nodes() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node(f"n{i}", cpu=1) for i in range(50)])
    decision = decide(where, fleets.ask(fleets.variant(cpu=2000)))
    assert decision.unplaced == 1
    assert fleets.reasons(decision) == [(names.INSUFFICIENT_CPU, 50)]


def test_every_node_counts_once_under_the_first_reason_in_order() -> None:
    targets = [
        fleets.cloud("gone", ready=False),
        fleets.cloud("shut", cordoned=True),
        fleets.cloud("low", clearance="General"),
        fleets.cloud("far", rtt_microseconds=9000),
        fleets.cloud("a", rtt_microseconds=10),
    ]
    good: dict[str, Any] = {"arch": "arm64", "family": "kunpeng-920", "isa": "v8.2", "labels": {"pool": "x"}}
    nodes = [fleets.node(f"t{i}", target.ref, **good) for i, target in enumerate(targets[:4])]
    changes: list[dict[str, Any]] = [
        {"labels": {"no": "x"}},
        {"ready": False},
        {"cordoned": True},
        {"arch": "amd64"},
        {"family": "phytium-ft2000plus"},
        {"os": "kylin-v10"},
        {"isa": "v8.0"},
        {"page": 64},
        {"extended": {}},
        {"labels": {"pool": "x", "wrong": "1"}},
        {"taints": [("k", "", "NoSchedule")]},
        {"cpu": 1},
        {"memory": 1},
        {"disk": 1},
        {"pods": 0},
    ]
    for i, change in enumerate(changes):
        nodes.append(fleets.node(f"n{i:02}", **({"extended": {"npu/x": 1}} | good | change)))
    ask = fleets.ask(
        fleets.variant(
            cpu=2000,
            memory=2 * fleets.GIB,
            extended={"ephemeral-storage": 2 * fleets.GIB, "npu/x": 2},
            architectures=("arm64",),
            families=("kunpeng-920",),
            oses=("openeuler",),
            min_isa_level="v8.2",
            page_sizes_kib=(4,),
            accelerator="npu/x",
        ),
        require=(demand.Requirement("pool", "Exists"),),
        node_terms=((demand.Expression("wrong", "DoesNotExist"),),),
        max_rtt_microseconds=1000,
    )
    nodes.append(fleets.node("last", **good, extended={"npu/x": 1}))
    decision = decide(fleets.of(targets, nodes), ask)
    expected = list(names.NODE_REASONS[: names.NODE_REASONS.index(names.SPREAD_VIOLATED)])
    expected.remove(names.POLICY_EXCLUDED)
    assert fleets.reasons(decision) == [(reason, 1) for reason in expected]
    assert decision.reasons[-1].detail == "npu/x"


def test_with_several_builds_a_node_counts_under_the_one_that_came_furthest() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n", cpu=1)])
    ask = fleets.ask(
        fleets.variant("arm", architectures=("arm64",)), fleets.variant("amd", cpu=4000, architectures=("amd64",))
    )
    assert fleets.reasons(decide(where, ask)) == [(names.INSUFFICIENT_CPU, 1)]


def test_the_first_group_is_filled_before_the_next() -> None:
    where = fleets.of(
        [fleets.cloud("a", tier="Municipal"), fleets.cloud("b", tier="District")],
        [fleets.node("n"), fleets.node("m", "Cloud/b", cpu=64)],
    )
    ask = fleets.ask(
        groups=(
            demand.Group("core", (demand.Requirement("tier", "In", ("Municipal",)),)),
            demand.Group("overflow"),
        )
    )
    assert fleets.counts(decide(where, ask, 10)) == {"Cloud/a": 8, "Cloud/b": 2}


def test_family_order_comes_before_preference_and_preference_before_capacity() -> None:
    where = fleets.of(
        [fleets.cloud("a", provider="x"), fleets.cloud("b")],
        [fleets.node("i", cpu=64), fleets.node("h", family="hygon"), fleets.node("j", "Cloud/b", cpu=64)],
    )
    ask = fleets.ask(
        family_order=("hygon",), prefer=(demand.Preference(10, (demand.Requirement("provider", "In", ("x",)),)),)
    )
    decision = decide(where, ask, 20)
    assert fleets.counts(decision) == {"Cloud/a": 20}
    assert dict(decision.placements[0].nodes) == {"h": 8, "i": 12}


@pytest.mark.parametrize(
    ("divide", "expected"),
    [
        (demand.Divide.CAPACITY, {"Cloud/a": 2, "Cloud/b": 4}),
        (demand.Divide.WEIGHTED, {"Cloud/a": 5, "Cloud/b": 1}),
        (demand.Divide.AGGREGATED, {"Cloud/b": 6}),
        (demand.Divide.DUPLICATED, {"Cloud/a": 6, "Cloud/b": 6}),
    ],
)
def test_divide(divide: demand.Divide, expected: dict[str, int]) -> None:
    where = fleets.of(
        [fleets.cloud("a"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b", cpu=16)]
    )
    ask = fleets.ask(divide=divide, weights=(("Cloud/a", 5), ("Cloud/b", 1)))
    assert fleets.counts(decide(where, ask, 6)) == expected


def test_a_target_without_weight_takes_none() -> None:
    where = fleets.of([fleets.cloud("a"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b")])
    decision = decide(where, fleets.ask(divide=demand.Divide.WEIGHTED, weights=(("Cloud/a", 1),)), 12)
    assert fleets.counts(decision) == {"Cloud/a": 8}
    assert fleets.reasons(decision) == [(names.TARGET_EXCLUDED, 1), (names.INSUFFICIENT_CPU, 1)]


def test_a_job_goes_whole_to_one_target_the_tightest_that_holds_it() -> None:
    where = fleets.of(
        [fleets.cloud("a"), fleets.cloud("b"), fleets.cloud("c")],
        [
            fleets.node("n", cpu=4),
            fleets.node("m", "Cloud/b", cpu=64, memory=256),
            fleets.node("o", "Cloud/c", cpu=16),
        ],
    )
    ask = fleets.ask(kind=demand.Kind.JOB)
    assert fleets.counts(decide(where, ask, 10)) == {"Cloud/c": 10}
    decision = decide(where, ask, 70, key="large")
    assert (decision.unplaced, decision.placements) == (70, ())
    assert fleets.reasons(decision) == [(names.INSUFFICIENT_CPU, 3)]


def test_a_daemon_set_takes_each_node_that_fits_and_counts_those_without_room() -> None:
    where = fleets.of(
        [fleets.cloud("a")],
        [fleets.node("n"), fleets.node("m"), fleets.node("small", cpu=0), fleets.node("x", arch="arm64")],
    )
    ask = fleets.ask(fleets.variant(architectures=("amd64",)), kind=demand.Kind.DAEMON_SET)
    decision = decide(where, ask)
    assert fleets.counts(decision) == {"Cloud/a": 2}
    assert decision.unplaced == 1
    assert decide(where, ask).counts() == decision.counts()


def test_max_skew_over_districts_is_kept_and_the_rest_waits() -> None:
    where = fleets.of(
        [fleets.cloud("a", district="1"), fleets.cloud("b", district="2")],
        [fleets.node("n"), fleets.node("m", "Cloud/b", cpu=2)],
    )
    decision = decide(where, fleets.ask(spread=(demand.Spread("district", max_skew=1),)), 10)
    assert fleets.counts(decision) == {"Cloud/a": 3, "Cloud/b": 2}
    assert fleets.reasons(decision) == [(names.INSUFFICIENT_CPU, 1), (names.SPREAD_VIOLATED, 1)]


def test_place_anyway_spreads_as_far_as_it_goes_and_places_the_rest() -> None:
    where = fleets.of(
        [fleets.cloud("a", district="1"), fleets.cloud("b", district="2")],
        [fleets.node("n"), fleets.node("m", "Cloud/b", cpu=2)],
    )
    soft = demand.Spread("district", max_skew=1, when_unsatisfiable=demand.Unsatisfiable.PLACE_ANYWAY)
    assert fleets.counts(decide(where, fleets.ask(spread=(soft,)), 10)) == {"Cloud/a": 8, "Cloud/b": 2}


def test_min_domains_are_opened_before_any_is_used_twice() -> None:
    where = fleets.of(
        [fleets.cloud("a"), fleets.cloud("b"), fleets.cloud("c")],
        [fleets.node("n", cpu=64), fleets.node("m", "Cloud/b"), fleets.node("o", "Cloud/c")],
    )
    ask = fleets.ask(spread=(demand.Spread("cloud", min_domains=3),), divide=demand.Divide.AGGREGATED)
    assert fleets.counts(decide(where, ask, 5)) == {"Cloud/a": 3, "Cloud/b": 1, "Cloud/c": 1}
    few = fleets.ask(spread=(demand.Spread("cloud", min_domains=4),))
    assert decide(where, few, 5, key="v").unplaced == 2


def test_max_per_domain_by_node() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n"), fleets.node("m")])
    decision = decide(where, fleets.ask(spread=(demand.Spread("node", max_per_domain=2),)), 9)
    assert dict(decision.placements[0].nodes) == {"n": 2, "m": 2}
    assert fleets.reasons(decision) == [(names.SPREAD_VIOLATED, 2)]


def test_anti_affinity_of_the_template_gives_each_host_one() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n"), fleets.node("m")])
    decision = decide(where, fleets.ask(anti_affinity=(names.HOSTNAME_LABEL,)), 3)
    assert dict(decision.placements[0].nodes) == {"n": 1, "m": 1}


def test_topology_spread_of_the_template_holds_within_each_target() -> None:
    zones = [fleets.node(f"n{i}", labels={"zone": str(i % 2)}, cpu=(2, 8)[i % 2]) for i in range(2)]
    other = [fleets.node("m", "Cloud/b", labels={"zone": "9"})]
    where = fleets.of([fleets.cloud("a"), fleets.cloud("b")], zones + other)
    decision = decide(where, fleets.ask(topology_spread=(demand.TopologySpread("zone", 1),)), 99)
    assert fleets.counts(decision) == {"Cloud/a": 5, "Cloud/b": 8}


def test_what_is_placed_stays_when_asked_again_and_grows_in_place() -> None:
    where = fleets.of([fleets.cloud("a"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b")])
    ask = fleets.ask()
    first = decide(where, ask, 5)
    assert decide(where, ask, 5, current=first.counts()).counts() == first.counts()
    grown = decide(where, ask, 7, current=first.counts()).counts()
    assert all(grown[place] >= count for place, count in first.counts().items())


def test_scaling_down_takes_from_the_less_preferred_first() -> None:
    where = fleets.of(
        [fleets.cloud("a", tier="Municipal"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b")]
    )
    ask = fleets.ask(
        groups=(demand.Group("core", (demand.Requirement("tier", "In", ("Municipal",)),)), demand.Group("rest"))
    )
    first = decide(where, ask, 12)
    assert fleets.counts(decide(where, ask, 8, current=first.counts())) == {"Cloud/a": 8}


def test_scaling_down_what_is_duplicated_takes_from_every_target() -> None:
    where = fleets.of([fleets.cloud("a"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b")])
    ask = fleets.ask(divide=demand.Divide.DUPLICATED)
    first = decide(where, ask, 6)
    assert fleets.counts(decide(where, ask, 2, current=first.counts())) == {"Cloud/a": 2, "Cloud/b": 2}


def test_a_target_that_is_closed_to_a_demand_takes_nothing_new_of_it() -> None:
    where = fleets.of([fleets.cloud("a"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b")])
    held = {("Cloud/a", "default"): 2}
    decision = decide(where, fleets.ask(), 12, current=held, closed=frozenset({"Cloud/a"}))
    assert fleets.counts(decision) == {"Cloud/a": 2, "Cloud/b": 8}
    assert fleets.reasons(decision) == [(names.TARGET_EXCLUDED, 1), (names.INSUFFICIENT_CPU, 1)]


def test_a_cordoned_target_keeps_and_takes_nothing_and_a_draining_one_is_emptied() -> None:
    where = fleets.of(
        [fleets.cloud("a"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b", cpu=64)]
    )
    ask = fleets.ask(divide=demand.Divide.WEIGHTED, weights=(("Cloud/a", 1), ("Cloud/b", 1)))
    first = decide(where, ask, 4)
    where.upsert_target(fleets.cloud("a", cordoned=True))
    assert fleets.counts(decide(where, ask, 8, current=first.counts())) == {"Cloud/a": 2, "Cloud/b": 6}
    drained = decide(where, ask, 8, current=first.counts(), excluded=frozenset({"Cloud/a"}))
    assert fleets.counts(drained) == {"Cloud/b": 8}


def test_a_target_out_of_reach_keeps_what_it_has_and_it_counts() -> None:
    where = fleets.of([fleets.cloud("a", ready=False), fleets.cloud("b")], [fleets.node("m", "Cloud/b")])
    decision = decide(where, fleets.ask(), 5, current={("Cloud/a", "default"): 3}, held=frozenset({"Cloud/a"}))
    assert fleets.counts(decision) == {"Cloud/a": 3, "Cloud/b": 2}


def test_a_full_target_takes_nothing_new_and_says_so() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n")])
    decision = decide(where, fleets.ask(), 2, full=frozenset({"Cloud/a"}))
    assert fleets.reasons(decision) == [(names.TARGET_FULL, 1)]


def test_a_quota_bounds_a_build_over_all_targets() -> None:
    where = fleets.of([fleets.cloud("a"), fleets.cloud("b")], [fleets.node("n"), fleets.node("m", "Cloud/b")])
    decision = decide(where, fleets.ask(fleets.variant(quota=3)), 9)
    assert sum(fleets.counts(decision).values()) == 3
    assert fleets.reasons(decision) == [(names.QUOTA_EXCEEDED, 2)]


def test_replicas_move_to_a_better_group_only_when_enough_of_them_gain() -> None:
    groups = (demand.Group("core", (demand.Requirement("tier", "In", ("Municipal",)),)), demand.Group("rest"))
    where = fleets.of(
        [fleets.cloud("a", tier="Municipal"), fleets.cloud("b")],
        [fleets.node("n", cpu=1), fleets.node("m", "Cloud/b", cpu=64)],
    )
    ask = fleets.ask(groups=groups)
    first = decide(where, ask, 10)
    assert fleets.counts(first) == {"Cloud/a": 1, "Cloud/b": 9}
    where.upsert_node(fleets.node("n2", cpu=1))
    assert decide(where, ask, 10, current=first.counts()).counts() == first.counts()
    where.upsert_node(fleets.node("n3", cpu=1))
    moved = decide(where, ask, 10, current=first.counts())
    assert fleets.counts(moved) == {"Cloud/a": 3, "Cloud/b": 7}
    assert decide(where, ask, 10, current=moved.counts()).counts() == moved.counts()


def test_a_build_on_a_lesser_family_does_not_unsettle_one_on_the_best_beside_it() -> None:
    """Both stand in one cloud, whose own scheduler chose intel: that is no reason to move what stands on kunpeng."""
    where = fleets.of(
        [fleets.cloud("a")],
        [
            fleets.node("k", arch="arm64", family="kunpeng-920", cpu=2),
            fleets.node("h", family="hygon", cpu=8),
            fleets.node("i", family="intel", cpu=8),
        ],
    )
    arm = fleets.variant("arm", architectures=("arm64",))
    amd = fleets.variant("amd", architectures=("amd64",))
    ask = fleets.ask(arm, amd, family_order=("kunpeng-920", "hygon", "intel"))
    first = decide(where, ask, 4)
    assert first.counts() == {("Cloud/a", "arm"): 2, ("Cloud/a", "amd"): 2}
    requests = {"cpu": 1000, "memory": fleets.GIB}
    for number, (node, build) in enumerate([("k", "arm"), ("k", "arm"), ("i", "amd"), ("i", "amd")]):
        where.set_pod(f"p{number}", "Cloud/a", node, requests, fleet.Owner("w", build))
    assert decide(where, ask, 4, current=first.counts()).counts() == first.counts()


def test_what_was_handed_out_is_deducted_until_it_is_seen_bound() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n"), fleets.node("m")])
    first = decide(where, fleets.ask(), 8)
    assert decide(where, fleets.ask(), 9, key="other").unplaced == 1
    requests = {"cpu": 1000, "memory": fleets.GIB}
    for number in range(8):  # the target's own scheduler chose the other node
        where.set_pod(f"p{number}", "Cloud/a", "m", requests, fleet.Owner("w", "default"))
    assert not where.assumed.places("w")
    assert decide(where, fleets.ask(), 8, current=first.counts()).counts() == first.counts()
    where.withdraw("other")
    assert decide(where, fleets.ask(), 9, key="third").unplaced == 1


def test_after_a_restart_what_is_not_seen_is_assumed_again() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n")])
    decide(where, fleets.ask(), 6, current={("Cloud/a", "default"): 6})
    assert decide(where, fleets.ask(), 3, key="other").unplaced == 1


def test_the_higher_priority_is_served_first_and_answers_keep_their_order() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n")])
    low, high = demand.Demand("low", fleets.ask(), 8), demand.Demand("high", fleets.ask(), 6, priority=5)
    decisions = placement.place(where, [low, high])
    assert [(each.key, each.unplaced) for each in decisions] == [("low", 6), ("high", 0)]


def test_explaining_changes_nothing() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n"), fleets.node("x", arch="arm64")])
    ask = fleets.ask(fleets.variant(architectures=("amd64",)))
    decide(where, ask, 3)
    before = where.free.copy()
    told = placement.explain(where, demand.Demand("w", ask, 5, current={("Cloud/a", "default"): 3}))
    assert fleets.counts(told) == {"Cloud/a": 5}
    assert fleets.reasons(told) == [(names.ARCHITECTURE_MISMATCH, 1)]
    assert (where.free == before).all()


@pytest.mark.parametrize(
    ("ask", "replicas", "says"),
    [
        (fleets.ask(fleets.variant(cpu=-1)), 1, "requests.cpu: -1: must not be below 0"),
        (fleets.ask(fleets.variant(cpu=2**80)), 1, "no node can have more"),
        (fleets.ask(), -1, "replicas: -1"),
        (demand.Ask(()), 1, "variants: none"),
        (fleets.ask(grade="Secret"), 1, "dataGrade: 'Secret'"),
        (fleets.ask(require=(demand.Requirement("tier", "Like"),)), 1, "operator: 'Like'"),
        (fleets.ask(spread=(demand.Spread("rack"),)), 1, "spread.by: 'rack'"),
        (fleets.ask(node_terms=((demand.Expression("x", "Gt", ("many",)),),)), 1, "Gt needs one integer"),
    ],
)
def test_bad_input_is_answered_by_field_and_value(ask: demand.Ask, replicas: int, says: str) -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n")])
    decision = decide(where, ask, replicas)
    assert says in decision.invalid
    assert decision.placements == ()


def test_an_unknown_resource_is_named() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n")])
    decision = decide(where, fleets.ask(fleets.variant(extended={"acme.io/widget": 1})))
    assert [(each.reason, each.detail) for each in decision.reasons] == [
        (names.INSUFFICIENT_RESOURCE, "acme.io/widget")
    ]


def test_equal_nodes_are_told_apart_by_name_whatever_the_order_of_input() -> None:
    nodes = [fleets.node(f"n{i}") for i in range(9)]
    for order in (nodes, nodes[::-1], nodes[4:] + nodes[:4]):
        where = fleets.of([fleets.cloud("a")], order)
        assert decide(where, fleets.ask()).placements[0].nodes == (("n0", 1),)


def test_bin_pack_takes_the_fullest_and_spread_the_emptiest() -> None:
    for strategy, expected in ((demand.Strategy.BIN_PACK, "m"), (demand.Strategy.SPREAD, "n")):
        where = fleets.of([fleets.cloud("a")], [fleets.node("m"), fleets.node("n")])
        where.set_pod("p", "Cloud/a", "m", {"cpu": 1000})
        assert decide(where, fleets.ask(strategy=strategy)).placements[0].nodes == ((expected, 1),)


def test_accelerators_are_left_for_those_that_ask_for_them() -> None:
    where = fleets.of(
        [fleets.cloud("a")], [fleets.node("gpu", extended={"nvidia.com/gpu": 8}), fleets.node("plain")]
    )
    assert decide(where, fleets.ask()).placements[0].nodes == (("plain", 1),)


def test_a_workload_that_requests_otherwise_gives_back_what_it_took_before() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n0", cpu=16)])
    small, large = fleets.ask(fleets.variant(cpu=1000)), fleets.ask(fleets.variant(cpu=2000))
    first = placement.place(where, [demand.Demand("w", small, 3)])[0]
    placement.place(where, [demand.Demand("w", large, 5, current=first.counts())])
    asked = sum(dict(requests)[0] * count for requests, _, count in where.assumed.all())
    assert where.free[0, 0] == 16_000 - asked


def test_replicas_in_bulk_leave_accelerators_to_those_who_ask_for_them() -> None:
    """As a single one does: a full node with an accelerator is no better than an empty one without."""
    nodes = [fleets.node("npu", cpu=8, extended={"npu/x": 8}), fleets.node("plain", cpu=64)]
    where = fleets.of([fleets.cloud("a")], nodes)
    placement.place(where, [demand.Demand("old", fleets.ask(fleets.variant(extended={"npu/x": 4})))])
    decision = placement.place(where, [demand.Demand("new", fleets.ask(), 4)])[0]
    assert decision.placements[0].nodes == (("plain", 4),)


def test_under_a_bound_by_node_the_builds_still_share_by_room() -> None:
    """Nodes with room for a single replica count for their build's part as all others do."""
    nodes = [fleets.node(f"a{number}", arch="amd64") for number in range(2)]
    nodes += [fleets.node(f"b{number}", arch="arm64") for number in range(4)]
    builds = [fleets.variant(arch, cpu=8000, architectures=(arch,)) for arch in ("amd64", "arm64")]
    where = fleets.of([fleets.cloud("a")], nodes)
    ask = fleets.ask(*builds, spread=(demand.Spread("node", max_per_domain=1),))
    decision = placement.place(where, [demand.Demand("w", ask, 3)])[0]
    assert [(each.variant, each.replicas) for each in decision.placements] == [("amd64", 1), ("arm64", 2)]


def test_a_build_whose_quota_is_used_up_leaves_its_nodes_to_the_next() -> None:
    builds = [fleets.variant("first", quota=2), fleets.variant("second")]
    where = fleets.of([fleets.cloud("a")], [fleets.node("n0", cpu=8)])
    decision = placement.place(where, [demand.Demand("w", fleets.ask(*builds), 5)])[0]
    assert [(each.variant, each.replicas) for each in decision.placements] == [("first", 2), ("second", 3)]


def test_nodes_without_a_sensible_limit_on_pods_are_counted_without_overflow() -> None:
    nodes = [fleets.node(f"n{number}", f"Cloud/{'ab'[number % 2]}", pods=2**60) for number in range(40)]
    where = fleets.of([fleets.cloud("a"), fleets.cloud("b")], nodes)
    decision = placement.place(where, [demand.Demand("w", fleets.ask(fleets.variant(cpu=0, memory=0)), 1000)])[0]
    assert fleets.counts(decision) == {"Cloud/a": 500, "Cloud/b": 500}


def test_pods_that_request_more_than_any_node_has_leave_nothing_and_overflow_nothing() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n0"), fleets.node("n1")])
    for number in range(500):
        where.set_pod(f"pod-{number}", "Cloud/a", "n0", {"cpu": 2**60})
    decision = placement.place(where, [demand.Demand("w", fleets.ask(), 20)])[0]
    assert decision.placements[0].nodes == (("n1", 8),)
    assert fleets.reasons(decision) == [(names.INSUFFICIENT_CPU, 2)]
    for number in range(500):
        where.remove_pod(f"pod-{number}")
    assert where.free[0, where.row_of["Cloud/a", "n0"]] == 8000


def test_what_one_workload_has_already_is_no_room_for_another_of_higher_priority() -> None:
    """After a restart, or in a plan, nobody has seen the replicas yet."""
    where = fleets.of([fleets.cloud("a")], [fleets.node("n")])
    had = {("Cloud/a", "default"): 6}
    old = demand.Demand("old", fleets.ask(), 6, current=had)
    new = demand.Demand("new", fleets.ask(), 6, priority=10)
    decisions = placement.place(where, [new, old])
    assert [each.unplaced for each in decisions] == [4, 0]
    assert decisions[1].counts() == had
