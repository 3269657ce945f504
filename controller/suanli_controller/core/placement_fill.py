"""Sharing out one demand's replicas: over targets and variants by `divide`, within the bounds on spread, then to nodes.

A cell is a set of nodes between which only the strategy chooses: one target, one variant, one step of preference, one
domain of each bound. Replicas are counted out to cells first, then to the nodes of each.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import columns, demand, fleet, ledger, scoring_divide, spread, spread_bounds, views

Rows = NDArray[np.int64]
Given = dict[tuple[int, int], int]  # (target, variant), by index: replicas
Added = dict[tuple[int, int], dict[int, int]]  # (target, variant), by index: row: replicas


@dataclass(frozen=True, slots=True)
class Cells:
    """Parallel lists, one entry a cell."""

    tier: list[int]
    target: list[int]
    variant: list[int]
    room: list[int]
    domains: list[list[int]]  # by bound, then by cell
    key: Rows  # what rows of one cell have in common, by row
    keys: Rows  # by cell
    rank: list[int]  # the best rank of a node in it, where bounds divide targets; else 0


class Filling:
    """One demand on its way to its places. `given` counts the replicas that it has already, and grows."""

    def __init__(self, where: fleet.Fleet, one: demand.Demand, known: views.AskViews, given: Given) -> None:
        self.where, self.demand, self.known, self.given = where, one, known, given
        self.added: Added = {}
        self.closed = closed_targets(where, one)

    def run(self, wanted: int, only: int | None = None) -> int:
        """Place up to `wanted` more, in the target `only` where one is named; how many were placed."""
        placed = self._passes(wanted, only, soft=True)
        if placed < wanted and any(
            each.when_unsatisfiable is demand.Unsatisfiable.PLACE_ANYWAY for each in self.demand.ask.spread
        ):
            placed += self._passes(wanted - placed, only, soft=False)
        return placed

    def _passes(self, wanted: int, only: int | None, *, soft: bool) -> int:
        """Fill until nothing more fits: what the first variant leaves of a node may do for another."""
        placed = 0
        while placed < wanted:
            rooms = self.rooms(only)
            bounds = self.bounds(soft=soft)
            cells = self._cells(rooms, bounds)
            counts = self._share_out(wanted - placed, cells, bounds)
            got = self._to_nodes(cells, counts, rooms)
            placed += got
            if not got or len(rooms) == 1:
                break
        return placed

    def rooms(self, only: int | None = None) -> list[Rows]:
        """By variant and row: replicas that fit. A node counts for the first variant that it has room for."""
        where, rooms = self.where, list[Rows]()
        taken = np.zeros(where.rows, np.bool_)
        shut = self.closed if only is None else np.arange(len(self.closed)) != only
        if shut.any():
            taken = shut[where.target_of[: where.rows]]
        for view in self.known.variants:
            room = view.rooms()
            if shut.any() or rooms:
                room[taken] = 0
            rooms.append(room)
            if len(self.known.variants) > 1:
                taken = taken | (room > 0)
        return rooms

    def bounds(self, *, soft: bool) -> list[spread_bounds.RowBound]:
        held = spread_bounds.Held(self.given, held_on_rows(self.where, self.demand.key))
        return spread_bounds.of(self.where, self.demand, self.known, held, self.closed, soft=soft)

    def _cells(self, rooms: Sequence[Rows], bounds: list[spread_bounds.RowBound]) -> Cells:
        variants, targets = len(rooms), len(self.where.targets)
        key, room = self.known.known.cell, rooms[0]
        if variants > 1:
            room = np.add.reduce(rooms)
            key = key * variants + np.argmax(np.stack(rooms) > 0, axis=0)
        fine = [each.rows for each in bounds if each.rows is not None]
        sums = np.bincount(key, weights=room)
        keys = own = np.flatnonzero(sums)
        totals, sample = sums[keys].astype(np.int64), keys
        if fine:
            key, own, sample, totals, keys = _finely(key, room, fine)
        target = [self.known.known.by_name[each] for each in (keys // variants % max(targets, 1)).tolist()]
        variant = (keys % variants).tolist()
        return Cells(
            tier=(keys // (variants * max(targets, 1))).tolist(),
            target=target,
            variant=variant,
            room=totals.tolist(),
            domains=list(spread_bounds.cells_of(bounds, target, variant, sample)),
            key=key,
            keys=own,
            rank=self._best_ranks(key, room, len(target)) if fine else [0] * len(target),
        )

    def _best_ranks(self, key: Rows, room: Rows, cells: int) -> list[int]:
        """Where the bounds make several cells of one target's nodes, the strategy chooses among them."""
        usable = np.flatnonzero(room)
        best = np.zeros(cells, np.int64)
        np.maximum.at(best, key[usable], self.known.variants[0].ranks()[usable])
        found: list[int] = best.tolist()
        return found

    def _share_out(self, wanted: int, cells: Cells, bounds: list[spread_bounds.RowBound]) -> list[int]:
        """Replicas by cell."""
        divide = self.demand.ask.divide
        if bounds or divide is demand.Divide.WEIGHTED:
            claim = self._claims(cells)
            return spread.fill(wanted, cells.room, cells.domains, [each.bound for each in bounds], claim)
        got = [0] * len(cells.room)
        for tier in sorted(set(cells.tier)):
            places = [cell for cell, other in enumerate(cells.tier) if other == tier]
            room = [cells.room[cell] for cell in places]
            if divide is demand.Divide.AGGREGATED:
                shares = self._together(wanted, [cells.target[cell] for cell in places], room)
            else:
                held = self._held(cells, places)
                shares = scoring_divide.webster(wanted, _sums(room, held), room, held)
            for cell, share in zip(places, shares, strict=True):
                got[cell] = share
                wanted -= share
            if not wanted:
                break
        return got

    def _together(self, wanted: int, targets: Sequence[int], room: Sequence[int]) -> list[int]:
        """As few targets as possible: those that are used already, then the roomiest."""
        order = self._order(targets, room)
        got = [0] * len(room)
        for place in sorted(range(len(room)), key=lambda place: (order[targets[place]], place)):
            got[place] = min(wanted, room[place])
            wanted -= got[place]
        return got

    def _order(self, targets: Iterable[int], room: Iterable[int]) -> dict[int, int]:
        totals: dict[int, int] = {}
        for target, most in zip(targets, room, strict=True):
            totals[target] = totals.get(target, 0) + most
        used = {target for (target, _), count in self.given.items() if count}
        ranked = sorted(totals, key=lambda target: (target not in used, -totals[target], self.name(target)))
        return {target: place for place, target in enumerate(ranked)}

    def name(self, target: int) -> str:
        return self.where.targets[target].ref

    def _held(self, cells: Cells, places: Iterable[int]) -> list[int]:
        """What each (target, variant) has, told of its first cell."""
        left = dict(self.given)
        return [left.pop((cells.target[cell], cells.variant[cell]), 0) for cell in places]

    def _claims(self, cells: Cells) -> Callable[[int, int], spread.Claim]:
        """Which cell is next: the smallest claim."""
        divide = self.demand.ask.divide
        if divide is demand.Divide.WEIGHTED:
            return self._weighted_claims(cells)
        if divide is demand.Divide.AGGREGATED:
            order = self._order(cells.target, cells.room)
            return lambda cell, _: (
                cells.tier[cell],
                order[cells.target[cell]],
                cells.variant[cell],
                -cells.rank[cell],
            )
        return self._capacity_claims(cells)

    def _capacity_claims(self, cells: Cells) -> Callable[[int, int], spread.Claim]:
        """By the room of a target's variant, within it by the strategy."""
        places = list(zip(cells.target, cells.variant, strict=True))
        has = dict.fromkeys(places, 0) | self.given
        weight = dict(has)
        for place, room in zip(places, cells.room, strict=True):
            weight[place] += room
        of_cell = [0] * len(places)
        name = {target: place for place, target in enumerate(self.known.known.by_name)}

        def claim(cell: int, got: int) -> spread.Claim:
            place = places[cell]
            has[place] += got - of_cell[cell]
            of_cell[cell] = got
            share = -weight[place] / (2 * has[place] + 1)
            return (cells.tier[cell], share, name[place[0]], place[1], -cells.rank[cell])

        return claim

    def _weighted_claims(self, cells: Cells) -> Callable[[int, int], spread.Claim]:
        weights = {self.where.target_index.get(ref, -1): weight for ref, weight in self.demand.ask.weights}
        has = dict.fromkeys(cells.target, 0)
        for (target, _), count in self.given.items():
            has[target] = has.get(target, 0) + count
        of_cell = [0] * len(cells.room)
        name = {target: place for place, target in enumerate(self.known.known.by_name)}

        def claim(cell: int, got: int) -> spread.Claim:
            target = cells.target[cell]
            has[target] += got - of_cell[cell]
            of_cell[cell] = got
            share = -weights.get(target, 0) / (2 * has[target] + 1)
            return (share, name[target], cells.tier[cell], cells.variant[cell], -cells.rank[cell])

        return claim

    def _to_nodes(self, cells: Cells, counts: Sequence[int], rooms: Sequence[Rows]) -> int:
        """Assume the replicas of cells on nodes; how many found one."""
        if self.demand.ask.strategy is demand.Strategy.BIN_PACK and len(rooms) == 1:
            return self._pack(cells, counts, rooms[0])
        return sum(self._to_cell(cells, cell, count, rooms) for cell, count in enumerate(counts) if count)

    def _pack(self, cells: Cells, counts: Sequence[int], room: Rows) -> int:
        """All cells at once."""
        view = self.known.variants[0]
        found = fullest_by_key(cells.key, cells.keys, np.array(counts, np.int64), room, view.ranks())
        lots: dict[int, dict[int, int]] = {}
        targets = self.where.target_of[found[0]].tolist()
        for target, row, count in zip(targets, found[0].tolist(), found[1].tolist(), strict=True):
            lots.setdefault(target, {})[row] = count
        for target, chosen in lots.items():
            self.where.assumed.add(self.demand.key, view.place_at(target), view.requests, chosen)
            self.note(target, 0, chosen)
        self.where.deduct_all(view.requests, *found)
        return int(found[1].sum())

    def _to_cell(self, cells: Cells, cell: int, count: int, rooms: Sequence[Rows]) -> int:
        target, variant = cells.target[cell], cells.variant[cell]
        view, room = self.known.variants[variant], rooms[variant]
        rows = np.flatnonzero((cells.key == cells.keys[cell]) & (room > 0))
        place = view.place_at(target)
        if self.demand.ask.strategy is demand.Strategy.BIN_PACK:
            chosen = fullest(rows, room[rows], view.ranks()[rows], count)
            self.where.assume(self.demand.key, place, view.requests, chosen)
        else:
            chosen = self._one_by_one(place, view, rows, count)
        self.note(target, variant, chosen)
        return sum(chosen.values())

    def _one_by_one(self, place: ledger.Place, view: views.View, rows: Rows, count: int) -> dict[int, int]:
        chosen: dict[int, int] = {}
        for _ in range(count):
            keys = view.keys()[rows]
            best = int(keys.argmax())
            if keys[best] <= 0:
                break
            row = int(rows[best])
            self.where.assume(self.demand.key, place, view.requests, {row: 1}, view.device(row))
            chosen[row] = chosen.get(row, 0) + 1
        return chosen

    def note(self, target: int, variant: int, chosen: dict[int, int]) -> None:
        place = (target, variant)
        self.given[place] = self.given.get(place, 0) + sum(chosen.values())
        rows = self.added.setdefault(place, {})
        for row, count in chosen.items():
            rows[row] = rows.get(row, 0) + count


def closed_targets(where: fleet.Fleet, one: demand.Demand) -> columns.Mask:
    """By target: it takes nothing new for this demand."""
    shut = one.full | one.excluded | one.held
    return np.fromiter(
        (not target.ready or target.cordoned or target.ref in shut for target in where.targets),
        np.bool_,
        len(where.targets),
    )


def held_on_rows(where: fleet.Fleet, workload: str) -> dict[int, int]:
    """Replicas of a workload by row, bound and assumed."""
    held: dict[int, int] = {}
    for book in (where.bound, where.assumed):
        for lot in book.places(workload).values():
            for row, count in lot.rows.items():
                held[row] = held.get(row, 0) + count
    return held


def _sums(left: Iterable[int], right: Iterable[int]) -> list[int]:
    return [one + other for one, other in zip(left, right, strict=True)]


def _finely(key: Rows, room: Rows, domains: Iterable[Rows]) -> tuple[Rows, Rows, Rows, Rows, Rows]:
    """Cells by key and the domains of bounds: by row the cell, -1 where there is no room; by cell its number, one of
    its rows, its room, and its key.
    """
    usable = np.flatnonzero(room)
    mixed = key[usable]
    for codes in domains:
        mixed = mixed * (int(codes.max(initial=0)) + 2) + codes[usable] + 1
        _, mixed = np.unique(mixed, return_inverse=True)  # numbered anew each time, lest products overflow
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    of_row = np.full(len(key), -1, np.int64)
    of_row[usable] = inverse
    sample = usable[first]
    room_of_cell = np.bincount(inverse, weights=room[usable]).astype(np.int64)
    return of_row, np.arange(len(sample)), sample, room_of_cell, key[sample]


def fullest_by_key(key: Rows, keys: Rows, counts: Rows, room: Rows, ranks: Rows) -> tuple[Rows, Rows]:
    """`fullest` for many cells at once: rows and replicas for `counts[c]` on the rows whose key is `keys[c]`."""
    wanted = np.zeros(int(key.max(initial=0)) + 1, np.int64)
    wanted[keys] = counts
    rows = np.flatnonzero(np.minimum(room, wanted[key]))
    most = 4 * int(counts.sum())
    chosen = rows
    if len(rows) > 2 * most:  # the best of all will do, unless they are the best of other cells
        chosen = rows[np.argpartition(ranks[rows], len(rows) - most)[-most:]]
    for some in (chosen, rows):
        order = some[np.lexsort((-ranks[some], key[some]))]
        own, fits = key[order], room[order]
        before = np.cumsum(fits) - fits
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        before -= np.repeat(before[starts], np.diff(starts, append=len(own)))
        takes = np.clip(wanted[own] - before, 0, fits)
        if takes.sum() == counts.sum():
            break
    used = takes > 0
    return order[used], takes[used]


def fullest(rows: Rows, room: Rows, ranks: Rows, count: int) -> dict[int, int]:
    """Fill nodes one after another, the highest rank first."""
    if len(rows) > 4 * count:
        best = np.argpartition(ranks, len(ranks) - count)[-count:]
        rows, room, ranks = rows[best], room[best], ranks[best]
    order = np.argsort(ranks)[::-1]
    ends = np.cumsum(room[order])
    last = int(np.searchsorted(ends, count)) + 1
    counts = room[order][:last]
    if last <= len(ends) and ends[last - 1] > count:
        counts[-1] -= ends[last - 1] - count
    return dict(zip(rows[order][:last].tolist(), counts.tolist(), strict=True))
