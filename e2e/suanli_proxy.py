"""A proxy that stands before a real API server and spoils what passes, in the ways that networks and servers do.

    async with Proxy(way) as proxy:             # `way`: a Connection to the real one
        async with client.Client(proxy.way) as api: ...
        await proxy.refuse(); await proxy.accept()      # no listener: connections are refused
        proxy.answer(500)                               # every new request is answered so; answer(0) ends it
        proxy.hang()                                    # requests are taken and never answered; resume() ends it
        proxy.delay = 0.05                              # seconds by which each request comes later
        proxy.freeze()                                  # open watches fall silent, new ones work: half-open
        proxy.close_watches()                           # open watches end in good order
        proxy.rewrite = lambda body: body.replace(...)  # every body and every watch line passes through this

It speaks plain HTTP to the client, on 127.0.0.1 or another local address, with the credential of `way` towards the
server.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp import web

from suanli_controller.kube import connection, credentials


@dataclass(frozen=True, slots=True)
class Request:
    """One request that passed; `query` as a string."""

    method: str
    path: str
    query: str

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.query


class Proxy:
    def __init__(self, way: connection.Connection, host: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self.rewrite: Callable[[bytes], bytes] = lambda body: body
        self.delay = 0.0
        self._behind = way
        self._host = host
        self._port = 0
        self._code = 0
        self._going = asyncio.Event()
        self._going.set()
        self._watches: set[_Watch] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.resume()
        await self._runner.cleanup()
        await self._session.close()

    @property
    def way(self) -> connection.Connection:
        """The way to the API server through this proxy."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        source = credentials.Static(credentials.Credential())
        return connection.Connection(server=f"http://{host}:{self._port}", source=source)

    async def accept(self) -> None:
        """Listen, on the same port as before."""
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Stop listening and cut what is open."""
        for site in list(self._runner.sites):
            await site.stop()
        server = self._runner.server
        assert server is not None
        for handler in list(server.connections):
            if handler.transport is not None:
                handler.transport.abort()

    def answer(self, code: int) -> None:
        self._code = code

    def hang(self) -> None:
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    def freeze(self) -> None:
        for watch in self._watches:
            watch.frozen = True

    def close_watches(self) -> None:
        for watch in self._watches:
            watch.end.set()

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def count(self, *, watch: bool) -> int:
        """How many watches, or other requests, came."""
        return sum(request.is_watch == watch for request in self.requests)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        noted = Request(request.method, request.path, request.query_string)
        self.requests.append(noted)
        await self._going.wait()
        await asyncio.sleep(self.delay)
        if self._code:
            reasons = {410: "Expired", 403: "Forbidden"}
            status = {"kind": "Status", "code": self._code, "reason": reasons.get(self._code, "InternalError")}
            return web.json_response(status | {"message": "spoilt on purpose"}, status=self._code)
        async with await self._forward(request) as answer:
            if noted.is_watch and answer.status == 200:
                return await self._stream(request, answer)
            body = self.rewrite(await answer.read())
        return web.Response(status=answer.status, body=body, content_type=answer.content_type)

    async def _forward(self, request: web.Request) -> aiohttp.ClientResponse:
        credential = await self._behind.source.current()
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        if credential.token:
            headers["Authorization"] = f"Bearer {credential.token}"
        return await self._session.request(
            request.method,
            f"{self._behind.server}{request.path_qs}",
            data=await request.read() or None,
            headers=headers,
            ssl=self._behind.ssl_context(credential),
            timeout=aiohttp.ClientTimeout(),
        )

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        watch = _Watch()
        self._watches.add(watch)
        pump = asyncio.ensure_future(self._pump(watch, answer, response))
        end = asyncio.ensure_future(watch.end.wait())
        try:
            await asyncio.wait((pump, end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watches.discard(watch)
            pump.cancel()
            end.cancel()
        return response

    async def _pump(self, watch: "_Watch", answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        async for line in answer.content:
            if not watch.frozen:
                await response.write(self.rewrite(line))


class _Watch:
    def __init__(self) -> None:
        self.frozen = False
        self.end = asyncio.Event()
