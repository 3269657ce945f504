"""Marks on a field's type that only the generated schema reads: list keys, CEL rules, what must be given."""

from typing import Any, Final

from msgspec import Meta


def list_map(*keys: str) -> Meta:
    """A list whose entries are told apart by these fields; server-side apply merges it entry by entry."""
    return Meta(extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


def rule(expression: str, message: str, field_path: str = "") -> dict[str, str]:
    """A CEL rule; `message` names the mend, `field_path` the field at fault below the place of the rule."""
    path = {"fieldPath": field_path} if field_path else {}
    return {"rule": expression, "message": message, **path}


def rules(*entries: dict[str, str]) -> dict[str, Any]:
    """What goes into `Meta(extra_json_schema=...)` for CEL rules on one field."""
    return {"x-kubernetes-validations": list(entries)}


UNIQUE: Final = Meta(extra_json_schema={"x-kubernetes-list-type": "set"})
REQUIRED_MARK: Final = "x-suanli-required"
REQUIRED: Final = Meta(extra_json_schema={REQUIRED_MARK: True})
"""Must be given to the API server; a struct still reads files without it."""
