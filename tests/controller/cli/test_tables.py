"""How verbs print."""

import json

import msgspec
import yaml

from suanli_controller.cli import tables


class Told(msgspec.Struct):
    names: tuple[str, ...]
    count: int | None = None


def test_json_and_yaml_say_the_same() -> None:
    told = [Told(("甲", "b")), Told((), 2)]
    assert yaml.safe_load(tables.as_yaml(told)) == json.loads(tables.as_json(told))


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert list(tables.columns([("NAME", "N"), ("a", "1"), ("longer", "")])) == [
        "NAME    N",
        "a       1",
        "longer",
    ]
