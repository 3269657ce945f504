"""The decision about one pod: step(state, observation, now) -> (state, actions).

What should run is started, what died is started again after its wait, what must go is stopped in order. The same
state and observation always give the same actions; whoever carries them out observes anew and asks again.
Follows kubelet's computePodActions (pkg/kubelet/kuberuntime/kuberuntime_manager.go).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Optional, Union

from suanli_agent.core import backoff, life, objects, observed

KEPT_DEAD = 2
"""Dead containers kept of each name: what state and lastState are made from, and `kubectl logs --previous`."""

REMOVED_GRACE_SECONDS = 2
"""For a pod that the hub has no longer: kubelet's own minimum."""

SIDECAR_GRACE_SECONDS = 2
"""What a sidecar gets at least when the others have used up the pod's grace."""


@dataclasses.dataclass(frozen=True)
class StartSandbox:
    """Set volumes up, make a sandbox."""

    attempt: int


@dataclasses.dataclass(frozen=True)
class StartContainers:
    """Start these, one after the other, in this order."""

    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Kill:
    """Stop a container: preStop hook, SIGTERM, SIGKILL when stop_by (seconds since the epoch) has come."""

    container_id: str
    name: str
    stop_by: float
    message: str
    hook: bool = True


@dataclasses.dataclass(frozen=True)
class StopSandbox:
    """Take a sandbox down; what still runs in it is killed."""

    sandbox_id: str


@dataclasses.dataclass(frozen=True)
class RemoveContainer:
    """Forget a dead container and its log file."""

    container_id: str


@dataclasses.dataclass(frozen=True)
class RemoveSandbox:
    """Forget a sandbox that is down and empty."""

    sandbox_id: str


@dataclasses.dataclass(frozen=True)
class Finish:
    """Everything is stopped and the pod is to be gone: remove what is left, let the hub delete it."""


@dataclasses.dataclass(frozen=True)
class WakeAt:
    """Nothing to do before this moment (seconds since the epoch)."""

    at: float


Action = Union[StartSandbox, StartContainers, Kill, StopSandbox, RemoveContainer, RemoveSandbox, Finish, WakeAt]
Result = tuple[life.PodState, list[Action]]


def step(state: life.PodState, seen: life.Observation, now: float) -> Result:
    """Decide about a pod at a moment."""
    if state.verdict is None:
        state = dataclasses.replace(state, verdict=_verdict(state, seen, now))
    if _must_stop(state, seen):
        return _stop(state, seen, now)
    return _run(state, seen, now)


def _must_stop(state: life.PodState, seen: life.Observation) -> bool:
    return state.verdict is not None or seen.removed or seen.pod.metadata.deletion_timestamp is not None


# --- the end of a pod


def _verdict(state: life.PodState, seen: life.Observation, now: float) -> Optional[life.Verdict]:
    """Whether the pod's life is over by itself."""
    spec = seen.pod.spec
    if spec.active_deadline_seconds is not None and now >= state.start_time + spec.active_deadline_seconds:
        message = "Pod was active on the node longer than the specified deadline"
        return life.Verdict("Failed", "DeadlineExceeded", message)
    if _init_failed(seen):
        return life.Verdict("Failed")
    ends = [_ended(seen, container) for container in spec.containers]
    if not all(ends) or not spec.containers:
        return None
    return life.Verdict("Failed" if any(record and life.failed(record) for record in ends) else "Succeeded")


def _ended(seen: life.Observation, container: objects.Container) -> Optional[observed.ContainerRecord]:
    records = seen.records(container.name)
    if not records or container.name in seen.busy or not records[0].exited:
        return None
    return None if life.should_restart(seen, container, records[0]) else records[0]


def _init_failed(seen: life.Observation) -> bool:
    """An init container died for good before the others were started."""
    if life.initialized(seen):
        return False
    for container in seen.pod.spec.init_containers:
        record = seen.current(container.name)
        if record and life.failed(record) and not life.should_restart(seen, container, record):
            return True
    return False


def _stop(state: life.PodState, seen: life.Observation, now: float) -> Result:
    """Normal containers first, then sidecars from the last to the first, then the sandboxes."""
    state = dataclasses.replace(state, stop_by=_stop_by(state, seen, now))
    alive = [record for record in seen.containers if record.running]
    if alive or seen.busy & {container.name for container in _all(seen.pod.spec)}:
        return state, [*_kills(state, seen, alive, now), WakeAt(state.stop_by or now)]
    ready = [sandbox.id for sandbox in seen.sandboxes if sandbox.ready]
    if ready:
        return state, [StopSandbox(sandbox_id) for sandbox_id in ready if sandbox_id not in seen.busy]
    if seen.removed or seen.pod.metadata.deletion_timestamp is not None:
        return state, [] if seen.busy else [Finish()]
    return state, []


def _stop_by(state: life.PodState, seen: life.Observation, now: float) -> float:
    """When the grace is over: counted from the first stop, shortened when the hub shortens it."""
    meta = seen.pod.metadata
    if meta.deletion_timestamp is not None and meta.deletion_grace_period_seconds is not None:
        grace = meta.deletion_grace_period_seconds
    else:
        grace = REMOVED_GRACE_SECONDS if seen.removed else seen.pod.spec.termination_grace_period_seconds
    wanted = now + grace
    return wanted if state.stop_by is None else min(state.stop_by, wanted)


def _kills(
    state: life.PodState, seen: life.Observation, alive: Sequence[observed.ContainerRecord], now: float
) -> list[Action]:
    order = [c.name for c in seen.pod.spec.init_containers if life.is_sidecar(c)]
    normal = [record for record in alive if record.name not in order]
    stop_by = state.stop_by or now
    if normal:
        return [_kill(record, stop_by, "Stopping container " + record.name) for record in normal]
    last = max(alive, key=lambda record: order.index(record.name), default=None)
    if last is None:
        return []
    return [_kill(last, max(stop_by, now + SIDECAR_GRACE_SECONDS), "Stopping container " + last.name)]


def _kill(record: observed.ContainerRecord, stop_by: float, message: str) -> Kill:
    return Kill(record.id, record.name, stop_by, message)


# --- the running pod


def _run(state: life.PodState, seen: life.Observation, now: float) -> Result:
    if "sandbox" in seen.busy:
        return state, []
    sandbox = seen.sandbox
    if sandbox is None or not sandbox.ready:
        return state, _renew_sandbox(seen, now)
    condemned = _condemned(seen, now)
    state, starts = _starts(state, seen, now)
    return state, [*condemned, *starts, *_sweep(seen)]


def _renew_sandbox(seen: life.Observation, now: float) -> list[Action]:
    """A dead sandbox takes everything in it along: containers of it that still run are stopped first."""
    alive = [record for record in seen.containers if record.running]
    if alive:
        message = "Pod sandbox changed, it will be killed and re-created."
        return [Kill(record.id, record.name, now, message, hook=False) for record in alive]
    if now < seen.sandbox_retry_at:
        return [WakeAt(seen.sandbox_retry_at)]
    return [StartSandbox(seen.sandbox.attempt + 1 if seen.sandbox else 0)]


def _condemned(seen: life.Observation, now: float) -> list[Action]:
    """Running containers that a probe condemns or whose image is another one by now."""
    found: list[Action] = []
    for container in [*seen.pod.spec.init_containers, *seen.pod.spec.containers]:
        record = seen.current(container.name)
        if record is None or not record.running:
            continue
        grace = float(seen.pod.spec.termination_grace_period_seconds)
        if record.spec_hash != life.spec_hash(container):
            message = f"Container {container.name} definition changed, will be restarted"
        elif seen.probe(record).failed:
            message = f"Container {container.name} failed {seen.probe(record).failed} probe, will be restarted"
            own = seen.probe(record).grace_seconds
            grace = grace if own is None else own
        else:
            continue
        if record.id not in seen.busy:
            found.append(Kill(record.id, container.name, now + grace, message))
    return found


def _starts(state: life.PodState, seen: life.Observation, now: float) -> Result:
    """The containers that may start now, and when to look again for those that may not yet."""
    if seen.busy & {container.name for container in _all(seen.pod.spec)}:
        return state, []
    names: list[str] = []
    wakes: list[float] = []
    backoffs = dict(state.backoffs)
    for container in _candidates(seen):
        record = seen.current(container.name)
        at = _start_at(state, seen, container, record)
        if at is None:
            continue
        if at > now:
            wakes.append(at)
            continue
        names.append(container.name)
        if record is not None and record.exited:
            digest = life.spec_hash(container)
            backoffs[container.name] = backoff.after_start(
                state.backoffs.get(container.name), record.finished_at, digest
            )
    actions: list[Action] = [WakeAt(min(wakes))] if wakes else []
    if names:
        actions.append(StartContainers(tuple(names)))
    return dataclasses.replace(state, backoffs=backoffs), actions


def _start_at(
    state: life.PodState,
    seen: life.Observation,
    container: objects.Container,
    record: Optional[observed.ContainerRecord],
) -> Optional[float]:
    """When a container may start, None when it runs, is being stopped, has done its work or is refused."""
    if container.name in seen.refused:
        return None
    blocked = seen.retry_at.get(container.name, 0.0)
    if record is None:
        return None if _done_before(seen, container) else blocked
    if record.running or record.id in seen.busy:
        return None
    if record.state is observed.ContainerState.CREATED:
        return blocked
    ephemeral = container in seen.pod.spec.ephemeral_containers
    if ephemeral or not life.should_restart(seen, container, record):
        return None
    entry = state.backoffs.get(container.name)
    held = backoff.until(entry, record.finished_at, life.spec_hash(container))
    return max(held, blocked)


def _done_before(seen: life.Observation, container: objects.Container) -> bool:
    """It did its work in an older sandbox, and only init containers do theirs again in a new one."""
    records = seen.records(container.name)
    if not records or container in seen.pod.spec.init_containers:
        return False
    if container in seen.pod.spec.ephemeral_containers:
        return True
    return records[0].exited and not life.should_restart(seen, container, records[0])


def _candidates(seen: life.Observation) -> list[objects.Container]:
    """Whose turn it is: init containers one by one, sidecars at any time after their turn, then all others."""
    spec = seen.pod.spec
    begun = any(seen.current(container.name) for container in spec.containers)
    turn: list[objects.Container] = []
    for container in spec.init_containers:
        if life.is_sidecar(container) or not (begun or life.init_done(seen, container)):
            turn.append(container)
        if not (begun or life.init_done(seen, container)):
            return turn
    return [*turn, *spec.containers, *spec.ephemeral_containers]


def _all(spec: objects.PodSpec) -> list[objects.Container]:
    return [*spec.init_containers, *spec.containers, *spec.ephemeral_containers]


def _sweep(seen: life.Observation) -> list[Action]:
    """Dead containers beyond what the status needs, and dead sandboxes that hold none."""
    found: list[Action] = []
    kept: set[str] = set()
    for name in dict.fromkeys(record.name for record in seen.containers):
        records = seen.records(name)
        kept.update(record.sandbox_id for record in records[:KEPT_DEAD])
        old = [record for record in records[KEPT_DEAD:] if not record.running and record.id not in seen.busy]
        found.extend(RemoveContainer(record.id) for record in old)
    for sandbox in seen.sandboxes[1:]:
        if sandbox.id in seen.busy:
            continue
        if sandbox.ready:
            found.append(StopSandbox(sandbox.id))
        elif sandbox.id not in kept:
            found.append(RemoveSandbox(sandbox.id))
    return found
