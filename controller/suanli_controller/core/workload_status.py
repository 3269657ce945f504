"""What a ComputeWorkload's status says: placements, counts and conditions, from what was decided and seen.

Nothing here decides where anything goes.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from suanli_controller.api import meta, names, workload
from suanli_controller.core import conditions, demand

PLACEMENTS_LIMIT = 256
"""Entries in status.placements; the rest is counted in omittedPlacements."""

Place = tuple[str, str]  # (target, variant)


class Seen(msgspec.Struct, frozen=True, gc=False):  # made at each look at each object
    """One of our objects as its cluster last showed it."""

    replicas: int = 0  # pods that it asks for
    ready: int = 0
    current: bool = True  # its controller has acted on the newest spec, and every pod is of the newest template
    succeeded: int = 0
    failed: int = 0
    finished: str = ""  # Complete or Failed, of a Job


def is_told(before: Seen, after: Seen) -> bool:
    """Whether a status may say something else of an object that was seen anew: what is current tells nothing while
    none of it is ready.
    """
    return _told(before) != _told(after)


def _told(seen: Seen) -> tuple[object, ...]:
    counts = (seen.replicas, seen.ready, seen.succeeded, seen.failed)
    return *counts, seen.finished, seen.current and (seen.ready > 0 or not seen.replicas)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a target does not have what it should: a CamelCase reason and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that a status is made of."""

    wished: Mapping[Place, int]
    seen: Mapping[Place, Seen]
    decision: demand.Decision | None = None
    invalid: str = ""  # why the template cannot be used
    problems: Mapping[str, Problem] = field(default_factory=dict)  # by target
    silent: frozenset[str] = frozenset()  # targets that do not answer: what they run is as last seen
    template_changed: bool = False  # of a Job that runs already
    done: Collection[Place] = ()  # shares of a Job that are on record as done, though they may be gone
    completions: Mapping[Place, int] = field(default_factory=dict)  # of a Job, what is to run in each place
    removed: Collection[str] = ()  # targets that are known no more, and may run their part of a Job still
    stuck: Mapping[Place, int] = field(default_factory=dict)  # pods of a Job that its target cannot bind


def status_of(item: workload.ComputeWorkload, report: Report, now: dt.datetime) -> workload.ComputeWorkloadStatus:
    """The whole status; equal input gives an equal status, whatever the order of maps."""
    placements = _placements(item, report)
    shown = sorted(placements, key=_importance)[:PLACEMENTS_LIMIT]
    return workload.ComputeWorkloadStatus(
        observed_generation=item.metadata.generation,
        replicas=sum(each.replicas for each in placements),
        ready_replicas=sum(each.ready_replicas for each in placements),
        selector=f"{names.WORKLOAD_UID_LABEL}={item.metadata.uid}",
        placements=sorted(shown, key=lambda each: (each.target, each.variant)),
        omitted_placements=len(placements) - len(shown),
        unplaced=_unplaced(report.decision),
        conditions=conditions.merged(
            item.status.conditions, _conditions(item, placements, report), item.metadata.generation, now
        ),
    )


def _importance(placement: workload.TargetPlacement) -> tuple[bool, int, str, str]:
    """Clouds first: what a silent one has is known from here alone, while the hub itself has what is at sites."""
    at_site = placement.target.startswith(f"{names.SITE_KIND}/")
    return at_site, -placement.replicas, placement.target, placement.variant


def _placements(item: workload.ComputeWorkload, report: Report) -> list[workload.TargetPlacement]:
    """What is wished, what is still there, and, of a Job, what finished and may have been removed since."""
    before = {(each.target, each.variant): each for each in item.status.placements}
    found = []
    for place in sorted({*report.wished, *report.seen}):
        seen = report.seen.get(place)
        last = before.get(place)
        if seen is None and last is not None and (place[0] in report.silent or item.spec.type == "Job"):
            seen = Seen(ready=last.ready_replicas, succeeded=last.succeeded, failed=last.failed)
        seen = seen or Seen()
        found.append(
            workload.TargetPlacement(
                target=place[0],
                variant=place[1],
                replicas=report.wished.get(place, 0),
                ready_replicas=seen.ready,
                completions=report.completions.get(place, 0),
                succeeded=seen.succeeded,
                failed=seen.failed,
            )
        )
    return found


def _unplaced(decision: demand.Decision | None) -> workload.Unplaced | None:
    if decision is None or not decision.unplaced:
        return None
    return workload.Unplaced(
        decision.unplaced,
        [workload.UnplacedReason(each.reason, each.nodes, each.detail) for each in decision.reasons],
    )


def _conditions(
    item: workload.ComputeWorkload, placements: Sequence[workload.TargetPlacement], report: Report
) -> list[meta.Condition]:
    found = [_placed(item, report)]
    if item.spec.type == "Job":
        finished = _finished(item, placements, report)
        found += [finished] if finished else []
        found.append(_job_ready(item, finished, report))
        if report.template_changed:
            found.append(
                conditions.make(
                    names.TEMPLATE_IMMUTABLE,
                    "True",
                    "JobExists",
                    "the Job was made from an earlier spec.template or spec.variants and keeps it; "
                    "delete the workload and make a new one to run the new template",
                )
            )
    else:
        found.append(_ready(item, placements, report))
    return found


def _placed(item: workload.ComputeWorkload, report: Report) -> meta.Condition:
    decision = report.decision
    invalid = report.invalid or (decision.invalid if decision is not None else "")
    if invalid:
        return conditions.make(names.PLACED, "False", names.TEMPLATE_INVALID, invalid)
    if item.spec.suspend:
        return conditions.make(names.PLACED, "False", "Suspended", "spec.suspend is true: nothing runs")
    if decision is not None and decision.unplaced:
        reason = decision.reasons[0].reason if len(decision.reasons) == 1 else "Unplaced"
        return conditions.make(names.PLACED, "False", reason, unplaced_sentence(decision))
    total = sum(report.wished.values())
    places = ", ".join(
        f"{count} in {target}{f' as {variant}' if item.spec.variants else ''}"
        for (target, variant), count in sorted(report.wished.items())[:8]
    )
    notes = f"; not checked by the placement: {', '.join(decision.notes)}" if decision and decision.notes else ""
    return conditions.make(
        names.PLACED, "True", "Placed", f"{total} placed: {places or 'nothing asked for'}{notes}"
    )


def unplaced_sentence(decision: demand.Decision) -> str:
    """Why replicas wait, in one sentence: `2 have no place: ArchitectureMismatch on 30 nodes, ...`."""
    why = ", ".join(
        f"{each.reason}{f' ({each.detail})' if each.detail else ''} on {each.nodes} node{'s' * (each.nodes != 1)}"
        for each in decision.reasons
    )
    verb = "has" if decision.unplaced == 1 else "have"
    return f"{decision.unplaced} {verb} no place: {why or 'there is no node'}"


def _ready(
    item: workload.ComputeWorkload, placements: Sequence[workload.TargetPlacement], report: Report
) -> meta.Condition:
    hindrance = _hindrance(item, report)
    if hindrance:
        return hindrance
    wanted = sum(each.replicas for each in placements)
    ready = sum(min(each.ready_replicas, each.replicas) for each in placements)
    stale = [place for place, seen in report.seen.items() if not seen.current and report.wished.get(place)]
    leaving = [place[0] for place, seen in report.seen.items() if seen.replicas and not report.wished.get(place)]
    if ready < wanted or stale:
        return conditions.make(names.READY, "False", "Progressing", f"{ready} of {wanted} replicas are ready")
    if leaving:
        return conditions.make(
            names.READY, "True", "Moving", f"all ready; leaving {', '.join(sorted(leaving)[:8])}"
        )
    return conditions.make(names.READY, "True", "AllReady", f"all {wanted} replicas are ready")


def _hindrance(item: workload.ComputeWorkload, report: Report) -> meta.Condition | None:
    """What outweighs counting replicas, the gravest first."""
    if report.problems:
        target, problem = min(report.problems.items())
        return conditions.make(names.READY, "False", problem.reason, f"{target}: {problem.message}")
    placed = _placed(item, report)
    if placed.status != "True":
        return conditions.make(names.READY, "False", placed.reason, placed.message)
    silent = sorted({target for target, _ in report.wished if target in report.silent})
    if silent:
        return conditions.make(
            names.READY,
            "Unknown",
            "TargetUnreachable",
            f"{', '.join(silent[:8])} does not answer or is refused (its Ready says why); nothing is removed",
        )
    return None


def _finished(
    item: workload.ComputeWorkload, placements: Sequence[workload.TargetPlacement], report: Report
) -> meta.Condition | None:
    """Complete or Failed, once and for all: what was recorded stays, though the Job is gone by its TTL."""
    if (end := _end(item)) is not None:
        return end
    ends = [_share_end(report, place) for place in report.wished]
    if names.FAILED in ends:
        return conditions.make(names.FAILED, "True", "JobFailed", "a Job failed; see status.placements")
    if ends and all(end == names.COMPLETE for end in ends) and not _unplaced_completions(item, report):
        done = sum(each.succeeded for each in placements)
        return conditions.make(names.COMPLETE, "True", "JobComplete", f"{done} pods succeeded")
    return None


def _unplaced_completions(item: workload.ComputeWorkload, report: Report) -> bool:
    """Whether a part of a divided Job waits for a place: the target that had it is gone."""
    placed = sum(report.completions.values())
    return item.spec.job is not None and 0 < placed < item.spec.job.completions


def _share_end(report: Report, place: Place) -> str:
    if place in report.seen:
        return report.seen[place].finished
    return names.COMPLETE if place in report.done else ""


def _job_ready(item: workload.ComputeWorkload, finished: meta.Condition | None, report: Report) -> meta.Condition:
    if finished is not None and finished.type == names.COMPLETE:
        return conditions.make(names.READY, "True", "JobComplete", finished.message)
    if finished is not None:
        return conditions.make(names.READY, "False", "JobFailed", finished.message)
    if report.removed:
        gone = ", ".join(sorted(report.removed)[:8])
        message = (
            f"{gone}: removed without its objects, and may run the Job to its end unseen; delete the workload and "
            "make a new one to run it elsewhere"
        )
        return conditions.make(names.READY, "Unknown", names.TARGET_REMOVED, message)
    if (hindrance := _hindrance(item, report)) is not None:
        return hindrance
    if report.stuck:
        (target, _), count = min(report.stuck.items())
        message = f"{target} cannot bind {count} pods of the Job, which has begun there"
        return conditions.make(names.READY, "False", names.TARGET_FULL, message)
    return conditions.make(names.READY, "False", "JobRunning", "the Job has not finished")


def is_finished(item: workload.ComputeWorkload) -> bool:
    """Whether a Job's end is on record: it is never made again."""
    return _end(item) is not None


def finished_at(item: workload.ComputeWorkload) -> dt.datetime | None:
    """When a Job's end was recorded."""
    end = _end(item)
    return end.last_transition_time if end else None


def _end(item: workload.ComputeWorkload) -> meta.Condition | None:
    ends = (conditions.get(item.status.conditions, kind) for kind in (names.COMPLETE, names.FAILED))
    return next((each for each in ends if each is not None and each.status == "True"), None)


def is_news(before: workload.ComputeWorkloadStatus, after: workload.ComputeWorkloadStatus, report: Report) -> bool:
    """Whether more than counts on their way has changed: a share of a Job that has ended is news, too."""
    if after.ready_replicas == after.replicas or _given(before) != _given(after):
        return True
    ended = {place for place, one in report.seen.items() if one.finished}
    if ended and _succeeded(before, ended) != _succeeded(after, ended):
        return True
    return before.unplaced != after.unplaced or _verdicts(before) != _verdicts(after)


def _given(status: workload.ComputeWorkloadStatus) -> list[tuple[str, str, int]]:
    return [(each.target, each.variant, each.replicas) for each in status.placements]


def _succeeded(status: workload.ComputeWorkloadStatus, places: Collection[Place]) -> list[tuple[str, str, int]]:
    return [
        (each.target, each.variant, each.succeeded)
        for each in status.placements
        if (each.target, each.variant) in places
    ]


def _verdicts(status: workload.ComputeWorkloadStatus) -> list[tuple[str, str, str]]:
    return [(each.type, each.status, each.reason) for each in status.conditions]
