"""The box's firewall rules for the pods' bridge: set once at boot, not by CNI plugins for each pod.

Three rules for all pods do what `ipMasq` and the `firewall` plugin do with chains of their own for every one; those are
half of what a pod's network costs (50 of 80 ms of a core on the machine of docs/figures.md). It takes CAP_NET_ADMIN,
which the daemon does not have: the unit calls `suanli-agent network` before it.
"""

from __future__ import annotations

import ipaddress
import subprocess
from typing import Tuple

SECONDS = 30.0
Rule = Tuple[str, ...]


def rules(subnet: ipaddress.IPv4Network, bridge: str) -> Tuple[Tuple[str, str, Rule], ...]:
    """(table, chain, rule): pods go out under the box's address; answers, and what a hostPort takes in, reach them.

    What else comes for them from outside is left to the box's own rules, as with the `firewall` plugin.
    """
    known = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT")
    return (
        ("nat", "POSTROUTING", ("-s", str(subnet), "!", "-o", bridge, "-j", "MASQUERADE")),
        ("filter", "FORWARD", ("-i", bridge, "-j", "ACCEPT")),
        ("filter", "FORWARD", ("-o", bridge, *known, "-j", "ACCEPT")),
    )


def ensure(subnet: ipaddress.IPv4Network, bridge: str) -> None:
    """Set the rules that are not there yet, before all others. Raises OSError with iptables' own words."""
    for table, chain, rule in rules(subnet, bridge):
        if _iptables(table, "--check", chain, rule).returncode:
            done = _iptables(table, "--insert", chain, rule)
            if done.returncode:
                raise OSError(f"iptables: {done.stderr.strip()}")


def remove(subnet: ipaddress.IPv4Network, bridge: str) -> None:
    """Take the rules away; none there is no error. Raises OSError where there is no iptables."""
    for table, chain, rule in rules(subnet, bridge):
        _iptables(table, "--delete", chain, rule)


def delete_bridge(bridge: str) -> None:
    """Delete the bridge that the plugins made; none there is no error. Raises OSError where there is no `ip`."""
    _run("ip", "link", "delete", bridge, "type", "bridge")


def _iptables(table: str, verb: str, chain: str, rule: Rule) -> "subprocess.CompletedProcess[str]":
    return _run("iptables", "--wait", "--table", table, verb, chain, *rule)


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]}: no answer within {SECONDS:.0f} s") from error
