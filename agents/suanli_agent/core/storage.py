"""Whether a pod uses more of the box's disk than it may: the limits that a kubelet evicts for.

Source: Kubernetes' pkg/kubelet/eviction/eviction_manager.go (localStorageEviction); the messages are a kubelet's, as
dashboards look for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from suanli_agent.core import life, objects, quantity

RESOURCE = "ephemeral-storage"


@dataclasses.dataclass(frozen=True)
class Usage:
    """Bytes on the box's disk: of each emptyDir, and of each container's writable layer with its logs."""

    volumes: Mapping[str, int]
    containers: Mapping[str, int]


def disk_volumes(spec: objects.PodSpec) -> list[objects.Volume]:
    """The emptyDirs that lie on the disk; those in memory are bounded by their file system."""
    return [volume for volume in spec.volumes if volume.empty_dir and volume.empty_dir.medium != "Memory"]


def is_limited(spec: objects.PodSpec) -> bool:
    """Whether anything of this pod has a limit: all others need not be measured."""
    sized = any(volume.empty_dir and volume.empty_dir.size_limit for volume in disk_volumes(spec))
    return sized or any(True for _ in _limits(spec))


def _limits(spec: objects.PodSpec) -> Iterable[tuple[str, objects.Quantity]]:
    """(container, limit) of those that run for the pod's life."""
    lasting = [*(c for c in spec.init_containers if life.is_sidecar(c)), *spec.containers]
    return ((c.name, c.resources.limits[RESOURCE]) for c in lasting if c.resources.limits.get(RESOURCE))


def excess(spec: objects.PodSpec, used: Usage) -> str:
    """Which limit is exceeded, in words; empty where none is. Raises ValueError for what is no quantity."""
    for volume in disk_volumes(spec):
        limit = volume.empty_dir.size_limit if volume.empty_dir else None
        if limit and used.volumes.get(volume.name, 0) > quantity.rounded_up(limit):
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}".'
    limits = dict(_limits(spec))
    for name, limit in limits.items():
        if used.containers.get(name, 0) > quantity.rounded_up(limit):
            return f'Container {name} exceeded its local ephemeral storage limit "{limit}".'
    total = sum(quantity.rounded_up(limit) for limit in limits.values())
    if limits and sum(used.volumes.values()) + sum(used.containers.values()) > total:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {total}."
    return ""
