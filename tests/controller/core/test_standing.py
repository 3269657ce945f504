"""An answer that stands is the one that the placement would give again; what may differ does not stand."""

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import engine_fleets as fleets
from tests.controller.core.test_placement_laws import CLOUDS, asks, fleet_of, nodes

from suanli_controller.core import demand, fleet, hardware, placement, standing

C0 = CLOUDS[0].ref


def answered(where: fleet.Fleet, one: demand.Demand) -> tuple[demand.Demand, standing.Answer]:
    """The demand as it is afterwards, and its answer."""
    decision = placement.place(where, [one])[0]
    return msgspec.structs.replace(one, current=decision.counts()), standing.answer(where, one, decision)


def happen(where: fleet.Fleet, answer: standing.Answer, data: st.DataObject) -> None:
    """A pod is bound, anywhere in its target, or lost; or a target falls silent."""
    bound = {(each.target, each.variant) for each in answer.decision.placements}
    what = data.draw(st.sampled_from(("bind", "bind", "lose", "withdraw", "silence", "trembles")))
    uid = data.draw(st.sampled_from(("p0", "p1", "p2")))
    if what == "bind" and bound:
        target, variant = data.draw(st.sampled_from(sorted(bound)))
        node = data.draw(st.sampled_from([where.names[row] for row in where.rows_of(target).tolist()]))
        where.set_pod(uid, target, node, answer.asked.ask.variants[0].requests, fleet.Owner("w", variant))
    elif what == "lose":
        where.remove_pod(uid)
    elif what == "withdraw":
        where.withdraw("w", replicas=1)
    elif what in ("silence", "trembles"):
        change: dict[str, Any] = {"ready": False} if what == "silence" else {"rtt_microseconds": 7}
        where.upsert_target(dataclasses.replace(data.draw(st.sampled_from(CLOUDS)), **change))


@given(nodes(), asks(), st.integers(0, 8), st.integers(0, 4), st.data())
def test_what_stands_would_be_answered_the_same_and_change_nothing(
    found: list[hardware.NodeFacts], ask: demand.Ask, wanted: int, events: int, data: st.DataObject
) -> None:
    where = fleet_of(found)
    one, answer = answered(where, demand.Demand("w", ask, wanted))
    for _ in range(events):
        happen(where, answer, data)
    some = st.frozensets(st.sampled_from([each.ref for each in CLOUDS]), max_size=1)
    one = msgspec.structs.replace(one, excluded=data.draw(some), held=data.draw(some), full=data.draw(some))
    if standing.stands(where, one, answer):
        free = where.free.copy()
        again = placement.place(where, [one])[0]
        assert (again.counts(), again.unplaced) == (answer.decision.counts(), 0)
        assert (where.free == free).all()


def two() -> tuple[fleet.Fleet, demand.Demand, standing.Answer]:
    """Two replicas that have their place in one cloud."""
    where = fleet_of([fleets.node("n0", C0, cpu=4), fleets.node("n1", C0, cpu=4)])
    ask = fleets.ask(fleets.variant(cpu=1000))
    return where, *answered(where, demand.Demand("w", ask, 2))


def test_it_stands_while_its_pods_come_and_others_take_room() -> None:
    where, one, answer = two()
    assert standing.stands(where, one, answer)
    where.set_pod("p0", C0, "n0", {"cpu": 1000}, fleet.Owner("w", one.ask.variants[0].name))
    where.set_pod("other", C0, "n1", {"cpu": 1000})
    assert standing.stands(where, one, answer)


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 3},
        {"current": {}},
        {"full": frozenset({C0})},
        {"excluded": frozenset({C0})},
        {"held": frozenset({C0})},
        {"ask": fleets.ask(fleets.variant(cpu=1000))},
    ],
    ids=str,
)
def test_another_demand_is_another_question(change: dict[str, object]) -> None:
    where, one, answer = two()
    assert not standing.stands(where, msgspec.structs.replace(one, **change), answer)


def test_it_does_not_stand_once_a_pod_is_lost() -> None:
    where, one, answer = two()
    where.set_pod("p0", C0, "n0", {"cpu": 1000}, fleet.Owner("w", one.ask.variants[0].name))
    where.remove_pod("p0")
    assert not standing.stands(where, one, answer)


def test_it_does_not_stand_once_nodes_differ() -> None:
    where, one, answer = two()
    where.upsert_node(fleets.node("n2", C0, arch="arm64"))
    assert not standing.stands(where, one, answer)


@pytest.mark.parametrize(("bound", "stands"), [(0, True), (9000, False)])
def test_a_round_trip_concerns_those_alone_who_ask_for_one(bound: int, stands: bool) -> None:
    slow, quick = (dataclasses.replace(CLOUDS[0], rtt_microseconds=each) for each in (8000, 4000))
    where = fleets.of([slow], [fleets.node("n0", C0)])
    one, answer = answered(where, demand.Demand("w", fleets.ask(max_rtt_microseconds=bound)))
    where.upsert_target(quick)
    assert standing.stands(where, one, answer) == stands


def test_what_found_no_place_or_has_steps_of_preference_is_always_asked_again() -> None:
    where = fleet_of([fleets.node("n0", C0, cpu=1)])
    for ask, replicas in (
        (fleets.ask(fleets.variant(cpu=1000)), 2),
        (fleets.ask(fleets.variant(cpu=0), family_order=("hygon",)), 1),
    ):
        assert not standing.stands(where, *answered(where, demand.Demand("w", ask, replicas)))
