"""The nodes as columns: a question about 50,000 of them is a few passes over arrays, and a node takes some 200
bytes.

Rows come in as they are in the view and go out as they came in; between, text that many share is held once.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import quantity
from suanli_controller.view import model

Rows = NDArray[np.int64]
Kind = Literal["allocatable", "capacity", "requested"]

_KINDS: tuple[Kind, ...] = ("allocatable", "capacity", "requested")
_ABSENT = -1  # of an amount or a time; both are 0 or more where they are told
_FIRST_ROOM = 1024
_COLUMNS = ("cpu", "memory", "ephemeral-storage", "pods")  # what every node has; the rest, few have, by row


class Shape(NamedTuple):
    """What many nodes have in common."""

    class_key: str
    isa_level: str
    page_size_kib: int
    os_image: str
    kernel: str
    kubelet: str


class Fleet:
    """Nodes by target and name. A row number is good until the next change."""

    def __init__(self) -> None:
        self.names: list[str] = []  # by row
        self.targets: list[str] = []  # every target that ever had a node
        self.shapes: list[Shape] = []
        self._rows: dict[str, dict[str, int]] = {}  # by target, then name
        self._sorted: dict[str, Rows] = {}  # the rows of a target by name; absent after a node came or went
        self._name_ranks: Rows | None = None  # by row; as `_sorted`, made when it is asked for
        self._free: list[int] = []
        self._shape_numbers: dict[Shape, int] = {}
        self._target_numbers: dict[str, int] = {}
        self._round = 0
        self._columns: dict[str, NDArray[Any]] = {
            "target": np.zeros(_FIRST_ROOM, np.int32),
            "shape": np.zeros(_FIRST_ROOM, np.int32),
            "round": np.zeros(_FIRST_ROOM, np.int32),
            "ready": np.zeros(_FIRST_ROOM, np.bool_),
            "cordoned": np.zeros(_FIRST_ROOM, np.bool_),
            "created": np.zeros(_FIRST_ROOM, np.int64),
            "certificate_expires": np.zeros(_FIRST_ROOM, np.int64),
            "accelerators": np.zeros(_FIRST_ROOM, np.int64),
        }
        self._amounts: dict[Kind, dict[str, NDArray[np.int64]]] = {
            kind: {name: np.full(_FIRST_ROOM, _ABSENT, np.int64) for name in _COLUMNS} for kind in _KINDS
        }
        # By row. Columns would be as many as the names that boxes think of, and outlive them.
        self._others: dict[Kind, dict[int, model.Resources]] = {kind: {} for kind in _KINDS}

    def __len__(self) -> int:
        return len(self.names) - len(self._free)

    # --- what the stream tells

    def put(self, node: model.Node) -> None:
        """Hold a node, replacing the one of the same target and name."""
        row = self._row_of(node.target, node.name)
        columns = self._columns
        columns["shape"][row] = self._shape_number(node)
        columns["round"][row] = self._round
        columns["ready"][row] = node.ready
        columns["cordoned"][row] = node.cordoned
        columns["created"][row] = node.created
        expires = node.certificate_expires
        columns["certificate_expires"][row] = _ABSENT if expires is None else expires
        columns["accelerators"][row] = accelerators(node.allocatable)
        for kind in _KINDS:
            self._put_amounts(kind, row, getattr(node, kind))

    def _put_amounts(self, kind: Kind, row: int, amounts: model.Resources) -> None:
        for name, column in self._amounts[kind].items():
            column[row] = amounts.get(name, _ABSENT)
        others = {sys.intern(name): value for name, value in amounts.items() if name not in _COLUMNS}
        if others:
            self._others[kind][row] = others
        else:
            self._others[kind].pop(row, None)

    def drop(self, target: str, name: str) -> None:
        """Forget a node; one that is not held is no error."""
        rows = self._rows.get(target, {})
        row = rows.pop(name, None)
        if row is None:
            return
        self._free.append(row)
        for others in self._others.values():
            others.pop(row, None)
        self.names[row] = ""
        self._unsort(target)
        if not rows:
            del self._rows[target]

    def begin_round(self) -> None:
        """From now on `put` marks what is told in this round."""
        self._round += 1

    def keep_round(self) -> None:
        """Forget what was not told since `begin_round`."""
        told = self._columns["round"] == self._round
        for target, rows in list(self._rows.items()):
            for name in [name for name, row in rows.items() if not told[row]]:
                self.drop(target, name)

    def _row_of(self, target: str, name: str) -> int:
        rows = self._rows.setdefault(target, {})
        row = rows.get(name)
        if row is None:
            row = rows[name] = self._new_row(name)
            self._unsort(target)
            self._columns["target"][row] = self._target_number(target)
        return row

    def _unsort(self, target: str) -> None:
        self._sorted.pop(target, None)
        self._name_ranks = None

    def _new_row(self, name: str) -> int:
        if self._free:
            row = self._free.pop()
            self.names[row] = name
            return row
        self.names.append(name)
        if len(self.names) > self._room:
            self._grow(self._room * 3 // 2)
        return len(self.names) - 1

    @property
    def _room(self) -> int:
        return len(self._columns["target"])

    def _grow(self, room: int) -> None:
        for held in (self._columns, *self._amounts.values()):
            for name, column in held.items():
                wider = np.full(room, _ABSENT, column.dtype)
                wider[: len(column)] = column
                held[name] = wider

    def _shape_number(self, node: model.Node) -> int:
        shape = Shape(node.class_key, node.isa_level, node.page_size_kib, node.os_image, node.kernel, node.kubelet)
        return _number(self._shape_numbers, self.shapes, shape)

    def _target_number(self, target: str) -> int:
        return _number(self._target_numbers, self.targets, target)

    # --- what is asked

    def held_targets(self) -> Iterable[str]:
        """The targets that have nodes now."""
        return self._rows.keys()

    def in_order(self, targets: Iterable[str]) -> Rows:
        """The rows of these targets, in their order, each target's by name."""
        parts = [self._by_name(target) for target in targets if target in self._rows]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _by_name(self, target: str) -> Rows:
        found = self._sorted.get(target)
        if found is None:
            rows = self._rows[target]
            found = self._sorted[target] = np.array([rows[name] for name in sorted(rows)], np.int64)
        return found

    def name_ranks(self, rows: Rows) -> Rows:
        """The place of each row's name among all names."""
        if self._name_ranks is None:
            self._name_ranks = ranks(self.names)
        return self._name_ranks[rows]

    def class_ranks(self, rows: Rows) -> Rows:
        """The place of each row's class among all classes."""
        numbers: Rows = self._columns["shape"][rows]
        return ranks([shape.class_key for shape in self.shapes])[numbers]

    def named(self, target: str, names: Iterable[str]) -> Rows:
        """The rows of these nodes of a target, but of those that are no more."""
        rows = self._rows.get(target, {})
        return np.array([rows[name] for name in names if name in rows], np.int64)

    def column(self, name: str, rows: Rows) -> NDArray[Any]:
        """Of `rows`: target or shape (their numbers), ready, cordoned, created, accelerators (allocatable)."""
        chosen: NDArray[Any] = self._columns[name][rows]
        return chosen

    def amount(self, kind: Kind, resource: str, rows: Rows) -> Rows:
        """How much cpu, memory, ephemeral-storage or pods each of `rows` has; 0 where it has none."""
        return np.maximum(self._amounts[kind][resource][rows], 0)

    def where_shape(self, matches: Callable[[Shape], bool], rows: Rows) -> Rows:
        """Those of `rows` whose shape matches; each shape is asked once."""
        good = np.array([matches(shape) for shape in self.shapes], np.bool_)
        chosen: Rows = rows[good[self._columns["shape"][rows]]]
        return chosen

    def nodes(self, rows: Rows) -> Iterator[model.Node]:
        """The rows as the view told them."""
        columns = {name: column[rows].tolist() for name, column in self._columns.items()}
        amounts = [self._amounts_of(kind, rows) for kind in _KINDS]
        for i, row in enumerate(rows.tolist()):
            expires = columns["certificate_expires"][i]
            yield model.Node(
                target=self.targets[columns["target"][i]],
                name=self.names[row],
                **self.shapes[columns["shape"][i]]._asdict(),
                ready=columns["ready"][i],
                cordoned=columns["cordoned"][i],
                allocatable=amounts[0][i],
                capacity=amounts[1][i],
                requested=amounts[2][i],
                certificate_expires=None if expires == _ABSENT else expires,
                created=columns["created"][i],
            )

    def _amounts_of(self, kind: Kind, rows: Rows) -> list[model.Resources]:
        found: list[model.Resources] = [{} for _ in range(len(rows))]
        for name, column in self._amounts[kind].items():
            for amounts, value in zip(found, column[rows].tolist(), strict=True):
                if value != _ABSENT:
                    amounts[name] = value
        for amounts, row in zip(found, rows.tolist(), strict=True):
            amounts.update(self._others[kind].get(row, ()))
        return found


def accelerators(resources: model.Resources) -> int:
    """How many accelerators there are among them, of any sort: extended resources, as accelerators are."""
    return min(sum(amount for name, amount in resources.items() if "/" in name), quantity.MAX_TOTAL)


def ranks(texts: list[str]) -> Rows:
    """The place of each text among all, in their order; equal ones share it."""
    places = {text: number for number, text in enumerate(sorted(set(texts)))}
    return np.fromiter((places[text] for text in texts), np.int64, len(texts))


def _number(numbers: dict[Any, int], values: list[Any], value: object) -> int:
    number = numbers.get(value)
    if number is None:
        number = numbers[value] = len(values)
        values.append(value)
    return number
