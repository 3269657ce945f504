"""ComputeWorkload: one application in several builds, placed over clouds and edge sites."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from suanli_controller.api import names
from suanli_controller.api.fields import (
    AcceleratorName,
    Architecture,
    Conditions,
    DnsLabel,
    Grade,
    HardwareWord,
    IsaLevel,
    ObjectName,
    ObservedGeneration,
    PageSizeKiB,
    Quantities,
    Word,
)
from suanli_controller.api.markers import REQUIRED, UNIQUE, list_map, rule, rules
from suanli_controller.api.meta import LabelKey, LabelValue, ObjectMeta, Part

WorkloadType = Literal["Deployment", "Job", "DaemonSet"]
CompletionMode = Literal["NonIndexed", "Indexed"]
TargetOperator = Literal["In", "NotIn", "Exists"]
SpreadBy = Literal["node", "cloud", "site", "district", "provider", "zone"]
WhenUnsatisfiable = Literal["DoNotPlace", "PlaceAnyway"]
Divide = Literal["Capacity", "Weighted", "Aggregated", "Duplicated"]
FailoverMode = Literal["Migrate", "Never"]

TargetName = Annotated[str, Meta(max_length=264, pattern=r"^(Cloud|EdgeSite)/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
OPEN_OBJECT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class JobSpec(Part, frozen=True):
    """How often to run to completion; as in batch/v1."""

    completions: Annotated[int, Meta(ge=1, le=1_000_000, description="Pods that must succeed.")] = 1
    parallelism: Annotated[int, Meta(ge=0, le=1_000_000, description="Pods that run at the same time.")] = 1
    backoff_limit: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Failed pods before the Job counts as failed.")
    ] = 6
    completion_mode: Annotated[
        CompletionMode, Meta(description="Indexed gives each pod its number; such a Job is never divided.")
    ] = "NonIndexed"
    active_deadline_seconds: Annotated[
        Annotated[int, Meta(ge=1, le=315_360_000)] | None,
        Meta(description="Seconds after which a running Job is stopped."),
    ] = None
    ttl_seconds_after_finished: Annotated[
        Annotated[int, Meta(ge=0, le=315_360_000)] | None,
        Meta(description="Seconds after which the finished Job in the target is deleted."),
    ] = None


class Requires(Part, frozen=True):
    """The hardware that a build runs on; an empty list means any."""

    architectures: Annotated[
        list[Architecture],
        Meta(max_length=8, description="Processor architectures, in Kubernetes' words."),
        UNIQUE,
    ] = []
    families: Annotated[
        list[HardwareWord],
        Meta(max_length=32, description="CPU families, e.g. kunpeng-920, hygon, intel."),
        UNIQUE,
    ] = []
    oses: Annotated[
        list[HardwareWord],
        Meta(max_length=32, description="Operating systems, e.g. kylin-v10, openeuler."),
        UNIQUE,
    ] = []
    min_isa_level: Annotated[
        IsaLevel | None,
        Meta(description="Lowest instruction-set level: v8.0 to v9.0 on arm64, v1 to v4 on amd64."),
    ] = None
    page_sizes_kib: Annotated[
        list[PageSizeKiB],
        Meta(max_length=3, description="Page sizes of the kernel, in KiB, that the build bears."),
        UNIQUE,
    ] = field(name="pageSizesKiB", default_factory=list)
    accelerator: Annotated[
        AcceleratorName, Meta(description="Extended resource of the accelerator, e.g. huawei.com/Ascend910.")
    ] = ""
    accelerator_models: Annotated[
        list[HardwareWord], Meta(max_length=32, description="Accelerator models, e.g. ascend910b."), UNIQUE
    ] = []


class ContainerResources(Part, frozen=True):
    """Compute resources of a container, as in core/v1."""

    requests: Annotated[Quantities, Meta(description="What the container is promised.")] = {}
    limits: Annotated[Quantities, Meta(description="What the container may use at most.")] = {}


class EnvVar(Part, frozen=True):
    """An environment variable, as in core/v1."""

    name: Annotated[str, Meta(min_length=1, max_length=253, description="Name of the variable.")]
    value: Annotated[str, Meta(max_length=32768, description="Value of the variable.")] = ""
    value_from: Annotated[
        dict[str, Any] | None,
        Meta(description="Source of the value, as in core/v1.", extra_json_schema=OPEN_OBJECT),
    ] = None


Argument = Annotated[str, Meta(max_length=4096)]


class VariantContainer(Part, frozen=True):
    """What differs from the template's container of the same name."""

    name: Annotated[DnsLabel, Meta(description="Name of a container or init container of the template.")]
    image: Annotated[str, Meta(max_length=1024, description="Image of this build.")] = ""
    resources: Annotated[
        ContainerResources | None, Meta(description="Resources of this build; given, they replace the template's.")
    ] = None
    env: Annotated[
        list[EnvVar], Meta(max_length=128, description="Variables added or replaced by name."), list_map("name")
    ] = []
    command: Annotated[
        list[Argument], Meta(max_length=64, description="Entry point, in place of the template's.")
    ] = []
    args: Annotated[list[Argument], Meta(max_length=64, description="Arguments, in place of the template's.")] = []


_ARM_LEVELS = "['v8.0', 'v8.1', 'v8.2', 'v9.0']"
_ISA_RULE = rule(
    "!has(self.minIsaLevel) || (has(self.architectures) && "
    f"self.architectures == [self.minIsaLevel in {_ARM_LEVELS} ? 'arm64' : 'amd64'])",
    "minIsaLevel v8.0 to v9.0 needs architectures: [arm64], v1 to v4 needs architectures: [amd64]",
    ".minIsaLevel",
)
_MODEL_RULE = rule(
    "!has(self.acceleratorModels) || self.acceleratorModels.size() == 0 || "
    "(has(self.accelerator) && self.accelerator != '')",
    "acceleratorModels needs accelerator",
    ".acceleratorModels",
)


class Variant(Part, frozen=True):
    """One build of the workload and the hardware that it runs on."""

    name: Annotated[DnsLabel, Meta(description="Name of the build; it becomes part of generated names.")]
    requires: Annotated[
        Requires,
        Meta(
            description="Hardware that the build runs on; silent means any.",
            extra_json_schema=rules(_ISA_RULE, _MODEL_RULE),
        ),
    ] = field(default_factory=Requires)
    containers: Annotated[
        list[VariantContainer],
        Meta(max_length=32, description="Merged over the template's containers by name."),
        list_map("name"),
    ] = []


Variants = Annotated[
    list[Variant],
    Meta(
        max_length=16,
        description="Builds. The first that fits best by familyOrder, then capacity; several may be used at once.",
    ),
    list_map("name"),
]


class AlgorithmRef(Part, frozen=True):
    """A version in the catalogue of algorithms."""

    name: Annotated[ObjectName, Meta(description="Name of the Algorithm.")]
    version: Annotated[str, Meta(min_length=1, max_length=63, description="Version of the Algorithm.")]


class TargetRequirement(Part, frozen=True):
    """A requirement on the place."""

    key: Annotated[
        LabelKey,
        Meta(description="cloud, site, tier, district, provider, zone, family, os, or the key of a label."),
    ]
    operator: Annotated[TargetOperator, Meta(description="How the place's value relates to values.")]
    values: Annotated[
        list[LabelValue], Meta(max_length=64, description="Values for In and NotIn; empty for Exists.")
    ] = []


VALUES_RULE = rule(
    "self.all(r, r.operator == 'Exists' ? (!has(r.values) || r.values.size() == 0) : "
    "(has(r.values) && r.values.size() > 0))",
    "values must be given for the operators In and NotIn, and left out for Exists",
)
Requirements = Annotated[list[TargetRequirement], Meta(max_length=16, extra_json_schema=rules(VALUES_RULE))]


class PlacementGroup(Part, frozen=True):
    """A step in an ordered choice of places."""

    name: Annotated[DnsLabel, Meta(description="Name of the group.")]
    require: Annotated[Requirements, Meta(description="Places of this group; empty means any.")] = []


class Preference(Part, frozen=True):
    """Places that are liked better."""

    weight: Annotated[int, Meta(ge=1, le=100, description="How much better.")]
    require: Annotated[Requirements, Meta(description="Which places.")] = []


class Spread(Part, frozen=True):
    """How replicas lie over domains; 0 means no such bound."""

    by: Annotated[SpreadBy, Meta(description="What a domain is.")]
    max_skew: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Largest difference of replicas between two domains.")
    ] = 0
    min_domains: Annotated[int, Meta(ge=0, le=10_000, description="Least number of domains used.")] = 0
    max_per_domain: Annotated[int, Meta(ge=0, le=1_000_000, description="Most replicas in one domain.")] = 0
    when_unsatisfiable: Annotated[
        WhenUnsatisfiable, Meta(description="DoNotPlace leaves replicas out; PlaceAnyway takes it as a wish.")
    ] = "DoNotPlace"


class TargetWeight(Part, frozen=True):
    """A target's share."""

    target: Annotated[TargetName, Meta(description="Cloud/NAME or EdgeSite/NAME.")]
    weight: Annotated[int, Meta(ge=0, le=1_000_000, description="Share in relation to the other weights.")]


SPREAD_RULE = rule(
    "self.all(s, (has(s.maxSkew) && s.maxSkew > 0) || (has(s.minDomains) && s.minDomains > 0) || "
    "(has(s.maxPerDomain) && s.maxPerDomain > 0))",
    "each entry needs at least one of maxSkew, minDomains and maxPerDomain above 0",
)
Spreads = Annotated[
    list[Spread],
    Meta(max_length=6, extra_json_schema=rules(SPREAD_RULE)),
    list_map("by"),
]
FamilyOrder = Annotated[list[HardwareWord], Meta(max_length=32)]


class Placement(Part, frozen=True):
    """Where replicas may go, where they should rather go, and how they are divided."""

    require: Annotated[Requirements, Meta(description="Places that may be used; every entry must hold.")] = []
    groups: Annotated[
        list[PlacementGroup],
        Meta(max_length=16, description="Ordered: what does not fit the first group goes to the next."),
        list_map("name"),
    ] = []
    prefer: Annotated[list[Preference], Meta(max_length=16, description="Places that are liked better.")] = []
    family_order: Annotated[FamilyOrder, Meta(description="CPU families, the best first.")] = []
    spread: Annotated[Spreads, Meta(description="How replicas lie over domains.")] = []
    divide: Annotated[
        Divide | None,
        Meta(
            description="How replicas are divided; silent means Capacity for a Deployment, one target for a Job."
        ),
    ] = None
    weights: Annotated[
        list[TargetWeight],
        Meta(max_length=256, description="Shares for divide: Weighted; a target that is not named gets nothing."),
        list_map("target"),
    ] = []
    max_rtt_microseconds: Annotated[
        int,
        Meta(ge=0, le=3_600_000_000, description="Longest round trip from the hub to the target; 0 means any."),
    ] = 0


class Failover(Part, frozen=True):
    """What happens when a target does not answer."""

    mode: Annotated[
        FailoverMode,
        Meta(
            description="Migrate is the default for a Deployment in clouds; Never for a Job, on sites, and where "
            "a PersistentVolumeClaim is named."
        ),
    ]
    after_seconds: Annotated[
        int, Meta(ge=0, le=31_536_000, description="Seconds of silence before replicas are placed elsewhere.")
    ] = 300


_TEMPLATE_CONTAINER = OPEN_OBJECT | {
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Name of the container."}
    },
}
_TEMPLATE_SCHEMA = OPEN_OBJECT | {
    "required": ["spec"],
    "properties": {
        "metadata": OPEN_OBJECT | {"description": "Labels and annotations of the pods."},
        "spec": OPEN_OBJECT
        | {
            "description": "PodSpec, as in core/v1.",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "description": "Containers, as in core/v1; a variant's are merged over them by name.",
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 32,
                    "items": _TEMPLATE_CONTAINER,
                },
                "initContainers": {
                    "description": "Init containers and sidecars, as in core/v1.",
                    "type": "array",
                    "maxItems": 32,
                    "items": _TEMPLATE_CONTAINER,
                },
            },
        },
    },
}
_IN_TEMPLATE = (
    "(self.template.spec.containers.exists(t, t.name == c.name) || (has(self.template.spec.initContainers) && "
    "self.template.spec.initContainers.exists(t, t.name == c.name)))"
)
JOB_RULE = rule(
    "self.type == 'Job' ? has(self.job) : !has(self.job)",
    "job must be given for type Job, and only then",
    ".job",
)
REFERENCE_RULE = rule(
    "!has(self.algorithmRef) || !has(self.variants) || self.variants.size() == 0",
    "algorithmRef and variants exclude each other: the catalogue's variants are taken",
    ".algorithmRef",
)
CONTAINERS_RULE = rule(
    "!has(self.variants) || self.variants.all(v, !has(v.containers) || v.containers.all(c, " + _IN_TEMPLATE + "))",
    "a variant's containers must bear the name of a container of template.spec",
    ".variants",
)
DAEMON_SET_RULE = rule(
    "!has(self.placement) || !has(self.placement.divide) || self.type != 'DaemonSet'",
    "placement.divide is not for type DaemonSet, which has one pod on each node that fits",
    ".placement.divide",
)
INDEXED_RULE = rule(
    "!has(self.job) || self.job.completionMode != 'Indexed' || "
    "!has(self.placement) || !has(self.placement.divide)",
    "placement.divide is not for an Indexed Job, which goes whole to one target",
    ".placement.divide",
)
SPEC_RULES = (
    JOB_RULE,
    rule(
        "self.type == 'Deployment' || self.replicas == 1",
        "replicas is for type Deployment: a Job has job.completions, a DaemonSet one pod on each node",
        ".replicas",
    ),
    REFERENCE_RULE,
    CONTAINERS_RULE,
    DAEMON_SET_RULE,
    INDEXED_RULE,
    rule("self.type == oldSelf.type", "type cannot be changed: delete the workload and make a new one", ".type"),
    rule(
        "!has(self.job) || !has(oldSelf.job) || (self.job.completions == oldSelf.job.completions && "
        "self.job.completionMode == oldSelf.job.completionMode)",
        "job.completions and job.completionMode cannot be changed: make a new workload",
        ".job",
    ),
)
WEIGHTS_RULE = rule(
    "(has(self.divide) && self.divide == 'Weighted') == (has(self.weights) && self.weights.size() > 0)",
    "weights must be given for divide: Weighted, and only then",
    ".weights",
)
SOME_WEIGHT_RULE = rule(
    "!has(self.weights) || self.weights.size() == 0 || self.weights.exists(w, w.weight > 0)",
    "at least one weight must be above 0",
    ".weights",
)
PLACEMENT_RULES = (
    WEIGHTS_RULE,
    SOME_WEIGHT_RULE,
)


class ComputeWorkloadSpec(Part, frozen=True):
    """What runs, in which builds, and where it may go."""

    type: Annotated[
        WorkloadType, Meta(description="Deployment, Job, or DaemonSet (one pod on each node that fits).")
    ] = "Deployment"
    replicas: Annotated[int, Meta(ge=0, le=1_000_000, description="Pods of a Deployment, over all targets.")] = 1
    job: Annotated[JobSpec | None, Meta(description="How often to run to completion, for type Job.")] = None
    suspend: Annotated[bool, Meta(description="When true, nothing runs; nothing is forgotten.")] = False
    data_grade: Annotated[
        Grade | None,
        Meta(description="Grade of the data: General, Important or Core; may only raise what the policies say."),
    ] = None
    priority_class_name: Annotated[
        str,
        Meta(
            max_length=253,
            pattern="^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$",
            description="A PriorityClass of the hub: who is placed first.",
        ),
    ] = ""
    template: Annotated[
        dict[str, Any],
        Meta(
            description="PodTemplateSpec, as in core/v1; checked by a dry run of what is generated from it.",
            extra_json_schema=_TEMPLATE_SCHEMA,
        ),
        REQUIRED,
    ] = field(default_factory=dict)
    variants: Variants = []
    algorithm_ref: Annotated[
        AlgorithmRef | None, Meta(description="Take the variants from the catalogue of algorithms.")
    ] = None
    placement: Annotated[
        Placement,
        Meta(
            description="Where replicas may go and how they are divided.",
            extra_json_schema=rules(*PLACEMENT_RULES),
        ),
    ] = field(default_factory=Placement)
    failover: Annotated[Failover | None, Meta(description="What happens when a target does not answer.")] = None


class TargetPlacement(Part, frozen=True):
    """What one target runs of one build."""

    target: Annotated[TargetName, Meta(description="Cloud/NAME or EdgeSite/NAME.")]
    variant: Annotated[DnsLabel, Meta(description="Name of the build; default where the workload names none.")]
    replicas: Annotated[int, Meta(ge=0, description="Replicas given to this target.")] = 0
    ready_replicas: Annotated[int, Meta(ge=0, description="Replicas that are ready there.")] = 0
    completions: Annotated[
        int, Meta(ge=0, description="The part of a Job's completions that is to run there.")
    ] = 0
    succeeded: Annotated[int, Meta(ge=0, description="Pods of a Job that succeeded there.")] = 0
    failed: Annotated[int, Meta(ge=0, description="Pods of a Job that failed there.")] = 0


class UnplacedReason(Part, frozen=True):
    """How many nodes were ruled out by what."""

    reason: Annotated[Word, Meta(description="What ruled the nodes out, as one CamelCase word.")]
    nodes: Annotated[int, Meta(ge=0, description="Nodes that were ruled out by it.")] = 0
    message: Annotated[str, Meta(max_length=1024, description="More about it, for a person to read.")] = ""


class Unplaced(Part, frozen=True):
    """Replicas without a place, and why."""

    replicas: Annotated[int, Meta(ge=0, description="Replicas that have no place.")] = 0
    reasons: Annotated[
        list[UnplacedReason],
        Meta(max_length=32, description="Each node counts once, under the first reason that holds."),
        list_map("reason"),
    ] = []


class ComputeWorkloadStatus(Part, frozen=True):
    """Where the workload runs and what does not."""

    observed_generation: ObservedGeneration = 0
    conditions: Conditions = []
    replicas: Annotated[int, Meta(ge=0, description="Replicas that have a place.")] = 0
    ready_replicas: Annotated[int, Meta(ge=0, description="Replicas that are ready.")] = 0
    selector: Annotated[str, Meta(max_length=256, description="Label selector of the pods, for scale.")] = ""
    placements: Annotated[
        list[TargetPlacement],
        Meta(
            max_length=256,
            description="Where the replicas are; of too many those in clouds, then the largest.",
        ),
        list_map("target", "variant"),
    ] = []
    omitted_placements: Annotated[int, Meta(ge=0, description="Placements beyond those that are listed.")] = 0
    unplaced: Annotated[Unplaced | None, Meta(description="Replicas without a place, and why.")] = None


class ComputeWorkload(Struct, frozen=True, rename="camel", gc=False):
    """One application in several builds, placed on the processors where each build runs."""

    metadata: ObjectMeta
    spec: Annotated[ComputeWorkloadSpec, Meta(extra_json_schema=rules(*SPEC_RULES)), REQUIRED] = field(
        default_factory=ComputeWorkloadSpec
    )
    status: ComputeWorkloadStatus = field(default_factory=ComputeWorkloadStatus)
    api_version: str = names.API_VERSION
    kind: str = names.WORKLOAD_KIND
