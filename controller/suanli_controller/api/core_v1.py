"""The parts of core Kubernetes kinds that the hub reads, and nothing more.

A field that is not here is skipped unread, which makes decoding straight from bytes several times faster than
full models. Field names are Kubernetes' own, and every field is optional. For writing, reconcilers make plain
dicts: these structs are never sent.
"""

from msgspec import field

from suanli_controller.api.meta import ObjectMeta, Part, Time

# As kube-apiserver prints them, always strings; a manifest written by hand may hold bare numbers.
ResourceList = dict[str, str | int | float]


class Taint(Part, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(Part, frozen=True):
    unschedulable: bool = False
    taints: list[Taint] = field(default_factory=list)


class NodeSystemInfo(Part, frozen=True):
    architecture: str = ""
    os_image: str = ""
    kernel_version: str = ""
    kubelet_version: str = ""


class NodeAddress(Part, frozen=True):
    type: str = ""
    address: str = ""


class StatusCondition(Part, frozen=True):
    """A condition of a core kind: unlike ours, its reason may be missing."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: Time | None = None


class NodeCondition(Part, frozen=True):
    """Whether an aspect of a node holds; what its kubelet says about it is not read."""

    type: str = ""
    status: str = ""


class NodeStatus(Part, frozen=True):
    capacity: ResourceList = field(default_factory=dict)
    allocatable: ResourceList = field(default_factory=dict)
    conditions: list[NodeCondition] = field(default_factory=list)
    node_info: NodeSystemInfo = field(default_factory=NodeSystemInfo)
    addresses: list[NodeAddress] = field(default_factory=list)


class Node(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


class PodMeta(Part, frozen=True):
    """A pod's metadata without annotations and managed fields: there are many pods."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = field(default_factory=dict)


class ResourceRequirements(Part, frozen=True):
    requests: ResourceList = field(default_factory=dict)
    limits: ResourceList = field(default_factory=dict)


class Container(Part, frozen=True):
    name: str = ""
    resources: ResourceRequirements = field(default_factory=ResourceRequirements)
    restart_policy: str = ""  # Always on an init container makes it a sidecar


class PodSpec(Part, frozen=True):
    node_name: str = ""
    containers: list[Container] = field(default_factory=list)
    init_containers: list[Container] = field(default_factory=list)
    overhead: ResourceList = field(default_factory=dict)
    resources: ResourceRequirements | None = None  # pod-level resources, Kubernetes 1.32 and later
    priority: int = 0


class ContainerStatus(Part, frozen=True):
    """What a container holds while a resize in place is under way."""

    name: str = ""
    allocated_resources: ResourceList = field(default_factory=dict)
    resources: ResourceRequirements | None = None


class PodStatus(Part, frozen=True):
    phase: str = ""
    reason: str = ""
    conditions: list[StatusCondition] = field(default_factory=list)
    container_statuses: list[ContainerStatus] = field(default_factory=list)
    init_container_statuses: list[ContainerStatus] = field(default_factory=list)


class Pod(Part, frozen=True):
    metadata: PodMeta = field(default_factory=PodMeta)
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)


class LeaseSpec(Part, frozen=True):
    holder_identity: str = ""
    lease_duration_seconds: int = 0
    lease_transitions: int = 0
    acquire_time: Time | None = None
    renew_time: Time | None = None


class Lease(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: LeaseSpec = field(default_factory=LeaseSpec)


class PriorityClass(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    value: int = 0
    global_default: bool = False
    preemption_policy: str = "PreemptLowerPriority"


class NamespaceStatus(Part, frozen=True):
    phase: str = ""


class Namespace(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    status: NamespaceStatus = field(default_factory=NamespaceStatus)


class Secret(Part, frozen=True):
    """`data` is base64, as sent."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    type: str = ""
    data: dict[str, str] = field(default_factory=dict)


class ConfigMap(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    data: dict[str, str] = field(default_factory=dict)


class ScaleSpec(Part, frozen=True):
    replicas: int | None = None


class DeploymentStatus(Part, frozen=True):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: list[StatusCondition] = field(default_factory=list)


class Deployment(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: ScaleSpec = field(default_factory=ScaleSpec)
    status: DeploymentStatus = field(default_factory=DeploymentStatus)


class JobSpec(Part, frozen=True):
    completions: int | None = None
    parallelism: int | None = None
    suspend: bool = False


class JobStatus(Part, frozen=True):
    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    start_time: Time | None = None
    completion_time: Time | None = None
    conditions: list[StatusCondition] = field(default_factory=list)


class Job(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: JobSpec = field(default_factory=JobSpec)
    status: JobStatus = field(default_factory=JobStatus)


class DaemonSetStatus(Part, frozen=True):
    observed_generation: int = 0
    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_ready: int = 0
    number_available: int = 0
    number_unavailable: int = 0


class DaemonSet(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    status: DaemonSetStatus = field(default_factory=DaemonSetStatus)


class CSIStorageCapacity(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    storage_class_name: str = ""
    capacity: str | int | None = None


class PersistentVolumeSpec(Part, frozen=True):
    storage_class_name: str = ""
    capacity: ResourceList = field(default_factory=dict)


class PersistentVolumeStatus(Part, frozen=True):
    phase: str = ""


class PersistentVolume(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PersistentVolumeSpec = field(default_factory=PersistentVolumeSpec)
    status: PersistentVolumeStatus = field(default_factory=PersistentVolumeStatus)


class CertificateSigningRequestSpec(Part, frozen=True):
    request: str = ""  # base64 of the PEM
    signer_name: str = ""
    expiration_seconds: int | None = None
    usages: list[str] = field(default_factory=list)
    username: str = ""
    groups: list[str] = field(default_factory=list)


class CertificateSigningRequestStatus(Part, frozen=True):
    certificate: str = ""
    conditions: list[StatusCondition] = field(default_factory=list)


class CertificateSigningRequest(Part, frozen=True):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: CertificateSigningRequestSpec = field(default_factory=CertificateSigningRequestSpec)
    status: CertificateSigningRequestStatus = field(default_factory=CertificateSigningRequestStatus)
