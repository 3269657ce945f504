"""What the operator's tests stand on, on kwok and on kind alike: nodes of both architectures that run pods."""

from typing import Any

import pytest

from suanli_clusters import Member, until
from suanli_clusters.backend import Backend, Need


def running_on(member: Member, path: str) -> str:
    """The node that the pod runs on, when it is Ready."""
    pod: Any = member.api.get(path)
    ready = {entry["type"]: entry["status"] for entry in pod["status"].get("conditions", ())}.get("Ready")
    return pod["spec"]["nodeName"] if ready == "True" else ""


@pytest.mark.parametrize("place", ["hub", "cloud"])
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_pod_runs_on_a_node_of_the_architecture_that_it_asks_for(
    backend: Backend, place: str, architecture: str
) -> None:
    member: Member = getattr(backend, place)
    backend.need(member, Need(architecture))
    name = f"runs-on-{architecture}"
    spec = {
        "nodeSelector": {"kubernetes.io/arch": architecture},
        "containers": [{"name": "app", **backend.container}],
    }
    member.api.post("/api/v1/namespaces/default/pods", {"metadata": {"name": name}, "spec": spec})
    path = f"/api/v1/namespaces/default/pods/{name}"
    node = until(lambda: running_on(member, path), "pod ready", seconds=120)
    told = member.api.get(f"/api/v1/nodes/{node}")
    assert told["status"]["nodeInfo"]["architecture"] == architecture
    member.api.delete(f"{path}?gracePeriodSeconds=0")


def test_nodes_are_found_by_the_labels_that_a_test_needs(backend: Backend) -> None:
    need = Need("arm64", labels={"suanli.io/cpu-family": "kunpeng-920"})
    (name,) = backend.need(backend.cloud, need)
    labels = backend.cloud.api.get(f"/api/v1/nodes/{name}")["metadata"]["labels"]
    assert labels["suanli.io/cpu-family"] == "kunpeng-920"
    assert backend.need(backend.cloud, need) == [name]
