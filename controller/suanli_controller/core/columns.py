"""Facts of nodes as arrays of small integers, so that a constraint is checked for all nodes at once.

A column holds one code for each row (a node's place in the fleet's arrays). Knows nothing of placements.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]

ABSENT: Final = -1


class Column:
    """One fact. Values are counted through in the order in which they were first seen, and never forgotten."""

    __slots__ = ("codes", "index", "values")

    def __init__(self, capacity: int) -> None:
        self.codes: Codes = np.full(capacity, ABSENT, np.int32)
        self.index: dict[Hashable, int] = {}
        self.values: list[Hashable] = []

    def grow(self, capacity: int) -> None:
        more = np.full(capacity - len(self.codes), ABSENT, np.int32)
        self.codes = np.concatenate([self.codes, more])

    def code(self, value: Hashable) -> int:
        found = self.index.get(value)
        if found is None:
            found = self.index[value] = len(self.values)
            self.values.append(value)
        return found

    def put(self, row: int, value: Hashable | None) -> None:
        self.codes[row] = ABSENT if value is None else self.code(value)

    def among(self, wanted: Iterable[Hashable], rows: int) -> Mask:
        """Rows below `rows` whose value is one of `wanted`."""
        codes = [self.index[each] for each in wanted if each in self.index]
        if len(codes) == 1:
            return np.asarray(self.codes[:rows] == codes[0])
        return np.isin(self.codes[:rows], codes)

    def where(self, holds: Callable[[Hashable], bool], rows: int, *, absent: bool = False) -> Mask:
        """Rows whose value satisfies `holds`, which is called once for each distinct value."""
        answers = np.fromiter((holds(each) for each in self.values), np.bool_, len(self.values))
        return np.append(answers, absent)[self.codes[:rows]]

    def present(self, rows: int) -> Mask:
        return np.asarray(self.codes[:rows] >= 0)


class Labels:
    """The labels of every node, packed: interned pairs, four bytes each. Columns are made for keys asked for."""

    def __init__(self, capacity: int) -> None:
        self._pairs = Column(0)
        self._packed: list[bytes] = [b""] * capacity
        self._columns: dict[str, Column] = {}
        self._keys: dict[str, list[int]] = {}  # pair codes by key

    def grow(self, capacity: int) -> None:
        self._packed.extend([b""] * (capacity - len(self._packed)))
        for column in self._columns.values():
            column.grow(capacity)

    def put(self, row: int, labels: Iterable[tuple[str, str]]) -> None:
        """Replace the labels of a row."""
        held = dict(labels)
        codes = np.fromiter((self._pair(each) for each in held.items()), np.int32, len(held))
        self._packed[row] = codes.tobytes()
        for key, column in self._columns.items():
            column.put(row, held.get(key))

    def _pair(self, pair: tuple[str, str]) -> int:
        known = len(self._pairs.values)
        code = self._pairs.code(pair)
        if code == known:
            self._keys.setdefault(pair[0], []).append(code)
        return code

    def column(self, key: str) -> Column:
        """The values of one label; made on first use, then kept up to date by `put`."""
        if key not in self._columns:
            self._columns[key] = self._build(key)
        return self._columns[key]

    def _build(self, key: str) -> Column:
        column = Column(len(self._packed))
        counts = np.fromiter((len(each) // 4 for each in self._packed), np.int64, len(self._packed))
        pairs = np.frombuffer(b"".join(self._packed), np.int32)
        rows = np.repeat(np.arange(len(counts)), counts)
        wanted = self._keys.get(key, [])
        value_of = np.full(len(self._pairs.values) + 1, ABSENT, np.int32)
        for code in wanted:
            pair = self._pairs.values[code]
            assert isinstance(pair, tuple)  # noqa: S101 - for the type checker: pairs are all that this column holds
            value_of[code] = column.code(pair[1])
        values = value_of[pairs]
        held = values != ABSENT
        column.codes[rows[held]] = values[held]
        return column
