"""`suanli-agent pods` and `suanli-agent logs`."""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from typing import Any, Dict, List
from urllib import parse

from suanli_agent import settings as settings_module
from suanli_agent.cli import local
from suanli_agent.cli.words import err, out, say

_HEADS = ("namespace", "name", "phase", "restarts", "ip", "containers")


def _row(view: Dict[str, Any]) -> List[str]:
    containers = " ".join(f"{name}={state}" for name, state in view["containers"].items())
    phase = view["phase"] + (f" ({view['reason']})" if view["reason"] else "")
    return [view["namespace"], view["name"], phase, str(view["restarts"]), view["ip"] or "-", containers or "-"]


def table(rows: List[List[str]]) -> List[str]:
    """Rows as lines with aligned columns."""
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths))  # noqa: B905
        for row in rows
    )
    return [line.rstrip() for line in lines]


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two (UAX #11)."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _list(arguments: argparse.Namespace, settings: settings_module.Settings) -> None:
    views = local.ask(settings, "/pods")
    if arguments.json:
        out(json.dumps(views, indent=1))
    elif not views:
        out(say("no-pods"))
    else:
        rows = sorted(_row(view) for view in views)
        for line in table([[say(f"p-{head}") for head in _HEADS], *rows]):
            out(line)


def _first_container(settings: settings_module.Settings, namespace: str, name: str) -> str:
    for view in local.ask(settings, "/pods"):
        if (view["namespace"], view["name"]) == (namespace, name) and view["containers"]:
            return str(next(iter(view["containers"])))
    raise local.LocalError(say("no-such-pod", f"{namespace}/{name}"))


def _logs(arguments: argparse.Namespace, settings: settings_module.Settings) -> None:
    namespace, _, name = arguments.pod.rpartition("/")
    namespace = namespace or "default"
    container = arguments.container or _first_container(settings, namespace, name)
    options = {
        "follow": "true" if arguments.follow else "",
        "previous": "true" if arguments.previous else "",
        "tailLines": "" if arguments.tail is None else str(arguments.tail),
    }
    query = parse.urlencode({key: value for key, value in options.items() if value})
    for chunk in local.stream(settings, f"/containerLogs/{namespace}/{name}/{container}?{query}"):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """List or print; 1 where the daemon cannot."""
    try:
        (_logs if arguments.verb == "logs" else _list)(arguments, settings)
    except local.LocalError as error:
        err(say("error", error))
        return 1
    return 0
