"""What a workload has been given: what moves waits for its replacement; a scale-down waits for nothing."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import workload
from suanli_controller.core import demand, intent
from suanli_controller.core.intent import Intent
from suanli_controller.core.workload_status import Place, Seen

A, B, C = (("Cloud/a", "x"), ("Cloud/b", "x"), ("Cloud/c", "x"))
Counts = dict[Place, int]


def decision(counts: Counts, unplaced: int = 0) -> demand.Decision:
    placements = tuple(demand.Placement(*place, count) for place, count in counts.items())
    return demand.Decision("uid", placements, unplaced)


def ready(**counts: int) -> dict[Place, Seen]:
    return {(f"Cloud/{name}", "x"): Seen(replicas=count, ready=count) for name, count in counts.items()}


def test_what_moves_stays_until_its_replacement_is_ready() -> None:
    moved = intent.revise(Intent({A: 3}), decision({B: 3}))
    assert moved.standing == {A: 3, B: 3}
    waiting = intent.settle(moved, decision({B: 3}), ready(a=3, b=2), ())
    assert waiting.standing == {A: 3, B: 3}
    assert intent.settle(moved, decision({B: 3}), ready(a=3, b=3), ()).standing == {B: 3}


def test_a_scale_down_takes_replicas_at_once() -> None:
    assert intent.revise(Intent({A: 3, B: 3}), decision({A: 2, B: 1})).standing == {A: 2, B: 1}


def test_a_scale_down_during_a_move_keeps_what_waits_for_its_replacement() -> None:
    moving = intent.revise(Intent({A: 3}), decision({B: 3}))
    assert intent.revise(moving, decision({B: 2})).standing == {A: 3, B: 2}


def test_nothing_goes_while_some_of_it_has_no_place_to_go_to() -> None:
    draining = intent.revise(Intent({A: 3}), decision({B: 1}, unplaced=2))
    assert intent.settle(draining, decision({B: 1}, unplaced=2), ready(a=3, b=1), ()).standing == {A: 3, B: 1}


def test_what_leaves_a_place_out_of_reach_waits_for_it() -> None:
    moved = intent.revise(Intent({A: 3}), decision({B: 3}))
    settled = intent.settle(moved, decision({B: 3}), ready(b=3), {"Cloud/a"})
    assert settled.leaving == {A: 3}


def test_a_place_out_of_reach_keeps_nobody_else_from_moving() -> None:
    """It is counted as running there, so the move between two others need not wait for it."""
    moved = intent.revise(Intent({A: 1, B: 1}), decision({A: 1, C: 1}))
    settled = intent.settle(moved, decision({A: 1, C: 1}), ready(b=1, c=1), {"Cloud/a"})
    assert settled.standing == {A: 1, C: 1}


def test_a_replacement_that_fell_silent_before_it_was_ready_replaces_nothing() -> None:
    moved = intent.revise(Intent({A: 3}), decision({B: 3}))
    assert intent.settle(moved, decision({B: 3}), ready(a=3, b=1), {"Cloud/b"}).standing == {A: 3, B: 3}


def test_replicas_that_no_scheduler_binds_are_taken_back() -> None:
    assert intent.without_stuck(Intent({A: 3, B: 2}), {A: 2, B: 2}).wished == {A: 1}


def status(counts: Counts, omitted: int = 0) -> workload.ComputeWorkloadStatus:
    placements = [{"target": target, "variant": build, "replicas": n} for (target, build), n in counts.items()]
    whole = {"placements": placements, "omittedPlacements": omitted}
    return msgspec.convert(whole, workload.ComputeWorkloadStatus)


def test_after_a_restart_what_was_written_is_wished_and_the_rest_leaves_in_order() -> None:
    loaded = intent.load(status({A: 3}), ready(a=3, b=2))
    assert loaded == Intent({A: 3}, {B: 2})


def test_of_a_status_that_was_cut_short_the_clusters_tell_the_rest() -> None:
    assert intent.load(status({A: 3}, omitted=1), ready(a=3, b=2)) == Intent({A: 3, B: 2})


def test_a_job_waits_nowhere_to_leave_and_has_begun_where_it_runs() -> None:
    """It would run twice."""
    assert intent.load_job(status({A: 3}), ready(a=4, b=2)) == Intent({A: 3})
    assert intent.load_job(status({}), ready(b=2)) == Intent({B: 2})


COUNTS = st.dictionaries(st.sampled_from([A, B, C]), st.integers(1, 4))


@given(COUNTS, COUNTS)
def test_nothing_that_runs_is_dropped_by_a_decision_that_asks_for_as_many(before: Counts, after: Counts) -> None:
    unplaced = max(0, sum(before.values()) - sum(after.values()))
    standing = intent.revise(Intent(before), decision(after, unplaced)).standing
    assert all(standing.get(place, 0) >= count for place, count in before.items())


@given(COUNTS, COUNTS, COUNTS)
def test_what_is_wished_is_always_standing(before: Counts, leaving: Counts, after: Counts) -> None:
    revised = intent.revise(Intent(before, leaving), decision(after))
    assert all(revised.standing[place] >= count for place, count in after.items())


@given(COUNTS, COUNTS, COUNTS, st.sets(st.sampled_from(["Cloud/a", "Cloud/b", "Cloud/c"])))
def test_settling_never_drops_anything_before_all_that_answers_is_ready(
    wished: Counts, leaving: Counts, up: Counts, silent: set[str]
) -> None:
    seen = {place: Seen(replicas=count, ready=count) for place, count in up.items()}
    now = Intent(wished, leaving)
    after = intent.settle(now, decision(wished), seen, silent)
    behind = [place for place, n in wished.items() if place[0] not in silent and up.get(place, 0) < n]
    if behind:
        assert after == now


@given(COUNTS, COUNTS)
def test_settling_twice_is_settling_once(wished: Counts, up: Counts) -> None:
    seen = {place: Seen(replicas=count, ready=count) for place, count in up.items()}
    once = intent.settle(Intent(wished, {A: 5}), None, seen, ())
    assert intent.settle(once, None, seen, ()) == once


@given(COUNTS, COUNTS, COUNTS)
def test_a_decision_takes_no_place_of_a_job_away(before: Counts, current: Counts, after: Counts) -> None:
    revised = intent.revise_job(Intent(before), current, decision(after))
    assert {*before, *current, *after} == set(revised.wished)
    assert all(revised.wished[place] >= count for place, count in (current | after).items() if place in current)
    assert not revised.leaving


@given(COUNTS, st.integers(1, 20), st.booleans())
def test_a_job_with_fewer_pods_at_a_time_keeps_one_in_each_place(
    wished: Counts, most: int, duplicated: bool
) -> None:
    less = intent.shrunk(wished, most, duplicated=duplicated)
    assert less.keys() == wished.keys()
    assert all(1 <= less[place] <= count for place, count in wished.items())
    wanted = intent.pods_wanted(wished, most, duplicated=duplicated)
    assert sum(less.values()) <= wanted
    if not duplicated:
        assert sum(less.values()) == min(sum(wished.values()), wanted)
