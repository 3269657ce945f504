"""How full nodes are: the mean of the used parts of cores, memory and accelerators, by node or for many at once.

Both ways add up in the same order, so that they round alike: a rank must not depend on how it was reached.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import ranking

_SCALE: Final = float(ranking.SCALE)
_MOST: Final = np.array(_SCALE - 1)  # numpy is quickest with arrays of no dimension

Ints = NDArray[np.int64]
Weights = tuple[tuple[int, float], ...]  # (index of the resource, score of one unit of it), by index


class Fullness:
    """Weights by row. A score is SCALE less the weighted free amounts, of which no node has more than it can give.

    The score of an empty node may round to a trace below 0, which is cut off.
    """

    def __init__(self, resources: int, capacity: int) -> None:
        self.weights: list[Weights] = []  # by row, shared by nodes of one size
        self._known: dict[Weights, Weights] = {}
        self._table: NDArray[np.float64] = np.zeros((resources, capacity))  # the same, by resource and row

    def weigh(self, row: int, amounts: Mapping[int, int]) -> None:
        """The node has such amounts of the resources that count for it, none of them 0."""
        weights = tuple(
            sorted((index, ranking.SCALE / (amount * len(amounts))) for index, amount in amounts.items())
        )
        self.weights[row] = self._known.setdefault(weights, weights)
        self._table[:, row] = 0
        for index, weight in weights:
            self._table[index, row] = weight

    def of(self, row: int, free: Sequence[memoryview]) -> int:
        """From 0 to SCALE - 1."""
        score = _SCALE
        for index, weight in self.weights[row]:
            score -= free[index][row] * weight
        return int(score) if score < _SCALE else ranking.SCALE - 1

    def of_many(self, rows: Ints, free: Ints) -> Ints:
        """The same for `free`, by resource and place in `rows`."""
        parts = free * self._table.take(rows, 1)
        score = np.subtract.reduce(parts, 0, initial=_SCALE)  # one after another, as `of` does
        fill: Ints = np.minimum(score, _MOST).astype(np.int64)
        return fill

    def add_resource(self) -> None:
        self._table = np.concatenate([self._table, np.zeros((1, self._table.shape[1]))])

    def grow(self, capacity: int) -> None:
        self._table = np.pad(self._table, ((0, 0), (0, capacity - self._table.shape[1])))
