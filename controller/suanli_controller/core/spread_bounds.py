"""From an Ask's spread, template constraints and quotas to bounds over the fleet's nodes, with what lies there now."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from suanli_controller.api import names
from suanli_controller.core import columns, demand, domains, fleet, spread, statics, views

Codes = NDArray[np.int64]
Given = Mapping[tuple[int, int], int]  # (target, variant), by index: replicas


class RowBound(NamedTuple):
    """A bound and the domain of each row; where domains are whole targets or variants, of each of these."""

    bound: spread.Bound
    rows: Codes | None = None
    targets: list[int] | None = None
    variants: list[int] | None = None


class Held(NamedTuple):
    """Replicas of a workload that are there already: by (target, variant), and by row where that is asked for."""

    places: Given
    rows: Callable[[], Mapping[int, int]]


def of(
    where: fleet.Fleet, one: demand.Demand, known: views.AskViews, held: Held, closed: columns.Mask, *, soft: bool
) -> list[RowBound]:
    """The bounds that hold for `one`. `closed`, by target: takes nothing, and is no domain that others wait for."""
    ask = one.ask
    found = [_quota(ask, held)] if known.contested and any(each.quota is not None for each in ask.variants) else []
    found += [
        _of_spread(where, wish, held, known, closed)
        for wish in ask.spread
        if soft or wish.when_unsatisfiable is demand.Unsatisfiable.DO_NOT_PLACE
    ]
    found += [_of_template(where, each, known, held) for each in ask.topology_spread]
    found += [_of_anti_affinity(known, key, held) for key in ask.anti_affinity]
    return found


def _quota(ask: demand.Ask, held: Held) -> RowBound:
    """A quota is a bound whose domains are the variants; one without a quota is in no domain."""
    counts = [0] * len(ask.variants)
    for (_, variant), count in held.places.items():
        counts[variant] += count
    limits = [spread.NO_LIMIT if each.quota is None else each.quota for each in ask.variants]
    bound = spread.Bound(counts, spread.frame([True] * len(counts), [0] * len(counts)), limits=limits)
    return RowBound(bound, variants=list(range(len(counts))))


def _of_spread(
    where: fleet.Fleet, wish: demand.Spread, held: Held, known: views.AskViews, closed: columns.Mask
) -> RowBound:
    found = known.domains.of_places(wish.by)
    if found.rows is not None:
        counts = _counted(found, held)
    else:
        assert found.targets is not None  # noqa: S101 - for the type checker: one of the two is set
        counts = [0] * len(found.scope)
        for (target, _), count in held.places.items():
            if found.targets[target] >= 0:
                counts[found.targets[target]] += count
    frame = (
        known.frames.get(wish.by) if closed is known.statics.shut else None
    )  # kept for what is nearly always so
    if frame is None:
        frame = spread.frame(_eligible(where, found, known, closed), found.scope)
        if closed is known.statics.shut:
            known.frames[wish.by] = frame
    bound = spread.Bound(
        counts,
        frame,
        max_skew=wish.max_skew,
        limits=[wish.max_per_domain] * len(counts) if wish.max_per_domain else None,
        min_domains=wish.min_domains,
    )
    return RowBound(bound, found.rows, found.targets)


def _eligible(
    where: fleet.Fleet, found: domains.Domains, known: views.AskViews, closed: columns.Mask
) -> list[bool]:
    """By domain, whether a node of it may run some variant."""
    if found.targets is None:
        return _reached(found, known.statics.runnable() & ~closed[where.target_of[: where.rows]])
    able = {found.targets[target] for target in known.statics.reached if not closed[target]}
    return [domain in able for domain in range(len(found.scope))]


def _counted(found: domains.Domains, held: Held) -> list[int]:
    assert found.rows is not None  # noqa: S101 - for the type checker: asked of domains by row only
    counts = [0] * (len(found.scope) + 1)  # the last: of nodes in none
    for row, count in held.rows().items():
        counts[found.rows[row]] += count
    return counts[:-1]


def _reached(found: domains.Domains, rows: columns.Mask) -> list[bool]:
    """By domain, whether one of some rows is in it."""
    assert found.rows is not None  # noqa: S101 - for the type checker: asked of domains by row only
    able = np.zeros(len(found.scope) + 1, np.bool_)
    able[found.rows[rows]] = True
    answer: list[bool] = able[:-1].tolist()
    return answer


def _of_template(where: fleet.Fleet, wish: demand.TopologySpread, known: views.AskViews, held: Held) -> RowBound:
    found = known.domains.of_label(wish.topology_key)
    able = where.present[: where.rows]
    if wish.honor_affinity:
        able = able & np.logical_or.reduce([_selected(each, wish) for each in known.statics.codes])
    bound = spread.Bound(
        _counted(found, held),
        spread.frame(_reached(found, able), found.scope),
        max_skew=wish.max_skew,
        least_domains=wish.min_domains,
    )
    return RowBound(bound, rows=found.rows)


def _selected(codes: NDArray[np.uint8], wish: demand.TopologySpread) -> columns.Mask:
    """A taint that is not tolerated does not take a node out of the count, unless nodeTaintsPolicy says so."""
    tainted = codes == statics.CODE[names.TAINT_NOT_TOLERATED]
    fit = np.asarray(codes == statics.OK)
    return fit if wish.honor_taints else fit | tainted


def _of_anti_affinity(known: views.AskViews, key: str, held: Held) -> RowBound:
    found = known.domains.of_label(key)
    counts = _counted(found, held)
    frame = spread.frame([True] * len(counts), found.scope)
    return RowBound(spread.Bound(counts, frame, limits=[1] * len(counts), optional=True), rows=found.rows)


def cells_of(
    bounds: Sequence[RowBound], target: list[int], variant: list[int], sample: Codes | None = None
) -> list[list[int]]:
    """For each bound the domains of cells that are given by target, variant and one of their rows."""
    return [_domains(each, target, variant, sample) for each in bounds]


def _domains(one: RowBound, target: list[int], variant: list[int], sample: Codes | None) -> list[int]:
    if one.targets is not None:
        return [one.targets[index] for index in target]
    if one.variants is not None:
        return [one.variants[index] for index in variant]
    assert one.rows is not None  # noqa: S101 - for the type checker: one of the three is set
    assert sample is not None  # noqa: S101 - given where some bound is by row
    found: list[int] = one.rows[sample].tolist()
    return found
