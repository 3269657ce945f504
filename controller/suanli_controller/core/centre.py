"""The centre's arithmetic: compute units, totals by any dimension, the domestic rate.

A `Holding` is one hardware class in one place. Everything the centre tells is a sum over holdings, and a
holding is a sum over nodes, so that no two figures can disagree. Resources are whole numbers by Kubernetes
name, `cpu` in millicores.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from suanli_controller.api import centre as api
from suanli_controller.core import quantity

Resources = Mapping[str, int]

DIMENSIONS = ("architecture", "family", "os", "accelerator", "class", "tier", "district", "provider", "target")


@dataclass(frozen=True, slots=True)
class Units:
    """Compute units times a thousand: of cores (general) and of accelerators (intelligent), and their peak
    rates.
    """

    general_milli: int = 0
    intelligent_milli: int = 0
    gigaflops_fp16: int = 0
    gigaops_int8: int = 0

    @property
    def milli(self) -> int:
        return self.general_milli + self.intelligent_milli

    def __add__(self, other: "Units") -> "Units":
        return Units(
            self.general_milli + other.general_milli,
            self.intelligent_milli + other.intelligent_milli,
            self.gigaflops_fp16 + other.gigaflops_fp16,
            self.gigaops_int8 + other.gigaops_int8,
        )

    def capped(self, most: int) -> "Units":
        """None of them more than `most`."""
        return Units(
            min(self.general_milli, most),
            min(self.intelligent_milli, most),
            min(self.gigaflops_fp16, most),
            min(self.gigaops_int8, most),
        )


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What one accelerator counts."""

    milli_units: int = 0
    gigaflops_fp16: int = 0
    gigaops_int8: int = 0


@dataclass(frozen=True, slots=True)
class UnitTable:
    """Milli-units per core by family, and accelerators by (resource, model); model "" stands for every model."""

    per_core: Mapping[str, int] = field(default_factory=dict)
    accelerators: Mapping[tuple[str, str], Accelerator] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DomesticList:
    """What counts as domestic: a family and an operating system that are both listed."""

    families: frozenset[str] = frozenset()
    oses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ClassParts:
    """A class's name taken apart. An accelerator may hold dots (`huawei.com_Ascend910`); the others may not."""

    architecture: str
    family: str
    os: str
    accelerator: str


@dataclass(frozen=True, slots=True)
class Amounts:
    """`allocatable` and `largest_free` are of ready, schedulable nodes; `capacity` and `requested` of all."""

    nodes: int = 0
    ready_nodes: int = 0
    allocatable: Resources = field(default_factory=dict)
    capacity: Resources = field(default_factory=dict)
    requested: Resources = field(default_factory=dict)
    largest_free: Resources = field(default_factory=dict)
    units: Units = Units()
    capacity_units: Units = Units()
    requested_units: Units = Units()
    domestic_milli: int = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """One hardware class in one place."""

    target: str
    tier: str
    district: str
    provider: str
    class_key: str
    amounts: Amounts


@functools.lru_cache(maxsize=8192)
def class_parts(class_key: str) -> ClassParts:
    """Raises ValueError where the name has not four parts."""
    parts = class_key.split(".", 3)
    if len(parts) != 4:
        raise ValueError(f"class {class_key!r}: must read architecture.family.os.accelerator")
    return ClassParts(*parts)


def table_of(spec: api.ComputeCentreSpec) -> UnitTable:
    """The unit table that a ComputeCentre gives."""
    return UnitTable(
        {each.family: each.milli_units_per_core for each in spec.unit_table.families},
        {
            (each.resource, each.model): Accelerator(each.milli_units, each.gigaflops_fp16, each.gigaops_int8)
            for each in spec.unit_table.accelerators
        },
    )


def domestic_of(spec: api.ComputeCentreSpec) -> DomesticList:
    """What a ComputeCentre lists as domestic."""
    return DomesticList(frozenset(spec.domestic.families), frozenset(spec.domestic.oses))


def is_domestic(class_key: str, domestic: DomesticList) -> bool:
    parts = class_parts(class_key)
    return parts.family in domestic.families and parts.os in domestic.oses


def units_of(table: UnitTable, class_key: str, resources: Resources) -> Units:
    """The compute units that `resources` of a class are, each sort at most quantity.MAX_AMOUNT. Families and
    accelerators that are not in the table count 0.
    """
    parts = class_parts(class_key)
    general = resources.get("cpu", 0) * table.per_core.get(parts.family, 0) // 1000
    total = Units(general_milli=general)
    for resource, amount in resources.items():
        accelerator = _accelerator(table, resource, parts.accelerator)
        if accelerator is not None:
            total += Units(
                intelligent_milli=amount * accelerator.milli_units,
                gigaflops_fp16=amount * accelerator.gigaflops_fp16,
                gigaops_int8=amount * accelerator.gigaops_int8,
            )
    return total.capped(quantity.MAX_AMOUNT)


def _accelerator(table: UnitTable, resource: str, model: str) -> Accelerator | None:
    return table.accelerators.get((resource, model)) or table.accelerators.get((resource, ""))


def with_units(amounts: Amounts, class_key: str, table: UnitTable, domestic: DomesticList) -> Amounts:
    """The amounts of one class, counted in compute units."""
    capacity = units_of(table, class_key, amounts.capacity)
    return replace(
        amounts,
        units=units_of(table, class_key, amounts.allocatable),
        capacity_units=capacity,
        requested_units=units_of(table, class_key, amounts.requested),
        domestic_milli=capacity.milli if is_domestic(class_key, domestic) else 0,
    )


def counted(holding: Holding, table: UnitTable, domestic: DomesticList) -> Holding:
    """The holding, counted in compute units."""
    return replace(holding, amounts=with_units(holding.amounts, holding.class_key, table, domestic))


def total(parts: Sequence[Amounts]) -> Amounts:
    """The sum, each figure at most quantity.MAX_TOTAL; `largest_free` is the largest, for it speaks of one node."""
    if len(parts) == 1:
        return parts[0]
    return Amounts(
        nodes=sum(part.nodes for part in parts),
        ready_nodes=sum(part.ready_nodes for part in parts),
        allocatable=_sum(part.allocatable for part in parts),
        capacity=_sum(part.capacity for part in parts),
        requested=_sum(part.requested for part in parts),
        largest_free=_largest(part.largest_free for part in parts),
        units=_sum_units([part.units for part in parts]),
        capacity_units=_sum_units([part.capacity_units for part in parts]),
        requested_units=_sum_units([part.requested_units for part in parts]),
        domestic_milli=min(sum(part.domestic_milli for part in parts), quantity.MAX_TOTAL),
    )


def _sum(parts: Iterable[Resources]) -> Resources:
    found: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            found[name] = found.get(name, 0) + amount
    return quantity.capped(found, quantity.MAX_TOTAL)


def _largest(parts: Iterable[Resources]) -> Resources:
    found: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            found[name] = max(found.get(name, 0), amount)
    return found


def _sum_units(parts: Sequence[Units]) -> Units:
    return Units(
        sum(part.general_milli for part in parts),
        sum(part.intelligent_milli for part in parts),
        sum(part.gigaflops_fp16 for part in parts),
        sum(part.gigaops_int8 for part in parts),
    ).capped(quantity.MAX_TOTAL)


def dimension(holding: Holding, name: str) -> str:
    """The value of one of DIMENSIONS."""
    if name == "class":
        return holding.class_key
    of = holding if name in _OF_PLACES else class_parts(holding.class_key)
    return str(getattr(of, name))


_OF_PLACES = frozenset({"target", "tier", "district", "provider"})


def group(holdings: Iterable[Holding], by: Sequence[str]) -> dict[tuple[str, ...], Amounts]:
    """Totals by the values of the dimensions `by`, sorted by them; one total under `()` where `by` is empty."""
    parts: dict[tuple[str, ...], list[Amounts]] = {}
    for holding in holdings:
        parts.setdefault(tuple(dimension(holding, name) for name in by), []).append(holding.amounts)
    return {key: total(parts[key]) for key in sorted(parts)}


def domestic_permille(amounts: Amounts) -> int:
    """国产化率 by compute units of everything that is installed, cordoned and unready nodes included.

    Installed and not allocatable: draining a node for a repair does not change what the city bought. 0 where
    nothing counts.
    """
    installed = amounts.capacity_units.milli
    return amounts.domestic_milli * 1000 // installed if installed else 0
