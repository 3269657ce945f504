"""The words in which a pod's life is told: what is remembered, what is seen, and what follows from both.

step.py decides what to do, status.py what to say; both ask the questions that are answered here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Optional

from suanli_agent.core import backoff, objects, observed


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The end of a pod's life: phase Succeeded or Failed for good. refused: it never started here."""

    phase: str
    reason: str = ""
    message: str = ""
    refused: bool = False


@dataclasses.dataclass(frozen=True)
class Waiting:
    """What keeps a container from starting, as its waiting state says it."""

    reason: str
    message: str


@dataclasses.dataclass(frozen=True)
class ProbeView:
    """What the probes of one running container say.

    failed names the probe that condemns it, with its own grace.
    """

    started: bool = False
    ready: bool = False
    failed: str = ""
    grace_seconds: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class PodState:
    """What is remembered of a pod between steps. Times are seconds since the epoch."""

    start_time: float
    backoffs: Mapping[str, backoff.Backoff] = dataclasses.field(default_factory=dict)
    verdict: Optional[Verdict] = None
    stop_by: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Observation:
    """What is seen of a pod at one moment.

    sandboxes and containers are newest first. busy holds the names of containers being started, the ids of
    containers and sandboxes being stopped, and "sandbox" while one is made. removed: the hub has the pod no
    longer. refused has the names of containers that cannot be run here. sandbox_retry_at and retry_at, by
    container name, say when what failed may be tried again (seconds since the epoch).
    """

    pod: objects.Pod
    sandboxes: tuple[observed.SandboxRecord, ...] = ()
    containers: tuple[observed.ContainerRecord, ...] = ()
    probes: Mapping[str, ProbeView] = dataclasses.field(default_factory=dict)
    waiting: Mapping[str, Waiting] = dataclasses.field(default_factory=dict)
    retry_at: Mapping[str, float] = dataclasses.field(default_factory=dict)
    sandbox_retry_at: float = 0.0
    refused: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    removed: bool = False
    host_ips: tuple[str, ...] = ()
    runtime_name: str = "containerd"
    reported_conditions: tuple[objects.PodCondition, ...] = ()

    @property
    def sandbox(self) -> Optional[observed.SandboxRecord]:
        """The newest sandbox, dead or alive."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def pod_ips(self) -> tuple[str, ...]:
        """The pod's addresses: the box's own on the host network, none before there is a sandbox.

        They stay when the sandbox is down, as with kubelet: who looks back can tell where a pod was.
        """
        if self.sandbox is None:
            return ()
        return self.host_ips if self.pod.spec.host_network else self.sandbox.ips

    def records(self, name: str) -> tuple[observed.ContainerRecord, ...]:
        """Every container of that name, newest first."""
        return tuple(record for record in self.containers if record.name == name)

    def current(self, name: str) -> Optional[observed.ContainerRecord]:
        """The newest container of that name in the newest sandbox, None before it was made there."""
        records = self.records(name)
        here = self.sandbox is not None and bool(records) and records[0].sandbox_id == self.sandbox.id
        return records[0] if here else None

    def probe(self, record: observed.ContainerRecord) -> ProbeView:
        """What its probes say; nothing was probed yet: not started, not ready."""
        return self.probes.get(record.id, ProbeView())


def is_sidecar(container: objects.Container) -> bool:
    """An init container that goes on running beside the others."""
    return container.restart_policy == "Always"


def restart_policy(seen: Observation, container: objects.Container) -> str:
    """Its own where it has one, an init container's Always counts as OnFailure when it is no sidecar."""
    own = container.restart_policy or seen.pod.spec.restart_policy
    init = container in seen.pod.spec.init_containers and not is_sidecar(container)
    return "OnFailure" if init and own == "Always" else own


def should_restart(seen: Observation, container: objects.Container, record: observed.ContainerRecord) -> bool:
    """Whether a dead container is to be started again."""
    policy = restart_policy(seen, container)
    return policy == "Always" or (policy == "OnFailure" and failed(record))


def failed(record: observed.ContainerRecord) -> bool:
    """Dead, and not by a clean exit."""
    return record.exited and (record.exit_code != 0 or record.state is observed.ContainerState.UNKNOWN)


def started(seen: Observation, container: objects.Container) -> bool:
    """Running, with its startup probe and postStart hook behind it."""
    record = seen.current(container.name)
    return record is not None and record.running and seen.probe(record).started


def ready(seen: Observation, container: objects.Container) -> bool:
    """As in containerStatuses: an init container that is no sidecar is ready once it has done its work."""
    if container in seen.pod.spec.init_containers and not is_sidecar(container):
        return init_done(seen, container)
    record = seen.current(container.name)
    return record is not None and record.running and seen.probe(record).ready


def init_done(seen: Observation, container: objects.Container) -> bool:
    """This init container holds the next one back no longer."""
    if is_sidecar(container):
        return started(seen, container)
    record = seen.current(container.name)
    return record is not None and record.exited and not failed(record)


def initialized(seen: Observation) -> bool:
    """Every init container has done its work; also when a normal container was made in this sandbox already."""
    if any(seen.current(container.name) for container in seen.pod.spec.containers):
        return True
    return all(init_done(seen, container) for container in seen.pod.spec.init_containers)


def held_back(state: PodState, seen: Observation, container: objects.Container) -> Optional[Waiting]:
    """CrashLoopBackOff, when that is what a dead container waits for and the pod goes on."""
    record = seen.current(container.name)
    stopping = state.verdict is not None or seen.removed or seen.pod.metadata.deletion_timestamp
    if stopping or record is None or not record.exited or not should_restart(seen, container, record):
        return None
    entry = state.backoffs.get(container.name)
    if entry is None or backoff.until(entry, record.finished_at, spec_hash(container)) == record.finished_at:
        return None
    meta = seen.pod.metadata
    pod = f"{meta.name}_{meta.namespace}({meta.uid})"
    message = f"back-off {duration(entry.seconds)} restarting failed container={container.name} pod={pod}"
    return Waiting("CrashLoopBackOff", message)


def duration(seconds: float) -> str:
    """As Go prints it: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def spec_hash(container: objects.Container) -> str:
    """What must stay the same for a running container to be kept: of a pod's spec only the image may change."""
    return container.image


def phase(state: PodState, seen: Observation) -> str:
    """Pending, Running, Succeeded or Failed, as kubelet's getPhase has it."""
    stopping = seen.pod.metadata.deletion_timestamp or seen.removed
    alive = any(record.running for record in seen.containers) or _starting(seen)
    if state.verdict is not None and not alive:
        return state.verdict.phase
    if stopping and not alive and seen.containers:
        mains = [seen.records(container.name) for container in seen.pod.spec.containers]
        return "Failed" if any(records and failed(records[0]) for records in mains) else "Succeeded"
    if not initialized(seen) and not any(seen.records(c.name) for c in seen.pod.spec.containers):
        return "Pending"
    return "Running" if all(_was_started(seen, container) for container in seen.pod.spec.containers) else "Pending"


def _was_started(seen: Observation, container: objects.Container) -> bool:
    return any(record.state is not observed.ContainerState.CREATED for record in seen.records(container.name))


def _starting(seen: Observation) -> bool:
    return bool(seen.busy & {container.name for container in seen.pod.spec.containers})
