"""What the operator's tests run on: a hub, which is also a cloud of its own, and a second cloud.

The same tests run on simulated nodes (kwok, seconds) and on kind with real containers (minutes). A test asks for
the nodes it needs and writes pods that suit both:

    def test_split(backend):
        backend.need(backend.hub, Need("amd64"), Need("arm64", labels={"suanli.io/cpu-family": "kunpeng-920"}))
        pod = {"containers": [{"name": "app", **backend.container}]}
"""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from suanli_clusters.cluster import Cluster, Member
from suanli_clusters.nodes import SimulatedNode


class NodesMissing(Exception):
    """The backend's nodes are what they are, and a test needs others; the message says which."""


@dataclass(frozen=True, slots=True)
class Need:
    """Nodes that a test needs. One node serves the needs of many tests."""

    architecture: str
    count: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)


class Backend(abc.ABC):
    def __init__(self, hub: Member, cloud: Member, image: str) -> None:
        self.hub = hub
        self.cloud = cloud
        """The second cloud."""
        self.container = _container(image)
        """Image, pull policy, command and requests of a container that runs until it is told to stop."""

    def need(self, member: Member, *needs: Need) -> list[str]:
        """The names of nodes that serve the needs, in their order. Raises NodesMissing."""
        return [name for need in needs for name in self._serve(member, need)]

    @abc.abstractmethod
    def _serve(self, member: Member, need: Need) -> list[str]:
        """The names of nodes for one need."""


class Simulated(Backend):
    """On kwok: makes the nodes that are asked for."""

    def _serve(self, member: Member, need: Need) -> list[str]:
        assert isinstance(member, Cluster), "both members are kwok's"
        found = serving(member, need)[: need.count]
        there = len(member.api.items("/api/v1/nodes"))
        missing = [_node(there + number, need) for number in range(need.count - len(found))]
        member.create_nodes(missing)
        return found + [node.name for node in missing]


def _container(image: str) -> dict[str, Any]:
    return {
        "image": image,
        # An image that was loaded into the nodes must not be asked for at a registry.
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "86400"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }


def serving(member: Member, need: Need) -> list[str]:
    """The names of the untainted nodes that have the need's architecture and labels."""
    wanted = {"kubernetes.io/arch": need.architecture, **need.labels}
    selector = ",".join(f"{key}%3D{value}" for key, value in wanted.items())
    nodes = member.api.items(f"/api/v1/nodes?labelSelector={selector}")
    return [node["metadata"]["name"] for node in nodes if not node["spec"].get("taints")]


def _node(number: int, need: Need) -> SimulatedNode:
    name = f"{need.architecture}-{number}"
    return SimulatedNode(name=name, architecture=need.architecture, labels=need.labels)
