"""Which line of a fleet's tables is whose resource, and what pods request of them.

A line is freed when nobody has or takes any of its resource, so that names that come and go do not make tables grow for
ever. Knows names and numbers of lines, not the tables.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

Requests = tuple[tuple[int, int], ...]  # (line of the resource, amount), by line, no zeros

BASE_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage", "pods")
CPU, MEMORY, EPHEMERAL, PODS = range(4)
LARGEST: Final = 2**52  # no node counts for more of anything (4 PiB), lest sums over a thousand pods overflow

_SLACK: Final = 32  # lines that may lie idle before it is worth asking which are
_MOST_PACKED: Final = 1 << 16  # requests that are remembered


class Lines:
    """`index`: the line of each resource."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {name: line for line, name in enumerate(BASE_RESOURCES)}
        self._spare: list[int] = []
        self._enough = len(self.index) + _SLACK
        self._packed: dict[tuple[tuple[str, int], ...], Requests] = {}

    def add(self, name: str) -> tuple[int, bool]:
        """A line for a new resource, and whether the tables must grow by it; an old one holds zeros."""
        grows = not self._spare
        line = self.index[name] = len(self.index) if grows else self._spare.pop()
        return line, grows

    def are_many(self) -> bool:
        """Whether it is worth asking which are used."""
        return len(self.index) > self._enough

    def keep(self, used: Collection[int]) -> None:
        """Free all lines but those used and those of the base resources."""
        for name, line in list(self.index.items()):
            if line >= len(BASE_RESOURCES) and line not in used:
                del self.index[name]
                self._spare.append(line)
        self._enough = 2 * len(self.index) + _SLACK
        self._packed.clear()

    def pack(self, requests: Mapping[str, int], line_of: Callable[[str], int]) -> Requests:
        """A pod's requests by line; one pod slot is added where none is named. No more than LARGEST and one counts."""
        key = tuple(sorted(requests.items()))
        packed = self._packed.get(key)
        if packed is None:
            if len(self._packed) >= _MOST_PACKED:
                self._packed.clear()
            amounts = {"pods": 1} | {name: amount for name, amount in key if amount}
            found = ((line_of(name), min(amount, LARGEST + 1)) for name, amount in amounts.items())
            packed = self._packed[key] = tuple(sorted(found))
        return packed
