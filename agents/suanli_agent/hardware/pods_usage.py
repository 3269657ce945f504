"""What pods use, from the control group that all of them live in: version 2, else version 1."""

from __future__ import annotations

import dataclasses
import re
from typing import Sequence

from suanli_agent.hardware import root as root_module

_V1 = {"memory": "/sys/fs/cgroup/memory", "cpu": "/sys/fs/cgroup/cpuacct"}
_V2 = "/sys/fs/cgroup"


@dataclasses.dataclass(frozen=True)
class PodsUsage:
    """CPU time in nanoseconds since the group was made; memory in bytes that the kernel cannot give up at once."""

    cpu_nanoseconds: int = 0
    memory_bytes: int = 0


def _field(text: str, name: str) -> int:
    match = re.search(rf"^{name} (\d+)$", text, re.MULTILINE)
    return int(match.group(1)) if match else 0


def read(root: root_module.Root, groups: Sequence[str]) -> PodsUsage:
    """Read `groups` (paths below the hierarchy) and add them up; zero for what is not there."""
    found = [_read(root, group) for group in groups]
    return PodsUsage(sum(each.cpu_nanoseconds for each in found), sum(each.memory_bytes for each in found))


def _read(root: root_module.Root, group: str) -> PodsUsage:
    unified = f"{_V2}{group}"
    if root.exists(f"{unified}/memory.current"):
        cached = _field(root.read(f"{unified}/memory.stat"), "inactive_file")
        cpu = _field(root.read(f"{unified}/cpu.stat"), "usage_usec") * 1000
        return PodsUsage(cpu, max((root.integer(f"{unified}/memory.current") or 0) - cached, 0))
    memory = f"{_V1['memory']}{group}"
    cached = _field(root.read(f"{memory}/memory.stat"), "total_inactive_file")
    used = root.integer(f"{memory}/memory.usage_in_bytes") or 0
    return PodsUsage(root.integer(f"{_V1['cpu']}{group}/cpuacct.usage") or 0, max(used - cached, 0))
