"""How much of the box is in use right now: processor time, memory, disk, network, processes."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from typing import Mapping, Optional, Tuple

from suanli_agent.hardware import root as root_module
from suanli_agent.hardware import system


@dataclasses.dataclass(frozen=True)
class Sample:
    """One reading. CPU times in clock ticks summed over CPUs; network bytes since boot; the rest as it is now."""

    monotonic: float
    cpu_busy_ticks: int
    cpu_total_ticks: int
    memory_bytes: int
    memory_available_bytes: int
    disk_total_bytes: int
    disk_available_bytes: int
    inodes_available_permille: int
    rx_bytes: int
    tx_bytes: int
    processes: int
    processes_limit: int


def parse_cpu_ticks(text: str) -> Tuple[int, int]:
    """(busy, total) of /proc/stat's first line; waiting for a disk is idle; user time holds guests'."""
    fields = [int(word) for word in text.splitlines()[0].split()[1:9]] if text.startswith("cpu ") else []
    idle = sum(fields[3:5])
    return sum(fields) - idle, sum(fields)


# Interfaces that carry what another one carries too would count it twice.
_INNER_INTERFACE = re.compile(
    r"lo|veth|suanli|cni|docker|br|virbr|cali|flannel|tun|tap|dummy|ifb|vxlan|kube|bond|team"
)


def parse_network(text: str) -> Tuple[int, int]:
    """(received, sent) bytes over the box's own interfaces, from /proc/net/dev."""
    received = sent = 0
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and len(words) >= 9 and not _INNER_INTERFACE.match(name.strip()) and "." not in name:
            received, sent = received + int(words[0]), sent + int(words[8])
    return received, sent


def _disk(path: str) -> Tuple[int, int, int]:
    """(total, available, permille of inodes available) of the file system that holds `path`."""
    try:
        stat = os.statvfs(path)
    except OSError:
        return 0, 0, 1000
    inodes = stat.f_favail * 1000 // stat.f_files if stat.f_files else 1000  # btrfs counts no inodes
    return stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize, inodes


def on_disk_of(root: root_module.Root, data: str, used: Mapping[str, int]) -> int:
    """Of `used` (directory -> bytes), what lies on the file system that holds `data`."""
    disk = _device(root, data)
    return sum(size for place, size in used.items() if disk is not None and _device(root, place) == disk)


def _device(root: root_module.Root, path: str) -> Optional[int]:
    try:
        return os.stat(root.resolve(path)).st_dev  # noqa: PTH116 - it may be no Path
    except OSError:
        return None


def _processes(text: str) -> int:
    """Existing tasks, from /proc/loadavg's fourth field."""
    match = re.search(r"\d+/(\d+)", text)
    return int(match.group(1)) if match else 0


def read(root: root_module.Root, data: str, now: Optional[float] = None) -> Sample:
    """Sample the box; `data` is where pods' images and volumes lie; `now` in seconds of the monotonic clock."""
    memory = system.parse_meminfo(root.read("/proc/meminfo"))
    busy, total = parse_cpu_ticks(root.read("/proc/stat"))
    # The host's network is its first process's: /proc/net is that of whoever reads.
    received, sent = parse_network(root.read("/proc/1/net/dev") or root.read("/proc/net/dev"))
    disk_total, disk_available, inodes = _disk(str(root.resolve(data)))
    return Sample(
        monotonic=time.monotonic() if now is None else now,
        cpu_busy_ticks=busy,
        cpu_total_ticks=total,
        memory_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0),
        disk_total_bytes=disk_total,
        disk_available_bytes=disk_available,
        inodes_available_permille=inodes,
        rx_bytes=received,
        tx_bytes=sent,
        processes=_processes(root.read("/proc/loadavg")),
        processes_limit=root.integer("/proc/sys/kernel/pid_max") or 0,
    )


def cpu_milli(before: Sample, after: Sample, cpus: int) -> int:
    """Millicores in use between two samples; 0 where no time has passed."""
    ticks = after.cpu_total_ticks - before.cpu_total_ticks
    return (after.cpu_busy_ticks - before.cpu_busy_ticks) * cpus * 1000 // ticks if ticks > 0 else 0
