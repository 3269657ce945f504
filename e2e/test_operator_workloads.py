"""The life of a workload in a hub's own nodes and a second cloud, on simulated nodes and on kind alike."""

from collections.abc import Iterator
from typing import Any

import pytest

from suanli_clusters import Member, controller, until
from suanli_clusters.backend import Backend
from suanli_operator import City, Json, Namespace, Work, architectures, build, condition, only, template

BOTH = [build("amd64"), build("arm64")]


@pytest.fixture
def space(city: City, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    with city.namespace("life") as made:
        yield made


def web(backend: Backend, replicas: int = 2, **spec: Any) -> Json:
    return {"replicas": replicas, "template": template(backend.container), **spec}


def members(backend: Backend) -> dict[str, Member]:
    return {"Cloud/local": backend.hub, "Cloud/cloud": backend.cloud}


def assert_bound_to_its_builds(backend: Backend, work: Work) -> int:
    """Pod by pod: bound, to a node of its build's architecture, as many as the status says. Returns how many."""
    for (target, variant), replicas in (placed := work.placements()).items():
        pods = [
            pod
            for pod in work.pods(members(backend)[target])
            if pod["metadata"]["labels"]["suanli.io/variant"] == variant
        ]
        assert len(pods) == replicas, (target, variant)
        assert set(architectures(members(backend)[target], pods).values()) == {variant}, (target, variant)
    return sum(placed.values())


def test_twelve_replicas_of_two_builds_are_split_by_capacity(
    city: City, backend: Backend, space: Namespace
) -> None:
    """Both clouds get their part, every pod is bound to a node that its build runs on, none is left Pending."""
    work = space.workload("split", web(backend, 12, variants=BOTH))
    work.until_ready()
    assert assert_bound_to_its_builds(backend, work) == 12
    assert {target for target, _ in work.placements()} == {"Cloud/local", "Cloud/cloud"}
    assert len(work.pods(backend.hub)) + len(work.pods(backend.cloud)) == 12
    assert work.status()["readyReplicas"] == 12


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_build_of_one_architecture_runs_on_no_other(
    city: City, backend: Backend, space: Namespace, architecture: str
) -> None:
    work = space.workload("one", web(backend, 5, variants=[build(architecture)]))
    work.until_ready()
    assert assert_bound_to_its_builds(backend, work) == 5


def test_replicas_follow_the_scale_subresource_up_and_down(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("scaled", web(backend, 2, variants=BOTH))
    work.until_ready()
    for replicas in (7, 3):
        work.scale(replicas)
        work.until_ready()
        until(lambda: pods_of(backend, work) == replicas, f"{replicas} pods")  # noqa: B023 - over before the next
        assert sum(work.placements().values()) == replicas


def pods_of(backend: Backend, work: Work) -> int:
    return sum(len(work.pods(member)) for member in (backend.hub, backend.cloud))


def test_what_is_scaled_up_stays_where_it_was(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("steady", web(backend, 4, variants=BOTH))
    work.until_ready()
    before = {pod["metadata"]["uid"] for member in (backend.hub, backend.cloud) for pod in work.pods(member)}
    work.scale(6)
    work.until_ready()
    after = {pod["metadata"]["uid"] for member in (backend.hub, backend.cloud) for pod in work.pods(member)}
    assert len(after) == 6
    assert before <= after


def test_a_suspended_workload_runs_nothing_and_resumes_where_it_was(
    city: City, backend: Backend, space: Namespace
) -> None:
    work = space.workload("paused", web(backend, 4, variants=BOTH))
    work.until_ready()
    before = work.placements()
    work.patch(suspend=True)
    work.until("Placed", "False", "Suspended")
    until(lambda: pods_of(backend, work) == 0, "no pods")
    work.patch(suspend=False)
    work.until_ready()
    assert work.placements() == before
    assert pods_of(backend, work) == 4


def test_a_changed_template_rolls_through_every_cloud(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("rolled", web(backend, 4, variants=BOTH))
    work.until_ready()
    changed = template(backend.container, labels={"round": "two"})
    work.patch(template=changed)
    work.until_ready()
    rolled = [pod for member in (backend.hub, backend.cloud) for pod in work.pods(member)]
    until(lambda: pods_of(backend, work) == 4, "the old pods have gone")
    assert {pod["metadata"]["labels"].get("round") for pod in rolled if is_ready(pod)} == {"two"}


def is_ready(pod: Json) -> bool:
    return bool(condition(pod["status"], "Ready")["status"] == "True")


def test_another_build_replaces_the_one_that_is_dropped(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("rebuilt", web(backend, 3, variants=[build("amd64", name="one")]))
    work.until_ready()
    assert {variant for _, variant in work.placements()} == {"one"}
    work.patch(variants=[build("arm64", name="two")])
    until(lambda: {variant for _, variant in work.placements()} == {"two"}, "placed as the other build")
    work.until_ready()
    until(lambda: pods_of(backend, work) == 3, "the old build's pods have gone")
    for member in members(backend).values():
        assert set(architectures(member, work.pods(member)).values()) <= {"arm64"}
        assert {each["metadata"]["name"] for each in work.in_cloud(member, "Deployment")} <= {"rebuilt-two"}


def test_what_somebody_changes_or_deletes_in_a_cloud_is_put_right(
    city: City, backend: Backend, space: Namespace
) -> None:
    work = space.workload("drifted", web(backend, 2, placement=only("cloud")))
    work.until_ready()
    path = f"/apis/apps/v1/namespaces/{space.name}/deployments/drifted-default"
    api = backend.cloud.api
    api.patch(f"{path}/scale", {"spec": {"replicas": 5}})
    until(lambda: api.get(path)["spec"]["replicas"] == 2, "the count is put right")
    container = {"containers": [{"name": "app", "image": "elsewhere"}]}
    api.patch(path, {"spec": {"template": {"spec": container}}}, kind="strategic")
    until(lambda: image_of(api.get(path)) == backend.container["image"], "the image is put right")
    before = api.get(path)["metadata"]["uid"]
    api.delete(path)
    until(lambda: api.exists(path) and api.get(path)["metadata"]["uid"] != before, "it is made anew")
    work.until_ready()


def image_of(deployment: Json) -> str:
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def test_deletion_leaves_nothing_behind(city: City, backend: Backend, space: Namespace) -> None:
    """Neither objects, nor pods, nor the ConfigMap and the Secret that travelled along."""
    space.apply(config_map("settings", level="info"), secret("token", word="s3cret"))
    work = space.workload("gone", web(backend, 4, variants=BOTH, template=with_sources(backend)))
    work.until_ready()
    assert travelled(space, backend.cloud) == {"settings", "token"}
    work.delete()
    work.until_gone()
    work.until_clean(backend.hub, backend.cloud)
    assert travelled(space, backend.cloud) == set()


def test_labels_that_are_null_hinder_nothing(city: City, backend: Backend, space: Namespace) -> None:
    """As charts write them that have none to give: an API server keeps them where the schema is open."""
    pods = {**template(backend.container), "metadata": {"labels": None, "annotations": None}}
    work = space.workload("bare", web(backend, 1, template=pods))
    assert work.get()["spec"]["template"]["metadata"] == pods["metadata"]
    work.until_ready()
    work.delete()
    work.until_gone()


def test_a_finalizer_that_a_policy_gave_spares_a_write(city: City, backend: Backend, space: Namespace) -> None:
    """policies/workload-finalizer.yaml: nobody but who made the workload has written more than its status, and it goes
    when all that it had has gone.
    """
    with controller.finalizers_given(backend.hub):
        work = space.workload("given", web(backend, 2, variants=BOTH))
        work.until_ready()
    meta = work.get()["metadata"]
    assert meta["finalizers"] == ["suanli.io/workload-cleanup"]
    assert [each.get("subresource") for each in meta["managedFields"]].count(None) == 1
    work.delete()
    work.until_gone()
    work.until_clean(backend.hub, backend.cloud)


def config_map(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def with_sources(backend: Backend) -> Json:
    sources = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "token"}}]
    return template({**backend.container, "envFrom": sources})


def travelled(space: Namespace, member: Member) -> set[str]:
    """ConfigMaps and Secrets of ours in a cloud's namespace."""
    found = [
        each["metadata"]["name"]
        for kind in ("configmaps", "secrets")
        for each in member.api.items(f"/api/v1/namespaces/{space.name}/{kind}?labelSelector=suanli.io/hub-uid")
    ]
    return set(found)


def test_a_config_map_and_a_secret_travel_along_and_are_followed(
    city: City, backend: Backend, space: Namespace
) -> None:
    """A change on the hub reaches the cloud in seconds; a change in the cloud is put right."""
    space.apply(config_map("settings", level="info"), secret("token", word="one"))
    space.workload(
        "reader", web(backend, 2, template=with_sources(backend), placement=only("cloud"))
    ).until_ready()
    path = f"/api/v1/namespaces/{space.name}/configmaps/settings"
    api = backend.cloud.api
    assert api.get(path)["data"] == {"level": "info"}
    space.hub.api.patch(path, {"data": {"level": "debug"}})
    until(lambda: api.get(path)["data"] == {"level": "debug"}, "the change travels", seconds=60)
    api.patch(path, {"data": {"level": "tampered"}})
    until(lambda: api.get(path)["data"] == {"level": "debug"}, "the copy is put right", seconds=60)
    api.delete(path)
    until(lambda: api.exists(path), "the copy is made anew", seconds=60)


def test_an_immutable_config_map_that_is_made_anew_reaches_the_cloud(
    city: City, backend: Backend, space: Namespace
) -> None:
    space.apply({**config_map("settings", level="info"), "immutable": True}, secret("token", word="one"))
    space.workload("fixed", web(backend, 1, template=with_sources(backend), placement=only("cloud"))).until_ready()
    path = f"/api/v1/namespaces/{space.name}/configmaps/settings"
    space.hub.api.delete(path)
    space.apply({**config_map("settings", level="debug"), "immutable": True})
    until(lambda: backend.cloud.api.get(path)["data"] == {"level": "debug"}, "the new one travels", seconds=60)


def test_a_name_that_another_owner_has_is_not_touched(city: City, backend: Backend, space: Namespace) -> None:
    space.ensure_in(backend.cloud)
    labels = {"app": "foreign"}
    foreign = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "mine-default", "namespace": space.name, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": template(backend.container, labels=labels),
        },
    }
    backend.cloud.apply(foreign)
    path = f"/apis/apps/v1/namespaces/{space.name}/deployments/mine-default"
    before = backend.cloud.api.get(path)["spec"]
    work = space.workload("mine", web(backend, 1, placement=only("cloud")))
    said = work.until("Ready", "False", "NameTaken")
    assert "mine-default" in said["message"]
    work.delete()
    work.until_gone()
    assert backend.cloud.api.get(path)["spec"] == before


def test_a_config_map_that_another_owner_has_is_not_touched(
    city: City, backend: Backend, space: Namespace
) -> None:
    space.ensure_in(backend.cloud)
    foreign = config_map("settings", level="theirs")
    foreign["metadata"]["namespace"] = space.name
    backend.cloud.apply(foreign)
    space.apply(config_map("settings", level="ours"), secret("token", word="one"))
    work = space.workload("polite", web(backend, 1, template=with_sources(backend), placement=only("cloud")))
    said = work.until("Ready", "False", "NameTaken")
    assert "ConfigMap" in said["message"]
    path = f"/api/v1/namespaces/{space.name}/configmaps/settings"
    assert backend.cloud.api.get(path)["data"] == {"level": "theirs"}


def test_a_missing_config_map_is_named_and_waited_for(city: City, backend: Backend, space: Namespace) -> None:
    space.apply(secret("token", word="one"))
    work = space.workload("early", web(backend, 1, template=with_sources(backend), placement=only("cloud")))
    said = work.until("Ready", "False", "DependencyMissing")
    assert f"ConfigMap {space.name}/settings" in said["message"]
    space.apply(config_map("settings", level="info"))
    work.until_ready()


def test_a_service_account_must_be_in_the_cloud_already(city: City, backend: Backend, space: Namespace) -> None:
    meta = {"name": "reader", "namespace": space.name}
    pod = template(backend.container, serviceAccountName="reader")
    work = space.workload("served", web(backend, 1, template=pod, placement=only("cloud")))
    said = work.until("Ready", "False", "DependencyMissing")
    assert f"ServiceAccount {space.name}/reader" in said["message"]
    backend.cloud.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    work.until_ready()


def test_a_template_that_no_api_server_accepts_is_refused_by_field(
    city: City, backend: Backend, space: Namespace
) -> None:
    """And what runs already keeps running as it was."""
    work = space.workload("wrong", web(backend, 2, variants=BOTH))
    work.until_ready()
    bad = template({**backend.container, "imagePullPolicy": "Sometimes"})
    work.patch(template=bad)
    said = work.until("Placed", "False", "TemplateInvalid")
    assert "imagePullPolicy" in said["message"]
    assert pods_of(backend, work) == 2
    work.patch(template=template({**backend.container, "imagePullPolicy": "IfNotPresent"}))
    work.until_ready()


def test_a_node_name_in_the_template_is_refused(city: City, backend: Backend, space: Namespace) -> None:
    pod = template(backend.container, nodeName="somewhere")
    work = space.workload("pinned", web(backend, 1, template=pod))
    said = work.until("Placed", "False", "TemplateInvalid")
    assert "spec.template.spec.nodeName" in said["message"]


def test_a_daemon_set_has_one_pod_on_every_node_of_its_build(
    city: City, backend: Backend, space: Namespace
) -> None:
    spec = {"type": "DaemonSet", "template": template(backend.container), "variants": BOTH}
    work = space.workload("agent", spec)
    work.until_ready()
    for member in (backend.hub, backend.cloud):
        pods = work.pods(member)
        nodes = [pod["spec"]["nodeName"] for pod in pods]
        assert len(set(nodes)) == len(nodes)
        assert set(nodes) >= {
            node["metadata"]["name"]
            for node in member.api.items("/api/v1/nodes")
            if not node["spec"].get("taints")
        }
        found = architectures(member, pods)
        assert {pod["metadata"]["labels"]["suanli.io/variant"] for pod in pods} == set(found.values())


def test_replicas_without_a_place_say_why_by_node(city: City, backend: Backend, space: Namespace) -> None:
    huge = {**backend.container, "resources": {"requests": {"cpu": "5000"}}}
    work = space.workload("huge", web(backend, 2, template=template(huge), variants=[build("arm64")]))
    work.until("Placed", "False", "Unplaced")
    unplaced = work.status()["unplaced"]
    assert unplaced["replicas"] == 2
    reasons = {each["reason"]: each["nodes"] for each in unplaced["reasons"]}
    assert reasons["InsufficientCpu"] >= 2
    assert reasons["ArchitectureMismatch"] >= 2
    work.until_clean(backend.hub, backend.cloud)
