"""Kubernetes Events: what was decided about an object, for `kubectl describe` and `kubectl events`.

Saying so must never hold up or break the deciding: `record` only puts a note aside, `run` writes it; repeats of
one note are counted in one Event, and what comes too fast or cannot be written is dropped and counted.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from suanli_controller.kube import client, errors, metrics
from suanli_controller.kube.backoff import Bucket
from suanli_controller.kube.resources import EVENTS, Json, Resource

log = structlog.get_logger(__name__)

Type = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is said. Times in seconds."""

    waiting: int = 1000  # notes put aside at most; more are dropped
    remembered: int = 4096  # notes whose repeats are counted; client-go's figure
    repeat_seconds: float = 30  # repeats of a note are written at most so often
    series_seconds: float = 600  # a repeat after so long is a new Event; client-go's figure
    object_burst: int = (
        25  # Events of one object at once, then one every `object_seconds`: client-go's spam filter
    )
    object_seconds: float = 300
    rate: float = 20  # writes a second, all objects together
    # while more keep coming they are gathered, and written at the same time: one by itself costs twice as much
    gather_seconds: float = 0.5
    at_once: int = 10


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an Event regards."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""


def reference(resource: Resource[Any], obj: Any) -> Reference:
    """Refer to a typed object."""
    meta = obj.metadata
    return Reference(resource.api_version, resource.kind, meta.name, meta.namespace, meta.uid)


@dataclass(frozen=True, slots=True)
class _Note:
    regarding: Reference
    type: Type
    reason: str
    message: str
    action: str


@dataclass(slots=True)
class _Series:
    """One Event that was written or waits to be."""

    first: datetime
    last: datetime
    at: float
    count: int = 1
    written: int = 0
    name: str = ""
    spoken: float = field(default=float("-inf"))


class Recorder:
    """Records Events in one API server.

    `component` and `instance` are the reportingController and reportingInstance.
    """

    def __init__(
        self,
        api: client.Client,
        *,
        component: str = "suanli-controller",
        instance: str = "",
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api = api
        self.component = component
        self.instance = (instance or component)[:128]
        self.settings = settings or Settings()
        self._clock = clock
        self._series: OrderedDict[_Note, _Series] = OrderedDict()
        self._waiting: OrderedDict[_Note, None] = OrderedDict()
        self._buckets: OrderedDict[Reference, Bucket] = OrderedDict()
        self._wake = asyncio.Event()

    def record(self, regarding: Reference, kind: Type, reason: str, message: str, *, action: str = "") -> None:
        """Put a note aside; never blocks, never raises.

        `action` is what was done, `reason` where it is not given.
        """
        note = _Note(regarding, kind, reason[:128], message, (action or reason)[:128])
        now, at = datetime.now(UTC), self._clock()
        series = self._series.get(note)
        if series is not None and at - series.at < self.settings.series_seconds:
            series.count, series.last, series.at = series.count + 1, now, at
        else:
            if not self._allowed(regarding, at):
                return
            self._remember(note, _Series(now, now, at))
        if note not in self._waiting:
            self._waiting[note] = None
            self._wake.set()

    async def run(self) -> None:
        """Write what was put aside, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            later = await self.flush()
            if later:
                # A repeat that was just written waits its time; so do new notes, for one second at most.
                await asyncio.sleep(min(1.0, self.settings.repeat_seconds))
                self._wake.set()
            else:
                await asyncio.sleep(self.settings.gather_seconds)

    async def flush(self, *, final: bool = False) -> int:
        """Write what is due, with `final` all of it; returns how many notes have to wait."""
        due = [note for note in self._waiting if final or self._is_due(note)]
        for start in range(0, len(due), self.settings.at_once):
            lot = due[start : start + self.settings.at_once]
            await asyncio.gather(*(self._speak(note) for note in lot))
            await asyncio.sleep(0 if final else len(lot) / self.settings.rate)
        return len(self._waiting)

    def _is_due(self, note: _Note) -> bool:
        series = self._series.get(note)
        return series is None or self._clock() - series.spoken >= self.settings.repeat_seconds

    async def _speak(self, note: _Note) -> None:
        self._waiting.pop(note, None)
        series = self._series.get(note)
        if series is not None and series.count > series.written:
            await self._write(note, series)

    def _allowed(self, regarding: Reference, at: float) -> bool:
        bucket = self._buckets.get(regarding)
        if bucket is None:
            bucket = Bucket(rate=1 / self.settings.object_seconds, burst=self.settings.object_burst)
            self._buckets[regarding] = bucket
            _trim(self._buckets, self.settings.remembered)
        if len(self._waiting) >= self.settings.waiting:
            metrics.EVENTS_DROPPED.labels("full").inc()
            return False
        if not bucket.allow(at):
            metrics.EVENTS_DROPPED.labels("rate").inc()
            return False
        return True

    def _remember(self, note: _Note, series: _Series) -> None:
        self._series[note] = series
        self._series.move_to_end(note)
        _trim(self._series, self.settings.remembered)

    async def _write(self, note: _Note, series: _Series) -> None:
        count, last = series.count, series.last
        try:
            if series.name and not await self._repeat(note, series, count, last):
                series.name = ""  # the old one is gone: the API server keeps Events for an hour
            if not series.name:
                series.name = await self._create(note, series)
        except errors.KubeError as error:
            metrics.EVENTS_DROPPED.labels("error").inc()
            log.debug("event not written", reason=note.reason, regarding=note.regarding.name, error=str(error))
        series.written, series.spoken = count, self._clock()

    async def _create(self, note: _Note, series: _Series) -> str:
        regarding = note.regarding
        name = f"{regarding.name[:200]}.{secrets.token_hex(8)}"
        body: Json = {
            "metadata": {"name": name, "namespace": regarding.namespace or "default"},
            "eventTime": _micro_time(series.first),
            "reportingController": self.component,
            "reportingInstance": self.instance,
            "action": note.action,
            "reason": note.reason,
            "type": note.type,
            "note": _cut(note.message),
            "regarding": {
                "apiVersion": regarding.api_version,
                "kind": regarding.kind,
                "name": regarding.name,
                "namespace": regarding.namespace,
                "uid": regarding.uid,
            },
        }
        if series.count > 1:
            body["series"] = {"count": series.count, "lastObservedTime": _micro_time(series.last)}
        await self.api.create(EVENTS, body)
        return name

    async def _repeat(self, note: _Note, series: _Series, count: int, last: datetime) -> bool:
        change = {"series": {"count": count, "lastObservedTime": _micro_time(last)}}
        try:
            await self.api.patch(EVENTS, series.name, note.regarding.namespace or "default", change)
        except errors.NotFound:
            return False
        return True


def _trim(remembered: OrderedDict[Any, Any], most: int) -> None:
    while len(remembered) > most:
        remembered.popitem(last=False)


def _cut(message: str) -> str:
    """An Event's note is at most 1 kB."""
    return message.encode()[:1000].decode("utf-8", "ignore")


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
