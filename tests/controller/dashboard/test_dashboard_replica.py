"""The dashboard's copy follows the leader exactly, and asks for a snapshot where it cannot."""

import msgspec
import pytest
from hypothesis import given
from tests.controller.dashboard import centre_rows

from suanli_controller.core import quantity
from suanli_controller.dashboard import fleet, replica
from suanli_controller.view import board, model


def _nodes(held: replica.Replica) -> dict[str, model.Node]:
    return {node.key: node for node in held.nodes.nodes(held.nodes.in_order(held.nodes.held_targets()))}


@given(before=centre_rows.fleets(), after=centre_rows.fleets())
def test_deltas_bring_the_copy_to_what_the_leader_holds(before: list[model.Node], after: list[model.Node]) -> None:
    leader = centre_rows.leader_with(before)
    held = centre_rows.replica_of(leader)
    for target, _, _ in centre_rows.PLACES:
        leader.replace_nodes(target, [node for node in after if node.target == target])
    held.apply(leader.tick(5))
    assert _nodes(held) == leader.tables["nodes"]


@given(before=centre_rows.fleets(), after=centre_rows.fleets())
def test_a_new_leaders_snapshot_replaces_everything(before: list[model.Node], after: list[model.Node]) -> None:
    held = centre_rows.replica_of(centre_rows.leader_with(before))
    leader = board.Board("run-2")
    for node in after:
        leader.put(node)
    held.begin()
    for part in leader.snapshot(9):
        held.apply(part)
    assert _nodes(held) == leader.tables["nodes"]
    assert (held.clouds, held.epoch) == ({}, "run-2")


def test_a_gap_is_an_error_and_changes_nothing() -> None:
    leader = centre_rows.leader_with([])
    held = centre_rows.replica_of(leader)
    leader.put(model.Cloud(name="late", tier="District"))
    leader.tick(1)
    leader.put(model.Cloud(name="later", tier="District"))
    with pytest.raises(replica.GapError, match="goes on from 2, held is 1"):
        held.apply(leader.tick(2))
    assert "later" not in held.clouds


def test_a_delta_before_any_snapshot_is_an_error() -> None:
    with pytest.raises(replica.GapError):
        replica.Replica().apply(model.Delta(sequence=1, at=0, rows=model.Rows()))


def test_a_fleet_that_grows_and_shrinks_reuses_its_room() -> None:
    """Nodes that came and went leave nothing behind, and nobody is taken for another."""
    found = fleet.Fleet()
    key = centre_rows.CLASSES[0]
    for turn in range(3):
        for number in range(1500):
            name = f"n{turn}-{number}"
            found.put(model.Node(target="Cloud/a", name=name, class_key=key, requested={"cpu": number}))
        assert (len(found), len(found.names)) == (1500, 1500)
        (row,) = found.nodes(found.named("Cloud/a", [f"n{turn}-1499"]))
        assert row.requested == {"cpu": 1499}
        for number in range(1500):
            found.drop("Cloud/a", f"n{turn}-{number}")
    assert list(found.held_targets()) == []


def test_a_site_and_a_cloud_of_one_name_keep_their_own_nodes() -> None:
    key = centre_rows.CLASSES[0]
    fleet = [model.Node(target=target, name="n", class_key=key) for target in ("Cloud/a", "EdgeSite/s")]
    leader = centre_rows.leader_with(fleet)
    held = centre_rows.replica_of(leader)
    leader.drop("nodes", "Cloud/a/n")
    held.apply(leader.tick(1))
    assert set(_nodes(held)) == {"EdgeSite/s/n"}


def test_names_that_a_box_thinks_of_take_no_columns_and_go_with_it() -> None:
    """However many, they come back as told, and leave nothing behind."""
    found = fleet.Fleet()
    told = {"cpu": 1, **{f"box.example/{number}": 2**50 for number in range(5000)}}
    odd = model.Node(target="EdgeSite/s", name="odd", class_key=centre_rows.CLASSES[0], allocatable=told)
    found.put(odd)
    (row,) = rows = found.named("EdgeSite/s", ["odd"])
    assert next(found.nodes(rows)) == odd
    assert found.column("accelerators", rows)[0] == quantity.MAX_TOTAL
    assert len(found._amounts["allocatable"]) == 4
    found.put(msgspec.structs.replace(odd, allocatable={"huawei.com/Ascend910": 8}))
    assert found._others["allocatable"] == {row: {"huawei.com/Ascend910": 8}}
    found.drop("EdgeSite/s", "odd")
    assert not any(found._others.values())
