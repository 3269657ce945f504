"""A pod's status as kubelet reports it: phase, conditions and containerStatuses from what is seen.

Nothing is sent here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from suanli_agent.core import life, objects, observed, resources

RESIZE = "PodResizePending"
WRONG_BUILD = (
    "this image is not built for this box's processor: use the variant for its architecture and ISA level"
)


def stamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, as metav1.Time has it: whole seconds."""
    return dt.datetime.fromtimestamp(int(seconds), dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(state: life.PodState, seen: life.Observation, now: float) -> dict[str, Any]:
    """The whole status of a pod, without conditions that others own."""
    pod, phase = seen.pod, life.phase(state, seen)
    result: dict[str, Any] = {
        "phase": phase,
        "hostIP": seen.host_ips[0] if seen.host_ips else None,
        "hostIPs": [{"ip": ip} for ip in seen.host_ips],
        "startTime": stamp(state.start_time),
        "qosClass": resources.qos_class(pod.spec),
        "observedGeneration": pod.metadata.generation or None,
        "reason": state.verdict.reason if state.verdict and state.verdict.reason else None,
        "message": state.verdict.message if state.verdict and state.verdict.message else None,
    }
    if not (state.verdict and state.verdict.refused):
        result.update(_running_part(state, seen))
    result["conditions"] = conditions(phase, state, seen, now)
    return {key: value for key, value in result.items() if value is not None}


def _running_part(state: life.PodState, seen: life.Observation) -> dict[str, Any]:
    spec = seen.pod.spec
    kinds = {
        "initContainerStatuses": spec.init_containers,
        "containerStatuses": spec.containers,
        "ephemeralContainerStatuses": spec.ephemeral_containers,
    }
    part: dict[str, Any] = {
        kind: [container_status(state, seen, container) for container in containers]
        for kind, containers in kinds.items()
        if containers
    }
    ips = seen.pod_ips
    return {**part, "podIP": ips[0] if ips else None, "podIPs": [{"ip": ip} for ip in ips]}


def container_status(state: life.PodState, seen: life.Observation, container: objects.Container) -> dict[str, Any]:
    """One entry of containerStatuses."""
    records = seen.records(container.name)
    newest = records[0] if records else None
    current, last = _states(state, seen, container, records)
    ready, started = life.ready(seen, container), life.started(seen, container)
    result: dict[str, Any] = {
        "name": container.name,
        "state": current,
        "lastState": last,
        "ready": ready and "waiting" not in current,
        "started": started and "running" in current,
        "restartCount": newest.attempt if newest else 0,
        "image": (newest.image if newest else "") or container.image,
        "imageID": newest.image_ref if newest else "",
    }
    if newest is not None:
        result["containerID"] = f"{seen.runtime_name}://{newest.id}"
    if container in seen.pod.spec.ephemeral_containers:
        del result["started"]
    mounts = [_mount_status(mount) for mount in container.volume_mounts]
    return {**result, "volumeMounts": mounts} if mounts else result


def _mount_status(mount: objects.VolumeMount) -> dict[str, Any]:
    base: dict[str, Any] = {"name": mount.name, "mountPath": mount.mount_path}
    return {**base, "readOnly": True, "recursiveReadOnly": "Disabled"} if mount.read_only else base


def _states(
    state: life.PodState,
    seen: life.Observation,
    container: objects.Container,
    records: Sequence[observed.ContainerRecord],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """State and lastState."""
    newest = records[0] if records else None
    older = terminated(seen, records[1]) if len(records) > 1 else {}
    if newest is None:
        return _waiting(state, seen, container), {}
    if newest.running:
        return {"running": {"startedAt": stamp(newest.started_at)}}, older
    if newest.state is observed.ContainerState.CREATED:
        return _waiting(state, seen, container), older
    if container.name in seen.waiting or life.held_back(state, seen, container):
        return _waiting(state, seen, container), terminated(seen, newest)
    return terminated(seen, newest), older


def _waiting(state: life.PodState, seen: life.Observation, container: objects.Container) -> dict[str, Any]:
    known = seen.waiting.get(container.name) or life.held_back(state, seen, container)
    if known is not None:
        return {"waiting": {"reason": known.reason, "message": known.message}}
    return {"waiting": {"reason": "PodInitializing" if seen.pod.spec.init_containers else "ContainerCreating"}}


def terminated(seen: life.Observation, record: observed.ContainerRecord) -> dict[str, Any]:
    """The terminated state of a dead container, a wrong build named as such."""
    reason, message = record.reason, record.message
    if record.state is observed.ContainerState.UNKNOWN:
        reason = reason or "ContainerStatusUnknown"
        message = message or "The container could not be located when the pod was terminated"
    if wrong_build(record):
        reason, message = "WrongBuild", f"{message}: {WRONG_BUILD}" if message else WRONG_BUILD
    inner = {
        "exitCode": record.exit_code,
        "reason": reason or ("Completed" if record.exit_code == 0 else "Error"),
        "message": message or None,
        "startedAt": stamp(record.started_at) if record.started_at else None,
        "finishedAt": stamp(record.finished_at) if record.finished_at else None,
        "containerID": f"{seen.runtime_name}://{record.id}",
    }
    return {"terminated": {key: value for key, value in inner.items() if value is not None}}


def wrong_build(record: observed.ContainerRecord) -> bool:
    """True for a program that this processor cannot run: exec format error, or SIGILL (128 + 4)."""
    return "exec format error" in record.message or record.exit_code == 132


def conditions(phase: str, state: life.PodState, seen: life.Observation, now: float) -> list[dict[str, Any]]:
    """The conditions that a node owns; a lastTransitionTime moves only when the status of its condition does."""
    found = [
        ("PodReadyToStartContainers", bool(seen.sandbox and seen.sandbox.ready), "", ""),
        _initialized(phase, seen),
        _ready(phase, state, seen, gates=True),
        _ready(phase, state, seen, gates=False),
        ("PodScheduled", True, "", ""),
    ]
    before = {condition.type: condition for condition in seen.pod.status.conditions}
    before.update({condition.type: condition for condition in seen.reported_conditions})
    resized = _resized(seen)
    if resized or RESIZE in before:
        found.append((RESIZE, bool(resized), "Infeasible" if resized else "", _not_resized(resized)))
    return [_condition(entry, before.get(entry[0]), seen.pod.metadata.generation, now) for entry in found]


def _resized(seen: life.Observation) -> list[str]:
    """Running containers whose CPU or memory is another by now than what they were made with."""
    spec = seen.pod.spec
    found = ((each, seen.current(each.name)) for each in [*spec.init_containers, *spec.containers])
    return [
        each.name
        for each, record in found
        if record and record.running and record.sizes not in (None, resources.sizes(each))
    ]


def _not_resized(names: Sequence[str]) -> str:
    said = "this node resizes no running container; it gets its new amounts when it is next started: "
    return said + ", ".join(names) if names else ""


def _condition(
    entry: tuple[str, bool, str, str], before: Optional[objects.PodCondition], generation: int, now: float
) -> dict[str, Any]:
    kind, true, reason, message = entry
    text = "True" if true else "False"
    same = before is not None and before.status == text
    since = before.last_transition_time if same and before is not None else None
    full = {
        "type": kind,
        "status": text,
        "reason": reason or None,
        "message": message or None,
        "lastProbeTime": None,
        "lastTransitionTime": since or stamp(now),
        "observedGeneration": generation or None,
    }
    return {key: value for key, value in full.items() if value is not None or key == "lastProbeTime"}


def _initialized(phase: str, seen: life.Observation) -> tuple[str, bool, str, str]:
    if phase == "Succeeded":
        return "Initialized", True, "PodCompleted", ""
    missing = [c.name for c in seen.pod.spec.init_containers if not life.init_done(seen, c)]
    if not missing or life.initialized(seen):
        return "Initialized", True, "", ""
    return "Initialized", False, "ContainersNotInitialized", _listed("incomplete", missing)


def _ready(phase: str, state: life.PodState, seen: life.Observation, *, gates: bool) -> tuple[str, bool, str, str]:
    kind = "Ready" if gates else "ContainersReady"
    if phase in {"Succeeded", "Failed"}:
        return kind, False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    spec = seen.pod.spec
    counted = [c for c in spec.init_containers if life.is_sidecar(c)] + spec.containers
    unready = [c.name for c in counted if not life.ready(seen, c)]
    if unready or state.verdict is not None:
        return kind, False, "ContainersNotReady", _listed("unready", unready)
    closed = [gate.condition_type for gate in spec.readiness_gates if not _gate_open(seen, gate.condition_type)]
    if gates and closed:
        missing = [f'corresponding condition of pod readiness gate "{name}" does not exist.' for name in closed]
        return kind, False, "ReadinessGatesNotReady", " ".join(missing)
    return kind, True, "", ""


def _gate_open(seen: life.Observation, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in seen.pod.status.conditions)


def _listed(word: str, names: Sequence[str]) -> str:
    return f"containers with {word} status: [{' '.join(names)}]"


_LISTS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def patch(pod: objects.Pod, before: Optional[Mapping[str, Any]], status: Mapping[str, Any]) -> dict[str, Any]:
    """The strategic merge patch that turns the status that was sent before into this one.

    Address lists are merged by the API server, so they are replaced whole; a field that is gone is set to null.
    Conditions are merged too, each by its type: what a condition says no longer is null in it.
    """
    gone = {key: None for key in (before or {}) if key not in status}
    body = {key: value for key, value in status.items() if before is None or before.get(key) != value}
    for key in ("podIPs", "hostIPs"):
        if key in body:
            body[key] = [{"$patch": "replace"}, *body[key]]
    if "conditions" in body:
        body["conditions"] = [{"reason": None, "message": None, **each} for each in body["conditions"]]
    return {"metadata": {"uid": pod.metadata.uid}, "status": {**gone, **body}} if gone or body else {}
