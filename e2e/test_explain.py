"""`suanli-controller explain` over real clusters: it reads them all, changes nothing, and the controller agrees."""

import base64
import functools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from suanli_clusters import Cluster, Clusters, Options, SimulatedNode, controller, fleet, until
from suanli_operator import City, template

Json = dict[str, Any]

NAMESPACE = "vision"
SIZE = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"}
KUNPENG = SimulatedNode(
    name="", architecture="arm64", capacity=SIZE, labels={"suanli.io/cpu-family": "kunpeng-920"}
)
INTEL = SimulatedNode(name="", architecture="amd64", capacity=SIZE, labels={"suanli.io/cpu-family": "intel"})
PHYTIUM = SimulatedNode(name="", architecture="arm64", capacity=SIZE, labels={"pool": "edge-room"})
PROFILES = [{"selector": {"matchLabels": {"pool": "edge-room"}}, "family": "phytium-s2500", "os": "kylin-v10"}]
BUILDS = [
    {"name": "v82", "requires": {"architectures": ["arm64"], "minIsaLevel": "v8.2"}},
    {"name": "amd64", "requires": {"architectures": ["amd64"], "families": ["hygon"]}},
]


@pytest.fixture(scope="module")
def core(clusters: Clusters) -> Iterator[Cluster]:
    """A municipal cloud: two Kunpeng nodes and an Intel one."""
    with clusters.running("explain-core", Options(heartbeat_factor=50)) as made:
        made.create_nodes([*fleet("kunpeng", 2, KUNPENG), *fleet("intel", 1, INTEL)])
        yield made


@pytest.fixture(scope="module")
def city(clusters: Clusters, core: Cluster) -> Iterator[City]:
    """The hub: its own three unlabelled Phytium nodes are a district cloud; another cloud cannot be reached."""
    with clusters.running("explain-hub", Options(heartbeat_factor=50)) as hub:
        hub.create_nodes(fleet("phytium", 3, PHYTIUM))
        made = City(hub)
        made.register_local("district", nodeProfiles=PROFILES)
        made.join(core, "core", tier="Municipal")
        made.secret("lost", core.kubeconfig.read_bytes().replace(str(core.port).encode(), b"1"))
        made.cloud("lost", {"access": {"kubeconfigSecretRef": {"name": "lost"}}})
        hub.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for member in (hub, core):
            until(functools.partial(at_rest, member), f"what {member.name} makes by itself in a namespace")
        yield made


def at_rest(member: Cluster) -> bool:
    """True once every namespace has the ConfigMap that the cluster puts into each."""
    names = [each["metadata"]["name"] for each in member.api.items("/api/v1/namespaces")]
    return all(member.api.exists(f"/api/v1/namespaces/{name}/configmaps/kube-root-ca.crt") for name in names)


def manifest(name: str = "detect", **spec: Any) -> Json:
    container = {"image": "busybox", "resources": {"requests": {"cpu": "3"}}}
    return {
        "apiVersion": "suanli.io/v1alpha1",
        "kind": "ComputeWorkload",
        "metadata": {"name": name},
        "spec": {
            "replicas": 5,
            "dataGrade": "General",
            "template": template(container),
            "variants": BUILDS,
            **spec,
        },
    }


def explain(city: City, *arguments: str, stdin: Json | None = None) -> "subprocess.CompletedProcess[str]":
    command = [str(controller.PROGRAM), "explain", "-n", NAMESPACE, *arguments]
    given = json.dumps(stdin) if stdin else None
    return subprocess.run(
        command, env=city.hub.environment(), input=given, capture_output=True, text=True, check=False
    )


def told(city: City, *arguments: str, stdin: Json | None = None) -> Json:
    answer = explain(city, *arguments, "-o", "json", stdin=stdin)
    assert answer.returncode == 0, answer.stderr
    found: Json = json.loads(answer.stdout)
    return found


def versions(*members: Cluster) -> list[str]:
    """The last write to each cluster, as its API server counts them, Leases and Events aside."""
    kinds = ("nodes", "pods", "namespaces", "configmaps", "secrets")
    return [
        f"{each['metadata']['name']} {each['metadata']['resourceVersion']}"
        for member in members
        for kind in kinds
        for each in member.api.items(f"/api/v1/{kind}")
    ]


@pytest.fixture(scope="module")
def hub(city: City) -> Cluster:
    assert isinstance(city.hub, Cluster)
    return city.hub


def test_a_file_is_explained_node_by_node_and_nothing_is_changed(city: City, hub: Cluster, core: Cluster) -> None:
    before = versions(hub, core)
    answer = told(city, "-f", "-", stdin=manifest())
    assert versions(hub, core) == before
    assert not hub.api.exists(f"/apis/suanli.io/v1alpha1/namespaces/{NAMESPACE}/computeworkloads/detect")
    assert (answer["placed"], answer["replicas"]) == (4, 5)
    (placement,) = answer["placements"]
    assert (placement["target"], placement["variant"], placement["standing"]) == ("Cloud/core", "v82", 0)
    assert placement["nodes"] == [{"name": "kunpeng-000", "replicas": 2}, {"name": "kunpeng-001", "replicas": 2}]
    assert {(each["target"], each["class"], each["reason"], each["nodes"]) for each in answer["elsewhere"]} == {
        ("Cloud/core", "arm64.kunpeng-920.debian.none", "InsufficientCpu", 2),
        ("Cloud/core", "amd64.intel.debian.none", "FamilyMismatch", 1),
        ("Cloud/district", "arm64.phytium-s2500.kylin-v10.none", "IsaLevelTooLow", 3),
    }
    assert sum(each["nodes"] for each in answer["unplaced"]["reasons"]) == 6


def test_a_cloud_that_cannot_be_reached_is_named(city: City) -> None:
    answer = explain(city, "-f", "-", stdin=manifest())
    assert "warning: Cloud/lost cannot be read and counts as not ready" in answer.stderr


def test_the_table_says_it_in_words(city: City) -> None:
    lines = explain(city, "-f", "-", stdin=manifest()).stdout.splitlines()
    assert lines[0] == f"Deployment {NAMESPACE}/detect: 4 of 5 replicas have a place"
    assert "Cloud/core  v82    4         0         kunpeng-000 (2), kunpeng-001 (2)" in lines
    assert any(line.startswith("no place for 1: ") and "IsaLevelTooLow on 3" in line for line in lines)
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"replicas": -1}, "spec.replicas"),
        ({"type": "Job"}, "job must be given for type Job"),
        ({"placement": {"spread": [{"by": "rack", "maxSkew": 1}]}}, "spec.placement.spread[0].by"),
    ],
)
def test_a_mistake_is_told_by_its_field(city: City, spec: Json, said: str) -> None:
    """By the hub's API server, before anything is decided."""
    answer = explain(city, "-f", "-", stdin=manifest(**spec))
    assert answer.returncode == 1
    assert said in answer.stderr


def test_a_template_that_no_api_server_takes_is_told_by_its_field(city: City) -> None:
    broken = template({"image": "busybox", "ports": [{"containerPort": 99999}]})
    answer = told(city, "-f", "-", stdin=manifest(template=broken))
    assert "containerPort" in answer["invalid"]
    assert answer["placed"] == 0


def test_other_kinds_and_missing_names_are_refused_with_a_mend(city: City, tmp_path: Path) -> None:
    assert (
        "only ComputeWorkloads"
        in explain(city, "-f", "-", stdin={"kind": "Pod", "metadata": {"name": "p"}}).stderr
    )
    assert "kubectl get cwl -A" in explain(city, "nobody").stderr
    assert "No such file" in explain(city, "-f", str(tmp_path / "none.yaml")).stderr
    assert "either the name of a WORKLOAD or a file" in explain(city).stderr


def test_a_suspended_workload_is_told_so(city: City) -> None:
    answer = explain(city, "-f", "-", stdin=manifest(suspend=True)).stdout
    assert answer == f"Deployment {NAMESPACE}/detect: suspended (spec.suspend is true): nothing of it runs\n"


def test_builds_of_an_algorithm_are_those_of_the_catalogue(city: City, hub: Cluster) -> None:
    """Without them it would be one build that runs anywhere."""
    head = {"apiVersion": "suanli.io/v1alpha1", "kind": "Algorithm", "metadata": {"name": "faces"}}
    hub.apply({**head, "spec": {"versions": [{"version": "1", "variants": BUILDS}]}})
    try:
        wished = manifest(algorithmRef={"name": "faces", "version": "1"})
        del wished["spec"]["variants"]
        answer = told(city, "-f", "-", stdin=wished)
    finally:
        hub.api.delete("/apis/suanli.io/v1alpha1/algorithms/faces")
    assert [(each["target"], each["variant"]) for each in answer["placements"]] == [("Cloud/core", "v82")]
    assert answer["invalid"] == ""


def refuse(city: City, name: str) -> None:
    """Have a Cloud say what the controller says of one whose cluster is another Cloud's."""
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "InvalidKubeconfig",
        "message": "this cluster is Cloud core already",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    path = f"/apis/suanli.io/v1alpha1/clouds/{name}/status"
    city.hub.api.patch(path, {"status": {"conditions": [condition]}})


def test_a_cluster_under_two_names_counts_its_pods_where_it_counts(
    city: City, hub: Cluster, core: Cluster
) -> None:
    """In the Cloud that the controller takes it for, not in the one that it refuses."""
    city.cloud("twin", {"access": {"kubeconfigSecretRef": {"name": "core"}}})
    refuse(city, "twin")
    pod = {"containers": [{"name": "app", "image": "busybox", "resources": {"requests": {"cpu": "8"}}}]}
    path = "/api/v1/namespaces/default/pods"
    core.api.post(path, {"metadata": {"name": "full"}, "spec": {**pod, "nodeName": "kunpeng-000"}})
    try:
        answer = told(city, "-f", "-", stdin=manifest())
    finally:
        core.api.delete(f"{path}/full?gracePeriodSeconds=0")
        hub.api.delete("/apis/suanli.io/v1alpha1/clouds/twin")
    (placement,) = answer["placements"]
    assert (placement["target"], placement["nodes"]) == ("Cloud/core", [{"name": "kunpeng-001", "replicas": 2}])
    assert "Cloud/twin" not in [each["target"] for each in answer["elsewhere"]]
    assert any("Cloud/twin is refused" in warning for warning in answer["warnings"])


def test_the_controller_does_what_was_said(city: City, hub: Cluster, core: Cluster, clusters: Clusters) -> None:
    """Explained before the controller has seen it, and again when it runs: the same places, now standing."""
    wished = manifest("agreed", replicas=3, template=template({"image": "busybox"}))
    said = told(city, "-f", "-", stdin=wished)
    with controller.Operator(clusters, hub) as operator, city.namespace("agreed") as space:
        work = space.workload("agreed", wished["spec"])
        work.until_ready()
        places = {(each["target"], each["variant"]): each["replicas"] for each in said["placements"]}
        assert work.placements() == places
        answer = explain(city, "agreed", "-o", "json", "-n", space.name)
        again = json.loads(answer.stdout)
        assert [(each["replicas"], each["standing"]) for each in again["placements"]] == [(3, 3)]
        grown = {**wished, "metadata": {"name": "agreed", "namespace": space.name}}
        grown["spec"] = {**wished["spec"], "replicas": 4}
        more = told(city, "-f", "-", stdin=grown)
        assert [(each["replicas"], each["standing"]) for each in more["placements"]] == [(4, 3)]
        assert work.placements() == places
        city.until_cloud("lost", "Unknown", "Unreachable")
        assert_no_credential_is_told(hub, operator)


def assert_no_credential_is_told(hub: Cluster, operator: controller.Operator) -> None:
    """In the operator's log, in Events or in the status of Clouds, one of which is out of its reach."""
    events = until(lambda: hub.api.items("/apis/events.k8s.io/v1/events"), "Events of decisions")
    clouds = hub.api.items("/apis/suanli.io/v1alpha1/clouds")
    shown = {"log": operator.log.read_text(), "Events": json.dumps(events), "Clouds": json.dumps(clouds)}
    assert "leading" in shown["log"]
    assert "Unreachable" in shown["Clouds"]
    known = credentials(hub)
    assert {"token", "client-key-data", "client-certificate-data", "kubeconfig"} <= {what for what, _ in known}
    assert [(where, what) for where, text in shown.items() for what, one in known if one in text] == []


def credentials(hub: Cluster) -> set[tuple[str, str]]:
    """What the Secrets of the controller's namespace hold, by what it is: tokens, keys, whole kubeconfigs."""
    found = set()
    for secret in hub.api.items(f"/api/v1/namespaces/{controller.NAMESPACE}/secrets"):
        for key, encoded in secret["data"].items():
            plain = base64.b64decode(encoded).decode()
            found |= {(key, encoded), (key, plain)} if key in ("token", "kubeconfig") else set()
            if key == "kubeconfig":
                for user in yaml.safe_load(plain)["users"]:
                    found |= set(user["user"].items())
    return found
