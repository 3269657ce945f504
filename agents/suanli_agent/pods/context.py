"""What every part of this room shares: one runtime, one hub, one store, one clock."""

from __future__ import annotations

import dataclasses
import time
from typing import Callable

from suanli_agent import state
from suanli_agent.core import objects
from suanli_agent.pods import devices, ports, settings
from suanli_agent.runtime import client


@dataclasses.dataclass
class Context:
    """The box as the pods on it see it. node is replaced when the box's facts change."""

    settings: settings.Settings
    runtime: client.Runtime
    hub: ports.Hub
    store: state.Store
    node: ports.NodeFacts
    devices: devices.Devices
    runtime_name: str = "containerd"
    now: Callable[[], float] = time.time

    def event(self, pod: objects.Pod, kind: str, reason: str, message: str, field_path: str = "") -> None:
        """Queue an Event about a pod; kind is Normal or Warning."""
        meta = pod.metadata
        self.hub.emit_event(
            ports.EventNote(meta.namespace, meta.name, meta.uid, kind, reason, message[:1024], field_path)
        )


def container_path(pod: objects.Pod, name: str) -> str:
    """The field path by which Events name a container of a pod."""
    kinds = {
        "initContainers": pod.spec.init_containers,
        "containers": pod.spec.containers,
        "ephemeralContainers": pod.spec.ephemeral_containers,
    }
    kind = next((kind for kind, them in kinds.items() if any(c.name == name for c in them)), "containers")
    return ports.field_path(kind, name)
