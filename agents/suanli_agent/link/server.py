"""A small HTTP/1.1 server on h11: answers, answers that go on, and connections handed over whole.

One request at a time on a connection. It knows nothing of what it serves; `endpoints` and `face` do.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, List, Optional, Tuple, Union
from urllib import parse

import h11

log = logging.getLogger(__name__)

IDLE_SECONDS = 120.0
MAX_BODY = 1 << 20
FIRST_CHUNK_SECONDS = 0.5  # how long a stream may fail with a status of its own, before it is promised with 200


@dataclasses.dataclass
class Request:
    """One request; `tls` is the connection's SSLObject, None on a unix socket."""

    method: str
    path: str
    query: Dict[str, List[str]]
    headers: List[Tuple[bytes, bytes]]
    body: bytes
    tls: Any
    target: str

    def header(self, name: str) -> str:
        """A header's value, empty where it is missing."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name.encode()), "")

    def option(self, name: str) -> str:
        """A query parameter's first value, empty where it is missing."""
        return self.query.get(name, [""])[0]


@dataclasses.dataclass
class Response:
    """A whole answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclasses.dataclass
class Stream:
    """An answer that goes on; a LookupError of its first chunk becomes a 404."""

    chunks: AsyncIterator[bytes]
    content_type: str = "text/plain; charset=utf-8"


@dataclasses.dataclass
class Takeover:
    """The connection itself is handed over: `serve(reader, writer, bytes read ahead)`."""

    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


Answer = Union[Response, Stream, Takeover]
Handler = Callable[[Request], Awaitable[Answer]]


def as_json(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(value).encode() + b"\n", "application/json")


class _Exchange:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        self._reader, self._writer, self._handler = reader, writer, handler
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while True:
            request = await asyncio.wait_for(self._request(), IDLE_SECONDS)
            if request is None:
                return
            answer = await self._answer(request)
            if isinstance(answer, Takeover):
                await answer.serve(self._reader, self._writer, self._http.trailing_data[0])
                return
            if isinstance(answer, Stream):
                await self._stream(answer)
            else:
                await self._whole(answer)
            if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._reader.read(1 << 16))

    async def _request(self) -> Optional[Request]:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        body = b""
        while isinstance(event := await self._event(), h11.Data):
            body += bytes(event.data)
            if len(body) > MAX_BODY:
                return None
        target = head.target.decode("latin-1")
        split = parse.urlsplit(target)
        return Request(
            method=head.method.decode(),
            path=parse.unquote(split.path),
            query=parse.parse_qs(split.query, keep_blank_values=True),
            headers=head.headers.raw_items(),
            body=body,
            tls=self._writer.get_extra_info("ssl_object"),
            target=target,
        )

    async def _answer(self, request: Request) -> Answer:
        try:
            # Header names come as they were sent; everything below looks for lower case.
            request.headers = [(name.lower(), value) for name, value in request.headers]
            return await self._handler(request)
        except LookupError as error:
            return Response(404, f"{_words(error)}\n".encode())
        except ValueError as error:
            return Response(400, f"{error}\n".encode())
        except Exception as error:
            log.exception("%s %s", request.method, request.path)
            return Response(500, f"{type(error).__name__}: {error}\n".encode())

    async def _whole(self, answer: Response) -> None:
        await self._head(answer.status, answer.content_type, len(answer.body))
        await self._send(h11.Data(data=answer.body), h11.EndOfMessage())

    async def _stream(self, answer: Stream) -> None:
        """Send chunks as they come, until they end or the other side hangs up."""
        chunk = asyncio.ensure_future(answer.chunks.__anext__())
        hung_up = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({chunk, hung_up}, timeout=FIRST_CHUNK_SECONDS)
            if chunk.done() and isinstance(chunk.exception(), LookupError):
                await self._whole(Response(404, f"{_words(chunk.exception())}\n".encode()))
                return
            await self._head(200, answer.content_type, None)
            while await self._next(chunk, hung_up):
                await self._send(h11.Data(data=chunk.result()))
                chunk = asyncio.ensure_future(answer.chunks.__anext__())
            await self._send(h11.EndOfMessage())
        finally:
            chunk.cancel()
            hung_up.cancel()
            await asyncio.gather(chunk, hung_up, return_exceptions=True)
            close = getattr(answer.chunks, "aclose", None)
            if close:
                await close()

    @staticmethod
    async def _next(chunk: "asyncio.Future[bytes]", hung_up: "asyncio.Future[bytes]") -> bool:
        await asyncio.wait({chunk, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if not chunk.done():
            return False
        error = chunk.exception()
        if error is not None and not isinstance(error, StopAsyncIteration):
            log.warning("a stream broke: %s", error)
        return error is None

    async def _head(self, status: int, content_type: str, length: Optional[int]) -> None:
        headers = [("Content-Type", content_type)]
        # A stream ends with its connection: one byte of the next request may be read while it runs.
        headers.append(("Content-Length", str(length)) if length is not None else ("Connection", "close"))
        await self._send(h11.Response(status_code=status, headers=headers))

    async def _send(self, *events: Any) -> None:
        for event in events:
            self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()


def _words(error: Optional[BaseException]) -> str:
    """A KeyError's own text is quoted: its argument is what was meant."""
    return str(error.args[0]) if error is not None and error.args else "not found"


def serve(handler: Handler) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """The callback for asyncio.start_server and asyncio.start_unix_server."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Exchange(reader, writer, handler).run()
        except (OSError, h11.RemoteProtocolError, h11.LocalProtocolError, asyncio.TimeoutError) as error:
            log.debug("connection: %s", error)
        finally:
            writer.close()

    return connected
