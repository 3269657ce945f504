"""Requests over kept connections, against a real server that answers as it is told, on asyncio's loop and uvloop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from suanli_controller.kube import wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\nhi"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Server:
    """Answers the n-th request of all with the n-th of `answers`; None hangs up instead, b"" says nothing."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        while head := await _head(reader):
            self.asked.append(head)
            answer = self.answers.pop(0)
            if answer is None:
                break
            writer.write(answer)
            if b"close" in answer:
                break
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    _, found, length = head.partition(b"Content-Length: ")
    return head + (await reader.readexactly(int(length)) if found else b"")


def serve(loop: str, server: Server, work: Callable[[wire.Pool], Awaitable[Any]], path: str = "") -> Any:
    """What `work` gives, with a pool of two connections to the server."""

    async def main() -> Any:
        listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        pool = wire.Pool(
            f"http://127.0.0.1:{port}{path}", limit=2, make_socket=lambda info: socket.socket(*info[:3])
        )
        try:
            async with asyncio.timeout(20):
                return await work(pool)
        finally:
            pool.close()
            listening.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(main())


async def send(pool: wire.Pool, method: str = "GET", target: str = "/x", body: bytes | None = None) -> wire.Answer:
    return await pool.send(method, target, {"Accept": "a"}, body, context=None, connect_seconds=5)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_requests_one_after_another_share_a_connection(loop: str) -> None:
    server = Server(OK, OK)

    async def work(pool: wire.Pool) -> None:
        first = await send(pool)
        assert (first.status, first.body, first.headers["x-one"]) == (200, b"hi", "1")
        await send(pool, "PATCH", "/y?z=1", b"body")

    serve(loop, server, work, path="/k8s/")
    assert server.connections == 1
    assert server.asked[0].startswith(b"GET /k8s/x HTTP/1.1\r\nHost: 127.0.0.1:")
    assert server.asked[1].startswith(b"PATCH /k8s/y?z=1 ")
    assert server.asked[1].endswith(b"Content-Length: 4\r\n\r\nbody")


def test_requests_at_once_have_connections_of_their_own_up_to_the_limit(loop: str) -> None:
    server = Server(*[OK] * 6)

    async def work(pool: wire.Pool) -> None:
        answers = await asyncio.gather(*(send(pool) for _ in range(6)))
        assert {each.body for each in answers} == {b"hi"}

    serve(loop, server, work)
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", b"onetwo"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.0 503 Away\r\nConnection: close\r\n\r\nas long as it lasts", b"as long as it lasts"),
    ],
)
def test_an_answer_is_whole_however_its_length_is_told(loop: str, answer: bytes, body: bytes) -> None:
    async def work(pool: wire.Pool) -> None:
        assert (await send(pool)).body == body
        assert (await send(pool)).body == b"hi"

    serve(loop, Server(answer, OK), work)


def test_a_connection_that_the_server_was_closing_costs_a_reading_request_nothing(loop: str) -> None:
    server = Server(OK, None, OK)

    async def work(pool: wire.Pool) -> None:
        await send(pool)
        assert (await send(pool)).body == b"hi"

    serve(loop, server, work)
    assert (server.connections, len(server.asked)) == (2, 3)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_have_been_done_is_not_sent_again(loop: str, method: str) -> None:
    server = Server(OK, None, OK)

    async def work(pool: wire.Pool) -> None:
        await send(pool)
        with pytest.raises(wire.Closed):
            await send(pool, method, body=b"{}")

    serve(loop, server, work)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [(None, wire.Closed), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhi", wire.Closed)],
)
def test_an_answer_that_breaks_off_is_none(loop: str, answer: bytes | None, error: type[Exception]) -> None:
    async def work(pool: wire.Pool) -> None:
        with pytest.raises(error):
            await send(pool)

    serve(loop, Server(answer), work)


def test_what_is_no_http_is_told_as_such_and_its_connection_given_up(loop: str) -> None:
    server = Server(b"SSH-2.0-OpenSSH\r\n", OK)

    async def work(pool: wire.Pool) -> None:
        with pytest.raises(wire.Malformed):
            await send(pool)
        assert (await send(pool)).body == b"hi"

    serve(loop, server, work)
    assert server.connections == 2


def test_a_late_answer_is_never_taken_for_the_next_ones(loop: str) -> None:
    server = Server(b"", OK)

    async def work(pool: wire.Pool) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await send(pool)
        server.writers[0].write(OK.replace(b"hi", b"no"))
        assert (await send(pool)).body == b"hi"

    serve(loop, server, work)
    assert server.connections == 2


def test_closing_ends_who_waits_and_refuses_who_comes(loop: str) -> None:
    async def work(pool: wire.Pool) -> None:
        waiting = asyncio.create_task(send(pool))
        await asyncio.sleep(0.05)
        pool.close()
        for each in (waiting, asyncio.create_task(send(pool))):
            with pytest.raises(wire.Closed, match="the client was closed"):
                await each

    serve(loop, Server(b""), work)


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/\u5e02"])
def test_a_path_cannot_smuggle_in_a_header(loop: str, target: str) -> None:
    server = Server(OK)

    async def work(pool: wire.Pool) -> None:
        with pytest.raises(ValueError, match="may not be in it"):
            await send(pool, target=target)

    serve(loop, server, work)
    assert server.asked == []
