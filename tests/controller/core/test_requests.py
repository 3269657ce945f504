"""A pod's effective request: the numbers by which kube-scheduler binds."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import core_v1
from suanli_controller.core import quantity, requests


def pod(phase: str = "Running", status: dict[str, Any] | None = None, **spec: Any) -> core_v1.Pod:
    return msgspec.convert({"spec": spec, "status": {"phase": phase, **(status or {})}}, core_v1.Pod)


def container(name: str = "app", limits: Any = None, **requests: Any) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": requests, "limits": limits or {}}}


def sidecar(name: str, **requests: Any) -> dict[str, Any]:
    return {**container(name, **requests), "restartPolicy": "Always"}


def cpu(of: core_v1.Pod) -> int:
    return requests.of_pod(of).get("cpu", 0)


def test_containers_add_up_and_the_pod_counts_once() -> None:
    of = pod(containers=[container("a", cpu="1", memory="1Gi"), container("b", cpu="500m", **{"x.com/gpu": "2"})])
    assert requests.of_pod(of) == {"cpu": 1500, "memory": 1024**3, "x.com/gpu": 2, "pods": 1}


def test_a_pod_without_requests_still_takes_one_of_pods() -> None:
    assert requests.of_pod(pod(containers=[{"name": "app"}])) == {"pods": 1}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_counts_nothing(phase: str) -> None:
    assert requests.of_pod(pod(phase, containers=[container(cpu="1")])) == {}


def test_the_larger_of_init_and_running_counts() -> None:
    assert cpu(pod(containers=[container(cpu="1")], initContainers=[container("init", cpu="3")])) == 3000
    assert cpu(pod(containers=[container(cpu="4")], initContainers=[container("init", cpu="3")])) == 4000


def test_init_containers_do_not_add_up() -> None:
    both = [container("one", cpu="3"), container("two", cpu="2")]
    assert cpu(pod(containers=[container(cpu="1")], initContainers=both)) == 3000


def test_a_sidecar_adds_to_the_running_pod() -> None:
    assert cpu(pod(containers=[container(cpu="1")], initContainers=[sidecar("log", cpu="2")])) == 3000


def test_a_sidecar_counts_for_the_init_containers_after_it_only() -> None:
    """KEP-753: an init container runs beside the sidecars that were started before it."""
    app, init, log = container(cpu="1"), container("init", cpu="5"), sidecar("log", cpu="2")
    assert cpu(pod(containers=[app], initContainers=[log, init])) == 7000
    assert cpu(pod(containers=[app], initContainers=[init, log])) == 5000


def test_overhead_is_added() -> None:
    assert cpu(pod(containers=[container(cpu="1")], overhead={"cpu": "250m"})) == 1250


def test_a_limit_stands_for_a_missing_request() -> None:
    of = pod(containers=[container(limits={"cpu": "2", "memory": "1Ki"}, cpu="1")])
    assert requests.of_pod(of) == {"cpu": 1000, "memory": 1024, "pods": 1}


def test_pod_level_requests_replace_the_sum() -> None:
    of = pod(
        containers=[container(cpu="1", memory="1Ki", **{"x.com/gpu": "1"})],
        resources={"requests": {"cpu": "3", "x.com/gpu": "9"}},
        overhead={"cpu": "1"},
    )
    assert requests.of_pod(of) == {"cpu": 4000, "memory": 1024, "x.com/gpu": 1, "pods": 1}


def test_a_pod_level_limit_alone_counts_where_containers_ask_for_nothing() -> None:
    of = pod(containers=[container(cpu="1")], resources={"limits": {"cpu": "3", "memory": "2Ki"}})
    assert requests.of_pod(of) == {"cpu": 1000, "memory": 2048, "pods": 1}


def resized(reason: str, wanted: str, held: str) -> core_v1.Pod:
    status = {
        "containerStatuses": [{"name": "app", "resources": {"requests": {"cpu": held}}}],
        "conditions": [{"type": "PodResizePending", "status": "True", "reason": reason}],
    }
    return pod(status=status, containers=[container(cpu=wanted)])


def test_a_resize_counts_the_larger_of_wish_and_holding() -> None:
    assert cpu(resized("Deferred", wanted="3", held="1")) == 3000
    assert cpu(resized("Deferred", wanted="1", held="2")) == 2000


def test_a_resize_that_the_node_refused_counts_what_is_held() -> None:
    assert cpu(resized("Infeasible", wanted="64", held="1")) == 1000


def test_a_bad_quantity_is_named() -> None:
    with pytest.raises(quantity.QuantityError, match="cpu: 'much' is not a quantity"):
        requests.of_pod(pod(containers=[container(cpu="much")]))


amounts = st.fixed_dictionaries({}, optional={"cpu": st.integers(0, 64), "memory": st.integers(0, 2**40)})
containers = st.lists(st.builds(lambda asked: container(**asked), amounts), min_size=1, max_size=4)
inits = st.lists(st.builds(lambda asked, kind: kind("i", **asked), amounts, st.sampled_from([container, sidecar])))


@given(containers, inits)
def test_the_request_covers_every_moment_of_the_pod(
    running: list[dict[str, Any]], init: list[dict[str, Any]]
) -> None:
    """The request is exactly the most that is in use at once, over the whole life of the pod."""
    total = cpu(pod(containers=running, initContainers=init))
    beside, moments = 0, []
    for each in init:
        own = int(each["resources"]["requests"].get("cpu", 0))
        moments.append(beside + own)
        beside += own if "restartPolicy" in each else 0
    moments.append(beside + sum(int(each["resources"]["requests"].get("cpu", 0)) for each in running))
    assert total == max(moments) * 1000


@given(containers, st.randoms())
def test_order_of_containers_does_not_matter(running: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(running, len(running))
    assert requests.of_pod(pod(containers=running)) == requests.of_pod(pod(containers=shuffled))


def test_a_pod_asks_for_no_more_than_a_node_can_have() -> None:
    """However many containers ask for however much: sums stay within what 64 bits hold."""
    of = pod(containers=[container(f"c{number}", cpu="1", **{"x.com/gpu": "1Ei"}) for number in range(8)])
    assert requests.of_pod(of) == {"cpu": 8000, "x.com/gpu": quantity.MAX_AMOUNT, "pods": 1}
