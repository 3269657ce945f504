"""Typed requests to one API server, and nothing above them: no retry, no cache, no decision.

Every failure leaves as one of `errors`. An answer is decoded straight from its bytes into the resource's type.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from suanli_controller.api.names import FIELD_MANAGER
from suanli_controller.kube import errors, resources, transport
from suanli_controller.kube.resources import Body, Resource

T = TypeVar("T")

JSON = transport.JSON
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class ListMeta(msgspec.Struct, frozen=True, rename={"resource_version": "resourceVersion", "next": "continue"}):
    """Of a list: the version that it shows, and where the next page begins (empty on the last)."""

    resource_version: str = ""
    next: str = ""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list."""

    items: list[T] = []
    metadata: ListMeta = ListMeta()


class _SentPage(msgspec.Struct, Generic[T], frozen=True):
    items: list[T] | None = None  # null where an empty list was asked for as metadata alone
    metadata: ListMeta = ListMeta()


class Version(msgspec.Struct, frozen=True, rename="camel"):
    """What `/version` says; `git_version` is like v1.36.3."""

    major: str = ""
    minor: str = ""
    git_version: str = ""

    @property
    def number(self) -> tuple[int, int]:
        """(1, 36); vendors write minor as 27+, the plus is dropped. (0, 0) where it is no number."""
        digits = [part.rstrip("+") for part in (self.major, self.minor)]
        return (int(digits[0]), int(digits[1])) if all(part.isdigit() for part in digits) else (0, 0)


def decode_page(kind: type[T], body: bytes) -> Page[T]:
    """One page of a list of `kind`. Raises msgspec.DecodeError or UnicodeDecodeError."""
    sent: _SentPage[T] = decoder(_SentPage[kind]).decode(body)  # type: ignore[valid-type]
    return Page(sent.items or [], sent.metadata)


@functools.cache
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a type; making one costs far more than using it."""
    return msgspec.json.Decoder(kind)


class Client(transport.Transport):
    """Typed access to one API server. Use as an async context manager, or call `close`."""

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- objects

    async def get(self, resource: Resource[T], name: str, namespace: str = "") -> T:
        """Read one object. Raises errors.NotFound."""
        return self._decoded(
            resource, await self.request("GET", resource.path(namespace, name), accept=accept(resource))
        )

    async def list(  # the API's own word
        self, resource: Resource[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Page[T]:
        """Read all objects, page by page. Raises errors.Gone when paging took so long that the list is history."""
        items: list[T] = []
        page = Page[T](items)
        async for page in self.pages(resource, namespace, labels=labels, fields=fields):
            items.extend(page.items)
        return Page(items, page.metadata)

    async def pages(
        self, resource: Resource[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page[T]]:
        """Yield a list page by page. Raises errors.Undecodable where an object is not of the resource's type."""
        query = selectors(labels, fields) | {"limit": str(self.settings.page_size)}
        while True:
            body = await self.list_bytes(resource, namespace, query)
            try:
                page = decode_page(resource.type, body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise errors.Undecodable(f"a list of {resource}: {error}") from error
            yield page
            if not page.metadata.next:
                return
            query["continue"] = page.metadata.next

    async def list_bytes(
        self,
        resource: Resource[Any],
        namespace: str,
        query: Mapping[str, str],
        *,
        begun: transport.Begun | None = None,
    ) -> bytes:
        """One page of a list as it was sent; `begun` hears its first bytes as soon as they are here."""
        accept = _PARTIAL_LIST if resource.type is resources.PartialObject else JSON
        return await self.list_body(resource.path(namespace), query, accept, begun)

    async def create(self, resource: Resource[T], obj: Body, *, dry_run: bool = False) -> T:
        """Make an object. Raises errors.AlreadyExists."""
        path = resource.path(_meta(obj, "namespace"))
        return await self._write("POST", resource, path, obj, query=_write_query(dry_run))

    async def replace(
        self, resource: Resource[T], obj: Body, *, subresource: str = "", dry_run: bool = False
    ) -> T:
        """Write a whole object. Raises errors.Conflict where its resourceVersion is not the newest."""
        path = resource.path(_meta(obj, "namespace"), _meta(obj, "name"), subresource)
        return await self._write("PUT", resource, path, obj, query=_write_query(dry_run))

    async def patch(
        self,
        resource: Resource[T],
        name: str,
        namespace: str,
        change: Any,
        *,
        kind: str = MERGE_PATCH,
        subresource: str = "",
    ) -> T:
        """Change parts of an object; a `metadata.resourceVersion` in a merge patch guards it: errors.Conflict."""
        path = resource.path(namespace, name, subresource)
        body = msgspec.json.encode(change)
        query = _write_query(dry_run=False)
        return self._decoded(
            resource,
            await self.request("PATCH", path, query=query, body=body, content_type=kind, accept=accept(resource)),
        )

    async def apply(
        self,
        resource: Resource[T],
        obj: Body,
        *,
        force: bool = True,
        dry_run: bool = False,
        subresource: str = "",
        manager: str = FIELD_MANAGER,
    ) -> T:
        """Server-side apply: the fields in `obj` become ours, those that we applied before and left out now go.

        Raises errors.Conflict without `force` where another manager owns one of them. With `dry_run` all admission
        and validation runs and nothing is stored. A `metadata.uid` guards against a namesake: errors.Invalid where
        another object has the name, errors.Conflict where none has.
        """
        path = resource.path(_meta(obj, "namespace"), _meta(obj, "name"), subresource)
        query = _write_query(dry_run, manager) | {"force": "true" if force else "false"}
        return await self._write("APPLY", resource, path, obj, query=query, content_type=APPLY_PATCH)

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> None:
        """Delete one object. Raises errors.NotFound; errors.Conflict where uid or resourceVersion is another."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        options: resources.Json = {"propagationPolicy": propagation}
        if preconditions := {field: value for field, value in wanted.items() if value}:
            options["preconditions"] = preconditions
        await self.request("DELETE", resource.path(namespace, name), body=msgspec.json.encode(options))

    # --- the server itself

    async def version(self, *, timeout: float = 0.0) -> Version:
        """What `/version` says, which needs no right; `timeout` in seconds, 0 for the settings' own."""
        version: Version = self._decode(Version, await self.request("GET", "/version", timeout=timeout))
        return version

    async def _write(
        self,
        verb: str,
        resource: Resource[T],
        path: str,
        obj: Body,
        *,
        query: Mapping[str, str],
        content_type: str = JSON,
    ) -> T:
        body = encode(resource, obj)
        answer = await self.request(
            verb, path, query=query, body=body, content_type=content_type, accept=accept(resource)
        )
        return self._decoded(resource, answer)

    def _decoded(self, resource: Resource[T], answer: bytes) -> T:
        decoded: T = self._decode(resource.type, answer)
        return decoded

    @staticmethod
    def _decode(kind: Any, answer: bytes) -> Any:
        try:
            return decoder(kind).decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise errors.Undecodable(f"{getattr(kind, '__name__', kind)}: {error}") from error


def encode(resource: Resource[Any], obj: Body) -> bytes:
    """The object as JSON, with the `apiVersion` and `kind` of its resource, which every write must carry."""
    fields = obj if isinstance(obj, Mapping) else msgspec.to_builtins(obj)
    return msgspec.json.encode({**fields, "apiVersion": resource.api_version, "kind": resource.kind})


def selectors(labels: str, fields: str) -> dict[str, str]:
    """The query of a label and a field selector, each in the API's own notation."""
    wanted = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in wanted.items() if value}


def accept(resource: Resource[Any]) -> str:
    return _PARTIAL if resource.type is resources.PartialObject else JSON


def _write_query(dry_run: bool, manager: str = FIELD_MANAGER) -> dict[str, str]:
    return {"fieldManager": manager, "dryRun": "All"} if dry_run else {"fieldManager": manager}


def _meta(obj: Body, name: str) -> str:
    if isinstance(obj, Mapping):
        return str(obj["metadata"].get(name, ""))
    return str(getattr(obj.metadata, name))  # type: ignore[attr-defined]  # every kind has metadata
