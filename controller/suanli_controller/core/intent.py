"""What a workload has been given, from one decision to the next: kept, grown, moved, loaded after a restart.

A move makes the replacement ready before the old replicas go; a scale-down takes them at once.
"""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from suanli_controller.api import workload
from suanli_controller.core import demand, objects
from suanli_controller.core.workload_status import Place, Seen


@dataclass(frozen=True)
class Intent:
    """Replicas by (target, variant)."""

    wished: Mapping[Place, int] = field(default_factory=dict)
    leaving: Mapping[Place, int] = field(default_factory=dict)  # to be taken away when all that is wished is ready

    @functools.cached_property
    def standing(self) -> Mapping[Place, int]:
        """What should be there now, replicas that wait for their replacement included."""
        return {
            place: max(self.wished.get(place, 0), self.leaving.get(place, 0))
            for place in sorted({*self.wished, *self.leaving})
        }


def load(status: workload.ComputeWorkloadStatus, seen: Mapping[Place, Seen]) -> Intent:
    """Resume from what was written before anything was applied; what runs beside it was about to leave."""
    wished = {(each.target, each.variant): each.replicas for each in status.placements if each.replicas}
    if status.omitted_placements:  # the status is cut short: the clusters tell the rest
        wished |= {place: each.replicas for place, each in seen.items() if place not in wished and each.replicas}
    leaving = {place: each.replicas for place, each in seen.items() if each.replicas > wished.get(place, 0)}
    return Intent(wished, leaving)


def revise(before: Intent, decision: demand.Decision) -> Intent:
    """Take in a decision; `before` and the decision speak of the same workload."""
    wished = {place: count for place, count in decision.counts().items() if count}
    scaled_down = sum(wished.values()) + decision.unplaced < sum(before.wished.values())
    stays = before.leaving if scaled_down else before.standing
    return Intent(wished, {place: count for place, count in stays.items() if count > wished.get(place, 0)})


def settle(
    now: Intent, decision: demand.Decision | None, seen: Mapping[Place, Seen], silent: Collection[str]
) -> Intent:
    """Let go of what was leaving once every replica that is wished is ready; what is out of reach waits.

    A place that fell silent counts as it was last seen, or told of: one that was not ready by then replaces nothing.
    One of which nothing at all is known is not waited for.
    """
    if not now.leaving or (decision is not None and decision.unplaced):
        return now
    ready = all(
        seen[place].ready >= count if place in seen else place[0] in silent for place, count in now.wished.items()
    )
    if not ready:
        return now
    return Intent(now.wished, {place: count for place, count in now.leaving.items() if place[0] in silent})


def without_stuck(now: Intent, stuck: Mapping[Place, int]) -> Intent:
    """Take back replicas whose pods the target's scheduler could not bind: they run nowhere, nothing is lost."""
    reduced = {place: count - stuck.get(place, 0) for place, count in now.wished.items()}
    return Intent({place: count for place, count in reduced.items() if count > 0}, now.leaving)


# --- Jobs: where one has begun, there it stays


def load_job(status: workload.ComputeWorkloadStatus, seen: Mapping[Place, Seen]) -> Intent:
    """As `load`; but a Job never waits to leave, where it would run twice. One that runs though no status says so, as
    after a hub came back from a backup, has begun there.
    """
    wished = load(status, seen).wished
    return Intent(wished or {place: each.replicas for place, each in seen.items() if each.replicas})


def revise_job(before: Intent, current: Mapping[Place, int], decision: demand.Decision) -> Intent:
    """Take in a decision on a Job, which was asked for with `current`: it takes no place away."""
    stays, counts = {**before.wished, **current}, decision.counts()
    wished = {place: max(stays.get(place, 0), counts.get(place, 0)) for place in sorted({*stays, *counts})}
    return Intent({place: count for place, count in wished.items() if count})


def without(now: Intent, places: Collection[Place]) -> Intent:
    """Take back whole places, of which nothing has run or nothing is left."""
    return Intent({place: count for place, count in now.wished.items() if place not in places}, now.leaving)


def shrunk(wished: Mapping[Place, int], most: int, *, duplicated: bool = False) -> dict[Place, int]:
    """At most so many pods at a time, taken away in proportion; one stays in each place, to finish what is there.
    `duplicated`: so many in each target.
    """
    return {place: count for lot in _lots(wished, duplicated) for place, count in _shrunk(lot, most).items()}


def _shrunk(lot: Mapping[Place, int], most: int) -> Mapping[Place, int]:
    if sum(lot.values()) <= most:
        return lot
    rest = objects.completions_of(max(0, most - len(lot)), [count - 1 for count in lot.values()])
    return {place: 1 + more for place, more in zip(lot, rest, strict=True)}


def pods_wanted(wished: Mapping[Place, int], most: int, *, duplicated: bool = False) -> int:
    """How many pods at a time a Job with these places should have in all, where there is room."""
    return sum(max(most, len(lot)) for lot in _lots(wished, duplicated))


def _lots(wished: Mapping[Place, int], duplicated: bool) -> list[dict[Place, int]]:
    """Places that share a number of pods."""
    lots: dict[str, dict[Place, int]] = {}
    for place, count in sorted(wished.items()):
        lots.setdefault(place[0] if duplicated else "", {})[place] = count
    return list(lots.values())
