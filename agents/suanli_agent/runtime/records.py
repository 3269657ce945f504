"""From CRI's messages to the plain records of core.observed."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from suanli_agent.core import cgroups, observed
from suanli_agent.runtime import cri_pb2 as cri

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
MANAGED_BY = "io.suanli.managed-by"
"""On everything that this agent makes: nothing without it is ever stopped or removed."""

SPEC_HASH = "io.suanli.container.hash"
SIZES = "io.suanli.container.sizes"
MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
GRACE = "io.kubernetes.pod.terminationGracePeriod"

NANO = 1e9


def sandbox(listed: cri.PodSandbox) -> observed.SandboxRecord:
    """A sandbox as ListPodSandbox has it: without addresses and pid."""
    return observed.SandboxRecord(
        id=listed.id,
        pod_uid=listed.metadata.uid,
        pod_name=listed.metadata.name,
        pod_namespace=listed.metadata.namespace,
        attempt=listed.metadata.attempt,
        ready=listed.state == cri.SANDBOX_READY,
        created_at=listed.created_at / NANO,
    )


def sandbox_status(answer: cri.PodSandboxStatusResponse) -> observed.SandboxRecord:
    """A sandbox with addresses and, where the runtime tells it, the pid of its process."""
    status = answer.status
    ips = (status.network.ip, *(extra.ip for extra in status.network.additional_ips))
    return observed.SandboxRecord(
        id=status.id,
        pod_uid=status.metadata.uid,
        pod_name=status.metadata.name,
        pod_namespace=status.metadata.namespace,
        attempt=status.metadata.attempt,
        ready=status.state == cri.SANDBOX_READY,
        created_at=status.created_at / NANO,
        ips=tuple(ip for ip in ips if ip),
        pid=_pid(answer.info),
    )


def container_status(answer: cri.ContainerStatusResponse, sandbox_id: str) -> observed.ContainerRecord:
    """A container with everything that a containerStatus needs; sandbox_id comes from ListContainers."""
    status = answer.status
    notes = status.annotations
    return observed.ContainerRecord(
        id=status.id,
        sandbox_id=sandbox_id,
        pod_uid=status.labels.get(POD_UID, ""),
        name=status.metadata.name,
        attempt=status.metadata.attempt,
        state=observed.ContainerState(status.state),
        created_at=status.created_at / NANO,
        started_at=max(status.started_at, 0) / NANO,
        finished_at=max(status.finished_at, 0) / NANO,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        image=status.image.image,
        image_ref=status.image_ref,
        spec_hash=notes.get(SPEC_HASH, ""),
        log_path=status.log_path,
        pid=_pid(answer.info),
        termination_message_path=notes.get(MESSAGE_PATH, ""),
        termination_message_policy=notes.get(MESSAGE_POLICY, ""),
        grace_seconds=int(notes[GRACE]) if notes.get(GRACE, "").isdigit() else None,
        sizes=notes.get(SIZES),
    )


def image(listed: cri.Image) -> observed.ImageRecord:
    """An image; its user is either a number or a name."""
    return observed.ImageRecord(
        id=listed.id,
        tags=tuple(listed.repo_tags),
        digests=tuple(listed.repo_digests),
        size_bytes=listed.size,
        uid=listed.uid.value if listed.HasField("uid") else None,
        username=listed.username,
        pinned=listed.pinned,
    )


def sandbox_image(info: Mapping[str, str]) -> str:
    """SandboxImage of containerd's configuration in the verbose Status; empty where there is none."""
    try:
        return str(json.loads(info.get("config", "{}")).get("sandboxImage", ""))
    except (ValueError, AttributeError):
        return ""


def cgroup_driver(answer: cri.RuntimeConfigResponse) -> str:
    """The driver in a RuntimeConfig; empty where the answer says nothing of Linux, which is not the 0 of systemd."""
    if not answer.HasField("linux"):
        return ""
    return cgroups.CGROUPFS if answer.linux.cgroup_driver == cri.CGROUPFS else cgroups.SYSTEMD


def configured_driver(info: Mapping[str, str]) -> str:
    """The driver in containerd's configuration, its default runtime's SystemdCgroup; empty where there is none."""
    try:
        own = json.loads(info["config"])["containerd"]
        options = own["runtimes"][own["defaultRuntimeName"]].get("options") or {}
        return cgroups.SYSTEMD if options.get("SystemdCgroup") else cgroups.CGROUPFS
    except (KeyError, ValueError, TypeError, AttributeError):
        return ""


class _Info(msgspec.Struct):
    """What is read of some ten kilobytes, the whole OCI spec among them."""

    pid: int = 0


def _pid(info: Mapping[str, str]) -> int:
    """The pid in containerd's, CRI-O's and iSulad's verbose info; 0 where there is none."""
    try:
        return msgspec.json.decode(info.get("info", "{}"), type=_Info, strict=False).pid
    except msgspec.MsgspecError:
        return 0
