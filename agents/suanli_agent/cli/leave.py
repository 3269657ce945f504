"""`suanli-agent leave`: ask the hub to drain this box and delete its Node; wait until it has, and take down the pod
network that `join` wrote.
"""

from __future__ import annotations

import argparse
import sys
import time

from suanli_agent import cni
from suanli_agent import settings as settings_module
from suanli_agent.cli import local
from suanli_agent.cli.words import err, out, say
from suanli_agent.link import pki

POLL_SECONDS = 2.0


def _agreed(node: str) -> bool:
    sys.stderr.write(say("leave-ask", node))
    sys.stderr.flush()
    return sys.stdin.readline().strip() == node


def _forget(store: pki.Store, node: str) -> int:
    out(say("leave-local", len(store.forget()), node))
    return 0


def _leave(settings: settings_module.Settings, store: pki.Store, node: str, timeout: float) -> int:
    local.ask(settings, "/leave", "POST")
    deadline, said = time.monotonic() + timeout, ""
    while time.monotonic() < deadline:
        if store.hub() is None:
            out(say("leave-done", node))
            cni.remove(settings.cni_dir)
            return 0
        try:
            text = say("leave-wait", local.ask(settings, "/status")["pods"])
        except local.LocalError:
            text = said  # the daemon ends as soon as the box has left
        if text != said:
            err(text)
        said = text
        time.sleep(POLL_SECONDS)
    err(say("error", say("leave-late", f"{timeout:.0f}")))
    return 1


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """Leave; 1 where the hub did not let the box go in time."""
    store = pki.Store(settings.state_path)
    try:
        hub = store.hub()
        if hub is None:
            err(say("not-joined"))
            return 3
        if not arguments.yes and not _agreed(hub.node):
            err(say("leave-no"))
            return 1
        if arguments.local:
            return _forget(store, hub.node)
        return _leave(settings, store, hub.node, arguments.timeout)
    except (local.LocalError, OSError, ValueError) as error:
        err(say("error", error))
        return 1
