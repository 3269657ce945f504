"""The leader's tables, and the law that a reader who follows the stream holds the same tables."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.view import board, model


def _node(target: str, name: str, cpu: int) -> model.Node:
    return model.Node(
        target=target, name=name, class_key="arm64.kunpeng-920.kylin-v10.none", allocatable={"cpu": cpu}
    )


def _follow(tables: dict[str, dict[str, model.Row]], frame: model.Frame) -> None:
    if isinstance(frame, model.Beat):
        return
    for table in board.TABLES:
        for row in getattr(frame.rows, table):
            tables[table][board.key_of(row)] = row
        if isinstance(frame, model.Delta):
            for key in getattr(frame.gone, table):
                tables[table].pop(key, None)


Step = tuple[str, str, int]
_STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 3)),
    st.tuples(st.just("drop"), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just("tick"), st.just(""), st.just(0)),
)


@given(before=st.lists(_STEP), after=st.lists(_STEP))
def test_snapshot_and_deltas_give_the_same_tables(before: list[Step], after: list[Step]) -> None:
    """Whoever takes the snapshot at any moment and every later delta holds what the leader holds."""
    leader = board.Board("run-1")
    _play(leader, before)
    leader.tick(0)
    held: dict[str, dict[str, model.Row]] = {name: {} for name in board.TABLES}
    for part in leader.snapshot(0):
        _follow(held, part)
    for frame in [*_play(leader, after), leader.tick(1)]:
        _follow(held, frame)
    assert held == leader.tables


def _play(leader: board.Board, steps: list[tuple[str, str, int]]) -> list[model.Frame]:
    frames: list[model.Frame] = []
    for verb, name, cpu in steps:
        if verb == "put":
            leader.put(_node("Cloud/a", name, cpu))
        elif verb == "drop":
            leader.drop("nodes", f"Cloud/a/{name}")
        else:
            frames.append(leader.tick(0))
    return frames


def test_equal_row_changes_nothing() -> None:
    leader = board.Board("run-1")
    leader.put(_node("Cloud/a", "n", 1))
    leader.tick(0)
    leader.put(_node("Cloud/a", "n", 1))
    assert leader.tick(5) == model.Beat(sequence=1, at=5)


def test_replace_nodes_touches_one_target_only() -> None:
    leader = board.Board("run-1")
    leader.put(_node("Cloud/a", "old", 1))
    leader.put(_node("Cloud/b", "other", 1))
    leader.replace_nodes("Cloud/a", [_node("Cloud/a", "new", 1)])
    assert set(leader.tables["nodes"]) == {"Cloud/a/new", "Cloud/b/other"}


def test_snapshot_comes_in_bounded_parts_and_the_last_says_so() -> None:
    leader = board.Board("run-1")
    for i in range(board.ROWS_IN_A_PART + 1):
        leader.put(_node("Cloud/a", f"n{i}", 1))
    parts = list(leader.snapshot(0))
    assert [part.last for part in parts] == [False, False, True]
    assert max(len(part.rows.nodes) for part in parts) == board.ROWS_IN_A_PART


@given(cuts=st.lists(st.integers(1, 40)))
def test_frames_survive_any_cutting_of_the_bytes(cuts: list[int]) -> None:
    frames: list[model.Frame] = [
        model.Beat(sequence=3, at=4),
        model.Delta(sequence=4, at=5, rows=model.Rows(nodes=[_node("Cloud/a", "n", 1)])),
    ]
    data = b"".join(model.encode(frame) for frame in frames)
    deframer = model.Deframer()
    seen: list[model.Frame] = []
    for size in [*cuts, len(data)]:
        piece, data = data[:size], data[size:]
        seen += deframer.feed(piece)
    assert seen == frames


def test_a_frame_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(model.FrameTooLargeError, match="at most 10"):
        list(model.Deframer(limit=10).feed((11).to_bytes(4, "big")))


def test_a_body_that_is_no_frame_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        list(model.Deframer().feed((1).to_bytes(4, "big") + b"\xc1"))
