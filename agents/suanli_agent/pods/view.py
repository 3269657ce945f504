"""What the runtime holds of our pods, kept in memory: renewed after each call of ours, at each death, and by
listing.

A pidfd tells the death of a container's or sandbox's process at once and costs nothing while it lives. Where the
kernel has none, listing every second does it, as kubelet does.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterable
from typing import Callable, Optional

from suanli_agent.core import observed
from suanli_agent.runtime import client, errors

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.02
"""Between a process's death and the runtime knowing of it: the first pause, each half as long again as the last."""

SETTLE_LIMIT_SECONDS = 0.2
SETTLE_TRIES = 20


class View:
    """Sandboxes and containers by pod uid. changed(uid) is called whenever something of a pod is another."""

    def __init__(self, runtime: client.Runtime, changed: Callable[[str], None]) -> None:
        self._runtime = runtime
        self._changed = changed
        self.sandboxes: dict[str, observed.SandboxRecord] = {}
        self.containers: dict[str, observed.ContainerRecord] = {}
        self._watched: dict[str, int] = {}
        self._settling: dict[str, asyncio.Task[None]] = {}
        self._unseen: set[str] = set()  # alive, says the runtime, under pids that are not ours to see
        self.sees_deaths = hasattr(os, "pidfd_open")

    def close(self) -> None:
        """Watch nothing any more."""
        for key in list(self._watched):
            self._unwatch(key)
        for task in self._settling.values():
            task.cancel()

    def of(self, uid: str) -> tuple[tuple[observed.SandboxRecord, ...], tuple[observed.ContainerRecord, ...]]:
        """A pod's sandboxes and containers, newest first."""
        sandboxes = [record for record in self.sandboxes.values() if record.pod_uid == uid]
        containers = [record for record in self.containers.values() if record.pod_uid == uid]
        return (
            tuple(sorted(sandboxes, key=lambda r: (r.attempt, r.created_at), reverse=True)),
            tuple(sorted(containers, key=lambda r: (r.attempt, r.created_at), reverse=True)),
        )

    def uids(self) -> set[str]:
        """Every pod of which something is there."""
        found = {record.pod_uid for record in self.sandboxes.values()}
        return found | {record.pod_uid for record in self.containers.values()}

    async def refresh(self) -> None:
        """List everything and look closer at what is new or another. Raises errors.RuntimeFault."""
        listed = {record.id: record for record in await self._runtime.list_sandboxes()}
        for sandbox_id in self.sandboxes.keys() - listed.keys():
            self._forget(sandbox_id)
        for record in listed.values():
            known = self.sandboxes.get(record.id)
            if known is None or known.ready != record.ready:
                await self.look_at_sandbox(record.id)
        containers = {entry[0]: entry for entry in await self._runtime.list_containers()}
        for container_id in self.containers.keys() - containers.keys():
            self._forget(container_id)
        for container_id, sandbox_id, state in containers.values():
            seen = self.containers.get(container_id)
            if seen is None or seen.state is not state:
                await self.look_at_container(container_id, sandbox_id)

    async def look_at_sandbox(self, sandbox_id: str) -> None:
        """Ask for one sandbox. Raises errors.RuntimeFault; one that is gone is forgotten."""
        try:
            record = await self._runtime.sandbox(sandbox_id)
        except errors.NotFoundFault:
            self._forget(sandbox_id)
            return
        self._keep_sandbox(record)

    async def look_at_container(self, container_id: str, sandbox_id: str) -> None:
        """Ask for one container. Raises errors.RuntimeFault; one that is gone is forgotten."""
        try:
            record = await self._runtime.container(container_id, sandbox_id)
        except errors.NotFoundFault:
            self._forget(container_id)
            return
        known = self.containers.get(container_id)
        if known is not None and known.exited and record.exited:
            return  # its message was added when it died
        self._keep(self.containers, record, alive=record.running)

    def _keep_sandbox(self, record: observed.SandboxRecord) -> None:
        """One that is down has no addresses any more: those that it had are kept."""
        known = self.sandboxes.get(record.id)
        if known is not None and not record.ips:
            record = dataclasses.replace(record, ips=known.ips)
        self._keep(self.sandboxes, record, alive=record.ready)

    def amend(self, record: observed.ContainerRecord) -> None:
        """Put a record with something added, for instance the termination message."""
        self.containers[record.id] = record

    def forget(self, key: str) -> None:
        """A sandbox or container was removed by us."""
        self._forget(key)

    def _keep(self, where: dict, record, *, alive: bool) -> None:  # type: ignore[no-untyped-def, type-arg]  # noqa: ANN001
        where[record.id] = record
        if alive:
            self._watch(record.id, record.pid)
        else:
            self._unwatch(record.id)
        self._changed(record.pod_uid)

    def _forget(self, key: str) -> None:
        self._unwatch(key)
        self._unseen.discard(key)
        gone = self.sandboxes.pop(key, None) or self.containers.pop(key, None)
        if gone is not None:
            self._changed(gone.pod_uid)

    def _watch(self, key: str, pid: int) -> None:
        if not self.sees_deaths or key in self._watched or key in self._settling or key in self._unseen:
            return
        try:
            descriptor = os.pidfd_open(pid) if pid else -1
        except ProcessLookupError:
            self._died(key)  # it was faster than we: a container that ends at once
            return
        except OSError:
            descriptor = -1  # an old kernel: the list will tell
        if descriptor >= 0:
            self._watched[key] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._died, key)

    def _unwatch(self, key: str) -> None:
        descriptor = self._watched.pop(key, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _died(self, key: str) -> None:
        self._unwatch(key)
        self._settling[key] = task = asyncio.ensure_future(self._settle(key))
        task.add_done_callback(lambda _: self._settling.pop(key))

    async def _settle(self, key: str) -> None:
        """Until the runtime knows of the death too: it learns of it a moment later than we do. Where it never does,
        its pids are of another namespace, and the list will tell.
        """
        pause = SETTLE_SECONDS
        for _ in range(SETTLE_TRIES):
            with contextlib.suppress(errors.RuntimeFault):
                if key in self.sandboxes:
                    await self._settle_sandbox(key)
                elif key in self.containers:
                    await self.look_at_container(key, self.containers[key].sandbox_id)
            if not self._alive(key):
                return
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, SETTLE_LIMIT_SECONDS)
        self._unseen.add(key)

    async def _settle_sandbox(self, key: str) -> None:
        record = await self._runtime.sandbox(key)
        if not record.ready:
            self._keep_sandbox(record)

    def _alive(self, key: str) -> bool:
        sandbox, container = self.sandboxes.get(key), self.containers.get(key)
        return bool((sandbox and sandbox.ready) or (container and container.running))

    def blind(self) -> bool:
        """True when some living container's death would not be seen at once."""
        living: Iterable[str] = (record.id for record in self.containers.values() if record.running)
        return any(key not in self._watched for key in living)

    def log_path(self, container_id: str) -> Optional[str]:
        """Where a container's log is."""
        record = self.containers.get(container_id)
        return record.log_path if record else None


def with_message(record: observed.ContainerRecord, message: str) -> observed.ContainerRecord:
    """The record with its termination message; what the runtime said itself stays before it."""
    joined = ": ".join(part for part in (record.message, message) if part)
    return dataclasses.replace(record, message=joined)
