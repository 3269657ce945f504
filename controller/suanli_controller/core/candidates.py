"""The nodes that may run some build of an Ask, side by side in memory, with a copy of what changes about them.

Shared by all Asks that differ only in what they request. A candidate is known by its position. Candidates of one step
of preference and one target (a cell) lie together, the preferred first, so that a cell is a slice. The last position
of every array stands for all nodes that are no candidates and is never open: changes need not be sifted.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import fleet, ranking, statics

_WORTH_CATCHING_UP: Final = 4  # changes, one for so many candidates

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Work(NamedTuple):
    """Views of the table, and arrays to work in that are worth nothing from one use to the next; all by position."""

    rank: Ints
    free: list[Ints]  # by resource
    single: list[memoryview]  # the same, for single elements
    keys: Ints
    short: Mask
    line: Mask


class Layout(NamedTuple):
    """Cells by number, in the order in which equal claims are served: lists of what each is."""

    tier: list[int]
    target: list[int]
    variant: list[int]
    places: Sequence[slice | Ints]  # which candidates are in it
    rank: list[int]  # the best key of a node in it, where bounds divide targets; else 0
    divided: bool  # bounds divide targets
    steps: list[list[int]]  # cells by step of preference, the preferred first
    party: list[int]  # by cell, its (target, variant) by its place in `parties`
    parties: list[tuple[int, int]]


def layout(
    tier: list[int],
    target: list[int],
    variant: list[int],
    places: Sequence[slice | Ints],
    rank: list[int] | None = None,
) -> Layout:
    """A layout of cells; with `rank` where bounds divide targets."""
    steps: dict[int, list[int]] = {}
    for cell, step in enumerate(tier):
        steps.setdefault(step, []).append(cell)
    of_cells = list(zip(target, variant, strict=True))
    number = {party: place for place, party in enumerate(dict.fromkeys(of_cells))}
    return Layout(
        tier,
        target,
        variant,
        places,
        rank or [0] * len(tier),
        divided=rank is not None,
        steps=[steps[step] for step in sorted(steps)],
        party=[number[party] for party in of_cells],
        parties=list(number),
    )


class Candidates:
    """`rows` by position, `position_of` by row; `base` by variant and position; `starts`, `firsts` (the same without
    the end), `slices`, `tiers` and `targets` by target and step of preference; `layout`: those by variant. `scarce`
    are the resources of which some node had too little that was the best otherwise.

    A node's rank plus `base` is its key for a variant: positive where it may be taken, the larger the better.
    """

    __slots__ = (
        "_seen",
        "_where",
        "base",
        "firsts",
        "layout",
        "position_of",
        "rows",
        "scarce",
        "slices",
        "starts",
        "table",
        "targets",
        "tiers",
        "work",
    )

    def __init__(self, where: fleet.Fleet, known: statics.Statics) -> None:
        self._where = where
        self._seen = where.journal.head
        usable = np.logical_or.reduce(known.usable)
        rows = np.flatnonzero(usable)
        # equal claims of targets go by their names
        position = np.argsort(np.array(known.by_name, np.int64))
        cell = known.tiers[rows].astype(np.int64) * len(position) + position[where.target_of[rows]]
        order = np.argsort(cell, kind="stable")
        self.rows: Ints = rows[order]
        self.position_of = np.full(where.rows, len(rows), np.int64)
        self.position_of[self.rows] = np.arange(len(rows))
        cells, starts = np.unique(cell[order], return_index=True)
        self.starts: Ints = np.append(starts, len(rows))
        self.firsts: Ints = self.starts[:-1]
        self.slices = [slice(*ends) for ends in zip(starts.tolist(), self.starts[1:].tolist(), strict=True)]
        self.tiers: list[int] = (cells // max(len(position), 1)).tolist()
        self.targets: list[int] = where.target_of[self.rows[starts]].tolist()
        self.base = [self._based(known, variant) for variant in range(len(known.usable))]
        self.layout = self._laid_out(len(self.base))
        size = len(rows) + 1
        self.table: Ints = np.zeros((len(where.table), size), np.int64)
        free = list(self.table[fleet.FREE :])
        self.work = Work(
            self.table[fleet.RANK],
            free,
            [each.data for each in free],
            np.zeros(size, np.int64),
            np.zeros(size, np.bool_),
            np.zeros(size, np.bool_),
        )
        self.scarce: list[int] = []
        self._copy()

    def _laid_out(self, variants: int) -> Layout:
        each = range(variants)
        return layout(
            [tier for tier in self.tiers for _ in each],
            [target for target in self.targets for _ in each],
            [*each] * len(self.tiers),
            [place for place in self.slices for _ in each],
        )

    def _based(self, known: statics.Statics, variant: int) -> Ints:
        """What of a key does not change: the step of preference, and whether accelerators would be wasted."""
        rows = self.rows
        base = np.full(len(rows) + 1, ranking.CLOSED, np.int64)
        tiers = known.tiers[rows].astype(np.int64)
        thrifty = np.ones(len(rows), np.int64) if known.accelerated[variant] else ~self._where.accelerated[rows]
        keys = ((statics.TIERS - tiers) << statics.TIER_SHIFT) | (thrifty.astype(np.int64) << ranking.RANK_BITS)
        base[:-1] = np.where(known.usable[variant][rows], keys, ranking.CLOSED)
        return base

    def __len__(self) -> int:
        return len(self.rows)

    def catch_up(self) -> Work:
        """The fleet's table as it is now, by position."""
        notes = self._where.journal
        changed = notes.since(self._seen, len(self.rows) // _WORTH_CATCHING_UP)
        if changed is None:
            self._copy()
        elif len(changed):
            self._seen = notes.head
            self.table[:, self.position_of.take(changed)] = self._where.table.take(changed, 1)
        return self.work

    def _copy(self) -> None:
        self._seen = self._where.journal.head
        np.take(self._where.table, self.rows, axis=1, out=self.table[:, :-1], mode="clip")

    def bytes(self) -> int:
        """About how much memory they take."""
        return (
            self.table.nbytes + self.position_of.nbytes + self.rows.nbytes + sum(each.nbytes for each in self.base)
        )
