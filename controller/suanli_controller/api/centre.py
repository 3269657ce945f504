"""ComputeCentre: the city as a whole: its districts, its table of compute units, its totals."""

from typing import Annotated

from msgspec import Meta, Struct, field

from suanli_controller.api import names
from suanli_controller.api.fields import (
    Classes,
    Conditions,
    DisplayName,
    HardwareWord,
    ObservedGeneration,
    ResourceName,
    Tier,
    Word,
)
from suanli_controller.api.markers import REQUIRED, UNIQUE, list_map, rule
from suanli_controller.api.meta import ObjectMeta, Part

Source = Annotated[str, Meta(max_length=512, description="Where the figure comes from, for an auditor.")]
MilliUnits = Annotated[int, Meta(ge=0, description="Compute units x 1000.")]


class Position(Part, frozen=True):
    """A point on the map."""

    east_e6: Annotated[
        int, Meta(ge=-180_000_000, le=180_000_000, description="Degrees east of Greenwich x 1000000.")
    ] = field(name="eastE6")
    north_e6: Annotated[
        int, Meta(ge=-90_000_000, le=90_000_000, description="Degrees north of the equator x 1000000.")
    ] = field(name="northE6")


class District(Part, frozen=True):
    """A district or county of the city."""

    code: Annotated[Word, Meta(min_length=1, description="Code, as Clouds and EdgeSites name it.")]
    display_name: Annotated[DisplayName, Meta(description="Name for people.")] = field(default_factory=DisplayName)
    position: Annotated[Position | None, Meta(description="Where it lies on the map.")] = None


class FamilyUnits(Part, frozen=True):
    """What a core of a CPU family counts."""

    family: Annotated[HardwareWord, Meta(min_length=1, description="CPU family, e.g. kunpeng-920.")]
    milli_units_per_core: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="Compute units x 1000 of one core.")
    ]
    source: Source = ""


class AcceleratorUnits(Part, frozen=True):
    """What an accelerator counts."""

    resource: Annotated[ResourceName, Meta(description="Extended resource, e.g. huawei.com/Ascend910.")]
    model: Annotated[
        HardwareWord,
        Meta(
            description="Model, e.g. ascend910b; empty stands for every model that is not listed.",
            extra_json_schema={"default": ""},
        ),
    ] = ""
    milli_units: Annotated[
        int, Meta(ge=0, le=1_000_000_000_000, description="Compute units x 1000 of one device.")
    ] = 0
    gigaflops_fp16: Annotated[
        int, Meta(ge=0, le=1_000_000_000_000, description="Peak rate in FP16, in 10^9 operations per second.")
    ] = 0
    gigaops_int8: Annotated[
        int, Meta(ge=0, le=1_000_000_000_000, description="Peak rate in INT8, in 10^9 operations per second.")
    ] = 0
    source: Source = ""


class UnitTable(Part, frozen=True):
    """What a compute unit is, by processor and accelerator."""

    version: Annotated[str, Meta(max_length=63, description="Name of this edition of the table, e.g. 2026-1.")] = (
        ""
    )
    families: Annotated[
        list[FamilyUnits], Meta(max_length=128, description="CPU families."), list_map("family")
    ] = []
    accelerators: Annotated[
        list[AcceleratorUnits], Meta(max_length=256, description="Accelerators."), list_map("resource", "model")
    ] = []


class Domestic(Part, frozen=True):
    """What counts as domestic."""

    families: Annotated[list[HardwareWord], Meta(max_length=128, description="CPU families."), UNIQUE] = []
    oses: Annotated[list[HardwareWord], Meta(max_length=64, description="Operating systems."), UNIQUE] = []


class ComputeCentreSpec(Part, frozen=True):
    """What the city says about itself."""

    display_name: Annotated[DisplayName, Meta(description="Name for people.")] = field(default_factory=DisplayName)
    districts: Annotated[
        list[District], Meta(max_length=256, description="Districts and counties."), list_map("code")
    ] = []
    unit_table: Annotated[UnitTable, Meta(description="What a compute unit is.")] = field(
        default_factory=UnitTable
    )
    domestic: Annotated[Domestic, Meta(description="What counts as domestic.")] = field(default_factory=Domestic)


class TierTotal(Part, frozen=True):
    """Total of one tier."""

    tier: Annotated[Tier, Meta(description="Level of the city.")]
    milli_units: MilliUnits = 0
    gigaflops_fp16: Annotated[int, Meta(ge=0, description="Peak rate in FP16, in 10^9 operations per second.")] = 0


class DistrictTotal(Part, frozen=True):
    """Total of one district."""

    code: Annotated[Word, Meta(description="Code of the district; empty for places that name none.")]
    milli_units: MilliUnits = 0
    gigaflops_fp16: Annotated[int, Meta(ge=0, description="Peak rate in FP16, in 10^9 operations per second.")] = 0


class ComputeCentreStatus(Part, frozen=True):
    """Totals of the city; written at most every 30 seconds, and only on change."""

    observed_generation: ObservedGeneration = 0
    conditions: Conditions = []
    clouds: Annotated[int, Meta(ge=0, description="Clouds.")] = 0
    ready_clouds: Annotated[int, Meta(ge=0, description="Clouds that are Ready.")] = 0
    sites: Annotated[int, Meta(ge=0, description="Edge sites.")] = 0
    boxes: Annotated[int, Meta(ge=0, description="Edge boxes.")] = 0
    classes: Classes = []
    tiers: Annotated[list[TierTotal], Meta(max_length=8, description="Totals by tier."), list_map("tier")] = []
    districts: Annotated[
        list[DistrictTotal], Meta(max_length=256, description="Totals by district."), list_map("code")
    ] = []
    domestic_permille: Annotated[
        int, Meta(ge=0, le=1000, description="Domestic share of the compute units, in thousandths.")
    ] = 0


class ComputeCentre(Struct, frozen=True, rename="camel", gc=False):
    """The city's algorithm-and-compute centre: districts, compute units and totals. There is one, named centre."""

    metadata: ObjectMeta
    spec: Annotated[ComputeCentreSpec, REQUIRED] = field(default_factory=ComputeCentreSpec)
    status: ComputeCentreStatus = field(default_factory=ComputeCentreStatus)
    api_version: str = names.API_VERSION
    kind: str = names.CENTRE_KIND


ROOT_RULE = rule("self.metadata.name == 'centre'", "metadata.name must be centre: there is one ComputeCentre")
