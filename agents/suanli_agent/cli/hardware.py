"""`suanli-agent hardware`."""

from __future__ import annotations

import argparse
import json
from typing import Any, Dict, Iterator, Tuple

from suanli_agent import settings as settings_module
from suanli_agent.cli.words import TEXTS, out, say
from suanli_agent.hardware import report


def _heading(key: str) -> str:
    """A field's name in words; names of labels, resources and readers are what they are."""
    return say(f"h-{key}") if f"h-{key}" in TEXTS else key


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return say("yes" if value else "no")
    if isinstance(value, dict):
        return ", ".join(f"{_heading(key)} {_text(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return ("; " if any(isinstance(each, dict) for each in value) else " ").join(map(_text, value)) or "-"
    return "-" if value in ("", None) else str(value)


def _lines(found: Dict[str, Any], indent: int = 0) -> Iterator[Tuple[int, str]]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield indent, f"{_heading(key)}:"
            yield from _lines(value, indent + 2)
        else:
            yield indent, f"{_heading(key)}: {_text(value)}"


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """Read and print; 1 where a reader failed, which is named."""
    found = report.collect(arguments.host_root or settings.host_root)
    if arguments.json:
        out(json.dumps(report.as_json(found), indent=1))
    else:
        for indent, line in _lines(report.as_json(found)):
            out(" " * indent + line)
    return 1 if found.errors else 0
