"""The objects that the driver, as a user, writes."""

from typing import Any

from suanli_clusters import Cluster
from suanli_clusters.api import ApiError

RESOURCE = "computeworkloads"
GROUP_PATH = "/apis/suanli.io/v1alpha1"
MERGE_PATCH = "application/merge-patch+json"


def collection(namespace: str) -> str:
    return f"{GROUP_PATH}/namespaces/{namespace}/{RESOURCE}"


def body(namespace: str, name: str, replicas: int, **spec: Any) -> dict[str, Any]:
    """A workload whose pods ask for 100m and 128Mi and run anywhere; `spec` adds to it or replaces."""
    requests = spec.pop("requests", {"cpu": "100m", "memory": "128Mi"})
    containers = [{"name": "c", "image": "registry.invalid/none:1", "resources": {"requests": requests}}]
    return {
        "apiVersion": "suanli.io/v1alpha1",
        "kind": "ComputeWorkload",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "dataGrade": "General",
            "template": {"spec": {"containers": containers}},
            **spec,
        },
    }


def namespaces(count: int) -> list[str]:
    return [f"bench-{number:02d}" for number in range(count)]


def make_namespaces(clusters: list[Cluster], count: int) -> None:
    """On the hub and in the clouds, before any clock runs: the published run had them everywhere too."""
    for cluster in clusters:
        for name in namespaces(count):
            _make_namespace(cluster, name)


def _make_namespace(cluster: Cluster, name: str) -> None:
    try:
        cluster.api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    except ApiError as error:
        if error.status != 409:
            raise
