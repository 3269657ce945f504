"""`suanli-agent run`: the only place where link and pods meet.

Whatever is wrong with the link, pods run: an identity that cannot be read, too, only keeps the hub away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pathlib
import signal
import socket
import time
from typing import Optional

from suanli_agent import face as face_module
from suanli_agent import settings as settings_module
from suanli_agent import state, tasks
from suanli_agent.core import devices
from suanli_agent.link import access, endpoints, identity, link, pki, server
from suanli_agent.link.node import wants_to_leave
from suanli_agent.pods import manager, ports
from suanli_agent.pods import settings as pods_settings
from suanli_agent.runtime import client as runtime_client

log = logging.getLogger(__name__)

LEAVE_POLL_SECONDS = 2.0
LEFT_SECONDS = 120.0  # how long leaving waits for the last container


class NotJoinedError(Exception):
    """There is no kubeconfig: this box belongs to no hub."""


def notify(message: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens where it did not start us."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + path[1:] if path.startswith("@") else path)
            channel.send(message.encode())


def _pod_settings(settings: settings_module.Settings) -> pods_settings.Settings:
    state_path = settings.state_path
    return pods_settings.Settings(
        root=state_path,
        run_root=pathlib.Path(settings.run),
        host_root=settings.host_root,
        seccomp_root=state_path / "seccomp",
        cgroup_parent=settings.cgroup_parent,
    )


class Daemon:
    """One running agent. Make it inside the event loop."""

    def __init__(self, settings: settings_module.Settings) -> None:
        self.settings = settings
        self.store = pki.Store(settings.state_path)
        hub = self.store.hub()
        if hub is None:
            raise NotJoinedError(f"{self.store.kubeconfig} is not there: run `suanli-agent join` first")
        self.desired = state.Store(settings.state_path / "state.db")
        self.desired.keep_for(identity.remembered_uid(self.store))
        self.link = link.Link(settings, self.store, hub, serving_changed=self._serve)
        self.runtime = runtime_client.Runtime(settings.runtime[len("unix://") :])
        self.pods: ports.Pods = manager.PodManager(
            _pod_settings(settings),
            self.runtime,
            self.desired,
            self.link.for_pods,
            self.link.facts(),
            self._cards,
        )
        self.link.attach(self.pods)
        self.face = face_module.Face(self.link, self.pods, self.leave)
        self._listener = self._make_listener()
        self._asked = asyncio.Event()
        self._opening: Optional[asyncio.Task[None]] = None

    def _cards(self) -> dict[str, devices.Pool]:
        box = self.link.box
        box.look_for_cards()
        return {card.resource: devices.Pool(card.devices, card.shared) for card in box.hardware.accelerators}

    def _make_listener(self) -> Optional[endpoints.Listener]:
        host, port = settings_module.address(self.settings.listen)
        if not port:
            return None
        guard = access.Access(self.link.client, self.link.hub.node)
        served = endpoints.Endpoints(self.pods, guard, self.face.metrics, self.link.client.clock.now)
        return endpoints.Listener(host, port, self.store.ca, served)

    async def run(self) -> None:
        """Until SIGTERM or SIGINT, or until the box has left its hub."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        local = await self._local_socket()
        await self.pods.start()
        if self.store.pem("serving").exists():
            self._serve(self.store.pem("serving"))
        notify("READY=1")
        log.info("node %s, hub %s", self.link.hub.node, self.link.hub.server)
        following = asyncio.ensure_future(self.link.run())
        own = [asyncio.ensure_future(work) for work in (stop.wait(), self._leaving(), self._watchdog())]
        try:
            await asyncio.wait({following, *own[:2]}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()  # a fault of ours: let systemd start us anew
        finally:
            notify("STOPPING=1")
            await tasks.end([following, *own])
            await self._close(local)

    async def _close(self, local: asyncio.AbstractServer) -> None:
        local.close()
        if self._listener:
            self._listener.close()
        await self.pods.stop()
        self.runtime.close()
        self.desired.close()

    async def _local_socket(self) -> asyncio.AbstractServer:
        path = self.settings.socket
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o711)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(server.serve(self.face.handle), str(path))
        finally:
            os.umask(before)

    def _serve(self, pem: pathlib.Path) -> None:
        if self._listener is not None:
            self._opening = asyncio.ensure_future(self._open(self._listener, pem))

    @staticmethod
    async def _open(listener: endpoints.Listener, pem: pathlib.Path) -> None:
        try:
            await listener.certificate(pem)
        except OSError as error:
            log.error("kubelet endpoints: %s", error)  # noqa: TRY400 - the address and the reason say all

    @staticmethod
    async def _watchdog() -> None:
        """Tell systemd that the loop turns, twice as often as it asks."""
        wanted = int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
        while wanted:
            notify("WATCHDOG=1")
            await asyncio.sleep(wanted)

    # --- leaving

    async def leave(self) -> None:
        """Ask the hub to let us go. Raises ports.HubError."""
        await self.link.ask_to_leave()
        self.store.leaving.touch()
        self._asked.set()

    async def _leaving(self) -> None:
        """Once we have asked to leave and the hub has deleted our Node: stop everything, forget everything."""
        while not await self._is_let_go():  # noqa: ASYNC110 - it is the hub that knows
            await asyncio.sleep(LEAVE_POLL_SECONDS)
        self.pods.set_desired([])
        deadline = time.monotonic() + LEFT_SECONDS
        while self.pods.views() and time.monotonic() < deadline:  # noqa: ASYNC110 - pods tell no one that they went
            await asyncio.sleep(0.5)
        self.store.forget()
        log.info("this box has left its hub")

    async def _is_let_go(self) -> bool:
        """Whether the hub has deleted our Node while we were asking for it; waits until we ask."""
        if not self.store.leaving.exists():
            await self._asked.wait()
        self._asked.clear()
        try:
            node = await self.link.watch.our_node()
        except (ports.HubError, LookupError, ValueError):
            return False
        if node is not None and not wants_to_leave(node) and not self._asked.is_set():
            log.info("asking to leave was taken back on the hub: this box stays")
            self.store.leaving.unlink(missing_ok=True)
        # Not without the mark: who forgets the hub at the box alone (`leave --local`) wants what runs to run on.
        return node is None and self.store.leaving.exists()


async def run(settings: settings_module.Settings) -> None:
    """Run the daemon. Raises NotJoinedError."""
    await Daemon(settings).run()
