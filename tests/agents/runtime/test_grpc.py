"""Calls to a real gRPC server (grpcio's), and what becomes of them when it refuses, waits or goes away."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc as grpcio
import pytest

from suanli_agent.runtime import grpc

SECONDS = 30.0


class Service(grpcio.GenericRpcHandler):  # type: ignore[misc]  # grpcio is untyped
    """Methods by the last part of their path."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.waiting = threading.Event()
        self.release = threading.Event()

    def service(self, handler_call_details: Any) -> Any:
        found = getattr(self, handler_call_details.method.rsplit("/", 1)[1], None)
        return grpcio.unary_unary_rpc_method_handler(found) if found else None

    def Echo(self, request: bytes, _context: Any) -> bytes:  # noqa: N802 - gRPC's way
        return request

    def Sized(self, request: bytes, _context: Any) -> bytes:  # noqa: N802
        return bytes(int(request))

    def Refuse(self, request: bytes, context: Any) -> bytes:  # noqa: N802
        context.abort(grpcio.StatusCode.NOT_FOUND, request.decode())
        return b""

    def Wait(self, _request: bytes, context: Any) -> bytes:  # noqa: N802
        context.add_callback(self.cancelled.set)
        self.waiting.set()
        self.release.wait(SECONDS)
        return b"late"


class Server:
    """A server at a unix socket that can be started again."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "s.sock")
        self.service = Service()
        self.start()

    def start(self) -> None:
        limits = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
        self._server = grpcio.server(futures.ThreadPoolExecutor(8), options=limits)
        self._server.add_generic_rpc_handlers((self.service,))
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def stop(self) -> None:
        ended = self._server.stop(None)  # its calls are cut off before they are let go
        self.service.release.set()
        ended.wait(SECONDS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.Channel]:
    made = grpc.Channel(path=server.path)
    yield made
    made.close()


async def test_many_calls_share_one_connection(channel: grpc.Channel) -> None:
    bodies = [str(number).encode() for number in range(100)]
    assert await asyncio.gather(*(channel.call("/t.T/Echo", body, SECONDS) for body in bodies)) == bodies


@pytest.mark.parametrize("size", [0, 1, 16_383, 65_535, 65_536, 3 << 20])
async def test_a_message_of_any_size_comes_through(channel: grpc.Channel, size: int) -> None:
    """Also beyond a frame, and beyond what each side may send before the other has read."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert await channel.call("/t.T/Echo", body, SECONDS) == body


async def test_large_messages_go_beside_each_other(channel: grpc.Channel) -> None:
    bodies = [bytes([number]) * 300_000 for number in range(12)]
    assert await asyncio.gather(*(channel.call("/t.T/Echo", body, SECONDS) for body in bodies)) == bodies


async def test_an_answer_beyond_the_limit_is_refused(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.StatusError, match="more than 16 MiB"):
        await channel.call("/t.T/Sized", str(grpc.MESSAGE_LIMIT + 1).encode(), SECONDS)
    assert await channel.call("/t.T/Echo", b"next", SECONDS) == b"next"


@pytest.mark.parametrize("words", ["", "plain", "50% of 容器组 & more\nlines " + "x" * 500])
async def test_a_refusal_has_its_status_and_words(channel: grpc.Channel, words: str) -> None:
    with pytest.raises(grpc.StatusError) as told:
        await channel.call("/t.T/Refuse", words.encode(), SECONDS)
    assert told.value.status == grpc.NOT_FOUND
    assert str(told.value) == (words or "gRPC status 5")


async def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.StatusError) as told:
        await channel.call("/t.T/Nothing", b"", SECONDS)
    assert told.value.status == grpc.UNIMPLEMENTED


async def test_a_call_that_is_given_up_ends_at_the_server(server: Server, channel: grpc.Channel) -> None:
    task = asyncio.ensure_future(channel.call("/t.T/Wait", b"", SECONDS))
    assert await asyncio.to_thread(server.service.waiting.wait, SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(server.service.cancelled.wait, SECONDS)
    server.service.release.set()
    assert await channel.call("/t.T/Echo", b"next", SECONDS) == b"next"


async def test_a_call_that_takes_too_long_ends(server: Server, channel: grpc.Channel) -> None:
    with pytest.raises((asyncio.TimeoutError, grpc.StatusError)) as told:
        await channel.call("/t.T/Wait", b"", 0.2)
    assert not isinstance(told.value, grpc.StatusError) or told.value.status == grpc.DEADLINE_EXCEEDED
    assert await asyncio.to_thread(server.service.cancelled.wait, SECONDS)


async def test_a_server_that_goes_away_ends_its_calls(server: Server, channel: grpc.Channel) -> None:
    task = asyncio.ensure_future(channel.call("/t.T/Wait", b"", SECONDS))
    assert await asyncio.to_thread(server.service.waiting.wait, SECONDS)
    await asyncio.to_thread(server.stop)
    with pytest.raises((OSError, grpc.StatusError)):
        await task
    with pytest.raises(OSError, match="No such file"):
        await channel.call("/t.T/Echo", b"", SECONDS)


async def test_a_server_that_is_back_is_found_by_all(server: Server, channel: grpc.Channel) -> None:
    assert await channel.call("/t.T/Echo", b"before", SECONDS) == b"before"
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)

    async def again(body: bytes) -> bytes:
        while True:
            try:
                return await channel.call("/t.T/Echo", body, SECONDS)
            except OSError:
                await asyncio.sleep(0.01)  # the end of the old connection has not come yet

    bodies = [bytes([number]) for number in range(10)]
    assert await asyncio.gather(*map(again, bodies)) == bodies


async def test_what_is_no_server_is_an_error_of_the_connection(tmp_path: Path) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 1000)
        await writer.drain()
        writer.close()

    path = str(tmp_path / "odd.sock")
    async with await asyncio.start_unix_server(babble, path):
        channel = grpc.Channel(path=path)
        with pytest.raises(OSError, match=r"HTTP/2|connection lost|reset"):
            await channel.call("/t.T/Echo", b"", SECONDS)
        channel.close()
