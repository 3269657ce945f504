"""Events of pods: told to the hub when it can be reached, counted when they repeat, dropped when they are old news.

What a start says of itself when all goes well waits until the box has started what it is starting: three writes a pod,
for which the statuses that people wait for would have to wait.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import json
import logging
import secrets
import time
from typing import Any, Callable, Deque, Dict, Tuple

from suanli_agent.link import clock, http
from suanli_agent.pods import ports

log = logging.getLogger(__name__)

WAITING = 200  # notes kept while the link is down; the oldest go first
STALE_SECONDS = 3600.0  # the API server itself keeps Events for an hour
SERIES_SECONDS = 600.0  # a repeat after so long is a new Event: client-go's figure
RETRY_SECONDS = 10.0
HOLD_SECONDS = 5.0  # at most, for a box that is always starting something
LOOK_SECONDS = 0.1
_CAN_WAIT = {"Pulled", "Created", "Started"}


@dataclasses.dataclass
class _Sent:
    name: str
    count: int
    first: float
    last: float


class Events:
    """A queue of notes and the task that sends them. `starting` tells whether the box is starting pods now."""

    starting: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self, client: http.Client, node: str) -> None:
        self._client, self._node = client, node
        self._waiting: Deque[Tuple[float, ports.EventNote]] = collections.deque(maxlen=WAITING)
        self._sent: Dict[ports.EventNote, _Sent] = {}
        self._wake = asyncio.Event()
        self._since = 0.0  # monotonic seconds, when the queue was empty last

    def emit(self, note: ports.EventNote) -> None:
        """Queue; never blocks."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append((self._client.clock.now(), note))
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            await self._hold()
            at, note = self._waiting[0]
            try:
                if self._client.clock.now() - at < STALE_SECONDS:
                    await self._send(at, note)
            except ports.UnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except ports.HubError as error:
                log.debug("event %s not taken: %s", note.reason, error)  # its namespace is gone, say
            if self._waiting and self._waiting[0][1] is note:
                self._waiting.popleft()

    async def _hold(self) -> None:
        """Until nothing is being started, or something in the queue may not wait."""
        while self.starting() and all(note.reason in _CAN_WAIT for _, note in self._waiting):
            if time.monotonic() - self._since > HOLD_SECONDS:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _send(self, at: float, note: ports.EventNote) -> None:
        path = f"/api/v1/namespaces/{note.namespace}/events"
        known = self._sent.get(note)
        if known and at - known.last < SERIES_SECONDS:
            change = {"count": known.count + 1, "lastTimestamp": clock.rfc3339(at)}
            await self._client.request("PATCH", f"{path}/{known.name}", _json(change), http.MERGE_PATCH)
            known.count, known.last = known.count + 1, at
            return
        event = as_object(note, self._node, at)
        await self._client.request("POST", path, _json(event))
        self._sent[note] = _Sent(event["metadata"]["name"], 1, at, at)
        self._forget(at)

    def _forget(self, now: float) -> None:
        for note in [note for note, sent in self._sent.items() if now - sent.last > SERIES_SECONDS]:
            del self._sent[note]


def as_object(note: ports.EventNote, node: str, at: float) -> Dict[str, Any]:
    """The core/v1 Event, as kubelet writes it."""
    involved = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": note.namespace,
        "name": note.pod,
        "uid": note.uid,
        "fieldPath": note.field_path,
    }
    stamp = clock.rfc3339(at)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{note.pod[:200]}.{secrets.token_hex(8)}", "namespace": note.namespace},
        "involvedObject": {key: value for key, value in involved.items() if value},
        "type": note.type,
        "reason": note.reason,
        "message": note.message,
        "source": {"component": "suanli-agent", "host": node},
        "reportingComponent": "suanli-agent",
        "reportingInstance": node,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
