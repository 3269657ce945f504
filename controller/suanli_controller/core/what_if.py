"""What if: a fleet and workloads that are only thought of, decided by the very code that the controller runs.

Plain data in (decoded objects), plain data out (`Plan`, whose shape is documented in docs/plan.md and kept stable).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from suanli_controller.api import algorithm, cloud, core_v1, names, site, workload
from suanli_controller.api import centre as centre_api
from suanli_controller.core import (
    catalogue,
    centre,
    demand,
    fleet,
    hardware,
    intent,
    placement,
    places,
    quantity,
    requests,
    rules,
)


@dataclass(slots=True)
class Inventory:
    """All that the files hold; nodes and pods with the target that they say, empty where they say none."""

    clouds: dict[str, cloud.Cloud] = field(default_factory=dict)
    sites: dict[str, site.EdgeSite] = field(default_factory=dict)
    centre: centre_api.ComputeCentre | None = None
    priority_classes: dict[str, core_v1.PriorityClass] = field(default_factory=dict)
    algorithms: dict[str, algorithm.Algorithm] = field(default_factory=dict)
    workloads: dict[str, workload.ComputeWorkload] = field(default_factory=dict)  # by namespace/name
    invalid: dict[str, str] = field(default_factory=dict)  # by namespace/name: why it cannot be decoded
    warnings: dict[str, None] = field(default_factory=dict)  # its keys, in order


class Reason(msgspec.Struct, frozen=True, rename="camel"):
    reason: str
    nodes: int
    message: str = ""


class Unplaced(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 0
    reasons: tuple[Reason, ...] = ()


class NodeShare(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    replicas: int


class Placement(msgspec.Struct, frozen=True, rename="camel"):
    target: str
    variant: str
    replicas: int
    nodes: tuple[NodeShare, ...] = ()  # where new replicas were planned; kept ones are where they are


class WorkloadPlan(msgspec.Struct, frozen=True, rename="camel"):
    namespace: str
    name: str
    type: str
    priority: int
    replicas: int
    placed: int
    placements: tuple[Placement, ...]
    unplaced: Unplaced
    notes: tuple[str, ...] = ()
    invalid: str = ""


class ClassFree(msgspec.Struct, frozen=True, rename="camel"):
    """Of nodes that take work: ready, not cordoned, in targets that are neither unready nor cordoned."""

    class_: str = msgspec.field(name="class")
    nodes: int
    open_nodes: int
    allocatable: dict[str, str]
    free: dict[str, str]
    largest_free: dict[str, str]
    milli_units_free: int | None = None


class Plan(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    api_version: str = names.API_VERSION
    kind: str = "Plan"
    strategy: str
    placed: int
    unplaced: int
    workloads: tuple[WorkloadPlan, ...]
    classes: tuple[ClassFree, ...]
    warnings: tuple[str, ...] = ()


class Builder:
    """Takes objects in as they are read; nodes and pods are not kept, they go into the fleet at once."""

    def __init__(self) -> None:
        self.inventory = Inventory()
        self.fleet = fleet.Fleet()
        self._readers: dict[str, hardware.Reader] = {}
        self._targets_of: dict[str, list[str]] = {}  # by node

    def add_targets(self) -> None:
        """Before nodes are added: what the Clouds and EdgeSites say of themselves and of their nodes."""
        for item in self.inventory.clouds.values():
            self.fleet.upsert_target(places.as_reported(item))
            ref = names.target(names.CLOUD_KIND, item.metadata.name)
            self._readers[ref] = hardware.Reader(ref, item.spec.node_profiles)
        for box_site in self.inventory.sites.values():
            self.fleet.upsert_target(places.of_site(box_site))

    def add_node(self, node: core_v1.Node, target: str) -> None:
        """Raises QuantityError, with the node's name."""
        target = target or self._site_of(node)
        if not target:
            self.warn(f"Node {node.metadata.name}: no annotation {names.TARGET_ANNOTATION}: Cloud/NAME; left out")
            return
        if self.fleet.target(target) is None:
            self.warn(f"Node {node.metadata.name}: there is no {target} in the files; it counts as not ready")
        reader = self._readers.setdefault(target, hardware.Reader(target))
        self.fleet.upsert_node(reader.read(node))
        known = self._targets_of.setdefault(node.metadata.name, [])
        if target in known:
            self.warn(f"Node {node.metadata.name} of {target} is there twice: the last counts")
        known.append(target)

    def _site_of(self, node: core_v1.Node) -> str:
        name = node.metadata.labels.get(names.SITE_LABEL)
        return names.target(names.SITE_KIND, name) if name else ""

    def add_pod(self, pod: core_v1.Pod, target: str) -> None:
        """Raises QuantityError. Pods that are finished or not bound take nothing."""
        amounts = requests.of_pod(pod) if pod.spec.node_name else {}
        if not amounts:
            return
        known = self._targets_of.get(pod.spec.node_name, [])
        if target not in known if target else len(set(known)) != 1:
            several = not target and known
            what = "is in several targets: annotate the pod, too" if several else "is not in the files"
            self.warn(
                f"Pod {pod.metadata.namespace}/{pod.metadata.name}: node {pod.spec.node_name} {what}; left out"
            )
            return
        there = target or known[0]
        # by target, too: two Clouds may lead to one cluster, and neither takes the other's pods
        name = pod.metadata.uid or f"{pod.metadata.namespace}/{pod.metadata.name}"
        self.fleet.set_pod(f"{there}/{name}", there, pod.spec.node_name, amounts, places.owner_of(pod))

    def warn(self, warning: str) -> None:
        """Say it once."""
        self.inventory.warnings[warning] = None

    def plan(self, strategy: demand.Strategy | None) -> Plan:
        """Decide for all workloads at once."""
        asks: dict[str, demand.Ask] = {}
        invalid = dict(self.inventory.invalid)
        for key, item in self.inventory.workloads.items():
            try:
                ask = self.ask_of(item, strategy)
            except rules.InvalidTemplate as error:
                invalid[key] = str(error)
            else:
                if not item.spec.suspend:
                    asks[key] = ask
        wanted = [self.demand_of(self.inventory.workloads[key], ask) for key, ask in asks.items()]
        decided = dict(zip(asks, placement.place(self.fleet, wanted), strict=True))
        priorities = {key: each.priority for key, each in zip(asks, wanted, strict=True)}
        keys = [*self.inventory.workloads, *(key for key in invalid if key not in self.inventory.workloads)]
        plans = tuple(
            self._of_workload(key, decided.get(key), priorities.get(key, 0), invalid.get(key, "")) for key in keys
        )
        entry = self.inventory.centre
        table = centre.table_of(entry.spec) if entry else None
        return Plan(
            strategy=strategy.value if strategy else "Default",
            placed=sum(each.placed for each in plans),
            unplaced=sum(each.unplaced.replicas for each in plans),
            workloads=plans,
            classes=free_by_class(self.fleet, table),
            warnings=tuple(self.inventory.warnings),
        )

    def ask_of(self, item: workload.ComputeWorkload, strategy: demand.Strategy | None = None) -> demand.Ask:
        """What it asks for, with the builds of the catalogue where it names some. Raises InvalidTemplate."""
        return rules.ask_of(self.built(item), strategy)

    def built(self, item: workload.ComputeWorkload) -> workload.ComputeWorkload:
        """The workload with the builds that it runs as its variants. Raises InvalidTemplate."""
        reference = item.spec.algorithm_ref
        entry = self.inventory.algorithms.get(reference.name) if reference else None
        builds = list(catalogue.builds_of(item.spec, entry))
        return msgspec.structs.replace(item, spec=msgspec.structs.replace(item.spec, variants=builds))

    def demand_of(self, item: workload.ComputeWorkload, ask: demand.Ask) -> demand.Demand:
        """What a workload asks for now, with what its status says that it has."""
        draining = {
            names.target(names.CLOUD_KIND, each.metadata.name)
            for each in self.inventory.clouds.values()
            if each.spec.draining
        }
        current = intent.load(item.status, {}).wished
        silent = {ref for ref, _ in current if (target := self.fleet.target(ref)) is not None and not target.ready}
        return demand.Demand(
            key=item.metadata.uid or f"{item.metadata.namespace}/{item.metadata.name}",
            ask=ask,
            replicas=rules.replicas_of(item),
            priority=self._priority(item.spec.priority_class_name),
            current=current,
            excluded=frozenset() if item.spec.type == "Job" else frozenset(draining),
            held=frozenset(silent),
        )

    def _priority(self, name: str) -> int:
        found = self.inventory.priority_classes.get(name)
        if not name:
            found = next((each for each in self.inventory.priority_classes.values() if each.global_default), None)
        elif found is None:
            self.warn(f"PriorityClass {name} is not in the files; it counts as 0")
        return found.value if found else 0

    def _of_workload(
        self, key: str, decision: demand.Decision | None, priority: int, invalid: str
    ) -> WorkloadPlan:
        namespace, _, name = key.partition("/")
        item = self.inventory.workloads.get(key)
        replicas = rules.replicas_of(item) if item else 0
        kind = item.spec.type if item else ""
        if decision is None and not invalid:
            return WorkloadPlan(
                namespace, name, kind, priority, replicas, 0, (), Unplaced(), ("suspended: nothing runs",)
            )
        if decision is None:
            why = (Reason(names.TEMPLATE_INVALID, 0, invalid),)
            return WorkloadPlan(
                namespace, name, kind, priority, replicas, 0, (), Unplaced(replicas, why), invalid=invalid
            )
        placed = sum(each.replicas for each in decision.placements)
        reasons = [Reason(each.reason, each.nodes, each.detail) for each in decision.reasons]
        if decision.invalid:
            reasons = [Reason(names.TEMPLATE_INVALID, 0, decision.invalid)]
        return WorkloadPlan(
            namespace=namespace,
            name=name,
            type=kind,
            priority=priority,
            replicas=placed + decision.unplaced if item and item.spec.type == "DaemonSet" else replicas,
            placed=placed,
            placements=tuple(_placement(each) for each in decision.placements),
            unplaced=Unplaced(decision.unplaced, tuple(reasons)),
            notes=decision.notes,
            invalid=decision.invalid,
        )


def _placement(one: demand.Placement) -> Placement:
    nodes = tuple(NodeShare(name, replicas) for name, replicas in one.nodes)
    return Placement(one.target, one.variant, one.replicas, nodes)


def free_by_class(where: fleet.Fleet, table: centre.UnitTable | None) -> tuple[ClassFree, ...]:
    """What each hardware class has left, by name. A sum is not room: the largest free amounts stand beside it."""
    rows = where.rows
    column = where.facts["class"]
    found = []
    for code, name in sorted(enumerate(column.values), key=lambda pair: str(pair[1])):
        of_class = (column.codes[:rows] == code) & where.present[:rows]
        if of_class.any():
            found.append(_class_free(where, str(name), of_class, table))
    return tuple(found)


def _class_free(
    where: fleet.Fleet,
    name: str,
    of_class: NDArray[np.bool_],
    table: centre.UnitTable | None,
) -> ClassFree:
    open_rows = np.flatnonzero(of_class & (where.ranks[: where.rows] >= 0))
    allocatable = where.allocatable[:, open_rows]
    free = np.maximum(where.free[:, open_rows], 0)
    has = {resource: index for resource, index in where.resources.items() if allocatable[index].any()}
    left = {resource: _sum(free[index]) for resource, index in has.items()}
    return ClassFree(
        class_=name,
        nodes=int(of_class.sum()),
        open_nodes=len(open_rows),
        allocatable=quantity.texts({resource: _sum(allocatable[index]) for resource, index in has.items()}),
        free=quantity.texts(left),
        largest_free=quantity.texts({resource: int(free[index].max()) for resource, index in has.items()}),
        milli_units_free=None if table is None else _units(table, name, left),
    )


def _sum(amounts: NDArray[np.int64]) -> int:
    """Not in 64 bits: nodes by the thousand may each claim the largest amount that there is."""
    each: list[int] = amounts.tolist()
    return min(sum(each), quantity.MAX_TOTAL)


def _units(table: centre.UnitTable, name: str, amounts: Mapping[str, int]) -> int:
    return centre.units_of(table, name, amounts).milli
