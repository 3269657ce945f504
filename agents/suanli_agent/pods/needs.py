"""The objects that pods name: asked of the hub, kept on disk, taken from disk while the hub is away.

An answer of the hub counts, also the one that there is no such object; that it does not answer says nothing, and
what is on disk goes on.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Sequence
from typing import Optional

import msgspec

from suanli_agent import state
from suanli_agent.core import env, objects, payload
from suanli_agent.pods import context, ports

TOKEN_RENEW_SHARE = 0.8
"""A token is renewed at 80% of its life, or after a day: as kubelet does."""

DAY_SECONDS = 86400.0


class Needs:
    """A cache over hub and store; refresh() makes the next question go to the hub again."""

    def __init__(self, ctx: context.Context) -> None:
        self._ctx = ctx
        self._fresh_until: dict[tuple[str, str, str], float] = {}
        self._immutable: set[tuple[str, str, str]] = set()

    def refresh(self) -> None:
        """Everything is asked anew when it is next needed."""
        self._fresh_until.clear()

    async def sources(self, pod: objects.Pod, *, fresh: bool = False) -> env.Sources:
        """Every ConfigMap and Secret that a pod names; None for those that do not exist, as far as the hub ever said.

        fresh: ask the hub whatever is cached (a pod starts). Raises ports.HubError when one is unknown here and
        the hub does not answer.
        """
        wanted, namespace = payload.names(pod.spec), pod.metadata.namespace
        config_maps: dict[str, Optional[objects.ConfigMap]] = {}
        secrets: dict[str, Optional[objects.Secret]] = {}
        for name in wanted.config_maps:
            body = await self._object("ConfigMap", namespace, name, fresh=fresh)
            config_maps[name] = msgspec.json.decode(body, type=objects.ConfigMap) if body else None
        for name in wanted.secrets:
            body = await self._object("Secret", namespace, name, fresh=fresh)
            secrets[name] = msgspec.json.decode(body, type=objects.Secret) if body else None
        return env.Sources(config_maps, secrets)

    async def services(self, namespace: str) -> list[objects.Service]:
        """The Services of a namespace.

        Raises ports.HubError when they are unknown here and the hub does not answer.
        """
        body = await self._object("Services", namespace, "", fresh=True)
        return msgspec.json.decode(body or b"[]", type=list[objects.Service])

    async def runtime_class(self, name: str) -> Optional[objects.RuntimeClass]:
        """A RuntimeClass, None when there is none of that name. Raises ports.HubError as above."""
        body = await self._object("RuntimeClass", "", name, fresh=True)
        return msgspec.json.decode(body, type=objects.RuntimeClass) if body else None

    async def tokens(self, pod: objects.Pod) -> dict[payload.TokenWish, str]:
        """Every token that a pod's volumes need, renewed in time; an old one rather than none while the hub is
        away.
        """
        return {wish: await self._token(pod, wish) for wish in payload.token_wishes(pod.spec.volumes)}

    async def _token(self, pod: objects.Pod, wish: payload.TokenWish) -> str:
        meta, store, now = pod.metadata, self._ctx.store, self._ctx.now()
        kept = store.token(meta.uid, wish.audience, wish.expiration_seconds)
        if kept is not None and not _renew(kept[1], kept[2], now):
            return kept[0]
        account = pod.spec.service_account_name or "default"
        try:
            fresh = await self._ctx.hub.create_token(
                meta.namespace, account, meta.name, meta.uid, wish.audience, wish.expiration_seconds
            )
        except ports.HubError:
            if kept is None:
                raise
            return kept[0]
        expires = msgspec.convert(fresh.expiration_timestamp, dt.datetime).timestamp()
        store.put_token(meta.uid, wish.audience, wish.expiration_seconds, (fresh.token, now, expires))
        return fresh.token

    async def _object(self, kind: str, namespace: str, name: str, *, fresh: bool) -> Optional[bytes]:
        key, store = (kind, namespace, name), self._ctx.store
        known = store.object(*key)
        if known is not None and (key in self._immutable or (not fresh and self._is_fresh(key))):
            return known or None
        try:
            body = await self._ask(*key)
        except ports.NotFoundError:
            self._fresh_until.pop(key, None)
            self._immutable.discard(key)
            store.put_object(kind, namespace, name, state.ABSENT)
            return None
        except ports.HubError:
            if known is None:
                raise
            return known or None
        body = _without_noise(body)
        store.put_object(kind, namespace, name, body)
        (self._immutable.add if b'"immutable":true' in body else self._immutable.discard)(key)
        spread = random.uniform(0.8, 1.2)  # noqa: S311 - only spreads load
        self._fresh_until[key] = self._ctx.now() + self._ctx.settings.refresh_seconds * spread
        return body

    def _is_fresh(self, key: tuple[str, str, str]) -> bool:
        return self._fresh_until.get(key, 0.0) > self._ctx.now()

    async def _ask(self, kind: str, namespace: str, name: str) -> bytes:
        hub = self._ctx.hub
        if kind == "ConfigMap":
            return await hub.get_config_map(namespace, name)
        if kind == "Secret":
            return await hub.get_secret(namespace, name)
        if kind == "RuntimeClass":
            return await hub.get_runtime_class(name)
        return _joined(await hub.list_services(namespace))

    def forget_unused(self, pods: Sequence[objects.Pod]) -> None:
        """Drop from disk what no pod names any longer."""
        wanted: set[tuple[str, str, str]] = set()
        for pod in pods:
            names, namespace = payload.names(pod.spec), pod.metadata.namespace
            wanted.update(("ConfigMap", namespace, name) for name in names.config_maps)
            wanted.update(("Secret", namespace, name) for name in names.secrets)
            wanted.add(("Services", namespace, ""))
            wanted.add(("RuntimeClass", "", pod.spec.runtime_class_name or ""))
        for key in self._ctx.store.object_keys():
            if key not in wanted:
                self._ctx.store.drop_object(*key)
                self._immutable.discard(key)  # one that is made anew under its name may be another
                self._fresh_until.pop(key, None)


def _renew(issued: float, expires: float, now: float) -> bool:
    return now > issued + min((expires - issued) * TOKEN_RENEW_SHARE, DAY_SECONDS) or now < issued - DAY_SECONDS


def _joined(bodies: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(bodies) + b"]"


def _without_noise(body: bytes) -> bytes:
    """Without what changes though the content does not: no write to disk for that."""
    whole = json.loads(body)
    for item in whole if isinstance(whole, list) else [whole]:
        meta = item.get("metadata", {})
        item["metadata"] = {key: meta[key] for key in ("name", "namespace", "uid") if key in meta}
        item.pop("status", None)
    return json.dumps(whole, separators=(",", ":")).encode()
