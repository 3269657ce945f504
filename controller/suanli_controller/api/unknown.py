"""Fields that a kind does not have: a mistyped one is skipped when an object is decoded, and would mean nothing.

The API server tells whoever applies an object; this is for objects that no API server has seen.
"""

import functools
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect


def unknown_fields(document: Any, kind: type[msgspec.Struct]) -> Iterator[str]:
    """The paths below `spec` that `kind` does not know; `document` as decoded without a type."""
    if isinstance(document, dict):
        yield from _unknown(document.get("spec"), _spec_of(kind), "spec")


@functools.cache
def _spec_of(kind: type[msgspec.Struct]) -> inspect.Type:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)  # noqa: S101 - for the type checker
    return next(each.type for each in found.fields if each.encode_name == "spec")


def _unknown(value: Any, of: inspect.Type, path: str) -> Iterator[str]:
    match of:
        case inspect.Metadata():
            yield from _unknown(value, of.type, path)
        case inspect.UnionType():
            for each in of.types:
                yield from _unknown(value, each, path)
        case inspect.StructType() if isinstance(value, dict):
            fields = {each.encode_name: each.type for each in of.fields}
            for name, each in value.items():
                if name in fields:
                    yield from _unknown(each, fields[name], f"{path}.{name}")
                else:
                    yield f"{path}.{name}"
        case inspect.ListType() if isinstance(value, list):
            for place, each in enumerate(value):
                yield from _unknown(each, of.item_type, f"{path}[{place}]")
        case inspect.DictType() if isinstance(value, dict):
            for name, each in value.items():
                yield from _unknown(each, of.value_type, f"{path}[{name}]")
