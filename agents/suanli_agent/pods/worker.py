"""One pod: observe, let core decide, carry out, report; again whenever something changed.

Nothing here blocks: what takes time is a task of its own, named in `busy` so that core does not ask for it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import math
from collections.abc import Awaitable, Coroutine
from typing import Any, Callable, Optional

import msgspec

from suanli_agent import tasks
from suanli_agent.core import life, objects, observed, status, step, support
from suanli_agent.pods import (
    checks,
    context,
    hooks,
    images,
    messages,
    ports,
    probes,
    starter,
    view,
    volumes,
)
from suanli_agent.pods.reporter import Reporter
from suanli_agent.runtime import errors

log = logging.getLogger(__name__)

MINIMUM_GRACE_SECONDS = 2
"""Even a container whose grace is used up gets this long between SIGTERM and SIGKILL, as with kubelet."""

EVICTION_GRACE_SECONDS = 1.0
RETRY_SECONDS = 5.0
SANDBOX_RETRY_LIMIT_SECONDS = 60.0


class Worker:
    """Supervises one pod from its arrival until nothing of it is left."""

    def __init__(
        self,
        ctx: context.Context,
        seen: view.View,
        start: starter.Starter,
        pod: objects.Pod,
        gone: Callable[[str], None],
    ) -> None:
        self._ctx, self._view, self._starter, self._gone = ctx, seen, start, gone
        self.pod = pod
        self.removed = False
        self.reporter = Reporter(ctx, pod)
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._starting: list[str] = []
        self._kill_by: dict[str, float] = {}
        self._waiting: dict[str, life.Waiting] = {}
        self._refused: dict[str, life.Waiting] = {}
        self._retry_at: dict[str, float] = {}
        self._sandbox_retry_at = 0.0
        self._begun = math.inf  # when we began to make its newest sandbox; seconds since the epoch
        self._sandbox_failures = 0
        self._probers: dict[str, probes.Prober] = {}
        self._read: set[str] = set()
        self._told_backoff: dict[str, float] = {}
        self._restored = self.reporter.terminal()
        self.state = life.PodState(start_time=self._start_time(), verdict=self._restored)
        self._over = False
        self._loop: Optional[asyncio.Task[None]] = None

    # --- from outside

    def start(self, raw: bytes, box: support.Box) -> None:
        """Begin; a pod that cannot be run here is refused."""
        no = support.refusal(raw, self.pod, box) if self.state.verdict is None else None
        if no is not None:
            self._ctx.event(self.pod, "Warning", no.reason, no.message)
            verdict = life.Verdict("Failed", no.reason, no.message, refused=True)
            self.state = dataclasses.replace(self.state, verdict=verdict)
        self._judge_ephemeral(raw, box)
        self._loop = asyncio.ensure_future(self._run())
        self.reporter.retry()  # what the agent before us could not send: told again, it would be no news

    def update(self, pod: objects.Pod, raw: bytes, box: support.Box) -> None:
        """The hub has another version of the pod."""
        self.pod = pod
        self._judge_ephemeral(raw, box)
        self.reporter.shown(pod)
        self._wake.set()

    def _judge_ephemeral(self, raw: bytes, box: support.Box) -> None:
        """An ephemeral container that cannot be run here is refused alone: the pod runs already."""
        for name, no in support.refused_ephemeral(raw, self.pod, box).items():
            if name not in self._refused:
                self._refused[name] = life.Waiting(no.reason, no.message)
                self._event(name, "Warning", no.reason, no.message)

    def remove(self) -> None:
        """The hub has the pod no longer."""
        self.removed = True
        self._wake.set()

    def poke(self) -> None:
        """Something of the pod changed."""
        self._wake.set()

    def evict(self, message: str) -> None:
        """It takes what is not its own: it fails for good, with a moment's grace, as with kubelet."""
        self._ctx.event(self.pod, "Warning", "Evicted", message)
        verdict = life.Verdict("Failed", "Evicted", message)
        stop_by = self._ctx.now() + EVICTION_GRACE_SECONDS
        self.state = dataclasses.replace(self.state, verdict=verdict, stop_by=stop_by)
        self._wake.set()

    async def close(self) -> None:
        """Stop supervising; containers go on."""
        for prober in self._probers.values():
            prober.close()
        self.reporter.close()
        await tasks.end(task for task in [self._loop, *self._tasks.values()] if task is not None)

    @property
    def starting(self) -> bool:
        """True while its sandbox or a container is being made."""
        return not self._tasks.keys().isdisjoint(("sandbox", "start"))

    @property
    def stopping(self) -> bool:
        """True once the pod is to end."""
        return self.removed or self.state.verdict is not None or self.pod.metadata.deletion_timestamp is not None

    # --- the loop

    async def _run(self) -> None:
        while not self._over:
            self._wake.clear()
            wake_at = self._once()
            timeout = None if wake_at is None else max(0.01, wake_at - self._ctx.now())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout)

    def _once(self) -> Optional[float]:
        """One round; when to wake up again at the latest."""
        now = self._ctx.now()
        self._read_messages()
        self._supervise_probes()
        seen = self.observe()
        self.state, actions = step.step(self.state, seen, now)
        if self.stopping:
            self._stopping.set()
        wakes = [action.at for action in actions if isinstance(action, step.WakeAt)]
        for action in actions:
            self._do(action)
        self._report(now)
        if self.pod.spec.active_deadline_seconds is not None and self.state.verdict is None:
            wakes.append(self.state.start_time + self.pod.spec.active_deadline_seconds)
        return min(wakes, default=None)

    def observe(self) -> life.Observation:
        """Everything that is seen of the pod now."""
        sandboxes, containers = self._view.of(self.pod.metadata.uid)
        return life.Observation(
            pod=self.pod,
            sandboxes=sandboxes,
            containers=containers,
            probes={record.id: self._probe_view(record) for record in containers if record.running},
            waiting={**self._waiting, **self._refused},
            refused=frozenset(self._refused),
            retry_at=dict(self._retry_at),
            sandbox_retry_at=self._sandbox_retry_at,
            busy=frozenset([*self._tasks, *self._starting]),
            removed=self.removed,
            host_ips=self._ctx.node.host_ips,
            runtime_name=self._ctx.runtime_name,
            reported_conditions=self.reporter.conditions,
        )

    def _probe_view(self, record: observed.ContainerRecord) -> life.ProbeView:
        prober = self._probers.get(record.id)
        return prober.view() if prober else life.ProbeView(started=True, ready=True)

    def _report(self, now: float) -> None:
        seen = self.observe()
        if not seen.containers and (self._restored is not None or "finish" in self._tasks):
            return  # nothing of it is left to look at, and what is known of its end is said already
        self._tell_backoffs(seen)
        told = self._with_address(status.build(self.state, seen, now))
        if told["phase"] in {"Succeeded", "Failed"} and not any(record.running for record in seen.containers):
            self._ctx.devices.release(self.pod.metadata.uid)
        self.reporter.report(told)

    def _with_address(self, told: dict[str, Any]) -> dict[str, Any]:
        """Of a pod that ended before this agent was started the runtime has no address any more, the hub has."""
        if self._restored is None or "podIP" in told:
            return told
        return told | {key: self.reporter.last[key] for key in ("podIP", "podIPs") if key in self.reporter.last}

    def _tell_backoffs(self, seen: life.Observation) -> None:
        for container in [*self.pod.spec.init_containers, *self.pod.spec.containers]:
            held = life.held_back(self.state, seen, container)
            record = seen.current(container.name)
            if held and record and self._told_backoff.get(container.name) != record.finished_at:
                self._told_backoff[container.name] = record.finished_at
                message = "Back-off restarting failed container " + container.name
                self._event(container.name, "Warning", "BackOff", message)

    # --- carrying out

    def _do(self, action: step.Action) -> None:
        if isinstance(action, step.StartSandbox):
            self._spawn("sandbox", self._make_sandbox(action.attempt))
        elif isinstance(action, step.StartContainers):
            self._starting = list(action.names)
            self._spawn("start", self._start_containers())
        elif isinstance(action, step.Kill):
            self._begin_kill(action)
        elif isinstance(action, step.StopSandbox):
            self._spawn(action.sandbox_id, self._stop_sandbox(action.sandbox_id))
        elif isinstance(action, step.RemoveContainer):
            self._spawn(action.container_id, self._remove_container(action.container_id))
        elif isinstance(action, step.RemoveSandbox):
            self._spawn(action.sandbox_id, self._remove_sandbox(action.sandbox_id))
        elif isinstance(action, step.Finish):
            self._spawn("finish", self._finish())

    def _spawn(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        if key in self._tasks:
            work.close()
            return
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._done(key, done))

    async def _guarded(self, work: Awaitable[None]) -> None:
        """A runtime that is away is waited for; anything else unexpected is told, and tried again later."""
        try:
            await work
        except errors.UnavailableFault as problem:
            log.warning("pod %s/%s: %s", self.pod.metadata.namespace, self.pod.metadata.name, problem)
            await asyncio.sleep(RETRY_SECONDS)
        except errors.RuntimeFault as problem:
            log.warning("pod %s/%s: %s", self.pod.metadata.namespace, self.pod.metadata.name, problem)
            await asyncio.sleep(1.0)
        except (OSError, ValueError) as problem:
            log.exception("pod %s/%s", self.pod.metadata.namespace, self.pod.metadata.name, exc_info=problem)
            await asyncio.sleep(RETRY_SECONDS)

    def _done(self, key: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
            self._kill_by.pop(key, None)
            if key == "start":
                self._starting = []
        if not task.cancelled() and task.exception() is not None:
            log.error("pod %s: %r", self.pod.metadata.name, task.exception(), exc_info=task.exception())
        self._wake.set()

    async def _make_sandbox(self, attempt: int) -> None:
        self._begun = self._ctx.now()
        try:
            await self._starter.sandbox(self.pod, attempt)
        except starter.StartError as problem:
            self._sandbox_failures += 1
            wait = min(2.0**self._sandbox_failures, SANDBOX_RETRY_LIMIT_SECONDS)
            self._sandbox_retry_at = self._ctx.now() + wait
            log.info("pod %s/%s: %s", self.pod.metadata.namespace, self.pod.metadata.name, problem)
        else:
            self._sandbox_failures, self._sandbox_retry_at = 0, 0.0

    async def _start_containers(self) -> None:
        by_name = {c.name: c for c in self._all()}
        while self._starting and not self._stopping.is_set():
            sandboxes, _ = self._view.of(self.pod.metadata.uid)
            if not sandboxes or not sandboxes[0].ready:
                return
            spec = by_name[self._starting[0]]
            await self._unless_stopped(self._start_one(spec, sandboxes[0]))
            self._starting = self._starting[1:]
            self._wake.set()

    async def _start_one(self, spec: objects.Container, sandbox: observed.SandboxRecord) -> None:
        try:
            await self._starter.container(self.pod, spec, sandbox, self._begun)
        except (starter.StartError, images.ImageError) as problem:
            self._waiting[spec.name] = problem.waiting
            self._retry_at[spec.name] = problem.retry_at
        else:
            self._waiting.pop(spec.name, None)
            self._retry_at.pop(spec.name, None)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """A pull or a hook of a pod that is to end is not waited for."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not task.done():
                await tasks.end([task])
                await self._view.refresh()
        if not task.cancelled():
            task.result()

    def _begin_kill(self, action: step.Kill) -> None:
        running = action.container_id in self._tasks
        if running and action.stop_by >= self._kill_by.get(action.container_id, 0.0) - 1:
            return
        if running:
            self._tasks.pop(action.container_id).cancel()
        else:
            self._event(action.name, "Normal", "Killing", action.message)
        self._kill_by[action.container_id] = action.stop_by
        self._spawn(action.container_id, self._kill(action, hook=action.hook and not running))

    async def _kill(self, action: step.Kill, *, hook: bool) -> None:
        if hook:
            await self._pre_stop(action)
        grace = max(MINIMUM_GRACE_SECONDS, math.ceil(action.stop_by - self._ctx.now()))
        record = self._view.containers.get(action.container_id)
        if record is None or record.exited:
            return
        await self._ctx.runtime.stop_container(action.container_id, grace)
        await self._view.look_at_container(action.container_id, record.sandbox_id)

    async def _pre_stop(self, action: step.Kill) -> None:
        spec = next((c for c in self._all() if c.name == action.name), None)
        hook = spec.lifecycle.pre_stop if spec and spec.lifecycle else None
        seconds = action.stop_by - self._ctx.now()
        if spec is None or hook is None or seconds <= 0:
            return
        ips = self.observe().pod_ips
        target = checks.Target(action.container_id, spec, ips[0] if ips else "")
        work = asyncio.ensure_future(hooks.run(self._ctx, hook, target, seconds))
        try:
            await self._until_dead(work, action.container_id)
        except hooks.HookError as problem:
            self._event(action.name, "Warning", "FailedPreStopHook", str(problem))

    async def _until_dead(self, work: asyncio.Future[None], container_id: str) -> None:
        """A hook of a container that died meanwhile is of no use any more."""
        while not work.done():
            record = self._view.containers.get(container_id)
            if record is None or record.exited:
                work.cancel()
                return
            await asyncio.wait({work}, timeout=0.2)
        work.result()

    async def _stop_sandbox(self, sandbox_id: str) -> None:
        await self._ctx.runtime.stop_sandbox(sandbox_id)
        await self._view.look_at_sandbox(sandbox_id)

    async def _remove_container(self, container_id: str) -> None:
        path = self._view.log_path(container_id)
        await self._ctx.runtime.remove_container(container_id)
        self._view.forget(container_id)
        if path:
            starter.remove_logs(path)

    async def _remove_sandbox(self, sandbox_id: str) -> None:
        await self._ctx.runtime.remove_sandbox(sandbox_id)
        self._view.forget(sandbox_id)

    async def _finish(self) -> None:
        """Tell the end, clean up, let the hub delete the pod; without the hub the cleaning does not wait."""
        for prober in self._probers.values():
            prober.close()
        sandboxes, containers = self._view.of(self.pod.metadata.uid)
        for sandbox in sandboxes:
            await self._ctx.runtime.remove_sandbox(sandbox.id)
        await self._starter.clean(self.pod)
        if not self.removed:
            await self._deleted_at_hub()
        for key in [*(sandbox.id for sandbox in sandboxes), *(container.id for container in containers)]:
            self._view.forget(key)
        self._ctx.devices.release(self.pod.metadata.uid)
        self._ctx.store.drop_pod(self.pod.metadata.uid)
        self._gone(self.pod.metadata.uid)
        self._over = True

    async def _deleted_at_hub(self) -> None:
        meta = self.pod.metadata
        while not self.removed:
            await self.reporter.flushed()
            try:
                await self._ctx.hub.delete_pod(meta.namespace, meta.name, meta.uid)
            except (ports.NotFoundError, ports.ConflictError):
                return
            except ports.HubError as problem:
                log.info("pod %s/%s is stopped, the hub does not yet know: %s", meta.namespace, meta.name, problem)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    # --- helpers

    def _all(self) -> list[objects.Container]:
        spec = self.pod.spec
        return [*spec.init_containers, *spec.containers, *spec.ephemeral_containers]

    def _event(self, name: str, kind: str, reason: str, message: str) -> None:
        self._ctx.event(self.pod, kind, reason, message, context.container_path(self.pod, name))

    def _start_time(self) -> float:
        known = self.reporter.start_time or self.pod.status.start_time
        return msgspec.convert(known, dt.datetime).timestamp() if known else self._ctx.now()

    def _read_messages(self) -> None:
        """Add the termination message to each container that died since."""
        home = volumes.Volumes(self._ctx.settings, self.pod).home
        for record in self._view.of(self.pod.metadata.uid)[1]:
            if record.exited and record.id not in self._read:
                self._read.add(record.id)
                message = messages.read(record, starter.message_file(home, record.name, record.attempt))
                told = view.with_message(record, message) if message else record
                self._view.amend(told)
                if status.wrong_build(told):
                    self._event(record.name, "Warning", "WrongBuild", status.WRONG_BUILD)

    def _supervise_probes(self) -> None:
        spec = self.pod.spec
        _, containers = self._view.of(self.pod.metadata.uid)
        living = {record.id for record in containers if record.running}
        for container_id in self._probers.keys() - living:
            self._probers.pop(container_id).close()
        probed = {c.name: c for c in [*spec.init_containers, *spec.containers] if _has_probe(c)}
        for record in containers:
            if record.running and record.name in probed and record.id not in self._probers:
                self._begin_probes(probed[record.name], record)
        if self.stopping:
            for prober in self._probers.values():
                prober.terminating()

    def _begin_probes(self, container: objects.Container, record: observed.ContainerRecord) -> None:
        ips = self.observe().pod_ips
        ip = ips[0] if ips else ""
        prober = probes.Prober(self._ctx, lambda: self.pod, container, record, ip, self.poke)
        self._probers[record.id] = prober
        prober.start(before=self.reporter.before(record.id))


def _has_probe(container: objects.Container) -> bool:
    return bool(container.startup_probe or container.liveness_probe or container.readiness_probe)
