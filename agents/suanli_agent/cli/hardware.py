"""`suanli-agent hardware`."""

from __future__ import annotations

import argparse
import json
from typing import Any, Dict, Iterator, Tuple

from suanli_agent import settings as settings_module
from suanli_agent.cli.words import out
from suanli_agent.hardware import report


def _lines(found: Dict[str, Any], indent: int = 0) -> Iterator[Tuple[int, str]]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield indent, f"{key}:"
            yield from _lines(value, indent + 2)
        elif isinstance(value, (list, tuple)):
            yield indent, f"{key}: {' '.join(str(each) for each in value) or '-'}"
        else:
            yield indent, f"{key}: {value if value not in ('', None) else '-'}"


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """Read and print; 1 where a reader failed, which is named."""
    found = report.collect(arguments.host_root or settings.host_root)
    if arguments.json:
        out(json.dumps(report.as_json(found), indent=1))
    else:
        for indent, line in _lines(report.as_json(found)):
            out(" " * indent + line)
    return 1 if found.errors else 0
