"""`suanli-agent join`."""

from __future__ import annotations

import argparse
import asyncio
import socket
from typing import Optional

from suanli_agent import cni
from suanli_agent import settings as settings_module
from suanli_agent.cli.words import err, out, say, tell
from suanli_agent.hardware import root, system
from suanli_agent.link import dial, errors, identity, join, pki


def _order(arguments: argparse.Namespace, settings: settings_module.Settings) -> join.Order:
    proxy = arguments.proxy
    if proxy is None:
        proxy = dial.proxy_from_environment(join.check_url("--hub", arguments.hub))
    return join.Order(
        hub=arguments.hub.rstrip("/"),
        token=arguments.token,
        node=(arguments.node_name or socket.gethostname()).lower(),
        ca_hash=arguments.ca_hash,
        ca_file=arguments.ca_file,
        proxy=proxy,
        machine_id=system.machine_id(root.Root(settings.host_root)),
        seconds=settings.certificate_seconds,
        timeout=arguments.timeout,
    )


class _Progress:
    """Says each thing once: waiting is told by its first line."""

    def __init__(self) -> None:
        self._last: Optional[errors.Sentence] = None

    def __call__(self, sentence: errors.Sentence) -> None:
        if sentence != self._last:
            err(tell(sentence))
        self._last = sentence


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """Join; 1 where something must be mended first."""
    store = pki.Store(settings.state_path)
    try:
        known = store.hub()
        if known is not None and not arguments.rejoin:
            err(say("error", say("already", known.node, known.server)))
            return 1
        node = asyncio.run(join.join(_order(arguments, settings), store, _Progress()))
    except (errors.JoinError, pki.KeysError, OSError, ValueError) as error:
        err(say("error", tell(getattr(error, "sentence", error))))
        return 1
    identity.remember_uid(store, node["metadata"]["uid"])
    _network(settings, node["metadata"]["name"])
    site = node["metadata"].get("labels", {}).get(identity.SITE_LABEL, "?")
    out(say("joined", node["metadata"]["name"], site))
    return 0


def _network(settings: settings_module.Settings, node: str) -> None:
    """A pod network where there is none; joining has succeeded whatever becomes of it."""
    try:
        written = cni.ensure(settings.cni_dir, settings.pod_cidr, root.Root(settings.host_root), node)
    except (OSError, ValueError) as error:
        err(say("no-network", error))
        return
    if written:
        err(say("network-written", written))
