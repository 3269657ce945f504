"""The pages of a list as bytes, in order; it neither decodes them nor asks again for one that failed.

An API server says where the next page begins before it says anything else. So that page is asked for at once, and
the server writes it while this one is on its way and the one before is decoded: never more than two are out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from suanli_controller.kube import client, watch
from suanli_controller.kube.resources import Resource


async def bodies(
    api: client.Client, resource: Resource[Any], namespace: str, query: Mapping[str, str]
) -> AsyncGenerator[bytes, None]:
    """Yield page after page. Raises what `Client.request` raises, and errors.Undecodable for what is no list."""
    query = {**query, "limit": str(api.settings.page_size)}
    out = [_Page(api, resource, namespace, query)]
    try:
        while out:
            if token := await out[0].following:
                out.append(_Page(api, resource, namespace, {**query, "continue": token}))
            yield await out[0].body
            out.pop(0)
    finally:
        for page in out:
            page.body.cancel()
        await asyncio.gather(*(page.body for page in out), return_exceptions=True)


class _Page:
    """One page on its way; `following` is where the next one begins, empty after the last or where this one fails."""

    def __init__(
        self, api: client.Client, resource: Resource[Any], namespace: str, query: Mapping[str, str]
    ) -> None:
        self.following: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.body = asyncio.ensure_future(self._read(api, resource, namespace, query))

    async def _read(
        self, api: client.Client, resource: Resource[Any], namespace: str, query: Mapping[str, str]
    ) -> bytes:
        try:
            body = await api.list_bytes(resource, namespace, query, begun=self._begun)
            if not self.following.done():
                self._tell(watch.next_page(body))
            return body
        finally:
            self._tell("")

    def _begun(self, start: bytes) -> None:
        token = watch.next_page_from_start(start)
        if token is not None:
            self._tell(token)

    def _tell(self, token: str) -> None:
        if not self.following.done():
            self.following.set_result(token)
