"""A hub in memory for tests of pods/ alone: the wrapper of our own that stands in where no API server is
needed.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from suanli_agent.core import objects
from suanli_agent.pods import ports


class MemoryHub:
    """Implements ports.Hub over dicts. away=True: nobody answers."""

    def __init__(self) -> None:
        self.away = False
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.services: list[dict[str, Any]] = []
        self.status: dict[str, dict[str, Any]] = {}
        self.patches: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.events: list[ports.EventNote] = []
        self.changed = asyncio.Event()

    def put(self, kind: str, namespace: str, name: str, **fields: Any) -> None:
        """Make an object known."""
        meta = {"name": name, "namespace": namespace, "uid": f"{kind}-{name}"}
        self.objects[kind, namespace, name] = {"metadata": meta, **fields}

    def _get(self, kind: str, namespace: str, name: str) -> bytes:
        self._answer()
        found = self.objects.get((kind, namespace, name))
        if found is None:
            raise ports.NotFoundError(f"{kind} {namespace}/{name}")
        return json.dumps(found).encode()

    def _answer(self) -> None:
        if self.away:
            raise ports.UnavailableError("away")

    async def get_config_map(self, namespace: str, name: str) -> bytes:
        return self._get("ConfigMap", namespace, name)

    async def get_secret(self, namespace: str, name: str) -> bytes:
        return self._get("Secret", namespace, name)

    async def get_runtime_class(self, name: str) -> bytes:
        return self._get("RuntimeClass", "", name)

    async def list_services(self, namespace: str) -> list[bytes]:
        self._answer()
        return [json.dumps(s).encode() for s in self.services if s["metadata"]["namespace"] == namespace]

    async def create_token(
        self,
        namespace: str,
        service_account: str,
        pod_name: str,
        pod_uid: str,
        audience: str,
        expiration_seconds: int,
    ) -> objects.Token:
        self._answer()
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + expiration_seconds))
        words = (namespace, service_account, pod_name, pod_uid, audience)
        return objects.Token(token=".".join(words), expiration_timestamp=expires)

    async def patch_pod_status(self, namespace: str, name: str, patch: dict[str, Any]) -> None:
        self._answer()
        self.patches.append(patch)
        known = self.status.setdefault(patch["metadata"]["uid"], {})
        conditions = _merged(known.get("conditions", []), patch["status"].get("conditions", []))
        known.update({**patch["status"], "conditions": conditions})
        self.changed.set()

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        self._answer()
        self.deleted.append(uid)
        self.changed.set()

    def emit_event(self, note: ports.EventNote) -> None:
        self.events.append(note)
        self.changed.set()

    async def until(self, condition: Any, seconds: float = 60.0) -> None:
        """Wait until condition() holds. Raises TimeoutError telling what is known."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.changed.clear()
            left = deadline - time.monotonic()
            if left < 0:
                raise TimeoutError(
                    json.dumps(self.status, indent=1) + "\n".join(f"{e.reason}: {e.message}" for e in self.events)
                )
            try:
                await asyncio.wait_for(self.changed.wait(), min(left, 0.5))
            except TimeoutError:
                continue


def _merged(known: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Conditions as the API server merges them: by type, and null takes a field away."""
    found = {each["type"]: each for each in known}
    for each in new:
        whole = {**found.get(each["type"], {}), **each}
        found[each["type"]] = {key: value for key, value in whole.items() if value is not None}
    return list(found.values())
