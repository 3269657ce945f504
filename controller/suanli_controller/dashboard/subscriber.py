"""Follows the leader's stream into the replica: finds the leader, connects, and begins again whenever it breaks
off.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec
import structlog

from suanli_controller.dashboard import metrics, replica
from suanli_controller.view import model

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the stream is and what proves both ends; `certificate` is PEM, empty for the system's authorities."""

    url: str
    certificate: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds."""

    connect_seconds: float = 5.0
    silence_seconds: float = 15.0  # three beats: then the leader is gone, whatever TCP believes
    first_wait: float = 0.5
    longest_wait: float = 10.0  # a new leader is followed within this time


class RefusedError(Exception):
    """The leader answered, and not with a stream."""


class Subscriber:
    """Keeps `held` up to date; `changed` is called with each change, in order."""

    def __init__(
        self,
        held: replica.Replica,
        find: Callable[[], Awaitable[Source]],
        changed: Callable[[replica.Change], None],
        settings: Settings | None = None,
    ) -> None:
        self._held = held
        self._find = find
        self._changed = changed
        self._settings = settings or Settings()

    async def run(self) -> None:
        """Follow until cancelled. No failure ends it; each is logged once a round with what to do."""
        wait = self._settings.first_wait
        while True:
            try:
                source = await self._find()
                await self._follow(source)
            except _EXPECTED as error:
                _log.warning("view stream broke off", why=_say(error), retry_seconds=round(wait, 1))
            except Exception:  # noqa: BLE001  # a fault of ours; a copy that nobody follows would look alive
                _log.exception("view stream cannot be taken in; beginning again", retry_seconds=round(wait, 1))
            if self._held.connected:
                wait = self._settings.first_wait
            self._set_connected(False)
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311  # spreads reconnects, guards nothing
            wait = min(wait * 2, self._settings.longest_wait)

    async def _follow(self, source: Source) -> None:
        deframer = model.Deframer()
        self._held.begin()
        async for data in self._bytes(source):
            for frame in deframer.feed(data):
                change = self._held.apply(frame)
                metrics.FRAMES.labels(type(frame).__name__).inc()
                half_told = isinstance(frame, model.SnapshotPart) and not frame.last
                if not half_told and not self._held.connected:
                    self._set_connected(True)
                if change:
                    self._changed(change)

    async def _bytes(self, source: Source) -> AsyncIterator[bytes]:
        limit = aiohttp.ClientTimeout(
            sock_connect=self._settings.connect_seconds, sock_read=self._settings.silence_seconds
        )
        async with (
            aiohttp.ClientSession(timeout=limit, read_bufsize=1 << 18) as session,
            session.get(
                source.url.rstrip("/") + model.PATH,
                headers={"Authorization": f"Bearer {source.token}"},
                ssl=_context(source),
                allow_redirects=False,  # a redirect would carry the token to whomever the server names
            ) as response,
        ):
            if response.status != 200:
                raise RefusedError(f"{source.url}: {response.status} {(await response.text())[:200].strip()}")
            _log.info("view stream opened", url=source.url)
            async for data in response.content.iter_any():
                yield data
            raise RefusedError(f"{source.url}: the leader ended the stream")

    def _set_connected(self, connected: bool) -> None:
        if self._held.connected != connected:
            self._held.connected = connected
            self._changed(replica.Change())
        metrics.CONNECTED.set(connected)


def _context(source: Source) -> ssl.SSLContext | bool:
    if not source.url.startswith("https:"):
        return True
    return ssl.create_default_context(cadata=source.certificate or None)


class NotPublishedError(Exception):
    """No leader has said yet where its stream is."""


_EXPECTED = (
    aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError, RefusedError, NotPublishedError,
    replica.GapError, model.FrameTooLargeError, msgspec.DecodeError,
)  # fmt: skip


def _say(error: BaseException) -> str:
    return str(error) or type(error).__name__
