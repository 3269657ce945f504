"""Bounds on how replicas lie over domains, and filling within them, one replica after another.

A domain is a target's district, a node, a zone inside one target. Filling is greedy in the order of preference, as
kube-scheduler is; under one bound on skew it places as many replicas as any way could.
"""

import heapq
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

NO_LIMIT: Final = 1 << 40

Claim = tuple[int, float, int, int]


@dataclass(slots=True)
class Bound:
    """One constraint, with the replicas that lie in its domains now. Domain -1 stands for nodes in none."""

    counts: list[int]  # by domain
    eligible: list[bool]  # by domain: counts for the least filled
    scope: list[int]  # by domain: skew is measured within a scope (0 for all, or a target of a template's bound)
    max_skew: int = 0  # 0: not bounded
    limits: list[int] = field(default_factory=list)  # by domain: the most it may ever hold; empty: no limit
    min_domains: int = 0  # domains that must be used before any is used twice
    least_domains: int = 0  # a template's minDomains: with fewer eligible, the least filled counts as empty
    optional: bool = False  # a node in no domain is not bound by it (anti-affinity); otherwise it takes nothing
    _within: dict[int, list[int]] = field(default_factory=dict)  # eligible domains by scope
    _least: dict[int, int] = field(default_factory=dict)
    _at_least: dict[int, int] = field(default_factory=dict)
    _ceiling: dict[int, int] = field(default_factory=dict)  # by scope: what a domain may hold now
    _used: int = 0

    def __post_init__(self) -> None:
        """Count what is there."""
        self._used = sum(1 for count in self.counts if count)
        self._within = {scope: [] for scope in self.scope}
        for domain, scope in enumerate(self.scope):
            if self.eligible[domain]:
                self._within[scope].append(domain)
        self.limits = [*(self.limits or [NO_LIMIT] * len(self.counts)), NO_LIMIT if self.optional else 0]
        self.counts, self.scope = [*self.counts, 0], [*self.scope, -1]
        self._least[-1], self._ceiling[-1] = 0, NO_LIMIT
        self._measure_all()

    def _measure_all(self) -> None:
        for scope in self._within:
            self._measure(scope)

    def _measure(self, scope: int) -> None:
        found = [self.counts[domain] for domain in self._within[scope]] if self.max_skew else []
        self._least[scope] = min(found, default=0) if len(found) >= self.least_domains else 0
        self._at_least[scope] = found.count(self._least[scope])
        self._ceiling[scope] = self._least[scope] + self.max_skew if self.max_skew else NO_LIMIT
        if self._used < self.min_domains:
            self._ceiling[scope] = 1

    def is_full(self, domain: int) -> bool:
        """For good: no one may lie there, whatever others get."""
        return self.counts[domain] >= self.limits[domain]

    def allows(self, domain: int) -> bool:
        """Whether one more may lie in a domain now."""
        count = self.counts[domain]
        return count < self._ceiling[self.scope[domain]] and count < self.limits[domain]

    def add(self, domain: int) -> bool:
        """One more lies in a domain; true where others may go on that had to wait."""
        count = self.counts[domain]
        self.counts[domain] = count + 1
        if count > self._least[self.scope[domain]]:  # neither the first nor one of the least filled
            return False
        return domain >= 0 and self._rises(domain, count)

    def _rises(self, domain: int, before: int) -> bool:
        if not before:
            self._used += 1
            if self._used == self.min_domains:
                self._measure_all()
                return True
        scope = self.scope[domain]
        if not self.max_skew or not self.eligible[domain] or before != self._least[scope]:
            return False
        self._at_least[scope] -= 1
        if self._at_least[scope] > 0:
            return False
        self._measure(scope)
        return self._least[scope] > before


@dataclass(frozen=True, slots=True)
class Claims:
    """Which cell is next: the smallest of (step, -weight / (2 x held + 1), place).

    Cells of one party count together: what one of them gets lowers the claims of all.
    """

    step: list[int]  # by cell
    party: list[int]  # by cell
    place: list[int]  # by cell: where it stands among equal ones
    weight: list[int]  # by party
    held: list[int]  # by party; grows
    shared: bool  # some party has several cells

    def of(self, cell: int) -> Claim:
        """The claim, and the cell."""
        party = self.party[cell]
        return (self.step[cell], -self.weight[party] / (2 * self.held[party] + 1), self.place[cell], cell)


def claims(
    step: list[int],
    parties: Sequence[Hashable],
    order: Sequence[int],
    weight: Mapping[Any, int],
    held: Mapping[Any, int],
) -> Claims:
    """`step` and `parties` by cell; `order`: the cells as equal ones are served; `weight` and `held` by party."""
    number = {party: place for place, party in enumerate(dict.fromkeys(parties))}
    place = [0] * len(order)
    for at, cell in enumerate(order):
        place[cell] = at
    return Claims(
        step=step,
        party=[number[party] for party in parties],
        place=place,
        weight=[weight.get(party, 0) for party in number],
        held=[held.get(party, 0) for party in number],
        shared=len(number) < len(order),
    )


def fill(
    replicas: int, room: Sequence[int], domains: Sequence[Sequence[int]], bounds: Sequence[Bound], claims: Claims
) -> list[int]:
    """Give up to `replicas` to cells, one by one to the smallest claim that the bounds allow.

    `room` by cell; `domains[b]` the domain of each cell under bound b. Returns what each cell gets.
    """
    got = [0] * len(room)
    queue = [claims.of(cell) for cell, most in enumerate(room) if most > 0]
    heapq.heapify(queue)
    checks = [(bound, of_cell, list[int]()) for bound, of_cell in zip(bounds, domains, strict=True)]
    left = replicas
    while left and queue:
        cell = queue[0][-1]
        if claims.shared and claims.of(cell) != queue[0]:  # others of the same party got some since
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


def _may_go(cell: int, checks: Sequence[tuple[Bound, Sequence[int], list[int]]]) -> bool:
    """Whether all bounds allow one more; a cell that must wait for others is noted with the first that does not."""
    for bound, of_cell, waiting in checks:
        if not bound.allows(of_cell[cell]):
            if not bound.is_full(of_cell[cell]):
                waiting.append(cell)
            return False
    return True
