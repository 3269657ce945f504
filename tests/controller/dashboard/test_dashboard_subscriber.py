"""The copy is followed again whatever breaks it off; a real leader is followed in the tests on a real API server."""

import asyncio

from aiohttp import test_utils, web

from suanli_controller.dashboard import replica, subscriber
from suanli_controller.view import board, model


def _snapshot(cpu: int) -> bytes:
    leader = board.Board("run-1")
    leader.put(model.Node(target="Cloud/a", name="n", class_key="amd64.intel.ubuntu.none", requested={"cpu": cpu}))
    return b"".join(model.encode(part) for part in leader.snapshot(1))


async def test_a_frame_that_cannot_be_taken_in_ends_the_link_and_not_the_following() -> None:
    """An amount beyond 63 bits fits a frame and no column."""
    told = iter([_snapshot(1), _snapshot(2**63), _snapshot(2)])
    links: list[bool] = []
    held = replica.Replica()
    twice = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(next(told))
        return response

    def changed(change: replica.Change) -> None:
        if not change:
            links.append(held.connected)
            if links.count(True) == 2:
                twice.set()

    app = web.Application()
    app.router.add_get(model.PATH, stream)
    async with test_utils.TestServer(app) as server:
        source = subscriber.Source(str(server.make_url("/")), "", "token")

        async def find() -> subscriber.Source:
            return source

        follower = subscriber.Subscriber(held, find, changed, subscriber.Settings(first_wait=0.01))
        following = asyncio.create_task(follower.run())
        try:
            async with asyncio.timeout(10):
                await twice.wait()
        finally:
            following.cancel()
    assert links[:3] == [True, False, True]
    (node,) = held.nodes.nodes(held.nodes.in_order(["Cloud/a"]))
    assert node.requested == {"cpu": 2}
