"""What is remembered of a target is what would be made anew."""

import msgspec

from suanli_controller.api import core_v1
from suanli_controller.core import affinity, demand, fleet, hardware, quantity
from suanli_controller.reconcile import city


def facts(name: str, family: str) -> hardware.NodeFacts:
    labels = {"kubernetes.io/arch": "arm64", "suanli.io/cpu-family": family}
    node = msgspec.convert({"metadata": {"name": name, "labels": labels}}, core_v1.Node)
    return hardware.node_facts(node, "Cloud/c", ())


def ask(*families: str) -> demand.Ask:
    return demand.Ask((demand.Variant("default", {"cpu": 1}, families=families),))


def terms(state: city.TargetState, one: demand.Ask) -> hardware.Terms:
    found = state.terms(one, msgspec.json.encode(one), "default")
    assert found == affinity.node_terms(one, "default", state.target, state.sorts)
    return found


def test_node_terms_follow_the_ask_the_nodes_and_the_target() -> None:
    state = city.TargetState(fleet.Target("Cloud/c"), "Cloud/c", [], hardware.Reader("Cloud/c", []))
    state.put("a", facts("a", "kunpeng-920"))
    assert terms(state, ask("kunpeng-920")) is terms(state, ask("kunpeng-920")), "alike workloads share them"
    assert terms(state, ask("phytium-ft2000plus")) == ()
    state.put("b", facts("b", "phytium-ft2000plus"))
    assert terms(state, ask("phytium-ft2000plus")) != ()
    state.target = fleet.Target("Cloud/c", local=True)
    assert terms(state, ask("kunpeng-920")) != ()


def test_what_a_node_is_asked_for_is_capped_where_it_is_read_and_exact_where_it_is_kept() -> None:
    """Pods that go again leave just what the others ask for."""
    state = city.TargetState(fleet.Target("Cloud/c"), "Cloud/c", [], hardware.Reader("Cloud/c", []))
    state.request("a", {"cpu": 500}, 1)
    for _ in range(3):
        state.request("a", {"cpu": quantity.MAX_AMOUNT}, 1)
    assert state.tally.requested_on("a") == {"cpu": quantity.MAX_AMOUNT}
    for _ in range(3):
        state.request("a", {"cpu": quantity.MAX_AMOUNT}, -1)
    assert state.tally.requested_on("a") == {"cpu": 500}
