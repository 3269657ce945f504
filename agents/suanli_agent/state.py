"""The desired state on disk: what this box must run and all that it needs for that, through days without a hub.

SQLite with a write-ahead log and full fsync: written when something changed, never for heartbeats; power may
fail at any moment. The file is 0600: it holds Secrets and tokens. No decisions are made here.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

SCHEMA = """
CREATE TABLE IF NOT EXISTS pods (uid TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT
NULL); CREATE TABLE IF NOT EXISTS statuses (uid TEXT PRIMARY KEY, body BLOB NOT NULL, sent INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
  kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind,
  namespace, name)
);
CREATE TABLE IF NOT EXISTS tokens (uid TEXT NOT NULL, audience TEXT NOT NULL, seconds INTEGER NOT NULL,
  token TEXT NOT NULL, issued REAL NOT NULL, expires REAL NOT NULL, PRIMARY KEY (uid, audience, seconds));
CREATE TABLE IF NOT EXISTS devices (uid TEXT NOT NULL, resource TEXT NOT NULL, cards TEXT NOT NULL, PRIMARY KEY (uid,
  resource));
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

ABSENT = b""
"""Kept in place of an object that does not exist: an optional one is then known to be none without the hub, too."""


class Store:
    """The one SQLite file; every write is one transaction that is on disk when it returns, statuses excepted."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-256;" + SCHEMA
        )

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self._db.close()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Several writes as one transaction: one fsync, all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def pods(self) -> list[bytes]:
        """The JSON of every pod that this box should run."""
        return [row[0] for row in self._db.execute("SELECT body FROM pods ORDER BY namespace, name")]

    def put_pod(self, uid: str, namespace: str, name: str, body: bytes) -> None:
        """Keep a pod's JSON."""
        self._db.execute("INSERT OR REPLACE INTO pods VALUES (?, ?, ?, ?)", (uid, namespace, name, body))

    def drop_pod(self, uid: str) -> None:
        """Forget a pod with its status, tokens and devices."""
        for table in ("pods", "statuses", "tokens", "devices"):
            self._db.execute(f"DELETE FROM {table} WHERE uid = ?", (uid,))  # noqa: S608 - our own table names

    def status(self, uid: str) -> Optional[tuple[bytes, bool]]:
        """The last status of a pod and whether the hub has it."""
        row = self._db.execute("SELECT body, sent FROM statuses WHERE uid = ?", (uid,)).fetchone()
        return (row[0], bool(row[1])) if row else None

    def put_status(self, uid: str, body: bytes, *, sent: bool) -> None:
        """Keep a pod's status, without fsync: what power loss takes of it is seen and told anew."""
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?)", (uid, body, sent))
        self._db.execute("PRAGMA synchronous=FULL")

    def object(self, kind: str, namespace: str, name: str) -> Optional[bytes]:
        """The JSON of a ConfigMap, Secret, RuntimeClass, or Services list, as the hub last gave it.

        ABSENT where it said that there is none, None where it was never asked.
        """
        query = "SELECT body FROM objects WHERE kind = ? AND namespace = ? AND name = ?"
        row = self._db.execute(query, (kind, namespace, name)).fetchone()
        return row[0] if row else None

    def put_object(self, kind: str, namespace: str, name: str, body: bytes) -> bool:
        """Keep an object; true when it differs from what was kept before."""
        if self.object(kind, namespace, name) == body:
            return False
        self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (kind, namespace, name, body))
        return True

    def drop_object(self, kind: str, namespace: str, name: str) -> None:
        """Forget an object that no pod needs any longer."""
        query = "DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?"
        self._db.execute(query, (kind, namespace, name))

    def object_keys(self) -> list[tuple[str, str, str]]:
        """(kind, namespace, name) of everything that is kept."""
        return list(self._db.execute("SELECT kind, namespace, name FROM objects ORDER BY 1, 2, 3"))

    def token(self, uid: str, audience: str, seconds: int) -> Optional[tuple[str, float, float]]:
        """(token, issued, expires) of a pod, times in seconds since the epoch."""
        query = "SELECT token, issued, expires FROM tokens WHERE uid = ? AND audience = ? AND seconds = ?"
        row = self._db.execute(query, (uid, audience, seconds)).fetchone()
        return (row[0], row[1], row[2]) if row else None

    def put_token(self, uid: str, audience: str, seconds: int, token: tuple[str, float, float]) -> None:
        """Keep a token: (token, issued, expires)."""
        self._db.execute(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, ?)", (uid, audience, seconds, *token)
        )

    def devices(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(pod uid, resource) -> the cards that the pod has."""
        rows = self._db.execute("SELECT uid, resource, cards FROM devices")
        return {(uid, resource): tuple(json.loads(cards)) for uid, resource, cards in rows}

    def put_devices(self, uid: str, resource: str, cards: Sequence[str]) -> None:
        """Keep which cards a pod was given."""
        self._db.execute("INSERT OR REPLACE INTO devices VALUES (?, ?, ?)", (uid, resource, json.dumps(cards)))

    def drop_devices(self, uid: str) -> None:
        """A pod has no cards any more."""
        self._db.execute("DELETE FROM devices WHERE uid = ?", (uid,))

    def keep_for(self, node: str) -> None:
        """Begin empty where what is kept came for a Node with another uid than this: its pods are another hub's, or
        those of a Node that is no more, and resourceVersions of two hubs do not compare. Empty: the uid is unknown.
        Cards stay given while their containers run.
        """
        known = self.fact("node")
        if not node or node == known:
            return
        with self.together():
            for table in ("pods", "statuses", "objects", "tokens") if known else ():
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names
            self.put_fact("node", node)

    def fact(self, name: str) -> Optional[str]:
        """A fact that outlives the process, for instance the uid of our Node."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def put_fact(self, name: str, value: str) -> None:
        """Keep a fact; nothing is written when it is known already."""
        if self.fact(name) != value:
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
