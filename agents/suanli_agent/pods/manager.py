"""All pods of this box: PodManager is what link/ and the box's own commands talk to (ports.Pods)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Callable, Optional

import msgspec

from suanli_agent import memory, state, tasks
from suanli_agent.core import cgroups, env, objects, support
from suanli_agent.core import devices as core_devices
from suanli_agent.core import storage as core_storage
from suanli_agent.pods import (
    context,
    devices,
    housekeeping,
    images,
    logs,
    needs,
    ports,
    settings,
    starter,
    storage,
    streams,
    view,
    volumes,
    worker,
)
from suanli_agent.runtime import client, errors

log = logging.getLogger(__name__)

ENGINE_SECONDS = 1.0
"""How often a runtime that is away is tried again."""

BLIND_SECONDS = 1.0
"""How often to list where deaths cannot be seen: kubelet's own period."""


class PodManager:
    """Keeps the desired pods running. See ports.Pods for what each method promises."""

    def __init__(
        self,
        knobs: settings.Settings,
        runtime: client.Runtime,
        store: state.Store,
        hub: ports.Hub,
        node: ports.NodeFacts,
        cards: Callable[[], Mapping[str, core_devices.Pool]] = dict,
    ) -> None:
        self._capacity = knobs.memory_capacity or _memory()
        knobs = dataclasses.replace(knobs, memory_capacity=self._capacity)
        self._ctx = context.Context(
            knobs, runtime, hub, store, self._completed(node), devices.Devices(store, cards)
        )
        self._view = view.View(runtime, self._changed)
        self._needs = needs.Needs(self._ctx)
        self._images = images.Images(self._ctx, self._needs)
        self._starter = starter.Starter(self._ctx, self._view, self._needs, self._images)
        self._workers: dict[str, worker.Worker] = {}
        self._raw: dict[str, bytes] = {}
        self._lasting: dict[str, bytes] = {}
        self._unread: set[str] = set()  # uids of pods in a form that we cannot read: what runs of them goes on
        self._early: list[str] = []
        self._adopted = False
        self._hub_has_told = False
        self._box = support.Box(apparmor=_apparmor(), contained=knobs.host_root != "/")
        self._loops: list[asyncio.Task[None]] = []

    # --- life

    async def start(self) -> None:
        """Take the desired pods from disk, adopt what runs."""
        for raw in self._ctx.store.pods():
            self._take(raw, keep=False)
        with contextlib.suppress(errors.RuntimeFault):
            await self._adopt()
        self._loops = [
            asyncio.ensure_future(work)
            for work in (self._watch_engine(), self._refresh(), self._keep(), self._watch_storage())
        ]

    async def stop(self) -> None:
        """Stop supervising."""
        await tasks.end(self._loops)
        await asyncio.gather(*(one.close() for one in self._workers.values()))
        self._view.close()

    # --- what should run

    def set_desired(self, pods: Sequence[bytes]) -> None:
        """The whole list as the hub has it."""
        self._hub_has_told = True
        with self._ctx.store.together():
            named = {self._take(raw, keep=True) for raw in pods}
        self._unread &= named
        for uid in self._workers.keys() - named:
            self.pod_removed(uid)
        self._forget_unused()

    def pod_changed(self, pod: bytes) -> None:
        """A new or another version of one pod."""
        self._take(pod, keep=True)

    def pod_removed(self, uid: str) -> None:
        """The hub has it no longer."""
        self._unread.discard(uid)
        if uid in self._workers:
            self._workers[uid].remove()

    def node_changed(self, node: ports.NodeFacts) -> None:
        """Facts of the box changed."""
        self._ctx.node = self._completed(node)

    def _completed(self, node: ports.NodeFacts) -> ports.NodeFacts:
        """Before the Node is known, what the box has stands in for what is allocatable."""
        own = {"cpu": str(os.cpu_count() or 1), "memory": str(self._capacity)}
        return node if node.allocatable else dataclasses.replace(node, allocatable=own)

    def link_restored(self) -> None:
        """The hub answers again."""
        self._needs.refresh()
        for one in self._workers.values():
            one.reporter.retry()

    def newest_version(self) -> int:
        """See ports.Pods."""
        versions = [one.pod.metadata.resource_version for one in self._workers.values()]
        return max((int(version) for version in versions if version.isdecimal()), default=0)

    def _take(self, raw: bytes, *, keep: bool) -> str:
        """Start or update the worker of a pod; its uid. What cannot be read is logged and left as it is."""
        try:
            pod = objects.decode_pod(raw)
        except msgspec.MsgspecError as problem:
            log.error("a pod that cannot be read: %s", problem)  # noqa: TRY400 - its own words suffice
            uid = _uid_of(raw)
            self._unread.add(uid)
            return uid
        meta = pod.metadata
        self._unread.discard(meta.uid)
        if self._raw.get(meta.uid) == raw:
            return meta.uid
        self._raw[meta.uid] = raw
        if self._differs(meta.uid, raw) and keep:
            self._ctx.store.put_pod(meta.uid, meta.namespace, meta.name, raw)
        known = self._workers.get(meta.uid)
        if known is not None:
            self._update(known, pod, raw)
        else:
            self._workers[meta.uid] = worker.Worker(self._ctx, self._view, self._starter, pod, self._forget)
            self._begin(meta.uid)
        return meta.uid

    def _differs(self, uid: str, raw: bytes) -> bool:
        """Whether it is another pod than on disk, but for its status: our own words come back with each patch."""
        before, self._lasting[uid] = self._lasting.get(uid), _lasting(raw)
        return before != self._lasting[uid]

    def _update(self, known: worker.Worker, pod: objects.Pod, raw: bytes) -> None:
        before = known.pod.metadata
        known.update(pod, raw, self._box)
        if (before.labels, before.annotations) != (pod.metadata.labels, pod.metadata.annotations):
            self._background(self._refresh_one(known))

    def _begin(self, uid: str) -> None:
        """Not before the first look at the runtime: what runs already must not be started twice."""
        if self._adopted:
            self._workers[uid].start(self._raw[uid], self._box)
        else:
            self._early.append(uid)

    def _forget(self, uid: str) -> None:
        """Nothing of the pod is left, and nothing is kept that only it needed."""
        for kept in (self._workers, self._raw, self._lasting):
            kept.pop(uid, None)
        self._forget_unused()

    def _forget_unused(self) -> None:
        with self._ctx.store.together():
            self._needs.forget_unused([one.pod for one in self._workers.values()])

    def _changed(self, uid: str) -> None:
        if uid in self._workers:
            self._workers[uid].poke()

    # --- loops

    async def _adopt(self) -> None:
        name, _ = await self._ctx.runtime.version()
        self._ctx.runtime_name = name
        if not self._ctx.settings.cgroup_parent:
            chosen = cgroups.parent(await self._ctx.runtime.cgroup_driver(), name)
            self._ctx.settings = dataclasses.replace(self._ctx.settings, cgroup_parent=chosen)
        await self._view.refresh()
        self._adopted = True
        for uid in self._early:
            if uid in self._workers:
                self._begin(uid)
        self._early.clear()

    async def _watch_engine(self) -> None:
        """List now and then: what pidfds do not tell, and whatever was missed."""
        while True:
            try:
                await (self._view.refresh() if self._adopted else self._adopt())
                pause = BLIND_SECONDS if self._view.blind() else self._ctx.settings.relist_seconds
            except errors.RuntimeFault as problem:
                log.warning("container runtime: %s", problem)
                pause = ENGINE_SECONDS
            await asyncio.sleep(pause)

    async def _refresh(self) -> None:
        """Volumes follow their ConfigMaps, Secrets and tokens."""
        while True:
            await asyncio.sleep(self._ctx.settings.refresh_seconds)
            for one in list(self._workers.values()):
                await self._refresh_one(one)

    async def _refresh_one(self, one: worker.Worker) -> None:
        _, containers = self._view.of(one.pod.metadata.uid)
        if one.stopping or not any(record.running for record in containers):
            return
        try:
            await self._starter.refresh_volumes(one.pod)
        except (ports.HubError, env.MissingError, volumes.VolumeError, ValueError, OSError) as problem:
            log.info("volumes of pod %s/%s: %s", one.pod.metadata.namespace, one.pod.metadata.name, problem)

    async def _keep(self) -> None:
        """Logs, images, orphans: housekeeping.py; and our own memory."""
        thrift = memory.Thrift()
        while True:
            await asyncio.sleep(housekeeping.PERIOD_SECONDS)
            thrift.look()
            try:
                await self.tidy()
            except (errors.RuntimeFault, OSError) as problem:
                log.warning("housekeeping: %s", problem)

    async def _watch_storage(self) -> None:
        """Pods that use more of the disk than they may are evicted."""
        while True:
            await asyncio.sleep(storage.PERIOD_SECONDS)
            for one in [one for one in self._workers.values() if core_storage.is_limited(one.pod.spec)]:
                try:
                    await self._look_at_storage(one)
                except (errors.RuntimeFault, ValueError) as problem:
                    log.warning("storage of pod %s: %s", one.pod.metadata.name, problem)

    async def _look_at_storage(self, one: worker.Worker) -> None:
        _, containers = self._view.of(one.pod.metadata.uid)
        used = await storage.measure(self._ctx, one.pod, containers)
        message = core_storage.excess(one.pod.spec, used)
        if message and not one.stopping:
            one.evict(message)

    async def tidy(self) -> None:
        """One round of housekeeping. Orphans are only removed once the hub has told what should run."""
        await housekeeping.rotate_logs(self._ctx, self._view)
        if self._hub_has_told:
            await housekeeping.remove_orphans(self._ctx, self._view, self._known)
            self._ctx.devices.release_all_but(self._known() | self._view.uids())
        wanted = [one.pod for one in self._workers.values()]
        await self._images.collect(housekeeping.image_names(wanted), housekeeping.images_in_use(self._view))

    def _known(self) -> AbstractSet[str]:
        return self._workers.keys() | self._unread

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._loops.append(task)
        task.add_done_callback(lambda done: self._loops.remove(done) if done in self._loops else None)

    # --- questions

    def views(self) -> list[ports.PodView]:
        """Every pod of this box."""
        return [_pod_view(one) for one in self._workers.values()]

    def starting(self) -> bool:
        """See ports.Pods."""
        return any(one.starting for one in self._workers.values())

    def logs(self, namespace: str, pod: str, container: str, options: ports.LogOptions) -> AsyncIterator[bytes]:
        """A container's log."""
        record = streams.container(self._named(namespace, pod), self._view, container, previous=options.previous)

        def alive() -> bool:
            now = self._view.containers.get(record.id)
            return now is not None and now.running

        return logs.read(Path(record.log_path), options, alive)

    async def exec_url(
        self, namespace: str, pod: str, container: str, command: list[str], options: ports.ExecOptions
    ) -> str:
        """The runtime's address for one exec."""
        record = streams.container(self._named(namespace, pod), self._view, container, running=True)
        return await self._ctx.runtime.exec_url(streams.exec_request(record.id, command, options))

    async def attach_url(self, namespace: str, pod: str, container: str, options: ports.ExecOptions) -> str:
        """The runtime's address for one attach."""
        one = self._named(namespace, pod)
        record = streams.container(one, self._view, container, running=True)
        return await self._ctx.runtime.attach_url(streams.attach_request(one.pod, record, options))

    async def port_forward_url(self, namespace: str, pod: str, ports_: list[int]) -> str:
        """The runtime's address for one port-forward."""
        sandboxes, _ = self._view.of(self._named(namespace, pod).pod.metadata.uid)
        if not sandboxes or not sandboxes[0].ready:
            raise LookupError(f"pod {namespace}/{pod} is not running")
        return await self._ctx.runtime.port_forward_url(sandboxes[0].id, ports_)

    async def engine(self) -> ports.EngineStatus:
        """The runtime's own word on its health."""
        try:
            name, version = await self._ctx.runtime.version()
            conditions = await self._ctx.runtime.conditions()
        except errors.RuntimeFault as problem:
            return ports.EngineStatus(ready=False, network_ready=False, version="", message=str(problem))
        ready, said = conditions.get("RuntimeReady", (False, "no RuntimeReady condition"))
        network, network_said = conditions.get("NetworkReady", (False, "no NetworkReady condition"))
        problems = [text for fine, text in ((ready, said), (network, network_said)) if not fine]
        return ports.EngineStatus(ready, network, f"{name}://{version}", "; ".join(problems))

    async def images(self) -> list[ports.NodeImage]:
        """The largest images, as Node.status.images wants them."""
        found = await self._ctx.runtime.list_images()
        return housekeeping.node_images(found)

    async def disk_use(self) -> Optional[dict[str, int]]:
        """See ports.Pods."""
        try:
            return await storage.use(self._ctx, [one.pod for one in self._workers.values()])
        except (errors.RuntimeFault, OSError, ValueError) as problem:
            log.debug("disk use: %s", problem)
            return None

    def _named(self, namespace: str, name: str) -> worker.Worker:
        for one in self._workers.values():
            meta = one.pod.metadata
            if (meta.namespace, meta.name) == (namespace, name):
                return one
        raise LookupError(f"pod {namespace}/{name} is not on this node")


class _Uid(msgspec.Struct):
    uid: str = ""


class _Named(msgspec.Struct):
    metadata: _Uid = msgspec.field(default_factory=_Uid)


def _uid_of(raw: bytes) -> str:
    """Of a pod that cannot be read as one; empty where not even that can be read."""
    try:
        return msgspec.json.decode(raw, type=_Named).metadata.uid
    except msgspec.MsgspecError:
        return ""


class _Lasting(msgspec.Struct):
    metadata: dict[str, Any]
    spec: msgspec.Raw = msgspec.Raw()


def _lasting(raw: bytes) -> bytes:
    """A digest of all in a pod that must outlive a restart; versions and who wrote what change with every status."""
    found = msgspec.json.decode(raw, type=_Lasting)
    for passing in ("resourceVersion", "managedFields"):
        found.metadata.pop(passing, None)
    return hashlib.sha256(msgspec.json.encode(found)).digest()


def _pod_view(one: worker.Worker) -> ports.PodView:
    meta, told = one.pod.metadata, one.reporter.last
    entries = [*told.get("initContainerStatuses", []), *told.get("containerStatuses", [])]
    return ports.PodView(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        phase=told.get("phase", "Pending"),
        reason=told.get("reason", ""),
        ip=told.get("podIP", ""),
        restarts=sum(entry["restartCount"] for entry in entries),
        started=told.get("startTime"),
        containers={entry["name"]: _state_word(entry["state"]) for entry in entries},
    )


def _state_word(told: dict[str, dict[str, str]]) -> str:
    kind = next(iter(told), "waiting")
    return told.get(kind, {}).get("reason") or kind


def _apparmor() -> bool:
    return _first_line(Path("/sys/module/apparmor/parameters/enabled")) == "Y"


def _memory() -> int:
    """Bytes of memory of this box."""
    line = _first_line(Path("/proc/meminfo"))
    return int(line.split()[1]) * 1024 if line.startswith("MemTotal") else 0


def _first_line(path: Path) -> str:
    try:
        with path.open() as file:
            return file.readline().strip()
    except OSError:
        return ""
