"""Capacity by hardware class: what status.classes of a Cloud, an EdgeSite and the ComputeCentre tells.

Sums over nodes, in core units inside and as canonical quantities in the status: in a fixed order and one spelling, so
that nothing is written when nothing changed. A sum is not room: that is why the largest free amount stands beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from suanli_controller.api.fields import ClassCapacity
from suanli_controller.core import centre, quantity
from suanli_controller.core.hardware import NodeFacts

_MOST_CLASSES: Final = 512  # what the CRD allows
_MOST_RESOURCES: Final = 64


@dataclass(slots=True)
class _Totals:
    """Of one class. `largest` is never less than the largest free amount; of a resource in `stale` it may be more."""

    nodes: dict[str, NodeFacts] = field(default_factory=dict)
    ready_nodes: int = 0
    allocatable: dict[str, int] = field(default_factory=dict)
    capacity: dict[str, int] = field(default_factory=dict)
    requested: dict[str, int] = field(default_factory=dict)
    largest: dict[str, int] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)

    def take(self, key: str, node: NodeFacts, requested: Mapping[str, int]) -> None:
        self.nodes[key] = node
        self._count(node, requested, 1)
        for resource in _offered(node):
            self._rise(resource, _free(node, requested, resource))

    def leave(self, key: str, node: NodeFacts, requested: Mapping[str, int]) -> None:
        del self.nodes[key]
        self._count(node, requested, -1)
        for resource in _offered(node):
            self._fall(resource, _free(node, requested, resource))

    def request(self, node: NodeFacts, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        _add(self.requested, before, -1)
        _add(self.requested, after, 1)
        for resource in _offered(node).keys() & (before.keys() | after.keys()):
            self._fall(resource, _free(node, before, resource))
            self._rise(resource, _free(node, after, resource))

    def _count(self, node: NodeFacts, requested: Mapping[str, int], sign: int) -> None:
        self.ready_nodes += sign * node.ready
        _add(self.capacity, node.capacity, sign)
        _add(self.requested, requested, sign)
        _add(self.allocatable, _offered(node), sign)

    def _rise(self, resource: str, free: int) -> None:
        if free and free >= self.largest.get(resource, 0):
            self.largest[resource] = free
            self.stale.discard(resource)

    def _fall(self, resource: str, free: int) -> None:
        if free and free >= self.largest.get(resource, 0):
            self.stale.add(resource)

    def amounts(self) -> centre.Amounts:
        """Capped at the end alone: that gives the same, at a fraction of the cost."""
        return centre.Amounts(
            nodes=len(self.nodes),
            ready_nodes=self.ready_nodes,
            allocatable=_capped(self.allocatable),
            capacity=_capped(self.capacity),
            requested=_capped(self.requested),
            largest_free=_capped(self.largest),
        )


def _offered(node: NodeFacts) -> Mapping[str, int]:
    return node.allocatable if node.ready and not node.cordoned else {}


def _free(node: NodeFacts, requested: Mapping[str, int], resource: str) -> int:
    return max(node.allocatable[resource] - requested.get(resource, 0), 0)


def _add(total: dict[str, int], more: Mapping[str, int], sign: int) -> None:
    """What there is none of is left out, as where it never was: a box may name ever new resources."""
    for resource, amount in more.items():
        if changed := total.get(resource, 0) + sign * amount:
            total[resource] = changed
        else:
            total.pop(resource, None)


def _capped(total: Mapping[str, int]) -> dict[str, int]:
    return quantity.capped(total, quantity.MAX_TOTAL)


class Tally:
    """Totals by class over nodes that come, go and change, and what their pods request: kept as they change, for a
    cloud may have thousands of nodes, of which a few change between two looks at it.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeFacts] = {}
        self._requested: dict[str, dict[str, int]] = {}  # exact: pods are taken off again
        self._classes: dict[str, _Totals] = {}

    def put(self, key: str, node: NodeFacts | None) -> None:
        """Take in a node, what is new of it, or that it is gone."""
        before, requested = self.nodes.pop(key, None), self.requested_on(key)
        if before is not None:
            totals = self._classes[before.class_name]
            totals.leave(key, before, requested)
            if not totals.nodes:
                del self._classes[before.class_name]
        if node is not None:
            self.nodes[key] = node
            self._classes.setdefault(node.class_name, _Totals()).take(key, node, requested)

    def request(self, key: str, amounts: Mapping[str, int], sign: int) -> None:
        """Add (1) or take away (-1) what a pod requests on a node, known or not."""
        node, before = self.nodes.get(key), self.requested_on(key)
        held = self._requested.setdefault(key, {})
        _add(held, amounts, sign)
        if not held:
            del self._requested[key]  # nodes come and go under ever new names
        if node is not None:
            self._classes[node.class_name].request(node, before, quantity.capped(held))

    def requested_on(self, key: str) -> dict[str, int]:
        """What the pods on a node request (core units, `pods` included), as much of it as a node can have."""
        return quantity.capped(self._requested.get(key, {}))

    def by_class(self) -> dict[str, centre.Amounts]:
        """Totals by class, by name."""
        for totals in self._classes.values():
            self._renew(totals)
        return {name: self._classes[name].amounts() for name in sorted(self._classes)}

    def _renew(self, totals: _Totals) -> None:
        """Find the largest free amounts anew where a node that had one has it no more."""
        for resource in totals.stale:
            most, found = totals.largest.pop(resource, 0), 0
            for key, node in totals.nodes.items():
                if resource in _offered(node):
                    found = max(found, _free(node, self._requested.get(key, {}), resource))
                if found >= most:
                    break  # nobody can have more
            if found:
                totals.largest[resource] = found
        totals.stale.clear()


def by_class(nodes: Iterable[tuple[NodeFacts, Mapping[str, int]]]) -> dict[str, centre.Amounts]:
    """Totals by class over nodes, each with what the pods on it request (core units, `pods` included)."""
    tally = Tally()
    for number, (node, requested) in enumerate(nodes):
        tally.put(str(number), node)
        tally.request(str(number), requested, 1)
    return tally.by_class()


def merged(targets: Iterable[Mapping[str, centre.Amounts]]) -> dict[str, centre.Amounts]:
    """Totals by class over several targets."""
    parts: dict[str, list[centre.Amounts]] = {}
    for classes in targets:
        for name, amounts in classes.items():
            parts.setdefault(name, []).append(amounts)
    return {name: centre.total(parts[name]) for name in sorted(parts)}


def status(classes: Mapping[str, centre.Amounts], table: centre.UnitTable | None = None) -> list[ClassCapacity]:
    """`status.classes`, sorted by name; compute units of what is allocatable, where there is a table for them.

    With more classes than the status may hold, those with the most nodes.
    """
    names = sorted(classes, key=lambda name: (-classes[name].nodes, name))[:_MOST_CLASSES]
    return [_entry(name, classes[name], table) for name in sorted(names)]


def _entry(name: str, amounts: centre.Amounts, table: centre.UnitTable | None) -> ClassCapacity:
    """Every resource that the class has is named in every sum, be it 0; what it does not have is left out."""
    present = {resource for resource, amount in amounts.capacity.items() if amount}
    present |= {resource for resource, amount in amounts.requested.items() if amount}
    kept = sorted(present, key=lambda resource: ("/" in resource, resource))[:_MOST_RESOURCES]
    return ClassCapacity(
        class_=name,
        nodes=amounts.nodes,
        ready_nodes=amounts.ready_nodes,
        allocatable=_texts(amounts.allocatable, kept),
        capacity=_texts(amounts.capacity, kept),
        requested=_texts(amounts.requested, kept),
        largest_free=_texts(amounts.largest_free, kept),
        milli_units=None if table is None else centre.units_of(table, name, amounts.allocatable).milli,
    )


def _texts(amounts: Mapping[str, int], resources: Iterable[str]) -> dict[str, str]:
    return quantity.texts({resource: amounts.get(resource, 0) for resource in resources})


def from_status(entries: Iterable[ClassCapacity]) -> dict[str, centre.Amounts]:
    """What `status` was written from, compute units aside. Raises QuantityError for what no Suanli wrote."""
    return {
        entry.class_: centre.Amounts(
            nodes=entry.nodes,
            ready_nodes=entry.ready_nodes,
            allocatable=quantity.amounts(entry.allocatable, quantity.MAX_TOTAL),
            capacity=quantity.amounts(entry.capacity, quantity.MAX_TOTAL),
            requested=quantity.amounts(entry.requested, quantity.MAX_TOTAL),
            largest_free=quantity.amounts(entry.largest_free),
        )
        for entry in entries
    }
