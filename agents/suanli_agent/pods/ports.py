"""What pods/ needs from outside, and what it offers: the seam between pods/ and link/.

link/ implements Hub and calls PodManager (manager.py); pods/ never sees HTTP, certificates or kubeconfigs.
Every Hub call answers within its own time limit or raises one of the errors below: pods/ never waits for a dead
link.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any, Optional, Protocol

from suanli_agent.core import objects


class HubError(Exception):
    """The hub gave no usable answer."""


class UnavailableError(HubError):
    """No answer: link down, time-out, 429, 5xx, expired or refused certificate (401).

    Says nothing of the object.
    """


class NotFoundError(HubError):
    """The hub answered that the object does not exist (404)."""


class ForbiddenError(HubError):
    """The hub answered that this node may not do that (403), for instance since the pod is gone."""


class ConflictError(HubError):
    """The object is another one by now (409): uid or resourceVersion differ."""


class RejectedError(HubError):
    """The hub answered that the request is malformed (400, 422): a retry cannot help."""


@dataclasses.dataclass(frozen=True)
class EventNote:
    """An Event about a pod; link/ adds source, times and series, and drops it when the link is down for long.

    type is Normal or Warning; field_path names the container (see field_path below), empty for the whole pod.
    """

    namespace: str
    pod: str
    uid: str
    type: str
    reason: str
    message: str
    field_path: str = ""


@dataclasses.dataclass(frozen=True)
class NodeFacts:
    """What pods may know of their box; labels and allocatable (Kubernetes quantities) are those of its Node.

    api_host and api_port, the hub as pods reach it, become KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
    host_ips is the Node's InternalIP list, the first one is status.hostIP.
    """

    name: str
    host_ips: tuple[str, ...]
    allocatable: dict[str, str]
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    annotations: dict[str, str] = dataclasses.field(default_factory=dict)
    api_host: str = ""
    api_port: int = 443


class Hub(Protocol):
    """The hub as pods/ uses it, with this node's own identity.

    Objects are returned as their JSON so that the store can keep exactly what the hub said.
    """

    async def get_config_map(self, namespace: str, name: str) -> bytes:
        """The ConfigMap's JSON. Raises HubError."""

    async def get_secret(self, namespace: str, name: str) -> bytes:
        """The Secret's JSON. Raises HubError."""

    async def get_runtime_class(self, name: str) -> bytes:
        """The RuntimeClass's JSON. Raises HubError."""

    async def list_services(self, namespace: str) -> Sequence[bytes]:
        """The JSON of every Service of the namespace. Raises HubError."""

    async def create_token(
        self,
        namespace: str,
        service_account: str,
        pod_name: str,
        pod_uid: str,
        audience: str,
        expiration_seconds: int,
    ) -> objects.Token:
        """A token bound to that pod by TokenRequest; empty audience: the API server's own.

        Raises HubError.
        """

    async def patch_pod_status(self, namespace: str, name: str, patch: dict[str, Any]) -> None:
        """Strategic merge patch of the pod's status subresource.

        The patch has metadata.uid: another pod of the same name answers ConflictError. Raises HubError.
        """

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete with grace period 0 and the uid as precondition.

        NotFoundError and ConflictError mean that it is gone already. Raises HubError.
        """

    def emit_event(self, note: EventNote) -> None:
        """Queue an Event; never blocks, never raises."""


@dataclasses.dataclass(frozen=True)
class LogOptions:
    """What the kubelet's containerLogs endpoint takes.

    since is seconds since the epoch; tail and limits: None is all.
    """

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: Optional[float] = None
    tail_lines: Optional[int] = None
    limit_bytes: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class ExecOptions:
    """Which streams an exec or an attach opens; stderr is never open together with a tty."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


@dataclasses.dataclass(frozen=True)
class PodView:
    """One line of `suanli-agent pods`: phase and reason as reported, containers as name -> state word."""

    namespace: str
    name: str
    uid: str
    phase: str
    reason: str
    ip: str
    restarts: int
    started: Optional[str]
    containers: dict[str, str]


@dataclasses.dataclass(frozen=True)
class EngineStatus:
    """What the container runtime says of itself.

    message tells what is wrong when ready or network_ready is false.
    """

    ready: bool
    network_ready: bool
    version: str
    message: str = ""


@dataclasses.dataclass(frozen=True)
class NodeImage:
    """One entry of Node.status.images."""

    names: tuple[str, ...]
    size_bytes: int


class Pods(Protocol):
    """What pods/ offers to link/ and to the box's own commands; manager.PodManager is it.

    Lookup errors (no such pod or container) are LookupError with a message fit for the person who asked.
    """

    async def start(self) -> None:
        """Read the desired state from disk, adopt what runs, go on with it.

        Returns at once when the runtime is away.
        """

    async def stop(self) -> None:
        """Stop supervising; containers go on running."""

    def set_desired(self, pods: Sequence[bytes]) -> None:
        """The whole list of pods bound to this node, each as its JSON. A known pod that is absent is removed.

        Calling it is the statement that absence counts (DESIGN.md's rules are the caller's).
        """

    def pod_changed(self, pod: bytes) -> None:
        """One pod as a watch event brought it (ADDED, MODIFIED)."""

    def pod_removed(self, uid: str) -> None:
        """A watch event DELETED: stop it with no grace and clean up."""

    def node_changed(self, node: NodeFacts) -> None:
        """Other labels, addresses or allocatable from now on; started containers keep what they got."""

    def link_restored(self) -> None:
        """The hub answers again: send what could not be sent, refresh what is old."""

    def newest_version(self) -> int:
        """The highest resourceVersion among the pods that are kept, also over a restart; 0 where there is none."""

    def views(self) -> list[PodView]:
        """Every pod that this box should run or is still stopping."""

    def starting(self) -> bool:
        """Whether a sandbox or container is being made at this moment."""

    def logs(self, namespace: str, pod: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The container's log in chunks, as `kubectl logs` prints it.

        Raises LookupError before the first chunk.
        """

    async def exec_url(
        self, namespace: str, pod: str, container: str, command: list[str], options: ExecOptions
    ) -> str:
        """URL of the runtime's streaming server for one exec. Raises LookupError, runtime.errors.RuntimeFault."""

    async def attach_url(self, namespace: str, pod: str, container: str, options: ExecOptions) -> str:
        """URL of the runtime's streaming server for one attach.

        Raises LookupError, runtime.errors.RuntimeFault.
        """

    async def port_forward_url(self, namespace: str, pod: str, ports: list[int]) -> str:
        """URL of the runtime's streaming server for a port-forward.

        Raises LookupError, runtime.errors.RuntimeFault.
        """

    async def engine(self) -> EngineStatus:
        """Asked anew at every call, with a short time limit; never raises: an unreachable runtime is not ready."""

    async def images(self) -> list[NodeImage]:
        """The largest 50 images, largest first. Raises runtime.errors.RuntimeFault."""

    async def disk_use(self) -> Optional[dict[str, int]]:
        """What images, and logs and volumes of pods, take of the box's disks: directory -> bytes in it. Files are
        counted for it, off the loop. None while the runtime does not answer; never raises.
        """


def field_path(kind: str, name: str) -> str:
    """How kubelet names a container in an Event: kind is containers, initContainers or ephemeralContainers."""
    return f"spec.{kind}{{{name}}}" if name else ""
