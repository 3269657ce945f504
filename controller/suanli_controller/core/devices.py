"""Accelerators one by one, for replicas that take a share of one: a thousandth part of a device is a milli.

Made only when a share is first asked for; until then whole devices are counted like any resource. A node's devices are
those of its first accelerator resource by name. Whole devices are taken from the first that are untouched.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

WHOLE: Final = 1000  # milli of an untouched device
MOST: Final = 16  # devices of a node that are told apart; what is beyond is not offered

Milli = NDArray[np.int64]


def share_name(resource: str) -> str:
    """The made-up resource whose free amount on a node is the largest free part of one device."""
    return f"{resource} share"


class Devices:
    """`milli[row, device]` is free; a device that is not there has none."""

    def __init__(self, capacity: int) -> None:
        self.milli: Milli = np.zeros((capacity, MOST), np.int64)
        self._count: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self._taken: dict[tuple[int, int, bool], list[tuple[int, ...]]] = {}

    def grow(self, capacity: int) -> None:
        more = capacity - len(self._count)
        self.milli = np.pad(self.milli, ((0, more), (0, 0)))
        self._count = np.pad(self._count, (0, more))

    def resize(self, row: int, count: int) -> None:
        """The node has `count` devices now: new ones are untouched, those taken away are gone."""
        count = min(max(count, 0), MOST)
        known = int(self._count[row])
        self.milli[row, known:count] = WHOLE
        self.milli[row, count:] = 0
        self._count[row] = count

    def change(self, row: int, asked: Iterable[tuple[int, bool]], count: int, device: int = -1) -> None:
        """Take for `count` replicas, or give back where it is below 0, each (amount, whether it is a share)."""
        for amount, share in asked:
            for _ in range(abs(count)):
                if count > 0:
                    self.take(row, amount, share=share, device=device)
                else:
                    self.give(row, amount, share=share)

    def take(self, row: int, amount: int, *, share: bool, device: int = -1) -> None:
        """Take `amount` whole devices, or a share of `amount` milli from `device`, by default the tightest."""
        free = self.milli[row]
        if not share:
            chosen = tuple(np.flatnonzero(free == WHOLE)[:amount].tolist())
            free[list(chosen)] = 0
        else:
            chosen = (device if device >= 0 else self.tightest(row, amount),)
            free[chosen[0]] -= amount
        self._taken.setdefault((row, amount, share), []).append(chosen)

    def give(self, row: int, amount: int, *, share: bool) -> None:
        """Take back what was given last for such an amount: replicas that ask alike stand for each other."""
        stack = self._taken.get((row, amount, share))
        for device in stack.pop() if stack else ():
            self.milli[row, device] += amount if share else WHOLE
        if not stack:
            self._taken.pop((row, amount, share), None)

    def tightest(self, row: int, amount: int) -> int:
        """The device on which the least is left over; the first of equal ones."""
        free = self.milli[row]
        return int(np.where(free >= amount, free, WHOLE + 1).argmin())

    def untouched(self, row: int) -> int:
        return int((self.milli[row] == WHOLE).sum())

    def largest(self, row: int) -> int:
        return int(self.milli[row].max())
