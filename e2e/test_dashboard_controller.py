"""The dashboard over the real controller and real clouds: what it shows is what kubectl shows, and soon."""

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from suanli_centre import stage
from suanli_clusters import KWOK, SCHEDULER, Cluster, Clusters, Options, SimulatedNode, controller, fleet, until

PATIENCE = 180.0  # seconds, on a busy machine
CENTRE = Path(__file__).parent / "demo" / "centre.yaml"
KUNPENG = SimulatedNode(
    name="", architecture="arm64", os_image="openEuler 22.03 (LTS-SP3)",
    labels={"suanli.io/cpu-family": "kunpeng-920", "suanli.io/os": "openeuler"},
    capacity={"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110", "huawei.com/Ascend910": "8"},
)  # fmt: skip
INTEL = SimulatedNode(
    name="", os_image="Ubuntu 22.04.4 LTS", labels={"suanli.io/cpu-family": "intel", "suanli.io/os": "ubuntu"},
    capacity={"cpu": "32", "memory": "128Gi", "ephemeral-storage": "1Ti", "pods": "110"},
)  # fmt: skip
ALGORITHM = {
    "apiVersion": "suanli.io/v1alpha1",
    "kind": "Algorithm",
    "metadata": {"name": "face-detect"},
    "spec": {
        "displayName": {"zh": "人脸检测", "en": "Face detection"},
        "category": "vision",
        "versions": [
            {"version": "2.1", "variants": [{"name": "arm64", "requires": {"architectures": ["arm64"]}}]},
        ],
    },
}
WORKLOAD = {
    "apiVersion": "suanli.io/v1alpha1",
    "kind": "ComputeWorkload",
    "metadata": {"name": "faces", "namespace": "vision"},
    "spec": {
        "type": "Deployment",
        "replicas": 3,
        "dataGrade": "General",
        "algorithmRef": {"name": "face-detect", "version": "2.1"},
        "template": {
            "metadata": {"labels": {"app": "faces"}},
            "spec": {
                "containers": [
                    {"name": "app", "image": "busybox", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}
                ]
            },
        },
    },
}


class Shown:
    """The hub, its cloud and the dashboard's answers."""

    def __init__(self, hub: Cluster, cloud: Cluster, dashboard: stage.Dashboard) -> None:
        self.hub, self.cloud, self.dashboard = hub, cloud, dashboard

    def get(self, path: str) -> Any:
        token = self.dashboard.links["suanli-operator"].partition("#token=")[2]
        request = urllib.request.Request(
            f"{self.dashboard.url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())


@pytest.fixture(scope="module")
def shown(clusters: Clusters) -> Iterator[Shown]:
    options = Options(without=frozenset({KWOK, SCHEDULER}))
    with clusters.running("centre-hub", options) as hub, clusters.running("centre-cloud") as cloud:
        yield from _shown(clusters, hub, cloud)


def _shown(clusters: Clusters, hub: Cluster, cloud: Cluster) -> Iterator[Shown]:
    cloud.create_nodes(fleet("kunpeng", 5, KUNPENG) + fleet("intel", 4, INTEL))
    controller.install(hub)
    hub.apply(*yaml.safe_load_all(CENTRE.read_text()), ALGORITHM)
    controller.join(hub, cloud, "--tier", "Municipal", "--district", "370811", "--clearance", "Core")
    with controller.Operator(clusters, hub), stage.dashboard(hub, clusters.folder) as dashboard:
        found = Shown(hub, cloud, dashboard)
        until(
            lambda: found.get("/counts")["readyNodes"] == 9, "nine ready nodes on the dashboard", seconds=PATIENCE
        )
        yield found


def _pods(shown: Shown) -> list[Any]:
    return [pod for pod in shown.cloud.api.items("/api/v1/pods") if pod["spec"].get("nodeName")]


def test_totals_are_what_kubectl_shows(shown: Shown) -> None:
    nodes = shown.cloud.api.items("/api/v1/nodes")
    expected = Counter(node["metadata"]["labels"]["kubernetes.io/arch"] for node in nodes)
    totals = shown.get("/capacity?by=architecture")["items"]
    assert Counter({total["key"]["architecture"]: total["nodes"] for total in totals}) == expected
    cores = {total["key"]["architecture"]: total["allocatable"]["cpu"] for total in totals}
    assert cores == {"arm64": 5 * 64_000, "amd64": 4 * 32_000}
    (arm64,) = [total for total in totals if total["key"]["architecture"] == "arm64"]
    assert arm64["allocatable"]["huawei.com/Ascend910"] == 40
    assert arm64["units"] == {
        "generalMilli": 320_000, "intelligentMilli": 40 * 500_000, "gigaflopsFp16": 40 * 256_000,
        "gigaopsInt8": 40 * 512_000,
    }  # fmt: skip


def test_the_computecentre_says_the_same(shown: Shown) -> None:
    def counted() -> Any:
        status = shown.hub.api.get("/apis/suanli.io/v1alpha1/computecentres/centre").get("status", {})
        classes = {each["class"]: each["nodes"] for each in status.get("classes", ())}
        return status if sum(classes.values()) == 9 else None

    status = until(counted, "nine nodes in the ComputeCentre's status", seconds=PATIENCE)
    assert [condition["status"] for condition in status["conditions"]] == ["True"]
    (total,) = shown.get("/capacity")["items"]
    assert status["domesticPermille"] == total["domesticPermille"]
    units = total["units"]["generalMilli"] + total["units"]["intelligentMilli"]
    assert {tier["tier"]: tier["milliUnits"] for tier in status["tiers"]} == {"Municipal": units}
    assert {each["code"]: each["milliUnits"] for each in status["districts"]} == {"370811": units}


def test_a_workload_from_the_catalogue_is_shown_where_it_runs_and_counted(shown: Shown) -> None:
    shown.hub.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vision"}}, WORKLOAD)

    def running() -> Any:
        rows = shown.get("/workloads?namespace=vision")["items"]
        return rows[0] if rows and rows[0]["readyReplicas"] == 3 else None

    row = until(running, "three ready replicas on the dashboard", seconds=PATIENCE)
    assert row["algorithm"] == "face-detect@2.1"
    assert [(p["target"], p["variant"], p["replicas"]) for p in row["placements"]] == [
        ("Cloud/centre-cloud", "arm64", 3)
    ]
    requested = sum(2000 for pod in _pods(shown) if pod["metadata"]["namespace"] == "vision")
    assert requested == 6000

    def asked() -> bool:
        nodes = shown.get("/nodes?architecture=arm64")["items"]
        return bool(sum(node["requested"].get("cpu", 0) for node in nodes) == requested)

    until(asked, "what its pods request, on their nodes", seconds=PATIENCE)

    def used() -> bool:
        entry = shown.get("/algorithms/face-detect")
        return bool(entry["workloads"] == 1 and entry["replicas"] == 3)

    until(used, "the catalogue to count its users", seconds=PATIENCE)


def _seconds_until(check: Any, what: str) -> float:
    began = time.monotonic()
    until(check, what, seconds=PATIENCE, every=0.05)
    return time.monotonic() - began


def test_a_cordoned_node_and_a_scaled_workload_are_seen_soon(shown: Shown) -> None:
    """Within 3 s on a machine that does nothing else; how long it took is printed, and bounded widely."""
    shown.cloud.kubectl("cordon", _first_intel(shown))
    cordoned = _seconds_until(lambda: shown.get("/nodes?cordoned=true")["total"] == 1, "the cordoned node")
    shown.hub.kubectl("scale", "computeworkload", "faces", "-n", "vision", "--replicas", "5")
    scaled = _seconds_until(
        lambda: shown.get("/workloads/vision/faces")["replicas"] == 5, "five replicas on the dashboard"
    )
    print(f"seen after {cordoned:.1f} s (cordon) and {scaled:.1f} s (scale)")

    def left() -> bool:
        (entry,) = shown.get("/capacity?by=architecture&architecture=amd64")["items"]
        return bool(entry["allocatable"]["cpu"] == 3 * 32_000)

    until(left, "the capacity without the cordoned node", seconds=PATIENCE)


def _first_intel(shown: Shown) -> str:
    names = [node["metadata"]["name"] for node in shown.cloud.api.items("/api/v1/nodes")]
    return str(min(name for name in names if name.startswith("intel")))


def test_a_cloud_that_is_silent_is_shown_so_and_keeps_its_figures(shown: Shown) -> None:
    shown.cloud.pause()
    try:
        until(
            lambda: shown.get("/clouds/centre-cloud")["ready"]["status"] == "Unknown",
            "the silent cloud",
            seconds=2 * PATIENCE,
        )
        assert any(alert["reason"] == "CloudNotReady" for alert in shown.get("/alerts")["items"])
        assert shown.get("/counts")["nodes"] == 9
    finally:
        shown.cloud.resume()
    until(
        lambda: shown.get("/clouds/centre-cloud")["ready"]["status"] == "True", "the cloud again", seconds=PATIENCE
    )
