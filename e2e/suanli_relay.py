"""A link that can be cut: TCP passed on between a box and its hub, byte for byte.

    with Relay("https://127.0.0.1:20010") as relay:   # join with relay.url
        relay.cut()     # open connections fall silent, new ones get no answer
        relay.mend()

It decides nothing and reads nothing: TLS passes through it as it is.
"""

import asyncio
import contextlib
import threading
from typing import Self
from urllib.parse import urlsplit


class Relay:
    """Works in a thread of its own, as the box it serves is a process beside the test."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._behind = (parts.hostname or "", parts.port or 443)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._whole = asyncio.Event()
        self._port = 0

    @property
    def url(self) -> str:
        """What the box is to know as its hub."""
        return f"https://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        self._loop.call_soon_threadsafe(self._whole.set)

    async def _listen(self) -> asyncio.Server:
        self._whole.set()
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        return server

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        there, onward = await asyncio.open_connection(*self._behind)
        await asyncio.gather(self._pass(reader, onward), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(1 << 16):
                await self._whole.wait()
                writer.write(chunk)
                await writer.drain()
        await self._whole.wait()  # not even an end passes
        writer.close()
