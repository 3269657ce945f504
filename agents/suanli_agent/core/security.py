"""The security context that counts for one container: its own over the pod's, as Kubernetes defines it field
by field.
"""

from __future__ import annotations

import dataclasses
from typing import Optional

from suanli_agent.core import objects

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

UNCONFINED = objects.SecurityProfile(type="Unconfined")


@dataclasses.dataclass(frozen=True)
class Effective:
    """What the container really gets; username is the image's, when neither the spec nor the image has a
    number.
    """

    user: Optional[int]
    username: str
    group: Optional[int]
    groups: tuple[int, ...]
    privileged: bool
    read_only_root: bool
    no_new_privileges: bool
    add: tuple[str, ...]
    drop: tuple[str, ...]
    seccomp: objects.SecurityProfile
    apparmor: Optional[objects.SecurityProfile]
    selinux: Optional[objects.SELinuxOptions]
    masked: tuple[str, ...]
    readonly: tuple[str, ...]


def effective(
    spec: objects.PodSpec, container: objects.Container, image_user: tuple[Optional[int], str]
) -> Effective:
    """The context of one container; image_user is the image's (number, name).

    Without a seccomp profile a container is Unconfined, as with kubelet, unless it says otherwise. Raises
    ValueError when runAsNonRoot cannot be vouched for.
    """
    pod, own = spec.security_context, container.security_context or objects.SecurityContext()
    user = own.run_as_user if own.run_as_user is not None else pod.run_as_user
    _check_non_root(own, pod, user, image_user, container.name)
    capabilities = own.capabilities or objects.Capabilities()
    unmasked = own.privileged or own.proc_mount == "Unmasked"
    return Effective(
        user=user if user is not None else image_user[0],
        username="" if user is not None else image_user[1],
        group=own.run_as_group if own.run_as_group is not None else pod.run_as_group,
        groups=groups(pod),
        privileged=own.privileged,
        read_only_root=own.read_only_root_filesystem,
        no_new_privileges=own.allow_privilege_escalation is False,
        add=tuple(capabilities.add),
        drop=tuple(capabilities.drop),
        seccomp=UNCONFINED if own.privileged else own.seccomp_profile or pod.seccomp_profile or UNCONFINED,
        apparmor=own.app_armor_profile or pod.app_armor_profile,
        selinux=own.se_linux_options or pod.se_linux_options,
        masked=() if unmasked else MASKED_PATHS,
        readonly=() if unmasked else READONLY_PATHS,
    )


def groups(pod: objects.PodSecurityContext) -> tuple[int, ...]:
    """Supplemental groups, fsGroup among them."""
    extra = [] if pod.fs_group is None else [pod.fs_group]
    return tuple(dict.fromkeys([*pod.supplemental_groups, *extra]))


def _check_non_root(
    own: objects.SecurityContext,
    pod: objects.PodSecurityContext,
    user: Optional[int],
    image_user: tuple[Optional[int], str],
    name: str,
) -> None:
    wanted = own.run_as_non_root if own.run_as_non_root is not None else pod.run_as_non_root
    if not wanted:
        return
    if user == 0:
        raise ValueError(f"container {name}: runAsUser is 0 although runAsNonRoot is true: give another user")
    if user is None and image_user[1]:
        message = f"image has non-numeric user ({image_user[1]}), cannot verify user is non-root: give runAsUser"
        raise ValueError(f"container {name}: {message}")
    if user is None and not image_user[0]:
        raise ValueError(f"container {name}: has runAsNonRoot and image will run as root: give runAsUser")
