"""Bounds on how replicas lie over domains, and filling within them, one replica after another.

A domain is a target's district, a node, a zone inside one target. Filling is greedy in the order of preference, as
kube-scheduler is; under one bound on skew it places as many replicas as any way could.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

NO_LIMIT: Final = 1 << 40

Claim = tuple[int, float, int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """Domains, whatever lies in them; bounds may share it."""

    eligible: list[bool]  # by domain: counts for the least filled
    scope: list[int]  # by domain, and of domain -1: skew is measured within a scope (0 for all, or a target's)
    within: dict[int, list[int]]  # eligible domains by scope


def frame(eligible: list[bool], scope: Sequence[int]) -> Frame:
    """Both by domain."""
    within: dict[int, list[int]] = {each: [] for each in scope}
    for domain, each in enumerate(scope):
        if eligible[domain]:
            within[each].append(domain)
    return Frame(eligible, [*scope, -1], within)


class Bound:
    """One constraint, with the replicas that lie in its domains now. Domain -1 stands for nodes in none."""

    __slots__ = (
        "_at_least",
        "_ceiling",
        "_least",
        "_used",
        "counts",
        "frame",
        "least_domains",
        "limits",
        "max_skew",
        "min_domains",
    )

    def __init__(
        self,
        counts: list[int],
        frame: Frame,
        *,
        max_skew: int = 0,
        limits: list[int] | None = None,
        min_domains: int = 0,
        least_domains: int = 0,
        optional: bool = False,
    ) -> None:
        """`counts` by domain.

        `max_skew` 0: not bounded. `limits`, by domain: the most it may ever hold; None: no limit. `min_domains` must be
        used before any is used twice. `least_domains`, a template's minDomains: with fewer eligible, the least filled
        counts as empty. `optional`: a node in no domain is not bound (anti-affinity); otherwise it takes nothing.
        """
        self.frame, self.max_skew = frame, max_skew
        self.min_domains, self.least_domains = min_domains, least_domains
        self._used = len(counts) - counts.count(0)
        self.limits = [*(limits or [NO_LIMIT] * len(counts)), NO_LIMIT if optional else 0]
        self.counts = [*counts, 0]
        self._at_least: dict[int, int] = {}
        self._least = {-1: 0}
        self._ceiling = {-1: NO_LIMIT}  # by scope: what a domain may hold now
        self._measure_all()

    def _measure_all(self) -> None:
        for scope in self.frame.within:
            self._measure(scope)

    def _measure(self, scope: int) -> None:
        counts = self.counts
        found = [counts[domain] for domain in self.frame.within[scope]] if self.max_skew else []
        least = min(found) if found and len(found) >= self.least_domains else 0
        self._least[scope] = least
        self._at_least[scope] = found.count(least)
        if self._used < self.min_domains:
            self._ceiling[scope] = 1
        else:
            self._ceiling[scope] = least + self.max_skew if self.max_skew else NO_LIMIT

    def is_full(self, domain: int) -> bool:
        """For good: no one may lie there, whatever others get."""
        return self.counts[domain] >= self.limits[domain]

    def allows(self, domain: int) -> bool:
        """Whether one more may lie in a domain now."""
        count = self.counts[domain]
        return count < self._ceiling[self.frame.scope[domain]] and count < self.limits[domain]

    def add(self, domain: int) -> bool:
        """One more lies in a domain; true where others may go on that had to wait."""
        count = self.counts[domain]
        self.counts[domain] = count + 1
        if count > self._least[self.frame.scope[domain]]:  # neither the first nor one of the least filled
            return False
        return domain >= 0 and self._rises(domain, count)

    def _rises(self, domain: int, before: int) -> bool:
        if not before:
            self._used += 1
            if self._used == self.min_domains:
                self._measure_all()
                return True
        scope = self.frame.scope[domain]
        if not self.max_skew or not self.frame.eligible[domain] or before != self._least[scope]:
            return False
        self._at_least[scope] -= 1
        if self._at_least[scope] > 0:
            return False
        self._measure(scope)
        return self._least[scope] > before


Check = tuple[
    Bound, Sequence[int], list[int]
]  # a bound, the domain of each cell under it, the cells that wait for it


class Claims(NamedTuple):
    """Which cell is next: the smallest of (step, -weight / (2 x held + 1), place).

    Cells of one party count together: what one of them gets lowers the claims of all.
    """

    step: list[int]  # by cell
    party: list[int]  # by cell
    place: Sequence[int]  # by cell: where it stands among equal ones
    weight: list[int]  # by party
    held: list[int]  # by party; grows

    def of(self, cell: int) -> Claim:
        """The claim, and the cell."""
        party = self.party[cell]
        return (self.step[cell], -self.weight[party] / (2 * self.held[party] + 1), self.place[cell], cell)

    def of_all(self, room: Sequence[int]) -> list[Claim]:
        """The claims of the cells with room."""
        weight, held = self.weight, self.held
        return [
            (step, -weight[party] / (2 * held[party] + 1), place, cell)
            for cell, (most, step, party, place) in enumerate(
                zip(room, self.step, self.party, self.place, strict=True)
            )
            if most
        ]


def places(order: Sequence[int]) -> list[int]:
    """By cell, where it stands in an order of the cells."""
    place = list(order)
    for at, cell in enumerate(order):
        place[cell] = at
    return place


def fill(
    replicas: int, room: Sequence[int], domains: Sequence[Sequence[int]], bounds: Sequence[Bound], claims: Claims
) -> list[int]:
    """Give up to `replicas` to cells, one by one to the smallest claim that the bounds allow.

    `room` by cell; `domains[b]` the domain of each cell under bound b. Returns what each cell gets.
    """
    got = [0] * len(room)
    queue = claims.of_all(room)
    if replicas == 1:
        cell = _first(queue, domains, bounds)
        if cell is not None:
            got[cell] = 1
        return got
    heapq.heapify(queue)
    checks: list[Check] = [(bound, of_cell, []) for bound, of_cell in zip(bounds, domains, strict=True)]
    left, shared = replicas, len(claims.weight) < len(room)  # shared: some party has several cells
    while left and queue:
        cell = queue[0][-1]
        if shared and claims.of(cell) != queue[0]:  # others of the same party got some since
            heapq.heapreplace(queue, claims.of(cell))
            continue
        if not _may_go(cell, checks):
            heapq.heappop(queue)
            continue
        got[cell] += 1
        left -= 1
        claims.held[claims.party[cell]] += 1
        if got[cell] < room[cell]:
            heapq.heapreplace(queue, claims.of(cell))
        else:
            heapq.heappop(queue)
        for bound, of_cell, waiting in checks:
            if bound.add(of_cell[cell]):
                for other in waiting:
                    heapq.heappush(queue, claims.of(other))
                waiting.clear()
    return got


def _first(queue: list[Claim], domains: Sequence[Sequence[int]], bounds: Sequence[Bound]) -> int | None:
    """The cell with the smallest claim that all bounds allow."""
    queue.sort()
    for claim in queue:
        cell = claim[-1]
        for bound, of_cell in zip(bounds, domains, strict=True):
            if not bound.allows(of_cell[cell]):
                break
        else:
            return cell
    return None


def _may_go(cell: int, checks: Sequence[Check]) -> bool:
    """Whether all bounds allow one more; a cell that must wait for others is noted with the first that does not."""
    for bound, of_cell, waiting in checks:
        if not bound.allows(of_cell[cell]):
            if not bound.is_full(of_cell[cell]):
                waiting.append(cell)
            return False
    return True
