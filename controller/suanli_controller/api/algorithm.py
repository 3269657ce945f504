"""Algorithm: an entry of the city's catalogue, with its versions and their builds."""

from typing import Annotated

from msgspec import Meta, Struct, field

from suanli_controller.api import names
from suanli_controller.api.fields import (
    Conditions,
    DisplayName,
    ObservedGeneration,
    Word,
)
from suanli_controller.api.markers import REQUIRED, list_map
from suanli_controller.api.meta import ObjectMeta, Part
from suanli_controller.api.workload import Variants


class Throughput(Part, frozen=True):
    """What one replica achieves on a hardware class."""

    class_: Annotated[
        str, Meta(min_length=1, max_length=253, description="Hardware class: architecture.family.os.accelerator.")
    ] = field(name="class")
    per_replica: Annotated[int, Meta(ge=0, description="Amount for each replica, in unit.")]
    unit: Annotated[str, Meta(min_length=1, max_length=63, description="Unit, e.g. images/s.")]
    source: Annotated[str, Meta(max_length=512, description="Who measured it, how and when.")] = ""


class AlgorithmVersion(Part, frozen=True):
    """One version and its builds."""

    version: Annotated[str, Meta(min_length=1, max_length=63, description="Name of the version.")]
    variants: Variants = []
    throughput: Annotated[
        list[Throughput],
        Meta(max_length=64, description="What one replica achieves, by class."),
        list_map("class"),
    ] = []


class AlgorithmSpec(Part, frozen=True):
    """What the algorithm is and which versions there are."""

    display_name: Annotated[DisplayName, Meta(description="Name for people.")] = field(default_factory=DisplayName)
    category: Annotated[Word, Meta(description="Field of use, e.g. vision, speech, language.")] = ""
    versions: Annotated[
        list[AlgorithmVersion], Meta(max_length=32, description="Versions, the newest first."), list_map("version")
    ] = []


class AlgorithmStatus(Part, frozen=True):
    """Who uses the algorithm."""

    observed_generation: ObservedGeneration = 0
    conditions: Conditions = []
    workloads: Annotated[int, Meta(ge=0, description="Workloads that refer to this algorithm.")] = 0
    replicas: Annotated[int, Meta(ge=0, description="Replicas of these workloads that have a place.")] = 0


class Algorithm(Struct, frozen=True, rename="camel", gc=False):
    """An entry of the catalogue of algorithms: workloads take their builds from it by algorithmRef."""

    metadata: ObjectMeta
    spec: Annotated[AlgorithmSpec, REQUIRED] = field(default_factory=AlgorithmSpec)
    status: AlgorithmStatus = field(default_factory=AlgorithmStatus)
    api_version: str = names.API_VERSION
    kind: str = names.ALGORITHM_KIND
