"""Sharing out one demand's replicas: over targets and variants by `divide`, within the bounds on spread, then to nodes.

Counted out to cells first (see `cells`), then to the nodes of each.
"""

import operator
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import (
    candidates,
    columns,
    demand,
    fleet,
    ledger,
    scoring_divide,
    spread,
    spread_bounds,
    views,
)
from suanli_controller.core import cells as cells_of

Ints = NDArray[np.int64]
Given = dict[tuple[int, int], int]  # (target, variant), by index: replicas
Added = dict[tuple[int, int], dict[int, int]]  # (target, variant), by index: row: replicas
_FEW: Final = 32  # replicas for which the best node is looked for again and again, and not all are sorted


class Filling:
    """One demand on its way to its places. `given` counts the replicas that it has already, and grows."""

    def __init__(self, where: fleet.Fleet, one: demand.Demand, known: views.AskViews, given: Given) -> None:
        self.where, self.demand, self.known, self.given = where, one, known, given
        self.added: Added = {}
        self.closed = closed_targets(where, one, known)

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
            rooms, keys = self.survey(only)
            bounds = self.bounds(soft=soft)
            cells = self._cells(rooms, keys, bounds)
            counts = self._share_out(wanted - placed, cells, bounds)
            got = self._to_nodes(cells, counts, rooms, keys)
            placed += got
            if not got or len(rooms) == 1:
                break
        return placed

    def survey(self, only: int | None = None) -> tuple[list[Ints], list[Ints]]:
        """By variant and position: replicas that fit, and how good the node is; in the target `only`, if one is named.

        A node counts for the first variant that it has room for. The arrays are not to be changed.
        """
        shut = self.closed is not self.known.statics.shut  # the nodes of those are closed anyway
        private = self.known.contested or shut or only is not None
        rooms, keys = [], []
        for view in self.known.variants:
            room, key = view.survey(private=private)
            rooms.append(room)
            keys.append(key)
        if self.known.contested:
            self._first_come(rooms, keys)
        if only is not None:
            self._shut(rooms, keys, np.arange(len(self.closed)) != only)
        elif shut:
            self._shut(rooms, keys, self.closed)
        return rooms, keys

    def _first_come(self, rooms: Sequence[Ints], keys: Sequence[Ints]) -> None:
        """Leave each node to the first variant that has room there, and quota left."""
        taken = np.zeros(len(rooms[0]), np.bool_)
        for variant, build in enumerate(self.demand.ask.variants):
            if build.quota is not None and self._given_to(variant) >= build.quota:
                rooms[variant].fill(0)
                keys[variant].fill(0)
            elif variant:
                rooms[variant][taken] = keys[variant][taken] = 0
            if variant + 1 < len(rooms):
                taken |= rooms[variant] > 0

    def _shut(self, rooms: Sequence[Ints], keys: Sequence[Ints], shut: columns.Mask) -> None:
        among = self.known.candidates
        for cell, target in enumerate(among.targets):
            if shut[target]:
                for values in (*rooms, *keys):
                    values[among.slices[cell]] = 0

    def _given_to(self, variant: int) -> int:
        return sum(count for (_, build), count in self.given.items() if build == variant)

    def room_of_cells(self) -> list[int]:
        """Replicas that fit, by cell of the candidates, whichever their variant."""
        starts = self.known.candidates.starts[:-1]
        room: list[int] = np.add.reduceat(np.add.reduce(self.survey()[0]), starts).tolist()
        return room

    def bounds(self, *, soft: bool) -> list[spread_bounds.RowBound]:
        if not self.known.bounded:
            return []
        held = spread_bounds.Held(self.given, lambda: held_on_rows(self.where, self.demand.key))
        return spread_bounds.of(self.where, self.demand, self.known, held, self.closed, soft=soft)

    def _cells(
        self, rooms: Sequence[Ints], keys: Sequence[Ints], bounds: Sequence[spread_bounds.RowBound]
    ) -> cells_of.Cells:
        for each in bounds:
            if each.rows is not None:
                return cells_of.split(self.known.candidates, rooms, keys, bounds)
        return cells_of.of(self.known.candidates, rooms, bounds)

    def _share_out(self, wanted: int, cells: cells_of.Cells, bounds: list[spread_bounds.RowBound]) -> list[int]:
        """Replicas by cell."""
        divide = self.demand.ask.divide
        if bounds or divide is demand.Divide.WEIGHTED:
            found = [each.bound for each in bounds]
            return spread.fill(wanted, cells.room, cells.domains, found, self._claims(cells))
        got = [0] * len(cells.room)
        for places in cells.layout.steps:
            room = [cells.room[cell] for cell in places]
            if divide is demand.Divide.AGGREGATED:
                shares = self._together(wanted, [cells.layout.target[cell] for cell in places], room)
            elif self.given:
                party, of_parties = cells.layout.party, self._held(cells.layout)
                held = [of_parties[party[cell]] for cell in places]
                shares = scoring_divide.webster(wanted, _sums(room, held), room, held)
            else:
                shares = scoring_divide.webster(wanted, room, room)
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

    def _held(self, layout: candidates.Layout) -> list[int]:
        """What each party of the cells has."""
        return [self.given.get(party, 0) for party in layout.parties]

    def _claims(self, cells: cells_of.Cells) -> spread.Claims:
        """By the room of a target's variant, its weight, or one target after another; then by the strategy."""
        layout = cells.layout
        if self.demand.ask.divide is demand.Divide.WEIGHTED:
            return self._weighted_claims(layout)
        if self.demand.ask.divide is demand.Divide.AGGREGATED:
            used_first = self._order(layout.target, cells.room)
            places, none = [used_first[target] for target in layout.target], [0] * len(used_first)
            order = _in_order(layout, places, layout.variant)
            return spread.Claims(layout.tier, places, spread.places(order), none, [*none])
        held = self._held(layout)
        weight = [*held]
        for party, room in zip(layout.party, cells.room, strict=True):
            weight[party] += room
        place: Sequence[int] = range(len(cells.room))
        if layout.divided:  # else cells of a step lie by the names of their targets
            place = spread.places(_in_order(layout, self._names(layout), layout.variant))
        return spread.Claims(layout.tier, layout.party, place, weight, held)

    def _weighted_claims(self, layout: candidates.Layout) -> spread.Claims:
        number = {target: place for place, target in enumerate(dict.fromkeys(layout.target))}
        weights, held = dict(self.demand.ask.weights), [0] * len(number)
        for (target, _), count in self.given.items():
            if target in number:
                held[number[target]] += count
        order = _in_order(layout, self._names(layout), layout.tier, layout.variant)
        party = [number[target] for target in layout.target]
        weight = [weights.get(self.name(target), 0) for target in number]
        return spread.Claims([0] * len(order), party, spread.places(order), weight, held)

    def _names(self, layout: candidates.Layout) -> list[int]:
        """By cell, where its target stands by name."""
        place = {target: place for place, target in enumerate(self.known.statics.by_name)}
        return [place[target] for target in layout.target]

    def _to_nodes(
        self, cells: cells_of.Cells, counts: Sequence[int], rooms: Sequence[Ints], keys: Sequence[Ints]
    ) -> int:
        """Assume the replicas of cells on nodes; how many found one."""
        if self.demand.ask.strategy is demand.Strategy.BIN_PACK:
            return self._pack(cells, counts, rooms, keys)
        return sum(self._one_by_one(cells, cell, count, rooms) for cell, count in enumerate(counts) if count)

    def _pack(
        self, cells: cells_of.Cells, counts: Sequence[int], rooms: Sequence[Ints], keys: Sequence[Ints]
    ) -> int:
        """Fill the nodes of all cells, then deduct at once: no two cells share a node."""
        layout, rows, views_ = cells.layout, self.known.candidates.rows, self.known.variants
        lots: list[dict[ledger.Place, dict[int, int]]] = [{} for _ in views_]
        placed = 0
        for cell, count in enumerate(counts):
            if count:
                variant, target, at = layout.variant[cell], layout.target[cell], layout.places[cell]
                chosen = fullest(rows[at], rooms[variant][at], keys[variant][at], count)
                placed += self.note(target, variant, chosen)
                place, lot = views_[variant].place_at(target), lots[variant]
                lot[place] = lot[place] | chosen if place in lot else chosen
        for view, lot in zip(views_, lots, strict=True):
            self.where.assume_all(self.demand.key, view.requests, lot)
        return placed

    def _one_by_one(self, cells: cells_of.Cells, cell: int, count: int, rooms: Sequence[Ints]) -> int:
        target, variant, at = cells.layout.target[cell], cells.layout.variant[cell], cells.layout.places[cell]
        view, among = self.known.variants[variant], np.arange(len(rooms[variant]))[at]
        at = among[rooms[variant][at] > 0]  # without nodes that count for another variant
        place, rows = view.place_at(target), self._rows(at)
        chosen: dict[int, int] = {}
        for _ in range(count):
            keys = view.keys()[at]
            best = int(keys.argmax())
            if keys[best] <= 0:
                break
            row = int(rows[best])
            self.where.assume(self.demand.key, place, view.requests, {row: 1}, view.device(row))
            chosen[row] = chosen.get(row, 0) + 1
        return self.note(target, variant, chosen)

    def _rows(self, at: slice | Ints) -> Ints:
        return self.known.candidates.rows[at]

    def note(self, target: int, variant: int, chosen: dict[int, int]) -> int:
        """Count what was assumed; how many replicas it is."""
        place, placed = (target, variant), sum(chosen.values())
        self.given[place] = self.given.get(place, 0) + placed
        before = self.added.get(place)
        self.added[place] = (
            chosen if not before else {row: before.get(row, 0) + chosen.get(row, 0) for row in before | chosen}
        )
        return placed


def closed_targets(where: fleet.Fleet, one: demand.Demand, known: views.AskViews) -> columns.Mask:
    """By target: it takes nothing new for this demand."""
    shut = one.full | one.excluded | one.held | one.closed
    if not shut:
        return known.statics.shut
    return known.statics.shut | np.array([target.ref in shut for target in where.targets], np.bool_)


def held_on_rows(where: fleet.Fleet, workload: str) -> dict[int, int]:
    """Replicas of a workload by row, bound and assumed."""
    held: dict[int, int] = {}
    for book in (where.bound, where.assumed):
        for lot in book.places(workload).values():
            for row, count in lot.rows.items():
                held[row] = held.get(row, 0) + count
    return held


def _sums(left: Iterable[int], right: Iterable[int]) -> list[int]:
    return list(map(operator.add, left, right))


def _in_order(layout: candidates.Layout, *keys: Sequence[int]) -> list[int]:
    """The cells sorted by some keys, and then by the strategy."""
    by_cell = list(zip(*keys, (-rank for rank in layout.rank), strict=True))
    return sorted(range(len(by_cell)), key=by_cell.__getitem__)


def fullest(rows: Ints, room: Ints, keys: Ints, count: int) -> dict[int, int]:
    """Fill nodes one after another, the largest key first; replicas by row. So many must fit."""
    if count > _FEW:
        return _fullest_of_many(rows, room, keys, count)
    best = int(keys.argmax())
    fits = room.item(best)
    if fits >= count:
        return {rows.item(best): count}
    chosen: dict[int, int] = {}
    keys = keys.copy()
    while fits < count:
        chosen[rows.item(best)] = fits
        count -= fits
        keys[best] = 0
        best = int(keys.argmax())
        fits = room.item(best)
    chosen[rows.item(best)] = count
    return chosen


def _fullest_of_many(rows: Ints, room: Ints, keys: Ints, count: int) -> dict[int, int]:
    if len(rows) > 4 * count:
        best = np.argpartition(keys, len(keys) - count)[-count:]
        rows, room, keys = rows[best], room[best], keys[best]
    order = np.argsort(keys)[::-1]
    ends = np.cumsum(room[order])
    last = int(np.searchsorted(ends, count)) + 1
    counts = room[order][:last]
    if last <= len(ends) and ends[last - 1] > count:
        counts[-1] -= ends[last - 1] - count
    taken = counts > 0
    return dict(zip(rows[order][:last][taken].tolist(), counts[taken].tolist(), strict=True))
