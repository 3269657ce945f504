"""`suanli-controller cloud ...` as a person types it, against two real clusters."""

import base64
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from suanli_clusters import KWOK, SCHEDULER, ApiError, Cluster, Clusters, KubectlError, Options, controller, until

CLOUDS = "/apis/suanli.io/v1alpha1/clouds"
SECRETS = "/api/v1/namespaces/suanli-system/secrets"
WORKLOADS = "/apis/suanli.io/v1alpha1/namespaces/default/computeworkloads"


@pytest.fixture(scope="module")
def pair(clusters: Clusters) -> Iterator[tuple[Cluster, Cluster]]:
    options = Options(without=frozenset({SCHEDULER, KWOK}))
    with clusters.running("verbs-hub", options) as hub, clusters.running("verbs-cloud", options) as cloud:
        controller.install(hub)
        yield hub, cloud


@pytest.fixture
def hub(pair: tuple[Cluster, Cluster]) -> Iterator[Cluster]:
    yield pair[0]
    for item in pair[0].api.items(CLOUDS):
        pair[0].api.delete(f"{CLOUDS}/{item['metadata']['name']}")


@pytest.fixture
def cloud(pair: tuple[Cluster, Cluster]) -> Cluster:
    return pair[1]


def run(hub: Cluster, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(controller.PROGRAM), "cloud", *arguments]
    return subprocess.run(command, env=hub.environment(), capture_output=True, text=True, timeout=120, check=False)


def join(hub: Cluster, cloud: Cluster, *more: str) -> "subprocess.CompletedProcess[str]":
    return run(hub, "join", "rencheng", "--cloud-kubeconfig", str(cloud.kubeconfig), *more)


def objects(member: Cluster) -> set[str]:
    """Everything that bears a name that a join gives, with its version."""
    ours = {"suanli-system", "suanli-controller", "suanli-controller-token", "rencheng"}
    paths = (
        "/api/v1/namespaces", "/api/v1/secrets", "/api/v1/serviceaccounts",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    )  # fmt: skip
    return {
        f"{path} {item['metadata']['name']} {item['metadata']['resourceVersion']}"
        for path in paths
        for item in member.api.items(path)
        if item["metadata"]["name"] in ours
    }


def test_a_dry_run_prints_every_object_and_changes_nothing(hub: Cluster, cloud: Cluster) -> None:
    before = objects(hub), objects(cloud)
    answer = join(hub, cloud, "--tier", "District", "--dry-run")
    assert answer.returncode == 0, answer.stderr
    kinds = [each["kind"] for each in yaml.safe_load_all(answer.stdout)]
    assert kinds == [
        "Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Secret", "Namespace", "Secret", "Cloud",
    ]  # fmt: skip
    assert (objects(hub), objects(cloud)) == before
    assert not hub.api.items(CLOUDS)


def kubeconfig_of(hub: Cluster) -> str:
    secret = hub.api.get(f"{SECRETS}/rencheng")
    return base64.b64decode(secret["data"]["kubeconfig"]).decode()


def test_a_joined_cloud_has_its_account_its_secret_and_its_spec(
    hub: Cluster, cloud: Cluster, tmp_path: Path
) -> None:
    profiles = tmp_path / "profiles.yaml"
    profiles.write_text("- selector: {matchLabels: {a: b}}\n  family: phytium-ft2000plus\n")
    answer = join(
        hub, cloud, "--tier", "District", "--district", "370811", "--provider", "inspur", "--zone", "az-1",
        "--clearance", "Important", "--deletion-policy", "Delete", "--uplink-mbps", "1000",
        "--profile-file", str(profiles),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "may, in all namespaces" in answer.stderr
    spec = hub.api.get(f"{CLOUDS}/rencheng")["spec"]
    assert spec.pop("nodeProfiles")[0]["family"] == "phytium-ft2000plus"
    assert spec == {
        "access": {"kubeconfigSecretRef": {"name": "rencheng", "key": "kubeconfig"}},
        "tier": "District",
        "district": "370811",
        "provider": "inspur",
        "zone": "az-1",
        "clearance": "Important",
        "deletionPolicy": "Delete",
        "network": {"uplinkMbps": 1000},
    } | {field: value for field, value in spec.items() if field in ("cordoned", "draining")}
    token = yaml.safe_load(kubeconfig_of(hub))["users"][0]["user"]["token"]
    assert token not in answer.stdout + answer.stderr


def test_joining_again_changes_nothing_and_keeps_what_it_was_not_told(hub: Cluster, cloud: Cluster) -> None:
    assert join(hub, cloud, "--tier", "Municipal", "--district", "370811").returncode == 0
    assert run(hub, "cordon", "rencheng").returncode == 0
    before, version = kubeconfig_of(hub), hub.api.get(f"{CLOUDS}/rencheng")["metadata"]["generation"]
    there = objects(cloud)
    again = join(hub, cloud, "--tier", "Municipal")
    assert again.returncode == 0, again.stderr
    found = hub.api.get(f"{CLOUDS}/rencheng")
    assert (found["metadata"]["generation"], found["spec"]["district"], found["spec"]["cordoned"]) == (
        version, "370811", True,
    )  # fmt: skip
    assert kubeconfig_of(hub) == before
    assert objects(cloud) == there


def test_a_revoked_token_is_replaced_by_joining_again(hub: Cluster, cloud: Cluster, tmp_path: Path) -> None:
    assert join(hub, cloud).returncode == 0
    before = kubeconfig_of(hub)
    cloud.api.delete("/api/v1/namespaces/suanli-system/serviceaccounts/suanli-controller")
    again = join(hub, cloud)
    assert again.returncode == 0, again.stderr
    assert kubeconfig_of(hub) != before
    old = tmp_path / "old"
    old.write_text(before)

    def refused() -> bool:
        try:
            cloud.kubectl("--kubeconfig", str(old), "get", "nodes")
        except KubectlError as error:
            return "must be logged in" in str(error)
        return False

    until(refused, "the end of the old token", seconds=60)  # an API server remembers for 10 s whom it let in


def can(cloud: Cluster, verb: str, resource: str, *more: str) -> bool:
    account = "--as=system:serviceaccount:suanli-system:suanli-controller"
    return cloud.kubectl("auth", "can-i", verb, resource, account, *more, check=False).strip() == "yes"


ALLOWED = [
    ("list", "nodes"), ("watch", "pods"), ("create", "namespaces"), ("patch", "deployments.apps"),
    ("delete", "jobs.batch"), ("create", "secrets"), ("list", "priorityclasses.scheduling.k8s.io"),
]  # fmt: skip
DENIED = [
    ("patch", "nodes"), ("delete", "nodes"), ("create", "pods"), ("delete", "pods"),
    ("create", "pods", "--subresource=exec"),
    ("delete", "namespaces"), ("create", "serviceaccounts"), ("create", "serviceaccounts", "--subresource=token"),
    ("create", "clusterroles.rbac.authorization.k8s.io"), ("escalate", "clusterroles.rbac.authorization.k8s.io"),
    ("impersonate", "users"), ("list", "serviceaccounts"), ("create", "certificatesigningrequests.certificates.k8s.io"),
    ("get", "nodes", "--subresource=proxy"), ("*", "*"),
]  # fmt: skip


def test_the_account_may_do_what_it_needs_and_nothing_more(hub: Cluster, cloud: Cluster) -> None:
    assert join(hub, cloud).returncode == 0
    assert [what for what in ALLOWED if not can(cloud, *what, "--all-namespaces")] == []
    assert [what for what in DENIED if can(cloud, *what, "--all-namespaces")] == []


def test_the_hub_itself_can_be_joined(hub: Cluster) -> None:
    answer = run(hub, "join", "here", "--local", "--tier", "Municipal")
    assert answer.returncode == 0, answer.stderr
    assert hub.api.get(f"{CLOUDS}/here")["spec"]["access"] == {"local": {}}


def refused(answer: "subprocess.CompletedProcess[str]") -> str:
    assert answer.returncode != 0
    assert "Traceback" not in answer.stderr
    return answer.stderr


def test_a_cloud_of_another_hub_is_refused(hub: Cluster, cloud: Cluster) -> None:
    assert join(hub, cloud).returncode == 0
    with marked(cloud, hubUid="someone-else"):
        assert "names the hub someone-else; delete that hub's Cloud" in refused(join(hub, cloud))


@contextlib.contextmanager
def marked(there: Cluster, **data: str) -> Iterator[None]:
    """The cloud bears a mark."""
    meta = {"name": "suanli-hub", "namespace": "suanli-system"}
    there.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    try:
        yield
    finally:
        there.api.delete("/api/v1/namespaces/suanli-system/configmaps/suanli-hub")


def test_a_cluster_is_not_joined_under_a_second_name(hub: Cluster, cloud: Cluster) -> None:
    """Unless the first is gone. Nothing is made on the hub."""
    assert join(hub, cloud).returncode == 0
    own = hub.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    twice = ("join", "second", "--cloud-kubeconfig", str(cloud.kubeconfig))
    with marked(cloud, hubUid=own, cloud="rencheng"):
        said = refused(run(hub, *twice))
        assert "is Cloud rencheng already; delete one of the two Clouds" in said
        assert not hub.api.exists(f"{SECRETS}/second")
        hub.api.delete(f"{CLOUDS}/rencheng")
        assert run(hub, *twice, "--dry-run").returncode == 0


def test_the_hub_is_not_joined_by_a_kubeconfig(hub: Cluster) -> None:
    said = refused(run(hub, "join", "here", "--cloud-kubeconfig", str(hub.kubeconfig)))
    assert "leads to the hub itself" in said
    assert "cloud join NAME --local" in said


def test_a_cloud_does_not_change_between_the_hub_and_a_cluster_of_its_own(hub: Cluster, cloud: Cluster) -> None:
    """It is said before anything is made, and with the mend."""
    there = objects(cloud)
    assert run(hub, "join", "rencheng", "--local").returncode == 0
    assert "the hub's own nodes, and" in refused(join(hub, cloud))
    assert objects(cloud) == there
    hub.api.delete(f"{CLOUDS}/rencheng")
    assert join(hub, cloud).returncode == 0
    said = refused(run(hub, "join", "rencheng", "--local"))
    assert "delete it with deletionPolicy: Orphan, and join anew" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("join", "x"), "--cloud-kubeconfig or --cloud-context, or say --local"),
        (("join", "x", "--local", "--server", "https://a"), "leave --cloud-kubeconfig"),
        (("join", "x", "--cloud-kubeconfig", "/nowhere"), "--cloud-kubeconfig: /nowhere: no such file"),
        (("join", "x", "--local", "--tier", "Village"), "'Village' is not one of"),
        (("join", "Big_Cloud", "--local"), "metadata.name"),
        (("join", "x", "--local", "--kubeconfig", "/nowhere"), "--kubeconfig: /nowhere: no such file"),
        (("cordon", "nowhere"), "there is no Cloud nowhere"),
        (("drain", "nowhere"), "there is no Cloud nowhere"),
    ],
)
def test_a_mistake_is_named_with_its_mend(hub: Cluster, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(run(hub, *arguments))


def test_a_profile_file_that_is_no_list_is_named(hub: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "profiles.yaml"
    path.write_text("family: x\n")
    assert "must be a list" in refused(run(hub, "join", "x", "--local", "--profile-file", str(path)))


def test_a_hub_without_our_kinds_says_how_to_get_them(hub: Cluster, cloud: Cluster) -> None:
    stranger = subprocess.run(
        [str(controller.PROGRAM), "cloud", "join", "x", "--local"],
        env=cloud.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "suanli-controller crds | kubectl apply" in refused(stranger)


def test_a_server_that_is_no_api_server_is_told_with_what_was_asked(hub: Cluster, cloud: Cluster) -> None:
    """A forgotten path prefix, or one too many, is answered with 404 by whoever is there."""
    server = f"{cloud.api.server}/elsewhere"
    path = cloud.kubeconfig.with_name("elsewhere.kubeconfig")
    path.write_text(cloud.kubeconfig.read_text().replace(cloud.api.server, server))
    said = refused(run(hub, "join", "rencheng", "--cloud-kubeconfig", str(path)))
    assert f"answers GET {server}/version: NotFound" in said
    assert "correct `server` in its kubeconfig" in said


def test_an_operator_without_rights_in_the_cloud_is_told(hub: Cluster, cloud: Cluster) -> None:
    nobody = cloud.service_account("default", "nobody", cluster_role="view")
    answer = run(hub, "join", "rencheng", "--cloud-kubeconfig", str(nobody))
    assert "Forbidden" in refused(answer)


def test_cordon_and_uncordon_set_the_fields(hub: Cluster) -> None:
    assert run(hub, "join", "here", "--local").returncode == 0
    assert run(hub, "cordon", "here").returncode == 0
    assert spec_of(hub, "cordoned", "draining") == (True, False)
    assert run(hub, "uncordon", "here").returncode == 0
    assert spec_of(hub, "cordoned", "draining") == (False, False)


def spec_of(hub: Cluster, *fields: str) -> tuple[bool, ...]:
    spec = hub.api.get(f"{CLOUDS}/here")["spec"]
    return tuple(bool(spec.get(field)) for field in fields)


def place(hub: Cluster, *targets: str) -> None:
    """A workload whose status says that it has two replicas in each target."""
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    meta = {"name": "w", "namespace": "default"}
    if not hub.api.exists(f"{WORKLOADS}/w"):
        hub.apply(
            {"apiVersion": "suanli.io/v1alpha1", "kind": "ComputeWorkload", "metadata": meta,
             "spec": {"type": "Deployment", "template": template}}
        )  # fmt: skip
    placements: list[dict[str, Any]] = [{"target": one, "variant": "default", "replicas": 2} for one in targets]
    hub.api.patch(f"{WORKLOADS}/w/status", {"status": {"placements": placements}})


@pytest.fixture
def workload(hub: Cluster) -> Iterator[None]:
    assert run(hub, "join", "here", "--local").returncode == 0
    place(hub, "Cloud/here", "Cloud/there")
    yield
    hub.api.delete(f"{WORKLOADS}/w")


def draining(hub: Cluster, *more: str) -> "subprocess.Popen[str]":
    command = [str(controller.PROGRAM), "cloud", "drain", "here", *more]
    return subprocess.Popen(
        command, env=hub.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines_until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line.strip())
        if words in line:
            return seen
    raise AssertionError(f"never said {words!r}: {seen}")


@pytest.mark.usefixtures("workload")
def test_drain_tells_what_is_left_and_ends_when_nothing_is(hub: Cluster) -> None:
    process = draining(hub)
    lines_until(process, "2 replicas of 1 workloads left: default/w (2)")
    assert spec_of(hub, "cordoned", "draining") == (True, True)
    place(hub, "Cloud/there")
    lines_until(process, "empty of our work")
    assert process.wait(30) == 0


@pytest.mark.usefixtures("workload")
def test_drain_names_what_is_suspended_there_and_does_not_wait_for_it(hub: Cluster) -> None:
    hub.api.patch(f"{WORKLOADS}/w", {"spec": {"suspend": True}})
    done = run(hub, "drain", "here", "--timeout", "60")
    assert done.returncode == 0, done.stderr
    assert "not waited for, as nothing of them runs here: default/w (suspended)" in done.stdout


@pytest.mark.usefixtures("workload")
def test_ctrl_c_ends_the_waiting_and_not_the_drain(hub: Cluster) -> None:
    process = draining(hub)
    lines_until(process, "left")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "goes on draining until `cloud uncordon here`" in said
    assert spec_of(hub, "draining") == (True,)


@pytest.mark.usefixtures("workload")
def test_a_drain_that_takes_too_long_says_so(hub: Cluster) -> None:
    assert "1 workloads are still in here after 5 s" in refused(run(hub, "drain", "here", "--timeout", "5"))


def test_draining_without_cordoned_is_refused_by_the_api(hub: Cluster) -> None:
    assert run(hub, "join", "here", "--local").returncode == 0
    with pytest.raises(ApiError, match="draining needs cordoned"):
        hub.api.patch(f"{CLOUDS}/here", {"spec": {"draining": True, "cordoned": False}})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_speaks_each_shell(shell: str) -> None:
    command = [str(controller.PROGRAM), "completion", shell]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "_SUANLI_CONTROLLER_COMPLETE" in script
    assert "suanli-controller" in script


def test_completion_offers_verbs() -> None:
    """What the bash script asks for when someone types `suanli-controller cloud co<TAB>`."""
    words = {"COMP_WORDS": "suanli-controller cloud co", "COMP_CWORD": "2"}
    environment = {**os.environ, "_SUANLI_CONTROLLER_COMPLETE": "bash_complete", **words}
    answer = subprocess.run([str(controller.PROGRAM)], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["plain,cordon"]
