"""ports.Hub over HTTP: what pods/ asks of the hub, with this node's own identity."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Dict, List, Optional
from urllib import parse

import msgspec

from suanli_agent.core import objects
from suanli_agent.link import errors, events, http
from suanli_agent.pods import ports


class _Items(msgspec.Struct):
    items: List[msgspec.Raw] = []


class _TokenStatus(msgspec.Struct):
    status: objects.Token


def _path(namespace: str, plural: str, name: str = "", subresource: str = "") -> str:
    parts = ["/api/v1/namespaces", parse.quote(namespace), plural, parse.quote(name), subresource]
    return "/".join(part for part in parts if part)


AT_ONCE = 4
"""Requests for pods under way at once. Each has a TLS connection, and 110 pods that start together would open as many:
their handshakes cost more than what is asked, on both sides, and their buffers stay in our memory.
"""


class Hub:
    """See ports.Hub."""

    def __init__(self, client: http.Client, outbox: events.Events) -> None:
        self._client, self._events = client, outbox
        self._slots: Optional[asyncio.Semaphore] = None
        self._silences = 0

    async def _request(self, method: str, path: str, body: bytes = b"", kind: str = http.JSON) -> bytes:
        # Made when first used: before Python 3.10 a semaphore belongs to the loop in which it was made.
        self._slots = self._slots or asyncio.Semaphore(AT_ONCE)
        before = self._silences
        async with self._slots:
            # Those who wait behind a dead link must not try it one after the other: pods start from disk meanwhile.
            if self._silences != before:
                raise errors.SilenceError("the hub did not answer those who asked before")
            try:
                return await self._client.request(method, path, body, kind)
            except errors.SilenceError:
                self._silences += 1
                raise

    async def get_config_map(self, namespace: str, name: str) -> bytes:
        """See ports.Hub."""
        return await self._request("GET", _path(namespace, "configmaps", name))

    async def get_secret(self, namespace: str, name: str) -> bytes:
        """See ports.Hub."""
        return await self._request("GET", _path(namespace, "secrets", name))

    async def get_runtime_class(self, name: str) -> bytes:
        """See ports.Hub."""
        return await self._request("GET", f"/apis/node.k8s.io/v1/runtimeclasses/{parse.quote(name)}")

    async def list_services(self, namespace: str) -> List[bytes]:
        """See ports.Hub."""
        answer = await self._request("GET", _path(namespace, "services"))
        return [bytes(item) for item in msgspec.json.decode(answer, type=_Items).items]

    async def create_token(
        self,
        namespace: str,
        service_account: str,
        pod_name: str,
        pod_uid: str,
        audience: str,
        expiration_seconds: int,
    ) -> objects.Token:
        """See ports.Hub."""
        spec: Dict[str, Any] = {
            "expirationSeconds": expiration_seconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": pod_uid},
        }
        if audience:
            spec["audiences"] = [audience]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = _path(namespace, "serviceaccounts", service_account, "token")
        answer = await self._request("POST", path, json.dumps(request).encode())
        return msgspec.json.decode(answer, type=_TokenStatus).status

    async def patch_pod_status(self, namespace: str, name: str, patch: Dict[str, Any]) -> None:
        """See ports.Hub."""
        body = msgspec.json.encode(patch)
        await self._request("PATCH", _path(namespace, "pods", name, "status"), body, http.STRATEGIC_PATCH)

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """See ports.Hub."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        await self._request("DELETE", _path(namespace, "pods", name), json.dumps(options).encode())

    def emit_event(self, note: ports.EventNote) -> None:
        """See ports.Hub."""
        self._events.emit(note)
