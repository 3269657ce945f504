"""Which processors workloads get in clouds of mixed hardware: one that is labelled, one that only profiles describe."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from suanli_clusters import Cluster, Clusters, SimulatedNode, fleet, until
from suanli_operator import City, Json, Namespace, Work, build, node_of, requesting, template

CONTAINER = requesting({"image": "busybox"}, cpu="1", memory="1Gi")
AMOUNTS = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "110"}
ASCEND = "huawei.com/Ascend910"

INTEL = SimulatedNode(
    name="", labels={"suanli.io/cpu-family": "intel", "suanli.io/os": "openeuler"}, capacity=AMOUNTS
)
KUNPENG = SimulatedNode(
    name="",
    architecture="arm64",
    labels={
        "suanli.io/cpu-family": "kunpeng-920",
        "suanli.io/os": "openeuler",
        "suanli.io/isa-level": "v8.2",
        "suanli.io/page-size-kib": "4",
        "suanli.io/accelerator-model": "ascend910b",
    },
    capacity={**AMOUNTS, ASCEND: "8"},
)
TYPE = "node.kubernetes.io/instance-type"
HYGON = SimulatedNode(name="", labels={TYPE: "h1"}, capacity=AMOUNTS)
PHYTIUM = SimulatedNode(name="", architecture="arm64", labels={TYPE: "p1"}, capacity=AMOUNTS)
PROFILES: list[Json] = [
    {"selector": {"matchLabels": {TYPE: "h1"}}, "family": "hygon", "os": "kylin-v10", "isaLevel": "v3"},
    {
        "selector": {"matchLabels": {TYPE: "p1"}},
        "family": "phytium-ft2000plus",
        "os": "kylin-v10",
        "isaLevel": "v8.0",
        "pageSizeKiB": 64,
    },
]
LABELLED = (*fleet("intel", 3, INTEL), *fleet("kunpeng", 3, KUNPENG))
PLAIN = (*fleet("h", 1, HYGON), *fleet("p", 2, PHYTIUM))


@dataclass(frozen=True, slots=True)
class Stage:
    city: City
    labelled: Cluster
    plain: Cluster

    @property
    def clouds(self) -> dict[str, Cluster]:
        return {"Cloud/labelled": self.labelled, "Cloud/plain": self.plain}


@pytest.fixture(scope="module")
def stage(clusters: Clusters, lone_city: City) -> Iterator[Stage]:
    labelled, plain = (clusters.start(name) for name in ("labelled", "plain"))
    labelled.create_nodes(LABELLED)
    plain.create_nodes(PLAIN)
    lone_city.join(labelled)
    lone_city.join(plain, nodeProfiles=PROFILES)
    for cloud in (labelled, plain):
        lone_city.until_cloud(cloud.name, "True", "Connected", 120)
    yield Stage(lone_city, labelled, plain)
    for cloud in (labelled, plain):
        lone_city.remove_cloud(cloud.name)
        clusters.remove(cloud.name)


@pytest.fixture
def space(stage: Stage) -> Iterator[Namespace]:
    with stage.city.namespace("hardware") as made:
        yield made
    for cloud in stage.clouds.values():  # the next test counts on their room
        until(functools.partial(empty, cloud, made.name), f"no pod is left in {cloud.name}")


def empty(cloud: Cluster, namespace: str) -> bool:
    return not cloud.api.items(f"/api/v1/namespaces/{namespace}/pods")


def web(replicas: int, *variants: Json, **spec: Any) -> Json:
    return {"replicas": replicas, "template": template(CONTAINER), "variants": list(variants), **spec}


def nodes(stage: Stage, work: Work) -> list[str]:
    """The kind of node, by its name, under each pod, pod by pod; fails on a pod that is bound to none."""
    return [
        node_of(cloud, pod)["metadata"]["name"].rpartition("-")[0]
        for cloud in stage.clouds.values()
        for pod in work.pods(cloud)
    ]


def test_replicas_are_split_by_the_room_of_each_build_in_each_cloud(stage: Stage, space: Namespace) -> None:
    """48 and 48 cores in the labelled cloud, 16 and 32 in the other: 12 replicas go 4, 4, 1 and 3."""
    work = space.workload("split", web(12, build("amd64"), build("arm64")))
    work.until_ready()
    placed = work.placements()
    rooms = {
        ("Cloud/labelled", "amd64"): 48,
        ("Cloud/labelled", "arm64"): 48,
        ("Cloud/plain", "amd64"): 16,
        ("Cloud/plain", "arm64"): 32,
    }
    assert sum(placed.values()) == 12
    for place, room in rooms.items():
        assert abs(placed[place] - 12 * room / 144) <= 1, placed


def test_every_pod_is_bound_to_a_node_of_its_build(stage: Stage, space: Namespace) -> None:
    """In the cloud whose nodes say what they are, and in the one of which only profiles tell."""
    runs_on = {"x86": {"intel", "h"}, "kunpeng": {"kunpeng"}, "phytium": {"p"}}
    variants = (
        build("amd64", name="x86", families=["intel", "hygon"]),
        build("arm64", name="kunpeng", families=["kunpeng-920"]),
        build("arm64", name="phytium", families=["phytium-ft2000plus"]),
    )
    work = space.workload("bound", web(24, *variants))
    work.until_ready()
    assert {variant for _, variant in work.placements()} == set(runs_on)
    for (target, variant), replicas in work.placements().items():
        cloud = stage.clouds[target]
        pods = [pod for pod in work.pods(cloud) if pod["metadata"]["labels"]["suanli.io/variant"] == variant]
        assert len(pods) == replicas
        for pod in pods:
            assert node_of(cloud, pod)["metadata"]["name"].rpartition("-")[0] in runs_on[variant]


def test_a_build_for_armv8_2_keeps_off_phytium(stage: Stage, space: Namespace) -> None:
    """48 Kunpeng cores take 48 of 50; the Phytium nodes stay empty and are named as what they are."""
    work = space.workload("v82", web(50, build("arm64", minIsaLevel="v8.2")))
    said = work.until("Placed", "False", "Unplaced")
    assert "IsaLevelTooLow on 2 nodes" in said["message"]
    until(lambda: work.status()["readyReplicas"] == 48, "48 ready")
    assert nodes(stage, work) == ["kunpeng"] * 48


def test_a_build_for_4_kib_pages_keeps_off_64_kib_kernels(stage: Stage, space: Namespace) -> None:
    work = space.workload("pages", web(4, build("arm64", pageSizesKiB=[4])))
    work.until_ready()
    assert nodes(stage, work) == ["kunpeng"] * 4


def test_a_build_for_64_kib_pages_finds_them_by_profile(stage: Stage, space: Namespace) -> None:
    work = space.workload("pages", web(4, build("arm64", pageSizesKiB=[64])))
    work.until_ready()
    assert nodes(stage, work) == ["p"] * 4


def test_the_preferred_family_is_filled_first(stage: Stage, space: Namespace) -> None:
    order = {"familyOrder": ["kunpeng-920", "hygon", "intel"]}
    work = space.workload("liked", web(50, build("amd64"), build("arm64"), placement=order))
    work.until_ready()
    assert sorted(nodes(stage, work)) == ["h"] * 2 + ["kunpeng"] * 48


def test_accelerators_are_given_out_whole_and_by_model(stage: Stage, space: Namespace) -> None:
    npu = build("arm64", name="ascend", accelerator=ASCEND, acceleratorModels=["ascend910b"])
    npu["containers"] = [{"name": "app", "resources": {"requests": {"cpu": "1"}, "limits": {ASCEND: "4"}}}]
    work = space.workload("training", web(7, npu))
    until(lambda: work.status()["readyReplicas"] == 6, "three nodes of eight devices take six pods of four")
    said = work.until("Placed", "False", "Unplaced")
    assert "InsufficientResource (huawei.com/Ascend910) on 3 nodes" in said["message"]
    assert nodes(stage, work) == ["kunpeng"] * 6


def test_capacity_in_the_status_is_what_the_nodes_hold_by_class(stage: Stage, space: Namespace) -> None:
    """Counted here from the API's own nodes and pods, with one node cordoned."""
    stage.labelled.kubectl("cordon", "intel-000")
    work = space.workload("load", web(10, build("amd64"), build("arm64")))
    work.until_ready()
    classes = {"intel": "amd64.intel.openeuler.none", "kunpeng": "arm64.kunpeng-920.openeuler.ascend910b"}

    def told() -> Json:
        return {each["class"]: each for each in stage.city.cloud_status("labelled")["classes"]}

    def held() -> Json:
        return {name: counted(stage.labelled, prefix, name) for prefix, name in classes.items()}

    with contextlib.suppress(TimeoutError):
        until(lambda: told() == held(), "the status agrees with the nodes", 60, every=0.5)
    assert told() == held()
    profiled = {each["class"]: each["nodes"] for each in stage.city.cloud_status("plain")["classes"]}
    assert profiled == {"amd64.hygon.kylin-v10.none": 1, "arm64.phytium-ft2000plus.kylin-v10.none": 2}
    stage.labelled.kubectl("uncordon", "intel-000")


def counted(cloud: Cluster, prefix: str, name: str) -> Json:
    """One class, counted node by node and pod by pod. All pods of these tests request 1 core and 1 GiB."""
    found = [each for each in cloud.api.items("/api/v1/nodes") if each["metadata"]["name"].startswith(prefix)]
    pods = {each["metadata"]["name"]: 0 for each in found}
    for pod in cloud.api.items("/api/v1/pods"):
        if pod["spec"].get("nodeName") in pods and pod["status"]["phase"] in ("Pending", "Running"):
            pods[pod["spec"]["nodeName"]] += 1
    usable = [each["metadata"]["name"] for each in found if not each["spec"].get("unschedulable")]
    devices = 8 if prefix == "kunpeng" else 0
    total = sum(pods.values())
    return {
        "class": name,
        "nodes": len(found),
        "readyNodes": len(found),
        "allocatable": amounts(len(usable), len(usable) * devices),
        "capacity": amounts(len(found), len(found) * devices),
        "requested": {
            **dict.fromkeys(amounts(1, devices), "0"),
            **({"cpu": str(total), "memory": f"{total}Gi", "pods": str(total)} if total else {}),
        },
        "largestFree": free(min(pods[each] for each in usable), devices),
    }


def amounts(count: int, devices: int) -> dict[str, str]:
    accelerators = {ASCEND: str(devices)} if devices else {}
    return {
        "cpu": str(16 * count),
        "memory": f"{64 * count}Gi",
        "ephemeral-storage": f"{100 * count}Gi",
        "pods": str(110 * count),
        **accelerators,
    }


def free(pods: int, devices: int) -> dict[str, str]:
    """Of the emptiest node."""
    whole = amounts(1, devices)
    return {**whole, "cpu": str(16 - pods), "memory": f"{64 - pods}Gi", "pods": str(110 - pods)}


def test_profiles_that_differ_make_a_node_unknown_and_say_so(stage: Stage, space: Namespace) -> None:
    other = {"selector": {"matchLabels": {"kubernetes.io/hostname": "p-000"}}, "family": "kunpeng-920"}
    stage.city.patch_cloud("plain", nodeProfiles=[*PROFILES, other])
    said = stage.city.until_cloud("plain", "True", "ProfilesConflict")
    assert "p-000" in said["message"]
    work = space.workload("sure", web(4, build("arm64", families=["phytium-ft2000plus", "kunpeng-920"])))
    work.until_ready()
    names = {node_of(stage.plain, pod)["metadata"]["name"] for pod in work.pods(stage.plain)}
    assert names <= {"p-001"}
    stage.city.patch_cloud("plain", nodeProfiles=PROFILES)
    stage.city.until_cloud("plain", "True", "Connected")


def test_a_node_that_joins_takes_what_was_waiting(stage: Stage, space: Namespace) -> None:
    work = space.workload("waiting", web(1, build("arm64", families=["sophgo-sg2042"])))
    work.until("Placed", "False", "Unplaced")
    added = replace(KUNPENG, name="new-000", labels={"suanli.io/cpu-family": "sophgo-sg2042"}, capacity=AMOUNTS)
    stage.labelled.create_nodes([added])
    work.until_ready()
    assert nodes(stage, work) == ["new"]
    stage.labelled.api.delete("/api/v1/nodes/new-000")
