"""Unary gRPC calls over one HTTP/2 connection (RFC 9113): what CRI and health checks need, and no more.

A client of its own because the daemon makes few kinds of calls and lives in 40 MiB: grpclib with h2 takes 2.3 MiB of
it, and three times the CPU of a call.
"""

from __future__ import annotations

import asyncio
import functools
import struct
import urllib.parse
from typing import Optional

from suanli_agent.runtime import hpack

OK, UNKNOWN, DEADLINE_EXCEEDED, NOT_FOUND, UNIMPLEMENTED, UNAVAILABLE = 0, 2, 4, 5, 12, 14

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM = _ACK = 0x1
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW, _MAX_FRAME = 1, 2, 4, 5
_CANCEL = 8

WINDOW = 1 << 20
"""What a server may send before we have read it."""

MESSAGE_LIMIT = 16 << 20
"""Of one answer, as kubelet has it: 110 pods' containers are some 200 KB."""

_DEFAULT_WINDOW, _DEFAULT_FRAME = 65_535, 16_384
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HTTP_STATUSES = {
    "404": UNIMPLEMENTED,
    "429": UNAVAILABLE,
    "502": UNAVAILABLE,
    "503": UNAVAILABLE,
    "504": UNAVAILABLE,
}


class StatusError(Exception):
    """The server's answer is a failure: its status, and what it said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message or f"gRPC status {status}")
        self.status = status


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def _settings(values: "dict[int, int]") -> bytes:
    return _frame(_SETTINGS, 0, 0, b"".join(struct.pack(">HI", *each) for each in values.items()))


_HELLO = (
    _PREFACE
    + _settings({_HEADER_TABLE_SIZE: 0, _ENABLE_PUSH: 0, _INITIAL_WINDOW: WINDOW})
    + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW))
)


@functools.lru_cache(maxsize=64)
def _head(path: str, milliseconds: int) -> bytes:
    return hpack.encode(
        (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "suanli-agent"),
            ("grpc-timeout", f"{milliseconds}m"),
        )
    )


class _Stream:
    """One call under way."""

    def __init__(self, window: int) -> None:
        self.window = window  # what we may still send
        self.data = bytearray()
        self.headers: dict[str, str] = {}
        self.unread = 0  # bytes since the server was last told that we have read
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # whoever waits hears it; nobody may be waiting yet

    def answer(self) -> bytes:
        """The one message. Raises StatusError."""
        status = self.headers.get("grpc-status", "")
        if not status.isdecimal():
            http = self.headers.get(":status", "")
            raise StatusError(_HTTP_STATUSES.get(http, UNKNOWN), f"no gRPC answer (HTTP status {http})")
        if int(status) != OK:
            raise StatusError(int(status), urllib.parse.unquote(self.headers.get("grpc-message", "")))
        if len(self.data) < 5 or self.data[0] or len(self.data) != 5 + int.from_bytes(self.data[1:5], "big"):
            raise StatusError(UNKNOWN, "not one uncompressed message")
        return bytes(memoryview(self.data)[5:])


class _Connection(asyncio.Protocol):
    """One HTTP/2 connection. Broken is broken: the channel makes another."""

    def __init__(self) -> None:
        self.closing = False
        self._transport: Optional[asyncio.Transport] = None
        self._buffer = bytearray()
        self._streams: dict[int, _Stream] = {}
        self._next = 1
        self._window, self._stream_window, self._max_frame = _DEFAULT_WINDOW, _DEFAULT_WINDOW, _DEFAULT_FRAME
        self._room = asyncio.Event()
        self._unread = 0
        self._block: "tuple[int, int, bytes]" = (0, 0, b"")  # stream, flags, and the headers that have come so far

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream connection it always is
        self._transport = transport
        transport.write(_HELLO)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.closing = True
        self._fail_from(0, ConnectionResetError(f"connection lost{f': {exc}' if exc else ''}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= 9:
                head, flags, stream = struct.unpack_from(">IBI", self._buffer, at)
                end = at + 9 + (head >> 8)
                if len(self._buffer) < end:
                    break
                self._take(head & 0xFF, flags, stream & 0x7FFFFFFF, bytes(self._buffer[at + 9 : end]))
                at = end
        except (hpack.HeaderError, struct.error, IndexError, UnicodeError) as error:
            self._fail_from(0, ConnectionResetError(f"not HTTP/2: {error}"))
            self.close()
        del self._buffer[:at]

    def close(self) -> None:
        self.closing = True
        if self._transport is not None:
            self._transport.close()

    def _fail_from(self, stream: int, error: Exception) -> None:
        """Every call whose number is higher than `stream`."""
        for number in [number for number in self._streams if number > stream]:
            self._streams.pop(number).fail(error)
        self._room.set()

    # --- a call

    async def call(self, path: str, message: bytes, milliseconds: int) -> bytes:
        if self.closing:
            raise ConnectionResetError("connection lost")
        number, self._next = self._next, self._next + 2
        self._streams[number] = stream = _Stream(self._stream_window)
        try:
            head = _frame(_HEADERS, _END_HEADERS, number, _head(path, milliseconds))
            await self._send(number, stream, head, struct.pack(">BI", 0, len(message)) + message)
            await stream.done
            return stream.answer()
        finally:
            if self._streams.pop(number, None) is not None and not self.closing:
                self._write(_frame(_RST_STREAM, 0, number, struct.pack(">I", _CANCEL)))

    async def _send(self, number: int, stream: _Stream, head: bytes, body: bytes) -> None:
        """Head and body, as much at a time as the server takes."""
        at = 0
        while True:
            size = min(len(body) - at, self._window, stream.window, self._max_frame)
            if size > 0:
                last = at + size == len(body)
                head += _frame(_DATA, _END_STREAM if last else 0, number, body[at : at + size])
                at += size
                self._window -= size
                stream.window -= size
            self._write(head)
            head = b""
            if at == len(body) or stream.done.done():
                return
            self._room.clear()
            if min(self._window, stream.window) <= 0:
                await self._room.wait()

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    # --- what comes

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == _DATA:
            self._take_data(flags, number, payload)
        elif kind in (_HEADERS, _CONTINUATION):
            self._take_headers(kind, flags, number, payload)
        elif kind == _RST_STREAM:
            self._take_reset(number, struct.unpack(">I", payload)[0])
        elif kind == _SETTINGS and not flags & _ACK:
            self._take_settings(payload)
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY:
            self.closing = True  # calls that it has taken go on; those that it has not are as if never made
            self._fail_from(struct.unpack_from(">I", payload)[0], ConnectionResetError("the server goes away"))
        elif kind == _WINDOW_UPDATE:
            self._take_window(number, struct.unpack(">I", payload)[0])

    def _take_data(self, flags: int, number: int, payload: bytes) -> None:
        self._unread += len(payload)
        if self._unread > WINDOW // 2:
            self._write(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._unread)))
            self._unread = 0
        stream = self._streams.get(number)
        if stream is None:
            return  # cancelled
        stream.data += _unpadded(flags, payload)
        if len(stream.data) > MESSAGE_LIMIT:
            stream.fail(StatusError(UNKNOWN, f"an answer of more than {MESSAGE_LIMIT >> 20} MiB"))
            return
        stream.unread += len(payload)
        if flags & _END_STREAM:
            self._end(number)
        elif stream.unread > WINDOW // 2:
            self._write(_frame(_WINDOW_UPDATE, 0, number, struct.pack(">I", stream.unread)))
            stream.unread = 0

    def _take_headers(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == _HEADERS:
            part = _unpadded(flags, payload)
            self._block = (number, flags, part[5:] if flags & _PRIORITY else part)
        else:
            number, first, before = self._block
            self._block = (number, first | flags & _END_HEADERS, before + payload)
        number, flags, block = self._block
        if not flags & _END_HEADERS:
            return
        stream = self._streams.get(number)
        if stream is not None:
            stream.headers.update(hpack.decode(block))
            if flags & _END_STREAM:
                self._end(number)

    def _take_reset(self, number: int, code: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.fail(ConnectionResetError(f"the server ended the call (HTTP/2 error {code})"))
            self._room.set()

    def _end(self, number: int) -> None:
        stream = self._streams.pop(number)
        if not stream.done.done():
            stream.done.set_result(None)
        self._room.set()

    def _take_settings(self, payload: bytes) -> None:
        values = dict(struct.iter_unpack(">HI", payload))
        if _INITIAL_WINDOW in values:
            for stream in self._streams.values():
                stream.window += values[_INITIAL_WINDOW] - self._stream_window
            self._stream_window = values[_INITIAL_WINDOW]
        self._max_frame = values.get(_MAX_FRAME, self._max_frame)
        self._write(_frame(_SETTINGS, _ACK, 0))
        self._room.set()

    def _take_window(self, number: int, more: int) -> None:
        if number == 0:
            self._window += more
        elif number in self._streams:
            self._streams[number].window += more
        self._room.set()


def _unpadded(flags: int, payload: bytes) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload


class Channel:
    """Calls to one server, at a unix socket or at a host and port; connects when first used, again after a loss."""

    def __init__(self, path: str = "", host: str = "", port: int = 0) -> None:
        self._path, self._host, self._port = path, host, port
        self._connection: Optional[_Connection] = None
        self._connecting: Optional[asyncio.Task[_Connection]] = None

    async def call(self, method: str, message: bytes, seconds: float) -> bytes:
        """One call; method is /package.Service/Method.

        Raises StatusError; OSError where there is no connection or it broke; asyncio.TimeoutError.
        """
        return await asyncio.wait_for(self._call(method, message, max(1, round(seconds * 1000))), seconds)

    async def _call(self, method: str, message: bytes, milliseconds: int) -> bytes:
        connection = self._connection
        if connection is None or connection.closing:
            connection = await self._connected()
        return await connection.call(method, message, milliseconds)

    async def _connected(self) -> _Connection:
        """A new connection, made once for all who wait for it."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        task = self._connecting
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise ConnectionResetError("closed while connecting") from None
            raise

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        if self._path:
            _, made = await loop.create_unix_connection(_Connection, self._path)
        else:
            _, made = await loop.create_connection(_Connection, self._host, self._port)
        self._connection = made
        return made

    def close(self) -> None:
        """End the connection; calls under way fail with OSError."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
