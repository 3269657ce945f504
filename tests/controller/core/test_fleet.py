"""The fleet as arrays: what comes and goes for ever must not make it grow for ever."""

from tests import engine_fleets as fleets

from suanli_controller.core import demand, placement, views


def test_resources_that_come_and_go_give_their_lines_to_others() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n"), fleets.node("m", extended={"npu/kept": 3})])
    for number in range(500):
        name = f"vendor-{number}/device"
        where.upsert_node(fleets.node("n", extended={name: 2}))
        where.set_pod("p", "Cloud/a", "n", {name: 1})
        build = fleets.variant(extended={name: 1})
        decision = placement.place(where, [demand.Demand("w", fleets.ask(build), 2)])[0]
        assert (decision.placements[0].nodes, decision.unplaced) == ((("n", 1),), 1)
        where.withdraw("w")
        where.remove_pod("p")
    assert len(where.table) < 100
    keeper = fleets.ask(fleets.variant(extended={"npu/kept": 1}))
    assert placement.place(where, [demand.Demand("k", keeper, 4)])[0].unplaced == 1


def test_resources_that_no_node_has_do_not_pile_up_whoever_asks_for_them() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n")])
    asks = [fleets.ask(fleets.variant(extended={f"vendor-{number}/device": 1})) for number in range(300)]
    for number, ask in enumerate(asks):
        decision = placement.place(where, [demand.Demand(str(number), ask)])[0]
        assert fleets.reasons(decision) == [("InsufficientResource", 1)]
    assert len(where.table) < 100


def test_a_line_that_changed_hands_counts_for_the_new_resource_only() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n", extended={"old/device": 4})])
    old = fleets.ask(fleets.variant(extended={"old/device": 1}), strategy=demand.Strategy.FRAGMENTATION)
    assert placement.place(where, [demand.Demand("w", old, 4)])[0].unplaced == 0
    where.withdraw("w")
    where.upsert_node(fleets.node("n"))
    for number in range(200):
        where.upsert_node(fleets.node(f"m{number % 2}", extended={f"new-{number}/device": 1}))
    assert "old/device" not in where.resources
    assert placement.place(where, [demand.Demand("w", old, 4)])[0].unplaced == 4
    new = fleets.ask(fleets.variant(extended={"new-199/device": 1}), strategy=demand.Strategy.FRAGMENTATION)
    assert placement.place(where, [demand.Demand("v", new, 2)])[0].placements[0].nodes == (("m1", 1),)
    assert len(views.of_fleet(where).of(new).variants[0].requests) == 4
