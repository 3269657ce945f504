"""PodTemplateSpec, as far as the placement and the generated objects depend on it. Read, never written.

A workload's template is kept as it came, with every field that Kubernetes has or will have; this is how the few
fields that we act on are read from it, each with its type.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import field

from suanli_controller.api import core_v1
from suanli_controller.api.meta import Part


class MalformedTemplate(ValueError):
    """A template in which a field has another type than Kubernetes gives it; the message has its path."""


class SelectorTerm(Part, frozen=True):
    """A NodeSelectorRequirement or LabelSelectorRequirement."""

    key: str = ""
    operator: str = ""
    values: list[str] = field(default_factory=list)


class LabelSelector(Part, frozen=True):
    match_labels: dict[str, str] = field(default_factory=dict)
    match_expressions: list[SelectorTerm] = field(default_factory=list)


class NodeSelectorTerm(Part, frozen=True):
    match_expressions: list[SelectorTerm] = field(default_factory=list)
    match_fields: list[SelectorTerm] = field(default_factory=list)


class NodeSelector(Part, frozen=True):
    node_selector_terms: list[NodeSelectorTerm] = field(default_factory=list)


class NodeAffinity(Part, frozen=True):
    required: NodeSelector | None = field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")


class PodAffinityTerm(Part, frozen=True):
    label_selector: LabelSelector | None = None
    namespaces: list[str] = field(default_factory=list)
    namespace_selector: LabelSelector | None = None
    topology_key: str = ""


class PodAffinity(Part, frozen=True):
    required: list[PodAffinityTerm] = field(
        default_factory=list, name="requiredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(Part, frozen=True):
    node_affinity: NodeAffinity = field(default_factory=NodeAffinity)
    pod_affinity: PodAffinity = field(default_factory=PodAffinity)
    pod_anti_affinity: PodAffinity = field(default_factory=PodAffinity)


class Toleration(Part, frozen=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class TopologySpreadConstraint(Part, frozen=True):
    topology_key: str = ""
    when_unsatisfiable: str = ""
    max_skew: int = 1
    min_domains: int = 0
    label_selector: LabelSelector | None = None
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"


class Source(Part, frozen=True):
    """What names a ConfigMap or Secret: a volume's Secret calls it `secretName`."""

    name: str = ""
    secret_name: str = ""
    optional: bool = False


class ValueFrom(Part, frozen=True):
    config_map_key_ref: Source | None = None
    secret_key_ref: Source | None = None


class EnvVar(Part, frozen=True):
    name: str = ""
    value_from: ValueFrom = field(default_factory=ValueFrom)


class EnvFrom(Part, frozen=True):
    config_map_ref: Source | None = None
    secret_ref: Source | None = None


class ContainerPort(Part, frozen=True):
    container_port: int = 0
    host_port: int = 0


class Container(core_v1.Container, frozen=True):
    env: list[EnvVar] = field(default_factory=list)
    env_from: list[EnvFrom] = field(default_factory=list)
    ports: list[ContainerPort] = field(default_factory=list)


class ProjectedSource(Part, frozen=True):
    config_map: Source | None = None
    secret: Source | None = None


class Projected(Part, frozen=True):
    sources: list[ProjectedSource] = field(default_factory=list)


class Volume(Part, frozen=True):
    name: str = ""
    config_map: Source | None = None
    secret: Source | None = None
    projected: Projected = field(default_factory=Projected)
    persistent_volume_claim: dict[str, Any] | None = None
    ephemeral: dict[str, Any] | None = None


class PodSpec(Part, frozen=True):
    containers: list[Container] = field(default_factory=list)
    init_containers: list[Container] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    image_pull_secrets: list[Source] = field(default_factory=list)
    node_name: str = ""
    host_network: bool = False
    node_selector: dict[str, str] = field(default_factory=dict)
    affinity: Affinity = field(default_factory=Affinity)
    tolerations: list[Toleration] = field(default_factory=list)
    topology_spread_constraints: list[TopologySpreadConstraint] = field(default_factory=list)
    service_account_name: str = ""
    scheduler_name: str = "default-scheduler"
    scheduling_gates: list[dict[str, Any]] = field(default_factory=list)
    resource_claims: list[dict[str, Any]] = field(default_factory=list)


class TemplateMeta(Part, frozen=True):
    labels: dict[str, str] = field(default_factory=dict)


class PodTemplate(Part, frozen=True):
    metadata: TemplateMeta = field(default_factory=TemplateMeta)
    spec: PodSpec = field(default_factory=PodSpec)


def read(template: dict[str, Any]) -> PodTemplate:
    """The typed part of a template. Raises MalformedTemplate, with the path of the field."""
    try:
        return msgspec.convert(without_nulls(template), PodTemplate)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        where = f"spec.template{path.removesuffix('`')}"
        raise MalformedTemplate(f"{where}: {what[:1].lower()}{what[1:]}") from error


def part(template: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A copy of a raw template's `metadata` or `spec`, empty where there is none."""
    return without_nulls(template.get(name)) or {}


def without_nulls(value: Any) -> Any:
    """To Kubernetes a field that is null is a field that is not there."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value
