"""What the box has and what pods may have of it: plain numbers in, Kubernetes quantities out.

Boxes seldom run pods alone: what their other programs use is held back, in coarse steps, so that a scheduler on
the hub does not count on it. The Node must not change with every reading: what is held back grows at once, and shrinks
only when the Node is written anyway.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, Mapping, Optional

MIB = 1 << 20
MEMORY_STEP = 128 * MIB
CPU_STEP_MILLI = 100
STORAGE_STEP = 1 << 30
STORAGE_MARGIN_PERCENT = 10  # where DiskPressure begins: as kubelet's evictionHard nodefs.available


@dataclasses.dataclass(frozen=True)
class Others:
    """What runs on the box and is not a pod: millicores and bytes, as measured."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    storage_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Amounts:
    """The box's whole: CPUs, bytes, pods, and extended resources by name (huge pages in bytes)."""

    cpus: int
    memory_bytes: int
    storage_bytes: int
    pods: int
    extended: Mapping[str, int] = dataclasses.field(default_factory=dict)


def _up(value: int, step: int) -> int:
    return -(-max(value, 0) // step) * step


def _held(before: int, measured: int, step: int) -> int:
    """Grow at once, shrink only when two whole steps are free again: no flutter at the edge of a step."""
    wanted = _up(measured, step)
    return wanted if wanted > before or wanted + step < before else before


def most(one: Others, other: Others) -> Others:
    """The larger of each: the peak of two readings."""
    return Others(
        cpu_milli=max(one.cpu_milli, other.cpu_milli),
        memory_bytes=max(one.memory_bytes, other.memory_bytes),
        storage_bytes=max(one.storage_bytes, other.storage_bytes),
    )


def grown(before: Others, measured: Others) -> Others:
    """The reserve between two regular writes of the Node: what was announced, or more."""
    return most(before, hold_back(before, measured))


def hold_back(before: Optional[Others], measured: Others) -> Others:
    """The reserve to announce, given the one announced before and the peak measured since."""
    old = before or Others()
    return Others(
        cpu_milli=_held(old.cpu_milli, measured.cpu_milli, CPU_STEP_MILLI),
        memory_bytes=_held(old.memory_bytes, measured.memory_bytes, MEMORY_STEP),
        storage_bytes=_held(old.storage_bytes, measured.storage_bytes, STORAGE_STEP),
    )


def capacity(amounts: Amounts) -> Dict[str, str]:
    """Node status.capacity."""
    whole = {
        "cpu": str(amounts.cpus),
        "memory": f"{amounts.memory_bytes // 1024}Ki",
        "ephemeral-storage": f"{amounts.storage_bytes // 1024}Ki",
        "pods": str(amounts.pods),
    }
    return {**whole, **{name: str(value) for name, value in sorted(amounts.extended.items())}}


def allocatable(amounts: Amounts, reserve: Others) -> Dict[str, str]:
    """Node status.allocatable: capacity less the reserve, less the margin that keeps the disk from filling."""
    huge = sum(value for name, value in amounts.extended.items() if name.startswith("hugepages-"))
    storage = amounts.storage_bytes * (100 - STORAGE_MARGIN_PERCENT) // 100 - reserve.storage_bytes
    return {
        **capacity(amounts),
        "cpu": f"{max(amounts.cpus * 1000 - reserve.cpu_milli, 0)}m",
        "memory": f"{max(amounts.memory_bytes - reserve.memory_bytes - huge, 0) // 1024}Ki",
        "ephemeral-storage": f"{max(storage, 0) // 1024}Ki",
    }
