"""From a ComputeWorkload to what the placement asks of every node: one constraint per variant.

The workload's wishes and its template's own scheduling fields are folded together; each can only narrow. What a
template says that the placement does not model is named in the Ask's notes, never dropped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from suanli_controller.api import core_v1, names, workload
from suanli_controller.core import demand, objects, requests

HOSTNAME_KEY = names.HOSTNAME_LABEL
DEFAULT_GRADE = "Core"  # fail closed: nobody has said that the data may go anywhere


class InvalidTemplate(ValueError):
    """A template that can never be placed; the message names the field, the value and the mend."""


def ask_of(item: workload.ComputeWorkload, strategy: demand.Strategy | None = None) -> demand.Ask:
    """All of a workload that does not change until its next generation.

    `strategy` None: BinPack, and Fragmentation where a build asks for an accelerator. Raises InvalidTemplate.
    """
    spec, pod = item.spec, item.spec.template.get("spec", {})
    if pod.get("nodeName"):
        raise InvalidTemplate(
            f"spec.template.spec.nodeName: {pod['nodeName']!r}: leave it out and say placement.require"
        )
    _check_labels(item.spec.template.get("metadata", {}).get("labels", {}))
    variants = tuple(_variants(item))
    place = spec.placement
    return demand.Ask(
        variants=variants,
        kind=demand.Kind(spec.type),
        grade=spec.data_grade or DEFAULT_GRADE,
        node_selector=tuple(sorted(pod.get("nodeSelector", {}).items())),
        node_terms=_node_terms(pod),
        tolerations=tuple(_tolerations(pod)),
        topology_spread=tuple(_topology_spread(item)),
        anti_affinity=tuple(sorted(set(_anti_affinity(item)))),
        require=_requirements(place.require),
        groups=tuple(demand.Group(each.name, _requirements(each.require)) for each in place.groups),
        prefer=tuple(demand.Preference(each.weight, _requirements(each.require)) for each in place.prefer),
        family_order=tuple(place.family_order),
        spread=tuple(_spread(each) for each in place.spread),
        divide=demand.Divide(place.divide) if place.divide else None,
        weights=tuple((each.target, each.weight) for each in place.weights),
        max_rtt_microseconds=place.max_rtt_microseconds,
        strategy=strategy or default_strategy(variants),
        notes=tuple(_notes(item)),
    )


_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")  # apimachinery, validation.go


def _check_labels(labels: Mapping[str, Any]) -> None:
    """Values only: keys are seen by the dry run, which takes templates with the same keys as one."""
    for key, value in labels.items():
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
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
        return requests.of_spec(msgspec.convert(merged, core_v1.PodSpec))
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidTemplate(f"spec.template.spec (variant {build.name}): {error}") from error


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


def _node_terms(pod: Mapping[str, Any]) -> tuple[tuple[demand.Expression, ...], ...] | None:
    required = (
        pod.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    )
    if required is None:
        return None
    return tuple(
        tuple(
            demand.Expression(each.get("key", ""), each.get("operator", ""), tuple(each.get("values", [])))
            for each in (*term.get("matchExpressions", []), *term.get("matchFields", []))
        )
        for term in required.get("nodeSelectorTerms", [])
    )


def _tolerations(pod: Mapping[str, Any]) -> Iterator[demand.Toleration]:
    for each in pod.get("tolerations", []):
        yield demand.Toleration(
            each.get("key", ""), each.get("operator", "Equal"), each.get("value", ""), each.get("effect", "")
        )
    # generated objects at a site tolerate the taint that keeps the hub's other pods off its boxes
    yield demand.Toleration(names.EDGE_TAINT, "Exists")


def _topology_spread(item: workload.ComputeWorkload) -> Iterator[demand.TopologySpread]:
    for each in item.spec.template.get("spec", {}).get("topologySpreadConstraints", []):
        if each.get("whenUnsatisfiable") == "DoNotSchedule" and _matches_itself(item, each.get("labelSelector")):
            yield demand.TopologySpread(
                topology_key=each.get("topologyKey", ""),
                max_skew=each.get("maxSkew", 1),
                min_domains=each.get("minDomains", 0),
                honor_affinity=each.get("nodeAffinityPolicy", "Honor") == "Honor",
                honor_taints=each.get("nodeTaintsPolicy", "Ignore") == "Honor",
            )


def _required_terms(item: workload.ComputeWorkload, field: str) -> Sequence[Mapping[str, Any]]:
    affinity = item.spec.template.get("spec", {}).get("affinity", {}).get(field, {})
    terms: Sequence[Mapping[str, Any]] = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
    return terms


def _anti_affinity(item: workload.ComputeWorkload) -> Iterator[str]:
    for term in _required_terms(item, "podAntiAffinity"):
        if _is_own(item, term):
            yield term.get("topologyKey", "")
    if any(_host_ports(item)):
        yield HOSTNAME_KEY  # two pods with one host port cannot share a node


def _host_ports(item: workload.ComputeWorkload) -> Iterator[int]:
    for container in item.spec.template.get("spec", {}).get("containers", []):
        yield from (port["hostPort"] for port in container.get("ports", []) if port.get("hostPort"))


def _is_own(item: workload.ComputeWorkload, term: Mapping[str, Any]) -> bool:
    spaces = term.get("namespaces") or [item.metadata.namespace]
    return item.metadata.namespace in spaces and _matches_itself(item, term.get("labelSelector"))


def _matches_itself(item: workload.ComputeWorkload, selector: Mapping[str, Any] | None) -> bool:
    """Whether a label selector of the template selects the template's own pods; a missing one selects none."""
    if selector is None:
        return False
    labels = item.spec.template.get("metadata", {}).get("labels", {})
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(_holds(labels, each) for each in selector.get("matchExpressions", []))


def _holds(labels: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    present = expression.get("key") in labels
    listed = present and labels[expression["key"]] in expression.get("values", [])
    return {"In": listed, "NotIn": not listed, "Exists": present, "DoesNotExist": not present}.get(
        expression.get("operator", ""), False
    )


def _notes(item: workload.ComputeWorkload) -> Iterator[str]:
    """What kube-scheduler in the target will check and the placement does not."""
    pod = item.spec.template.get("spec", {})
    if any("persistentVolumeClaim" in volume or "ephemeral" in volume for volume in pod.get("volumes", [])):
        yield "volume topology"
    if pod.get("resourceClaims"):
        yield "dynamic resource claims"
    if _required_terms(item, "podAffinity"):
        yield "pod affinity"
    if any(not _is_own(item, term) for term in _required_terms(item, "podAntiAffinity")):
        yield "anti-affinity to other pods"
    if any(
        each.get("whenUnsatisfiable") == "DoNotSchedule" and not _matches_itself(item, each.get("labelSelector"))
        for each in pod.get("topologySpreadConstraints", [])
    ):
        yield "topology spread over other pods"
    if any(_host_ports(item)):
        yield "host ports that other pods hold"
    if pod.get("schedulerName", "default-scheduler") != "default-scheduler":
        yield f"scheduler {pod['schedulerName']}"
    if pod.get("schedulingGates"):
        yield "scheduling gates"
