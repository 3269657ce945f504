"""The driver's connection to one API server: requests, and watches that stamp each event on arrival."""

import asyncio
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from suanli_clusters import Cluster

OnEvent = Callable[[str, Any, float], None]
"""Called with the watch's event type, the object and the time of arrival."""

now = time.perf_counter


class Server:
    """An administrator's view of a cluster, over as many connections as are asked for at once."""

    def __init__(self, cluster: Cluster) -> None:
        self.name = cluster.name
        self.url = cluster.server_at("127.0.0.1")
        self._context = ssl.create_default_context(cafile=str(cluster.pki / "ca.crt"))
        self._context.load_cert_chain(cluster.pki / "admin.crt", cluster.pki / "admin.key")

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=128, ssl=self._context, keepalive_timeout=120)
        timeout = aiohttp.ClientTimeout(total=None, connect=30)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=1 << 20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """The decoded answer. Raises aiohttp.ClientResponseError for a refusal."""
        return msgspec.json.decode(await self.raw(method, path, body, kind))

    async def raw(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(
            method, self.url + path, data=data, headers={"Content-Type": kind}
        ) as answer:
            content = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{self.name}: {method} {path}: {answer.status} {content[:500]!r}")
            return content

    async def watch(self, path: str, on_event: OnEvent, listed: asyncio.Event) -> None:
        """List, then watch until cancelled; `listed` is set when the watch is about to start."""
        found = await self.request("GET", path)
        for item in found["items"]:
            on_event("ADDED", item, now())
        version = found["metadata"]["resourceVersion"]
        listed.set()
        while True:
            version = await self._watch_once(f"{path}?watch=1&allowWatchBookmarks=true", version, on_event)

    async def _watch_once(self, path: str, version: str, on_event: OnEvent) -> str:
        """One watch until the server ends it; returns the version to go on from."""
        async with self._session.get(f"{self.url}{path}&resourceVersion={version}") as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                arrived = now()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = msgspec.json.decode(line)
                    if event["type"] == "ERROR":
                        raise RuntimeError(f"{self.name}: watch of {path}: {event['object']}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        on_event(event["type"], event["object"], arrived)
        return version
