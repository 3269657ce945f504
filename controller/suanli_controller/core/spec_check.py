"""What an API server refuses in a ComputeWorkload and its template, for objects that none has seen.

The rules of the kind are told in the words of its schema; of a template only what would change where its pods go.
Each finding names the field and the mend.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from suanli_controller.api import template, workload

_EFFECTS: Final = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")
_TOLERATION_OPERATORS: Final = ("", "Equal", "Exists", "Lt", "Gt")
_POLICIES: Final = ("Honor", "Ignore")
_WITH_VALUES: Final = ("In", "NotIn")
_WITHOUT_VALUES: Final = ("Exists", "DoesNotExist")
_OPERATORS: Final = (*_WITH_VALUES, *_WITHOUT_VALUES)

Rule = dict[str, str]


def of_spec(spec: workload.ComputeWorkloadSpec, pods: template.PodTemplate) -> Iterator[str]:
    """What the kind's own rules refuse; `pods` is the template as read."""
    for rule, is_broken in _SPEC_RULES:
        if is_broken(spec):
            yield _told("spec", rule)
    there = {each.name for each in (*pods.spec.containers, *pods.spec.init_containers)}
    if any(each.name not in there for variant in spec.variants for each in variant.containers):
        yield _told("spec", workload.CONTAINERS_RULE)
    for rule, is_wrong in _PLACEMENT_RULES:
        if is_wrong(spec.placement):
            yield _told("spec.placement", rule)
    yield from _of_requirements(spec.placement)
    for field, keys in (
        ("placement.spread[].by", [each.by for each in spec.placement.spread]),
        ("placement.groups[].name", [each.name for each in spec.placement.groups]),
        ("placement.weights[].target", [each.target for each in spec.placement.weights]),
    ):
        yield from (f"spec.{field}: {key}: is there twice" for key, count in Counter(keys).items() if count > 1)


def _told(path: str, rule: Rule) -> str:
    return f"{path}{rule.get('fieldPath', '')}: {rule['message']}"


def _divides_indexed(spec: workload.ComputeWorkloadSpec) -> bool:
    return bool(spec.job and spec.job.completion_mode == "Indexed" and spec.placement.divide)


_SPEC_RULES: Final[tuple[tuple[Rule, Callable[[workload.ComputeWorkloadSpec], bool]], ...]] = (
    (workload.JOB_RULE, lambda spec: (spec.type == "Job") != (spec.job is not None)),
    (workload.DAEMON_SET_RULE, lambda spec: spec.type == "DaemonSet" and spec.placement.divide is not None),
    (workload.INDEXED_RULE, _divides_indexed),
)
_PLACEMENT_RULES: Final[tuple[tuple[Rule, Callable[[workload.Placement], bool]], ...]] = (
    (workload.WEIGHTS_RULE, lambda place: (place.divide == "Weighted") != bool(place.weights)),
    (
        workload.SOME_WEIGHT_RULE,
        lambda place: bool(place.weights) and not any(each.weight for each in place.weights),
    ),
)


def _of_requirements(place: workload.Placement) -> Iterator[str]:
    lists = [
        ("require", place.require),
        *((f"groups[{each.name}].require", each.require) for each in place.groups),
        *((f"prefer[{number}].require", each.require) for number, each in enumerate(place.prefer)),
    ]
    for field, entries in lists:
        if any((each.operator == "Exists") == bool(each.values) for each in entries):
            yield _told(f"spec.placement.{field}", workload.VALUES_RULE)
    if any(not (each.max_skew or each.min_domains or each.max_per_domain) for each in place.spread):
        yield _told("spec.placement.spread", workload.SPREAD_RULE)


def of_template(pods: template.PodTemplate) -> Iterator[str]:
    """What of a template's own constraints no API server takes."""
    for toleration in pods.spec.tolerations:
        yield from _of_toleration(toleration)
    for spread in pods.spec.topology_spread_constraints:
        yield from _of_spread(spread)
    for affinity in (pods.spec.affinity.pod_affinity, pods.spec.affinity.pod_anti_affinity):
        for term in affinity.required:
            if not term.topology_key:
                yield "podAffinityTerm.topologyKey: empty: name a label of nodes"
            yield from _of_selector(term.label_selector)
    required = pods.spec.affinity.node_affinity.required
    if required is not None:
        yield from _of_node_selector(required)


def _of_toleration(one: template.Toleration) -> Iterator[str]:
    yield from _one_of("tolerations.operator", one.operator, _TOLERATION_OPERATORS)
    yield from _one_of("tolerations.effect", one.effect, _EFFECTS)
    if not one.key and one.operator != "Exists":
        yield "tolerations.operator: must be Exists where key is empty"
    if one.value and one.operator == "Exists":
        yield f"tolerations.value: {one.value!r}: must be empty where operator is Exists"


def _of_spread(one: template.TopologySpreadConstraint) -> Iterator[str]:
    field = "topologySpreadConstraints"
    if not one.topology_key:
        yield f"{field}.topologyKey: empty: name a label of nodes"
    if one.max_skew < 1:
        yield f"{field}.maxSkew: {one.max_skew}: must be 1 or more"
    if one.min_domains < 0:
        yield f"{field}.minDomains: {one.min_domains}: must be 1 or more"
    yield from _one_of(f"{field}.whenUnsatisfiable", one.when_unsatisfiable, ("DoNotSchedule", "ScheduleAnyway"))
    yield from _one_of(f"{field}.nodeAffinityPolicy", one.node_affinity_policy, _POLICIES)
    yield from _one_of(f"{field}.nodeTaintsPolicy", one.node_taints_policy, _POLICIES)
    yield from _of_selector(one.label_selector)


def _of_selector(selector: template.LabelSelector | None) -> Iterator[str]:
    for each in selector.match_expressions if selector else ():
        yield from _one_of(f"labelSelector[{each.key}].operator", each.operator, _OPERATORS)
        yield from _of_values(f"labelSelector[{each.key}]", each)


def _of_node_selector(required: template.NodeSelector) -> Iterator[str]:
    if not required.node_selector_terms:
        yield "nodeAffinity.nodeSelectorTerms: none: give at least one"
    for term in required.node_selector_terms:
        for each in term.match_expressions:
            yield from _of_values(f"nodeAffinity[{each.key}]", each)
        for each in term.match_fields:
            if each.key != "metadata.name" or each.operator not in _WITH_VALUES or len(each.values) != 1:
                yield f"nodeAffinity.matchFields[{each.key}]: must say In or NotIn one metadata.name"


def _of_values(field: str, one: template.SelectorTerm) -> Iterator[str]:
    if one.operator in _WITH_VALUES and not one.values:
        yield f"{field}.values: must be given for {one.operator}"
    if one.operator in _WITHOUT_VALUES and one.values:
        yield f"{field}.values: must be left out for {one.operator}"


def _one_of(field: str, value: str, allowed: Collection[str]) -> Iterable[str]:
    if value not in allowed:
        yield f"{field}: {value!r}: must be one of {', '.join(filter(None, allowed))}"
