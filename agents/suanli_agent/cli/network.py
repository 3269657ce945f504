"""`suanli-agent network`: the firewall rules of the pod network that `join` wrote; nothing where it wrote none."""

from __future__ import annotations

import argparse

from suanli_agent import cni, forwarding
from suanli_agent import settings as settings_module
from suanli_agent.cli.words import err, say


def run(_arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """0 where the rules are in force or none are needed, 1 where they could not be set."""
    try:
        subnet = cni.without_rules(settings.cni_dir)
        if subnet is not None:
            forwarding.ensure(subnet, cni.BRIDGE)
    except (OSError, ValueError, LookupError, TypeError) as error:
        err(say("error", error))
        return 1
    return 0
