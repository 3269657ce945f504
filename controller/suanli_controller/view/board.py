"""What the leader knows, as tables of rows that remember which changed since the last tick.

Pure bookkeeping: no sockets, no clock. `put` of an equal row costs a comparison and changes nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from suanli_controller.view import model

TABLES = ("clouds", "sites", "nodes", "workloads", "algorithms")
ROWS_IN_A_PART = 2000  # about 1 MB: the reader never holds a whole fleet twice

_NO_ROWS = model.Rows()
_NOTHING_GONE = model.Gone()


def key_of(row: model.Row) -> str:
    """The key of a row in its table."""
    match row:
        case model.Node() | model.Workload():
            return row.key
        case model.Cloud() | model.Site() | model.Algorithm():
            return row.name
    raise TypeError(f"{type(row).__name__} has no table")


def table_of(row: model.Row) -> str:
    return _TABLE_OF[type(row)]


_TABLE_OF: dict[type, str] = {
    model.Cloud: "clouds",
    model.Site: "sites",
    model.Node: "nodes",
    model.Workload: "workloads",
    model.Algorithm: "algorithms",
}


class Board:
    """The tables. Feeders call `put` and `drop`; the server calls `tick` and `snapshot`."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.sequence = 0
        self.centre: model.Centre | None = None
        self.tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
        self._node_keys: dict[str, set[str]] = {}  # by target
        self._centre_changed = False
        self._changed: dict[str, dict[str, None]] = {name: {} for name in TABLES}
        self._gone: dict[str, dict[str, None]] = {name: {} for name in TABLES}

    def put(self, row: model.Row) -> None:
        """Hold `row`, replacing the one of the same key."""
        table, key = table_of(row), key_of(row)
        if self.tables[table].get(key) == row:
            return
        self.tables[table][key] = row
        if isinstance(row, model.Node):
            self._node_keys.setdefault(row.target, set()).add(key)
        self._changed[table][key] = None
        self._gone[table].pop(key, None)

    def drop(self, table: str, key: str) -> None:
        """Forget a row; one that is not held is no error."""
        row = self.tables[table].pop(key, None)
        if row is None:
            return
        if isinstance(row, model.Node):
            self._node_keys[row.target].discard(key)
        self._changed[table].pop(key, None)
        self._gone[table][key] = None

    def put_centre(self, centre: model.Centre | None) -> None:
        if centre != self.centre:
            self.centre = centre
            self._centre_changed = True

    def replace_nodes(self, target: str, nodes: Iterable[model.Node]) -> None:
        """Make `nodes` the whole list of one target's nodes."""
        keep = set()
        for node in nodes:
            self.put(node)
            keep.add(node.key)
        for key in self._node_keys.get(target, set()) - keep:
            self.drop("nodes", key)

    def tick(self, at: int) -> model.Delta | model.Beat:
        """What changed since the last tick, under the next number; a beat where nothing did."""
        rows, gone = self._changed_rows(), self._gone_keys()
        if rows == _NO_ROWS and gone == _NOTHING_GONE:
            return model.Beat(sequence=self.sequence, at=at)
        self.sequence += 1
        self._centre_changed = False
        for name in TABLES:
            self._changed[name].clear()
            self._gone[name].clear()
        return model.Delta(sequence=self.sequence, at=at, rows=rows, gone=gone)

    def _changed_rows(self) -> model.Rows:
        lists: dict[str, Any] = {n: [self.tables[n][key] for key in keys] for n, keys in self._changed.items()}
        return model.Rows(centre=self.centre if self._centre_changed else None, **lists)

    def _gone_keys(self) -> model.Gone:
        lists = {name: list(keys) for name, keys in self._gone.items()}
        return model.Gone(centre=self._centre_changed and self.centre is None, **lists)

    def snapshot(self, at: int) -> Iterator[model.SnapshotPart]:
        """Everything in parts of bounded size, the small tables first.

        Call it right after `tick`: rows changed since then are told again by the next delta, which does no harm.
        """
        small: dict[str, Any] = {name: list(self.tables[name].values()) for name in _SMALL}
        first = model.Rows(centre=self.centre, **small)
        parts = [first, *self._parts("nodes"), *self._parts("workloads")]
        for number, rows in enumerate(parts, 1):
            yield model.SnapshotPart(
                epoch=self.epoch, sequence=self.sequence, at=at, last=number == len(parts), rows=rows
            )

    def _parts(self, table: str) -> list[model.Rows]:
        rows = list(self.tables[table].values())
        slices = (rows[i : i + ROWS_IN_A_PART] for i in range(0, len(rows), ROWS_IN_A_PART))
        return [msgspec.structs.replace(_NO_ROWS, **{table: part}) for part in slices]


_SMALL = ("clouds", "sites", "algorithms")
