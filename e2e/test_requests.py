"""What we say a pod takes is, to the millicore and byte, what the real kube-scheduler says."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from suanli_clusters import Cluster, SimulatedNode, until
from suanli_controller.api import core_v1
from suanli_controller.core import quantity, requests

NAMESPACE = "requests"
POOL = "suanli.test/requests"


def container(name: str, limits: Any = None, **asked: str) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "resources": {"requests": asked, "limits": limits or {}}}


def sidecar(name: str, **asked: str) -> dict[str, Any]:
    return {**container(name, **asked), "restartPolicy": "Always"}


APP = container("app", cpu="1", memory="1Gi")
PODS: dict[str, dict[str, Any]] = {
    "sum": {"containers": [APP, container("b", cpu="0.25", memory="100M")]},
    "fractions": {
        "containers": [container("a", cpu="100m", memory="1.5Gi"), container("b", cpu="1e-1", memory="7")]
    },
    "large-init": {"containers": [APP], "initContainers": [container("init", cpu="3", memory="10Mi")]},
    "sidecar-first": {
        "containers": [APP],
        "initContainers": [sidecar("log", cpu="2", memory="64Mi"), container("init", cpu="5", memory="1Mi")],
    },
    "sidecar-last": {
        "containers": [APP],
        "initContainers": [container("init", cpu="5", memory="1Mi"), sidecar("log", cpu="2", memory="64Mi")],
    },
    "limit-alone": {"containers": [container("app", limits={"cpu": "1500m", "memory": "300Mi"})]},
    "pod-level": {
        "containers": [container("app", cpu="1", memory="32Mi")],
        "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "3", "memory": "64Mi"}},
    },
}


@pytest.fixture(scope="module")
def server(hub: Cluster) -> Iterator[Cluster]:
    """For each pod a node that it fits exactly, and for each resource one that lacks a millicore or a byte."""
    hub.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    nodes = [node(name, lacking) for name in PODS for lacking in ("nothing", "cpu", "memory")]
    hub.create_nodes(nodes)
    yield hub
    hub.kubectl("delete", "namespace", NAMESPACE)
    hub.kubectl("delete", "nodes", "-l", POOL)


def request_of(name: str) -> dict[str, int]:
    return requests.of_spec(msgspec.convert(PODS[name], core_v1.PodSpec))


def node(name: str, lacking: str) -> SimulatedNode:
    asked = request_of(name)
    amounts = {each: asked[each] - (each == lacking) for each in ("cpu", "memory")} | {"pods": 1}
    return SimulatedNode(
        name=f"{name}-{lacking}", labels={POOL: f"{name}-{lacking}"}, capacity=quantity.texts(amounts)
    )


def start(server: Cluster, name: str, lacking: str) -> str:
    pod = f"{name}-{lacking}"
    spec = {**PODS[name], "nodeSelector": {POOL: pod}, "terminationGracePeriodSeconds": 0}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec}
    server.api.post(f"/api/v1/namespaces/{NAMESPACE}/pods", body)
    return f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}"


def scheduled(server: Cluster, path: str) -> dict[str, str]:
    """The condition PodScheduled, once the scheduler has spoken about the node's room: at first it may not know it."""

    def spoken() -> Any:
        found = server.api.get(path).get("status", {}).get("conditions", [])
        said: dict[str, str] = next((each for each in found if each["type"] == "PodScheduled"), {})
        return said if "Insufficient" in said.get("message", "") else None

    condition: dict[str, str] = until(spoken, f"{path} looked at", 60)
    return condition


@pytest.mark.parametrize("name", [*PODS])
def test_a_node_of_exactly_that_size_is_enough(server: Cluster, name: str) -> None:
    path = start(server, name, "nothing")
    until(lambda: server.api.get(path)["spec"].get("nodeName"), f"{name} bound", 60)


@pytest.mark.parametrize("lacking", ["cpu", "memory"])
@pytest.mark.parametrize("name", [*PODS])
def test_one_unit_less_is_not(server: Cluster, name: str, lacking: str) -> None:
    condition = scheduled(server, start(server, name, lacking))
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert f"Insufficient {lacking}" in condition["message"]


def test_kubectl_counts_the_same(server: Cluster) -> None:
    """`kubectl describe node` sums the requests of the pods on a node as we do."""
    path = start_sum(server)
    until(lambda: server.api.get(path)["spec"].get("nodeName"), "bound", 60)
    described = server.kubectl("describe", "node", "sidecar-first-nothing")
    asked = quantity.texts(request_of("sidecar-first"))
    allocated = described[described.index("Allocated resources") :].split()
    assert allocated[allocated.index("cpu") + 1] == asked["cpu"]
    assert allocated[allocated.index("memory") + 1] == asked["memory"]


def start_sum(server: Cluster) -> str:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/sidecar-first-nothing"
    return path if server.api.exists(path) else start(server, "sidecar-first", "nothing")
