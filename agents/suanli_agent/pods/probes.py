"""The probes of one running container: when each is due, what its results add up to."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import Callable, Optional

from suanli_agent.core import life, objects, observed, probing
from suanli_agent.pods import checks, context


class Prober:
    """Runs startup, liveness and readiness probes of a container until close(); view() is what they say so far."""

    def __init__(
        self,
        ctx: context.Context,
        pod: Callable[[], objects.Pod],
        container: objects.Container,
        record: observed.ContainerRecord,
        ip: str,
        changed: Callable[[], None],
    ) -> None:
        self._ctx, self._pod, self._container, self._record = ctx, pod, container, record
        self._target = checks.Target(record.id, container, ip)
        self._changed = changed
        self._view = life.ProbeView(
            started=container.startup_probe is None, ready=container.readiness_probe is None
        )
        self._started = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, *, before: Optional[life.ProbeView] = None) -> None:
        """Begin; before is what was said of this very container before a restart of the agent."""
        if before is not None:
            self._view = before
        if self._view.started:
            self._started.set()
        own = self._container
        probes = {"startup": own.startup_probe, "liveness": own.liveness_probe, "readiness": own.readiness_probe}
        for kind, probe in probes.items():
            if probe is not None and not (kind == "startup" and self._view.started):
                self._tasks[kind] = asyncio.ensure_future(self._run(kind, probe, rest=before is not None))

    def view(self) -> life.ProbeView:
        """What the probes say; readiness waits for the startup probe."""
        return self._view if self._view.started else dataclasses.replace(self._view, ready=False)

    def terminating(self) -> None:
        """The pod is being stopped: only readiness is still of interest."""
        for kind in ("startup", "liveness"):
            if kind in self._tasks:
                self._tasks.pop(kind).cancel()

    def close(self) -> None:
        """Stop all probes."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _run(self, kind: str, probe: objects.Probe, *, rest: bool) -> None:
        if rest:
            await asyncio.sleep(random.uniform(0, probe.period_seconds))  # noqa: S311 - spreads load after a restart
        if kind != "startup":
            await self._started.wait()
        begin = self._record.started_at + probe.initial_delay_seconds
        await asyncio.sleep(max(0.0, begin - self._ctx.now()))
        count = probing.Count()
        while True:
            outcome = await checks.probe(self._ctx.runtime, probe, self._target)
            if outcome.ok is not None:
                count = probing.counted(count, outcome.ok)
                self._tell(kind, outcome)
                if self._conclude(kind, probe, probing.verdict(probe, count)):
                    return
            await asyncio.sleep(probe.period_seconds)

    def _conclude(self, kind: str, probe: objects.Probe, verdict: Optional[bool]) -> bool:
        """Take a verdict over; true when this probe has no more to say."""
        before = self._view
        if verdict is None:
            return False
        if kind == "readiness":
            self._view = dataclasses.replace(before, ready=verdict)
        elif not verdict:
            self._view = dataclasses.replace(
                before, failed=kind, grace_seconds=probe.termination_grace_period_seconds
            )
        elif kind == "startup":
            self._view = dataclasses.replace(before, started=True)
            self._started.set()
        if self._view != before:
            self._changed()
        return kind == "startup" or bool(kind == "liveness" and self._view.failed)

    def _tell(self, kind: str, outcome: checks.Outcome) -> None:
        path = context.container_path(self._pod(), self._container.name)
        if not outcome.ok:
            message = f"{kind.capitalize()} probe failed: {outcome.message}"
            self._ctx.event(self._pod(), "Warning", "Unhealthy", message, path)
        elif outcome.warning:
            message = f"{kind.capitalize()} probe warning: {outcome.warning}"
            self._ctx.event(self._pod(), "Warning", "ProbeWarning", message, path)
