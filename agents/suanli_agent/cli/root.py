"""The command line: one parser, verbs imported when called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import List, Optional

from suanli_agent import settings
from suanli_agent.cli.words import err, say

# Verb -> module; the module's `run(arguments, settings) -> int` is called.
_MODULES = {
    "join": "join",
    "run": "run",
    "status": "status",
    "leave": "leave",
    "pods": "pods",
    "logs": "pods",
    "hardware": "hardware",
    "verify-autonomy": "verify",
    "image": "image",
    "network": "network",
}


def _join_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", required=True, help=say("opt-hub"))
    parser.add_argument("--token", required=True, help=say("opt-token"))
    parser.add_argument("--ca-hash", default="", help=say("opt-ca-hash"))
    parser.add_argument("--ca-file", default="", help=say("opt-ca-file"))
    parser.add_argument("--node-name", default="", help=say("opt-node-name"))
    parser.add_argument("--proxy", default=None, help=say("opt-proxy"))
    parser.add_argument("--timeout", type=float, default=600.0, help=say("opt-timeout"))
    parser.add_argument("--rejoin", action="store_true", help=say("opt-rejoin"))


def _logs_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pod", help=say("arg-pod"))
    parser.add_argument("container", nargs="?", default="", help=say("arg-container"))
    parser.add_argument("-f", "--follow", action="store_true", help=say("opt-follow"))
    parser.add_argument("--tail", type=int, default=None, help=say("opt-tail"))
    parser.add_argument("-p", "--previous", action="store_true", help=say("opt-previous"))


def _leave_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help=say("opt-yes"))
    parser.add_argument("--local", action="store_true", help=say("opt-local"))
    parser.add_argument("--timeout", type=float, default=600.0, help=say("opt-timeout"))


def _image_options(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="image_verb", required=True, metavar="load")
    load = verbs.add_parser("load", help=say("image-load"), description=say("image-load"))
    load.add_argument("file", help=say("arg-file"))


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=say("opt-json"))


def _hardware_options(parser: argparse.ArgumentParser) -> None:
    _json_option(parser)
    parser.add_argument("--host-root", default="", help=say("opt-host-root"))


_OPTIONS = {
    "join": _join_options,
    "logs": _logs_options,
    "leave": _leave_options,
    "image": _image_options,
    "status": _json_option,
    "pods": _json_option,
    "verify-autonomy": _json_option,
    "hardware": _hardware_options,
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="suanli-agent", description=say("about"))
    top.add_argument("--lang", choices=("en", "zh"), help=say("opt-lang"))
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND", title=say("verbs"))
    for verb in _MODULES:
        options = _OPTIONS.get(verb, lambda _parser: None)
        options(verbs.add_parser(verb, help=say(verb), description=say(verb)))
    return top


def _chosen_language(arguments: List[str]) -> None:
    """--lang must count for the help texts too, so it is looked for before parsing."""
    for index, word in enumerate(arguments):
        if word == "--lang" and index + 1 < len(arguments):
            os.environ["SUANLI_LANG"] = arguments[index + 1]
        elif word.startswith("--lang="):
            os.environ["SUANLI_LANG"] = word.partition("=")[2]


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one verb; returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    _chosen_language(words)
    parsed = parser().parse_args(words)
    try:
        read = settings.read()
    except settings.SettingsError as error:
        err(say("error", error))
        return 2
    verb = importlib.import_module(f"suanli_agent.cli.{_MODULES[parsed.verb]}")
    try:
        return int(verb.run(parsed, read))
    except BrokenPipeError:  # `suanli-agent hardware | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        err(say("stopped"))
        return 130
