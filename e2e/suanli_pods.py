"""A box for tests of pods/: the real PodManager on a real containerd, told by a hub in memory."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import suanli_containerd as sc
from suanli_agent import state
from suanli_agent.core import devices
from suanli_agent.pods import manager, ports, settings
from suanli_agent.runtime import client
from suanli_memory_hub import MemoryHub

HOST_IP = "10.0.0.1"
_numbers = itertools.count(1)


def container(script: str = "sleep 1000", **fields: Any) -> dict[str, Any]:
    """A busybox container that runs a shell script; TERM ends it at once."""
    command = ["sh", "-c", f"trap 'exit 0' TERM; {script} & wait $!" if script.startswith("sleep") else script]
    base = {"name": "c", "image": sc.BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": command}
    return {**base, **fields}


def pod(*containers: dict[str, Any], meta: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod with a name of its own, as an API server would hand it out."""
    name = f"p{next(_numbers)}"
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1, **(meta or {})}
    defaults = {"terminationGracePeriodSeconds": 5, "restartPolicy": "Always"}
    return {"metadata": metadata, "spec": {**defaults, "containers": list(containers) or [container()], **spec}}


class Box:
    """One agent's pods. `restart` is what a crash of the agent is: what it knew is only on disk."""

    def __init__(self, containerd: sc.Containerd, folder: Path, **knobs: Any) -> None:
        self.containerd, self.folder = containerd, folder
        self.hub = MemoryHub()
        self.knobs = settings.Settings(
            root=folder / "root", run_root=folder / "run", log_root=folder / "log", **knobs
        )
        self.node = ports.NodeFacts(
            "box", (HOST_IP,), {"cpu": "2", "memory": "4Gi"}, api_host="10.9.8.7", api_port=6443
        )
        self.cards: dict[str, devices.Pool] = {}
        self.pods: manager.PodManager | None = None

    async def __aenter__(self) -> Box:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.pods is not None:
            self.hub.away = False
            self.pods.set_desired([])
            await self.hub.until(lambda: not self.manager.views())
            await self.stop()

    @property
    def manager(self) -> manager.PodManager:
        assert self.pods is not None, "not started"
        return self.pods

    async def start(self) -> None:
        """Start as the daemon does."""
        self._runtime = client.Runtime(self.containerd.socket)
        self._store = state.Store(self.folder / "state.db")
        self.pods = manager.PodManager(
            self.knobs, self._runtime, self._store, self.hub, self.node, lambda: self.cards
        )
        await self.pods.start()

    async def stop(self) -> None:
        """End as the daemon does; containers go on."""
        await self.manager.stop()
        self._runtime.close()
        self._store.close()
        self.pods = None

    async def restart(self) -> None:
        """Another process with the same disk."""
        await self.stop()
        await self.start()

    def lose_memory(self) -> None:
        """What a reboot takes besides processes: everything under /run."""
        shutil.rmtree(self.folder / "run", ignore_errors=True)

    def send(self, wanted: dict[str, Any]) -> str:
        """The hub has this pod, or this version of it; its uid."""
        self.manager.pod_changed(json.dumps(wanted).encode())
        return str(wanted["metadata"]["uid"])

    def delete(self, wanted: dict[str, Any], grace: int = 5) -> None:
        """Somebody deletes the pod at the hub."""
        wanted["metadata"] |= {
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": grace,
        }
        self.send(wanted)

    async def run(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Send a pod and wait until it is Ready; its status."""
        uid = self.send(wanted)
        await self.hub.until(lambda: self.ready(uid))
        return self.hub.status[uid]

    async def finish(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Send a pod and wait until it has Succeeded or Failed; its status."""
        uid = self.send(wanted)
        await self.hub.until(lambda: self.phase(uid) in {"Succeeded", "Failed"})
        return self.hub.status[uid]

    def phase(self, uid: str) -> str:
        return str(self.hub.status.get(uid, {}).get("phase", ""))

    def ready(self, uid: str) -> bool:
        return self.condition(uid, "Ready") == "True"

    def condition(self, uid: str, kind: str) -> str:
        """The status of one condition, empty before there is one."""
        found = self.hub.status.get(uid, {}).get("conditions", [])
        return next((str(entry["status"]) for entry in found if entry["type"] == kind), "")

    def container(self, uid: str, name: str = "c") -> dict[str, Any]:
        """The status of one container, {} before there is one."""
        told = self.hub.status.get(uid, {})
        kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        return next((e for kind in kinds for e in told.get(kind, []) if e["name"] == name), {})

    def reasons(self, uid: str) -> list[str]:
        """The reasons of all Events of a pod."""
        return [note.reason for note in self.hub.events if note.uid == uid]

    async def log(self, wanted: dict[str, Any], name: str = "c", **options: Any) -> str:
        """A container's log as text."""
        meta = wanted["metadata"]
        chunks = self.manager.logs(meta["namespace"], meta["name"], name, ports.LogOptions(**options))
        return b"".join([chunk async for chunk in chunks]).decode()

    async def output(self, wanted: dict[str, Any], name: str = "c") -> str:
        """Run a pod to its end; what its container printed."""
        await self.finish(wanted)
        return await self.log(wanted, name)

    async def execute(self, uid: str, *command: str, name: str = "c") -> tuple[int, str]:
        """Run a command in a running container."""
        container_id = self.container(uid, name)["containerID"].split("://")[1]
        code, output = await self._runtime.exec_sync(container_id, list(command), 10)
        return code, output.decode()
