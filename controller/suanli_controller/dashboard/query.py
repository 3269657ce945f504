"""Filters, sorts and cuts the tables. Pure; a question about 50,000 nodes costs milliseconds.

Nodes are matched by sets of targets and classes, of which there are few, before any node is looked at.
"""

import functools
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from suanli_controller.core import centre
from suanli_controller.dashboard import replica, rights
from suanli_controller.view import model

T = TypeVar("T")

NODE_SORTS = (
    "target",
    "name",
    "class",
    "cpu",
    "cpuFree",
    "memory",
    "memoryFree",
    "accelerators",
    "ready",
    "created",
)
CLOUD_SORTS = ("name", "tier", "district", "provider", "nodes", "units", "used", "rtt", "ready", "created")
SITE_SORTS = ("name", "district", "provider", "boxes", "units", "used", "ready", "created")
WORKLOAD_SORTS = ("namespace", "name", "type", "replicas", "readyReplicas", "unplaced", "created")

_NOT_ACCELERATORS = frozenset({"cpu", "memory", "ephemeral-storage", "pods", "storage"})


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What rows must match; an empty value matches everything. `text` is looked for in names, whatever the
    case.
    """

    text: str = ""
    target: str = ""
    tier: str = ""
    district: str = ""
    provider: str = ""
    architecture: str = ""
    family: str = ""
    os: str = ""
    accelerator: str = ""
    class_key: str = ""
    namespace: str = ""
    algorithm: str = ""
    ready: bool | None = None
    cordoned: bool | None = None
    unplaced: bool | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of the matching rows, in which order; `-` before a sort word turns it round."""

    sort: str = ""
    offset: int = 0
    limit: int = 50


def take(rows: Iterable[T], cut: Cut, key: Callable[[T], Any] | None) -> tuple[int, list[T]]:
    """How many rows there are, and those of the cut. Without `key` the order is as given."""
    found = list(rows)
    end = cut.offset + cut.limit
    if key is None:
        return len(found), found[cut.offset : end]
    downwards = cut.sort.startswith("-")
    if end * 8 < len(found):  # a heap of the first page is far cheaper than sorting the fleet
        first = (heapq.nlargest if downwards else heapq.nsmallest)(end, found, key=key)
        return len(found), first[cut.offset :]
    found.sort(key=key, reverse=downwards)
    return len(found), found[cut.offset : end]


# --- nodes


def nodes(held: replica.Replica, mine: rights.Rights, wanted: Filter, cut: Cut) -> tuple[int, list[model.Node]]:
    """The nodes that one may see and that match; by target and name where no other order is asked for."""
    targets = sorted(_targets(held, mine, wanted))
    if cut.sort in ("", "target"):
        return _in_order(held, targets, wanted, cut)
    rows = (node for target in targets for node in matching(held.nodes[target].values(), wanted))
    return take(rows, cut, NODE_KEYS[cut.sort.lstrip("-")])


def all_nodes(held: replica.Replica, mine: rights.Rights, wanted: Filter) -> Iterator[model.Node]:
    """Every node that one may see and that matches, target by target: for what is streamed."""
    for target in sorted(_targets(held, mine, wanted)):
        table = held.nodes.get(target, {})
        yield from matching([table[name] for name in sorted(table)], wanted)


def _in_order(held: replica.Replica, targets: list[str], wanted: Filter, cut: Cut) -> tuple[int, list[model.Node]]:
    """By target, then name: only the targets that the cut touches are sorted."""
    total, page = 0, []
    for target in targets:
        found = list(matching(held.nodes[target].values(), wanted))
        low, high = cut.offset - total, cut.offset + cut.limit - total
        if high > 0 and low < len(found):
            page += sorted(found, key=_by_name)[max(low, 0) : high]
        total += len(found)
    return total, page


def _by_name(node: model.Node) -> str:
    return node.name


def _targets(held: replica.Replica, mine: rights.Rights, wanted: Filter) -> Iterator[str]:
    places = {place.target: place for place in rights.places(held, mine)}
    for target in held.nodes:
        place = places.get(target)
        if place is not None and place_matches(place, wanted):
            yield target


def place_matches(place: model.Cloud | model.Site, wanted: Filter) -> bool:
    """Whether a place matches by what it is; names and hardware are looked at elsewhere."""
    return (
        wanted.target in ("", place.target)
        and wanted.tier in ("", place.tier)
        and wanted.district in ("", place.district)
        and wanted.provider in ("", place.provider)
    )


def matching(rows: Iterable[model.Node], wanted: Filter) -> Iterator[model.Node]:
    """Those of the nodes that match by class, state and text."""
    text = wanted.text.casefold()
    for node in rows:
        if (
            class_matches(node.class_key, wanted)
            and (wanted.ready is None or node.ready == wanted.ready)
            and (wanted.cordoned is None or node.cordoned == wanted.cordoned)
            and (not text or text in node.name.casefold() or text in node.target.casefold())
        ):
            yield node


def only_classes(place: model.Cloud | model.Site, wanted: Filter) -> model.Cloud | model.Site:
    """The place with those of its classes that match."""
    return msgspec.structs.replace(place, classes=tuple(c for c in place.classes if class_matches(c.key, wanted)))


@functools.lru_cache(maxsize=4096)
def class_matches(class_key: str, wanted: Filter) -> bool:
    """Whether a class is among those that the filter names."""
    parts = centre.class_parts(class_key)
    return (
        wanted.class_key in ("", class_key)
        and wanted.architecture in ("", parts.architecture)
        and wanted.family in ("", parts.family)
        and wanted.os in ("", parts.os)
        and wanted.accelerator in ("", parts.accelerator)
    )


def accelerators(resources: model.Resources) -> dict[str, int]:
    """The extended resources among them."""
    return {name: n for name, n in resources.items() if name not in _NOT_ACCELERATORS and "/" in name}


def _free(node: model.Node, resource: str) -> int:
    return node.allocatable.get(resource, 0) - node.requested.get(resource, 0)


NODE_KEYS: dict[str, Callable[[model.Node], Any]] = {
    "target": lambda n: (n.target, n.name),
    "name": _by_name,
    "class": lambda n: n.class_key,
    "cpu": lambda n: n.allocatable.get("cpu", 0),
    "cpuFree": lambda n: _free(n, "cpu"),
    "memory": lambda n: n.allocatable.get("memory", 0),
    "memoryFree": lambda n: _free(n, "memory"),
    "accelerators": lambda n: sum(accelerators(n.allocatable).values()),
    "ready": lambda n: (n.ready, not n.cordoned),
    "created": lambda n: n.created,
}


# --- the small tables


def clouds(held: replica.Replica, mine: rights.Rights, wanted: Filter, cut: Cut) -> tuple[int, list[model.Cloud]]:
    """The clouds that one may see and that match."""
    rows = [c for c in rights.clouds(held, mine) if _matches(c, wanted)]
    return take(rows, cut, _PLACE_KEYS.get(cut.sort.lstrip("-")))


def sites(held: replica.Replica, mine: rights.Rights, wanted: Filter, cut: Cut) -> tuple[int, list[model.Site]]:
    """The sites that one may see and that match."""
    rows = [s for s in rights.sites(held, mine) if _matches(s, wanted)]
    return take(rows, cut, _PLACE_KEYS.get(cut.sort.lstrip("-")))


def _matches(place: model.Cloud | model.Site, wanted: Filter) -> bool:
    by_class = any((wanted.architecture, wanted.family, wanted.os, wanted.accelerator, wanted.class_key))
    return (
        place_matches(place, wanted)
        and (wanted.ready is None or _ready(place) == wanted.ready)
        and (wanted.cordoned is None or place.cordoned == wanted.cordoned)
        and (not by_class or any(class_matches(c.key, wanted) for c in place.classes))
        and (not wanted.text or wanted.text.casefold() in place.name.casefold())
    )


def _ready(place: model.Cloud | model.Site) -> bool:
    return place.ready is not None and place.ready.status == "True"


def _units(place: model.Cloud | model.Site) -> int:
    return sum(c.units.general_milli + c.units.intelligent_milli for c in place.classes)


def _used(place: model.Cloud | model.Site) -> float:
    used = sum(c.requested_units.general_milli + c.requested_units.intelligent_milli for c in place.classes)
    return used / (_units(place) or 1)


_PLACE_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": lambda p: p.name,
    "tier": lambda p: p.tier,
    "district": lambda p: p.district,
    "provider": lambda p: p.provider,
    "nodes": lambda p: p.nodes,
    "boxes": lambda p: p.boxes,
    "units": _units,
    "used": _used,
    "rtt": lambda p: p.rtt_microseconds or 0,
    "ready": _ready,
    "created": lambda p: p.created,
}


# --- workloads


def workloads(
    held: replica.Replica, mine: rights.Rights, wanted: Filter, cut: Cut
) -> tuple[int, list[model.Workload]]:
    """The workloads that one may see and that match; by namespace and name where no other order is asked for."""
    rows = (w for w in rights.workloads(held, mine) if _workload_matches(w, wanted))
    return take(rows, cut, _WORKLOAD_KEYS[cut.sort.lstrip("-") or "namespace"])


def _workload_matches(workload: model.Workload, wanted: Filter) -> bool:
    return (
        wanted.namespace in ("", workload.namespace)
        and wanted.algorithm in ("", workload.algorithm.partition("@")[0])
        and (wanted.unplaced is None or (workload.unplaced_replicas > 0) == wanted.unplaced)
        and (not wanted.target or any(p.target == wanted.target for p in workload.placements))
        and (not wanted.text or wanted.text.casefold() in workload.key.casefold())
    )


_WORKLOAD_KEYS: dict[str, Callable[[model.Workload], Any]] = {
    "namespace": lambda w: (w.namespace, w.name),
    "name": lambda w: w.name,
    "type": lambda w: w.type,
    "replicas": lambda w: w.replicas,
    "readyReplicas": lambda w: w.ready_replicas,
    "unplaced": lambda w: w.unplaced_replicas,
    "created": lambda w: w.created,
}
