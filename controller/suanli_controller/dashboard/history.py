"""Samples of totals over time, in SQLite: the one state that may be lost.

Bounded by resolution and age: fine samples for a day, coarse ones for two months, a fixed number of keys in each.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from suanli_controller.dashboard import answers, replica, rights, totals

_log = structlog.get_logger(__name__)

DIMENSIONS = ("total", "tier", "architecture", "family", "accelerator", "district")
_KEYS = 64  # of one dimension in one sample; what is smaller is left out
_POINTS = 300  # in an answer and key: a chart shows no more
_EVERYTHING = rights.Rights(totals=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One resolution: a sample every `seconds`, kept for `keep_seconds`."""

    seconds: int
    keep_seconds: int


STEPS = (Step(30, 86_400), Step(900, 60 * 86_400))

_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
  step INTEGER NOT NULL, at INTEGER NOT NULL, by_ TEXT NOT NULL, key TEXT NOT NULL,
  general INTEGER NOT NULL, general_requested INTEGER NOT NULL,
  intelligent INTEGER NOT NULL, intelligent_requested INTEGER NOT NULL,
  nodes INTEGER NOT NULL, ready_nodes INTEGER NOT NULL,
  PRIMARY KEY (step, by_, at, key)
) WITHOUT ROWID
"""


class Store:
    """The samples. `path` None keeps them in memory. Threads take turns."""

    def __init__(self, path: Path | None) -> None:
        self._database = self._open(path)
        self._turn = threading.Lock()

    @staticmethod
    def _open(path: Path | None) -> sqlite3.Connection:
        """A file that cannot be read as ours is put aside: history may be lost, the dashboard may not."""
        if path is None:
            return _prepare(":memory:")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _prepare(str(path))
        except sqlite3.DatabaseError as error:
            aside = path.with_suffix(f".broken-{int(time.time())}")
            path.rename(aside)
            _log.warning("history cannot be read and begins anew", file=str(path), kept=str(aside), why=str(error))
            return _prepare(str(path))

    def close(self) -> None:
        self._database.close()

    def add(self, samples: dict[str, list[answers.Sample]], now: int) -> None:
        """Keep samples, by dimension, in every resolution whose turn it is, and forget what is too old."""
        with self._turn, self._database:
            for step in STEPS:
                slot = now - now % step.seconds
                rows = [(step.seconds, slot, by, *_row(s)) for by, found in samples.items() for s in found]
                self._database.executemany(
                    "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
                self._database.execute(
                    "DELETE FROM samples WHERE step = ? AND at < ?", (step.seconds, now - step.keep_seconds)
                )

    def read(self, by: str, since: int, until: int) -> answers.History:
        """Samples in the finest resolution that reaches back to `since`, thinned to what a chart can show."""
        with self._turn:
            return self._read(by, since, until)

    def _read(self, by: str, since: int, until: int) -> answers.History:
        step = next((s for s in STEPS if until - since <= s.keep_seconds), STEPS[-1])
        first = self._first(step, by, since)
        # A young history is shown in full and not as the few points that a whole day's stride would leave.
        stride = max(1, -(-(until - first) // (step.seconds * _POINTS))) * step.seconds
        cursor = self._database.execute(
            "SELECT max(at), key, general, general_requested, intelligent, intelligent_requested, nodes, ready_nodes "
            "FROM samples WHERE step = ? AND by_ = ? AND at BETWEEN ? AND ? GROUP BY at / ?, key ORDER BY 1, 2",
            (step.seconds, by, since, until, stride),
        )
        items = [_sample(row) for row in cursor]
        return answers.History(by=by, step_seconds=stride, source="local", items=items)

    def _first(self, step: Step, by: str, since: int) -> int:
        query = "SELECT min(at) FROM samples WHERE step = ? AND by_ = ? AND at >= ?"
        (first,) = self._database.execute(query, (step.seconds, by, since)).fetchone()
        return since if first is None else int(first)


def _prepare(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA cache_size = -2000")
    database.execute(_SCHEMA)
    return database


def _row(sample: answers.Sample) -> tuple[str | int, ...]:
    return (
        sample.key,
        sample.general_milli,
        sample.general_requested_milli,
        sample.intelligent_milli,
        sample.intelligent_requested_milli,
        sample.nodes,
        sample.ready_nodes,
    )


def _sample(row: tuple[int, str, int, int, int, int, int, int]) -> answers.Sample:
    at, key, general, general_requested, intelligent, intelligent_requested, nodes, ready_nodes = row
    return answers.Sample(
        at=at,
        key=key,
        general_milli=general,
        general_requested_milli=general_requested,
        intelligent_milli=intelligent,
        intelligent_requested_milli=intelligent_requested,
        nodes=nodes,
        ready_nodes=ready_nodes,
    )


def samples_of(held: replica.Replica, now: int) -> dict[str, list[answers.Sample]]:
    """One sample for each key of each dimension, the largest first where there are too many."""
    return {by: list(_samples(held, by, now)) for by in DIMENSIONS}


def _samples(held: replica.Replica, by: str, now: int) -> Iterator[answers.Sample]:
    dimensions = () if by == "total" else (by,)
    found = totals.by(totals.visible(held, _EVERYTHING), dimensions)
    found.sort(key=lambda t: -(t.capacity_units.general_milli + t.capacity_units.intelligent_milli))
    for total in found[:_KEYS]:
        yield answers.Sample(
            at=now,
            key=total.key.get(by, ""),
            general_milli=total.units.general_milli,
            general_requested_milli=total.requested_units.general_milli,
            intelligent_milli=total.units.intelligent_milli,
            intelligent_requested_milli=total.requested_units.intelligent_milli,
            nodes=total.nodes,
            ready_nodes=total.ready_nodes,
        )


async def record(store: Store, held: replica.Replica, clock: Callable[[], float] = time.time) -> None:
    """Sample until cancelled, at whole multiples of the finest step; nothing while the leader is not heard."""
    step = STEPS[0].seconds
    while True:
        if held.connected and held.complete:
            now = int(clock())
            try:
                await asyncio.to_thread(store.add, samples_of(held, now), now)
            except Exception:  # noqa: BLE001  # a full disk, say: one sample is lost, and not all that follow
                _log.exception("a sample is lost; the next is taken in its turn")
            await asyncio.sleep(step - clock() % step)
        else:
            await asyncio.sleep(1)
