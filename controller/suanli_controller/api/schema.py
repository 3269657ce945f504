"""From our structs to CustomResourceDefinitions.

msgspec writes JSON Schema; this module turns that into what Kubernetes calls a structural schema: no references,
no unions with null, a type on everything, defaults only where they tell the user something.
"""

from typing import Any, Final

import msgspec
import yaml

from suanli_controller.api import names
from suanli_controller.api.kinds import KINDS, Kind
from suanli_controller.api.markers import REQUIRED_MARK

Schema = dict[str, Any]

# Kubernetes keeps these for itself; its own schema of metadata is stricter than any that we could write.
_OWN_FIELDS: Final = ("apiVersion", "kind", "metadata")
# `propertyNames` is not allowed in a structural schema; `title` would repeat the struct's name.
_DROPPED: Final = ("title", "propertyNames")


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind, as the plain data of its manifest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short_names),
                "categories": [names.CATEGORY],
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}, **({"scale": kind.scale} if kind.scale else {})},
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "schema": {"openAPIV3Schema": root_schema(kind)},
    }


def root_schema(kind: Kind) -> Schema:
    """The structural schema of a whole object."""
    schema = structural(kind.struct)
    schema["properties"] = {
        "apiVersion": {"type": "string", "description": "Version of the API, suanli.io/v1alpha1."},
        "kind": {"type": "string", "description": f"Kind of the object, {kind.name}."},
        "metadata": {"type": "object"},
        **{name: field for name, field in schema["properties"].items() if name not in _OWN_FIELDS},
    }
    schema["required"] = [name for name in schema.get("required", []) if name not in _OWN_FIELDS]
    if kind.root_rules:
        schema["x-kubernetes-validations"] = list(kind.root_rules)
    return schema


def structural(struct: type[msgspec.Struct]) -> Schema:
    """The structural schema of a struct and all that it holds."""
    document = msgspec.json.schema(struct)
    return _flat(document, document.pop("$defs"))


def _flat(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """`node` without references and without null, all the way down."""
    node = _resolved(node, definitions)
    if "default" in node and not node["default"]:
        del node["default"]  # absent says the same, and an object stays as the user wrote it
    if "properties" in node:
        _flatten_properties(node, definitions)
    if isinstance(node.get("items"), dict):
        node["items"] = _flat(node["items"], definitions)
        _default_list_keys(node)
    if isinstance(node.get("additionalProperties"), dict):
        node["additionalProperties"] = _flat(node["additionalProperties"], definitions)
    return _typed(node)


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """`node` merged over what it refers to; what the field says of itself wins over what its type says."""
    node = {key: value for key, value in node.items() if key not in _DROPPED}
    while target := _referred(node, definitions):
        own = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
        node = {**{key: value for key, value in target.items() if key not in _DROPPED}, **own}
    return node


def _referred(node: Schema, definitions: dict[str, Schema]) -> Schema | None:
    """What a reference or an optional points to; None where `node` stands for itself."""
    if "$ref" in node:
        return definitions[node["$ref"].rsplit("/", 1)[1]]
    options = [option for option in node.get("anyOf", []) if option != {"type": "null"}]
    return options[0] if len(options) == 1 else None


def _flatten_properties(node: Schema, definitions: dict[str, Schema]) -> None:
    required = list(node.pop("required", ()))
    properties = {}
    for name, field in node["properties"].items():
        flat = _flat(field, definitions)
        if flat.pop(REQUIRED_MARK, False):
            flat.pop("default", None)
            required.append(name)
        properties[name] = flat
    node["properties"] = properties
    if not properties:
        del node["properties"]  # the API server would drop it, and the stored kind differ from ours for ever
    if required:
        node["required"] = required


def _default_list_keys(node: Schema) -> None:
    """The API server wants each key of a list-map to be required or to have a default."""
    for key in node.get("x-kubernetes-list-map-keys", ()):
        if key not in node["items"].get("required", ()):
            node["items"]["properties"][key].setdefault("default", "")


def _typed(node: Schema) -> Schema:
    if "enum" in node and "type" not in node:
        node["type"] = "integer" if isinstance(node["enum"][0], int) else "string"
    if node.get("type") == "integer":
        node["format"] = "int64"
    return node


def render(kind: Kind) -> str:
    """The manifest of a kind as YAML, the same text on every run."""
    head = f"# Made by `make crds` from controller/suanli_controller/api: {kind.name}. Change it there.\n"
    return head + yaml.safe_dump(definition(kind), sort_keys=False, allow_unicode=True, width=110)


def render_all() -> str:
    """The manifests of all kinds, one document each."""
    return "---\n".join(render(kind) for kind in KINDS)
