"""What no API server would take is told by field, before a place is found for what was not meant."""

from typing import Any

import pytest
from tests import works

from suanli_controller.core import rules

SELECTOR = {"matchLabels": {"app": "web"}}
EXISTS_WITH_A_VALUE = {"key": "a", "operator": "Exists", "values": ["b"]}
HOSTS = {"topologyKey": "kubernetes.io/hostname", "labelSelector": SELECTOR}


def required_nodes(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def expression(operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "zone", "operator": operator, "values": list(values)}]}


def spread(**fields: Any) -> dict[str, Any]:
    one = HOSTS | {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"} | fields
    return {"topologySpreadConstraints": [one]}


def apart(**fields: Any) -> dict[str, Any]:
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [HOSTS | fields]}}}


def limited(requests: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
    return {"containers": [works.CONTAINER | {"resources": {"requests": requests, "limits": limits}}]}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"type": "Job"}, "spec.job: job must be given for type Job, and only then"),
        ({"job": {"completions": 3}, "replicas": 5}, "spec.job: job must be given for type Job, and only then"),
        ({"type": "DaemonSet", "placement": {"divide": "Capacity"}}, "spec.placement.divide: "),
        (
            {"type": "Job", "job": {"completionMode": "Indexed"}, "placement": {"divide": "Capacity"}},
            "not for an Indexed Job",
        ),
        ({"variants": [works.build("x") | {"containers": [{"name": "other"}]}]}, "the name of a container"),
        ({"placement": {"divide": "Weighted"}}, "spec.placement.weights: weights must be given"),
        ({"placement": {"weights": [{"target": "Cloud/a", "weight": 1}]}}, "spec.placement.weights: weights must"),
        (
            {"placement": {"divide": "Weighted", "weights": [{"target": "Cloud/a", "weight": 0}]}},
            "at least one weight must be above 0",
        ),
        (
            {"placement": {"divide": "Weighted", "weights": [{"target": "Cloud/a", "weight": 1}] * 2}},
            "spec.placement.weights[].target: Cloud/a: is there twice",
        ),
        ({"placement": {"require": [{"key": "tier", "operator": "In"}]}}, "spec.placement.require: values must"),
        (
            {"placement": {"groups": [{"name": "g", "require": [{"key": "os", "operator": "NotIn"}]}]}},
            "spec.placement.groups[g].require: values must",
        ),
        (
            {"placement": {"prefer": [{"weight": 1, "require": [EXISTS_WITH_A_VALUE]}]}},
            "spec.placement.prefer[0].require: values must",
        ),
        ({"placement": {"groups": [{"name": "g"}, {"name": "g"}]}}, "groups[].name: g: is there twice"),
        ({"placement": {"spread": [{"by": "zone"}]}}, "spec.placement.spread: each entry needs"),
        (
            {"placement": {"spread": [{"by": "zone", "maxSkew": 1}, {"by": "zone", "maxPerDomain": 1}]}},
            "spread[].by: zone: is there twice",
        ),
    ],
)
def test_what_the_kinds_own_rules_refuse_is_told_in_their_words(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(rules.InvalidTemplate) as found:
        rules.ask_of(works.work(**spec))
    assert says in str(found.value)


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        (
            {"tolerations": [{"key": "k", "operator": "exists"}]},
            "tolerations.operator: 'exists': must be one of Equal",
        ),
        (
            {"tolerations": [{"key": "k", "effect": "Never"}]},
            "tolerations.effect: 'Never': must be one of NoSchedule",
        ),
        ({"tolerations": [{"value": "v"}]}, "tolerations.operator: must be Exists where key is empty"),
        (
            {"tolerations": [{"key": "k", "operator": "Exists", "value": "v"}]},
            "tolerations.value: 'v': must be empty",
        ),
        (spread(topologyKey=""), "topologySpreadConstraints.topologyKey: empty"),
        (spread(maxSkew=0), "topologySpreadConstraints.maxSkew: 0: must be 1 or more"),
        (spread(minDomains=-1), "topologySpreadConstraints.minDomains: -1"),
        (spread(whenUnsatisfiable="DoNotPlace"), "whenUnsatisfiable: 'DoNotPlace': must be one of DoNotSchedule"),
        (spread(nodeAffinityPolicy="honor"), "nodeAffinityPolicy: 'honor': must be one of Honor, Ignore"),
        (
            spread(labelSelector={"matchExpressions": [{"key": "a", "operator": "Is"}]}),
            "labelSelector[a].operator: 'Is'",
        ),
        (apart(topologyKey=""), "podAffinityTerm.topologyKey: empty"),
        (required_nodes(), "nodeSelectorTerms: none"),
        (required_nodes(expression("In")), "nodeAffinity[zone].values: must be given for In"),
        (required_nodes(expression("Exists", "a")), "nodeAffinity[zone].values: must be left out for Exists"),
        (
            required_nodes({"matchFields": [{"key": "metadata.labels", "operator": "In", "values": ["n"]}]}),
            "matchFields[metadata.labels]: must say In or NotIn one metadata.name",
        ),
        (limited({"cpu": "4"}, {"cpu": "1"}), "cpu: '4': more than its limit '1'"),
        (limited({"cpu": "-4"}, {}), "cpu: '-4' is negative"),
    ],
)
def test_what_no_template_may_say_is_told_by_field(pod: dict[str, Any], says: str) -> None:
    with pytest.raises(rules.InvalidTemplate) as found:
        rules.ask_of(works.work(pod=pod))
    assert str(found.value).startswith("spec.template.spec")
    assert says in str(found.value)


def test_ports_on_the_hosts_own_network_keep_replicas_apart() -> None:
    """The API server writes hostPort for them, and kube-scheduler binds no two to one node."""
    container = works.CONTAINER | {"ports": [{"containerPort": 80}]}
    assert rules.ask_of(works.work(pod={"containers": [container]})).anti_affinity == ()
    ask = rules.ask_of(works.work(pod={"containers": [container], "hostNetwork": True}))
    assert ask.anti_affinity == ("kubernetes.io/hostname",)


def test_what_a_daemon_set_says_of_spread_is_named_as_not_kept() -> None:
    note = "spread of a DaemonSet, which has one pod on each node that fits"
    bound = {"spread": [{"by": "zone", "maxPerDomain": 1}]}
    assert note in rules.ask_of(works.work(type="DaemonSet", placement=bound)).notes
    assert note in rules.ask_of(works.work(type="DaemonSet", pod=spread(topologyKey="rack"))).notes
    assert note in rules.ask_of(works.work(type="DaemonSet", pod=apart(topologyKey="rack"))).notes
    assert rules.ask_of(works.work(type="DaemonSet", pod=apart())).notes == ()


def test_tolerations_by_comparison_are_named_and_tolerate_nothing() -> None:
    ask = rules.ask_of(works.work(pod={"tolerations": [{"key": "k", "operator": "Gt", "value": "3"}]}))
    assert ask.notes == ("tolerations by Lt or Gt",)
