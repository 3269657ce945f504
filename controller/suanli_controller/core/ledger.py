"""Replicas by workload, target, variant and node: those that are bound, and those that are assumed.

Nothing here refers back to what holds it, so the garbage collector need not look at hundreds of thousands of entries.
"""

from collections.abc import Iterable, Iterator

import msgspec

Requests = tuple[tuple[int, int], ...]


class Place(msgspec.Struct, frozen=True, gc=False):
    """A (target, variant) of one workload; the target by its index in the fleet."""

    target: int
    variant: str


class Lot(msgspec.Struct, gc=False):
    """Replicas of one place that all request the same."""

    requests: Requests
    rows: dict[int, int]
    count: int  # of all rows


def replicas(lot: Lot | None) -> int:
    """How many a lot has; none where there is no lot."""
    return lot.count if lot else 0


class Ledger:
    """workload -> place -> row -> replicas. Counts only; the fleet deducts."""

    __slots__ = ("_lots",)

    def __init__(self) -> None:
        self._lots: dict[str, dict[Place, Lot]] = {}

    def places(self, workload: str) -> dict[Place, Lot]:
        return self._lots.get(workload, {})

    def add(
        self, workload: str, place: Place, requests: Requests, rows: dict[int, int]
    ) -> list[tuple[Requests, int, int]]:
        """Add replicas. Returns those (requests, row, replicas) that had to go: they requested otherwise."""
        lots = self._lots.setdefault(workload, {})
        lot = lots.get(place)
        if lot is None:
            lots[place] = Lot(requests, dict(rows), sum(rows.values()))
            return []
        stale = [] if lot.requests == requests else [(lot.requests, row, count) for row, count in lot.rows.items()]
        if stale:
            lot = lots[place] = Lot(requests, {}, 0)
        for row, count in rows.items():
            lot.rows[row] = lot.rows.get(row, 0) + count
            lot.count += count
        return stale

    def add_first(self, workload: str, place: Place, requests: Requests, row: int) -> bool:
        """One replica of a workload that has none here; false, and nothing done, where it has some."""
        if workload in self._lots:
            return False
        self._lots[workload] = {place: Lot(requests, {row: 1}, 1)}
        return True

    def take(self, workload: str, place: Place, row: int = -1) -> tuple[Requests, int] | None:
        """Remove one replica, from `row` where there is one, else the one added last; its requests and its row."""
        lots = self._lots.get(workload)
        lot = lots.get(place) if lots else None
        if lots is None or lot is None:
            return None
        chosen = row if row in lot.rows else next(reversed(lot.rows))
        lot.count -= 1
        if lot.rows[chosen] > 1:
            lot.rows[chosen] -= 1
        else:
            del lot.rows[chosen]
        if not lot.rows:
            del lots[place]
            if not lots:
                del self._lots[workload]
        return lot.requests, chosen

    def remove(self, workload: str) -> Iterable[Lot]:
        """Remove all replicas of a workload; what they were."""
        return self._lots.pop(workload, {}).values()

    def on_row(self, row: int) -> Iterator[tuple[str, Place]]:
        """Each replica on a row. Walks over everything: for nodes that go, not for decisions."""
        for workload, lots in list(self._lots.items()):
            for place, lot in list(lots.items()):
                for _ in range(lot.rows.get(row, 0)):
                    yield workload, place

    def copy_of(self, workload: str) -> dict[Place, tuple[Requests, dict[int, int]]]:
        return {place: (lot.requests, dict(lot.rows)) for place, lot in self.places(workload).items()}

    def all(self) -> Iterator[tuple[Requests, int, int]]:
        """Every lot: requests, row, replicas."""
        for lots in self._lots.values():
            for lot in lots.values():
                for row, count in lot.rows.items():
                    yield lot.requests, row, count

    def total(self) -> int:
        return sum(replicas(lot) for lots in self._lots.values() for lot in lots.values())
