"""Cells: sets of candidates between which only the strategy chooses.

A cell is one step of preference, one target, one variant and, under bounds finer than a target, one domain of each.
Replicas are counted out to cells first, then to the nodes of each.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import candidates, spread_bounds

Ints = NDArray[np.int64]


class Cells(NamedTuple):
    """Parallel lists, one entry a cell."""

    layout: candidates.Layout
    room: list[int]  # nothing in some
    domains: list[list[int]]  # by bound, then by cell


def of(among: candidates.Candidates, rooms: Sequence[Ints], bounds: Sequence[spread_bounds.RowBound]) -> Cells:
    """All cells. `rooms` by variant and position; no candidate has room for two variants."""
    sums = [np.add.reduceat(room, among.firsts).tolist() for room in rooms]
    room = sums[0] if len(sums) == 1 else list(itertools.chain.from_iterable(zip(*sums, strict=True)))
    cells = among.layout
    return Cells(cells, room, spread_bounds.cells_of(bounds, cells.target, cells.variant))


def split(
    among: candidates.Candidates,
    rooms: Sequence[Ints],
    keys: Sequence[Ints],
    bounds: Sequence[spread_bounds.RowBound],
) -> Cells:
    """The cells with room, where bounds divide the nodes of one target."""
    room, best = np.add.reduce(rooms), np.add.reduce(keys)
    usable = np.flatnonzero(room)
    coarse = np.searchsorted(among.starts, usable, "right") - 1
    variant = np.argmax(np.stack(rooms)[:, usable] > 0, axis=0)
    mixed = coarse * len(rooms) + variant
    rows = among.rows[usable]
    for codes in (each.rows for each in bounds if each.rows is not None):
        mixed = mixed * (int(codes.max(initial=0)) + 2) + codes[rows] + 1
        _, mixed = np.unique(mixed, return_inverse=True)  # numbered anew each time, lest products overflow
    order = np.argsort(mixed, kind="stable")
    starts = np.flatnonzero(np.diff(mixed[order], prepend=-1))
    first, usable = order[starts], usable[order]
    target = [among.targets[cell] for cell in coarse[first].tolist()]
    cells = candidates.layout(
        tier=[among.tiers[cell] for cell in coarse[first].tolist()],
        target=target,
        variant=variant[first].tolist(),
        places=np.split(usable, starts[1:]),
        rank=np.maximum.reduceat(best[usable], starts).tolist(),
    )
    return Cells(
        cells,
        room=np.add.reduceat(room[usable], starts).tolist(),
        domains=spread_bounds.cells_of(bounds, target, cells.variant, rows[first]),
    )
