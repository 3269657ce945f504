"""Simulated nodes: real Node objects of any make, which kwok keeps Ready and whose pods it lets run. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from suanli_clusters.config import FAKE_NODE

CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedNode:
    name: str
    architecture: str = "amd64"
    os_image: str = "Debian GNU/Linux 12 (bookworm)"
    kernel: str = "6.1.0-28"
    kubelet: str = "v1.36.3"
    labels: Mapping[str, str] = field(default_factory=dict)
    """Added to the ones that every kubelet sets: architecture, operating system, host name."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    capacity: Mapping[str, str] = field(default_factory=lambda: CAPACITY)
    """Quantities by resource; extended resources too."""

    allocatable: Mapping[str, str] | None = None
    """Where it is less than the capacity."""

    unschedulable: bool = False


def node_object(node: SimulatedNode) -> dict[str, Any]:
    """The Node as it is posted: kwok keeps what its status says and adds the conditions and the Lease."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {
                "kubernetes.io/arch": node.architecture,
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": node.name,
                **node.labels,
            },
            "annotations": {FAKE_NODE[0]: FAKE_NODE[1], **node.annotations},
        },
        "spec": {"taints": [dict(taint) for taint in node.taints], "unschedulable": node.unschedulable},
        "status": {
            "capacity": dict(node.capacity),
            "allocatable": dict(node.capacity if node.allocatable is None else node.allocatable),
            "nodeInfo": _node_info(node),
            "phase": "Running",
        },
    }


def _node_info(node: SimulatedNode) -> dict[str, str]:
    return {
        "architecture": node.architecture,
        "operatingSystem": "linux",
        "osImage": node.os_image,
        "kernelVersion": node.kernel,
        "kubeletVersion": node.kubelet,
        "kubeProxyVersion": "",
        "containerRuntimeVersion": "containerd://2.0.0",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }


def fleet(prefix: str, count: int, like: SimulatedNode) -> list[SimulatedNode]:
    """`count` nodes that differ by name alone: prefix-000, prefix-001 and so on."""
    return [replace(like, name=f"{prefix}-{number:03d}") for number in range(count)]
