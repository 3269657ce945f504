"""This box as a Kubernetes Node and Lease: plain readings in, the JSON to send out. No I/O, no clock."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from suanli_agent.hardware import capacity, report, usage
from suanli_agent.link import clock
from suanli_agent.pods import ports

# The API level that we answer for, then who we are: controllers compare the first part.
VERSION = "v1.36.0+suanli-agent"
LEASE_SECONDS = 40  # kubelet's
MIB = 1 << 20

CERTIFICATE_EXPIRES_ANNOTATION = "suanli.io/certificate-expires"
LEAVE_ANNOTATION = "suanli.io/leave"
USAGE_ANNOTATION = "suanli.io/usage"

# Kubelet's own eviction thresholds, each with the value at which the pressure ends again: no flutter between them.
_MEMORY = (100 * MIB, 200 * MIB)
_DISK_PERCENT = (10, 12)
_INODES_PERMILLE = (50, 60)
_PIDS_PERCENT = (10, 12)


@dataclasses.dataclass(frozen=True)
class Reading:
    """All that a status is made from."""

    hardware: report.Hardware
    sample: usage.Sample
    reserve: capacity.Others
    engine: ports.EngineStatus
    addresses: Tuple[str, ...]
    clock_offset: Optional[float]
    clock_synced: Optional[bool]
    max_pods: int
    port: int
    images: Tuple[ports.NodeImage, ...] = ()


Condition = Dict[str, str]


def _low(free: int, limits: Tuple[int, int], pressed: bool) -> bool:
    """True below the first limit; once it was, until the second is passed."""
    return free < limits[1 if pressed else 0]


# Kubelet's own reasons: while the pressure is there, and while not.
_WORDS = {
    "MemoryPressure": ("KubeletHasInsufficientMemory", "KubeletHasSufficientMemory", "memory"),
    "DiskPressure": ("KubeletHasDiskPressure", "KubeletHasNoDiskPressure", "disk space or inodes"),
    "PIDPressure": ("KubeletHasInsufficientPID", "KubeletHasSufficientPID", "process numbers"),
}


def _pressure(kind: str, pressed: bool) -> Condition:
    bad, good, what = _WORDS[kind]
    if pressed:
        return {"type": kind, "status": "True", "reason": bad, "message": f"{what} run out"}
    return {"type": kind, "status": "False", "reason": good, "message": f"{what} suffice"}


def _pressures(sample: usage.Sample, before: Mapping[str, str]) -> List[Condition]:
    disk = sample.disk_available_bytes * 100 // max(sample.disk_total_bytes, 1)
    pids = 100 - sample.processes * 100 // max(sample.processes_limit, 1)
    was = {kind: status == "True" for kind, status in before.items()}
    disk_pressed = was.get("DiskPressure", False)
    low_disk = _low(disk, _DISK_PERCENT, disk_pressed) or _low(
        sample.inodes_available_permille, _INODES_PERMILLE, disk_pressed
    )
    low_memory = _low(sample.memory_available_bytes, _MEMORY, was.get("MemoryPressure", False))
    low_pids = _low(pids, _PIDS_PERCENT, was.get("PIDPressure", False))
    pressed = {"MemoryPressure": low_memory, "DiskPressure": low_disk, "PIDPressure": low_pids}
    return [_pressure(kind, low) for kind, low in pressed.items()]


def _clock_condition(reading: Reading) -> Condition:
    offset = reading.clock_offset
    if reading.clock_synced is None or offset is None:
        return {
            "type": "ClockSynced",
            "status": "Unknown",
            "reason": "NoAnswer",
            "message": "the hub told no time",
        }
    behind = f"{abs(offset):.0f} s {'behind' if offset > 0 else 'ahead of'} the hub"
    if reading.clock_synced:
        return {"type": "ClockSynced", "status": "True", "reason": "Synced", "message": "box and hub agree"}
    return {
        "type": "ClockSynced",
        "status": "False",
        "reason": "ClockSkew",
        "message": f"this box's clock is {behind}",
    }


def _ready(engine: ports.EngineStatus) -> List[Condition]:
    running = {"type": "EngineReady", "status": "True", "reason": "EngineReady", "message": engine.version}
    if not engine.ready:
        running.update(status="False", reason="EngineNotReady", message=engine.message or "no answer")
    ready = {"type": "Ready", "status": "True", "reason": "AgentReady", "message": "the agent takes pods"}
    if not (engine.ready and engine.network_ready):
        reason = "NetworkNotReady" if engine.ready else "EngineNotReady"
        ready.update(status="False", reason=reason, message=engine.message or "the container runtime is not ready")
    return [running, ready]


def conditions(reading: Reading, before: Sequence[Mapping[str, Any]], now: float) -> List[Condition]:
    """The Node's conditions; a transition time moves only where the status did. `before` is what was sent last."""
    last = {str(each["type"]): each for each in before}
    found = _pressures(reading.sample, {kind: str(each["status"]) for kind, each in last.items()})
    found += [_clock_condition(reading), *_ready(reading.engine)]
    stamp = clock.rfc3339(now)
    for each in found:
        old = last.get(each["type"])
        same = old is not None and old["status"] == each["status"]
        each["lastTransitionTime"] = str(old["lastTransitionTime"]) if same and old else stamp
        each["lastHeartbeatTime"] = stamp
    return found


def amounts(reading: Reading) -> capacity.Amounts:
    """The box's whole."""
    cpu = reading.hardware.cpu
    return capacity.Amounts(
        cpus=cpu.count if cpu else 0,
        memory_bytes=reading.sample.memory_bytes,
        storage_bytes=reading.sample.disk_total_bytes,
        pods=reading.max_pods,
        extended=report.extended(reading.hardware),
    )


def _info(reading: Reading) -> Dict[str, str]:
    system, cpu = reading.hardware.system, reading.hardware.cpu
    info = {
        "kubeletVersion": VERSION,
        "kubeProxyVersion": "",
        "containerRuntimeVersion": reading.engine.version,
        "operatingSystem": "linux",
        "architecture": cpu.architecture if cpu else "",
    }
    if system:
        info.update(
            machineID=system.machine_id,
            systemUUID=system.system_uuid,
            bootID=system.boot_id,
            kernelVersion=system.kernel,
            osImage=" ".join(filter(None, [system.os.image, system.os.service_pack])),
        )
    return info


def status(reading: Reading, node: str, before: Sequence[Mapping[str, Any]], now: float) -> Dict[str, Any]:
    """Node status as a strategic merge patch; `before` is the conditions that were sent last."""
    whole = amounts(reading)
    own = [{"type": "InternalIP", "address": address} for address in reading.addresses]
    return {
        "capacity": capacity.capacity(whole),
        "allocatable": capacity.allocatable(whole, reading.reserve),
        "conditions": conditions(reading, before, now),
        # Merging would keep addresses that the box has no longer.
        "addresses": [{"$patch": "replace"}, *own, {"type": "Hostname", "address": node}],
        "nodeInfo": _info(reading),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": reading.port}},
        "images": [{"names": list(image.names), "sizeBytes": image.size_bytes} for image in reading.images],
    }


def _lasting(status: Mapping[str, Any]) -> Dict[str, Any]:
    passing = ("lastHeartbeatTime", "message")
    kept = [{key: value for key, value in each.items() if key not in passing} for each in status["conditions"]]
    return {**status, "conditions": kept}


def differs(status: Mapping[str, Any], sent: Optional[Mapping[str, Any]]) -> bool:
    """Whether a status says something new: heartbeat times and the figures in messages are nothing new."""
    return sent is None or _lasting(status) != _lasting(sent)


def metadata(
    hardware: report.Hardware, node: str, expires: Optional[float], present: Mapping[str, Any]
) -> Dict[str, Any]:
    """The merge patch that brings labels and annotations up to date; empty where nothing is to be changed.

    A fact of ours that is no longer known is removed; what others wrote stays.
    """
    wanted: Dict[str, Optional[str]] = {**report.labels(hardware), "kubernetes.io/hostname": node}
    for name in present.get("labels", {}):
        if name.startswith("suanli.io/"):
            wanted.setdefault(name, None)
    notes = {CERTIFICATE_EXPIRES_ANNOTATION: clock.rfc3339(expires)} if expires else {}
    patch = {
        "labels": _changed(wanted, present.get("labels", {})),
        "annotations": _changed(notes, present.get("annotations", {})),
    }
    return {key: value for key, value in patch.items() if value}


def _changed(wanted: Mapping[str, Optional[str]], present: Mapping[str, str]) -> Dict[str, Optional[str]]:
    return {name: value for name, value in wanted.items() if present.get(name) != value}


def wants_to_leave(metadata: Mapping[str, Any]) -> bool:
    """Whether a Node asks its hub to let it go: as the controller reads it."""
    return bool(metadata.get("annotations", {}).get(LEAVE_ANNOTATION) == "true")


def used(sample: usage.Sample, cpu_milli: int) -> str:
    """The Lease's usage annotation."""
    figures = {
        "cpuMilli": cpu_milli,
        "memoryBytes": sample.memory_bytes - sample.memory_available_bytes,
        "diskBytes": sample.disk_total_bytes - sample.disk_available_bytes,
        "rxBytes": sample.rx_bytes,
        "txBytes": sample.tx_bytes,
    }
    return json.dumps(figures, separators=(",", ":"))


def lease(node: str, uid: str, now: float, figures: str) -> Dict[str, Any]:
    """The Lease as it is created; the patch that renews it is its `spec` and `metadata.annotations`."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": node,
            "namespace": "kube-node-lease",
            "annotations": {USAGE_ANNOTATION: figures},
            "ownerReferences": [owner] if uid else [],
        },
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": clock.rfc3339(now, micro=True),
        },
    }
