"""Bytes of lists and watches into typed events. Pure: no I/O, no cache.

The hot path decodes a whole chunk in one call. Only when that fails is each object decoded by itself, so that one
object that is not what the API promises costs nothing but itself.
"""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

import msgspec

from suanli_controller.kube import client, errors, resources
from suanli_controller.kube.resources import Resource

T = TypeVar("T")


class Added(msgspec.Struct, Generic[T], frozen=True, gc=False, tag="ADDED", tag_field="type"):
    object: T


class Modified(msgspec.Struct, Generic[T], frozen=True, gc=False, tag="MODIFIED", tag_field="type"):
    object: T


class Deleted(msgspec.Struct, Generic[T], frozen=True, gc=False, tag="DELETED", tag_field="type"):
    """`object` as it was last."""

    object: T


class _Meta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Any(msgspec.Struct, frozen=True, gc=False):
    metadata: _Meta = _Meta()


class Bookmark(msgspec.Struct, frozen=True, gc=False, tag="BOOKMARK", tag_field="type"):
    """Nothing changed up to this resourceVersion."""

    object: _Any


class Failure(msgspec.Struct, frozen=True, gc=False, tag="ERROR", tag_field="type"):
    """The watch cannot go on."""

    object: errors.Status


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """An object that could not be decoded; `key` and `version` are empty where not even they can be read."""

    type: str
    key: str = ""
    version: str = ""


class _AnyEvent(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    object: _Any = _Any()


class _Head(msgspec.Struct, frozen=True):
    metadata: client.ListMeta = client.ListMeta()


# How Go's encoder begins a list of a built-in kind; of our own kinds the items come before the metadata.
_START = re.compile(rb'\{"kind":"\w+","apiVersion":"[\w./-]+","metadata":(\{[^{}]*\}),"items":')

Event = Added[T] | Modified[T] | Deleted[T] | Bookmark | Failure | Skipped


class Decoder(Generic[T]):
    """Decodes what the API server sends of one resource."""

    def __init__(self, resource: Resource[T]) -> None:
        kind: Any = resource.type
        self._kind = resource.type
        self._item = client.decoder(kind)
        self._event = client.decoder(Added[kind] | Modified[kind] | Deleted[kind] | Bookmark | Failure)

    def events(self, lines: bytes) -> list[Event[T]]:
        """Whole lines of a watch, in order."""
        try:
            events: list[Event[T]] = self._event.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._one(line) for line in lines.splitlines() if line.strip()]
        return events

    def page(self, body: bytes) -> tuple[client.Page[T], list[Skipped]]:
        """A page of a list and what had to be left out of it. Raises errors.Undecodable for what is no list."""
        try:
            return client.decode_page(self._kind, body), []
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._loose_page(body)

    def _one(self, line: bytes) -> Event[T]:
        try:
            event: Event[T] = self._event.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _skipped_event(line)
        return event

    def _loose_page(self, body: bytes) -> tuple[client.Page[T], list[Skipped]]:
        try:
            raw = client.decode_page(msgspec.Raw, body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise errors.Undecodable(f"a list: {error}") from error
        items: list[T] = []
        skipped = []
        for item in raw.items:
            try:
                items.append(self._item.decode(item))
            except (msgspec.DecodeError, UnicodeDecodeError):
                skipped.append(_skipped(item, "ADDED"))
        return client.Page(items, raw.metadata), skipped


def next_page(body: bytes) -> str:
    """Where the page after this one begins, empty on the last: found without decoding the items."""
    try:
        head: _Head = client.decoder(_Head).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.Undecodable(f"a list: {error}") from error
    return head.metadata.next


def next_page_from_start(start: bytes) -> str | None:
    """The same from a list's first bytes; None where they do not tell: its items come first, or too little came."""
    found = _START.match(start)
    if found is None:
        return None
    try:
        return str(client.decoder(client.ListMeta).decode(found[1]).next)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _skipped_event(line: bytes) -> Skipped:
    try:
        event: _AnyEvent = client.decoder(_AnyEvent).decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Skipped("")
    return _named(event.object.metadata, event.type)


def _skipped(item: msgspec.Raw, kind: str) -> Skipped:
    try:
        return _named(client.decoder(_Any).decode(item).metadata, kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Skipped(kind)


def _named(meta: _Meta, kind: str) -> Skipped:
    return Skipped(kind, resources.key(meta.namespace, meta.name), meta.resource_version)
