"""Live frames: whoever applies them holds what the API would answer, and nobody sees beyond their rights."""

import gzip
from typing import Any

import msgspec
import pytest
from tests.controller.dashboard import centre_rows

from suanli_controller.dashboard import answers, live, replica, rights
from suanli_controller.view import board, model

ALL = rights.Rights(totals=True, clouds=True, sites=True, algorithms=True, workloads=True)
WALL = rights.Rights(totals=True)
TEAM = rights.Rights(namespaces=frozenset({"team-a"}))

_FRAME = msgspec.json.Decoder(answers.LiveSnapshot | answers.LiveDelta | answers.LiveBeat)


@pytest.fixture
def leader() -> board.Board:
    node = model.Node(target="Cloud/a", name="n", class_key=centre_rows.CLASSES[0], ready=True)
    return centre_rows.leader_with([node])


Shown = tuple[live.Live, replica.Replica]


@pytest.fixture
def shown(leader: board.Board) -> Shown:
    held = centre_rows.replica_of(leader)
    return live.Live(held, live.Settings(clients=4, backlog=3)), held


def _change(shown: Shown, leader: board.Board, *rows: model.Row) -> None:
    for row in rows:
        leader.put(row)
    ticker, held = shown
    ticker.changed(held.apply(leader.tick(2000)))
    ticker.tick(beat=False)


def _frames(client: live.Client) -> list[Any]:
    frames = []
    while not client.queue.empty():
        text = client.queue.get_nowait()
        assert text is not None
        frames.append(_FRAME.decode(text))
    return frames


def test_the_first_frame_is_a_snapshot_and_the_next_follows_by_number(shown: Shown, leader: board.Board) -> None:
    client = shown[0].join(ALL)
    _change(shown, leader, model.Cloud(name="new", tier="District"))
    snapshot, delta = _frames(client)
    assert [cloud.name for cloud in snapshot.clouds] == ["a", "b"]
    assert (delta.sequence, [cloud.name for cloud in delta.clouds]) == (snapshot.sequence + 1, ["new"])
    assert delta.counts.clouds == 3


def test_one_frame_is_encoded_for_all_who_have_the_same_rights(shown: Shown, leader: board.Board) -> None:
    clients = [shown[0].join(ALL), shown[0].join(ALL)]
    _change(shown, leader, model.Cloud(name="new", tier="District"))
    for _ in ("snapshot", "delta"):
        first, second = (client.queue.get_nowait() for client in clients)
        assert first is second


def test_a_wall_screen_is_told_totals_and_no_names(shown: Shown, leader: board.Board) -> None:
    client = shown[0].join(WALL)
    node = model.Node(target="Cloud/a", name="secret-node", class_key=centre_rows.CLASSES[1], ready=True)
    _change(shown, leader, node, model.Cloud(name="secret-cloud", tier="District"))
    texts = [client.queue.get_nowait() for _ in range(client.queue.qsize())]
    assert not any("secret" in (text or "") for text in texts)
    last = _FRAME.decode(texts[-1] or "")
    assert isinstance(last, answers.LiveDelta)
    assert isinstance(last.counts, answers.Counts)
    assert last.counts.clouds == 3


def test_of_the_cells_only_those_that_changed_are_told(shown: Shown, leader: board.Board) -> None:
    client = shown[0].join(WALL)
    (before,) = _frames(client)[0].cells
    cloud: model.Cloud = leader.tables["clouds"]["a"]
    other = msgspec.structs.replace(cloud.classes[0], key=centre_rows.CLASSES[1], nodes=7)
    _change(shown, leader, msgspec.structs.replace(cloud, classes=(*cloud.classes, other)))
    _change(shown, leader, msgspec.structs.replace(cloud, classes=(other,)))
    grown, shrunk = _frames(client)
    assert [cell.nodes for cell in grown.cells] == [7]
    assert (shrunk.cells, shrunk.cells_gone) == ([], [before.key])


def test_a_team_is_told_of_its_own_workloads_only(shown: Shown, leader: board.Board) -> None:
    client = shown[0].join(TEAM)
    _change(shown, leader, centre_rows.workload("team-a", "mine"), centre_rows.workload("team-b", "theirs"))
    _, delta = _frames(client)
    assert delta.touched.workloads == ["team-a/mine"]
    assert delta.counts.workloads == 1


def test_what_is_gone_is_named_by_kind(shown: Shown, leader: board.Board) -> None:
    client = shown[0].join(ALL)
    leader.drop("clouds", "b")
    _change(shown, leader)
    assert _frames(client)[-1].gone == ["Cloud/b"]


def test_a_client_that_cannot_keep_up_is_cut_off(shown: Shown, leader: board.Board) -> None:
    client = shown[0].join(ALL)
    for number in range(4):
        _change(shown, leader, model.Cloud(name=f"c{number}", tier="District"))
    assert [client.queue.get_nowait() for _ in range(client.queue.qsize())][-1] is None


def test_nothing_is_sent_while_nothing_changes_but_beats(shown: Shown) -> None:
    client = shown[0].join(ALL)
    _frames(client)
    assert not shown[0].tick(beat=False)
    assert shown[0].tick(beat=True)
    (beat,) = _frames(client)
    assert isinstance(beat, answers.LiveBeat)


def test_a_leader_that_falls_silent_is_told_at_once(shown: Shown) -> None:
    ticker, held = shown
    client = ticker.join(ALL)
    _frames(client)
    held.connected = False
    ticker.changed(replica.Change())
    ticker.tick(beat=False)
    assert not _frames(client)[0].freshness.connected


def test_the_limit_of_clients_is_said(shown: Shown) -> None:
    for _ in range(4):
        shown[0].join(ALL)
    with pytest.raises(live.TooManyClientsError, match="4 live clients are the limit"):
        shown[0].join(ALL)


def test_an_alert_that_comes_by_the_clock_is_a_delta_of_its_own(shown: Shown, leader: board.Board) -> None:
    """A credential near its end raises an alert although no row changed."""
    ticker, held = shown
    _change(shown, leader, model.Cloud(name="c", tier="District", credential_expires=None))
    client = ticker.join(ALL)
    before = _frames(client)[0].sequence
    held.clouds["c"] = model.Cloud(name="c", tier="District", credential_expires=1)
    ticker.tick(beat=True)
    (delta,) = _frames(client)
    assert (delta.sequence, [alert.reason for alert in delta.alerts]) == (before + 1, ["CredentialExpires"])


def test_large_frames_are_compressed_once_for_who_takes_gzip(
    shown: Shown, leader: board.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They say the same; small ones come as text to all."""
    monkeypatch.setattr(live, "_LARGE", 500)
    takers = [shown[0].join(ALL, takes_gzip=True) for _ in range(2)]
    plain = shown[0].join(ALL)
    first, second = (client.queue.get_nowait() for client in takers)
    assert isinstance(first, bytes)
    assert first is second
    assert gzip.decompress(first).decode() == plain.queue.get_nowait()
    shown[0].tick(beat=True)
    assert takers[0].queue.get_nowait() == plain.queue.get_nowait()
