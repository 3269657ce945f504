"""The list of our kinds: struct, names, printer columns, subresources. Adding a kind adds one entry here."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from suanli_controller.api import algorithm, centre, cloud, names, site, workload


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; `wide` ones show with -o wide only, so that the others fit 80 characters."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    wide: bool = False

    def manifest(self) -> dict[str, Any]:
        described = {"description": self.description} if self.description else {}
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            **described,
            **({"priority": 1} if self.wide else {}),
        }


def _condition(name: str, type_: str, what: str, *, wide: bool = False) -> Column:
    return Column(name, f".status.conditions[?(@.type=='{type_}')].{what}", wide=wide)


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
_READY: Final = _condition("Ready", names.READY, "status")
_REASON: Final = _condition("Reason", names.READY, "reason")
_MESSAGE: Final = _condition("Message", names.READY, "message", wide=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of group suanli.io."""

    name: str
    struct: type[msgspec.Struct]
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    namespaced: bool = False
    scale: dict[str, str] | None = None
    root_rules: tuple[dict[str, str], ...] = ()


CLOUD: Final = Kind(
    names.CLOUD_KIND,
    cloud.Cloud,
    plural="clouds",
    short_names=("cloud",),
    columns=(
        _READY,
        _REASON,
        Column("Tier", ".spec.tier"),
        Column("Nodes", ".status.nodes", "integer"),
        _AGE,
        Column("Ready Nodes", ".status.readyNodes", "integer", wide=True),
        Column("District", ".spec.district", wide=True),
        Column("Provider", ".spec.provider", wide=True),
        Column("Clearance", ".spec.clearance", wide=True),
        Column("Cordoned", ".spec.cordoned", "boolean", wide=True),
        Column("Version", ".status.version", wide=True),
        Column("RTT us", ".status.network.rttMicroseconds", "integer", wide=True),
    ),
)
EDGE_SITE: Final = Kind(
    names.SITE_KIND,
    site.EdgeSite,
    plural="edgesites",
    short_names=("site",),
    columns=(
        _READY,
        _REASON,
        Column("Boxes", ".status.boxes", "integer"),
        Column("Ready Boxes", ".status.readyBoxes", "integer"),
        _AGE,
        Column("District", ".spec.district", wide=True),
        Column("Clearance", ".spec.clearance", wide=True),
        Column("Cordoned", ".spec.cordoned", "boolean", wide=True),
        Column("Next Expiry", ".status.nextCertificateExpiry", wide=True),
    ),
)
COMPUTE_WORKLOAD: Final = Kind(
    names.WORKLOAD_KIND,
    workload.ComputeWorkload,
    plural="computeworkloads",
    short_names=("cwl",),
    namespaced=True,
    columns=(
        Column("Type", ".spec.type"),
        Column("Placed", ".status.replicas", "integer"),
        Column("Unplaced", ".status.unplaced.replicas", "integer"),
        Column("Ready", ".status.readyReplicas", "integer"),
        _AGE,
        Column("Desired", ".spec.replicas", "integer", wide=True),
        Column("Grade", ".spec.dataGrade", wide=True),
        Column("Priority", ".spec.priorityClassName", wide=True),
        Column("Targets", ".status.placements[*].target", wide=True),
        _condition("Reason", names.READY, "reason", wide=True),
        _condition("Message", names.READY, "message", wide=True),
    ),
    scale={
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)
ALGORITHM: Final = Kind(
    names.ALGORITHM_KIND,
    algorithm.Algorithm,
    plural="algorithms",
    short_names=("algo",),
    columns=(
        _READY,
        Column("Category", ".spec.category"),
        Column("Workloads", ".status.workloads", "integer"),
        Column("Replicas", ".status.replicas", "integer"),
        _AGE,
        Column("Name zh", ".spec.displayName.zh", wide=True),
        Column("Name en", ".spec.displayName.en", wide=True),
        Column("Versions", ".spec.versions[*].version", wide=True),
        _MESSAGE,
    ),
)
COMPUTE_CENTRE: Final = Kind(
    names.CENTRE_KIND,
    centre.ComputeCentre,
    plural="computecentres",
    short_names=("centre",),
    root_rules=(centre.ROOT_RULE,),
    columns=(
        _READY,
        Column("Clouds", ".status.clouds", "integer"),
        Column("Sites", ".status.sites", "integer"),
        Column("Boxes", ".status.boxes", "integer"),
        Column("Domestic permille", ".status.domesticPermille", "integer"),
        _AGE,
        Column("Units", ".spec.unitTable.version", wide=True),
        _MESSAGE,
    ),
)

KINDS: Final = (CLOUD, EDGE_SITE, COMPUTE_WORKLOAD, ALGORITHM, COMPUTE_CENTRE)
