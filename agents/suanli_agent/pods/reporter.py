"""What the hub is told of one pod's status: the newest only, only what differs, kept on disk until it is there.

What nobody waits for (an address, a condition on the way to Running) lingers for a moment, so that a pod that starts is
told in one write and not in three: each is work for the hub, and the last one would wait for those before it.

What others write over it is told again: of a box that was silent the hub itself says that no pod is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from typing import Any, Optional

import msgspec

from suanli_agent.core import life, objects, status
from suanli_agent.pods import context, ports

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
RETRY_LIMIT_SECONDS = 60.0
LINGER_SECONDS = 0.5
OVERWRITTEN_SECONDS = 2.0
"""How long the hub may show something else than it was told: our own words come back late, and one after the other."""

_STARTING = {"ContainerCreating", "PodInitializing"}


class Reporter:
    """Sends statuses in the background; report() never blocks."""

    def __init__(self, ctx: context.Context, pod: objects.Pod) -> None:
        self._ctx = ctx
        self.pod = pod
        self._last: dict[str, Any] = {}
        self._at_hub: Optional[dict[str, Any]] = None
        self._sender: Optional[asyncio.Task[None]] = None
        self._again = asyncio.Event()
        self._news = asyncio.Event()
        self._check: Optional[asyncio.Task[None]] = None
        self.conditions: tuple[objects.PodCondition, ...] = ()
        kept = ctx.store.status(pod.metadata.uid)
        if kept is not None:
            self._last = json.loads(kept[0])
            self._at_hub = self._last if kept[1] else None
            self.conditions = _conditions(self._last)

    @property
    def start_time(self) -> Optional[str]:
        """StartTime as told before."""
        return self._last.get("startTime")

    @property
    def last(self) -> dict[str, Any]:
        """The newest status, sent or not."""
        return self._last

    def terminal(self) -> Optional[life.Verdict]:
        """The verdict on a pod that ended before this agent was started."""
        told = self._last or {"phase": self.pod.status.phase, "reason": self.pod.status.reason}
        if told.get("phase") not in {"Succeeded", "Failed"}:
            return None
        return life.Verdict(told["phase"], told.get("reason", ""), told.get("message", ""))

    def before(self, container_id: str) -> Optional[life.ProbeView]:
        """What was told of a running container's probes, None when it is new."""
        for kind in ("containerStatuses", "initContainerStatuses"):
            for entry in self._last.get(kind, []):
                if entry.get("containerID", "").endswith(container_id) and "running" in entry["state"]:
                    return life.ProbeView(started=bool(entry.get("started")), ready=entry["ready"])
        return None

    def report(self, new: dict[str, Any]) -> None:
        """Tell the hub, when it does not know yet."""
        if new == self._last:
            return
        self._last = new
        self.conditions = _conditions(new)
        self._ctx.store.put_status(self.pod.metadata.uid, json.dumps(new).encode(), sent=False)
        if self._is_news():
            self._news.set()
        self._send_soon()

    def shown(self, pod: objects.Pod) -> None:
        """The hub has this version of the pod."""
        self.pod = pod
        if self._is_overwritten() and (self._check is None or self._check.done()):
            self._check = asyncio.ensure_future(self._tell_again())

    async def _tell_again(self) -> None:
        await asyncio.sleep(OVERWRITTEN_SECONDS)
        if self._is_overwritten() and self._at_hub == self._last:
            self._at_hub = None
            self._send_soon()

    def _is_overwritten(self) -> bool:
        """Whether the hub shows another status of a condition than it was told last."""
        found = {each.type: each.status for each in self.pod.status.conditions}
        return any(found.get(each.type) != each.status for each in self.conditions)

    def retry(self) -> None:
        """The link is back: send what is waiting now."""
        self._again.set()
        if self._last and self._at_hub != self._last:
            self._send_soon()

    async def flushed(self) -> None:
        """Until the hub knows the newest status, or the pod is gone there."""
        while self._sender is not None and not self._sender.done():
            self._news.set()
            await asyncio.wait({self._sender})

    def close(self) -> None:
        """Send no more."""
        for task in (self._sender, self._check):
            if task is not None:
                task.cancel()

    def _send_soon(self) -> None:
        if self._sender is None or self._sender.done():
            self._sender = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        wait = RETRY_SECONDS
        while self._at_hub != self._last:
            await self._linger()
            newest = self._last
            try:
                await self._patch(newest)
            except (
                ports.NotFoundError,
                ports.ConflictError,
                ports.RejectedError,
                ports.ForbiddenError,
            ) as problem:
                log.info("status of pod %s/%s: %s", self.pod.metadata.namespace, self.pod.metadata.name, problem)
            except ports.HubError:
                self._again.clear()
                try:
                    await asyncio.wait_for(self._again.wait(), wait * random.uniform(0.8, 1.2))  # noqa: S311
                except asyncio.TimeoutError:
                    wait = min(wait * 2, RETRY_LIMIT_SECONDS)
                continue
            self._at_hub = newest
            self._ctx.store.put_status(
                self.pod.metadata.uid, json.dumps(newest).encode(), sent=newest == self._last
            )

    async def _linger(self) -> None:
        """Until there is news, or for LINGER_SECONDS."""
        if not self._is_news():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), LINGER_SECONDS)
        self._news.clear()

    def _is_news(self) -> bool:
        return _telling(self._last) != _telling(self._at_hub or {})

    async def _patch(self, newest: dict[str, Any]) -> None:
        meta = self.pod.metadata
        body = status.patch(self.pod, self._at_hub, newest)
        if body:
            await self._ctx.hub.patch_pod_status(meta.namespace, meta.name, body)


def _telling(told: dict[str, Any]) -> tuple[Any, ...]:
    """What people and controllers wait for: phase, and the state of each container that has come to anything."""
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    entries = [entry for kind in kinds for entry in told.get(kind, [])]
    came = [entry for entry in entries if entry["state"].get("waiting", {}).get("reason") not in _STARTING]
    facts = [
        (each["name"], each["state"], each["ready"], each.get("started"), each["restartCount"]) for each in came
    ]
    return (told.get("phase", "Pending"), facts)


def _conditions(told: dict[str, Any]) -> tuple[objects.PodCondition, ...]:
    known = [
        {key: value for key, value in entry.items() if value is not None} for entry in told.get("conditions", [])
    ]
    return tuple(msgspec.convert(known, list[objects.PodCondition]))
