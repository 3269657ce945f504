"""Which rows changed lately, for readers that catch up at their own pace."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIZE: Final = 1 << 14
_MASK: Final = SIZE - 1


class Journal:
    """A ring of row numbers. `head` counts all notes ever made; a reader remembers the head that it has seen."""

    __slots__ = ("_ring", "_view", "head")

    def __init__(self) -> None:
        # written twice, one ring's length apart, so that any stretch of it is one contiguous slice
        self._ring: NDArray[np.int64] = np.zeros(2 * SIZE, np.int64)
        self._view = self._ring.data
        self.head = 0

    def note(self, row: int) -> None:
        at = self.head & _MASK
        self._view[at] = row
        self._view[at + SIZE] = row
        self.head += 1

    def note_all(self, rows: NDArray[np.int64]) -> None:
        at, end = self.head & _MASK, (self.head & _MASK) + len(rows)
        if end <= SIZE:
            self._ring[at:end] = self._ring[at + SIZE : end + SIZE] = rows
            self.head += len(rows)
        else:
            for row in rows[-SIZE:].tolist():
                self.note(row)

    def since(self, seen: int, most: int) -> NDArray[np.int64] | None:
        """The rows noted after `seen`, repeats included; None where they are more than `most` or forgotten."""
        behind = self.head - seen
        if behind > most or behind > SIZE:
            return None
        at = seen & _MASK
        return self._ring[at : at + behind]
