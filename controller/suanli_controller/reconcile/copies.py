"""The ConfigMaps and Secrets that a template names travel with it; what else it needs is checked there.

A copy carries the hub's mark and is kept equal to its source. What stands in the target under that name without
our mark is never touched: it serves, where the hub has none of that name.
"""

import time
from collections.abc import Collection, Mapping
from typing import Any

from suanli_controller.api import names
from suanli_controller.kube import client, errors, resources
from suanli_controller.reconcile import cluster

Reference = tuple[str, str]  # kind, name

LOOK_AGAIN_SECONDS = 15.0
SOURCE_VERSION_ANNOTATION = f"{names.GROUP}/source-version"
_TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105  # the name of a type


class Missing(Exception):
    """Something that the pods need is not in the target and cannot be brought there."""

    reason = names.DEPENDENCY_MISSING


class NameTaken(Missing):
    """An object of another owner has the name that ours needs."""

    reason = names.NAME_TAKEN


class Copies:
    """The copies in one cluster."""

    def __init__(self, there: cluster.Cluster, hub: client.Client, hub_uid: str) -> None:
        self._there = there
        self._hub = hub
        self._hub_uid = hub_uid
        self._written: dict[
            tuple[str, str, str], str
        ] = {}  # (kind, namespace, name) -> resourceVersion that we left
        self._accounts: dict[tuple[str, str], float] = {}  # when a ServiceAccount was seen last, monotonic seconds

    async def bring(self, namespace: str, references: Mapping[Reference, bool]) -> None:
        """Make the copies equal to their sources. Raises Missing, NameTaken and errors.KubeError."""
        if self._there.api is self._hub:
            return
        for (kind, name), needed in sorted(references.items()):
            source = await self._source(kind, namespace, name)
            if source is not None:
                await self._copy(kind, namespace, name, source)
            elif needed:
                await self._require(kind, namespace, name)

    async def _source(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            source = await self._hub.get(cluster.COPIES[kind].as_type(dict), name, namespace)
        except errors.NotFound:
            return None
        if source.get("type") == _TOKEN_TYPE:
            raise Missing(f"Secret {namespace}/{name}: the token of a ServiceAccount is worth nothing elsewhere")
        return source

    async def _copy(self, kind: str, namespace: str, name: str, source: Mapping[str, Any]) -> None:
        version = source["metadata"]["resourceVersion"]
        there = self._there.copies[kind].get(name, namespace)
        key = (kind, namespace, name)
        if there is not None and self._is_current(key, there, version):
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
        self._written[key] = await self._write(kind, wish)

    def _is_current(self, key: tuple[str, str, str], there: resources.PartialObject, version: str) -> bool:
        same = there.metadata.annotations.get(SOURCE_VERSION_ANNOTATION) == version
        return same and self._written.get(key) == there.metadata.resource_version

    async def _write(self, kind: str, wish: Mapping[str, Any]) -> str:
        resource = cluster.COPIES[kind].metadata_only
        meta = wish["metadata"]
        try:
            return (await self._there.api.create(resource, wish)).metadata.resource_version
        except errors.AlreadyExists as taken:
            there = await self._there.api.get(resource, meta["name"], meta["namespace"])
            if there.metadata.labels.get(names.HUB_UID_LABEL) != self._hub_uid:
                raise NameTaken(
                    f"{kind} {meta['namespace']}/{meta['name']} is there already and is not ours"
                ) from taken
            guarded = {**wish, "metadata": {**meta, "resourceVersion": there.metadata.resource_version}}
            return (await self._there.api.replace(resource, guarded)).metadata.resource_version

    async def _require(self, kind: str, namespace: str, name: str) -> None:
        try:
            await self._there.api.get(cluster.COPIES[kind].metadata_only, name, namespace)
        except errors.NotFound as error:
            raise Missing(f"{kind} {namespace}/{name} is neither on the hub nor in {self._there.ref}") from error

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
        self._accounts[namespace, name] = now

    async def sweep(self, namespace: str, named: Collection[Reference]) -> None:
        """Delete copies in a namespace that no workload names any more."""
        for kind, held in self._there.copies.items():
            for copy in list(held.objects.values()):
                meta = copy.metadata
                if meta.namespace == namespace and (kind, meta.name) not in named:
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
        except errors.NotFound:
            return
        finally:
            self._written.pop((kind, meta.namespace, meta.name), None)
