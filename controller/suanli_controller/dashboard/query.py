"""Filters, sorts and cuts the tables. Pure; a question about 50,000 nodes costs milliseconds.

Nodes are columns, and matched by arrays of flags; only those of the page that is asked for are made into rows.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np

from suanli_controller.core import centre
from suanli_controller.dashboard import fleet, replica, rights
from suanli_controller.view import model

T = TypeVar("T")
Place = TypeVar("Place", model.Cloud, model.Site)

CLOUD_SORTS = ("name", "tier", "district", "provider", "nodes", "units", "used", "rtt", "ready", "created")
SITE_SORTS = ("name", "district", "provider", "boxes", "units", "used", "ready", "created")
WORKLOAD_SORTS = ("namespace", "name", "type", "replicas", "readyReplicas", "unplaced", "created")


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
    if key is not None:
        found.sort(key=key, reverse=cut.sort.startswith("-"))
    return len(found), found[cut.offset : cut.offset + cut.limit]


# --- nodes


def nodes(held: replica.Replica, mine: rights.Rights, wanted: Filter, cut: Cut) -> tuple[int, list[model.Node]]:
    """The nodes that one may see and that match; by target and name where no other order is asked for."""
    rows = _matching(held, mine, wanted)
    end = cut.offset + cut.limit
    if cut.sort == "-target":
        rows = rows[::-1]
    elif cut.sort not in ("", "target"):
        values = _VALUES[cut.sort.lstrip("-")](held.nodes, rows)
        rows = rows[_first(-values if cut.sort.startswith("-") else values, end)]
        return len(values), list(held.nodes.nodes(rows[cut.offset :]))
    return len(rows), list(held.nodes.nodes(rows[cut.offset : end]))


def node_parts(
    held: replica.Replica, mine: rights.Rights, wanted: Filter, size: int
) -> Iterator[list[model.Node]]:
    """Every node that one may see and that matches, a few at a time: for what is streamed.

    The tables may change between two parts; each part is as they stand when it is taken, and a target's nodes
    are those that it had when it was begun.
    """
    for target in sorted(_targets(held, mine, wanted)):
        rows = _matching_of(held, [target], wanted)
        names = [held.nodes.names[row] for row in rows.tolist()]
        for start in range(0, len(names), size):
            yield list(held.nodes.nodes(held.nodes.named(target, names[start : start + size])))


def _matching(held: replica.Replica, mine: rights.Rights, wanted: Filter) -> fleet.Rows:
    return _matching_of(held, sorted(_targets(held, mine, wanted)), wanted)


def _matching_of(held: replica.Replica, targets: Iterable[str], wanted: Filter) -> fleet.Rows:
    """The matching rows of these targets, in order; the cheap questions first."""
    found = held.nodes
    rows = found.in_order(targets)
    if by_class(wanted):
        rows = found.where_shape(lambda shape: class_matches(shape.class_key, wanted), rows)
    for name, value in (("ready", wanted.ready), ("cordoned", wanted.cordoned)):
        if value is not None:
            rows = rows[found.column(name, rows) == value]
    return _with_text(found, rows, wanted.text.casefold()) if wanted.text else rows


def _with_text(found: fleet.Fleet, rows: fleet.Rows, text: str) -> fleet.Rows:
    """Nodes whose name or target holds the text. Kubernetes writes both in lower case, but for the kind."""
    in_target = np.array([text in target.casefold() for target in found.targets], np.bool_)
    in_name = np.array([text in name for name in found.names], np.bool_)
    chosen = in_target[found.column("target", rows)] | in_name[rows]
    picked: fleet.Rows = rows[chosen]
    return picked


def _first(values: fleet.Rows, count: int) -> fleet.Rows:
    """Where the `count` smallest values are, in order; equal ones as they stand."""
    if count >= len(values):
        return np.argsort(values, kind="stable")
    bound = np.partition(values, count - 1)[count - 1]
    near = np.flatnonzero(values <= bound)
    return near[np.argsort(values[near], kind="stable")][:count]


def _free(found: fleet.Fleet, rows: fleet.Rows, resource: str) -> fleet.Rows:
    return found.amount("allocatable", resource, rows) - found.amount("requested", resource, rows)


def _state(found: fleet.Fleet, rows: fleet.Rows) -> fleet.Rows:
    """Not ready, then cordoned, then what may be used."""
    ready: fleet.Rows = found.column("ready", rows).astype(np.int64)
    cordoned: fleet.Rows = found.column("cordoned", rows).astype(np.int64)
    return 2 * ready - cordoned


# What nodes are sorted by, as numbers of each row.
_VALUES: dict[str, Callable[[fleet.Fleet, fleet.Rows], fleet.Rows]] = {
    "name": fleet.Fleet.name_ranks,
    "class": fleet.Fleet.class_ranks,
    "cpu": lambda found, rows: found.amount("allocatable", "cpu", rows),
    "cpuFree": lambda found, rows: _free(found, rows, "cpu"),
    "memory": lambda found, rows: found.amount("allocatable", "memory", rows),
    "memoryFree": lambda found, rows: _free(found, rows, "memory"),
    "accelerators": lambda found, rows: found.column("accelerators", rows),
    "ready": _state,
    "created": lambda found, rows: found.column("created", rows),
}
NODE_SORTS = ("target", *_VALUES)


def _targets(held: replica.Replica, mine: rights.Rights, wanted: Filter) -> Iterator[str]:
    places = {place.target: place for place in rights.places(held, mine)}
    for target in held.nodes.held_targets():
        place = places.get(target)
        if place is not None and place_matches(place, wanted):
            yield target


def place_matches(place: model.Cloud | model.Site | centre.Holding, wanted: Filter) -> bool:
    """Whether a place, or what is in one, matches by what the place is; names and hardware are looked at
    elsewhere.
    """
    return (
        wanted.target in ("", place.target)
        and wanted.tier in ("", place.tier)
        and wanted.district in ("", place.district)
        and wanted.provider in ("", place.provider)
    )


def by_class(wanted: Filter) -> bool:
    """Whether the filter asks for hardware at all."""
    return any((wanted.architecture, wanted.family, wanted.os, wanted.accelerator, wanted.class_key))


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


# --- the small tables


def places(rows: Iterable[Place], wanted: Filter, cut: Cut) -> tuple[int, list[Place]]:
    """Those clouds or sites that match, of the ones that one may see."""
    return take((row for row in rows if _matches(row, wanted)), cut, _PLACE_KEYS.get(cut.sort.lstrip("-")))


def _matches(place: model.Cloud | model.Site, wanted: Filter) -> bool:
    return (
        place_matches(place, wanted)
        and (wanted.ready is None or _ready(place) == wanted.ready)
        and (wanted.cordoned is None or place.cordoned == wanted.cordoned)
        and (not by_class(wanted) or any(class_matches(c.key, wanted) for c in place.classes))
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
