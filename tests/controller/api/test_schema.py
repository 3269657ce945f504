"""The CustomResourceDefinitions: whole, bounded, described, and the same as the committed files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from suanli_controller.api import schema
from suanli_controller.api.kinds import KINDS, Kind

CRDS = Path(__file__).parents[3] / "crds"

# Objects whose inside is Kubernetes' own and is checked elsewhere.
OPEN = "x-kubernetes-preserve-unknown-fields"


def walk(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from walk(node[key], f"{path}[]")


def own_fields(kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
    root = schema.root_schema(kind)["properties"]
    yield from walk(root["spec"], "spec")
    yield from walk(root["status"], "status")


each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@each_kind
def test_committed_file_is_what_the_structs_say(kind: Kind) -> None:
    """`make crds` was run after the last change of a struct."""
    assert (CRDS / f"{kind.plural}.yaml").read_text(encoding="utf-8") == schema.render(kind)


def test_no_file_without_a_kind() -> None:
    assert {path.stem for path in CRDS.glob("*.yaml")} == {kind.plural for kind in KINDS}


@each_kind
def test_printed_manifest_reads_back(kind: Kind) -> None:
    assert yaml.safe_load(schema.render(kind)) == schema.definition(kind)


@each_kind
def test_every_field_is_described(kind: Kind) -> None:
    bare = [path for path, node in own_fields(kind) if not path.endswith("[]") and not node.get("description")]
    assert bare == []


@each_kind
def test_every_field_has_a_type(kind: Kind) -> None:
    untyped = [
        path for path, node in own_fields(kind) if "type" not in node and "x-kubernetes-int-or-string" not in node
    ]
    assert untyped == []


@each_kind
def test_everything_is_bounded(kind: Kind) -> None:
    """Strings, lists and maps have a largest size, so that the API server can price the CEL rules."""
    unbounded = [
        path
        for path, node in own_fields(kind)
        if (node.get("type") == "string" and not {"maxLength", "enum", "format"} & node.keys())
        or (node.get("type") == "array" and "maxItems" not in node)
        or ("additionalProperties" in node and "maxProperties" not in node)
        or (node.get("type") == "integer" and not {"minimum", "enum"} & node.keys())
    ]
    assert unbounded == []


@each_kind
def test_no_floats(kind: Kind) -> None:
    assert [path for path, node in own_fields(kind) if node.get("type") == "number"] == []


@each_kind
def test_nothing_that_a_structural_schema_forbids(kind: Kind) -> None:
    forbidden = {"$ref", "title", "propertyNames", "additionalItems", "nullable", "const"}
    assert [path for path, node in own_fields(kind) if forbidden & node.keys()] == []


@each_kind
def test_list_map_keys_are_required_or_defaulted(kind: Kind) -> None:
    for path, node in own_fields(kind):
        for key in node.get("x-kubernetes-list-map-keys", ()):
            items = node["items"]
            assert key in items.get("required", []) or "default" in items["properties"][key], path


@each_kind
def test_status_has_generation_and_conditions(kind: Kind) -> None:
    status = schema.root_schema(kind)["properties"]["status"]["properties"]
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    assert status["observedGeneration"]["type"] == "integer"


def test_a_required_field_has_no_default() -> None:
    for kind in KINDS:
        for path, node in own_fields(kind):
            for name in node.get("required", []):
                assert "default" not in node["properties"][name], f"{path}.{name}"


@pytest.mark.parametrize(
    ("name", "field", "required"),
    [
        ("Cloud", ("spec",), ["access", "tier"]),
        ("Cloud", ("spec", "access", "kubeconfigSecretRef"), ["name"]),
        ("Cloud", ("spec", "nodeProfiles", "[]"), ["selector"]),
        ("ComputeWorkload", ("spec",), ["template"]),
        ("ComputeWorkload", ("spec", "template"), ["spec"]),
        ("ComputeWorkload", ("spec", "template", "spec"), ["containers"]),
    ],
)
def test_what_must_be_given(name: str, field: tuple[str, ...], required: list[str]) -> None:
    node = schema.root_schema(next(kind for kind in KINDS if kind.name == name))
    assert node["required"] == ["spec"]
    for part in field:
        node = node["items"] if part == "[]" else node["properties"][part]
    assert node["required"] == required


def test_scale_points_into_the_schema() -> None:
    """kubectl scale works only when the paths exist and the count has a default."""
    root = schema.root_schema(next(kind for kind in KINDS if kind.name == "ComputeWorkload"))["properties"]
    assert root["spec"]["properties"]["replicas"]["default"] == 1
    assert root["status"]["properties"]["replicas"]["type"] == "integer"
    assert root["status"]["properties"]["selector"]["type"] == "string"
