"""What a workload's status says, from what was decided and seen."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import works

from suanli_controller.api import workload
from suanli_controller.core import conditions, demand, workload_status
from suanli_controller.core.workload_status import Place, Problem, Report, Seen

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
A, B = ("Cloud/a", "default"), ("Cloud/b", "default")


def status(item: workload.ComputeWorkload | None = None, **report: Any) -> workload.ComputeWorkloadStatus:
    fields = {"wished": {}, "seen": {}} | report
    return workload_status.status_of(item or works.work(replicas=3), Report(**fields), NOW)


def says(found: workload.ComputeWorkloadStatus, kind: str) -> tuple[str, str]:
    condition = conditions.get(found.conditions, kind)
    assert condition is not None
    return condition.status, condition.reason


def message(found: workload.ComputeWorkloadStatus, kind: str) -> str:
    condition = conditions.get(found.conditions, kind)
    assert condition is not None
    return condition.message


def decision(unplaced: int = 0, *reasons: demand.Reason, **more: Any) -> demand.Decision:
    return demand.Decision("uid-1", unplaced=unplaced, reasons=reasons, **more)


def test_all_ready_is_ready() -> None:
    found = status(wished={A: 2, B: 1}, seen={A: Seen(2, 2), B: Seen(1, 1)})
    assert (found.replicas, found.ready_replicas) == (3, 3)
    assert (says(found, "Ready"), says(found, "Placed")) == (("True", "AllReady"), ("True", "Placed"))
    assert message(found, "Placed") == "3 placed: 2 in Cloud/a, 1 in Cloud/b"


def test_ready_ones_in_one_place_do_not_make_up_for_another() -> None:
    found = status(wished={A: 2, B: 1}, seen={A: Seen(4, 4), B: Seen(1, 0)})
    assert says(found, "Ready") == ("False", "Progressing")


def test_old_pods_are_not_taken_for_new_ones() -> None:
    found = status(wished={A: 2}, seen={A: Seen(2, 2, current=False)})
    assert says(found, "Ready") == ("False", "Progressing")


def test_what_still_leaves_is_told_and_hinders_nothing() -> None:
    found = status(wished={B: 2}, seen={A: Seen(2, 2), B: Seen(2, 2)})
    assert says(found, "Ready") == ("True", "Moving")
    assert [(each.target, each.replicas) for each in found.placements] == [("Cloud/a", 0), ("Cloud/b", 2)]


def test_one_reason_becomes_the_reason_and_several_are_listed() -> None:
    one = demand.Reason("InsufficientCpu", 7)
    other = demand.Reason("InsufficientResource", 1, "huawei.com/Ascend910")
    found = status(wished={A: 1}, decision=decision(2, one))
    assert says(found, "Placed") == ("False", "InsufficientCpu")
    found = status(wished={A: 1}, decision=decision(2, one, other))
    assert says(found, "Placed") == ("False", "Unplaced")
    assert message(found, "Placed") == (
        "2 have no place: InsufficientCpu on 7 nodes, InsufficientResource (huawei.com/Ascend910) on 1 node"
    )
    assert found.unplaced is not None
    assert [(each.reason, each.nodes, each.message) for each in found.unplaced.reasons] == [
        ("InsufficientCpu", 7, ""),
        ("InsufficientResource", 1, "huawei.com/Ascend910"),
    ]


def test_without_any_node_it_says_so() -> None:
    assert message(status(decision=decision(1)), "Placed") == "1 has no place: there is no node"


def test_what_the_placement_did_not_check_is_named_where_it_placed() -> None:
    found = status(wished={A: 1}, decision=decision(notes=("volume topology",)))
    assert "not checked by the placement: volume topology" in message(found, "Placed")


def test_an_invalid_template_outweighs_what_is_unplaced() -> None:
    found = status(invalid="spec.template: wrong", decision=decision(2))
    assert says(found, "Placed") == says(found, "Ready") == ("False", "TemplateInvalid")


def test_a_problem_in_a_cloud_is_told_with_its_name() -> None:
    problem = Problem("NameTaken", "Deployment web is there already and is not ours")
    found = status(wished={A: 1}, problems={"Cloud/a": problem})
    assert says(found, "Ready") == ("False", "NameTaken")
    assert message(found, "Ready").startswith("Cloud/a: Deployment web")


def test_a_silent_cloud_keeps_what_was_seen_there_last() -> None:
    before = status(wished={A: 3}, seen={A: Seen(3, 3)})
    item = msgspec.structs.replace(works.work(replicas=3), status=before)
    found = status(item, wished={A: 3}, silent=frozenset({"Cloud/a"}))
    assert found.placements == before.placements
    assert says(found, "Ready") == ("Unknown", "TargetUnreachable")


def test_a_suspended_workload_says_that_nothing_runs() -> None:
    found = status(works.work(suspend=True), wished={A: 1})
    assert says(found, "Placed") == says(found, "Ready") == ("False", "Suspended")


def done(**more: Any) -> Seen:
    return Seen(succeeded=4, finished="Complete", **more)


def test_a_job_is_complete_when_all_its_shares_are() -> None:
    found = status(works.job(), wished={A: 2, B: 2}, seen={A: done(), B: Seen(succeeded=3)})
    assert conditions.get(found.conditions, "Complete") is None
    assert says(found, "Ready") == ("False", "JobRunning")
    found = status(works.job(), wished={A: 2, B: 2}, seen={A: done(), B: done()})
    assert says(found, "Complete") == says(found, "Ready") == ("True", "JobComplete")
    assert message(found, "Complete") == "8 pods succeeded"


def test_a_job_fails_with_its_first_share() -> None:
    found = status(works.job(), wished={A: 2, B: 2}, seen={A: done(), B: Seen(failed=7, finished="Failed")})
    assert says(found, "Failed") == ("True", "JobFailed")
    assert says(found, "Ready") == ("False", "JobFailed")


@pytest.mark.parametrize("finished", ["Complete", "Failed"])
def test_the_end_of_a_job_stays_on_record_when_its_object_is_gone(finished: str) -> None:
    seen = {A: Seen(succeeded=4, failed=1, finished=finished)}
    ended = status(works.job(), wished={A: 2}, seen=seen)
    item = msgspec.structs.replace(works.job(), status=ended)
    assert workload_status.is_finished(item)
    later = workload_status.status_of(item, Report({A: 2}, {}), NOW + dt.timedelta(days=1))
    assert later == ended


def test_a_share_that_is_gone_counts_what_it_had_done() -> None:
    """One share ended and was removed; the other runs on."""
    before = status(works.job(), wished={A: 2, B: 2}, seen={A: done(), B: Seen(succeeded=1)})
    item = msgspec.structs.replace(works.job(), status=before)
    found = status(item, wished={A: 2, B: 2}, seen={B: Seen(succeeded=2)})
    assert [each.succeeded for each in found.placements] == [4, 2]


def test_a_share_that_is_on_record_as_done_and_gone_does_not_keep_the_job_from_completing() -> None:
    before = status(works.job(), wished={A: 2, B: 2}, seen={A: done(), B: Seen(succeeded=1)})
    item = msgspec.structs.replace(works.job(), status=before)
    assert conditions.get(status(item, wished={A: 2, B: 2}, seen={B: done()}).conditions, "Complete") is None
    found = status(item, wished={A: 2, B: 2}, seen={B: done()}, done={A})
    assert says(found, "Complete") == ("True", "JobComplete")


def test_a_job_is_not_complete_while_a_part_of_it_has_no_place() -> None:
    found = status(works.job(), wished={A: 2}, seen={A: done()}, completions={A: 3})
    assert conditions.get(found.conditions, "Complete") is None
    found = status(works.job(), wished={A: 2}, seen={A: done()}, completions={A: 8})
    assert says(found, "Complete") == ("True", "JobComplete")


def test_a_changed_job_template_is_told_beside_all_else() -> None:
    found = status(works.job(), wished={A: 2}, seen={A: Seen(2)}, template_changed=True)
    assert says(found, "TemplateImmutable") == ("True", "JobExists")


def test_placements_are_bounded_and_the_largest_are_shown() -> None:
    wished = {(f"Cloud/c{number:03}", "default"): 1 + number % 2 for number in range(300)}
    found = status(wished=wished)
    assert len(found.placements) == workload_status.PLACEMENTS_LIMIT
    assert found.omitted_placements == 300 - workload_status.PLACEMENTS_LIMIT
    assert sum(each.replicas == 2 for each in found.placements) == 150
    assert found.replicas == sum(wished.values())


def test_what_a_silent_cloud_has_is_never_cut_off_for_what_is_at_sites() -> None:
    """After a restart the hub tells what is at sites, and only the status what was in a cloud that is silent."""
    wished = {(f"EdgeSite/s{number:03}", "default"): 2 for number in range(300)} | {("Cloud/c", "default"): 1}
    found = status(wished=wished)
    assert found.omitted_placements == 301 - workload_status.PLACEMENTS_LIMIT
    assert [each.replicas for each in found.placements if each.target == "Cloud/c"] == [1]


def test_a_condition_keeps_its_time_while_its_status_stands() -> None:
    first = status(wished={A: 1}, seen={A: Seen(1, 0)})
    item = msgspec.structs.replace(works.work(), status=first)
    later = workload_status.status_of(item, Report({A: 1}, {A: Seen(1, 0)}), NOW + dt.timedelta(hours=1))
    assert later == first


def test_counts_on_their_way_are_no_news_and_what_is_final_is() -> None:
    progress = [status(wished={A: 3}, seen={A: Seen(3, ready)}) for ready in range(4)]
    assert not is_news(progress[1], progress[2])
    assert is_news(progress[2], progress[3])
    assert is_news(progress[1], status(wished={A: 3}, seen={A: Seen(3, 1)}, invalid="wrong"))
    assert is_news(progress[1], status(wished={A: 3, B: 1}, seen={A: Seen(3, 1)}))


def is_news(before: workload.ComputeWorkloadStatus, after: workload.ComputeWorkloadStatus, **seen: Any) -> bool:
    return workload_status.is_news(before, after, Report({}, **{"seen": {}} | seen))


def test_a_share_that_has_ended_is_news_until_it_is_on_record() -> None:
    wished = {A: 2, B: 2}
    running = {A: Seen(succeeded=3), B: Seen(succeeded=1)}
    ended = {A: done(), B: Seen(succeeded=1)}
    before, after = (status(works.job(), wished=wished, seen=seen) for seen in (running, ended))
    assert is_news(before, after, seen=ended)
    more = {A: done(), B: Seen(succeeded=2)}
    assert not is_news(after, status(works.job(), wished=wished, seen=more), seen=more)


PLACES = st.sampled_from([(f"Cloud/{cloud}", build) for cloud in "abc" for build in ("x", "y")])
SEEN = st.builds(Seen, st.integers(0, 3), st.integers(0, 3), st.booleans())


@given(st.dictionaries(PLACES, st.integers(1, 3)), st.dictionaries(PLACES, SEEN), st.randoms())
def test_the_order_of_what_is_seen_changes_nothing(
    wished: dict[Place, int], seen: dict[Place, Seen], chance: Any
) -> None:
    def shuffled(given: dict[Place, Any]) -> dict[Place, Any]:
        items = list(given.items())
        chance.shuffle(items)
        return dict(items)

    assert status(wished=wished, seen=seen) == status(wished=shuffled(wished), seen=shuffled(seen))


@given(st.dictionaries(PLACES, st.integers(1, 3)), st.dictionaries(PLACES, SEEN), st.booleans())
def test_a_second_look_at_the_same_writes_nothing(
    wished: dict[Place, int],
    seen: dict[Place, Seen],
    is_job: bool,
) -> None:
    item = works.job() if is_job else works.work()
    once = status(item, wished=wished, seen=seen)
    again = msgspec.structs.replace(item, status=once)
    later = workload_status.status_of(again, Report(wished, seen), NOW + dt.timedelta(hours=1))
    assert later == once


@given(st.dictionaries(PLACES, st.integers(1, 3)), st.dictionaries(PLACES, SEEN))
def test_what_is_written_can_be_read_back(wished: dict[Place, int], seen: dict[Place, Seen]) -> None:
    found = status(wished=wished, seen=seen)
    assert msgspec.json.decode(msgspec.json.encode(found), type=workload.ComputeWorkloadStatus) == found
