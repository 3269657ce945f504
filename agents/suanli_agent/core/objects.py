"""The part of Kubernetes' core/v1 that a node acts on, as msgspec Structs.

msgspec, because one decode gives typed, slotted objects and needs far less memory than dicts of dicts. Fields
typed Any are read by others (scheduler, controllers) and mean nothing to a node. A field that is not here is one
that the agent cannot honour: support.py refuses the pod and names it, so add a field only together with the code
that obeys it.
"""

from __future__ import annotations

from typing import Any, Optional, Union

import msgspec

Quantity = Union[str, int]
IntOrString = Union[int, str]


class Base(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Kubernetes' JSON manners: camelCase names, nothing written that is at its default."""


class OwnerReference(Base):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Base):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Optional[str] = None
    deletion_timestamp: Optional[str] = None
    deletion_grace_period_seconds: Optional[int] = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    finalizers: list[str] = []
    self_link: Any = None
    managed_fields: Any = None


class LocalObjectReference(Base):
    name: str = ""


class ObjectFieldSelector(Base):
    api_version: str = "v1"
    field_path: str = ""


class ResourceFieldSelector(Base):
    container_name: str = ""
    resource: str = ""
    divisor: Quantity = "0"


class KeySelector(Base):
    """A key of a ConfigMap or of a Secret."""

    name: str = ""
    key: str = ""
    optional: bool = False


class EnvVarSource(Base):
    field_ref: Optional[ObjectFieldSelector] = None
    resource_field_ref: Optional[ResourceFieldSelector] = None
    config_map_key_ref: Optional[KeySelector] = None
    secret_key_ref: Optional[KeySelector] = None


class EnvVar(Base):
    name: str = ""
    value: str = ""
    value_from: Optional[EnvVarSource] = None


class EnvSource(Base):
    name: str = ""
    optional: bool = False


class EnvFromSource(Base):
    prefix: str = ""
    config_map_ref: Optional[EnvSource] = None
    secret_ref: Optional[EnvSource] = None


class ContainerPort(Base):
    name: str = ""
    container_port: int = 0
    host_port: int = 0
    host_ip: str = msgspec.field(name="hostIP", default="")
    protocol: str = "TCP"


class VolumeMount(Base):
    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False
    mount_propagation: str = ""


class ResourceRequirements(Base):
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class HTTPHeader(Base):
    name: str = ""
    value: str = ""


class HTTPGetAction(Base):
    path: str = "/"
    port: IntOrString = 0
    host: str = ""
    scheme: str = "HTTP"
    http_headers: list[HTTPHeader] = []


class ExecAction(Base):
    command: list[str] = []


class TCPSocketAction(Base):
    port: IntOrString = 0
    host: str = ""


class GRPCAction(Base):
    port: int = 0
    service: Optional[str] = None


class SleepAction(Base):
    seconds: int = 0


class Probe(Base):
    exec: Optional[ExecAction] = None
    http_get: Optional[HTTPGetAction] = None
    tcp_socket: Optional[TCPSocketAction] = None
    grpc: Optional[GRPCAction] = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: Optional[int] = None


class LifecycleHandler(Base):
    exec: Optional[ExecAction] = None
    http_get: Optional[HTTPGetAction] = None
    sleep: Optional[SleepAction] = None


class Lifecycle(Base):
    post_start: Optional[LifecycleHandler] = None
    pre_stop: Optional[LifecycleHandler] = None


class Capabilities(Base):
    add: list[str] = []
    drop: list[str] = []


class SELinuxOptions(Base):
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class SecurityProfile(Base):
    """A seccomp or an AppArmor profile: RuntimeDefault, Unconfined or Localhost."""

    type: str = ""
    localhost_profile: str = ""


class SecurityContext(Base):
    capabilities: Optional[Capabilities] = None
    privileged: bool = False
    se_linux_options: Optional[SELinuxOptions] = None
    run_as_user: Optional[int] = None
    run_as_group: Optional[int] = None
    run_as_non_root: Optional[bool] = None
    read_only_root_filesystem: bool = False
    allow_privilege_escalation: Optional[bool] = None
    proc_mount: str = ""
    seccomp_profile: Optional[SecurityProfile] = None
    app_armor_profile: Optional[SecurityProfile] = None


class Container(Base):
    """A normal, an init (restart_policy Always: a sidecar) or an ephemeral container (target_container_name)."""

    name: str = ""
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    working_dir: str = ""
    ports: list[ContainerPort] = []
    env_from: list[EnvFromSource] = []
    env: list[EnvVar] = []
    resources: ResourceRequirements = msgspec.field(default_factory=ResourceRequirements)
    resize_policy: Any = None  # the API server writes defaults into it
    restart_policy: Optional[str] = None
    volume_mounts: list[VolumeMount] = []
    liveness_probe: Optional[Probe] = None
    readiness_probe: Optional[Probe] = None
    startup_probe: Optional[Probe] = None
    lifecycle: Optional[Lifecycle] = None
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    image_pull_policy: str = ""
    security_context: Optional[SecurityContext] = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    target_container_name: str = ""


class KeyToPath(Base):
    key: str = ""
    path: str = ""
    mode: Optional[int] = None


class EmptyDirVolumeSource(Base):
    medium: str = ""
    size_limit: Optional[Quantity] = None


class HostPathVolumeSource(Base):
    path: str = ""
    type: str = ""


class ConfigMapVolumeSource(Base):
    name: str = ""
    items: list[KeyToPath] = []
    default_mode: int = 0o644
    optional: bool = False


class SecretVolumeSource(Base):
    secret_name: str = ""
    items: list[KeyToPath] = []
    default_mode: int = 0o644
    optional: bool = False


class DownwardAPIVolumeFile(Base):
    path: str = ""
    field_ref: Optional[ObjectFieldSelector] = None
    resource_field_ref: Optional[ResourceFieldSelector] = None
    mode: Optional[int] = None


class DownwardAPIVolumeSource(Base):
    items: list[DownwardAPIVolumeFile] = []
    default_mode: int = 0o644


class ObjectProjection(Base):
    """A ConfigMap or a Secret in a projected volume."""

    name: str = ""
    items: list[KeyToPath] = []
    optional: bool = False


class DownwardAPIProjection(Base):
    items: list[DownwardAPIVolumeFile] = []


class ServiceAccountTokenProjection(Base):
    audience: str = ""
    expiration_seconds: int = 3600
    path: str = ""


class VolumeProjection(Base):
    secret: Optional[ObjectProjection] = None
    config_map: Optional[ObjectProjection] = None
    downward_api: Optional[DownwardAPIProjection] = msgspec.field(name="downwardAPI", default=None)
    service_account_token: Optional[ServiceAccountTokenProjection] = None


class ProjectedVolumeSource(Base):
    sources: list[VolumeProjection] = []
    default_mode: int = 0o644


class Volume(Base):
    name: str = ""
    empty_dir: Optional[EmptyDirVolumeSource] = None
    host_path: Optional[HostPathVolumeSource] = None
    config_map: Optional[ConfigMapVolumeSource] = None
    secret: Optional[SecretVolumeSource] = None
    downward_api: Optional[DownwardAPIVolumeSource] = msgspec.field(name="downwardAPI", default=None)
    projected: Optional[ProjectedVolumeSource] = None


class Sysctl(Base):
    name: str = ""
    value: str = ""


class PodSecurityContext(Base):
    se_linux_options: Optional[SELinuxOptions] = None
    run_as_user: Optional[int] = None
    run_as_group: Optional[int] = None
    run_as_non_root: Optional[bool] = None
    supplemental_groups: list[int] = []
    supplemental_groups_policy: str = "Merge"
    fs_group: Optional[int] = None
    fs_group_change_policy: str = "Always"
    sysctls: list[Sysctl] = []
    seccomp_profile: Optional[SecurityProfile] = None
    app_armor_profile: Optional[SecurityProfile] = None
    se_linux_change_policy: Any = None


class HostAlias(Base):
    ip: str = ""
    hostnames: list[str] = []


class PodDNSConfigOption(Base):
    name: str = ""
    value: Optional[str] = None


class PodDNSConfig(Base):
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[PodDNSConfigOption] = []


class PodReadinessGate(Base):
    condition_type: str = ""


class PodOS(Base):
    name: str = ""


class PodSpec(Base):
    volumes: list[Volume] = []
    init_containers: list[Container] = []
    containers: list[Container] = []
    ephemeral_containers: list[Container] = []
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: Optional[int] = None
    dns_policy: str = "ClusterFirst"
    dns_config: Optional[PodDNSConfig] = None
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: Any = None
    node_name: str = ""
    host_network: bool = False
    host_pid: bool = msgspec.field(name="hostPID", default=False)
    host_ipc: bool = msgspec.field(name="hostIPC", default=False)
    host_users: bool = True
    share_process_namespace: bool = False
    security_context: PodSecurityContext = msgspec.field(default_factory=PodSecurityContext)
    image_pull_secrets: list[LocalObjectReference] = []
    hostname: str = ""
    hostname_override: Optional[str] = None
    subdomain: str = ""
    set_hostname_as_fqdn: bool = msgspec.field(name="setHostnameAsFQDN", default=False)
    host_aliases: list[HostAlias] = []
    readiness_gates: list[PodReadinessGate] = []
    runtime_class_name: Optional[str] = None
    enable_service_links: bool = True
    os: Optional[PodOS] = None
    priority: Optional[int] = None
    node_selector: Any = None
    affinity: Any = None
    scheduler_name: Any = None
    scheduling_gates: Any = None
    scheduling_group: Any = None
    workload_ref: Any = None
    tolerations: Any = None
    priority_class_name: Any = None
    preemption_policy: Any = None
    overhead: Any = None
    topology_spread_constraints: Any = None


class PodCondition(Base):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: Optional[str] = None
    last_probe_time: Optional[str] = None
    observed_generation: int = 0


class PodStatus(Base):
    """What was last written: others' conditions and transition times survive a restart of the agent by it."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    start_time: Optional[str] = None
    conditions: list[PodCondition] = []
    container_statuses: list[dict[str, Any]] = []
    init_container_statuses: list[dict[str, Any]] = []
    ephemeral_container_statuses: list[dict[str, Any]] = []
    pod_ips: list[dict[str, str]] = msgspec.field(name="podIPs", default_factory=list)


class Pod(Base):
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class ConfigMap(Base):
    """Values of binary_data are base64 on the wire, bytes here."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    data: dict[str, str] = {}
    binary_data: dict[str, bytes] = {}
    immutable: bool = False


class Secret(Base):
    """Values of data are base64 on the wire, bytes here."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    data: dict[str, bytes] = {}
    type: str = "Opaque"
    immutable: bool = False


class ServicePort(Base):
    name: str = ""
    port: int = 0
    protocol: str = "TCP"


class ServiceSpec(Base):
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    ports: list[ServicePort] = []


class Service(Base):
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)


class RuntimeClass(Base):
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    handler: str = ""


class Token(Base):
    """What a TokenRequest brought: expiration_timestamp is RFC 3339 in UTC."""

    token: str = ""
    expiration_timestamp: str = ""


def decode_pod(raw: bytes) -> Pod:
    """One Pod from its JSON. Raises msgspec.DecodeError or msgspec.ValidationError for what is no Pod."""
    return _pods.decode(raw)


_pods = msgspec.json.Decoder(Pod)
