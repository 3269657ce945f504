"""Live updates: one frame for each tick and each distinct set of rights, whoever many people share it.

A snapshot first, then deltas by sequence number; a client that cannot keep up is cut off and comes back for a
snapshot.
"""

import asyncio
import functools
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from suanli_controller.dashboard import alerts, answers, metrics, replica, rights, totals

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_MOST_NAMED = 200  # keys of touched rows in a frame; more is "everything"
_LARGE = 8_192  # characters; 100 clouds are half a million, and compress to a tenth
_LEVEL = 6  # of gzip: 9 takes much longer and saves next to nothing


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds."""

    tick_seconds: float = 0.5  # changes of one tick are one frame
    beat_seconds: float = 5.0
    clients: int = 500
    backlog: int = 32


class TooManyClientsError(Exception):
    """The limit of live clients is reached."""


class Frame:
    """One frame as it is sent to many."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def packed(self) -> str | bytes:
        """The same for who takes gzip: bytes where it is large."""
        return gzip.compress(self.text.encode(), _LEVEL, mtime=0) if len(self.text) >= _LARGE else self.text


class Client:
    """One browser: frames to send, in order, large ones as gzip where it takes that. None at the end: it is cut off."""

    def __init__(self, mine: rights.Rights, backlog: int, *, takes_gzip: bool = False) -> None:
        self.rights = mine
        self.queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(backlog)
        self._takes_gzip = takes_gzip

    def offer(self, frame: Frame) -> bool:
        """Whether there was room."""
        if self.queue.full():
            return False
        self.queue.put_nowait(frame.packed if self._takes_gzip else frame.text)
        return True

    def end(self) -> None:
        """Let the sender finish, whatever is still queued."""
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


@dataclass(slots=True)
class _Shown:
    """What the clients of one set of rights hold of the parts that are computed, to send only what differs."""

    cells: dict[tuple[str, ...], answers.Total] = field(default_factory=dict)
    counts: answers.Counts = field(default_factory=answers.Counts)
    alerts: list[answers.Alert] = field(default_factory=list)


class Live:
    """The clients and the ticks. `changed` is the replica's subscriber; `run` ticks until cancelled."""

    def __init__(self, held: replica.Replica, settings: Settings | None = None) -> None:
        self.sequence = 0
        self.settings = settings or Settings()
        self._held = held
        self._clients: set[Client] = set()
        self._shown: dict[rights.Rights, _Shown] = {}
        self._snapshots: dict[
            rights.Rights, Frame
        ] = {}  # encoded since the last tick: browsers come back together
        self._pending = replica.Change()
        self._flipped = False

    def changed(self, change: replica.Change) -> None:
        """Remember a change for the next tick; an empty one says that the stream came or went."""
        self._pending.merge(change)
        self._flipped |= not change

    def join(self, mine: rights.Rights, *, takes_gzip: bool = False) -> Client:
        """A new client, its snapshot queued.

        Raises TooManyClientsError.
        """
        if len(self._clients) >= self.settings.clients:
            raise TooManyClientsError(f"{self.settings.clients} live clients are the limit")
        client = Client(mine, self.settings.backlog, takes_gzip=takes_gzip)
        if mine not in self._snapshots:
            self._snapshots[mine] = self._encode(self._snapshot(mine))
        client.offer(self._snapshots[mine])
        self._clients.add(client)
        metrics.CLIENTS.set(len(self._clients))
        return client

    def leave(self, client: Client) -> None:
        self._clients.discard(client)
        metrics.CLIENTS.set(len(self._clients))
        if all(other.rights != client.rights for other in self._clients):
            self._shown.pop(client.rights, None)

    async def run(self) -> None:
        """Tick until cancelled."""
        beaten = time.monotonic()
        while True:
            await asyncio.sleep(self.settings.tick_seconds)
            if self.tick(beat=time.monotonic() - beaten >= self.settings.beat_seconds):
                beaten = time.monotonic()

    def tick(self, *, beat: bool) -> bool:
        """Send what is pending, or a beat where one is due; whether anything was sent."""
        self._snapshots.clear()
        beat |= self._flipped
        if not self._pending and not beat:
            return False
        self._flipped = False
        if self._pending or self._alerts_changed():
            change, self._pending = self._pending, replica.Change()
            self.sequence += 1
            self._send(lambda mine: self._frame(change, mine))
        else:
            frame = answers.LiveBeat(sequence=self.sequence, freshness=self.freshness())
            self._send(lambda _: frame)
        return True

    def _alerts_changed(self) -> bool:
        """Alerts change by the clock alone, as certificates near their end."""
        now = int(time.time())
        return any(alerts.of(self._held, mine, now) != shown.alerts for mine, shown in self._shown.items())

    def _send(self, make: Callable[[rights.Rights], msgspec.Struct]) -> None:
        frames: dict[rights.Rights, Frame] = {}
        for client in list(self._clients):
            if client.rights not in frames:
                frames[client.rights] = self._encode(make(client.rights))
            if not client.offer(frames[client.rights]):
                metrics.LIVE_CUT.inc()
                self.leave(client)
                client.end()

    def _encode(self, frame: msgspec.Struct) -> Frame:
        metrics.LIVE_FRAMES.inc()
        return Frame(_encoder.encode(frame).decode())

    def freshness(self) -> answers.Freshness:
        return answers.Freshness(
            heard_at=self._held.heard_at, now=int(time.time()), connected=self._held.connected
        )

    def _snapshot(self, mine: rights.Rights) -> answers.LiveSnapshot:
        shown = self._shown_to(mine)
        return answers.LiveSnapshot(
            sequence=self.sequence,
            freshness=self.freshness(),
            allowed=allowed(mine),
            centre=self._held.centre,
            cells=list(shown.cells.values()),
            counts=shown.counts,
            clouds=rights.clouds(self._held, mine),
            sites=rights.sites(self._held, mine),
            algorithms=rights.algorithms(self._held, mine),
            alerts=shown.alerts,
        )

    def _shown_to(self, mine: rights.Rights) -> _Shown:
        """What those with these rights hold; computed where nobody has them yet."""
        if mine not in self._shown:
            self._shown[mine] = self._computed(mine)
        return self._shown[mine]

    def _computed(self, mine: rights.Rights, change: replica.Change | None = None) -> _Shown:
        """Computed anew; of what depends on places alone only where `change` touched one."""
        before = self._shown.get(mine) if change is not None and not change.places else None
        return _Shown(
            cells=before.cells if before else totals.cells(self._held, mine),
            counts=totals.counts(self._held, mine),
            alerts=alerts.of(self._held, mine, int(time.time())),
        )

    def _frame(self, change: replica.Change, mine: rights.Rights) -> msgspec.Struct:
        if change.everything:
            self._shown[mine] = self._computed(mine)
            return self._snapshot(mine)
        return self._delta(change, mine)

    def _delta(self, change: replica.Change, mine: rights.Rights) -> answers.LiveDelta:
        before, now = self._shown_to(mine), self._computed(mine, change)
        self._shown[mine] = now
        held = self._held
        return answers.LiveDelta(
            sequence=self.sequence,
            freshness=self.freshness(),
            centre=held.centre if change.centre else msgspec.UNSET,
            cells=[cell for key, cell in now.cells.items() if before.cells.get(key) != cell],
            cells_gone=[cell.key for key, cell in before.cells.items() if key not in now.cells],
            counts=now.counts if now.counts != before.counts else msgspec.UNSET,
            alerts=now.alerts if now.alerts != before.alerts else msgspec.UNSET,
            clouds=_present(held.clouds, change.clouds) if mine.clouds else [],
            sites=_present(held.sites, change.sites) if mine.sites else [],
            algorithms=_present(held.algorithms, change.algorithms) if mine.algorithms else [],
            gone=_gone(held, change, mine),
            touched=_touched(change, mine),
        )


def allowed(mine: rights.Rights) -> answers.Allowed:
    """The rights, as the page reads them."""
    return answers.Allowed(
        totals=mine.totals,
        clouds=mine.clouds,
        sites=mine.sites,
        algorithms=mine.algorithms,
        workloads=mine.workloads,
        namespaces=sorted(mine.namespaces),
        totals_only=mine.totals_only,
    )


def _present(table: dict[str, T], keys: set[str]) -> list[T]:
    return [table[key] for key in keys if key in table]


def _gone(held: replica.Replica, change: replica.Change, mine: rights.Rights) -> list[str]:
    gone: list[str] = []
    if mine.clouds:
        gone += [f"Cloud/{name}" for name in change.clouds if name not in held.clouds]
    if mine.sites:
        gone += [f"EdgeSite/{name}" for name in change.sites if name not in held.sites]
    if mine.algorithms:
        gone += [f"Algorithm/{name}" for name in change.algorithms if name not in held.algorithms]
    return gone


def _touched(change: replica.Change, mine: rights.Rights) -> answers.Touched | msgspec.UnsetType:
    nodes = [target for target in change.node_targets if mine.may_see_target(target)]
    workloads = [key for key in change.workloads if mine.may_see_namespace(key.partition("/")[0])]
    if not nodes and not workloads:
        return msgspec.UNSET
    return answers.Touched(nodes=_bounded(nodes), workloads=_bounded(workloads))


def _bounded(keys: list[str]) -> list[str] | None:
    return sorted(keys) if len(keys) <= _MOST_NAMED else None
