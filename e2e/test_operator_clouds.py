"""Clouds themselves: whether they can be used, what becomes of work when they are cordoned, drained or deleted."""

import base64
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from suanli_clusters import Cluster, Clusters, Member, SimulatedNode, controller, fleet, until
from suanli_operator import GROUP, City, Json, Namespace, Work, condition, only, template

CONTAINER = {"image": "busybox", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
FULL_SECONDS = 60
"""How long a pod may be Unschedulable before its cloud counts as full for it."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Stage:
    city: City
    east: Cluster
    west: Cluster
    crowded: Work  # begun long before they are looked at: what is waited for takes a minute
    crowded_job: Work


@pytest.fixture(scope="module")
def stage(clusters: Clusters, lone_city: City) -> Iterator[Stage]:
    east, west = (clusters.start(name) for name in ("east", "west"))
    for cloud in (east, west):
        cloud.create_nodes(fleet("node", 2, SimulatedNode(name="")))
        lone_city.join(cloud)
    for cloud in (east, west):
        lone_city.until_cloud(cloud.name, "True", "Connected", 120)
    with lone_city.namespace("crowded") as crowded:
        yield Stage(lone_city, east, west, *begin_crowded(crowded, east))
    for cloud in (east, west):
        lone_city.remove_cloud(cloud.name)
        clusters.remove(cloud.name)


@pytest.fixture
def space(stage: Stage) -> Iterator[Namespace]:
    with stage.city.namespace("clouds") as made:
        yield made
        stage.city.patch_cloud("east", cordoned=False, draining=False)


def web(replicas: int, *clouds: str, **placement: Any) -> Json:
    return {"replicas": replicas, "template": template(CONTAINER), "placement": {**only(*clouds), **placement}}


def admin(cloud: Member) -> Json:
    """The administrator's kubeconfig, to be spoilt."""
    found: Json = yaml.safe_load(cloud.kubeconfig.read_text())
    return found


@pytest.fixture
def name(stage: Stage) -> Iterator[str]:
    """Of a Cloud for one test."""
    made = f"odd-{next(_numbers)}"
    yield made
    stage.city.remove_cloud(made)


# --- whether a cloud can be used


def test_a_kubeconfig_that_runs_a_program_is_refused(stage: Stage, name: str, tmp_path: Path) -> None:
    """Whoever may write that Secret must not run code in the controller."""
    config = admin(stage.east)
    config["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "touch",
            "args": [str(tmp_path / "ran")],
        }
    }
    stage.city.register(name, json.dumps(config).encode())
    said = stage.city.until_cloud(name, "False", "InvalidKubeconfig")
    assert "users[0].user.exec" in said["message"]
    assert not (tmp_path / "ran").exists()


def test_a_cloud_without_its_secret_says_which_it_needs(stage: Stage, name: str) -> None:
    stage.city.cloud(name, {"access": {"kubeconfigSecretRef": {"name": "not-there"}}})
    said = stage.city.until_cloud(name, "False", "InvalidKubeconfig")
    assert "Secret suanli-system/not-there does not exist" in said["message"]


def test_a_kubeconfig_that_is_mended_is_taken_at_once(stage: Stage, name: str, clusters: Clusters) -> None:
    stage.city.register(name, b"not: a kubeconfig")
    stage.city.until_cloud(name, "False", "InvalidKubeconfig")
    config = admin(stage.east)
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    stage.city.secret(name, json.dumps(config).encode())
    stage.city.until_cloud(name, "Unknown", "Unreachable")


def test_an_account_without_rights_is_named_forbidden(stage: Stage, name: str) -> None:
    poor = stage.east.service_account("default", "poor")
    stage.city.register(name, poor.read_bytes())
    said = stage.city.until_cloud(name, "False", "Forbidden")
    assert "system:serviceaccount:default:poor" in said["message"]


def test_a_cloud_of_another_hub_is_left_alone(stage: Stage, hub: Cluster, clusters: Clusters) -> None:
    """It stays the first hub's, also when the second one's Cloud is deleted."""
    access = stage.city.hub.api.get("/api/v1/namespaces/suanli-system/secrets/east")["data"]["kubeconfig"]
    second = City(hub)
    second.register("east", base64.b64decode(access))
    with controller.Operator(clusters, hub) as operator:
        second.operator = operator
        said = second.until_cloud("east", "False", "ClaimedByOtherHub")
        second.remove_cloud("east")
    assert "suanli-system/suanli-hub" in said["message"]
    mark = stage.east.api.get("/api/v1/namespaces/suanli-system/configmaps/suanli-hub")
    first = stage.city.hub.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert mark["data"]["hubUid"] == first
    assert stage.city.cloud_reason("east") == ("True", "Connected")


def test_the_hub_is_the_local_cloud_of_one_cloud_only(stage: Stage, name: str) -> None:
    stage.city.register_local("first")
    stage.city.until_cloud("first", "True", "Connected")
    stage.city.cloud(name, {"access": {"local": {}}})
    said = stage.city.until_cloud(name, "False", "LocalTaken")
    assert "Cloud first" in said["message"]
    stage.city.remove_cloud("first")
    stage.city.until_cloud(name, "True", "Connected")


# --- cordon, drain


def test_nothing_new_goes_to_a_cordoned_cloud_and_what_is_there_stays(stage: Stage, space: Namespace) -> None:
    work = space.workload("before", web(2, "east", "west"))
    work.until_ready()
    before = work.placements()
    assert set(before) == {("Cloud/east", "default"), ("Cloud/west", "default")}
    controller.verb(stage.city.hub, "cloud", "cordon", "east")
    until(lambda: known(space), "the operator knows of it")
    work.scale(6)
    work.until_ready()
    assert work.placements() == {("Cloud/east", "default"): 1, ("Cloud/west", "default"): 5}


def known(space: Namespace) -> bool:
    """True once the operator has decided about the cloud `east` as it is now."""
    found = space.hub.api.get("/apis/suanli.io/v1alpha1/clouds/east")
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


class Watcher(threading.Thread):
    """Counts the Ready pods of a workload over all clouds, again and again, and remembers the fewest."""

    def __init__(self, work: Work, *clouds: Cluster) -> None:
        super().__init__()
        self.fewest = 1 << 30
        self._work, self._clouds, self._over = work, clouds, threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            self.fewest = min(
                self.fewest, sum(ready(pod) for each in self._clouds for pod in self._work.pods(each))
            )

    def finish(self) -> int:
        self._over.set()
        self.join()
        return self.fewest


def ready(pod: Json) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ())
    )


def test_a_drain_moves_work_away_each_replacement_ready_first(stage: Stage, space: Namespace) -> None:
    work = space.workload("moved", web(4, "east", "west"))
    work.until_ready()
    watcher = Watcher(
        work, stage.east, stage.west
    )  # what went over between two looks is counted twice, never missed
    watcher.start()
    told = controller.verb(stage.city.hub, "cloud", "drain", "east", "--timeout", "60")
    assert watcher.finish() >= 4, told
    until(lambda: work.pods(stage.east) == [], "nothing is left in the east")
    work.until_ready()
    assert work.placements() == {("Cloud/west", "default"): 4}


def test_a_drain_takes_nothing_away_that_has_nowhere_to_go(stage: Stage, space: Namespace) -> None:
    work = space.workload("bound", web(2, "east"))
    work.until_ready()
    stage.city.patch_cloud("east", cordoned=True, draining=True)
    said = work.until("Placed", "False", "Unplaced")
    assert "TargetCordoned" in said["message"]
    assert len(work.pods(stage.east)) == 2
    controller.verb(stage.city.hub, "cloud", "uncordon", "east")
    work.until_ready()


# --- deletion


@pytest.mark.parametrize(("policy", "stays"), [("Orphan", True), ("Delete", False)])
def test_what_is_in_a_cloud_goes_or_stays_as_the_policy_says(
    stage: Stage, space: Namespace, policy: str, *, stays: bool
) -> None:
    work = space.workload("left", web(2, "east"))
    work.until_ready()
    stage.city.patch_cloud("east", deletionPolicy=policy)
    stage.city.remove_cloud("east")
    until(lambda: bool(work.pods(stage.east)) == stays, f"{policy}: pods stay: {stays}")
    assert bool(work.in_cloud(stage.east, "Deployment")) == stays
    join_again(stage, work)


@pytest.mark.parametrize("policy", ["Orphan", "Delete"])
def test_a_job_begins_anew_only_where_its_cloud_took_it_along(stage: Stage, space: Namespace, policy: str) -> None:
    """Its pods wait for a scheduler that does not come; one that was left there may run to its end unseen."""
    like = [{"weight": 100, "require": [{"key": "cloud", "operator": "In", "values": ["east"]}]}]
    pods = template(CONTAINER, restartPolicy="Never", schedulerName="nobody")
    job = {"type": "Job", "job": {"completions": 2, "parallelism": 2}, "template": pods}
    work = space.workload("once", {**job, "placement": {**only("east", "west"), "prefer": like}})
    until(lambda: work.in_cloud(stage.east, "Job"), "the Job is in the east")
    stage.city.patch_cloud("east", deletionPolicy=policy)
    stage.city.remove_cloud("east")
    try:
        if policy == "Delete":
            until(lambda: work.in_cloud(stage.west, "Job"), "the Job is in the west")
        else:
            work.until("Ready", "Unknown", "TargetRemoved")
        there = [bool(work.in_cloud(cloud, "Job")) for cloud in (stage.east, stage.west)]
        assert there == [policy == "Orphan", policy == "Delete"]
    finally:
        stage.city.join(stage.east)
        stage.city.until_cloud("east", "True", "Connected", 120)


def join_again(stage: Stage, work: Work) -> None:
    """The east, which is nobody's any more; what the workload has there is the operator's again."""
    assert not stage.east.api.exists("/api/v1/namespaces/suanli-system/configmaps/suanli-hub")
    stage.city.join(stage.east)
    stage.city.until_cloud("east", "True", "Connected")
    work.until_ready()
    work.delete()
    work.until_gone()
    work.until_clean(stage.east)


def test_a_cloud_that_was_refused_sees_and_takes_nothing(stage: Stage, space: Namespace, name: str) -> None:
    """Two Clouds of one cluster, which the second never got: what is there is the first one's, and counted once."""
    work = space.workload("firm", web(2, "east"))
    work.until_ready()
    before = running(work, stage.east)
    stage.city.register(name, stage.east.kubeconfig.read_bytes(), deletionPolicy="Delete")
    said = stage.city.until_cloud(name, "False", "InvalidKubeconfig")
    assert "Cloud east already" in said["message"]
    work.scale(3)
    work.until_ready()
    assert [(each["target"], each["readyReplicas"]) for each in work.status()["placements"]] == [("Cloud/east", 3)]
    stage.city.remove_cloud(name)
    assert stage.city.cloud_reason("east") == ("True", "Connected")
    assert before < running(work, stage.east)
    until(
        lambda: requested_in(stage, "east") == taken_in(stage.east), "all that runs in the east is counted there"
    )


def running(work: Work, cloud: Cluster) -> set[str]:
    return {each["metadata"]["uid"] for each in (*work.in_cloud(cloud, "Deployment"), *work.pods(cloud))}


def requested_in(stage: Stage, cloud: str) -> int:
    """Millis of CPU that pods request there, as the Cloud's status says."""
    return sum(milli(each["requested"].get("cpu", "0")) for each in stage.city.cloud_status(cloud)["classes"])


def taken_in(cloud: Cluster) -> int:
    """The same, as its API server says; never none."""
    bound = [pod["spec"] for pod in cloud.api.items("/api/v1/pods") if pod["spec"].get("nodeName")]
    asked = [one.get("resources", {}).get("requests", {}) for spec in bound for one in spec["containers"]]
    taken = sum(milli(each.get("cpu", "0")) for each in asked)
    assert taken
    return taken


def milli(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


def test_a_cloud_of_ours_that_another_hub_has_taken_loses_nothing_and_is_waited_for(
    stage: Stage, space: Namespace
) -> None:
    """It is found out when the operator starts; replicas stay where they are, and a deletion may give them up."""
    spared, gone = (space.workload(word, web(2, "east", "west")) for word in ("spared", "gone"))
    for work in (spared, gone):
        work.until_ready()
    before, placed = running(spared, stage.east), spared.placements()
    mark = "/api/v1/namespaces/suanli-system/configmaps/suanli-hub"
    own = stage.east.api.get(mark)["data"]["hubUid"]
    stage.east.api.patch(mark, {"data": {"hubUid": "another"}})
    assert stage.city.operator is not None
    stage.city.operator.restart()
    stage.city.until_cloud("east", "False", "ClaimedByOtherHub")
    gone.delete()
    until(
        lambda: "waits for Cloud/east" in condition(gone.status(), "Ready")["message"],
        "it says what it waits for",
        30,
    )
    assert (spared.placements(), running(spared, stage.east)) == (placed, before)
    gone.annotate(abandon="true")
    gone.until_gone()
    (left,) = gone.in_cloud(stage.east, "Deployment")
    stage.east.api.delete(f"/apis/apps/v1/namespaces/{space.name}/deployments/{left['metadata']['name']}")
    stage.east.api.patch(mark, {"data": {"hubUid": own}})
    stage.city.hub.api.patch(f"{GROUP}/clouds/east", {"metadata": {"annotations": {"look": "again"}}})
    stage.city.until_cloud("east", "True", "Connected")
    spared.until_ready()
    assert running(spared, stage.east) == before


@pytest.mark.parametrize("policy", ["Orphan", "Delete"])
def test_an_operator_that_starts_anew_ends_what_was_begun(stage: Stage, space: Namespace, policy: str) -> None:
    """A Cloud that was deleted while no operator ran: nothing had connected to it before."""
    work = space.workload("begun", web(2, "east"))
    work.until_ready()
    assert stage.city.operator is not None
    stage.city.operator.kill()
    stage.city.patch_cloud("east", deletionPolicy=policy)
    stage.city.hub.api.delete(f"{GROUP}/clouds/east")
    stage.city.operator.start()
    stage.city.remove_cloud("east")
    assert bool(work.in_cloud(stage.east, "Deployment")) == (policy == "Orphan")
    join_again(stage, work)


# --- the cloud's own scheduler


def begin_crowded(space: Namespace, east: Cluster) -> tuple[Work, Work]:
    """Replicas, and a Job, that like the east, where pods of another owner are that they must not be near: the
    placement does not model that, the scheduler there does.
    """
    space.ensure_in(east)
    account = f"/api/v1/namespaces/{space.name}/serviceaccounts/default"
    until(lambda: east.api.exists(account), "pods can be made")
    for node in ("node-000", "node-001"):
        other = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"other-{node}", "namespace": space.name, "labels": {"app": "other"}},
            "spec": {"nodeName": node, "containers": [{"name": "app", "image": "busybox"}]},
        }
        east.apply(other)
    term = {"labelSelector": {"matchLabels": {"app": "other"}}, "topologyKey": "kubernetes.io/hostname"}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    like = [{"weight": 100, "require": [{"key": "cloud", "operator": "In", "values": ["east"]}]}]
    spec = web(2, "east", "west", prefer=like)
    replicas = space.workload("crowded", {**spec, "template": template(CONTAINER, affinity=apart)})
    pods = template(CONTAINER, affinity=apart, restartPolicy="Never")
    job = {"type": "Job", "job": {"completions": 2, "parallelism": 2}, "template": pods}
    return replicas, space.workload("crowded-job", {**job, "placement": spec["placement"]})


def test_replicas_that_a_scheduler_cannot_bind_are_placed_elsewhere(stage: Stage) -> None:
    """They waited there for a minute; what the placement did not check was named from the beginning."""
    work = stage.crowded
    work.until("Ready", "True", "AllReady", FULL_SECONDS + 60)
    assert work.placements() == {("Cloud/west", "default"): 2}
    until(lambda: work.pods(stage.east) == [], "nothing is left Pending in the first cloud")
    path = f"/apis/events.k8s.io/v1/namespaces/{work.namespace}/events"
    until(lambda: "TargetFull" in {event["reason"] for event in stage.city.hub.api.items(path)}, "it is told why")
    (placed,) = [each for each in work.status()["conditions"] if each["type"] == "Placed"]
    assert "anti-affinity to other pods" in placed["message"]


def test_a_job_of_which_a_scheduler_can_bind_no_pod_runs_elsewhere(stage: Stage) -> None:
    work = stage.crowded_job
    work.until("Complete", "True", "JobComplete", FULL_SECONDS + 60)
    assert {place: count for place, count in work.placements().items() if count} == {("Cloud/west", "default"): 2}
    until(lambda: work.in_cloud(stage.east, "Job") == [], "the Job is gone from the first cloud")


def test_what_a_removed_cloud_had_is_placed_elsewhere(stage: Stage, space: Namespace) -> None:
    """What is there is left as it is, and counts no more."""
    work = space.workload("homeless", web(2, "east", "west"))
    work.until_ready()
    assert set(work.placements()) == {("Cloud/east", "default"), ("Cloud/west", "default")}
    stage.city.remove_cloud("east")
    try:
        until(lambda: work.placements() == {("Cloud/west", "default"): 2}, "both in the west")
        work.until_ready()
        assert len(work.pods(stage.east)) == 1
    finally:
        stage.city.join(stage.east)
        stage.city.until_cloud("east", "True", "Connected", 120)
