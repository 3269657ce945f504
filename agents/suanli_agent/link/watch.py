"""The pods bound to this box: list, then watch; what counts as gone, and what never does.

A pod that a list does not show is taken off the box only while our Node still has the uid that we know, a list that
would empty the box is asked for a second time, and one that is older than what we have seen takes nothing: a hub
restored from backup, or a Node deleted by mistake, must not stop work. Such a hub knows nothing of newer pods; absence
counts again once its resourceVersion has passed the highest that we have seen (etcd's revision: it only grows). One
that was restored with its revision raised, as etcdutl can, is not to be told from a hub that deleted them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from typing import Any, Callable, Dict, List, Optional, Tuple

import msgspec

from suanli_agent.link import backoff, errors, http
from suanli_agent.pods import ports

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0  # before a list that would empty the box is believed
WATCH_SECONDS = (300, 600)  # the server ends a watch after a random time of these: client-go's figure
SILENCE_SECONDS = 90.0  # the server sends a bookmark every minute: longer silence is a dead link


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    code: int = 0
    message: str = ""


class _List(msgspec.Struct):
    metadata: _Meta
    items: List[msgspec.Raw]


class _Change(msgspec.Struct):
    type: str
    object: msgspec.Raw


class PodWatch:
    """Feeds ports.Pods; `node_says` tells, in words, what is odd about our Node, empty where nothing is."""

    def __init__(
        self,
        client: http.Client,
        node: str,
        pods: ports.Pods,
        known_uid: Callable[[], str],
        answered: Callable[[Optional[ports.HubError]], None],
        pause: float = AGAIN_SECONDS,
    ) -> None:
        self.node_says = ""
        self._client, self._node, self._pods = client, node, pods
        self._known_uid, self._answered, self._pause = known_uid, answered, pause
        self._path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}"
        self._backoff = backoff.Backoff(first=1, cap=60)
        self._newest = 0  # the highest resourceVersion that we have seen
        self._behind = False  # the hub has not come to it again

    async def run(self) -> None:
        """Follow until cancelled."""
        version = ""
        while True:
            try:
                version = version or await self._list()
                self._backoff.succeeded()
                self._answered(None)
                version = await self._watch(version)
            except errors.GoneError:
                version = ""
                await asyncio.sleep(min(self._pause, 1.0))  # a hub that always says so must not be flooded
            except ports.HubError as error:
                self._answered(error)
                version = ""  # whatever came meanwhile: a list is the whole truth
                await asyncio.sleep(self._backoff.failed(getattr(error, "retry_after", 0)))

    # --- list

    async def _list(self) -> str:
        version, found = await self._read()
        self._behind = self._is_older(version)
        if not await self.is_our_node() or self._behind:
            for pod in found:
                self._pods.pod_changed(pod)  # more work may come; none may go
            return version
        if not found and self._pods.views():
            log.warning("the hub lists no pod for this box, which runs some: asking again")
            await asyncio.sleep(self._pause)
            version, found = await self._read()
            if not await self.is_our_node() or self._is_older(version):  # changed meanwhile, and its pods with it
                return version
        self._pods.set_desired(found)
        self._newest = max(self._newest, _number(version))
        return version

    def _is_older(self, version: str) -> bool:
        """Whether the hub was, when it answered, at an earlier point than one that we have seen."""
        self._newest = max(self._newest, self._pods.newest_version())
        older = 0 < _number(version) < self._newest
        if older and not self._behind:
            log.warning("the hub is at version %s, we have seen %d: it takes nothing off", version, self._newest)
        return older

    async def _read(self) -> Tuple[str, List[bytes]]:
        answer = await self._client.request("GET", self._path, seconds=30)
        try:
            decoded = msgspec.json.decode(answer, type=_List)
        except msgspec.DecodeError as error:
            raise ports.UnavailableError(f"not a list of pods: {error}") from error
        return decoded.metadata.resource_version, [bytes(item) for item in decoded.items]

    async def is_our_node(self) -> bool:
        """Whether the Node of our name is the one that we joined as. Raises ports.HubError."""
        return await self.our_node() is not None

    async def our_node(self) -> Optional[Dict[str, Any]]:
        """The metadata of the Node that we joined as, as the hub has it now; None where it is gone, or another Node has
        its name. Raises ports.HubError.
        """
        try:
            found = json.loads(await self._client.request("GET", f"/api/v1/nodes/{self._node}"))["metadata"]
        except ports.NotFoundError:
            self.node_says = "the hub has no Node for this box; its work goes on"
            return None
        uid = found["uid"]
        known = self._known_uid()
        self.node_says = "" if uid == known else "the hub's Node is another one; work goes on"
        if uid == known and self._behind:
            self.node_says = "the hub is older than what it told before (restored from a backup?); work goes on"
        return dict(found) if uid == known else None

    # --- watch

    async def _watch(self, version: str) -> str:
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads load, hides nothing
        path = f"{self._path}&watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}"
        buffer = b""
        async with self._client.stream(path) as chunks:
            while True:
                try:
                    chunk = await asyncio.wait_for(chunks.__anext__(), SILENCE_SECONDS)
                except StopAsyncIteration:
                    return version
                except asyncio.TimeoutError as error:
                    raise ports.UnavailableError("the watch fell silent") from error
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    version = await self._take(line) or version
                if self._behind and _number(version) >= self._newest:
                    return ""  # it has caught up: what a list does not show is gone
                if not self._behind:
                    self._newest = max(self._newest, _number(version))

    async def _take(self, line: bytes) -> str:
        """Act on one event; returns its resourceVersion."""
        try:
            change = msgspec.json.decode(line, type=_Change)
            seen = msgspec.json.decode(change.object, type=_Object)
        except msgspec.DecodeError as error:
            raise ports.UnavailableError(f"not a watch event: {error}") from error
        if change.type == "ERROR":
            raise errors.GoneError(seen.message) if seen.code == 410 else ports.UnavailableError(seen.message)
        if change.type in ("ADDED", "MODIFIED"):
            self._pods.pod_changed(bytes(change.object))
        elif change.type == "DELETED" and await self._counts(seen.metadata.uid):
            self._pods.pod_removed(seen.metadata.uid)
        return seen.metadata.resource_version

    async def _counts(self, uid: str) -> bool:
        """Whether a deletion is meant for us: pods of a deleted Node are deleted with it by garbage collection."""
        here: Any = any(view.uid == uid for view in self._pods.views())
        return not here or await self.is_our_node()


def _number(version: str) -> int:
    """A resourceVersion to compare; Kubernetes has promised since 1.35 that they are decimal numbers. 0: it is not."""
    return int(version) if version.isdecimal() else 0
