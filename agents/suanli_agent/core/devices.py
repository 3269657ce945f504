"""Which accelerator cards a pod is given, and which of them each of its containers. Plain data in and out."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from suanli_agent.core import life, objects, quantity


@dataclasses.dataclass(frozen=True)
class Pool:
    """The cards of one resource on this box: the device nodes of each, and those that every user needs besides.

    A card goes by the path of its first node.
    """

    cards: tuple[tuple[str, ...], ...] = ()
    shared: tuple[str, ...] = ()

    def nodes(self, names: Sequence[str]) -> list[str]:
        """All device nodes for whoever has these cards."""
        own = [node for card in self.cards if card[0] in names for node in card]
        return [*own, *self.shared] if own else []


class TooFewError(ValueError):
    """The box has not as many free cards as a pod asks for."""


def wanted(spec: objects.PodSpec) -> list[str]:
    """The extended resources that a pod asks for: names with a domain that is not Kubernetes' own."""
    amounts = [amount for c in [*spec.init_containers, *spec.containers] for amount in _amounts(c)]
    names = {name for name in amounts if "/" in name and not name.split("/")[0].endswith("kubernetes.io")}
    return sorted(names)


def shares(spec: objects.PodSpec, resource: str) -> dict[str, range]:
    """Container -> which of the pod's cards it uses, by position.

    Init containers have ended before the others begin and use the same cards; sidecars keep theirs. So a pod needs
    what kube-scheduler counts for it.
    """
    found: dict[str, range] = {}
    begin = 0
    for container in spec.init_containers:
        found[container.name] = range(begin, begin + _count(container, resource))
        if life.is_sidecar(container):
            begin = found[container.name].stop
    for container in spec.containers:
        found[container.name] = range(begin, begin + _count(container, resource))
        begin = found[container.name].stop
    return found


def given(resource: str, pool: Pool, count: int, before: Sequence[str], taken: Collection[str]) -> tuple[str, ...]:
    """The `count` cards of a pod: those it had `before` as far as they are there, then free ones in order.

    `taken` are other pods'. Raises TooFewError.
    """
    there = [card[0] for card in pool.cards]
    free = [name for name in there if name not in taken and name not in before]
    chosen = [name if name in there else free.pop(0) if free else "" for name in before[:count]]
    chosen += free[: count - len(chosen)]
    if len(chosen) < count or "" in chosen:
        left = sum(name not in taken for name in there)
        raise TooFewError(f"{resource}: {count} wanted, {left} of the {len(there)} cards of this box are free")
    return tuple(chosen)


def _amounts(container: objects.Container) -> dict[str, objects.Quantity]:
    return {**container.resources.requests, **container.resources.limits}


def _count(container: objects.Container, resource: str) -> int:
    return quantity.rounded_up(_amounts(container).get(resource, 0))
