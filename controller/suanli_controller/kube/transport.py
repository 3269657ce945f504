"""The wire to one API server: one request, its answer's bytes, or one of `errors`.

No retry but for a credential that was renewed, no cache, no decision, and no knowledge of objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.cookies
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import multidict
import prometheus_client
import yarl

from suanli_controller.kube import connection, credentials, errors, metrics

JSON = "application/json"

HEADERS_KEPT = 32

Begun = Callable[[bytes], None]
_Read = Callable[[aiohttp.ClientResponse], Awaitable[bytes]]

# What metrics call a request, beside HTTP's own methods.
_METHODS = {"LIST": "GET", "WATCH": "GET", "APPLY": "PATCH"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a client behaves towards its API server. Times in seconds."""

    connect_seconds: float = 5.0  # TCP and TLS together; a city's links answer in milliseconds
    request_seconds: float = 30.0  # whole request with its answer; half of the API server's own limit of 60
    connections: int = 64  # at once to one API server, watches included
    page_size: int = 1000  # objects in one page of a list: 4 MB of nodes, 10 ms to decode
    user_agent: str = "suanli-controller"


@dataclass(slots=True)  # not frozen: one is made for each request, and that costs four times as much
class _Call:
    """One request as it is sent, but for who sends it."""

    verb: str
    path: str
    query: Mapping[str, str] | None
    accept: str
    body: bytes | None
    limit: aiohttp.ClientTimeout
    content_type: str = ""  # of the body


@functools.cache
def _counters(verb: str) -> tuple[prometheus_client.Counter, prometheus_client.Histogram]:
    """Of what went well; looking them up by label for each request costs more than counting does."""
    return metrics.REQUESTS.labels(verb, "200"), metrics.REQUEST_SECONDS.labels(verb)


# What is alike in thousands of requests is made once.
@functools.lru_cache(maxsize=64)
def _limit(seconds: float, connect_seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=connect_seconds)


@functools.lru_cache(maxsize=256)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    return urlencode(query)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    return await response.read()


async def _begun_first(begun: Begun, response: aiohttp.ClientResponse) -> bytes:
    parts = [await response.content.readany()]
    begun(parts[0])
    while part := await response.content.readany():
        parts.append(part)
    return b"".join(parts)


class _NoCookies(aiohttp.DummyCookieJar):
    """An API server sets none; the library's own jar of none makes a new one for each request."""

    _none = http.cookies.SimpleCookie()

    def filter_cookies(self, request_url: yarl.URL) -> http.cookies.BaseCookie[str]:  # noqa: ARG002
        return self._none


class Transport:
    """One API server. Use as an async context manager, or call `close`.

    `last_contact` is the monotonic time (`time.monotonic`) of the last answer of any kind, None before the first.
    `guard`, when set, is called before every write and raises errors.NotLeader to hold it back.
    """

    def __init__(self, way: connection.Connection, settings: Settings | None = None) -> None:
        self.connection = way
        self.settings = settings or Settings()
        self.guard: Callable[[], None] | None = None
        self.last_contact: float | None = None
        self._session: aiohttp.ClientSession | None = None
        self._streams: set[Stream] = set()
        self._ssl: tuple[credentials.Credential, ssl.SSLContext | bool] | None = None
        self._base = yarl.URL(way.server, encoded=True)
        self._headers: dict[tuple[str, str, str], multidict.CIMultiDict[str]] = {}

    async def close(self) -> None:
        """Close every connection, watches included."""
        for stream in self._streams:
            stream.break_off()  # aiohttp would leave its reader waiting for ever
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = 0.0,
    ) -> bytes:
        """Send one request and return the body of its answer; `timeout` in seconds, 0 for the settings' own.

        Raises errors.ApiError for a refusal, errors.Unreachable for no answer, errors.NotLeader by the guard.
        """
        if body is not None and self.guard is not None:
            self.guard()
        call = _Call(
            verb, path, query, accept, body, self._limit(timeout), content_type if body is not None else ""
        )
        return await self._answer(call, _whole)

    async def list_body(self, path: str, query: Mapping[str, str], accept: str, begun: Begun | None) -> bytes:
        """The answer to a list, as `request` gives it; `begun` hears its first bytes before the rest has come."""
        call = _Call("LIST", path, query, accept, None, self._limit(0.0))
        return await self._answer(call, functools.partial(_begun_first, begun) if begun else _whole)

    def _limit(self, seconds: float) -> aiohttp.ClientTimeout:
        return _limit(seconds or self.settings.request_seconds, self.settings.connect_seconds)

    async def _answer(self, call: _Call, read: _Read) -> bytes:
        began = time.perf_counter()
        try:
            answer = await self._attempt(call, read)
        except errors.KubeError as error:
            metrics.REQUESTS.labels(call.verb, str(getattr(error, "code", 0))).inc()
            raise
        answered, seconds = _counters(call.verb)
        answered.inc()
        seconds.observe(time.perf_counter() - began)
        return answer

    async def _attempt(self, call: _Call, read: _Read) -> bytes:
        try:
            return await self._exchange(call, read)
        except errors.Unauthorized:
            # Not processed, so safe to send again; a token that was renewed meanwhile is worth one more try.
            if not await self._renewed():
                raise
        return await self._exchange(call, read)

    async def _exchange(self, call: _Call, read: _Read) -> bytes:
        try:
            async with self._sent(call, await self.connection.source.current()) as response:
                await self._admit(response)
                answer = await read(response)
                self.last_contact = time.monotonic()
                return answer
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise unreachable(self.connection.server, error) from error

    async def _renewed(self) -> bool:
        before = await self.connection.source.current()
        self.connection.source.invalidate()
        return await self.connection.source.current() != before

    @contextlib.asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        accept: str = JSON,
        read_seconds: float,
        gather_seconds: tuple[float, float],
    ) -> AsyncIterator[Stream]:
        """Open a watch and give its bytes; silence for `read_seconds` raises errors.Unreachable.

        `gather_seconds`: see `Stream`.
        """
        limit = aiohttp.ClientTimeout(sock_connect=self.settings.connect_seconds, sock_read=read_seconds)
        async with self._open(_Call("WATCH", path, query, accept, None, limit)) as response:
            stream = Stream(response, gather_seconds)
            self._streams.add(stream)
            try:
                yield stream
            finally:
                self._streams.discard(stream)

    @contextlib.asynccontextmanager
    async def _open(self, call: _Call) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._sent(call, await self.connection.source.current()) as response:
                await self._admit(response)
                yield response
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise unreachable(self.connection.server, error) from error

    def _sent(
        self, call: _Call, credential: credentials.Credential
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        way = self.connection
        return self._opened_session().request(
            _METHODS.get(call.verb, call.verb),
            yarl.URL.build(
                scheme=self._base.scheme,
                authority=self._base.raw_authority,
                path=f"{self._base.raw_path.rstrip('/')}{call.path}",
                query_string=_encoded(tuple(call.query.items())) if call.query else "",
                encoded=True,
            ),
            data=call.body,
            headers=self._headers_of(call, credential.token),
            timeout=call.limit,
            ssl=self._context(credential),
            server_hostname=way.tls_server_name or None,
            proxy=way.proxy or None,
            allow_redirects=False,  # a redirect would carry the token to whomever the server names
        )

    def _headers_of(self, call: _Call, token: str) -> multidict.CIMultiDict[str]:
        key = (token, call.accept, call.content_type)
        found = self._headers.get(key)
        if found is None:
            sent = {
                # Lists shrink twentyfold; unpacking them costs a quarter of what reading them whole would. The server
                # compresses neither watches nor what is small.
                "Accept-Encoding": "gzip",
                "User-Agent": self.settings.user_agent,
                "Accept": call.accept,
                "Content-Type": call.content_type,
                "Authorization": f"Bearer {token}" if token else "",
            }
            if len(self._headers) >= HEADERS_KEPT:
                self._headers.clear()  # of tokens that were renewed
            found = multidict.CIMultiDict((name, value) for name, value in sent.items() if value)
            self._headers[key] = found
        return found

    async def _admit(self, response: aiohttp.ClientResponse) -> None:
        self.last_contact = time.monotonic()
        if response.status >= 300:
            raise errors.from_response(response.status, await response.read(), response.headers)

    def _opened_session(self) -> aiohttp.ClientSession:
        if self._session is not None and self._session.closed:
            raise _closed()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.settings.connections,
                    keepalive_timeout=60,  # the API server closes idle connections after 90 s
                    socket_factory=_socket,
                ),
                cookie_jar=_NoCookies(),
                read_bufsize=1 << 20,
            )
        return self._session

    def _context(self, credential: credentials.Credential) -> ssl.SSLContext | bool:
        if self._ssl is None or self._ssl[0] is not credential:
            self._ssl = (credential, self.connection.ssl_context(credential))
        return self._ssl[1]


def next_patience(patience: float, events: int, silence: float, bounds: tuple[float, float]) -> float:
    """For how long, in seconds, events are gathered after some have come: twice as long where that brought several,
    half as long where it brought one, for which nobody need have waited. After a silence it begins anew.

    `silence`: for how long nothing came after the last such while. `bounds`: the shortest and the longest.
    """
    shortest, longest = bounds
    if silence > 2 * patience:
        return shortest
    return min(max(2 * patience if events > 1 else patience / 2, shortest), longest)


class Stream:
    """The bytes of a watch, chunk by chunk, as an async iterator.

    The first bytes after a silence come at once. While more keep coming, they are gathered for a while and come
    together: waking up for each event by itself costs several times what the event does. `gather` is the shortest such
    while and the longest, in seconds; between them see `next_patience`.
    """

    def __init__(self, response: aiohttp.ClientResponse, gather: tuple[float, float]) -> None:
        self._content = response.content
        self._protocol = response.connection.protocol if response.connection is not None else None
        self._bounds = gather
        self._patience = gather[0]
        self._has_begun = False
        wire = self._protocol.transport if self._protocol is not None else None
        limit = getattr(wire, "set_read_buffer_limits", None)
        if limit is not None:
            limit(high=1, low=0)  # else TLS goes on waking up and reading ahead while we pause

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        if self._has_begun:
            await self._gather()
        self._has_begun, since = True, time.monotonic()
        chunk = await self._content.readany()
        if not chunk:
            raise StopAsyncIteration
        silence = time.monotonic() - since
        self._patience = next_patience(self._patience, chunk.count(b"\n"), silence, self._bounds)
        return chunk

    def break_off(self) -> None:
        """Have the reader fail now."""
        self._content.set_exception(_closed())

    async def _gather(self) -> None:
        if self._protocol is None or self._content.is_eof() or self._protocol.transport is None:
            return  # all has come, or the connection is gone: what is left waits to be read, and no more follows
        self._protocol.pause_reading()
        try:
            await asyncio.sleep(self._patience)
        finally:
            if self._protocol.transport is not None:  # lost meanwhile: its end is told to the reader already
                self._protocol.resume_reading()


def _closed() -> Exception:
    return aiohttp.ClientConnectionError("the client was closed")


def unreachable(server: str, error: BaseException) -> errors.Unreachable:
    """Say in one sentence why no answer came; the library's own texts quote objects of ours."""
    return errors.Unreachable(f"{server}: {_why(error)}")


def _why(error: BaseException) -> str:
    for kind, text in _WHY:
        if isinstance(error, kind):
            return text(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _untrusted(error: Any) -> str:
    inner = getattr(error, "certificate_error", error)
    return f"its certificate is not trusted: {getattr(inner, 'verify_message', '') or inner}"


# The first that fits.
_WHY: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (TimeoutError, lambda _: "no answer in time"),
    ((aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError), _untrusted),
    (aiohttp.ClientConnectorDNSError, lambda _: "its name cannot be looked up"),
    (aiohttp.ServerDisconnectedError, lambda _: "it closed the connection"),
    (aiohttp.ClientHttpProxyError, lambda error: f"the proxy answered {error.status}"),
    (OSError, lambda error: (error.strerror or type(error).__name__).lower()),
)

# Kernel probes find a peer that vanished, on idle and on busy connections, in about 20 s; a stopped process needs
# the read timeouts above.
_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 2), ("TCP_USER_TIMEOUT", 20_000))


def _socket(info: Any) -> socket.socket:
    family, kind, proto, _, _ = info
    made = socket.socket(family, kind, proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):  # Linux has them all; elsewhere the system's own times hold
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
