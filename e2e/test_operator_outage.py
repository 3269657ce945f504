"""Clouds and operators that fall silent, die or come back: nothing is lost, nothing is made twice."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from suanli_clusters import (
    API_SERVER,
    CONTROLLER_MANAGER,
    KWOK,
    SCHEDULER,
    Cluster,
    Clusters,
    Member,
    SimulatedNode,
    controller,
    fleet,
    until,
)
from suanli_operator import AWAY_SECONDS, City, Json, Namespace, Work, build, only, template

CONTAINER = {"image": "busybox", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
AT_ONCE_SECONDS = 28
"""What another cloud's trouble must not delay: a moment on an idle machine, on any less than the 30 s that a request to
the silent cloud may take.
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A hub, the cloud `away` of amd64 nodes that these tests take away, and `steady` of arm64 nodes, which stays."""

    city: City
    hub: Member
    away: Cluster
    steady: Cluster
    operator: controller.Operator


@pytest.fixture(scope="module")
def stage(clusters: Clusters, lone_city: City) -> Iterator[Stage]:
    away = clusters.start("away")
    steady = clusters.start("steady")
    away.create_nodes(fleet("amd", 3, SimulatedNode(name="")))
    steady.create_nodes(fleet("arm", 3, SimulatedNode(name="", architecture="arm64")))
    for cloud in (away, steady):
        lone_city.join(cloud)
    for cloud in (away, steady):
        lone_city.until_cloud(cloud.name, "True", "Connected", 120)
    assert lone_city.operator is not None
    yield Stage(lone_city, lone_city.hub, away, steady, lone_city.operator)
    for cloud in (away, steady):
        lone_city.remove_cloud(cloud.name)
        clusters.remove(cloud.name)


@pytest.fixture
def space(stage: Stage) -> Iterator[Namespace]:
    """Both clouds answer when a test begins, and are brought back when it is over."""
    stage.city.until_cloud("away", "True", "Connected", AWAY_SECONDS)
    with stage.city.namespace("outage") as made:
        yield made
        bring_back(stage.away)


def bring_back(cloud: Cluster) -> None:
    cloud.resume()
    if API_SERVER not in cloud.pids():
        # Each would sit out a backoff of half a minute, and the first would call nodes gone that could not beat.
        others = (CONTROLLER_MANAGER, SCHEDULER, KWOK)
        for component in others:
            cloud.kill(component)
        for component in (API_SERVER, *others):
            cloud.restart(component)


def take_away(cloud: Cluster, how: str) -> None:
    cloud.kill() if how == "refused" else cloud.pause()


def web(replicas: int, *clouds: str) -> Json:
    return {"replicas": replicas, "template": template(CONTAINER), "placement": only(*clouds)}


def uids(pods: list[Json]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def test_a_build_for_arm64_is_never_counted_against_amd64(stage: Stage, space: Namespace) -> None:
    """100 replicas, a cloud of amd64 nodes and one of arm64 nodes: all of them run, none is stuck."""
    work = space.workload("arm", {**web(100, "away", "steady"), "variants": [build("arm64")]})
    work.until_ready()
    assert work.placements() == {("Cloud/steady", "arm64"): 100}
    bound = [pod["spec"].get("nodeName", "") for pod in work.pods(stage.steady)]
    assert len(bound) == 100
    assert all(bound)
    assert work.pods(stage.away) == []


@pytest.mark.parametrize("how", ["refused", "hangs"])
def test_a_silent_cloud_is_called_unknown_and_loses_nothing(stage: Stage, space: Namespace, how: str) -> None:
    """While it is silent the other cloud takes work at once; its own pods are the same ones afterwards."""
    work = space.workload("there", web(3, "away"))
    work.until_ready()
    before, placed = uids(work.pods(stage.away)), work.placements()
    classes = by_class(stage)
    take_away(stage.away, how)
    elsewhere = space.workload("elsewhere", web(2, "steady"))
    elsewhere.until_ready(AT_ONCE_SECONDS)
    stage.city.until_cloud("away", "Unknown", "Unreachable", AWAY_SECONDS)
    work.until("Ready", "Unknown", "TargetUnreachable", AT_ONCE_SECONDS)
    assert work.placements() == placed
    assert by_class(stage) == classes
    bring_back(stage.away)
    stage.city.until_cloud("away", "True", "Connected", AWAY_SECONDS)
    work.until_ready(AWAY_SECONDS)
    assert uids(work.pods(stage.away)) == before
    assert work.placements() == placed


def by_class(stage: Stage) -> dict[str, int]:
    return {each["class"]: each["nodes"] for each in stage.city.cloud_status("away")["classes"]}


def test_nothing_new_is_placed_in_a_silent_cloud(stage: Stage, space: Namespace) -> None:
    stage.away.kill()
    stage.city.until_cloud("away", "Unknown", "Unreachable", AWAY_SECONDS)
    spread = space.workload("anywhere", web(6, "away", "steady"))
    spread.until_ready(AT_ONCE_SECONDS)
    assert spread.placements() == {("Cloud/steady", "default"): 6}
    nowhere = space.workload("nowhere", web(1, "away"))
    said = nowhere.until("Placed", "False", "Unplaced", AT_ONCE_SECONDS)
    assert "TargetNotReady on 3 nodes" in said["message"]
    bring_back(stage.away)
    nowhere.until_ready(AWAY_SECONDS)


def test_a_deletion_waits_for_a_silent_cloud_and_says_so(stage: Stage, space: Namespace) -> None:
    """Also over a restart of the operator; when the cloud is back nothing of the workload is left there."""
    work = space.workload("waits", web(4, "away", "steady"))
    work.until_ready()
    stage.away.kill()
    stage.city.until_cloud("away", "Unknown", "Unreachable", AWAY_SECONDS)
    work.delete()
    until(lambda: "deletion waits for Cloud/away" in message(work), "it says what it waits for", 30)
    work.until_clean(stage.steady)
    stage.operator.restart()
    bring_back(stage.away)
    work.until_gone(AWAY_SECONDS)
    work.until_clean(stage.away, stage.steady)


def message(work: Work) -> str:
    text: str = next(each["message"] for each in work.status()["conditions"] if each["type"] == "Ready")
    return text


def test_an_abandoned_workload_goes_without_a_silent_cloud(stage: Stage, space: Namespace) -> None:
    """What is there is left as it is: nobody can delete what he cannot reach."""
    work = space.workload("abandoned", web(4, "away", "steady"))
    work.until_ready()
    left = len(work.pods(stage.away))
    stage.away.kill()
    stage.city.until_cloud("away", "Unknown", "Unreachable", AWAY_SECONDS)
    work.delete()
    until(lambda: 'suanli.io/abandon: "true"' in message(work), "it says what can be done", 30)
    work.annotate(abandon="true")
    work.until_gone(AT_ONCE_SECONDS)
    work.until_clean(stage.steady)
    bring_back(stage.away)
    assert len(work.pods(stage.away)) == left > 0
    stage.away.api.delete(f"/apis/apps/v1/namespaces/{space.name}/deployments/abandoned-default")


def test_a_scale_down_reaches_a_cloud_that_was_silent(stage: Stage, space: Namespace) -> None:
    work = space.workload("fewer", web(4, "away"))
    work.until_ready()
    stage.away.kill()
    stage.city.until_cloud("away", "Unknown", "Unreachable", AWAY_SECONDS)
    work.scale(1)
    bring_back(stage.away)
    until(lambda: len(work.pods(stage.away)) == 1, "one pod", AWAY_SECONDS)
    work.until_ready()


def test_an_operator_that_is_killed_at_any_moment_resumes(stage: Stage, space: Namespace) -> None:
    """Killed four times between the writes of 24 workloads: each runs exactly what it asks for, and only that."""
    chance = random.Random(3)
    works = []
    for burst in range(4):
        for number in range(6):
            name = f"w-{burst}-{number}"
            spec = web(chance.randint(1, 4), "away", "steady")
            works.append(space.workload(name, {**spec, "variants": [build("amd64"), build("arm64")]}))
        time.sleep(chance.uniform(0, 0.8))  # the moment is the point: somewhere among the writes
        stage.operator.restart()
    for work in works:
        work.until_ready(AWAY_SECONDS)
    for work in works:
        wanted = work.get()["spec"]["replicas"]
        assert sum(work.placements().values()) == wanted
        assert len(work.pods(stage.away)) + len(work.pods(stage.steady)) == wanted
        for cloud in (stage.away, stage.steady):
            objects = work.in_cloud(cloud, "Deployment")
            placed = [count for (target, _), count in work.placements().items() if target == f"Cloud/{cloud.name}"]
            assert [each["spec"]["replicas"] for each in objects] == placed


def test_a_restart_moves_and_rolls_nothing(stage: Stage, space: Namespace) -> None:
    work = space.workload("calm", web(6, "away", "steady"))
    work.until_ready()
    before = uids(work.pods(stage.away)) | uids(work.pods(stage.steady))
    generations = deployments(stage, work)
    stage.operator.restart()
    later = space.workload("later", web(1, "steady"))
    later.until_ready()  # the operator has decided anew about all
    assert uids(work.pods(stage.away)) | uids(work.pods(stage.steady)) == before
    assert deployments(stage, work) == generations


def deployments(stage: Stage, work: Work) -> list[int]:
    """The generations of its Deployments: how often their spec was changed."""
    clouds = (stage.away, stage.steady)
    return [each["metadata"]["generation"] for cloud in clouds for each in work.in_cloud(cloud, "Deployment")]


def test_a_standby_takes_over_from_a_leader_that_dies(stage: Stage, space: Namespace, clusters: Clusters) -> None:
    with controller.Operator(clusters, stage.hub, identity="two") as standby:
        space.workload("first", web(1, "steady")).until_ready()
        assert holder(stage) == "one"
        stage.operator.kill()
        until(lambda: holder(stage) == "two", "the standby leads", 90)
        space.workload("second", web(1, "steady")).until_ready()
        assert standby.stop() == 0
        until(lambda: holder(stage) == "", "who goes in order gives the Lease back", 30)
        stage.operator.start()
        space.workload("third", web(1, "steady")).until_ready()


def holder(stage: Stage) -> str:
    lease = stage.hub.api.get("/apis/coordination.k8s.io/v1/namespaces/suanli-system/leases/suanli-controller")
    name: str = lease["spec"].get("holderIdentity", "")
    return name
