"""The kubelet's endpoints: logs, exec, attach and port-forward for the API server, metrics and health.

exec, attach and port-forward are the runtime's own streaming server: the upgraded connection is passed through,
byte for byte, as kubelet does.
"""

from __future__ import annotations

import asyncio
import logging
import pathlib
import ssl
from typing import AsyncIterator, Awaitable, Callable, Dict, List, Optional

from suanli_agent.link import access, clock, dial, server
from suanli_agent.pods import ports

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0


def log_options(request: server.Request, now: float) -> ports.LogOptions:
    """The query of containerLogs. Raises ValueError that names the parameter."""
    since: Optional[float] = None
    if request.option("sinceTime"):
        since = clock.parse(request.option("sinceTime"))
    elif request.option("sinceSeconds"):
        since = now - (_number(request, "sinceSeconds") or 0)
    return ports.LogOptions(
        follow=request.option("follow") == "true",
        previous=request.option("previous") == "true",
        timestamps=request.option("timestamps") == "true",
        since=since,
        tail_lines=_number(request, "tailLines"),
        limit_bytes=_number(request, "limitBytes"),
    )


def _number(request: server.Request, name: str) -> Optional[int]:
    text = request.option(name)
    if not text:
        return None
    if not text.isdigit():
        raise ValueError(f"{name}={text!r}: must be a whole number, 0 or more")
    return int(text)


def exec_options(request: server.Request) -> ports.ExecOptions:
    """The query of exec and attach, in kubelet's words: input, output, error, tty."""
    streams = {name: request.option(name) in ("1", "true") for name in ("input", "output", "error", "tty")}
    return ports.ExecOptions(
        stdin=streams["input"],
        stdout=streams["output"],
        stderr=streams["error"] and not streams["tty"],
        tty=streams["tty"],
    )


def _names(request: server.Request, count: int) -> List[str]:
    """The path below the endpoint: namespace, pod, [uid,] container. Raises LookupError."""
    parts = request.path.strip("/").split("/")[1:]
    if len(parts) == count + 1:
        del parts[2]  # the uid, which older API servers add
    if len(parts) != count:
        raise LookupError(f"no such endpoint: {request.path}")
    return parts


def logs(pods: ports.Pods, request: server.Request, now: float) -> AsyncIterator[bytes]:
    """What containerLogs/NAMESPACE/POD/CONTAINER gives. Raises LookupError, ValueError."""
    namespace, pod, container = _names(request, 3)
    return pods.logs(namespace, pod, container, log_options(request, now))


class Endpoints:
    """What the API server and people with rights on this node may ask for."""

    def __init__(
        self, pods: ports.Pods, guard: access.Access, metrics: Callable[[], str], now: Callable[[], float]
    ) -> None:
        self._pods, self._access, self._metrics, self._now = pods, guard, metrics, now
        self._routes: Dict[str, Callable[[server.Request], Awaitable[server.Answer]]] = {
            "containerLogs": self._logs,
            "exec": self._exec,
            "attach": self._attach,
            "portForward": self._port_forward,
            "metrics": self._show_metrics,
            "healthz": self._healthz,
        }

    async def handle(self, request: server.Request) -> server.Answer:
        """Guard, then route."""
        refusal = await access.guard(self._access, request)
        if refusal is not None:
            return refusal
        route = self._routes.get(request.path.strip("/").split("/", 1)[0])
        if route is None:
            return server.Response(404, f"no such endpoint: {request.path}\n".encode())
        return await route(request)

    async def _logs(self, request: server.Request) -> server.Answer:
        return server.Stream(logs(self._pods, request, self._now()))

    async def _exec(self, request: server.Request) -> server.Answer:
        namespace, pod, container = _names(request, 3)
        command = request.query.get("command", [])
        url = await self._pods.exec_url(namespace, pod, container, command, exec_options(request))
        return passed_on(request, url)

    async def _attach(self, request: server.Request) -> server.Answer:
        namespace, pod, container = _names(request, 3)
        return passed_on(request, await self._pods.attach_url(namespace, pod, container, exec_options(request)))

    async def _port_forward(self, request: server.Request) -> server.Answer:
        namespace, pod = _names(request, 2)
        wanted = [int(port) for port in request.query.get("port", []) if port.isdigit()]
        return passed_on(request, await self._pods.port_forward_url(namespace, pod, wanted))

    async def _show_metrics(self, _request: server.Request) -> server.Answer:
        return server.Response(200, self._metrics().encode(), "text/plain; version=0.0.4")

    async def _healthz(self, _request: server.Request) -> server.Answer:
        return server.Response(200, b"ok\n")


def passed_on(request: server.Request, url: str) -> server.Takeover:
    """Hand the connection to the runtime's streaming server at `url`."""
    target = dial.Url.parse(url, ("http",))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ahead: bytes) -> None:
        streams = await asyncio.wait_for(asyncio.open_connection(target.host, target.port), CONNECT_SECONDS)
        streams[1].write(_request_head(request, target) + ahead)
        await _join((reader, writer), streams)

    return server.Takeover(serve)


def _request_head(request: server.Request, target: dial.Url) -> bytes:
    """The same request, without who asked: that is between the API server and us."""
    kept = [(k, v) for k, v in request.headers if k not in (b"host", b"authorization", b"x-forwarded-for")]
    lines = [f"{request.method} {target.path} HTTP/1.1".encode(), f"host: {target.authority}".encode()]
    return b"\r\n".join([*lines, *(name + b": " + value for name, value in kept)]) + b"\r\n\r\n"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def _join(front: dial.Streams, back: dial.Streams) -> None:
    """Copy both ways until either side ends."""
    pumps = [asyncio.ensure_future(_pump(front[0], back[1])), asyncio.ensure_future(_pump(back[0], front[1]))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        back[1].close()


class Listener:
    """The TLS socket; it opens once a serving certificate is there, and takes up each new one."""

    def __init__(self, host: str, port: int, client_ca: pathlib.Path, endpoints: Endpoints) -> None:
        self._host, self._port, self._ca, self._endpoints = host, port, client_ca, endpoints
        self._context: Optional[ssl.SSLContext] = None
        self._server: Optional[asyncio.AbstractServer] = None

    async def certificate(self, pem: pathlib.Path) -> None:
        """Serve with this certificate and key from now on. Raises OSError where the port is taken."""
        if self._context is None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self._ca))
            self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.load_cert_chain(str(pem))  # connections from now on; those that are open keep theirs
        if self._server is None:
            callback = server.serve(self._endpoints.handle)
            self._server = await asyncio.start_server(
                callback, self._host or None, self._port, ssl=self._context, ssl_handshake_timeout=10
            )
            log.info("kubelet endpoints on port %d", self._port)

    def close(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()
