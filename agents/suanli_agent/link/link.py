"""All of this room together: one client, and the tasks that follow the hub for the life of the daemon."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import pathlib
import ssl
import time
from typing import Any, Awaitable, Callable, Dict, List, Optional

from suanli_agent import settings as settings_module
from suanli_agent import tasks
from suanli_agent.link import dial, errors, events, http, identity, node, pki, reporter, watch
from suanli_agent.link import hub as hub_module
from suanli_agent.pods import ports

log = logging.getLogger(__name__)

FAULT_SECONDS = 10.0


@dataclasses.dataclass
class Contact:
    """How the link stands, for `suanli-agent status` and /metrics. Times in seconds of the box's own clock."""

    since: float = 0.0  # when the present state began
    up: Optional[bool] = None  # None before the first answer or failure
    error: str = ""
    failures: int = 0


class Link:
    """The link of one box. Make it inside the event loop."""

    def __init__(
        self,
        settings: settings_module.Settings,
        store: pki.Store,
        hub: pki.Hub,
        *,
        serving_changed: Callable[[pathlib.Path], None] = lambda _pem: None,
    ) -> None:
        self.settings, self.store, self.hub = settings, store, hub
        self.contact = Contact(since=time.time())
        self.client = http.Client(hub.server, self._context(), proxy=hub.proxy)
        self.events = events.Events(self.client, hub.node)
        self.for_pods = hub_module.Hub(self.client, self.events)
        self.box = reporter.Box(settings, dial.Url.parse(hub.server))
        self.identity = identity.Identity(
            store,
            hub,
            self.client,
            self.box.hardware.system.machine_id if self.box.hardware.system else "",
            time.time,
            serving_names=self._serving_names,
            serving_changed=serving_changed,
        )
        self._serve = settings_module.address(settings.listen)[1] != 0

    def facts(self, present: Optional[Dict[str, Any]] = None) -> ports.NodeFacts:
        """What pods may know of the box; before the first contact, what the box knows of itself."""
        metadata = (present or {}).get("metadata", {})
        status = (present or {}).get("status", {})
        url = dial.Url.parse(self.hub.server)
        return ports.NodeFacts(
            name=self.hub.node,
            host_ips=self.box.addresses(),
            allocatable=status.get("allocatable", {}),
            labels=metadata.get("labels", {}),
            annotations=metadata.get("annotations", {}),
            api_host=url.host,
            api_port=url.port,
        )

    def attach(self, pods: ports.Pods) -> None:
        """Tell the link whom to feed, before `run`."""
        self._pods = pods
        self.events.starting = pods.starting
        self.watch = watch.PodWatch(self.client, self.hub.node, pods, self._known_uid, self.answered)
        self.reporter = reporter.Reporter(self.client, self.hub.node, self.box, pods, self)

    async def run(self) -> None:
        """Follow the hub until cancelled."""
        parts: List[Callable[[], Awaitable[None]]] = [
            self.identity.run, self.watch.run, self.reporter.run, self.events.run,
        ]  # fmt: skip
        running = [asyncio.ensure_future(_kept_up(part)) for part in parts]
        try:
            await asyncio.gather(*running)
        finally:
            await tasks.end(running)
            self.client.drop()

    def _context(self) -> ssl.SSLContext:
        """TLS with our identity; files that cannot be read keep the hub away, and nothing else."""
        wrong = identity.clock_is_wrong(self.store.certificate("client"), time.time())
        try:
            return self.store.context(ignore_time=wrong)
        except (OSError, ValueError) as error:
            log.error("identity files: %s", error)  # noqa: TRY400 - its words suffice
            return ssl.create_default_context()  # trusts no private CA: it will not reach the hub

    async def ask_to_leave(self) -> None:
        """Ask the controller to drain this box and delete its Node. Raises ports.HubError."""
        change = json.dumps({"metadata": {"annotations": {node.LEAVE_ANNOTATION: "true"}}}).encode()
        await self.client.request("PATCH", f"/api/v1/nodes/{self.hub.node}", change, http.MERGE_PATCH)

    # --- what the parts tell each other

    def answered(self, error: Optional[ports.HubError]) -> None:
        """One request went well (None) or not; wakes what waits for the link, and looks to the identity."""
        if isinstance(error, errors.UnauthorizedError):
            self.identity.refused()
        elif isinstance(error, errors.ClockError):
            self._mend_time()
        up = error is None or not isinstance(error, ports.UnavailableError)
        if up and self.contact.up is False:
            log.info("the hub answers again after %d failures", self.contact.failures)
            self._restored()
        if up is not self.contact.up:
            self.contact = Contact(since=time.time(), up=up)
        if error is not None:
            self.contact.error, self.contact.failures = str(error), self.contact.failures + 1
            if self.contact.failures == 1:
                log.warning("hub: %s", error)

    def _restored(self) -> None:
        self.identity.wake()
        self._pods.link_restored()

    def _mend_time(self) -> None:
        """Our clock may have been set wrong since the TLS context was made."""
        self.client.use(self._context())

    def _known_uid(self) -> str:
        return identity.remembered_uid(self.store)

    def own_node(self, uid: str) -> bool:
        """See reporter.Told: the first Node that we see after joining is ours; afterwards only the one with its uid."""
        known = self._known_uid()
        if not known:
            identity.remember_uid(self.store, uid)
        elif uid != known:
            log.warning("the Node of this name is not the one that we joined as: it is left alone")
        return not known or uid == known

    def expires(self) -> Optional[float]:
        """See reporter.Told."""
        certificate = self.store.certificate("client")
        return certificate.not_after if certificate else None

    def node_written(self, present: Dict[str, Any]) -> None:
        """See reporter.Told."""
        self._pods.node_changed(self.facts(present))
        self.identity.wake()  # the serving certificate waits for the addresses to be shown

    def _serving_names(self) -> "tuple[str, ...]":
        """Addresses for the serving certificate: those that the Node shows by now, for the controller compares."""
        return self.reporter.addresses if self._serve and self.reporter.sent is not None else ()


async def _kept_up(part: Callable[[], Awaitable[None]]) -> None:
    """Run one part for ever. A fault in it, or an answer that is no hub's (a captive portal's page), must not take the
    other parts and the pods along.
    """
    while True:
        try:
            await part()
        except Exception:
            log.exception("a part of the link failed; it begins anew")
        await asyncio.sleep(FAULT_SECONDS)
