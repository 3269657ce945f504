"""Field types that several of our kinds share: bounded words, quantities, hardware words, capacity by class.

A type says its bounds once; a kind adds what the field means there. Bounds are on everything, because the API
server prices a CEL rule by the largest object that the schema allows.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from suanli_controller.api.markers import list_map
from suanli_controller.api.meta import Condition, Part

ObjectName = Annotated[str, Meta(min_length=1, max_length=253, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
DnsLabel = Annotated[str, Meta(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
# Values that also become label values.
Word = Annotated[str, Meta(max_length=63, pattern="^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
# Families, systems and models: lower case, without the dot that parts a class string.
HardwareWord = Annotated[str, Meta(max_length=63, pattern="^([a-z0-9]([-a-z0-9_]*[a-z0-9])?)?$")]
ResourceName = Annotated[
    str,
    Meta(
        max_length=253,
        pattern="^([A-Za-z0-9][-A-Za-z0-9_.]*[A-Za-z0-9]/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    ),
]
AcceleratorName = Annotated[
    str, Meta(max_length=253, pattern="^([A-Za-z0-9][-A-Za-z0-9_.]*/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]

Architecture = Literal["amd64", "arm64", "loong64", "riscv64", "arm", "386", "ppc64le", "s390x"]
IsaLevel = Literal["v8.0", "v8.1", "v8.2", "v9.0", "v1", "v2", "v3", "v4"]
PageSizeKiB = Literal[4, 16, 64]
Grade = Literal["General", "Important", "Core"]
Tier = Literal["Municipal", "District", "Edge"]

# Kubernetes' own pattern of a quantity (apimachinery, pkg/api/resource/quantity.go), non-negative.
_DECIMAL: Final = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_QUANTITY_PATTERN: Final = rf"^\+?{_DECIMAL}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_DECIMAL}))?$"
_INT_OR_STRING: Final = {
    "x-kubernetes-int-or-string": True,
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "pattern": _QUANTITY_PATTERN,
}
Quantity = Annotated[int | str, Meta(extra_json_schema=_INT_OR_STRING)]
QuantityText = Annotated[str, Meta(max_length=32, pattern=_QUANTITY_PATTERN)]
Quantities = Annotated[dict[str, Quantity], Meta(max_length=64)]
QuantityTexts = Annotated[dict[str, QuantityText], Meta(max_length=64)]

Conditions = Annotated[
    list[Condition],
    Meta(max_length=16, description="What holds now, by type; Ready sums it up."),
    list_map("type"),
]
ObservedGeneration = Annotated[
    int, Meta(ge=0, description="The metadata.generation that this status was computed from.")
]


class DisplayName(Part, frozen=True):
    """A name for people, in the languages of the page."""

    zh: Annotated[str, Meta(max_length=128, description="Name in Chinese.")] = ""
    en: Annotated[str, Meta(max_length=128, description="Name in English.")] = ""


class ClassCapacity(Part, frozen=True):
    """What the nodes of one hardware class have, hold and have left."""

    class_: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=253,
            description="architecture.family.os.accelerator; unknown where unknown, none without an accelerator.",
        ),
    ] = field(name="class")
    nodes: Annotated[int, Meta(ge=0, description="Nodes of this class.")] = 0
    ready_nodes: Annotated[int, Meta(ge=0, description="Nodes of this class that are Ready.")] = 0
    allocatable: Annotated[
        QuantityTexts, Meta(description="What ready, schedulable nodes offer to pods, summed.")
    ] = {}
    capacity: Annotated[QuantityTexts, Meta(description="What all nodes have, summed.")] = {}
    requested: Annotated[
        QuantityTexts, Meta(description="What the pods on these nodes request, ours or not, summed.")
    ] = {}
    largest_free: Annotated[
        QuantityTexts,
        Meta(description="The largest free amount on one ready, schedulable node: why a sum is not room."),
    ] = {}
    milli_units: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Compute units x 1000 of what is allocatable, by the ComputeCentre's table; absent without it."
        ),
    ] = None


Classes = Annotated[
    list[ClassCapacity], Meta(max_length=512, description="Capacity by hardware class."), list_map("class")
]
