"""What stays where it is: replicas that a workload has been given already.

They move only where a hard rule drives them out, where there are too many, or where enough of them would come to stand
in a better group, family or preference to be worth the restart.
"""

from typing import Final

import numpy as np

from suanli_controller.core import demand, fleet, ledger, placement_fill, scoring_divide, statics, views

WORTH_MOVING_PERMILLE: Final = 200
"""Least part of a workload's replicas that must gain a better step of preference before any is moved for it. A fifth:
one freed node in a group must not restart a pod of every workload that overflowed from it."""


def restore(where: fleet.Fleet, one: demand.Demand, known: views.AskViews) -> placement_fill.Given:
    """Assume what a workload has and no one has seen; returns what no rule drives out."""
    kept = _kept(where, one, known)
    _settle(where, one, known, kept)
    return kept


def staying(
    where: fleet.Fleet, one: demand.Demand, known: views.AskViews, kept: placement_fill.Given | None = None
) -> placement_fill.Given:
    """What a workload keeps, by (target, variant), by index; what is assumed is made to agree with it. `kept`: as
    `restore` has told.
    """
    stay = _kept(where, one, known) if kept is None else kept
    if one.ask.divide is demand.Divide.DUPLICATED:
        for target in {place[0] for place in stay}:
            here = {place: count for place, count in stay.items() if place[0] == target}
            _shrink(where, one, known, here)
            stay |= here
    else:
        _shrink(where, one, known, stay)
        _give_up(where, one, known, stay)
    _settle(where, one, known, stay)
    return stay


def _kept(where: fleet.Fleet, one: demand.Demand, known: views.AskViews) -> placement_fill.Given:
    """The replicas of `current` that no rule drives out."""
    known_targets, reached_by = known.statics.known_targets, known.statics.reached_by
    stay: placement_fill.Given = {}
    for (ref, name), count in sorted(one.current.items()):
        target, variant = where.target_index.get(ref), known.numbers.get(name)
        if target is None or variant is None or ref in one.excluded or not count:
            continue
        # a target whose nodes are not known yet keeps all
        if ref in one.held or target in reached_by[variant] or target not in known_targets:
            stay[target, variant] = count
    _cut_to_limits(where, one, stay)
    return stay


def _cut_to_limits(where: fleet.Fleet, one: demand.Demand, stay: placement_fill.Given) -> None:
    """Keep no more in a target's domain than maxPerDomain, of a variant than its quota."""
    for wish in one.ask.spread:
        if (
            wish.max_per_domain
            and wish.by != "node"
            and wish.when_unsatisfiable is demand.Unsatisfiable.DO_NOT_PLACE
        ):
            room: dict[str, int] = {}
            for place in stay:
                domain = where.targets[place[0]].value(wish.by)
                if domain:
                    stay[place] = min(stay[place], room.setdefault(domain, wish.max_per_domain))
                    room[domain] -= stay[place]
    for index, variant in enumerate(one.ask.variants):
        quota = variant.quota
        for place in stay:
            if quota is not None and place[1] == index:
                stay[place] = min(stay[place], quota)
                quota -= stay[place]


def _shrink(where: fleet.Fleet, one: demand.Demand, known: views.AskViews, stay: placement_fill.Given) -> None:
    """Take away what is more than `replicas`: from the least preferred places first, within them in proportion."""
    surplus = sum(stay.values()) - one.replicas
    if surplus <= 0:
        return
    tiers = _tiers(where, known, one, stay)
    if one.ask.divide is demand.Divide.WEIGHTED:
        tiers = dict.fromkeys(stay, 0)
    for tier in sorted(set(tiers.values()), reverse=True):
        places = [place for place in stay if tiers[place] == tier]
        lost = scoring_divide.surplus(surplus, _claims(where, one, places), [stay[place] for place in places])
        for place, count in zip(places, lost, strict=True):
            stay[place] -= count
            surplus -= count


def _claims(where: fleet.Fleet, one: demand.Demand, places: list[tuple[int, int]]) -> list[int]:
    """Weights by which places give replicas back: equal ones level the counts."""
    if one.ask.divide is demand.Divide.WEIGHTED:
        weights = dict(one.ask.weights)
        return [weights.get(where.targets[target].ref, 0) for target, _ in places]
    return [
        max(1, one.current.get((where.targets[target].ref, one.ask.variants[variant].name), 1))
        for target, variant in places
    ]


def _tiers(
    where: fleet.Fleet, known: views.AskViews, one: demand.Demand, stay: placement_fill.Given
) -> dict[tuple[int, int], int]:
    """The worst step of preference on which replicas of each place stand; of unseen ones the best there is."""
    tiers: dict[tuple[int, int], int] = {}
    for target, variant in stay:
        place = ledger.Place(target, one.ask.variants[variant].name)
        lots = [book.places(one.key).get(place) for book in (where.bound, where.assumed)]
        seen = [int(known.statics.tiers[row]) for lot in lots if lot for row in lot.rows]
        tiers[target, variant] = max(seen) if seen else _best_tier(where, known, (target, variant))
    return tiers


def _best_tier(where: fleet.Fleet, known: views.AskViews, place: tuple[int, int]) -> int:
    fit = known.statics.codes[place[1]] == statics.OK
    here = known.statics.tiers[fit & (where.target_of[: where.rows] == place[0])]
    return min(here.tolist(), default=known.statics.tier_count)


def _settle(where: fleet.Fleet, one: demand.Demand, known: views.AskViews, stay: placement_fill.Given) -> None:
    """Make what is assumed agree with what stays: less is withdrawn, and what no one has seen is assumed again."""
    assumed, bound = where.assumed.places(one.key), where.bound.places(one.key)
    short: list[tuple[ledger.Place, int, int]] = []
    met = 0
    for (target, variant), count in stay.items():
        place = known.variants[variant].place_at(target)
        lot = assumed.get(place)
        met += lot is not None
        missing = count - ledger.replicas(lot) - ledger.replicas(bound.get(place))
        if missing:
            short.append((place, variant, missing))
    if met < len(assumed):
        wanted = {known.variants[variant].place_at(target) for target, variant in stay}
        for place in [each for each in assumed if each not in wanted]:
            where.withdraw(one.key, where.targets[place.target].ref, place.variant)
    for place, _, missing in short:
        if missing < 0:
            where.withdraw(one.key, where.targets[place.target].ref, place.variant, -missing)
    for place, variant, missing in short:
        if missing > 0:
            _assume(where, one, known, place, variant, missing)


def _assume(
    where: fleet.Fleet, one: demand.Demand, known: views.AskViews, place: ledger.Place, variant: int, count: int
) -> None:
    view, among = known.variants[variant], known.candidates
    room, keys = view.survey()
    at = np.flatnonzero((where.target_of[among.rows] == place.target) & (room[:-1] > 0))
    count = min(count, int(room[at].sum()))
    if count:
        where.assume(
            one.key, place, view.requests, placement_fill.fullest(among.rows[at], room[at], keys[at], count)
        )


def _give_up(where: fleet.Fleet, one: demand.Demand, known: views.AskViews, stay: placement_fill.Given) -> None:
    """Give up places on a worse step of preference where enough replicas would fit on a better one."""
    settled = sum(stay.values()) == one.replicas  # what is scaled is not moved in the same pass
    if known.statics.tier_count == 1 or not settled or not stay or one.ask.kind is demand.Kind.JOB:
        return
    tiers = _tiers(where, known, one, stay)
    filling = placement_fill.Filling(where, one, known, dict(stay))
    by_tier = [0] * known.statics.tier_count
    for cell, room in enumerate(filling.room_of_cells()):
        by_tier[known.candidates.tiers[cell]] += room
    worst_first = sorted((place for place in stay if _is_open(where, one, place)), key=lambda place: -tiers[place])
    moves: dict[tuple[int, int], int] = {}
    for place in worst_first:
        better = sum(by_tier[: tiers[place]])
        count = min(stay[place], better)
        moves[place] = count
        for tier in range(tiers[place]):
            taken = min(count, by_tier[tier])
            by_tier[tier] -= taken
            count -= taken
    if sum(moves.values()) * 1000 >= WORTH_MOVING_PERMILLE * max(one.replicas, 1):
        for place, count in moves.items():
            stay[place] -= count


def _is_open(where: fleet.Fleet, one: demand.Demand, place: tuple[int, int]) -> bool:
    """What is out of reach cannot be moved."""
    return where.targets[place[0]].ready and where.targets[place[0]].ref not in one.held
