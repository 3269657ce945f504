"""Cells: sets of candidates between which only the strategy chooses.

A cell is one step of preference, one target, one variant and, under bounds finer than a target, one domain of each.
Replicas are counted out to cells first, then to the nodes of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import candidates, spread_bounds

Ints = NDArray[np.int64]


@dataclass(slots=True)
class Cells:
    """Parallel lists, one entry a cell, in the order in which equal claims are served."""

    tier: list[int]
    target: list[int]
    variant: list[int]
    room: list[int]
    domains: list[list[int]]  # by bound, then by cell
    places: Sequence[slice | Ints]  # which candidates are in it
    rank: list[int]  # the best key of a node in it, where bounds divide targets; else 0
    divided: bool  # bounds divide targets


def of(among: candidates.Candidates, rooms: Sequence[Ints], bounds: Sequence[spread_bounds.RowBound]) -> Cells:
    """The cells with room. `rooms` by variant and position; no candidate has room for two variants."""
    sums = [np.add.reduceat(room, among.firsts).tolist() for room in rooms]
    coarse, variant, room = list[int](), list[int](), list[int]()
    for cell, by_variant in enumerate(zip(*sums, strict=True)):
        for build, most in enumerate(by_variant):
            if most:
                coarse.append(cell)
                variant.append(build)
                room.append(most)
    target = [among.targets[cell] for cell in coarse]
    return Cells(
        tier=[among.tiers[cell] for cell in coarse],
        target=target,
        variant=variant,
        room=room,
        domains=list(spread_bounds.cells_of(bounds, target, variant)),
        places=[among.slices[cell] for cell in coarse],
        rank=[0] * len(coarse),
        divided=False,
    )


def split(
    among: candidates.Candidates,
    rooms: Sequence[Ints],
    keys: Sequence[Ints],
    bounds: Sequence[spread_bounds.RowBound],
) -> Cells:
    """`of` where bounds divide the nodes of one target."""
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
    return Cells(
        tier=[among.tiers[cell] for cell in coarse[first].tolist()],
        target=target,
        variant=variant[first].tolist(),
        room=np.add.reduceat(room[usable], starts).tolist(),
        domains=list(spread_bounds.cells_of(bounds, target, variant[first].tolist(), rows[first])),
        places=np.split(usable, starts[1:]),
        rank=np.maximum.reduceat(best[usable], starts).tolist(),
        divided=True,
    )
