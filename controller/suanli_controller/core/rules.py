"""From a ComputeWorkload to what the placement asks of every node: one constraint per variant.

The workload's wishes and its template's own scheduling fields are folded together; each can only narrow. What a
template says that the placement does not model is named in the Ask's notes, never dropped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from suanli_controller.api import core_v1, names, template, workload
from suanli_controller.core import demand, objects, quantity, requests, spec_check

DEFAULT_GRADE = "Core"  # fail closed: nobody has said that the data may go anywhere
DEFAULT_SCHEDULER = "default-scheduler"


class InvalidTemplate(ValueError):
    """A template that can never be placed; the message names the field, the value and the mend."""


def ask_of(item: workload.ComputeWorkload, strategy: demand.Strategy | None = None) -> demand.Ask:
    """All of a workload that does not change until its next generation.

    `strategy` None: BinPack, and Fragmentation where a build asks for an accelerator. Raises InvalidTemplate.
    """
    spec, place = item.spec, item.spec.placement
    pods = _read(item)
    variants = tuple(_variants(item))
    return demand.Ask(
        variants=variants,
        kind=demand.Kind(spec.type),
        grade=spec.data_grade or DEFAULT_GRADE,
        node_selector=tuple(sorted(pods.spec.node_selector.items())),
        node_terms=_node_terms(pods.spec.affinity.node_affinity.required),
        tolerations=tuple(_tolerations(pods)),
        topology_spread=tuple(_topology_spread(pods)),
        anti_affinity=tuple(sorted(set(_anti_affinity(item, pods)))),
        require=_requirements(place.require),
        groups=tuple(demand.Group(each.name, _requirements(each.require)) for each in place.groups),
        prefer=tuple(demand.Preference(each.weight, _requirements(each.require)) for each in place.prefer),
        family_order=tuple(place.family_order),
        spread=tuple(_spread(each) for each in place.spread),
        divide=demand.Divide(place.divide) if place.divide else None,
        weights=tuple((each.target, each.weight) for each in place.weights),
        max_rtt_microseconds=place.max_rtt_microseconds,
        strategy=strategy or default_strategy(variants),
        notes=tuple(_notes(item, pods)),
    )


def _read(item: workload.ComputeWorkload) -> template.PodTemplate:
    try:
        pods = template.read(item.spec.template)
    except template.MalformedTemplate as error:
        raise InvalidTemplate(str(error)) from error
    for wrong in spec_check.of_spec(item.spec, pods):
        raise InvalidTemplate(wrong)
    if pods.spec.node_name:
        raise InvalidTemplate(
            f"spec.template.spec.nodeName: {pods.spec.node_name!r}: leave it out and say placement.require"
        )
    _check_labels(pods.metadata.labels)
    for wrong in spec_check.of_template(pods):
        raise InvalidTemplate(f"spec.template.spec.{wrong}")
    return pods


_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")  # apimachinery, validation.go


def _check_labels(labels: Mapping[str, str]) -> None:
    """Values only: keys are seen by the dry run, which takes templates with the same keys as one."""
    for key, value in labels.items():
        if not _LABEL_VALUE.fullmatch(value):
            raise InvalidTemplate(
                f"spec.template.metadata.labels[{key}]: {value!r}: up to 63 letters, digits, '-', '_' and '.', "
                "beginning and ending with a letter or digit"
            )


def default_strategy(variants: Iterable[demand.Variant]) -> demand.Strategy:
    """BinPack keeps whole nodes free; accelerators are lost to fragments first, so they are packed by that."""
    accelerated = any("/" in resource for variant in variants for resource in variant.requests)
    return demand.Strategy.FRAGMENTATION if accelerated else demand.Strategy.BIN_PACK


def replicas_of(item: workload.ComputeWorkload) -> int:
    """Pods at a time, over all targets. A DaemonSet's follow from the nodes."""
    job = item.spec.job
    return min(job.parallelism, job.completions) if job else item.spec.replicas


def _variants(item: workload.ComputeWorkload) -> Iterator[demand.Variant]:
    builds = item.spec.variants or [workload.Variant(names.DEFAULT_VARIANT)]
    for build in builds:
        needs = build.requires
        yield demand.Variant(
            name=build.name,
            requests=_effective_requests(item, build),
            architectures=tuple(needs.architectures),
            families=tuple(needs.families),
            oses=tuple(needs.oses),
            min_isa_level=needs.min_isa_level or "",
            page_sizes_kib=tuple(needs.page_sizes_kib),
            accelerator=needs.accelerator,
            accelerator_models=tuple(needs.accelerator_models),
        )


def _effective_requests(item: workload.ComputeWorkload, build: workload.Variant) -> dict[str, int]:
    merged = objects.merged_pod(item.spec.template, build)
    try:
        spec = msgspec.convert(merged, core_v1.PodSpec)
        _check_containers(spec)
        return requests.of_spec(spec)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidTemplate(f"spec.template.spec (variant {build.name}): {error}") from error


def _check_containers(spec: core_v1.PodSpec) -> None:
    """What no API server takes, though a placement could be found for it."""
    if not spec.containers:
        raise InvalidTemplate("containers: none: give at least one")
    for container in (*spec.containers, *spec.init_containers):
        limits = container.resources.limits
        for resource, raw in {**limits, **container.resources.requests}.items():
            if "/" in resource and quantity.parse(raw, 3) % 1000:
                raise InvalidTemplate(f"{resource}: {raw!r}: devices are asked for whole")
            if quantity.amount(resource, raw) > quantity.amount(resource, limits.get(resource, raw)):
                raise InvalidTemplate(f"{resource}: {raw!r}: more than its limit {limits[resource]!r}")


def _requirements(entries: Iterable[workload.TargetRequirement]) -> tuple[demand.Requirement, ...]:
    return tuple(demand.Requirement(each.key, each.operator, tuple(each.values)) for each in entries)


def _spread(entry: workload.Spread) -> demand.Spread:
    return demand.Spread(
        by=entry.by,
        max_skew=entry.max_skew,
        min_domains=entry.min_domains,
        max_per_domain=entry.max_per_domain,
        when_unsatisfiable=demand.Unsatisfiable(entry.when_unsatisfiable),
    )


def _node_terms(required: template.NodeSelector | None) -> tuple[tuple[demand.Expression, ...], ...] | None:
    if required is None:
        return None
    return tuple(
        tuple(
            demand.Expression(key, each.operator, tuple(each.values))
            for key, each in (
                *((each.key, each) for each in term.match_expressions),
                *((demand.NODE_NAME, each) for each in term.match_fields),
            )
        )
        for term in required.node_selector_terms
    )


def _tolerations(pods: template.PodTemplate) -> Iterator[demand.Toleration]:
    for each in pods.spec.tolerations:
        yield demand.Toleration(each.key, each.operator, each.value, each.effect)
    # generated objects at a site tolerate the taint that keeps the hub's other pods off its boxes
    yield demand.Toleration(names.EDGE_TAINT, "Exists")


def _topology_spread(pods: template.PodTemplate) -> Iterator[demand.TopologySpread]:
    for each in pods.spec.topology_spread_constraints:
        if each.when_unsatisfiable == "DoNotSchedule" and _selects_itself(pods, each.label_selector):
            yield demand.TopologySpread(
                topology_key=each.topology_key,
                max_skew=each.max_skew,
                min_domains=each.min_domains,
                honor_affinity=each.node_affinity_policy == "Honor",
                honor_taints=each.node_taints_policy == "Honor",
            )


def _anti_affinity(item: workload.ComputeWorkload, pods: template.PodTemplate) -> Iterator[str]:
    for term in pods.spec.affinity.pod_anti_affinity.required:
        if _is_own(item, pods, term):
            yield term.topology_key
    if any(_host_ports(pods)):
        yield names.HOSTNAME_LABEL  # two pods with one host port cannot share a node


def _host_ports(pods: template.PodTemplate) -> Iterator[int]:
    """On the host's own network each port is one of the host's, as the API server writes it."""
    for container in pods.spec.containers:
        for port in container.ports:
            yield port.host_port or (port.container_port if pods.spec.host_network else 0)


def _is_own(item: workload.ComputeWorkload, pods: template.PodTemplate, term: template.PodAffinityTerm) -> bool:
    own = item.metadata.namespace in (term.namespaces or [item.metadata.namespace])
    return own and term.namespace_selector is None and _selects_itself(pods, term.label_selector)


def _selects_itself(pods: template.PodTemplate, selector: template.LabelSelector | None) -> bool:
    """Whether a label selector of the template selects the template's own pods; a missing one selects none."""
    if selector is None:
        return False
    labels = pods.metadata.labels
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        demand.holds(each.operator, listed=labels.get(each.key) in each.values, present=each.key in labels)
        for each in selector.match_expressions
    )


def _notes(item: workload.ComputeWorkload, pods: template.PodTemplate) -> Iterator[str]:
    """What kube-scheduler in the target will check and the placement does not."""
    spec = pods.spec
    if any(each.persistent_volume_claim is not None or each.ephemeral is not None for each in spec.volumes):
        yield "volume topology"
    if spec.resource_claims:
        yield "dynamic resource claims"
    if spec.affinity.pod_affinity.required:
        yield "pod affinity"
    if any(not _is_own(item, pods, term) for term in spec.affinity.pod_anti_affinity.required):
        yield "anti-affinity to other pods"
    if any(
        each.when_unsatisfiable == "DoNotSchedule" and not _selects_itself(pods, each.label_selector)
        for each in spec.topology_spread_constraints
    ):
        yield "topology spread over other pods"
    if any(_host_ports(pods)):
        yield "host ports that other pods hold"
    if spec.scheduler_name != DEFAULT_SCHEDULER:
        yield f"scheduler {spec.scheduler_name}"
    if spec.scheduling_gates:
        yield "scheduling gates"
    if any(each.operator in ("Lt", "Gt") for each in spec.tolerations):
        yield "tolerations by Lt or Gt"
    if item.spec.type == "DaemonSet" and _is_spread(item, pods):
        yield "spread of a DaemonSet, which has one pod on each node that fits"


def _is_spread(item: workload.ComputeWorkload, pods: template.PodTemplate) -> bool:
    apart = set(_anti_affinity(item, pods)) - {names.HOSTNAME_LABEL}
    return bool(item.spec.placement.spread or apart or list(_topology_spread(pods)))
