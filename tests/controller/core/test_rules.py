"""What a workload says becomes one constraint per build, and nothing that it says is lost on the way."""

from typing import Any

import pytest
from tests import works

from suanli_controller.core import demand, rules


def anti_affinity(selector: dict[str, Any], key: str = "kubernetes.io/hostname", **more: Any) -> dict[str, Any]:
    term = {"labelSelector": selector, "topologyKey": key, **more}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


OWN = {"matchLabels": {"app": "web"}}
OTHER = {"matchLabels": {"app": "database"}}


def test_a_workload_without_builds_is_one_build_by_name() -> None:
    (variant,) = rules.ask_of(works.work()).variants
    assert variant == demand.Variant("default", {"cpu": 500, "memory": 1 << 30, "pods": 1})


def test_a_builds_requirements_are_taken_field_by_field() -> None:
    needs = {
        "architectures": ["arm64"],
        "families": ["kunpeng-920"],
        "oses": ["openeuler"],
        "minIsaLevel": "v8.2",
        "pageSizesKiB": [4, 64],
        "accelerator": "huawei.com/Ascend910",
        "acceleratorModels": ["ascend910b"],
    }
    (variant,) = rules.ask_of(works.work(variants=[works.build("ascend", **needs)])).variants
    assert (variant.architectures, variant.families, variant.oses) == (
        ("arm64",),
        ("kunpeng-920",),
        ("openeuler",),
    )
    assert (variant.min_isa_level, variant.page_sizes_kib) == ("v8.2", (4, 64))
    assert (variant.accelerator, variant.accelerator_models) == ("huawei.com/Ascend910", ("ascend910b",))


def test_each_build_requests_what_it_says_itself() -> None:
    heavy = {"name": "heavy", "containers": [{"name": "app", "resources": {"requests": {"cpu": "2"}}}]}
    light, heavier = rules.ask_of(works.work(variants=[works.build("light"), heavy])).variants
    assert light.requests["cpu"] == 500
    assert heavier.requests == {"cpu": 2000, "pods": 1}


def test_silence_about_the_grade_of_data_means_the_highest() -> None:
    assert rules.ask_of(works.work()).grade == "Core"
    assert rules.ask_of(works.work(dataGrade="General")).grade == "General"


def test_accelerators_are_packed_by_fragmentation_and_all_else_is_packed() -> None:
    container = {**works.CONTAINER, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    assert rules.ask_of(works.work(pod={"containers": [container]})).strategy is demand.Strategy.FRAGMENTATION
    assert rules.ask_of(works.work()).strategy is demand.Strategy.BIN_PACK
    assert rules.ask_of(works.work(), demand.Strategy.SPREAD).strategy is demand.Strategy.SPREAD


def test_the_templates_own_node_constraints_bind() -> None:
    terms = [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}, {}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    ask = rules.ask_of(
        works.work(pod={"nodeSelector": {"b": "2", "a": "1"}, "affinity": {"nodeAffinity": required}})
    )
    assert ask.node_selector == (("a", "1"), ("b", "2"))
    assert ask.node_terms == ((demand.Expression("disk", "In", ("ssd",)),), ())


def test_tolerations_keep_kubernetes_own_defaults() -> None:
    ask = rules.ask_of(works.work(pod={"tolerations": [{"key": "gpu", "value": "yes"}]}))
    assert ask.tolerations[0] == demand.Toleration("gpu", "Equal", "yes", "")


def test_the_taint_of_edge_boxes_is_tolerated_always() -> None:
    assert rules.ask_of(works.work()).tolerations == (demand.Toleration("suanli.io/edge", "Exists"),)


def test_anti_affinity_against_itself_binds_by_its_topology() -> None:
    ask = rules.ask_of(works.work(pod=anti_affinity(OWN, key="topology.kubernetes.io/zone")))
    assert ask.anti_affinity == ("topology.kubernetes.io/zone",)
    assert ask.notes == ()


@pytest.mark.parametrize(
    "term",
    [
        anti_affinity(OTHER),
        anti_affinity(OWN, namespaces=["elsewhere"]),
        anti_affinity(OWN, namespaceSelector={}),
        anti_affinity({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
    ],
)
def test_anti_affinity_to_other_pods_is_named_as_not_checked(term: dict[str, Any]) -> None:
    ask = rules.ask_of(works.work(pod=term))
    assert ask.anti_affinity == ()
    assert ask.notes == ("anti-affinity to other pods",)


def test_two_pods_with_one_host_port_do_not_share_a_node() -> None:
    container = {**works.CONTAINER, "ports": [{"containerPort": 80, "hostPort": 8080}]}
    ask = rules.ask_of(works.work(pod={"containers": [container]}))
    assert ask.anti_affinity == ("kubernetes.io/hostname",)
    assert "host ports that other pods hold" in ask.notes


def spread(**fields: Any) -> dict[str, Any]:
    constraint = {"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": OWN}
    return {"topologySpreadConstraints": [{**constraint, **fields}]}


def test_the_templates_own_spread_binds_as_in_kube_scheduler() -> None:
    ask = rules.ask_of(works.work(pod=spread(minDomains=3, nodeTaintsPolicy="Honor")))
    assert ask.topology_spread == (demand.TopologySpread("rack", 2, 3, honor_affinity=True, honor_taints=True),)


def test_a_spread_that_may_be_broken_is_the_schedulers_affair() -> None:
    ask = rules.ask_of(works.work(pod=spread(whenUnsatisfiable="ScheduleAnyway")))
    assert (ask.topology_spread, ask.notes) == ((), ())


def test_a_spread_over_other_pods_is_named_as_not_checked() -> None:
    ask = rules.ask_of(works.work(pod=spread(labelSelector=OTHER)))
    assert ask.topology_spread == ()
    assert ask.notes == ("topology spread over other pods",)


@pytest.mark.parametrize(
    ("pod", "note"),
    [
        ({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}, "volume topology"),
        ({"volumes": [{"name": "data", "ephemeral": {"volumeClaimTemplate": {}}}]}, "volume topology"),
        ({"resourceClaims": [{"name": "gpu"}]}, "dynamic resource claims"),
        ({"schedulerName": "volcano"}, "scheduler volcano"),
        ({"schedulingGates": [{"name": "wait"}]}, "scheduling gates"),
    ],
)
def test_what_the_placement_does_not_model_is_named(pod: dict[str, Any], note: str) -> None:
    assert rules.ask_of(works.work(pod=pod)).notes == (note,)


def test_what_is_placed_follows_wishes_groups_preferences_and_bounds() -> None:
    here = {"key": "district", "operator": "In", "values": ["370811"]}
    placement = {
        "require": [here],
        "groups": [{"name": "core", "require": [here]}, {"name": "overflow"}],
        "prefer": [{"weight": 50, "require": [here]}],
        "familyOrder": ["kunpeng-920", "hygon"],
        "spread": [{"by": "district", "maxSkew": 1, "whenUnsatisfiable": "PlaceAnyway"}],
        "divide": "Weighted",
        "weights": [{"target": "Cloud/core", "weight": 2}],
        "maxRttMicroseconds": 5000,
    }
    ask = rules.ask_of(works.work(placement=placement))
    wish = demand.Requirement("district", "In", ("370811",))
    assert ask.require == (wish,)
    assert ask.groups == (demand.Group("core", (wish,)), demand.Group("overflow"))
    assert ask.prefer == (demand.Preference(50, (wish,)),)
    assert ask.family_order == ("kunpeng-920", "hygon")
    assert ask.spread == (
        demand.Spread("district", max_skew=1, when_unsatisfiable=demand.Unsatisfiable.PLACE_ANYWAY),
    )
    assert (ask.divide, ask.weights) == (demand.Divide.WEIGHTED, (("Cloud/core", 2),))
    assert ask.max_rtt_microseconds == 5000


@pytest.mark.parametrize(
    ("pod", "named"),
    [
        ({"nodeName": "here"}, "spec.template.spec.nodeName: 'here'"),
        ({"containers": [{**works.CONTAINER, "resources": {"requests": {"cpu": "many"}}}]}, "many"),
        ({"containers": [{**works.CONTAINER, "resources": {"requests": {"cpu": "-1"}}}]}, "-1"),
        ({"tolerations": "all"}, "tolerations"),
    ],
)
def test_a_template_that_can_never_be_placed_is_refused_by_field_and_value(
    pod: dict[str, Any], named: str
) -> None:
    with pytest.raises(rules.InvalidTemplate, match=named):
        rules.ask_of(works.work(pod=pod))


def test_a_job_takes_no_more_pods_at_a_time_than_it_has_completions() -> None:
    assert rules.replicas_of(works.job(completions=3, parallelism=10)) == 3
    assert rules.replicas_of(works.job(completions=10, parallelism=3)) == 3
    assert rules.replicas_of(works.work(replicas=5)) == 5
