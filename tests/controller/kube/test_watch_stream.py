"""The bytes of a watch as they are gathered, against a real HTTP server."""

import asyncio

import aiohttp
from aiohttp import web

from suanli_controller.kube import transport


async def events_then_the_end(request: web.Request) -> web.StreamResponse:
    """One event, and while the reader gathers, another with the end of the answer right behind it."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"one\n")
    await asyncio.sleep(0.02)
    await answer.write(b"two\n")
    await answer.write_eof()
    return answer


async def test_a_watch_that_ends_while_its_events_are_gathered_ends_in_order() -> None:
    """The end has come, and events wait to be read: there is no connection left to pause."""
    app = web.Application()
    app.router.add_get("/", events_then_the_end)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as response:
            chunks = [chunk async for chunk in transport.Stream(response, (0.2, 0.2))]
        assert b"".join(chunks) == b"one\ntwo\n"
    finally:
        await runner.cleanup()


def test_events_are_gathered_longer_only_where_that_brings_several() -> None:
    """Else events that answer one another, each by itself, would keep people waiting for nothing."""
    patience, seen = 0.01, []
    for events in (1, 5, 5, 5, 1, 1):
        patience = transport.next_patience(patience, events, 0, (0.01, 0.03))
        seen.append(patience)
    assert seen == [0.01, 0.02, 0.03, 0.03, 0.015, 0.01]


def test_after_a_silence_gathering_begins_anew() -> None:
    assert transport.next_patience(0.1, 9, 0.3, (0.02, 0.1)) == 0.02
