"""The ConfigMaps and Secrets that a template names travel with it; what else it needs is checked there.

A copy carries the hub's mark and is kept equal to its source, whichever of the two changes. What stands in the
target under that name without our mark is never touched: it serves, where the hub has none of that name.
"""

import asyncio
import time
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from suanli_controller.api import names
from suanli_controller.kube import client, errors, informer, resources
from suanli_controller.reconcile import cluster

Reference = tuple[str, str]  # kind, name
Key = tuple[str, str, str]  # kind, namespace, name

LOOK_AGAIN_SECONDS = 15.0
NAME_MEND = "delete or rename one of the two"
SOURCE_VERSION_ANNOTATION = f"{names.GROUP}/source-version"
_TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105  # the name of a type


class Missing(Exception):
    """Something that the pods need is not in the target and cannot be brought there."""

    reason = names.DEPENDENCY_MISSING


class NameTaken(Missing):
    """An object of another owner has the name that ours needs."""

    reason = names.NAME_TAKEN


class Sources:
    """The hub's ConfigMaps and Secrets: the metadata of all, the content of those that are asked for.

    `on_change(kind, namespace, name)` is called when one comes, goes or changes.
    """

    def __init__(self, hub: client.Client, on_change: Callable[[str, str, str], None]) -> None:
        self._hub = hub
        self._on_change = on_change
        self._live = {
            kind: informer.Informer(hub, resource.metadata_only) for kind, resource in cluster.COPIES.items()
        }
        for kind, each in self._live.items():
            each.subscribe(self._teller(kind))

    def _teller(self, kind: str) -> informer.Handler[resources.PartialObject]:
        def tell(old: resources.PartialObject | None, new: resources.PartialObject | None) -> None:
            for each in (new or old,):
                if each is not None:
                    self._on_change(kind, each.metadata.namespace, each.metadata.name)

        return tell

    async def run(self) -> None:
        """Keep the metadata current until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._live.values():
                tasks.create_task(each.run())

    def version(self, key: Key) -> str:
        """The resourceVersion that was seen last; empty where none was, which may be too early to tell."""
        kind, namespace, name = key
        found = self._live[kind].get(name, namespace)
        return found.metadata.resource_version if found else ""

    async def read(self, key: Key) -> dict[str, Any] | None:
        """One whole object as it is now; none where the hub has none. Raises Missing where it is of no use."""
        kind, namespace, name = key
        try:
            source = await self._hub.get(cluster.COPIES[kind].as_type(dict), name, namespace)
        except errors.NotFound:
            return None
        if source.get("type") == _TOKEN_TYPE:
            raise Missing(
                f"Secret {namespace}/{name}: the token of a ServiceAccount is worth nothing elsewhere; name another"
            )
        return source


@dataclass(frozen=True, slots=True)
class _Sent:
    """What we wrote last: from which version of the source, and the version that it became there."""

    source: str
    copy: str


class Copies:
    """The copies in one cluster."""

    def __init__(self, there: cluster.Cluster, sources: Sources, hub_uid: str) -> None:
        self._there = there
        self._sources = sources
        self._hub_uid = hub_uid
        self._sent: dict[Key, _Sent] = {}
        self._locks: weakref.WeakValueDictionary[Key, asyncio.Lock] = weakref.WeakValueDictionary()
        self._accounts: dict[tuple[str, str], float] = {}  # when a ServiceAccount was seen last, monotonic seconds
        for kind, each in there.copies.items():
            each.subscribe(self._forgetter(kind))

    def _forgetter(self, kind: str) -> informer.Handler[resources.PartialObject]:
        def forget(old: resources.PartialObject | None, new: resources.PartialObject | None) -> None:
            if new is None and old is not None:
                self._sent.pop((kind, old.metadata.namespace, old.metadata.name), None)

        return forget

    async def bring(self, namespace: str, references: Mapping[Reference, bool]) -> None:
        """Make the copies equal to their sources. Raises Missing, NameTaken and errors.KubeError."""
        for (kind, name), needed in sorted(references.items()):
            await self._bring_alone((kind, namespace, name), needed=needed)

    async def _bring_alone(self, key: Key, *, needed: bool) -> None:
        """Many workloads may name one ConfigMap; who waits holds the lock in memory."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            await self._bring(key, needed=needed)

    async def _bring(self, key: Key, *, needed: bool) -> None:
        kind, namespace, name = key
        if self._is_current(key, self._sources.version(key)):
            return
        source = await self._sources.read(key)
        if self._there.ref == cluster.HUB:
            if source is None and needed:
                raise Missing(f"{kind} {namespace}/{name} is not on the hub: make it there")
        elif source is not None:
            await self._copy(key, source)
        elif needed:
            await self._require(key)

    def _is_current(self, key: Key, version: str) -> bool:
        """Whether the newest source is there, and nobody has written over it since."""
        kind, namespace, name = key
        if self._there.ref == cluster.HUB:
            return bool(version)
        sent, there = self._sent.get(key), self._there.copies[kind].get(name, namespace)
        if sent is None or sent.source != version:
            return False
        return there is None or resources.is_as_old(there.metadata.resource_version, sent.copy)

    async def _copy(self, key: Key, source: Mapping[str, Any]) -> None:
        kind, namespace, name = key
        version = source["metadata"]["resourceVersion"]
        if self._is_current(key, version):
            return
        wish = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {names.HUB_UID_LABEL: self._hub_uid},
                "annotations": {SOURCE_VERSION_ANNOTATION: version},
            },
            **{field: source[field] for field in ("data", "binaryData", "type", "immutable") if field in source},
        }
        self._sent[key] = _Sent(version, await self._write(kind, wish))

    async def _write(self, kind: str, wish: Mapping[str, Any]) -> str:
        resource, meta = cluster.COPIES[kind].metadata_only, wish["metadata"]
        try:
            return (await self._there.api.create(resource, wish)).metadata.resource_version
        except errors.AlreadyExists as taken:
            there = await self._there.api.get(resource, meta["name"], meta["namespace"])
            if there.metadata.labels.get(names.HUB_UID_LABEL) != self._hub_uid:
                raise NameTaken(
                    f"{kind} {meta['namespace']}/{meta['name']} is there already and is not ours: {NAME_MEND}"
                ) from taken
        guarded = {**wish, "metadata": {**meta, "resourceVersion": there.metadata.resource_version}}
        try:
            return (await self._there.api.replace(resource, guarded)).metadata.resource_version
        except errors.Invalid:  # an immutable one, or of another type: its source was made anew under its name
            await self._delete(kind, there)
            return (await self._there.api.create(resource, wish)).metadata.resource_version

    async def _require(self, key: Key) -> None:
        kind, namespace, name = key
        try:
            await self._there.api.get(cluster.COPIES[kind].metadata_only, name, namespace)
        except errors.NotFound as error:
            raise Missing(
                f"{kind} {namespace}/{name} is neither on the hub nor in {self._there.ref}: make it on the hub"
            ) from error

    async def require_service_account(self, namespace: str, name: str) -> None:
        """Accounts and their rights belong to the target's owner. Raises Missing."""
        now = time.monotonic()
        if now - self._accounts.get((namespace, name), -LOOK_AGAIN_SECONDS) < LOOK_AGAIN_SECONDS:
            return
        try:
            await self._there.api.get(resources.SERVICE_ACCOUNTS, name, namespace)
        except errors.NotFound as error:
            raise Missing(
                f"ServiceAccount {namespace}/{name} is not in {self._there.ref}: its owner must make it there"
            ) from error
        self._accounts = {key: at for key, at in self._accounts.items() if now - at < LOOK_AGAIN_SECONDS}
        self._accounts[namespace, name] = now

    @property
    def namespaces(self) -> set[str]:
        """Where there are copies."""
        return {each.metadata.namespace for held in self._there.copies.values() for each in held.objects.values()}

    async def sweep(self, namespace: str, named: Collection[Reference]) -> None:
        """Delete copies in a namespace that no workload names any more."""
        for kind, held in self._there.copies.items():
            for copy in list(held.objects.values()):
                meta = copy.metadata
                ours = SOURCE_VERSION_ANNOTATION in meta.annotations  # the hub's mark in a cloud is no copy
                if ours and meta.namespace == namespace and (kind, meta.name) not in named:
                    await self._delete(kind, copy)

    async def _delete(self, kind: str, copy: resources.PartialObject) -> None:
        meta = copy.metadata
        try:
            await self._there.api.delete(
                cluster.COPIES[kind],
                meta.name,
                meta.namespace,
                uid=meta.uid,
                resource_version=meta.resource_version,
            )
        except (errors.NotFound, errors.Conflict):
            return  # what was written since may be named again: the next sweep knows
        finally:
            self._sent.pop((kind, meta.namespace, meta.name), None)
