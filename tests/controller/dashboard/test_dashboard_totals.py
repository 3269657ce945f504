"""Totals equal the sum over nodes, whatever the fleet and whoever asks."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.controller.dashboard import centre_rows

from suanli_controller.core import centre
from suanli_controller.dashboard import rights, totals
from suanli_controller.view import model

ALL = rights.Rights(totals=True, clouds=True, sites=True, algorithms=True, workloads=True)
WALL = rights.Rights(totals=True)
PLACES = {target: (tier, district) for target, tier, district in centre_rows.PLACES}


def _key(node: model.Node, dimension: str) -> str:
    tier, district = PLACES[node.target]
    given_by_place = {"tier": tier, "district": district, "target": node.target, "provider": ""}
    if dimension in given_by_place:
        return given_by_place[dimension]
    return node.class_key if dimension == "class" else getattr(centre.class_parts(node.class_key), dimension)


@given(fleet=centre_rows.fleets(), by=st.lists(st.sampled_from(centre.DIMENSIONS), max_size=2, unique=True))
def test_totals_are_the_sums_over_nodes(fleet: list[model.Node], by: list[str]) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    expected: dict[tuple[str, ...], Counter[str]] = {}
    for node in fleet:
        counter = expected.setdefault(tuple(_key(node, name) for name in by), Counter())
        counter["nodes"] += 1
        counter["ready"] += node.ready
        counter["capacity"] += node.capacity["cpu"]
        counter["requested"] += node.requested["cpu"]
        counter["allocatable"] += node.allocatable["cpu"] if node.ready and not node.cordoned else 0
    found = totals.by(totals.visible(held, ALL), by)
    assert {
        tuple(total.key.values()): Counter(
            nodes=total.nodes,
            ready=total.ready_nodes,
            capacity=total.capacity.get("cpu", 0),
            requested=total.requested.get("cpu", 0),
            allocatable=total.allocatable.get("cpu", 0),
        )
        for total in found
    } == expected


@given(fleet=centre_rows.fleets())
def test_the_wall_sees_the_same_totals_as_an_operator(fleet: list[model.Node]) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    assert totals.by(totals.visible(held, WALL), ()) == totals.by(totals.visible(held, ALL), ())


@given(fleet=centre_rows.fleets())
def test_cells_add_up_to_the_whole_and_name_no_place(fleet: list[model.Node]) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    cells = totals.cells(held, WALL).values()
    assert all(set(cell.key) == {"class", "tier", "district"} for cell in cells)
    assert sum(cell.nodes for cell in cells) == len(fleet)
    assert sum(cell.units.general_milli for cell in cells) == sum(
        total.units.general_milli for total in totals.by(totals.visible(held, ALL), ())
    )


@pytest.mark.parametrize("mine", [ALL, rights.Rights(clouds=True), rights.Rights(workloads=True)])
def test_who_sees_every_place_that_counts_gets_the_places_and_no_cells(mine: rights.Rights) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with([_node("Cloud/a"), _node("EdgeSite/s")]))
    assert totals.cells(held, mine) == {}


def _node(target: str) -> model.Node:
    return model.Node(target=target, name="n", class_key=centre_rows.CLASSES[0], ready=True)


def test_grouping_by_place_is_for_those_who_may_list_places() -> None:
    assert totals.may_group(ALL, ["target"])
    assert not totals.may_group(WALL, ["tier", "target"])
    assert not totals.may_group(WALL, ["provider"])
    assert totals.may_group(WALL, ["tier", "district", "class"])


def test_who_may_list_clouds_only_sees_the_totals_of_clouds() -> None:
    fleet = [_node(target) for target in PLACES]
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    (total,) = totals.by(totals.visible(held, rights.Rights(clouds=True)), ())
    assert total.nodes == 2
