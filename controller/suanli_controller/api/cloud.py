"""Cloud: one Kubernetes cluster of the city, or the hub's own ordinary nodes, as a place for work."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from suanli_controller.api import names
from suanli_controller.api.fields import (
    Classes,
    Conditions,
    Grade,
    HardwareWord,
    IsaLevel,
    ObjectName,
    ObservedGeneration,
    PageSizeKiB,
    QuantityText,
    Tier,
    Word,
)
from suanli_controller.api.markers import REQUIRED, list_map, rule, rules
from suanli_controller.api.meta import LabelSelector, ObjectMeta, Part, Time

DeletionPolicy = Literal["Orphan", "Delete"]


SIDES: Final = (
    "a Cloud cannot change between kubeconfigSecretRef and local: delete it with deletionPolicy: Orphan, "
    "and join anew"
)
"""Its nodes, and what runs there, would be another cluster's at once, before anything has moved."""


class SecretKeyRef(Part, frozen=True):
    """A key of a Secret in the controller's namespace."""

    name: Annotated[ObjectName, Meta(description="Name of the Secret in the controller's namespace.")]
    key: Annotated[
        str,
        Meta(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$", description="Key in the Secret's data."),
    ] = "kubeconfig"


class LocalAccess(Part, frozen=True):
    """The hub's own cluster: its ordinary nodes, without edge boxes. It has no fields."""


class CloudAccess(Part, frozen=True):
    """How the hub reaches the cloud's API."""

    kubeconfig_secret_ref: Annotated[
        SecretKeyRef | None,
        Meta(description="Secret with a kubeconfig: certificates and tokens only, no exec and no file paths."),
    ] = None
    local: Annotated[
        LocalAccess | None, Meta(description="The hub's own cluster, its ordinary nodes; written as {}.")
    ] = None


class CloudNetwork(Part, frozen=True):
    """The link between the hub and the cloud, as contracted."""

    uplink_mbps: Annotated[
        int, Meta(ge=0, le=100_000_000, description="What the link carries, in megabits per second.")
    ] = field(name="uplinkMbps", default=0)


class NodeProfile(Part, frozen=True):
    """Facts about the nodes under a selector that the cloud's own labels do not tell."""

    selector: Annotated[
        LabelSelector,
        Meta(description="Which nodes, by labels that the cloud itself keeps; empty means every node."),
        REQUIRED,
    ] = field(default_factory=LabelSelector)
    family: Annotated[HardwareWord, Meta(description="CPU family, e.g. kunpeng-920, hygon, intel.")] = ""
    os: Annotated[HardwareWord, Meta(description="Operating system, e.g. kylin-v10, openeuler, uos.")] = ""
    isa_level: Annotated[
        IsaLevel | None, Meta(description="Instruction-set level: v8.0 to v9.0 on arm64, v1 to v4 on amd64.")
    ] = None
    page_size_kib: Annotated[PageSizeKiB | None, Meta(description="Page size of the kernel, in KiB.")] = field(
        name="pageSizeKiB", default=None
    )
    accelerator_model: Annotated[
        HardwareWord,
        Meta(description="Accelerator model where the resource's name does not tell, e.g. ascend910b."),
    ] = ""


class CloudSpec(Part, frozen=True):
    """What the owner of the city's platform says about this cloud."""

    access: Annotated[
        CloudAccess,
        Meta(
            description="How the hub reaches the cloud; exactly one way, which cannot be changed for the other.",
            extra_json_schema=rules(
                rule(
                    "has(self.kubeconfigSecretRef) != has(self.local)",
                    "exactly one of kubeconfigSecretRef and local must be set",
                ),
                rule("has(self.local) == has(oldSelf.local)", SIDES),
            ),
        ),
        REQUIRED,
    ] = field(default_factory=CloudAccess)
    tier: Annotated[Tier, Meta(description="Level of the city that this cloud serves."), REQUIRED] = "District"
    district: Annotated[Word, Meta(description="Code of the district; its name is in the ComputeCentre.")] = ""
    provider: Annotated[Word, Meta(description="Vendor or owner of the cloud.")] = ""
    zone: Annotated[Word, Meta(description="Failure domain, e.g. az-1.")] = ""
    clearance: Annotated[
        Grade, Meta(description="Highest data grade that this cloud may hold: General < Important < Core.")
    ] = "General"
    cordoned: Annotated[bool, Meta(description="When true, nothing new is placed here.")] = False
    draining: Annotated[
        bool,
        Meta(description="When true, our replicas move away, each replacement ready first; needs cordoned."),
    ] = False
    deletion_policy: Annotated[
        DeletionPolicy, Meta(description="What becomes of our objects there when this Cloud is deleted.")
    ] = "Orphan"
    network: Annotated[CloudNetwork | None, Meta(description="The link between the hub and the cloud.")] = None
    node_profiles: Annotated[
        list[NodeProfile],
        Meta(
            max_length=64,
            description="Facts that the cloud's own labels do not tell. A node under two profiles that differ "
            "counts as unknown, and Ready says ProfilesConflict.",
        ),
    ] = []


class StorageCapacity(Part, frozen=True):
    """What a storage class has left."""

    storage_class: Annotated[ObjectName, Meta(description="Name of the StorageClass in the cloud.")]
    capacity: Annotated[QuantityText, Meta(description="Bytes, as a quantity.")] = "0"


class NetworkStatus(Part, frozen=True):
    """The link as measured."""

    rtt_microseconds: Annotated[
        int,
        Meta(ge=0, description="Round trip from the hub to the cloud's API, smoothed; written on change of 20%."),
    ] = 0


class CloudStatus(Part, frozen=True):
    """What the hub saw of this cloud last."""

    observed_generation: ObservedGeneration = 0
    conditions: Conditions = []
    version: Annotated[str, Meta(max_length=63, description="Kubernetes version of the cloud.")] = ""
    nodes: Annotated[int, Meta(ge=0, description="Nodes of the cloud.")] = 0
    ready_nodes: Annotated[int, Meta(ge=0, description="Nodes of the cloud that are Ready.")] = 0
    classes: Classes = []
    storage: Annotated[
        list[StorageCapacity],
        Meta(max_length=64, description="Capacity by storage class, where the cloud tells."),
        list_map("storageClass"),
    ] = []
    network: Annotated[NetworkStatus | None, Meta(description="The link as measured.")] = None
    credential_expires: Annotated[
        Time | None, Meta(description="When the credential in the Secret ends, where it tells.")
    ] = None


class Cloud(Struct, frozen=True, rename="camel", gc=False):
    """A Kubernetes cluster of the city as a place for work: municipal core, district cloud, or the hub itself."""

    metadata: ObjectMeta
    spec: Annotated[
        CloudSpec,
        Meta(
            extra_json_schema=rules(
                rule(
                    "!(has(self.draining) && self.draining) || (has(self.cordoned) && self.cordoned)",
                    "draining needs cordoned: true, or new work would come in while the old leaves",
                    ".draining",
                )
            )
        ),
        REQUIRED,
    ] = field(default_factory=CloudSpec)
    status: CloudStatus = field(default_factory=CloudStatus)
    api_version: str = names.API_VERSION
    kind: str = names.CLOUD_KIND
