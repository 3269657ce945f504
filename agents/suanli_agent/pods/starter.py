"""Start one container: image, environment, mounts, security, creation, start, postStart."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Optional

from suanli_agent.core import env, fields, life, objects, observed, payload, resources, security
from suanli_agent.pods import checks, configs, context, hooks, images, needs, network, ports, view, volumes
from suanli_agent.runtime import cri_pb2 as cri
from suanli_agent.runtime import errors

RETRY_SECONDS = 10.0
"""How long a container waits whose configuration or creation failed: until the missing may be there."""

SANDBOX_RETRY_SECONDS = 2.0

SANDBOXES_AT_ONCE = max(8, 4 * (os.cpu_count() or 1))
"""Making a sandbox keeps a core busy: with many at once all would be ready late, so half of them are ready
early.
"""


class StartError(Exception):
    """A container or sandbox could not be started; waiting says why, retry_at when to try again."""

    def __init__(self, reason: str, message: str, retry_at: float) -> None:
        super().__init__(message)
        self.waiting = life.Waiting(reason, message)
        self.retry_at = retry_at


class Starter:
    """Makes the sandboxes and containers of all pods."""

    def __init__(self, ctx: context.Context, seen: view.View, wants: needs.Needs, pictures: images.Images) -> None:
        self._ctx, self._view, self._needs, self._images = ctx, seen, wants, pictures
        self._slots: Optional[asyncio.Semaphore] = None

    # --- the sandbox

    async def sandbox(self, pod: objects.Pod, attempt: int) -> None:
        """Volumes and sandbox of a pod. Raises StartError."""
        begun = self._ctx.now()
        retry = begun + SANDBOX_RETRY_SECONDS
        try:
            await self.volumes(pod)
        except (env.MissingError, volumes.VolumeError, ValueError, ports.HubError) as problem:
            self._ctx.event(pod, "Warning", "FailedMount", str(problem))
            raise StartError("ContainerCreating", str(problem), retry) from problem
        try:
            handler = await self._handler(pod)
            directory = configs.log_directory(self._ctx.settings, pod)
            directory.mkdir(parents=True, exist_ok=True)
            async with self._slot():
                making = self._ctx.runtime.run_sandbox(self.sandbox_config(pod, attempt), handler)
                sandbox_id, _ = await asyncio.gather(making, self._images.foresee(pod, begun))
            await self._view.look_at_sandbox(sandbox_id)
        except (errors.RuntimeFault, ValueError, OSError, ports.HubError) as problem:
            message = f"Failed to create pod sandbox: {problem}"
            self._ctx.event(pod, "Warning", "FailedCreatePodSandBox", message)
            raise StartError("ContainerCreating", message, retry) from problem

    def _slot(self) -> asyncio.Semaphore:
        """Made when first used: before Python 3.10 a semaphore belongs to the loop in which it was made."""
        if self._slots is None:
            self._slots = asyncio.Semaphore(SANDBOXES_AT_ONCE)
        return self._slots

    def sandbox_config(self, pod: objects.Pod, attempt: int) -> cri.PodSandboxConfig:
        """The sandbox's configuration, which CRI wants with each container too."""
        knobs = self._ctx.settings
        return configs.sandbox(pod, attempt, knobs, _content(knobs.resolv_conf))

    async def volumes(self, pod: objects.Pod) -> None:
        """Set the pod's volumes up from what hub or disk have. Raises as Volumes.set_up, ports.HubError."""
        given = await self._inputs(pod, fresh=True)
        await volumes.Volumes(self._ctx.settings, pod).set_up(pod, given)

    async def refresh_volumes(self, pod: objects.Pod) -> bool:
        """Bring the files of a running pod up to date; true when some changed. Raises as Volumes.refresh."""
        given = await self._inputs(pod, fresh=False)
        return volumes.Volumes(self._ctx.settings, pod).refresh(pod, given)

    async def _inputs(self, pod: objects.Pod, *, fresh: bool) -> payload.Inputs:
        sources = await self._needs.sources(pod, fresh=fresh)
        return payload.Inputs(pod, self.place(pod), sources, await self._needs.tokens(pod))

    async def _handler(self, pod: objects.Pod) -> str:
        name = pod.spec.runtime_class_name
        if not name:
            return ""
        found = await self._needs.runtime_class(name)
        if found is None:
            raise ValueError(f'RuntimeClass "{name}" not found')
        return found.handler

    def place(self, pod: objects.Pod) -> fields.Place:
        """What the downward API tells a pod about its place."""
        node = self._ctx.node
        sandboxes, _ = self._view.of(pod.metadata.uid)
        ips = sandboxes[0].ips if sandboxes and sandboxes[0].ready else ()
        shown = node.host_ips if pod.spec.host_network else ips
        return fields.Place(node.name, node.host_ips, shown, node.allocatable)

    # --- a container

    async def container(
        self, pod: objects.Pod, spec: objects.Container, sandbox: observed.SandboxRecord, since: float
    ) -> None:
        """Create and start a container, run its postStart hook; what was known of its image since (seconds since the
        epoch) counts when it is made for the first time.

        Raises StartError, images.ImageError.
        """
        attempt = self._attempt(pod, spec)
        config = self.sandbox_config(pod, sandbox.attempt)
        try:
            image = await self._images.ensure(pod, spec, config, self._ctx.now() if attempt else since)
            given = await self._given(pod, spec, image, attempt)
        except (ValueError, volumes.VolumeError, ports.HubError, OSError, errors.RuntimeFault) as problem:
            self._event(pod, spec, "Warning", "Failed", f"Error: {problem}")
            raise StartError(
                "CreateContainerConfigError", str(problem), self._ctx.now() + RETRY_SECONDS
            ) from problem
        container_id = await self._create(
            pod, spec, sandbox, configs.container(pod, spec, given, self._ctx.settings)
        )
        await self._start(pod, spec, container_id, sandbox)
        await self._post_start(pod, spec, container_id, sandbox)

    def _attempt(self, pod: objects.Pod, spec: objects.Container) -> int:
        _, containers = self._view.of(pod.metadata.uid)
        attempts = [record.attempt for record in containers if record.name == spec.name]
        return max(attempts) + 1 if attempts else 0

    async def _create(
        self,
        pod: objects.Pod,
        spec: objects.Container,
        sandbox: observed.SandboxRecord,
        config: cri.ContainerConfig,
    ) -> str:
        try:
            made = await self._ctx.runtime.create_container(
                sandbox.id, config, self.sandbox_config(pod, sandbox.attempt)
            )
        except errors.RuntimeFault as problem:
            self._event(pod, spec, "Warning", "Failed", f"Error: {problem}")
            raise StartError("CreateContainerError", str(problem), self._ctx.now() + RETRY_SECONDS) from problem
        self._event(pod, spec, "Normal", "Created", f"Container created: {spec.name}")
        return made

    async def _start(
        self, pod: objects.Pod, spec: objects.Container, container_id: str, sandbox: observed.SandboxRecord
    ) -> None:
        try:
            await self._ctx.runtime.start_container(container_id)
        except errors.RuntimeFault as problem:
            self._event(pod, spec, "Warning", "Failed", f"Error: {problem}")
            await self._view.look_at_container(container_id, sandbox.id)
            record = self._view.containers.get(container_id)
            if record is not None and record.exited:
                return  # the runtime says itself how it ended: its state is reported, and it is started again in time
            raise StartError("RunContainerError", str(problem), self._ctx.now() + RETRY_SECONDS) from problem
        self._event(pod, spec, "Normal", "Started", f"Container started: {spec.name}")
        await self._view.look_at_container(container_id, sandbox.id)

    async def _post_start(
        self, pod: objects.Pod, spec: objects.Container, container_id: str, sandbox: observed.SandboxRecord
    ) -> None:
        hook = spec.lifecycle.post_start if spec.lifecycle else None
        if hook is None:
            return
        ips = self.place(pod).pod_ips
        target = checks.Target(container_id, spec, ips[0] if ips else "")
        try:
            await hooks.run(self._ctx, hook, target, hooks.POST_START_SECONDS)
        except hooks.HookError as problem:
            self._event(pod, spec, "Warning", "FailedPostStartHook", str(problem))
            await self._ctx.runtime.stop_container(container_id, pod.spec.termination_grace_period_seconds)
            await self._view.look_at_container(container_id, sandbox.id)

    async def _given(
        self, pod: objects.Pod, spec: objects.Container, image: observed.ImageRecord, attempt: int
    ) -> configs.Given:
        """Everything that the container is made from.

        Raises ValueError, volumes.VolumeError, ports.HubError, OSError.
        """
        variables = await self._environment(pod, spec)
        command, args = env.words(spec, variables)
        return configs.Given(
            attempt=attempt,
            image=spec.image,
            image_ref=image.id,
            env=variables,
            command=command,
            args=args,
            working_dir=spec.working_dir,
            mounts=await self._mounts(pod, spec, variables, attempt),
            context=security.effective(pod.spec, spec, (image.uid, image.username)),
            linux=resources.linux_resources(pod.spec, spec, self._ctx.settings.memory_capacity),
            log_path=f"{spec.name}/{attempt}.log",
            devices=self._ctx.devices.nodes(pod, spec.name),
            target_id=self._target(pod, spec),
        )

    async def _environment(self, pod: objects.Pod, spec: objects.Container) -> dict[str, str]:
        node, namespace = self._ctx.node, pod.metadata.namespace
        links = pod.spec.enable_service_links
        found = await self._services(namespace) if links else []
        base = env.services(found, namespace, (node.api_host, node.api_port), links=links)
        sources = await self._needs.sources(pod)
        return env.environment(pod, spec, self.place(pod), sources, base)

    async def _services(self, namespace: str) -> list[objects.Service]:
        """None while the hub is away and never told: an edge pod starts without Service variables rather than
        not.
        """
        try:
            return await self._needs.services(namespace)
        except ports.HubError:
            return []

    def _target(self, pod: objects.Pod, spec: objects.Container) -> str:
        """The container whose processes an ephemeral container shares."""
        if not spec.target_container_name:
            return ""
        _, containers = self._view.of(pod.metadata.uid)
        names = (r.id for r in containers if r.name == spec.target_container_name and r.running)
        found = next(names, None)
        if found is None:
            raise ValueError(f"unable to find target container {spec.target_container_name}")
        return found

    # --- mounts

    async def _mounts(
        self, pod: objects.Pod, spec: objects.Container, variables: dict[str, str], attempt: int
    ) -> list[cri.Mount]:
        own = volumes.Volumes(self._ctx.settings, pod)
        by_name = {volume.name: volume for volume in pod.spec.volumes}
        mounts: list[cri.Mount] = []
        for index, wanted in enumerate(spec.volume_mounts):
            if wanted.name not in by_name:
                raise ValueError(
                    f"volumeMounts[{index}] names volume {wanted.name!r}, which the pod does not have"
                )
            sub_path = _expanded(wanted, variables)
            volume = by_name[wanted.name]
            source = await own.mount_path(volume, sub_path, (spec.name, index))
            mounts.append(configs.mount(source, wanted, volume))
        mounts.extend(self._files(pod, spec, own.home, attempt))
        return mounts

    def _files(self, pod: objects.Pod, spec: objects.Container, home: Path, attempt: int) -> list[cri.Mount]:
        """/etc/hosts, unless the container mounts its own, and the termination message's file."""
        found: list[cri.Mount] = []
        taken = {mount.mount_path.rstrip("/") for mount in spec.volume_mounts}
        if "/etc/hosts" not in taken:
            hosts = self._hosts_file(pod, home)
            found.append(cri.Mount(container_path="/etc/hosts", host_path=str(hosts)))
        if spec.termination_message_path:
            message = message_file(home, spec.name, attempt)
            message.parent.mkdir(parents=True, exist_ok=True)
            message.write_bytes(b"")
            message.chmod(0o666)
            found.append(cri.Mount(container_path=spec.termination_message_path, host_path=str(message)))
        return found

    def _hosts_file(self, pod: objects.Pod, home: Path) -> Path:
        path, knobs = home / "etc-hosts", self._ctx.settings
        content = network.hosts_file(
            pod, self.place(pod).pod_ips, knobs.cluster_domain, _content(Path("/etc/hosts"))
        )
        path.write_text(content)
        path.chmod(0o644)
        group = pod.spec.security_context.fs_group
        if group is not None:
            os.chown(path, -1, group)
        return path

    def _event(self, pod: objects.Pod, spec: objects.Container, kind: str, reason: str, message: str) -> None:
        self._ctx.event(pod, kind, reason, message, context.container_path(pod, spec.name))

    async def clean(self, pod: objects.Pod) -> None:
        """Remove volumes and logs of a pod that is gone."""
        await volumes.Volumes(self._ctx.settings, pod).tear_down()
        shutil.rmtree(configs.log_directory(self._ctx.settings, pod), ignore_errors=True)


def message_file(home: Path, container: str, attempt: int) -> Path:
    """Where a container's termination message ends up on the box."""
    return home / "containers" / container / str(attempt)


def _expanded(wanted: objects.VolumeMount, variables: dict[str, str]) -> str:
    if not wanted.sub_path_expr:
        return wanted.sub_path
    result = env.expand(wanted.sub_path_expr, variables)
    if "$(" in result:
        raise ValueError(f"subPathExpr {wanted.sub_path_expr!r} names a variable that is not set")
    return result


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def remove_logs(path: str) -> None:
    """A removed container's log with its rotated files."""
    log = Path(path)
    for file in [log, *log.parent.glob(log.name + ".*")]:
        file.unlink(missing_ok=True)
