"""Laws of the placement, over random small heterogeneous fleets; and brute force as the judge of counts and reasons."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from tests import engine_fleets as fleets

from suanli_controller.api import names
from suanli_controller.core import demand, fleet, fragmentation, hardware, placement, views

ARCHS = ("amd64", "arm64")
CLOUDS = tuple(fleets.cloud(f"c{i}", district=str(i % 2), provider=("x", "y")[i // 2]) for i in range(4))


@st.composite
def nodes(draw: st.DrawFn, most: int = 8) -> list[hardware.NodeFacts]:
    return [
        fleets.node(
            f"n{i}",
            draw(st.sampled_from(CLOUDS)).ref,
            cpu=draw(st.integers(0, 6)),
            memory=draw(st.integers(1, 8)),
            pods=draw(st.sampled_from((2, 110))),
            arch=draw(st.sampled_from(ARCHS)),
            family=draw(st.sampled_from(("intel", "hygon"))),
            ready=draw(st.integers(0, 9)) > 0,
            cordoned=draw(st.integers(0, 9)) == 0,
            taints=draw(st.sampled_from(((), (), (("k", "", "NoSchedule"),)))),
            extended=draw(st.sampled_from(({}, {"npu/x": 2}))),
        )
        for i in range(draw(st.integers(1, most)))
    ]


@st.composite
def variants(draw: st.DrawFn) -> demand.Variant:
    return fleets.variant(
        cpu=draw(st.sampled_from((0, 500, 1000, 1700, 3000))),
        memory=draw(st.integers(0, 4)) * fleets.GIB,
        extended=draw(st.sampled_from(({}, {}, {"npu/x": 1}))),
        architectures=draw(st.sampled_from(((), ("amd64",), ("arm64",)))),
    )


SPREADS = st.builds(
    demand.Spread,
    by=st.sampled_from(("node", "cloud", "district", "provider")),
    max_skew=st.integers(0, 3),
    min_domains=st.integers(0, 3),
    max_per_domain=st.integers(0, 3),
)


@st.composite
def asks(draw: st.DrawFn, spreads: int = 2) -> demand.Ask:
    district = demand.Requirement("district", "In", (draw(st.sampled_from(("0", "1"))),))
    return fleets.ask(
        draw(variants()),
        tolerations=draw(st.sampled_from(((), (demand.Toleration("k", "Exists"),)))),
        require=draw(st.sampled_from(((), (), (district,)))),
        groups=draw(st.sampled_from(((), (demand.Group("one", (district,)), demand.Group("rest"))))),
        family_order=draw(st.sampled_from(((), ("hygon",)))),
        spread=tuple(draw(st.lists(SPREADS, max_size=spreads, unique_by=lambda each: each.by))),
        divide=draw(st.sampled_from((None, demand.Divide.AGGREGATED))),
        strategy=draw(st.sampled_from(demand.Strategy)),
    )


def fleet_of(found: Iterable[hardware.NodeFacts]) -> fleet.Fleet:
    return fleets.of(list(CLOUDS), list(found))


@dataclass
class Judge:
    """The same questions, answered one node at a time from the facts alone."""

    ask: demand.Ask

    def static(self, node: hardware.NodeFacts) -> str:
        target = next(each for each in CLOUDS if each.ref == node.target)
        variant = self.ask.variants[0]
        if any(target.district not in wish.values for wish in self.ask.require):
            return names.TARGET_EXCLUDED
        if not node.ready:
            return names.NODE_NOT_READY
        if node.cordoned:
            return names.NODE_CORDONED
        if variant.architectures and node.placeable.architecture not in variant.architectures:
            return names.ARCHITECTURE_MISMATCH
        return names.TAINT_NOT_TOLERATED if node.taints and not self.ask.tolerations else ""

    def room(self, node: hardware.NodeFacts) -> int:
        if self.static(node):
            return 0
        wanted = {"pods": 1, **{name: amount for name, amount in self.ask.variants[0].requests.items() if amount}}
        return min(node.allocatable.get(name, 0) // amount for name, amount in wanted.items())

    def lacks(self, node: hardware.NodeFacts, placed: int) -> str:
        requests = {"pods": 1, **self.ask.variants[0].requests}
        for name, reason in (
            ("cpu", names.INSUFFICIENT_CPU),
            ("memory", names.INSUFFICIENT_MEMORY),
            ("pods", names.INSUFFICIENT_PODS),
            ("npu/x", names.INSUFFICIENT_RESOURCE),
        ):
            amount = requests.get(name, 0)
            if amount and node.allocatable.get(name, 0) - placed * amount < amount:
                return reason
        return ""

    def domain(self, node: hardware.NodeFacts, by: str) -> str:
        target = next(each for each in CLOUDS if each.ref == node.target)
        return node.name if by == "node" else target.ref if by == "cloud" else str(getattr(target, by))

    def keeps(self, counts: dict[str, int], eligible: set[str], wish: demand.Spread) -> bool:
        used = {domain: count for domain, count in counts.items() if count}
        total = sum(used.values())
        least = min((counts.get(domain, 0) for domain in eligible), default=0)
        return (
            (not wish.max_per_domain or max(used.values(), default=0) <= wish.max_per_domain)
            and (not wish.max_skew or max(used.values(), default=0) - least <= wish.max_skew)
            and len(used) >= min(wish.min_domains, total)
        )


def on_nodes(decision: demand.Decision) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in decision.placements:
        for name, count in each.nodes:
            found[name] = found.get(name, 0) + count
    return found


@given(nodes(), st.lists(st.tuples(asks(), st.integers(0, 12)), min_size=1, max_size=5))
def test_nothing_is_placed_beyond_capacity_nor_where_it_must_not_be(
    found: list[hardware.NodeFacts], wanted: list[tuple[demand.Ask, int]]
) -> None:
    where = fleet_of(found)
    decisions = placement.place(
        where, [demand.Demand(f"w{i}", ask, count) for i, (ask, count) in enumerate(wanted)]
    )
    assert (where.free[:, : where.rows] >= 0).all()
    by_name = {each.name: each for each in found}
    for (ask, count), decision in zip(wanted, decisions, strict=True):
        placed = on_nodes(decision)
        assert sum(placed.values()) + decision.unplaced == count
        assert all(not Judge(ask).static(by_name[name]) for name in placed)
        assert sum(fleets.counts(decision).values()) == sum(placed.values())


@given(nodes(), asks(), st.integers(0, 20))
def test_every_bound_on_spread_holds(found: list[hardware.NodeFacts], ask: demand.Ask, wanted: int) -> None:
    placed = on_nodes(placement.place(fleet_of(found), [demand.Demand("w", ask, wanted)])[0])
    judge = Judge(ask)
    eligible = [each for each in found if not judge.static(each) or not each.ready or each.cordoned]
    for wish in ask.spread:
        counts: dict[str, int] = {}
        for node in found:
            domain = judge.domain(node, wish.by)
            counts[domain] = counts.get(domain, 0) + placed.get(node.name, 0)
        runnable = {judge.domain(each, wish.by) for each in eligible if _may_run(judge, each)}
        assert judge.keeps(counts, runnable, wish)


def _may_run(judge: Judge, node: hardware.NodeFacts) -> bool:
    """Whether a node counts for skew: readiness and cordons are passing states."""
    return judge.static(node) in ("", names.NODE_NOT_READY, names.NODE_CORDONED) and not (
        (
            judge.ask.variants[0].architectures
            and node.placeable.architecture not in judge.ask.variants[0].architectures
        )
        or (node.taints and not judge.ask.tolerations)
    )


@given(nodes(most=6), asks(spreads=1), st.integers(0, 10))
@settings(max_examples=150)
def test_as_many_are_placed_as_any_way_could(
    found: list[hardware.NodeFacts], ask: demand.Ask, wanted: int
) -> None:
    """Brute force over the counts of domains: under one bound on spread no other answer places more."""
    judge = Judge(ask)
    decision = placement.place(fleet_of(found), [demand.Demand("w", ask, wanted)])[0]
    by = ask.spread[0].by if ask.spread else "cloud"
    room: dict[str, int] = {}
    for node in found:
        domain = judge.domain(node, by)
        room[domain] = room.get(domain, 0) + min(judge.room(node), wanted)
    eligible = {judge.domain(each, by) for each in found if _may_run(judge, each)}
    best = 0
    for counts in itertools.product(*(range(min(most, wanted) + 1) for most in room.values())):
        total = sum(counts)
        if best < total <= wanted:
            kept = dict(zip(room, counts, strict=True))
            if all(judge.keeps(kept, eligible, wish) for wish in ask.spread):
                best = total
    assert wanted - decision.unplaced == best


@given(nodes(), asks(spreads=0), st.integers(1, 40))
def test_reasons_are_those_of_each_node_by_itself(
    found: list[hardware.NodeFacts], ask: demand.Ask, wanted: int
) -> None:
    decision = placement.place(fleet_of(found), [demand.Demand("w", ask, wanted)])[0]
    judge, placed = Judge(ask), on_nodes(decision)
    expected: dict[str, int] = {}
    if decision.unplaced:
        for node in found:
            reason = judge.static(node) or judge.lacks(node, placed.get(node.name, 0))
            expected[reason] = expected.get(reason, 0) + 1
    assert dict(fleets.reasons(decision)) == expected


@given(nodes(), asks(), st.integers(0, 12))
def test_a_second_pass_changes_nothing(found: list[hardware.NodeFacts], ask: demand.Ask, wanted: int) -> None:
    where = fleet_of(found)
    first = placement.place(where, [demand.Demand("w", ask, wanted)])[0]
    free = where.free.copy()
    again = placement.place(where, [demand.Demand("w", ask, wanted, current=first.counts())])[0]
    assert again.counts() == first.counts()
    assert (where.free == free).all()


@given(nodes(), asks(), st.integers(1, 12), st.randoms())
def test_the_order_of_input_does_not_matter(
    found: list[hardware.NodeFacts], ask: demand.Ask, wanted: int, random: Random
) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    answers = [placement.place(fleet_of(each), [demand.Demand("w", ask, wanted)])[0] for each in (found, shuffled)]
    assert answers[0] == answers[1]


def _knowing(found: Iterable[hardware.NodeFacts], known: Iterable[demand.Ask]) -> fleet.Fleet:
    where = fleet_of(found)
    asked = Counter(fragmentation.shape_of(each) for ask in known for each in ask.variants)
    views.of_fleet(where).set_typical(asked)
    return where


@given(nodes(), st.lists(st.tuples(asks(spreads=0), st.booleans()), min_size=1, max_size=25), st.data())
def test_what_is_kept_between_decisions_is_right_when_resources_grow_again(
    found: list[hardware.NodeFacts], steps: list[tuple[demand.Ask, bool]], data: st.DataObject
) -> None:
    """Decisions on a fleet with a past equal those on one built anew with the same pods.

    What is typical is given to both: by what was asked before, Fragmentation judges on purpose.
    """
    known = [ask for ask, _ in steps]
    where, live = _knowing(found, known), dict[str, tuple[str, dict[str, int]]]()
    for number, (_, delete) in enumerate(steps):
        if delete and live:
            uid = data.draw(st.sampled_from(sorted(live)))
            where.remove_pod(uid)
            del live[uid]
        ask = data.draw(st.sampled_from(known))
        fresh = _knowing(found, known)
        for uid, (ref_and_node, requests) in live.items():
            ref, _, name = ref_and_node.partition(" ")
            fresh.set_pod(uid, ref, name, requests)
        decision, again = (placement.place(each, [demand.Demand(f"w{number}", ask)])[0] for each in (where, fresh))
        assert decision == again
        for each in decision.placements:
            ref_and_node, uid = f"{each.target} {each.nodes[0][0]}", f"p{number}"
            live[uid] = (ref_and_node, dict(ask.variants[0].requests))
            where.set_pod(
                uid, each.target, each.nodes[0][0], live[uid][1], fleet.Owner(f"w{number}", each.variant)
            )


@given(st.lists(asks(spreads=0), min_size=1, max_size=3), st.lists(st.integers(0, 5), max_size=20), st.randoms())
@settings(max_examples=50)
def test_a_survey_that_is_mended_is_the_same_as_one_made_anew(
    several: list[demand.Ask], steps: list[int], random: Random
) -> None:
    """Few of many nodes change at a time, so that what is kept is worth mending."""
    where = fleet_of(fleets.node(f"n{i}", CLOUDS[i % 4].ref, cpu=i % 7, arch=ARCHS[i // 4 % 2]) for i in range(96))
    for number, replicas in enumerate(steps):
        ask = random.choice(several)
        placement.place(where, [demand.Demand(f"w{number}", ask, replicas)])
        if replicas % 2:
            where.withdraw(f"w{random.randrange(number + 1)}")
        known = views.of_fleet(where)
        for kept, anew in zip(known.of(ask).variants, views.Views(where).of(ask).variants, strict=True):
            for mended, whole in zip(kept.survey(), anew.survey(), strict=True):
                assert mended[:-1].tolist() == whole[:-1].tolist()


@given(nodes(), st.lists(asks(spreads=0), min_size=1, max_size=12))
def test_a_search_finds_the_node_whose_key_is_the_largest(
    found: list[hardware.NodeFacts], several: list[demand.Ask]
) -> None:
    """Keys that are not kept are not all worked out, whatever was scarce for those that asked before."""
    where = _knowing(found, several)
    known = views.of_fleet(where)
    for number, ask in enumerate(several):
        placement.place(where, [demand.Demand(f"w{number}", ask)])
        for view in known.of(ask).variants:
            keys = view.keys().copy()
            for _ in found:  # so much changed that keys are not worth keeping
                where.touch(0)
            key, at = view.best()
            assert max(key, 0) == max(keys.max(), 0)
            assert key <= 0 or at == keys.argmax()


def test_batches_sorted_by_size_place_nearly_what_an_exact_solver_does() -> None:
    """Replicas placed, weighted by their cores, over 300 small fleets: within 2% of the mixed-integer optimum."""
    chance, placed, best = Random(4), 0, 0.0
    for _ in range(300):
        cpus = [chance.randint(0, 6) for _ in range(chance.randint(2, 6))]
        works = [(chance.randint(1, 3), chance.randint(1, 6)) for _ in range(chance.randint(1, 4))]
        placed += _placed(cpus, works)
        best += exact(cpus, works)
    assert 0.98 * best <= placed <= best


def test_a_replica_goes_to_the_empty_node_that_it_fills() -> None:
    """Two of 3 cores, two nodes of 4 and two of 3: the nodes of 4 stay whole for pairs of 2."""
    assert _placed([4, 4, 3, 3], [(3, 2), (2, 3), (2, 1)]) == 14


def _placed(cpus: list[int], works: list[tuple[int, int]]) -> int:
    """How many cores are given out to works (cores of a replica, replicas), the largest first."""
    works = sorted(works, reverse=True)
    where = fleets.of([CLOUDS[0]], [fleets.node(f"n{i}", CLOUDS[0].ref, cpu=cpu) for i, cpu in enumerate(cpus)])
    wanted = [
        demand.Demand(f"w{i}", fleets.ask(fleets.variant(cpu=1000 * cpu)), count)
        for i, (cpu, count) in enumerate(works)
    ]
    decisions = placement.place(where, wanted)
    return sum(cpu * (count - each.unplaced) for (cpu, count), each in zip(works, decisions, strict=True))


def exact(cpus: list[int], works: list[tuple[int, int]]) -> float:
    """The most cores that can be given out: x[w, n] replicas of w on n."""
    shape = (len(works), len(cpus))
    value = np.repeat([cpu for cpu, _ in works], len(cpus)).astype(float)
    per_node = np.zeros((len(cpus), len(value)))
    per_work = np.zeros((len(works), len(value)))
    for place in range(len(value)):
        work, node = np.unravel_index(place, shape)
        per_node[node, place] = works[int(work)][0]
        per_work[work, place] = 1
    found = optimize.milp(
        -value,
        constraints=[
            optimize.LinearConstraint(per_node, ub=np.array(cpus)),
            optimize.LinearConstraint(per_work, ub=np.array([count for _, count in works])),
        ],
        integrality=np.ones(len(value), np.int64),
    )
    assert found.fun is not None
    return -float(found.fun)
