"""What the daemon tells the person at the box, over a unix socket that only root may open; and its metrics."""

from __future__ import annotations

import asyncio
import dataclasses
import resource
import time
from typing import Any, Awaitable, Callable, Dict, List, Tuple

from suanli_agent.link import endpoints, link, server
from suanli_agent.pods import ports


class Face:
    """Answers `suanli-agent status`, `pods`, `logs` and `leave`."""

    def __init__(self, followed: link.Link, pods: ports.Pods, leave: Callable[[], Awaitable[None]]) -> None:
        self._link, self._pods, self._leave = followed, pods, leave
        self._routes: Dict[str, Callable[[server.Request], Awaitable[server.Answer]]] = {
            "status": self._status,
            "pods": self._list,
            "containerLogs": self._logs,
            "metrics": self._metrics,
            "healthz": self._healthz,
            "leave": self._go,
        }

    async def handle(self, request: server.Request) -> server.Answer:
        """Route; whoever may open the socket may ask everything."""
        route = self._routes.get(request.path.strip("/").split("/", 1)[0])
        return await route(request) if route else server.Response(404, b"no such page\n")

    async def _status(self, _request: server.Request) -> server.Answer:
        followed = self._link
        certificate = followed.store.certificate("client")
        clock = followed.client.clock
        return server.as_json(
            {
                "node": followed.hub.node,
                "hub": followed.hub.server,
                "contact": dataclasses.asdict(followed.contact),
                "identity": followed.identity.said,
                "certificateExpires": certificate.not_after if certificate else None,
                "recoveryToken": followed.store.recovery.exists(),
                "clockOffset": clock.offset,
                "clockSynced": clock.synced,
                "engine": dataclasses.asdict(await self._pods.engine()),
                "nodeSays": followed.watch.node_says,
                "addresses": list(followed.reporter.addresses),
                "pods": len(self._pods.views()),
            }
        )

    async def _list(self, _request: server.Request) -> server.Answer:
        return server.as_json([dataclasses.asdict(view) for view in self._pods.views()])

    async def _logs(self, request: server.Request) -> server.Answer:
        return server.Stream(endpoints.logs(self._pods, request, time.time()))

    async def _metrics(self, _request: server.Request) -> server.Answer:
        return server.Response(200, self.metrics().encode(), "text/plain; version=0.0.4")

    async def _healthz(self, _request: server.Request) -> server.Answer:
        return server.Response(200, b"ok\n")

    async def _go(self, request: server.Request) -> server.Answer:
        if request.method != "POST":
            return server.Response(405, b"POST\n")
        try:
            await asyncio.wait_for(self._leave(), 30)
        except (ports.HubError, asyncio.TimeoutError) as error:
            return server.Response(503, f"{error or 'no answer from the hub'}\n".encode())
        return server.Response(202, b"asked\n")

    def metrics(self) -> str:
        """Prometheus' text format, by hand: a client library would cost a tenth of the agent's memory."""
        contact, clock = self._link.contact, self._link.client.clock
        certificate = self._link.store.certificate("client")
        used = resource.getrusage(resource.RUSAGE_SELF)
        views = self._pods.views()
        rows: List[Tuple[str, str, str, Any]] = [
            ("hub_up", "gauge", "1 while the hub answers.", int(bool(contact.up))),
            ("hub_failures", "gauge", "Failed requests since the link last changed.", contact.failures),
            ("pods", "gauge", "Pods that this box runs or stops.", len(views)),
            ("container_restarts", "gauge", "Restarts of those pods' containers.", sum(v.restarts for v in views)),
            ("cpu_seconds_total", "counter", "CPU time of the agent.", used.ru_utime + used.ru_stime),
            ("resident_memory_bytes", "gauge", "Resident memory of the agent.", _resident()),
        ]
        if certificate:
            what = "When the client certificate ends, in seconds since the epoch."
            rows.append(("certificate_expiry_timestamp_seconds", "gauge", what, certificate.not_after))
        if clock.offset is not None:
            what = "The hub's clock less this box's."
            rows.append(("clock_offset_seconds", "gauge", what, round(clock.offset, 1)))
        return "".join(
            f"# HELP suanli_agent_{n} {h}\n# TYPE suanli_agent_{n} {t}\nsuanli_agent_{n} {v}\n"
            for n, t, h, v in rows
        )


def _resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - read at every scrape
        return int(file.read().split()[1]) * resource.getpagesize()
