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
    """Of one class, while nodes are counted."""

    nodes: int = 0
    ready_nodes: int = 0
    allocatable: dict[str, int] = field(default_factory=dict)
    capacity: dict[str, int] = field(default_factory=dict)
    requested: dict[str, int] = field(default_factory=dict)
    largest_free: dict[str, int] = field(default_factory=dict)

    def count(self, node: NodeFacts, requested: Mapping[str, int]) -> None:
        self.nodes += 1
        self.ready_nodes += node.ready
        _add(self.capacity, node.capacity)
        _add(self.requested, requested)
        if node.ready and not node.cordoned:
            _add(self.allocatable, node.allocatable)
            for resource, amount in node.allocatable.items():
                free = max(amount - requested.get(resource, 0), 0)
                self.largest_free[resource] = max(self.largest_free.get(resource, 0), free)

    def amounts(self) -> centre.Amounts:
        """Capped at the end alone: that gives the same, at a fraction of the cost."""
        return centre.Amounts(
            nodes=self.nodes,
            ready_nodes=self.ready_nodes,
            allocatable=quantity.capped(self.allocatable, quantity.MAX_TOTAL),
            capacity=quantity.capped(self.capacity, quantity.MAX_TOTAL),
            requested=quantity.capped(self.requested, quantity.MAX_TOTAL),
            largest_free=self.largest_free,
        )


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for resource, amount in more.items():
        total[resource] = total.get(resource, 0) + amount


def by_class(nodes: Iterable[tuple[NodeFacts, Mapping[str, int]]]) -> dict[str, centre.Amounts]:
    """Totals by class over nodes, each with what the pods on it request (core units, `pods` included)."""
    totals: dict[str, _Totals] = {}
    for node, requested in nodes:
        totals.setdefault(node.class_name, _Totals()).count(node, requested)
    return {name: totals[name].amounts() for name in sorted(totals)}


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
