"""From an Ask's spread, template constraints and quotas to bounds over the fleet's nodes, with what lies there now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suanli_controller.api import names
from suanli_controller.core import columns, demand, fleet, spread, statics, views

Codes = NDArray[np.int64]
Given = Mapping[tuple[int, int], int]  # (target, variant), by index: replicas


@dataclass(frozen=True, slots=True)
class RowBound:
    """A bound and the domain of each row; where domains are whole targets or variants, of each of these."""

    bound: spread.Bound
    rows: Codes | None = None
    targets: list[int] | None = None
    variants: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Replicas of a workload that are there already: by (target, variant), and by row where that is known."""

    places: Given
    rows: Mapping[int, int]


def of(
    where: fleet.Fleet, one: demand.Demand, known: views.AskViews, held: Held, closed: columns.Mask, *, soft: bool
) -> list[RowBound]:
    """The bounds that hold for `one`. `closed`, by target: takes nothing, and is no domain that others wait for."""
    ask = one.ask
    found = [_quota(ask, held)] if any(each.quota is not None for each in ask.variants) else []
    for wish in ask.spread:
        if wish.when_unsatisfiable is demand.Unsatisfiable.PLACE_ANYWAY and not soft:
            continue
        found.append(_of_spread(where, wish, held, known, closed))
    found.extend(_of_template(where, each, known, held) for each in ask.topology_spread)
    found.extend(_of_anti_affinity(where, key, held) for key in ask.anti_affinity)
    return found


def _quota(ask: demand.Ask, held: Held) -> RowBound:
    """A quota is a bound whose domains are the variants; one without a quota is in no domain."""
    counts = [0] * len(ask.variants)
    for (_, variant), count in held.places.items():
        counts[variant] += count
    limits = [spread.NO_LIMIT if each.quota is None else each.quota for each in ask.variants]
    bound = spread.Bound(counts, [True] * len(counts), [0] * len(counts), limits=limits)
    return RowBound(bound, variants=list(range(len(counts))))


def _of_spread(
    where: fleet.Fleet, wish: demand.Spread, held: Held, known: views.AskViews, closed: columns.Mask
) -> RowBound:
    if wish.by == "node":
        eligible = known.statics.runnable() & ~closed[where.target_of[: where.rows]]
        return _by_row(wish, np.arange(where.rows), where.rows, held, eligible)
    own = [statics.target_value(target, wish.by) for target in where.targets]
    index: dict[str, int] = {}
    codes = [index.setdefault(value, len(index)) if value else -1 for value in own]
    if wish.by == "zone" and -1 in codes:
        label = where.labels.column(names.ZONE_LABEL)
        of_label = [index.setdefault(str(value), len(index)) for value in label.values]
        by_row = np.array([*codes, -1])[where.target_of[: where.rows]]
        by_label = np.array([*of_label, -1])[label.codes[: where.rows]]
        eligible = known.statics.runnable() & ~closed[where.target_of[: where.rows]]
        return _by_row(wish, np.where(by_row >= 0, by_row, by_label), len(index), held, eligible)
    counts = [0] * len(index)
    for (target, _), count in held.places.items():
        if codes[target] >= 0:
            counts[codes[target]] += count
    able = {codes[target] for target in known.statics.reached if not closed[target]}
    return RowBound(_bound(wish, counts, [each in able for each in range(len(index))]), targets=codes)


def _by_row(wish: demand.Spread, codes: Codes, domains: int, held: Held, eligible: columns.Mask) -> RowBound:
    able = np.zeros(domains + 1, np.bool_)
    able[codes[eligible]] = True
    counts = _counted(codes, domains, held)
    return RowBound(_bound(wish, counts, able[:domains].tolist()), rows=codes)


def _counted(codes: Codes, domains: int, held: Held) -> list[int]:
    counts = [0] * domains
    for row, count in held.rows.items():
        if codes[row] >= 0:
            counts[codes[row]] += count
    return counts


def _bound(wish: demand.Spread, counts: list[int], eligible: list[bool]) -> spread.Bound:
    return spread.Bound(
        counts,
        eligible,
        [0] * len(counts),
        max_skew=wish.max_skew,
        limits=[wish.max_per_domain or spread.NO_LIMIT] * len(counts),
        min_domains=wish.min_domains,
    )


def _label_domains(where: fleet.Fleet, key: str) -> tuple[Codes, list[int]]:
    """By row the domain, one for each value of a label within each target, and by domain the target."""
    label = where.labels.column(key)
    mixed = where.target_of[: where.rows].astype(np.int64) * (len(label.values) + 1) + label.codes[: where.rows]
    usable = label.present(where.rows)
    values, inverse = np.unique(mixed[usable], return_inverse=True)
    codes = np.full(where.rows, -1, np.int64)
    codes[usable] = inverse
    return codes, (values // (len(label.values) + 1)).tolist()


def _of_template(where: fleet.Fleet, wish: demand.TopologySpread, known: views.AskViews, held: Held) -> RowBound:
    codes, scope = _label_domains(where, wish.topology_key)
    able = where.present[: where.rows].copy()
    if wish.honor_affinity:
        able &= np.logical_or.reduce([_selected(each, wish) for each in known.statics.codes])
    eligible = np.zeros(len(scope) + 1, np.bool_)
    eligible[codes[able]] = True
    bound = spread.Bound(
        _counted(codes, len(scope), held),
        eligible[:-1].tolist(),
        scope,
        max_skew=wish.max_skew,
        least_domains=wish.min_domains,
    )
    return RowBound(bound, rows=codes)


def _selected(codes: NDArray[np.uint8], wish: demand.TopologySpread) -> columns.Mask:
    """A taint that is not tolerated does not take a node out of the count, unless nodeTaintsPolicy says so."""
    tainted = codes == statics.CODE[names.TAINT_NOT_TOLERATED]
    fit = np.asarray(codes == statics.OK)
    return fit if wish.honor_taints else fit | tainted


def _of_anti_affinity(where: fleet.Fleet, key: str, held: Held) -> RowBound:
    codes, scope = _label_domains(where, key)
    counts = _counted(codes, len(scope), held)
    bound = spread.Bound(counts, [True] * len(scope), scope, limits=[1] * len(scope), optional=True)
    return RowBound(bound, rows=codes)


def cells_of(
    bounds: Sequence[RowBound], target: list[int], variant: list[int], sample: Codes | None = None
) -> Iterator[list[int]]:
    """For each bound the domains of cells that are given by target, variant and one of their rows."""
    for each in bounds:
        if each.targets is not None:
            yield [each.targets[index] for index in target]
        elif each.variants is not None:
            yield [each.variants[index] for index in variant]
        else:
            assert each.rows is not None  # noqa: S101 - for the type checker: one of the three is set
            assert sample is not None  # noqa: S101 - given where some bound is by row
            yield each.rows[sample].tolist()
