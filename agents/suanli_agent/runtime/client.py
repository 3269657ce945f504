"""One runtime behind one unix socket: each method is one CRI call, with a time limit, answering plain records.

Nothing is decided or repeated here. Every failure is one of errors.py's.
"""

from __future__ import annotations

import asyncio
from typing import Any, Optional

import grpclib
import grpclib.client
import grpclib.config
import grpclib.const
import grpclib.exceptions

from suanli_agent.core import observed
from suanli_agent.runtime import cri_pb2 as cri
from suanli_agent.runtime import errors, records

CALL_SECONDS = 10.0
"""Reading and listing: answered in milliseconds by a healthy runtime."""

WORK_SECONDS = 240.0
"""Making and removing sandboxes and containers: kubelet's own limit is 2 minutes (twice that: small boxes)."""

PULL_SECONDS = 3600.0
"""An image over a thin link."""

RUNTIME = "/runtime.v1.RuntimeService/"
IMAGES = "/runtime.v1.ImageService/"

_FAULTS = {
    grpclib.const.Status.NOT_FOUND: errors.NotFoundFault,
    grpclib.const.Status.UNAVAILABLE: errors.UnavailableFault,
    grpclib.const.Status.UNIMPLEMENTED: errors.UnimplementedFault,
    grpclib.const.Status.DEADLINE_EXCEEDED: errors.TimeoutFault,
}


class Runtime:
    """The container runtime at a unix socket (containerd, CRI-O, iSulad).

    Connects when first used, again after a loss.
    """

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._channel: Optional[grpclib.client.Channel] = None

    def close(self) -> None:
        """Close the connection; running calls fail with UnavailableFault."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def _call(self, path: str, request: Any, reply: Any, seconds: float = CALL_SECONDS) -> Any:
        method: Any = grpclib.client.UnaryUnaryMethod(self._connection(), path, type(request), reply)
        try:
            return await method(request, timeout=seconds)
        except grpclib.exceptions.GRPCError as problem:
            raise _FAULTS.get(problem.status, errors.RuntimeFault)(
                problem.message or problem.status.name
            ) from problem
        except asyncio.TimeoutError as problem:
            raise errors.UnavailableFault(f"{path} at {self.socket}: no answer in {seconds:g} s") from problem
        except (OSError, grpclib.exceptions.StreamTerminatedError, grpclib.exceptions.ProtocolError) as problem:
            raise errors.UnavailableFault(f"{path} at {self.socket}: {problem}") from problem

    def _connection(self) -> grpclib.client.Channel:
        if self._channel is None:
            self._channel = grpclib.client.Channel(path=self.socket)
        return self._channel

    async def version(self) -> tuple[str, str]:
        """Name and version of the runtime, as in nodeInfo.containerRuntimeVersion (name://version)."""
        answer = await self._call(RUNTIME + "Version", cri.VersionRequest(), cri.VersionResponse)
        return answer.runtime_name, answer.runtime_version

    async def conditions(self) -> dict[str, tuple[bool, str]]:
        """RuntimeReady and NetworkReady: type -> (status, "reason: message")."""
        answer = await self._call(RUNTIME + "Status", cri.StatusRequest(), cri.StatusResponse)
        return {c.type: (c.status, f"{c.reason}: {c.message}") for c in answer.status.conditions}

    async def sandbox_image(self) -> str:
        """The image that every sandbox is made from, as containerd names it; empty where the runtime does not
        tell.

        Runtimes that do not tell (CRI-O, containerd 1.7 and later) mark it as pinned.
        """
        answer = await self._call(RUNTIME + "Status", cri.StatusRequest(verbose=True), cri.StatusResponse)
        return records.sandbox_image(answer.info)

    async def cgroup_driver(self) -> str:
        """Who makes control groups for the runtime, core.cgroups' SYSTEMD or CGROUPFS; empty where it does not tell.

        RuntimeConfig tells it (CRI-O 1.28, containerd 2), else containerd's configuration in the verbose Status.
        """
        config, status = cri.RuntimeConfigRequest(), cri.StatusRequest(verbose=True)
        told = await self._call_if_known(RUNTIME + "RuntimeConfig", config, cri.RuntimeConfigResponse)
        if told is not None and (driver := records.cgroup_driver(told)):
            return driver
        told = await self._call_if_known(RUNTIME + "Status", status, cri.StatusResponse)
        return records.configured_driver(told.info) if told is not None else ""

    async def _call_if_known(self, path: str, request: Any, answer: Any) -> Any:
        """None where the runtime is too old for the call, in whatever words; one that is away tells when it is back.

        Raises errors.UnavailableFault.
        """
        try:
            return await self._call(path, request, answer)
        except errors.UnavailableFault:
            raise
        except errors.RuntimeFault:
            return None

    async def list_sandboxes(self) -> list[observed.SandboxRecord]:
        """Every sandbox that this agent made, dead ones too; without addresses."""
        chosen = cri.PodSandboxFilter(label_selector={records.MANAGED_BY: "suanli-agent"})
        request = cri.ListPodSandboxRequest(filter=chosen)
        answer = await self._call(RUNTIME + "ListPodSandbox", request, cri.ListPodSandboxResponse)
        return [records.sandbox(item) for item in answer.items]

    async def sandbox(self, sandbox_id: str) -> observed.SandboxRecord:
        """One sandbox with its addresses."""
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=True)
        return records.sandbox_status(
            await self._call(RUNTIME + "PodSandboxStatus", request, cri.PodSandboxStatusResponse)
        )

    async def run_sandbox(self, config: cri.PodSandboxConfig, handler: str) -> str:
        """Make and start a sandbox with its network; its id."""
        request = cri.RunPodSandboxRequest(config=config, runtime_handler=handler)
        answer = await self._call(RUNTIME + "RunPodSandbox", request, cri.RunPodSandboxResponse, WORK_SECONDS)
        return str(answer.pod_sandbox_id)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what runs in it and take its network down; done already is no error."""
        request = cri.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
        await self._call(RUNTIME + "StopPodSandbox", request, cri.StopPodSandboxResponse, WORK_SECONDS)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove it with its containers; done already is no error."""
        request = cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await self._call(RUNTIME + "RemovePodSandbox", request, cri.RemovePodSandboxResponse, WORK_SECONDS)

    async def list_containers(self) -> list[tuple[str, str, observed.ContainerState]]:
        """(id, sandbox id, state) of every container that this agent made."""
        chosen = cri.ContainerFilter(label_selector={records.MANAGED_BY: "suanli-agent"})
        request = cri.ListContainersRequest(filter=chosen)
        answer = await self._call(RUNTIME + "ListContainers", request, cri.ListContainersResponse)
        return [(c.id, c.pod_sandbox_id, observed.ContainerState(c.state)) for c in answer.containers]

    async def container(self, container_id: str, sandbox_id: str) -> observed.ContainerRecord:
        """One container with everything that its status needs."""
        request = cri.ContainerStatusRequest(container_id=container_id, verbose=True)
        answer = await self._call(RUNTIME + "ContainerStatus", request, cri.ContainerStatusResponse)
        return records.container_status(answer, sandbox_id)

    async def create_container(
        self, sandbox_id: str, config: cri.ContainerConfig, sandbox_config: cri.PodSandboxConfig
    ) -> str:
        """Make a container in a sandbox, not yet running; its id."""
        request = cri.CreateContainerRequest(
            pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config
        )
        answer = await self._call(RUNTIME + "CreateContainer", request, cri.CreateContainerResponse, WORK_SECONDS)
        return str(answer.container_id)

    async def start_container(self, container_id: str) -> None:
        """Start a created container."""
        request = cri.StartContainerRequest(container_id=container_id)
        await self._call(RUNTIME + "StartContainer", request, cri.StartContainerResponse, WORK_SECONDS)

    async def stop_container(self, container_id: str, grace_seconds: int) -> None:
        """SIGTERM, after grace_seconds SIGKILL; returns when it is dead. Dead already is no error."""
        request = cri.StopContainerRequest(container_id=container_id, timeout=grace_seconds)
        limit = WORK_SECONDS + grace_seconds
        await self._call(RUNTIME + "StopContainer", request, cri.StopContainerResponse, limit)

    async def remove_container(self, container_id: str) -> None:
        """Remove a container; done already is no error."""
        request = cri.RemoveContainerRequest(container_id=container_id)
        await self._call(RUNTIME + "RemoveContainer", request, cri.RemoveContainerResponse, WORK_SECONDS)

    async def writable_bytes(self, container_id: str) -> int:
        """What a container has written into its own layer; 0 where the runtime does not say."""
        request = cri.ContainerStatsRequest(container_id=container_id)
        answer = await self._call(RUNTIME + "ContainerStats", request, cri.ContainerStatsResponse)
        return int(answer.stats.writable_layer.used_bytes.value)

    async def reopen_log(self, container_id: str) -> None:
        """Let a running container open its log file anew, after a rotation."""
        request = cri.ReopenContainerLogRequest(container_id=container_id)
        await self._call(RUNTIME + "ReopenContainerLog", request, cri.ReopenContainerLogResponse)

    async def exec_sync(self, container_id: str, command: list[str], seconds: float) -> tuple[int, bytes]:
        """Run a command inside: its exit code and its output, stdout then stderr.

        Raises TimeoutFault after seconds.
        """
        request = cri.ExecSyncRequest(container_id=container_id, cmd=command, timeout=max(1, round(seconds)))
        answer = await self._call(RUNTIME + "ExecSync", request, cri.ExecSyncResponse, seconds + CALL_SECONDS)
        return answer.exit_code, answer.stdout + answer.stderr

    async def exec_url(self, request: cri.ExecRequest) -> str:
        """Where the runtime's streaming server waits for this exec."""
        return str((await self._call(RUNTIME + "Exec", request, cri.ExecResponse)).url)

    async def attach_url(self, request: cri.AttachRequest) -> str:
        """Where the runtime's streaming server waits for this attach."""
        return str((await self._call(RUNTIME + "Attach", request, cri.AttachResponse)).url)

    async def port_forward_url(self, sandbox_id: str, ports: list[int]) -> str:
        """Where the runtime's streaming server waits for this port-forward."""
        request = cri.PortForwardRequest(pod_sandbox_id=sandbox_id, port=ports)
        return str((await self._call(RUNTIME + "PortForward", request, cri.PortForwardResponse)).url)

    async def list_images(self) -> list[observed.ImageRecord]:
        """Every image on this box."""
        answer = await self._call(IMAGES + "ListImages", cri.ListImagesRequest(), cri.ListImagesResponse)
        return [records.image(item) for item in answer.images]

    async def image(self, name: str) -> Optional[observed.ImageRecord]:
        """The image that name means here, None when it is not present."""
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=name))
        answer = await self._call(IMAGES + "ImageStatus", request, cri.ImageStatusResponse)
        return records.image(answer.image) if answer.HasField("image") else None

    async def pull_image(self, name: str, auth: Optional[cri.AuthConfig], config: cri.PodSandboxConfig) -> str:
        """Fetch an image from its registry; the reference of what came."""
        request = cri.PullImageRequest(image=cri.ImageSpec(image=name), auth=auth, sandbox_config=config)
        answer = await self._call(IMAGES + "PullImage", request, cri.PullImageResponse, PULL_SECONDS)
        return str(answer.image_ref)

    async def remove_image(self, name: str) -> None:
        """Remove an image by id or name; done already is no error."""
        request = cri.RemoveImageRequest(image=cri.ImageSpec(image=name))
        await self._call(IMAGES + "RemoveImage", request, cri.RemoveImageResponse, WORK_SECONDS)

    async def image_filesystem(self) -> Optional[tuple[str, int]]:
        """The directory in which the runtime keeps images, and the bytes that it has there, writable layers too where
        they lie beside them; None where it does not say.
        """
        answer = await self._call(IMAGES + "ImageFsInfo", cri.ImageFsInfoRequest(), cri.ImageFsInfoResponse)
        places = [(usage.fs_id.mountpoint, int(usage.used_bytes.value)) for usage in answer.image_filesystems]
        return places[0] if places else None
