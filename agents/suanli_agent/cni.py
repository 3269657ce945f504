"""A pod network for a box that has none: one bridge with addresses of its own, behind the box's.

Written once, when joining, and only into an empty directory: a network that someone set up is never touched.
Its firewall rules are forwarding.py's where they can be set at boot, else the plugins set some for each pod.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import pathlib
from typing import Any, Dict, Iterator, List, Optional

from suanli_agent import forwarding
from suanli_agent.hardware import root as root_module

FILE = "10-suanli.conflist"
BRIDGE = "suanli0"
_NETWORKS = ("*.conf", "*.conflist", "*.json")  # what libcni reads
_OURS = ipaddress.IPv4Network("10.128.0.0/9")


def ensure(directory: str, cidr: str, root: root_module.Root, node: str) -> str:
    """Write the bridge where `directory` holds no network; returns the file, or empty where nothing was to do.

    Raises OSError; ValueError for a `cidr` that is no IPv4 subnet.
    """
    if not directory:
        return ""
    folder = pathlib.Path(directory)
    if any(found for pattern in _NETWORKS for found in folder.glob(pattern)):
        return ""
    subnet = ipaddress.IPv4Network(cidr) if cidr else free_subnet(root.read("/proc/1/net/route"), node)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    made = network(subnet, per_pod=not _rules_are_set(subnet, root))
    file.write_text(json.dumps(made, indent=1) + "\n")
    return str(file)


def _rules_are_set(subnet: ipaddress.IPv4Network, root: root_module.Root) -> bool:
    """Whether one set of rules does for all pods, and is in force now.

    Not where firewalld may reject what it was not told of: the `firewall` plugin tells it of each pod. Nor in a
    container, where nothing of ours runs at boot before the pods do.
    """
    if str(root.path) != "/" or any(root.exists(f"/usr/{folder}/firewalld") for folder in ("sbin", "bin")):
        return False
    try:
        forwarding.ensure(subnet, BRIDGE)
    except OSError:
        return False  # no iptables, no rights to it: the plugins say so where they cannot do it either
    return True


def network(subnet: ipaddress.IPv4Network, *, per_pod: bool, bridge: str = BRIDGE) -> Dict[str, Any]:
    """The CNI configuration: bridge and host ports; per_pod: with firewall rules for each pod."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": str(subnet)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    own = {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": per_pod, "hairpinMode": True}
    plugins: List[Dict[str, Any]] = [
        {**own, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    firewall = [{"type": "firewall"}] if per_pod else []
    return {"cniVersion": "0.4.0", "name": "suanli", "plugins": [*plugins, *firewall]}


def without_rules(directory: str) -> Optional[ipaddress.IPv4Network]:
    """The subnet of a network of ours whose pods get no rules of their own; None where there is no such network.

    Raises OSError, ValueError for a file that cannot be read.
    """
    file = pathlib.Path(directory, FILE)
    if not directory or not file.exists():
        return None
    first = json.loads(file.read_text())["plugins"][0]
    if first.get("bridge") != BRIDGE or first.get("ipMasq"):
        return None
    return ipaddress.IPv4Network(first["ipam"]["ranges"][0][0]["subnet"])


def remove(directory: str) -> None:
    """Take down the network that `ensure` wrote, for a box that runs no pods any more; nothing where there is none.

    Raises OSError, ValueError for a file that cannot be read.
    """
    file = pathlib.Path(directory, FILE)
    if not directory or not file.exists():
        return
    subnet = without_rules(directory)
    file.unlink()
    if subnet is not None:
        forwarding.remove(subnet, BRIDGE)
    forwarding.delete_bridge(BRIDGE)


def _routes(text: str) -> Iterator[ipaddress.IPv4Network]:
    """Destinations of /proc/net/route, the default route left out; addresses there are little-endian hex."""
    for line in text.splitlines()[1:]:
        words = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(words[at]), "little") for at in (1, 7))
        if mask:
            ones = bin(mask).count("1")  # noqa: FURB161 - int.bit_count came with Python 3.10
            yield ipaddress.IPv4Network((destination & mask, ones))


def free_subnet(routes: str, node: str) -> ipaddress.IPv4Network:
    """A /24 that overlaps none of `routes`, begun at a place that the node's name gives: boxes seldom share one."""
    taken = list(_routes(routes))
    choices = 1 << (24 - _OURS.prefixlen)
    first = int.from_bytes(hashlib.sha256(node.encode()).digest()[:4], "big")
    for step in range(choices):
        base = int(_OURS.network_address) + ((first + step) % choices << 8)
        subnet = ipaddress.IPv4Network((base, 24))
        if not any(subnet.overlaps(route) for route in taken):
            return subnet
    raise ValueError("every subnet of 10.128.0.0/9 is routed elsewhere: set SUANLI_AGENT_POD_CIDR")
