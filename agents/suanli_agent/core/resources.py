"""Requests and limits: QoS class, cgroup values and the OOM score, by kubelet's formulas.

Sources: Kubernetes' pkg/apis/core/v1/helper/qos, pkg/kubelet/cm/helpers_linux.go (shares, quota) and
pkg/kubelet/qos/policy.go (oom_score_adj).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from suanli_agent.core import objects, quantity

CPU_PERIOD_MICROSECONDS = 100_000
MIN_CPU_SHARES = 2
MAX_CPU_SHARES = 262_144
MIN_CPU_QUOTA_MICROSECONDS = 1000

GUARANTEED_OOM = -997
BEST_EFFORT_OOM = 1000


@dataclasses.dataclass(frozen=True)
class LinuxResources:
    """What the cgroup of a container gets; 0 means no limit. Times in microseconds, memory in bytes."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = MIN_CPU_SHARES
    memory_limit: int = 0
    oom_score_adj: int = BEST_EFFORT_OOM
    hugepages: tuple[tuple[str, int], ...] = ()


def qos_class(spec: objects.PodSpec) -> str:
    """Guaranteed, Burstable or BestEffort, from cpu and memory of all containers, init ones too."""
    containers = [*spec.init_containers, *spec.containers]
    if not any(_computing(c.resources.requests) or _computing(c.resources.limits) for c in containers):
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(c.resources) for c in containers) else "Burstable"


def sizes(container: objects.Container) -> str:
    """CPU and memory of a container in one word: another word, and someone has resized it.

    Raises ValueError for what is no quantity.
    """
    kinds = (("limit", container.resources.limits), ("request", container.resources.requests))
    return " ".join(
        f"{name}-{kind}:{quantity.milli(amounts[name])}"
        for kind, amounts in kinds
        for name in ("cpu", "memory")
        if name in amounts
    )


def linux_resources(spec: objects.PodSpec, container: objects.Container, memory_capacity: int) -> LinuxResources:
    """The cgroup values of one container; memory_capacity is the box's memory in bytes.

    Raises ValueError for what is no quantity.
    """
    limits, requests = container.resources.limits, container.resources.requests
    cpu = quantity.milli(requests.get("cpu", limits.get("cpu", 0)))
    limit = quantity.milli(limits.get("cpu", 0))
    quota = max(limit * CPU_PERIOD_MICROSECONDS // 1000, MIN_CPU_QUOTA_MICROSECONDS) if limit else 0
    return LinuxResources(
        cpu_period=CPU_PERIOD_MICROSECONDS if limit else 0,
        cpu_quota=quota,
        cpu_shares=min(max(cpu * 1024 // 1000, MIN_CPU_SHARES), MAX_CPU_SHARES),
        memory_limit=quantity.rounded_up(limits.get("memory", 0)),
        oom_score_adj=oom_score_adj(spec, container, memory_capacity),
        hugepages=tuple(_hugepages(limits)),
    )


def oom_score_adj(spec: objects.PodSpec, container: objects.Container, memory_capacity: int) -> int:
    """The less of its memory a Burstable container asked for, the earlier the kernel takes it."""
    if (spec.priority or 0) >= 2_000_000_000:
        return GUARANTEED_OOM
    of_class = {"Guaranteed": GUARANTEED_OOM, "BestEffort": BEST_EFFORT_OOM}.get(qos_class(spec))
    if of_class is not None:
        return of_class
    request = quantity.rounded_up(container.resources.requests.get("memory", 0))
    score = 1000 - 1000 * request // max(memory_capacity, 1)
    return min(max(score, 1000 + GUARANTEED_OOM), BEST_EFFORT_OOM - 1)


def _computing(amounts: dict[str, objects.Quantity]) -> bool:
    return any(quantity.parse(amounts.get(name, 0)) > 0 for name in ("cpu", "memory"))


def _guaranteed(wants: objects.ResourceRequirements) -> bool:
    for name in ("cpu", "memory"):
        limit = quantity.parse(wants.limits.get(name, 0))
        if limit <= 0 or quantity.parse(wants.requests.get(name, wants.limits[name])) != limit:
            return False
    return True


def _hugepages(limits: dict[str, objects.Quantity]) -> Iterable[tuple[str, int]]:
    """Runc names sizes as 2MB, Kubernetes as hugepages-2Mi."""
    for name, amount in limits.items():
        if name.startswith("hugepages-"):
            yield name[len("hugepages-") :].replace("i", "B"), quantity.rounded_up(amount)
