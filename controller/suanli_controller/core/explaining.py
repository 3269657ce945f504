"""Why nodes take no more of a demand: each node under one reason, in the contract's order."""

import numpy as np
from numpy.typing import NDArray

from suanli_controller.api import names
from suanli_controller.core import columns, demand, fleet, lines, placement_fill, spread_bounds, statics

Codes = NDArray[np.uint8]
_OF_RESOURCE = {
    lines.CPU: names.INSUFFICIENT_CPU,
    lines.MEMORY: names.INSUFFICIENT_MEMORY,
    lines.EPHEMERAL: names.INSUFFICIENT_EPHEMERAL_STORAGE,
    lines.PODS: names.INSUFFICIENT_PODS,
}
SHORTAGES = frozenset({*_OF_RESOURCE.values(), names.INSUFFICIENT_RESOURCE})
_LACKS_OTHER = statics.CODE[names.INSUFFICIENT_RESOURCE]


def reasons(filling: placement_fill.Filling, *, exhausted: bool) -> tuple[demand.Reason, ...]:
    """The reasons of all nodes that take no more, as things stand now.

    `exhausted`: something is left unplaced although nodes have room (a Job whole to one target): such a node counts
    under what it would lack once it is full.
    """
    codes = _codes(filling, exhausted=exhausted)
    counts = np.bincount(codes[_closed(filling, codes)], minlength=statics.OK)
    return tuple(
        demand.Reason(names.NODE_REASONS[code], int(count), _detail(filling, code))
        for code, count in enumerate(counts.tolist())
        if count
    )


def ruled_out(filling: placement_fill.Filling, *, exhausted: bool) -> tuple[demand.RuledOut, ...]:
    """The same as `reasons`, apart by target and hardware class, sorted by them."""
    where = filling.where
    codes = _codes(filling, exhausted=exhausted)
    rows = np.flatnonzero(_closed(filling, codes))
    classes = where.facts["class"]
    groups, counts = np.unique(
        np.stack([where.target_of[rows], classes.codes[rows], codes[rows]]), axis=1, return_counts=True
    )
    found = (
        demand.RuledOut(
            target=where.targets[target].ref,
            class_name=str(classes.values[class_code]),
            reason=names.NODE_REASONS[code],
            nodes=nodes,
            detail=_detail(filling, code),
        )
        for (target, class_code, code), nodes in zip(groups.T.tolist(), counts.tolist(), strict=True)
    )
    return tuple(sorted(found, key=lambda each: (each.target, each.class_name, each.reason)))


def _codes(filling: placement_fill.Filling, *, exhausted: bool) -> Codes:
    """Of each row, why the variant that came furthest takes no more there."""
    codes = np.zeros(filling.where.rows, np.uint8)
    for index in range(len(filling.known.variants)):
        np.maximum(codes, _of_variant(filling, index, exhausted=exhausted), out=codes)
    return codes


def _closed(filling: placement_fill.Filling, codes: Codes) -> columns.Mask:
    return np.asarray(filling.where.present[: filling.where.rows] & (codes < statics.OK))


def _detail(filling: placement_fill.Filling, code: int) -> str:
    if code != _LACKS_OTHER:
        return ""
    asked = {
        name
        for variant in filling.demand.ask.variants
        for name, amount in variant.requests.items()
        if amount and name not in lines.BASE_RESOURCES
    }
    return ", ".join(sorted(asked))


def _of_variant(filling: placement_fill.Filling, index: int, *, exhausted: bool) -> Codes:
    codes = filling.known.statics.codes[index].copy()
    np.minimum(codes, _state(filling), out=codes)
    fit = codes == statics.OK
    codes[fit] = _lacking(filling, index)[fit]
    fit = codes == statics.OK
    if fit.any():
        codes[fit] = _beyond_resources(filling, index)[fit]
    if exhausted:
        fit = codes == statics.OK
        codes[fit] = _lacking(filling, index, full=True)[fit]
    return codes


def _state(filling: placement_fill.Filling) -> Codes:
    """Targets and nodes that take nothing new."""
    where, one, rows = filling.where, filling.demand, filling.where.rows
    by_target = [_target_state(target, one) for target in where.targets]
    codes = np.array([*by_target, statics.OK], np.uint8)[where.target_of[:rows]]
    for mask, reason in (
        (where.node_cordoned[:rows], names.NODE_CORDONED),
        (~where.node_ready[:rows], names.NODE_NOT_READY),
    ):
        codes[mask] = np.minimum(codes[mask], statics.CODE[reason])
    return codes


def _target_state(target: fleet.Target, one: demand.Demand) -> int:
    if not target.ready or target.ref in one.held:
        return statics.CODE[names.TARGET_NOT_READY]
    if target.cordoned or target.ref in one.excluded:
        return statics.CODE[names.TARGET_CORDONED]
    if target.ref in one.closed:
        return statics.CODE[names.TARGET_EXCLUDED]
    return statics.OK


def _lacking(filling: placement_fill.Filling, index: int, *, full: bool = False) -> Codes:
    """The first resource of which there is too little for one more; with `full`, after all that fit."""
    where, rows = filling.where, filling.where.rows
    requests = filling.known.variants[index].requests
    codes = np.full(rows, statics.OK, np.uint8)
    room = np.zeros(rows, np.int64)
    if full:
        room[filling.known.candidates.rows] = filling.known.variants[index].survey()[0][:-1]
    for resource, amount in sorted(requests, reverse=True):
        short = where.free[resource, :rows] - room * amount < amount
        codes[short] = statics.CODE[_OF_RESOURCE.get(resource, names.INSUFFICIENT_RESOURCE)]
    return codes


def _beyond_resources(filling: placement_fill.Filling, index: int) -> Codes:
    """Spread, full targets, quotas: what rules out a node that has room."""
    where, rows = filling.where, filling.where.rows
    full = np.array([target.ref in filling.demand.full for target in where.targets], np.bool_)
    codes = np.full(rows, statics.OK, np.uint8)
    bounds = filling.bounds(soft=False)
    for each in bounds:
        if each.variants is not None and not each.bound.allows(index):
            codes[:] = statics.CODE[names.QUOTA_EXCEEDED]
    codes[full[where.target_of[:rows]]] = statics.CODE[names.TARGET_FULL]
    for each in bounds:
        if each.variants is None:
            codes[_violates(where, each)] = statics.CODE[names.SPREAD_VIOLATED]
    return codes


def _violates(where: fleet.Fleet, each: spread_bounds.RowBound) -> columns.Mask:
    domains = len(each.bound.frame.eligible)
    blocked = np.fromiter((not each.bound.allows(domain) for domain in range(-1, domains)), np.bool_, domains + 1)
    if each.targets is not None:
        of_row = np.array([*each.targets, -1])[where.target_of[: where.rows]]
    else:
        assert each.rows is not None  # noqa: S101 - for the type checker: one of the two is set
        of_row = each.rows
    return np.asarray(blocked[of_row + 1])
