"""The node affinity that is generated selects exactly the nodes that the placement counted on."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import cloud, core_v1
from suanli_controller.core import affinity, demand, fleet, hardware, placement, statics

KUNPENG = {"kubernetes.io/arch": "arm64", "suanli.io/cpu-family": "kunpeng-920", "suanli.io/os": "openeuler"}
INTEL = {"kubernetes.io/arch": "amd64", "suanli.io/cpu-family": "intel", "suanli.io/os": "openeuler"}


def node(name: str, labels: Mapping[str, str]) -> core_v1.Node:
    whole = {
        "metadata": {"name": name, "labels": dict(labels)},
        "status": {
            "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    return msgspec.convert(whole, core_v1.Node)


def profiles(*given: dict[str, Any]) -> list[cloud.NodeProfile]:
    return msgspec.convert(list(given), list[cloud.NodeProfile])


def read(
    labels: Sequence[Mapping[str, str]], told: Sequence[cloud.NodeProfile] = (), target: str = "Cloud/c"
) -> list[hardware.NodeFacts]:
    return [hardware.node_facts(node(f"n{index}", each), target, told) for index, each in enumerate(labels)]


def variant(name: str = "default", **needs: Any) -> demand.Variant:
    return demand.Variant(name, {"cpu": 1}, **needs)


def target(**fields: Any) -> fleet.Target:
    return fleet.Target("Cloud/c", clearance="Core", **fields)


def holds(one: hardware.Expression, labels: Mapping[str, str]) -> bool:
    """As kube-scheduler's NodeAffinity reads it."""
    value = labels.get(one.key)
    return {
        "In": value is not None and value in one.values,
        "NotIn": value is None or value not in one.values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[one.operator]


def selected(terms: hardware.Terms, labels: Mapping[str, str]) -> bool:
    """No terms at all: nothing has to be said, every node will do."""
    return not terms or any(all(holds(one, labels) for one in term) for term in terms)


def terms(
    ask: demand.Ask, nodes: Sequence[hardware.NodeFacts], where: fleet.Target | None = None, build: str = "default"
) -> hardware.Terms:
    return affinity.node_terms(ask, build, where or target(), sorts(nodes).all)


def sorts(nodes: Sequence[hardware.NodeFacts]) -> affinity.Sorts:
    found = affinity.Sorts()
    for node in nodes:
        found.change(None, node)
    return found


def test_sorts_are_those_of_the_nodes_that_are_left_and_the_same_tuple_while_they_stay() -> None:
    kunpeng, twin, intel = read([KUNPENG, KUNPENG, INTEL])
    found = sorts([kunpeng, twin, intel])
    before = found.all
    found.change(twin, None)
    assert found.all is before == sorts([intel, kunpeng]).all
    found.change(kunpeng, intel)
    assert found.all == sorts([intel]).all
    found.change(intel, None)
    found.change(intel, None)
    assert found.all == ()


def test_a_build_that_runs_anywhere_is_bound_to_nothing() -> None:
    assert terms(demand.Ask((variant(),)), read([KUNPENG, INTEL])) == ()


def test_a_build_is_bound_to_its_architecture_by_the_label_of_every_kubelet() -> None:
    found = terms(demand.Ask((variant(architectures=("arm64",)),)), read([KUNPENG, INTEL]))
    assert found == ((hardware.Expression("kubernetes.io/arch", "In", ("arm64",)),),)


def test_a_family_that_only_a_profile_tells_is_selected_by_that_profile() -> None:
    labels = {"kubernetes.io/arch": "arm64", "node.kubernetes.io/instance-type": "p1"}
    told = profiles(
        {"selector": {"matchLabels": {"node.kubernetes.io/instance-type": "p1"}}, "family": "phytium-s2500"}
    )
    (found,) = terms(demand.Ask((variant(families=("phytium-s2500",)),)), read([labels], told))
    assert hardware.Expression("node.kubernetes.io/instance-type", "In", ("p1",)) in found


def test_the_hubs_own_cloud_keeps_off_edge_boxes_and_a_site_keeps_to_its_own() -> None:
    site = "suanli.node-restriction.kubernetes.io/site"
    local = terms(demand.Ask((variant(),)), read([KUNPENG]), target(local=True))
    assert local == ((hardware.Expression(site, "DoesNotExist"),),)
    gate = fleet.Target("EdgeSite/gate", local=True)
    assert terms(demand.Ask((variant(),)), read([KUNPENG]), gate) == (
        (hardware.Expression(site, "In", ("gate",)),),
    )


def test_a_wish_about_the_target_is_no_affair_of_its_nodes() -> None:
    wish = demand.Requirement("district", "In", ("370811",))
    ask = demand.Ask((variant(),), require=(wish,))
    assert terms(ask, read([KUNPENG]), target(district="370811")) == ()


def test_a_wish_about_a_label_that_the_target_lacks_binds_its_nodes() -> None:
    wish = demand.Requirement("disk", "In", ("ssd",))
    ask = demand.Ask((variant(),), require=(wish,))
    assert terms(ask, read([KUNPENG])) == ((hardware.Expression("disk", "In", ("ssd",)),),)
    assert terms(ask, read([KUNPENG]), target(labels={"disk": "ssd"})) == ()


def test_each_group_is_one_more_way() -> None:
    groups = tuple(demand.Group(disk, (demand.Requirement("disk", "In", (disk,)),)) for disk in ("ssd", "hdd"))
    found = terms(demand.Ask((variant(),), groups=groups), read([KUNPENG]))
    assert {each for term in found for each in term} == {
        hardware.Expression("disk", "In", ("ssd",)), hardware.Expression("disk", "In", ("hdd",)),
    }  # fmt: skip
    assert len(found) == 2


def test_the_builds_of_a_daemon_set_share_out_the_nodes() -> None:
    builds = (variant("arm", architectures=("arm64",)), variant("any"))
    ask = demand.Ask(builds, kind=demand.Kind.DAEMON_SET)
    nodes = read([KUNPENG, INTEL])
    for labels in (KUNPENG, INTEL):
        takers = [build for build in ("arm", "any") if selected(terms(ask, nodes, build=build), labels)]
        assert takers == (["arm"] if labels is KUNPENG else ["any"])


LABELS = st.fixed_dictionaries(
    {"kubernetes.io/arch": st.sampled_from(["amd64", "arm64"])},
    optional={
        "suanli.io/cpu-family": st.sampled_from(["kunpeng-920", "phytium-s2500", "intel", "hygon"]),
        "suanli.io/os": st.sampled_from(["openeuler", "kylin-v10"]),
        "suanli.io/isa-level": st.sampled_from(["v8.0", "v8.2", "v3"]),
        "suanli.io/page-size-kib": st.sampled_from(["4", "64"]),
        "pool": st.sampled_from(["a", "b"]),
        "disk": st.sampled_from(["ssd", "hdd"]),
        "topology.kubernetes.io/zone": st.sampled_from(["z1", "z2"]),
    },
)
PROFILES = st.lists(
    st.fixed_dictionaries(
        {
            "selector": st.fixed_dictionaries(
                {"matchLabels": st.fixed_dictionaries({"pool": st.sampled_from(["a", "b"])})}
            )
        },
        optional={
            "family": st.sampled_from(["kunpeng-920", "phytium-s2500", "hygon"]),
            "os": st.sampled_from(["openeuler", "kylin-v10"]),
            "isaLevel": st.sampled_from(["v8.2", "v3"]),
            "pageSizeKiB": st.sampled_from([4, 64]),
        },
    ),
    max_size=3,
)


def some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


VARIANTS = st.builds(
    variant,
    architectures=some("amd64", "arm64"),
    families=some("kunpeng-920", "phytium-s2500", "intel"),
    oses=some("openeuler", "kylin-v10"),
    min_isa_level=st.sampled_from(["", "v8.0", "v8.2", "v3"]),
    page_sizes_kib=some(4, 64),
)
WISHES = st.lists(
    st.builds(
        lambda key, operator, values: demand.Requirement(key, operator, () if operator == "Exists" else values),
        st.sampled_from(["family", "os", "architecture", "disk", "zone"]),
        st.sampled_from(["In", "NotIn", "Exists"]),
        st.lists(
            st.sampled_from(["kunpeng-920", "intel", "openeuler", "arm64", "ssd", "z1"]), min_size=1, max_size=2
        ).map(tuple),
    ),
    max_size=2,
).map(tuple)


@given(st.lists(LABELS, min_size=1, max_size=5), PROFILES, VARIANTS, WISHES)
def test_a_node_is_selected_exactly_where_the_placement_allows_it(
    labels: list[dict[str, str]],
    told: list[dict[str, Any]],
    build: demand.Variant,
    wishes: tuple[demand.Requirement, ...],
) -> None:
    """Law: else a pod lands where its build cannot run, or stays Pending where it was counted to fit."""
    ask = demand.Ask((build,), require=wishes)
    nodes = read(labels, profiles(*told))
    where = fleet.Fleet()
    where.upsert_target(target())
    for each in nodes:
        where.upsert_node(each)
    where.settle()
    codes = statics.Statics(where, ask).codes[0]
    allowed = {where.names[row] for row in range(where.rows) if codes[row] == statics.OK}
    found = terms(ask, nodes)
    if allowed:
        assert {each.name for each in nodes if selected(found, each.labels)} == allowed


@given(st.lists(LABELS, min_size=1, max_size=5), PROFILES, VARIANTS, st.randoms())
def test_the_terms_do_not_depend_on_the_order_of_nodes(
    labels: list[dict[str, str]], told: list[dict[str, Any]], build: demand.Variant, chance: Any
) -> None:
    nodes = read(labels, profiles(*told))
    first = terms(demand.Ask((build,)), nodes)
    chance.shuffle(nodes)
    assert terms(demand.Ask((build,)), nodes) == first


def test_what_is_placed_is_on_nodes_that_are_selected() -> None:
    """The same law through the whole placement: its decision names the nodes."""
    where = fleet.Fleet()
    where.upsert_target(target())
    nodes = read([KUNPENG, INTEL, {**KUNPENG, "suanli.io/os": "kylin-v10"}])
    for each in nodes:
        where.upsert_node(each)
    ask = demand.Ask((variant(architectures=("arm64",), oses=("openeuler",)),))
    (decision,) = placement.place(where, [demand.Demand("uid", ask, replicas=3)])
    assert [name for each in decision.placements for name, _ in each.nodes] == ["n0"]
    assert [each.name for each in nodes if selected(terms(ask, nodes), each.labels)] == ["n0"]
