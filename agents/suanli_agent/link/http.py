"""An HTTP/1.1 client for one API server: h11 over asyncio streams, a few kept connections, hard time limits.

h11 and nothing above it, because a full client (aiohttp) costs the box 14 MiB more than this, and because the
same h11 serves the kubelet's endpoints.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import AsyncIterator, Callable, Dict, List, Optional, Tuple, Union

import h11

from suanli_agent.link import clock, dial, errors

REQUEST_SECONDS = 15.0  # connect, send and read one answer; a slow satellite link needs about 5
MAX_BODY_BYTES = 64 << 20  # a list of 110 pods is about 1 MiB; more than this is no answer of ours
KEPT_CONNECTIONS = 3

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

# What h11 gives next, once it has enough bytes.
_Event = Union[h11.InformationalResponse, h11.Response, h11.Data, h11.EndOfMessage, h11.ConnectionClosed]


class _Connection:
    """One connection and its h11 state."""

    def __init__(self, streams: dial.Streams) -> None:
        self._reader, self._writer = streams
        self._http = h11.Connection(h11.CLIENT)
        self.used = False

    async def send(self, request: h11.Request, body: bytes) -> None:
        data = self._http.send(request) or b""
        data += self._http.send(h11.Data(data=body)) or b"" if body else b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self._writer.write(data)
        await self._writer.drain()

    async def next_event(self) -> _Event:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(1 << 16))
            else:
                return event  # type: ignore[return-value]  # PAUSED comes to servers only

    def reusable(self) -> bool:
        """True where the exchange has ended and another may begin."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self.used = True
        return not self._reader.at_eof()

    def stale(self) -> bool:
        """True where the other side has closed it meanwhile."""
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()


class Client:
    """Requests to one API server with one identity; both may be exchanged while running (`use`)."""

    def __init__(
        self,
        server: str,
        context: ssl.SSLContext,
        *,
        token: str = "",
        proxy: str = "",
        hub_clock: Optional[clock.HubClock] = None,
        opened: Callable[..., object] = dial.dial,
    ) -> None:
        self.url = dial.Url.parse(server)
        self.clock = hub_clock or clock.HubClock()
        self._context, self._token, self._proxy, self._dial = context, token, proxy, opened
        self._idle: List[_Connection] = []
        self._generation = 0  # connections of an older one are not kept

    def use(self, context: ssl.SSLContext) -> None:
        """From the next request on, another certificate; what is under way ends as it began."""
        self._context = context
        self.drop()

    def drop(self) -> None:
        """Forget kept connections: after a time-out they may be half-open."""
        self._generation += 1
        while self._idle:
            self._idle.pop().close()

    async def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = JSON, seconds: float = REQUEST_SECONDS
    ) -> bytes:
        """The body of the answer. Raises ports.HubError and its kinds in errors."""
        try:
            return await asyncio.wait_for(self._exchange(method, path, body, content_type), seconds)
        except asyncio.TimeoutError as error:
            self.drop()
            raise errors.SilenceError(f"{self.url.authority}: no answer within {seconds:.0f} s") from error

    async def _exchange(self, method: str, path: str, body: bytes, content_type: str) -> bytes:
        generation = self._generation
        connection, response = await self._begin(method, path, body, content_type)
        kept = False
        try:
            content = await self._read(connection)
            kept = connection.reusable() and generation == self._generation
        except (OSError, h11.RemoteProtocolError) as error:
            raise errors.of_handshake(error, self.url.authority) from error
        finally:
            if kept and len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append(connection)
            else:
                connection.close()
        status, headers = response
        if status >= 400:
            raise errors.of_status(status, content, headers)
        return content

    @contextlib.asynccontextmanager
    async def stream(self, path: str, seconds: float = REQUEST_SECONDS) -> AsyncIterator[AsyncIterator[bytes]]:
        """GET an answer that goes on; within `seconds` it must begin. Gives its chunks as they come.

        Raises ports.HubError, also from the iterator where the connection breaks.
        """
        try:
            connection, (status, headers) = await asyncio.wait_for(self._begin("GET", path, b"", JSON), seconds)
        except asyncio.TimeoutError as error:
            self.drop()
            raise errors.SilenceError(f"{self.url.authority}: no answer within {seconds:.0f} s") from error
        try:
            if status >= 400:
                raise errors.of_status(status, await asyncio.wait_for(self._read(connection), seconds), headers)
            yield self._chunks(connection)
        finally:
            connection.close()

    async def _chunks(self, connection: _Connection) -> AsyncIterator[bytes]:
        try:
            while True:
                event = await connection.next_event()
                if not isinstance(event, h11.Data):
                    return
                yield bytes(event.data)
        except (OSError, h11.RemoteProtocolError) as error:
            raise errors.of_handshake(error, self.url.authority) from error

    async def _begin(
        self, method: str, path: str, body: bytes, content_type: str
    ) -> Tuple[_Connection, Tuple[int, Dict[str, str]]]:
        """Send, and read the head of the answer; once more where a kept connection turns out to be closed."""
        while True:
            connection = await self._connection()
            try:
                await connection.send(self._request(method, path, body, content_type), body)
                return connection, await self._head(connection)
            except (OSError, h11.RemoteProtocolError) as error:
                connection.close()
                # A POST may have been carried out before the connection broke: only its caller can tell.
                if not connection.used or method == "POST":
                    raise errors.of_handshake(error, self.url.authority) from error
            except BaseException:
                connection.close()
                raise

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale():
                return connection
            connection.close()
        try:
            return _Connection(await self._dial(self.url, self._context, self._proxy))  # type: ignore[misc]
        except (OSError, ssl.SSLError, ValueError, h11.RemoteProtocolError) as error:
            raise errors.of_handshake(error, self.url.authority) from error

    def _request(self, method: str, path: str, body: bytes, content_type: str) -> h11.Request:
        headers = [("Host", self.url.authority), ("Accept", JSON), ("User-Agent", "suanli-agent")]
        if self._token:
            headers.append(("Authorization", f"Bearer {self._token}"))
        if body:
            headers += [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        return h11.Request(method=method, target=self.url.path + path, headers=headers)

    async def _head(self, connection: _Connection) -> Tuple[int, Dict[str, str]]:
        event = await connection.next_event()
        while isinstance(event, h11.InformationalResponse):
            event = await connection.next_event()
        if not isinstance(event, h11.Response):
            raise ConnectionResetError("closed without an answer")
        headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        self.clock.observe(headers.get("date", ""))
        return event.status_code, headers

    async def _read(self, connection: _Connection) -> bytes:
        chunks: List[bytes] = []
        size = 0
        while True:
            event = await connection.next_event()
            if not isinstance(event, h11.Data):
                return b"".join(chunks)
            chunks.append(bytes(event.data))
            size += len(event.data)
            if size > MAX_BODY_BYTES:
                raise ConnectionError(f"an answer of more than {MAX_BODY_BYTES >> 20} MiB")
