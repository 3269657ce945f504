"""Which pods this agent takes: what it cannot honour is refused with its field named, never ignored."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Optional

import msgspec

from suanli_agent.core import objects, quantity

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
"""Kubernetes' own list of safe ones (pkg/kubelet/sysctl/safe_sysctls.go): namespaced, and harmless to other
pods.
"""


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a pod is not run: its status gets phase Failed with this reason and message."""

    reason: str
    message: str


@dataclasses.dataclass(frozen=True)
class Box:
    """What a pod may find here. apparmor: the kernel has it; contained: the agent itself runs in a container, with the
    box's files at another place, which it can read only.
    """

    apparmor: bool = False
    contained: bool = False


def refusal(raw: bytes, pod: objects.Pod, box: Box) -> Optional[Refusal]:
    """The first reason to refuse a pod, None for one that can be run; its ephemeral containers do not count.

    raw is the pod's JSON, pod the same decoded.
    """
    system = pod.spec.os.name if pod.spec.os else "linux"
    if system != "linux":
        message = (
            f'Failed to admit pod as the OS field is {system!r} and the operating system of this node is "linux"'
        )
        return Refusal("PodOSNotSupported", message)
    unsafe = next(
        (s.name for s in pod.spec.security_context.sysctls if not _sysctl_allowed(s.name, pod.spec)), None
    )
    if unsafe is not None:
        return Refusal("SysctlForbidden", f'forbidden sysctl: "{unsafe}" not allowlisted')
    shown = _spec(raw)
    shown.pop("ephemeralContainers", None)
    return _unsupported([*_unknown(shown, objects.PodSpec, "spec"), *_values(pod.spec, box)])


def refused_ephemeral(raw: bytes, pod: objects.Pod, box: Box) -> dict[str, Refusal]:
    """The ephemeral containers that cannot be run, by name: they come to a pod that runs and goes on without them."""
    refusals: dict[str, Refusal] = {}
    shown = _spec(raw)["ephemeralContainers"] if pod.spec.ephemeral_containers else []
    for index, container in enumerate(pod.spec.ephemeral_containers):
        path = f"spec.ephemeralContainers[{index}]"
        unknown = _unknown(shown[index], objects.Container, path)
        no = _unsupported([*unknown, *_container_values(container, path, pod.spec, box)])
        if no is not None:
            refusals[container.name] = no
    return refusals


def _spec(raw: bytes) -> dict[str, Any]:
    return dict(msgspec.json.decode(raw).get("spec") or {})


def _unsupported(found: Sequence[str]) -> Optional[Refusal]:
    if not found:
        return None
    more = f" (and {len(found) - 5} more)" if len(found) > 5 else ""
    return Refusal("UnsupportedPodSpec", "this node does not support " + ", ".join(found[:5]) + more)


def _unknown(value: Any, kind: Any, path: str) -> Iterable[str]:
    if isinstance(value, list):
        inner = typing.get_args(kind)
        for index, item in enumerate(value):
            yield from _unknown(item, inner[0] if inner else Any, f"{path}[{index}]")
    elif isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        known = _fields(kind)
        for key, inner_value in value.items():
            if key in known:
                yield from _unknown(inner_value, known[key], f"{path}.{key}")
            elif inner_value not in (None, "", False, 0, {}, []):
                yield f"{path}.{key}"


@functools.lru_cache(maxsize=None)
def _fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON name -> type, where Optional[X] counts as X."""
    hints = typing.get_type_hints(kind)
    names = zip(kind.__struct_fields__, kind.__struct_encode_fields__)  # noqa: B905 - not in Python 3.9
    return {encoded: _plain(hints[name]) for name, encoded in names}


def _plain(kind: Any) -> Any:
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    return options[0] if typing.get_origin(kind) is typing.Union and len(options) == 1 else kind


def _values(spec: objects.PodSpec, box: Box) -> Iterable[str]:
    """Known fields with a value that cannot be honoured."""
    if not spec.host_users:
        yield "spec.hostUsers: false"
    if spec.security_context.supplemental_groups_policy not in {"", "Merge"}:
        yield f"spec.securityContext.supplementalGroupsPolicy: {spec.security_context.supplemental_groups_policy}"
    for index, volume in enumerate(spec.volumes):
        if volume.empty_dir and volume.empty_dir.medium not in {"", "Memory"}:
            yield f"spec.volumes[{index}].emptyDir.medium: {volume.empty_dir.medium}"
    yield from _profile("spec.securityContext", spec.security_context.app_armor_profile, box)
    for field, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(containers):
            yield from _container_values(container, f"spec.{field}[{index}]", spec, box)


def _container_values(container: objects.Container, path: str, spec: objects.PodSpec, box: Box) -> Iterable[str]:
    yield from _quantities(container, f"{path}.resources")
    own = container.security_context
    yield from _profile(f"{path}.securityContext", own.app_armor_profile if own else None, box)
    if box.contained:
        on_host = {volume.name for volume in spec.volumes if volume.host_path}
        yield from _sub_paths(container, f"{path}.volumeMounts", on_host)


def _profile(path: str, profile: Optional[objects.SecurityProfile], box: Box) -> Iterable[str]:
    if profile and profile.type != "Unconfined" and not box.apparmor:
        yield f"{path}.appArmorProfile: {profile.type} (the kernel has no AppArmor)"


def _sub_paths(container: objects.Container, path: str, on_host: AbstractSet[str]) -> Iterable[str]:
    for index, mount in enumerate(container.volume_mounts):
        if mount.name in on_host and (mount.sub_path or mount.sub_path_expr):
            yield f"{path}[{index}].subPath of a hostPath volume (the agent runs in a container)"


def _quantities(container: objects.Container, path: str) -> Iterable[str]:
    for kind, amounts in (("limits", container.resources.limits), ("requests", container.resources.requests)):
        for name, amount in amounts.items():
            try:
                quantity.parse(amount)
            except ValueError:
                yield f"{path}.{kind}.{name}: {amount!r}"


def _sysctl_allowed(name: str, spec: objects.PodSpec) -> bool:
    plain = sysctl_name(name)
    if spec.host_network and plain.startswith("net."):
        return False
    return plain in SAFE_SYSCTLS and not (spec.host_ipc and plain.startswith("kernel.shm"))


def sysctl_name(name: str) -> str:
    """With dots: a name may be written net/ipv4/x, where dots inside a word then stand for themselves."""
    first = next((letter for letter in name if letter in "./"), ".")
    return name if first == "." else name.translate(str.maketrans("./", "/."))
