"""Bounds on how replicas lie over domains, and filling within them, one replica after another.

A domain is a target's district, a node, a zone inside one target. Filling is greedy in the order of preference, as
kube-scheduler is; under one bound on skew it places as many replicas as any way could.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Claim = tuple[float, ...]


@dataclass(slots=True)
class Bound:
    """One constraint, with the replicas that lie in its domains now."""

    counts: list[int]  # by domain
    eligible: list[bool]  # by domain: counts for the least filled
    scope: list[int]  # by domain: skew is measured within a scope (0 for all, or a target of a template's bound)
    max_skew: int = 0  # 0: not bounded
    limits: list[int] | None = None  # by domain: the most it may hold
    min_domains: int = 0  # domains that must be used before any is used twice
    least_domains: int = 0  # a template's minDomains: with fewer eligible, the least filled counts as empty
    optional: bool = False  # a node in no domain is not bound by it (anti-affinity); otherwise it takes nothing
    _within: dict[int, list[int]] = field(default_factory=dict)  # eligible domains by scope
    _least: dict[int, int] = field(default_factory=dict)
    _at_least: dict[int, int] = field(default_factory=dict)
    _used: int = 0

    def start(self) -> None:
        """Count what is there."""
        self._used = sum(1 for count in self.counts if count)
        self._within = {scope: [] for scope in self.scope}
        for domain, scope in enumerate(self.scope):
            if self.eligible[domain]:
                self._within[scope].append(domain)
        for scope in self._within:
            self._measure(scope)

    def _measure(self, scope: int) -> None:
        found = [self.counts[domain] for domain in self._within[scope]]
        self._least[scope] = min(found, default=0) if len(found) >= self.least_domains else 0
        self._at_least[scope] = found.count(self._least[scope])

    def verdict(self, domain: int) -> str:
        """Whether one more may lie in a domain: `yes`, `never`, or `later`: when other domains have more."""
        if domain < 0:
            return "yes" if self.optional else "never"
        count = self.counts[domain]
        if self.limits is not None and count >= self.limits[domain]:
            return "never"
        if count and self._used < self.min_domains:
            return "later"
        if self.max_skew and count >= self.max_skew + self._least[self.scope[domain]]:
            return "later"
        return "yes"

    def add(self, domain: int) -> bool:
        """One more lies in a domain; true where others may go on that had to wait."""
        if domain < 0:
            return False
        count = self.counts[domain]
        self.counts[domain] = count + 1
        opened = False
        if not count:
            self._used += 1
            opened = self._used == self.min_domains
        scope = self.scope[domain]
        if self.max_skew and self.eligible[domain] and count == self._least[scope]:
            self._at_least[scope] -= 1
            if self._at_least[scope] <= 0:
                before = self._least[scope]
                self._measure(scope)
                opened = opened or self._least[scope] > before
        return opened


def fill(
    replicas: int,
    room: Sequence[int],
    domains: Sequence[Sequence[int]],
    bounds: Sequence[Bound],
    claim: Callable[[int, int], Claim],
) -> list[int]:
    """Give up to `replicas` to cells, one by one to the smallest claim that the bounds allow.

    `room` by cell; `domains[b]` the domain of each cell under bound b; `claim(cell, got)` may only grow as cells
    get more. Returns what each cell gets.
    """
    got = [0] * len(room)
    queue = [(claim(cell, 0), cell) for cell, most in enumerate(room) if most > 0]
    heapq.heapify(queue)
    waiting: list[list[int]] = [[] for _ in bounds]
    left = replicas
    while left and queue:
        known, cell = queue[0]
        now = claim(cell, got[cell])
        if now != known:  # others of the same target got some since
            heapq.heapreplace(queue, (now, cell))
            continue
        blocker, verdict = _blocker(cell, domains, bounds)
        if verdict != "yes":
            heapq.heappop(queue)
            if verdict == "later":
                waiting[blocker].append(cell)
            continue
        got[cell] += 1
        left -= 1
        if got[cell] < room[cell]:
            heapq.heapreplace(queue, (claim(cell, got[cell]), cell))
        else:
            heapq.heappop(queue)
        for index, bound in enumerate(bounds):
            if bound.add(domains[index][cell]):
                for other in waiting[index]:
                    heapq.heappush(queue, (claim(other, got[other]), other))
                waiting[index].clear()
    return got


def _blocker(cell: int, domains: Sequence[Sequence[int]], bounds: Sequence[Bound]) -> tuple[int, str]:
    for index, bound in enumerate(bounds):
        verdict = bound.verdict(domains[index][cell])
        if verdict != "yes":
            return index, verdict
    return -1, "yes"
