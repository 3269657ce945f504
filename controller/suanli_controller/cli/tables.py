"""How verbs print: tables for people, JSON and YAML of the same struct for programs."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
import yaml


def columns(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Rows of equal length as lines, each column as wide as its widest cell."""
    lines = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def as_json(told: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def as_yaml(told: Any) -> str:
    return yaml.safe_dump(msgspec.to_builtins(told), sort_keys=False, allow_unicode=True, width=110)


PRINTERS: Final[dict[str, Callable[[Any], str]]] = {"json": as_json, "yaml": as_yaml}
