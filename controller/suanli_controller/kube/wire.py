"""HTTP/1.1 over kept connections to one server, and no more of it than requests to an API server need.

Half of what a small request costs is the library around it: aiohttp takes 200 us of processor time, this a third
of it. Lists and watches, which come compressed or without end, and requests through a proxy are left to aiohttp.
Nothing here knows of Kubernetes. Everything that fails is an OSError, a time limit is the caller's.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import aiohappyeyeballs
import httptools
from multidict import CIMultiDict

IDLE_SECONDS = 60.0  # the API server closes idle connections after 90 s

_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
_NOT_IN_A_TARGET = re.compile(r"[^!-~]")  # blanks, line breaks and what is no ASCII
_NOT_IN_A_HEADER = re.compile(r"[\r\n\0]")


class Closed(ConnectionError):
    """The server closed the connection before it had answered; or we closed ours."""


class Malformed(ConnectionError):
    """What came is no HTTP."""


@dataclass(slots=True)  # not frozen: one is made for each request, and that costs four times as much
class Answer:
    """An answer as a whole."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Pool:
    """The connections to one server, `https://host:port`; a path in it is put before each request's own.

    `limit` of them at once at most; `server_name` is what its certificate must say, where that is not the host.
    """

    def __init__(
        self, server: str, *, limit: int, make_socket: Callable[..., socket.socket], server_name: str = ""
    ) -> None:
        parts = urlsplit(server)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._prefix = parts.path.rstrip("/")
        self._name = server_name or self._host
        self._host_header = parts.netloc.rpartition("@")[2]
        self._make_socket = make_socket
        self._free = asyncio.Semaphore(limit)
        self._idle: list[_Wire] = []
        self._open: set[_Wire] = set()
        self._closed = False

    def close(self) -> None:
        """Close every connection; who waits for an answer gets Closed."""
        self._closed = True
        for wire in list(self._open):
            wire.close(Closed("the client was closed"))

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        context: ssl.SSLContext | None,
        connect_seconds: float,
    ) -> Answer:
        """Send one request and wait for the whole answer. Raises OSError, and TimeoutError for no connection.

        One that met a connection which the server was just closing is sent again where that can do no harm.
        """
        request = self._request(method, target, headers, body)
        async with self._free:
            wire = self._kept(context)
            if wire is not None:
                try:
                    return await self._asked(wire, request)
                except Closed:
                    if wire.heard or self._closed or method not in _IDEMPOTENT:
                        raise
            return await self._asked(await self._connected(context, connect_seconds), request)

    def _request(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        target = self._prefix + target
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host_header}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if _NOT_IN_A_TARGET.search(target) or any(_NOT_IN_A_HEADER.search(line) for line in lines):
            raise ValueError("a request's path or header holds what may not be in it")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "\r\n"]).encode() + (body or b"")

    def _kept(self, context: ssl.SSLContext | None) -> _Wire | None:
        """The connection that was used last; what is too old, or proves us by another certificate, goes."""
        while self._idle:
            wire = self._idle.pop()
            if wire.usable and wire.context is context and time.monotonic() - wire.since < IDLE_SECONDS:
                return wire
            wire.close()
        return None

    async def _asked(self, wire: _Wire, request: bytes) -> Answer:
        try:
            answer = await wire.ask(request)
        except BaseException:  # a time limit, too: what comes late must not answer somebody else
            wire.close()
            raise
        if wire.usable and not self._closed:
            wire.since = time.monotonic()
            self._idle.append(wire)
        else:
            wire.close()
        return answer

    async def _connected(self, context: ssl.SSLContext | None, seconds: float) -> _Wire:
        if self._closed:
            raise Closed("the client was closed")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds):
            places = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            made = await aiohappyeyeballs.start_connection(
                places, happy_eyeballs_delay=0.25, interleave=1, socket_factory=self._make_socket
            )
            try:
                _, wire = await loop.create_connection(
                    lambda: _Wire(context, self._open),
                    sock=made,
                    ssl=context,
                    server_hostname=self._name if context is not None else None,
                )
            except BaseException:
                made.close()
                raise
        return wire


class _Wire(asyncio.Protocol):
    """One connection; `heard` tells whether anything of an answer has come since the last request."""

    def __init__(self, context: ssl.SSLContext | None, among: set[_Wire]) -> None:
        self.context = context
        self.since = 0.0
        self.heard = False
        self.usable = True
        self._among = among
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._parts: list[bytes] = []
        self._begun = False

    async def ask(self, request: bytes) -> Answer:
        if self._transport is None or not self.usable:
            raise Closed("it closed the connection")
        self.heard, self._begun = False, False
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._parts = CIMultiDict(), []
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self, error: Closed | None = None) -> None:
        self._fail(error or Closed("it was given up"))
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one but does not inherit from it
        self._among.add(self)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Malformed(f"it answered no HTTP: {error}"))
        if not self.usable and self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> None:
        if self._begun and not {"content-length", "transfer-encoding"} & {name.lower() for name in self._headers}:
            self.on_message_complete()  # it is as long as what came: an old proxy's own answers end like that

    def connection_lost(self, error: Exception | None) -> None:
        self._among.discard(self)
        lost = Closed("it closed the connection")
        lost.__cause__ = error
        self._fail(lost)

    def _fail(self, error: OSError) -> None:
        self.usable = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    # --- the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        self._begun = True

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        self.usable = self.usable and self._parser.should_keep_alive()
        if self._waiting is None or self._waiting.done():
            self.usable = False  # nobody asked
            return
        answer = Answer(self._parser.get_status_code(), self._headers, b"".join(self._parts))
        self._waiting.set_result(answer)
