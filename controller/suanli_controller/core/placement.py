"""Which targets, which variants, how many: the decisions.

`place` decides and deducts; `explain` decides as if nothing else was asked, and deducts nothing. Both are the very
same code. There is no preemption: what is placed is never driven out by a higher priority that comes later.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from suanli_controller.core import (
    demand,
    demand_check,
    explaining,
    fleet,
    ledger,
    placement_fill,
    placement_keep,
    views,
)


def place(where: fleet.Fleet, demands: Sequence[demand.Demand]) -> list[demand.Decision]:
    """Decide for each demand, the highest priority first and otherwise in the order given.

    What is handed out is assumed on definite nodes of `where` at once, and what a decision takes back is released
    if it was only assumed. Replicas of `current` that are neither bound nor assumed are assumed again (a restart).
    Decisions are returned in the order of `demands`. Never raises for a bad demand: see `Decision.invalid`.
    """
    where.settle()
    if len(demands) == 1:
        return [_decide(where, demands[0])]
    order = sorted(range(len(demands)), key=lambda index: -demands[index].priority)
    kept = {index: _count_in(where, demands[index]) for index in order}
    decisions = {index: _decide(where, demands[index], kept[index]) for index in order}
    return [decisions[index] for index in range(len(demands))]


def _count_in(where: fleet.Fleet, one: demand.Demand) -> placement_fill.Given | None:
    """What a demand has already is not room for the others, whatever their priority. What of it stays, if known."""
    if not one.current or demand_check.of_demand(one):
        return None
    known = _known(where, one.ask)
    return None if isinstance(known, str) else placement_keep.restore(where, one, known)


def _known(where: fleet.Fleet, ask: demand.Ask) -> views.AskViews | str:
    """What is known of an Ask, or what is wrong with it: checked once, when it is first seen."""
    registry = views.of_fleet(where)
    found = registry.find(ask)
    return found if found is not None else demand_check.of_ask(ask) or registry.of(ask)


def explain(where: fleet.Fleet, one: demand.Demand) -> demand.Decision:
    """What `place` would answer, with the reason of every node that takes no more; changes nothing."""
    where.settle()
    before = where.assumed.copy_of(one.key)
    try:
        return _decide(where, one, always_explain=True)
    finally:
        where.withdraw(one.key)
        for place_, (requests, rows) in before.items():
            where.assume(one.key, place_, requests, rows)


def _decide(
    where: fleet.Fleet,
    one: demand.Demand,
    kept: placement_fill.Given | None = None,
    *,
    always_explain: bool = False,
) -> demand.Decision:
    known = _known(where, one.ask)
    if isinstance(known, str):
        return _unchanged(one, known)
    if known.plain and one.replicas == 1 and not _has_history(where, one):
        decision = _single(where, one, known)
        return _explained(decision, placement_fill.Filling(where, one, known, {})) if always_explain else decision
    wrong = demand_check.of_demand(one)
    if wrong:
        return _unchanged(one, wrong)
    if one.ask.kind is demand.Kind.DAEMON_SET:
        return _daemon_set(where, one, known, always_explain=always_explain)
    stay = placement_keep.staying(where, one, known, kept) if _has_history(where, one) else {}
    filling = placement_fill.Filling(where, one, known, stay)
    unplaced, partial = _fill(filling)
    explained = explaining.reasons(filling, exhausted=partial) if unplaced or always_explain else ()
    ruled_out = explaining.ruled_out(filling, exhausted=partial) if always_explain else ()
    return _decision(filling, unplaced, explained, ruled_out)


def _explained(decision: demand.Decision, filling: placement_fill.Filling) -> demand.Decision:
    """The same decision, with what rules out the nodes that take no more."""
    return msgspec.structs.replace(
        decision,
        reasons=explaining.reasons(filling, exhausted=False),
        ruled_out=explaining.ruled_out(filling, exhausted=False),
    )


def _unchanged(one: demand.Demand, wrong: str) -> demand.Decision:
    placements = tuple(
        demand.Placement(target, name, count) for (target, name), count in sorted(one.current.items())
    )
    unplaced = max(0, one.replicas - sum(one.current.values()))
    return demand.Decision(one.key, placements, unplaced, notes=one.ask.notes, invalid=wrong)


def _has_history(where: fleet.Fleet, one: demand.Demand) -> bool:
    return bool(one.current or one.full or one.excluded or one.held or one.closed or where.assumed.places(one.key))


def _single(where: fleet.Fleet, one: demand.Demand, known: views.AskViews) -> demand.Decision:
    """One replica of a new workload without bounds: there is nothing to divide, so the best node of all takes it."""
    best, chosen, position = 0, known.variants[0], 0
    for view in known.variants:
        key, at = view.best()
        if key > best:
            best, chosen, position = key, view, at
    if not best:
        filling = placement_fill.Filling(where, one, known, {})
        return _decision(filling, 1, explaining.reasons(filling, exhausted=False))
    row = chosen.row(position)
    target = where.target_of.item(row)
    where.assume_one(one.key, chosen.place_at(target), chosen.requests, row, chosen.device(row))
    placement = demand.Placement(where.targets[target].ref, chosen.name, 1, ((where.names[row], 1),))
    return demand.Decision(one.key, (placement,), 0, (), one.ask.notes)


def _fill(filling: placement_fill.Filling) -> tuple[int, bool]:
    """Place what is still wanted; what could not be, and whether it could not although nodes have room."""
    one, given = filling.demand, filling.given
    if one.ask.divide is demand.Divide.DUPLICATED:
        return _everywhere(filling), False
    wanted = one.replicas - sum(given.values())
    if wanted <= 0:
        return 0, False
    if one.ask.kind is demand.Kind.JOB and one.ask.divide is None:
        target = _whole(filling, wanted)
        return (wanted, True) if target is None else (wanted - filling.run(wanted, only=target), False)
    return wanted - filling.run(wanted), False


def _everywhere(filling: placement_fill.Filling) -> int:
    """`replicas` in each target that may run them; how many are missing."""
    one = filling.demand
    targets = sorted(filling.known.statics.reached, key=filling.name)
    missing = 0
    for target in targets:
        wanted = one.replicas - sum(count for (held, _), count in filling.given.items() if held == target)
        if wanted > 0 and not filling.closed[target]:
            missing += wanted - filling.run(wanted, only=target)
    return missing if targets else one.replicas


def _whole(filling: placement_fill.Filling, wanted: int) -> int | None:
    """The one target for a Job: where it is already; else where all of it fits, the most preferred and then the
    tightest (for Spread the roomiest); equal ones by name.
    """
    if filling.given:
        return next(iter(filling.given))[0]
    among, loose = filling.known.candidates, filling.demand.ask.strategy is demand.Strategy.SPREAD
    by_tier: dict[int, list[int]] = {}
    for cell, room in enumerate(filling.room_of_cells()):
        steps = by_tier.setdefault(among.targets[cell], [0] * filling.known.statics.tier_count)
        steps[among.tiers[cell]] += room
    ranks = {
        target: (_steps(steps, wanted), -sum(steps) if loose else sum(steps), filling.name(target))
        for target, steps in by_tier.items()
        if sum(steps) >= wanted
    }
    return min(ranks, key=lambda target: ranks[target], default=None)


def _steps(room: list[int], wanted: int) -> tuple[int, ...]:
    """By step of preference, the replicas that do not fit it or a better one: the smaller, the more preferred."""
    left, missing = wanted, []
    for most in room:
        left = max(0, left - most)
        missing.append(left)
    return tuple(missing[: missing.index(0) + 1])


def _daemon_set(
    where: fleet.Fleet, one: demand.Demand, known: views.AskViews, *, always_explain: bool
) -> demand.Decision:
    """One on each node that fits. Unplaced are the nodes that may run it but have no room."""
    where.withdraw(one.key)
    filling = placement_fill.Filling(where, one, known, {})
    running, among = placement_fill.held_on_rows(where, one.key), known.candidates
    for index, room in enumerate(filling.survey()[0]):
        rows = among.rows[room[:-1] > 0]
        rows = rows[~np.isin(rows, list(running))]
        for target in np.unique(where.target_of[rows]).tolist():
            here = dict.fromkeys(rows[where.target_of[rows] == target].tolist(), 1)
            where.assume(
                one.key, ledger.Place(target, known.variants[index].name), known.variants[index].requests, here
            )
            filling.note(target, index, here)
    _count_running(filling)
    explained = explaining.reasons(filling, exhausted=False)
    short = sum(each.nodes for each in explained if each.reason in explaining.SHORTAGES)
    ruled_out = explaining.ruled_out(filling, exhausted=False) if always_explain else ()
    told = explained if short or always_explain or not filling.given else ()
    return _decision(filling, short, told, ruled_out)


def _count_running(filling: placement_fill.Filling) -> None:
    """Those that run, and in targets out of reach those that were there when last seen."""
    where, one = filling.where, filling.demand
    numbers = {variant.name: index for index, variant in enumerate(one.ask.variants)}
    for place_, lot in where.bound.places(one.key).items():
        target = where.targets[place_.target]
        if place_.variant in numbers and target.ref not in one.excluded and target.ref not in one.held:
            key = (place_.target, numbers[place_.variant])
            filling.given[key] = filling.given.get(key, 0) + sum(lot.rows.values())
    for (ref, name), count in one.current.items():
        if ref in one.held and name in numbers and ref in where.target_index:
            filling.given[where.target_index[ref], numbers[name]] = count


def _decision(
    filling: placement_fill.Filling,
    unplaced: int,
    explained: tuple[demand.Reason, ...],
    ruled_out: tuple[demand.RuledOut, ...] = (),
) -> demand.Decision:
    where, one, names = filling.where, filling.demand, filling.where.names
    placements = []
    for place, count in filling.given.items():
        if count:
            new = filling.added.get(place)
            nodes = tuple(sorted([(names[row], replicas) for row, replicas in new.items()])) if new else ()
            target, variant = where.targets[place[0]].ref, one.ask.variants[place[1]].name
            placements.append(demand.Placement(target, variant, count, nodes))
    placements.sort()
    return demand.Decision(one.key, tuple(placements), unplaced, explained, one.ask.notes, ruled_out=ruled_out)
