"""The downward API: what a pod may read about itself, as strings."""

from __future__ import annotations

import dataclasses
import re

from suanli_agent.core import objects, quantity

_KEYED = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")
_ROUNDED = ("cpu", "memory", "ephemeral-storage")


@dataclasses.dataclass(frozen=True)
class Place:
    """What only the node knows; allocatable stands in for a limit that is not set."""

    node_name: str
    host_ips: tuple[str, ...]
    pod_ips: tuple[str, ...]
    allocatable: dict[str, str]


def field(pod: objects.Pod, place: Place, path: str) -> str:
    """The value of a fieldRef's fieldPath. Raises ValueError naming a path that a node does not know."""
    meta = pod.metadata
    keyed = _KEYED.match(path)
    if keyed:
        return (meta.labels if keyed[1] == "labels" else meta.annotations).get(keyed[2], "")
    values = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "metadata.labels": formatted(meta.labels),
        "metadata.annotations": formatted(meta.annotations),
        "spec.nodeName": place.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": place.host_ips[0] if place.host_ips else "",
        "status.hostIPs": ",".join(place.host_ips),
        "status.podIP": place.pod_ips[0] if place.pod_ips else "",
        "status.podIPs": ",".join(place.pod_ips),
    }
    if path not in values:
        raise ValueError(f"fieldPath {path!r} is not one that a node can give")
    return values[path]


def formatted(pairs: dict[str, str]) -> str:
    """Labels or annotations as the downward API's file has them: sorted key="value" lines."""
    quoted = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "\n".join(
        f'{key}="{"".join(quoted.get(letter, letter) for letter in value)}"'
        for key, value in sorted(pairs.items())
    )


def resource(
    spec: objects.PodSpec, container: objects.Container, ref: objects.ResourceFieldSelector, place: Place
) -> str:
    """The value of a resourceFieldRef, rounded up by its divisor. Raises ValueError naming the unknown."""
    named = ref.container_name
    owner = next((c for c in [*spec.containers, *spec.init_containers] if c.name == named), container)
    kind, _, name = ref.resource.partition(".")
    if kind not in {"limits", "requests"} or not (name in _ROUNDED or name.startswith("hugepages-")):
        raise ValueError(f"resource {ref.resource!r} is not one that a container has")
    amounts = owner.resources.limits if kind == "limits" else owner.resources.requests
    amount = amounts.get(name)
    if amount is None:
        amount = place.allocatable.get(name, "0") if kind == "limits" else "0"
    divisor = ref.divisor if quantity.parse(ref.divisor) else "1"
    return str(quantity.rounded_up(amount, divisor))
