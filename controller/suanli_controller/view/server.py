"""Serves the board to subscribers: TLS, a Kubernetes token, then frames for as long as they listen.

One tick encodes one frame for all. A subscriber that cannot keep up is cut off and comes back for a snapshot:
the leader never waits for a reader.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import structlog
from aiohttp import web

from suanli_controller.kube import client, errors, review
from suanli_controller.view import board, metrics, model

# Granted as a nonResourceURL: it names the right to everything that the leader sees, not to one kind.
RIGHT = review.Attributes(verb="get", path="/suanli/view")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the stream is served. Times in seconds."""

    host: str = "127.0.0.1"  # whoever wants it seen from elsewhere says so
    port: int = 9443  # 0: any free one
    tick_seconds: float = 0.5  # a change is on the wall within 3 s, and a burst is one frame
    beat_seconds: float = 5.0  # a third of what the page waits before it calls its data stale
    subscribers: int = 16  # dashboards, not people: each holds a socket and a queue
    backlog: int = 64  # frames that a subscriber may lag behind: half a minute of constant change


class Server:
    """The stream's server. `run` serves until cancelled; `address` is known once `ready` is set."""

    def __init__(
        self, source: board.Board, hub: client.Client, tls: ssl.SSLContext, settings: Settings | None = None
    ) -> None:
        self.board = source
        self.settings = settings or Settings()
        self.ready = asyncio.Event()
        self.port = 0
        self._hub = hub
        self._tls = tls
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    async def run(self) -> None:
        """Serve and tick until cancelled."""
        app = web.Application()
        app.router.add_get(model.PATH, self._stream)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.settings.host, self.settings.port, ssl_context=self._tls)
            await site.start()
            self.port = runner.addresses[0][1]
            self.ready.set()
            _log.info("view stream serves", host=self.settings.host, port=self.port)
            await self._tick_forever()
        finally:
            self._part_with_all()
            await runner.cleanup()

    async def _tick_forever(self) -> None:
        beaten = 0.0
        while True:
            await asyncio.sleep(self.settings.tick_seconds)
            frame = self.board.tick(int(time.time()))
            quiet = isinstance(frame, model.Beat)
            if quiet and time.monotonic() - beaten < self.settings.beat_seconds:
                continue
            beaten = time.monotonic()
            self._send(frame)

    def _send(self, frame: model.Frame) -> None:
        if not self._queues:
            return
        data = _encoded(frame)
        metrics.BYTES.inc(len(data) * len(self._queues))
        for queue in list(self._queues):
            if queue.full():
                self._part_with(queue)
            else:
                queue.put_nowait(data)

    def _part_with(self, queue: asyncio.Queue[bytes | None]) -> None:
        """Tell a subscriber's writer to stop, making room for the word where its queue is full."""
        self._queues.discard(queue)
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(None)

    def _part_with_all(self) -> None:
        for queue in list(self._queues):
            self._part_with(queue)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        user = await self._admit(request)
        if len(self._queues) >= self.settings.subscribers:
            raise web.HTTPServiceUnavailable(text=f"{self.settings.subscribers} subscribers are the limit\n")
        response = web.StreamResponse(headers={"Content-Type": "application/msgpack", "Cache-Control": "no-store"})
        await response.prepare(request)
        with self._subscribed() as queue:
            _log.info("view subscriber", user=user.username, subscribers=len(self._queues))
            with contextlib.suppress(ConnectionError):
                await self._write(response, queue)
        _log.info("view subscriber gone", user=user.username, subscribers=len(self._queues))
        return response

    @contextlib.contextmanager
    def _subscribed(self) -> Iterator[asyncio.Queue[bytes | None]]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(self.settings.backlog)
        self._queues.add(queue)
        metrics.SUBSCRIBERS.set(len(self._queues))
        try:
            yield queue
        finally:
            self._queues.discard(queue)
            metrics.SUBSCRIBERS.set(len(self._queues))

    async def _write(self, response: web.StreamResponse, queue: asyncio.Queue[bytes | None]) -> None:
        # Cut at once, with no await since the queue was made: no delta falls between the two, none is told twice.
        for part in list(self.board.snapshot(int(time.time()))):
            await response.write(_encoded(part))
        while (data := await queue.get()) is not None:
            await response.write(data)

    async def _admit(self, request: web.Request) -> review.User:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise web.HTTPUnauthorized(text="send a Kubernetes token: Authorization: Bearer TOKEN\n")
        try:
            user = await review.authenticate(self._hub, token)
            if user is None:
                raise web.HTTPUnauthorized(text="the hub does not know this token, or it has ended\n")
            if not await review.allowed(self._hub, user, RIGHT):
                _log.warning("view refused", user=user.username)
                raise web.HTTPForbidden(text=f"{user.username} may not get the URL {RIGHT.path}\n")
        except errors.KubeError as error:
            raise web.HTTPServiceUnavailable(text="the hub cannot be asked who this is\n") from error
        return user


_UNENCODABLE = (OverflowError, ValueError, TypeError, msgspec.MsgspecError)  # what msgpack has no form for


def _encoded(frame: model.Frame) -> bytes:
    """The frame without the rows that cannot be told: one of them must not end the stream, and the leader with it."""
    try:
        return model.encode(frame)
    except _UNENCODABLE:
        if isinstance(frame, model.Beat):
            raise
        return model.encode(msgspec.structs.replace(frame, rows=_tellable(frame.rows)))


def _tellable(rows: model.Rows) -> model.Rows:
    lists = {name: [row for row in getattr(rows, name) if _can_be_told(name, row)] for name in board.TABLES}
    centre = rows.centre if rows.centre is not None and _can_be_told("centre", rows.centre) else None
    return model.Rows(centre=centre, **lists)


def _can_be_told(table: str, row: model.Row) -> bool:
    try:
        msgspec.msgpack.encode(row)
    except _UNENCODABLE:
        key = table if isinstance(row, model.Centre) else board.key_of(row)
        _log.exception("a row cannot be told and is left out", table=table, key=key)
        return False
    return True
