"""The knobs of this room: each with its unit, its default and why."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where pods live on disk and how they are looked after."""

    root: Path = Path("/var/lib/suanli-agent")
    """Volumes, hosts files and termination messages, under pods/UID."""

    run_root: Path = Path("/run/suanli-agent")
    """Volumes with Secrets and tokens: memory on every Linux, so they never reach a disk."""

    log_root: Path = Path("/var/log/pods")
    """Container logs, where log collectors look for them."""

    host_root: str = "/"
    """Where an agent in a container sees the box's own files; the directories above are at the same place in both."""

    seccomp_root: Path = Path("/var/lib/suanli-agent/seccomp")
    """Localhost seccomp profiles are relative to it."""

    resolv_conf: Path = Path("/etc/resolv.conf")
    """What DNS policy Default, and ClusterFirst without a cluster DNS, hand to pods."""

    cluster_dns: tuple[str, ...] = ()
    """Name servers for ClusterFirst.

    Empty: an edge box reaches no Service addresses, so the host's own are used.
    """

    cluster_domain: str = "cluster.local"

    cgroup_parent: str = ""
    """Control group of all pods. Empty: as core.cgroups has it for this runtime."""

    relist_seconds: float = 10.0
    """How often everything is listed anew. Exits are seen at once by pidfd; where the kernel has none (before
    5.3): every second, as kubelet does."""

    refresh_seconds: float = 60.0
    """How old a ConfigMap or Secret may become before it is asked for again: kubelet's own sync period."""

    log_max_bytes: int = 10 * 2**20
    """A log file is rotated beyond this size (kubelet: 10Mi)."""

    log_max_files: int = 5
    """Rotated files kept of a container, the current one included (kubelet: 5)."""

    image_high_percent: int = 85
    """Images are collected when their disk is fuller than this (kubelet: 85)."""

    image_low_percent: int = 80
    """... until it is no fuller than this (kubelet: 80)."""

    image_min_age_seconds: float = 120.0
    """Images seen for less time are left alone (kubelet: 2 minutes)."""

    memory_capacity: int = 0
    """Bytes of memory of the box, for the OOM scores; 0: read from /proc/meminfo."""
