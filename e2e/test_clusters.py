"""The tests' own clusters: they work as Kubernetes does, fail as it does, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from suanli_clusters import (
    CONTROLLER_MANAGER,
    KWOK,
    SCHEDULER,
    Api,
    ApiError,
    Cluster,
    Clusters,
    Options,
    SimulatedNode,
    fleet,
    node_object,
    processes,
    run,
    until,
)

BARE = Options(without=frozenset({CONTROLLER_MANAGER, SCHEDULER, KWOK}))
"""etcd and API server alone: enough for what concerns processes, and quick to start."""

SCRIPT = """
import sys, time
from suanli_clusters import CONTROLLER_MANAGER, KWOK, SCHEDULER, Clusters, Options
with Clusters("script") as clusters:
    print(clusters.folder, flush=True)
    cluster = clusters.start("one", Options(without=frozenset({CONTROLLER_MANAGER, SCHEDULER, KWOK})))
    print(cluster.port, flush=True)
    if sys.argv[1:] == ["fail"]:
        raise RuntimeError("as a test may")
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    with Clusters("bare") as clusters:
        yield clusters.start("bare", BARE)


@pytest.fixture
def script() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts another process that uses clusters, as another checkout would."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-c", SCRIPT, *arguments]
        started.append(
            subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def pod(name: str, **spec: object) -> dict[str, object]:
    containers = [{"name": "app", "image": "registry.invalid/app:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }


def test_a_pod_runs_on_the_simulated_node_that_its_selector_names(hub: Cluster) -> None:
    label = {"e2e.suanli.io/node": "phytium"}
    hub.create_nodes([SimulatedNode(name="phytium", architecture="arm64", labels=label)])
    hub.api.post("/api/v1/namespaces/default/pods", pod("selective", nodeSelector=label))

    def running() -> str:
        found = hub.api.get("/api/v1/namespaces/default/pods/selective")
        return found["spec"].get("nodeName", "") if found["status"]["phase"] == "Running" else ""

    assert until(running, "pod running") == "phytium"
    hub.api.delete("/api/v1/nodes/phytium")


def test_a_node_without_the_mark_is_left_to_its_own_agent(hub: Cluster) -> None:
    """kwok must not fake the status of real edge boxes."""
    real, fake = node_object(SimulatedNode(name="real-box")), node_object(SimulatedNode(name="fake-box"))
    del real["metadata"]["annotations"]
    hub.api.post_all("/api/v1/nodes", [real, fake])
    until(lambda: "fake-box" in hub.ready_nodes(), "the fake node is Ready")
    assert "real-box" not in hub.ready_nodes()
    assert not hub.api.exists("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/real-box")
    for name in ("real-box", "fake-box"):
        hub.api.delete(f"/api/v1/nodes/{name}")


def test_a_bootstrap_token_authenticates(hub: Cluster, tmp_path: Path) -> None:
    """What joining boxes present; the extra group is what rules are bound to."""
    token = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    token["auth-extra-groups"] = "system:bootstrappers:suanli:site-a"
    secret = {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": token,
    }
    hub.api.post("/api/v1/namespaces/kube-system/secrets", secret)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    kubeconfig = tmp_path / "box.kubeconfig"
    kubeconfig.write_text(hub.kubectl("config", "view", "--raw", "--minify"))
    box = Api(kubeconfig)
    box.pool = urllib3.PoolManager(ca_certs=str(hub.pki / "ca.crt"), retries=False)
    box.headers["authorization"] = "Bearer abcdef.0123456789abcdef"
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    user = until(lambda: box.post(path, review)["status"]["userInfo"], "the API server knows the token", 30)
    hub.api.delete("/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef")
    assert user["username"] == "system:bootstrap:abcdef"
    assert "system:bootstrappers:suanli:site-a" in user["groups"]


def test_a_service_account_may_do_what_its_role_says_and_no_more(hub: Cluster) -> None:
    viewer = Api(hub.service_account("default", "viewer", cluster_role="view"))
    assert isinstance(viewer.items("/api/v1/namespaces/default/pods"), list)
    with pytest.raises(ApiError, match=r"403.*cannot create resource"):
        viewer.post("/api/v1/namespaces/default/pods", pod("forbidden"))


def test_many_nodes_are_made_at_once(hub: Cluster) -> None:
    wanted = fleet("many", 200, SimulatedNode(name="", labels={"e2e.suanli.io/many": "true"}))
    hub.create_nodes(wanted)
    assert {node.name for node in wanted} <= hub.ready_nodes()
    hub.api.delete("/api/v1/nodes?labelSelector=e2e.suanli.io/many")


def test_a_paused_api_hangs_and_goes_on(bare: Cluster) -> None:
    bare.pause()
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        Api(bare.kubeconfig, seconds=0.5).text("/readyz")
    bare.resume()
    assert until(lambda: bare.api.text("/readyz"), "answers again") == "ok"


def test_a_killed_api_refuses_and_comes_back_with_its_data(bare: Cluster) -> None:
    bare.api.post("/api/v1/namespaces", {"metadata": {"name": "kept"}})
    bare.kill()
    with pytest.raises(urllib3.exceptions.HTTPError):
        Api(bare.kubeconfig).text("/readyz")
    bare.restart()
    assert bare.api.exists("/api/v1/namespaces/kept")


def test_a_stopped_cluster_comes_back_at_its_address_with_its_data(bare: Cluster) -> None:
    server = bare.api.server
    bare.api.post("/api/v1/namespaces", {"metadata": {"name": "still-here"}})
    bare.stop()
    assert bare.pids() == {}
    bare.start()
    assert Api(bare.kubeconfig).server == server
    assert bare.api.exists("/api/v1/namespaces/still-here")


def test_an_api_on_all_addresses_is_reached_by_its_other_names(clusters: Clusters) -> None:
    """Pods and network namespaces cannot reach 127.0.0.1; 127.0.0.2 stands for an address of this machine."""
    options = Options(address="0.0.0.0", names=("127.0.0.2",), without=BARE.without)
    cluster = clusters.start("reached", options)
    assert Api(cluster.kubeconfig_at("127.0.0.2")).text("/readyz") == "ok"
    clusters.remove("reached")


def test_two_processes_that_start_the_same_name_at_once_do_not_collide(
    script: Callable[..., "subprocess.Popen[str]"],
) -> None:
    pair = [script(), script()]
    folders, ports = {line(process) for process in pair}, {line(process) for process in pair}
    assert len(folders) == 2
    assert len(ports) == 2
    assert all(port.isdigit() for port in ports)


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("when", ["while it starts", "while it runs"])
def test_nothing_is_left_behind_by_an_interrupt(
    script: Callable[..., "subprocess.Popen[str]"], what: signal.Signals, when: str
) -> None:
    process = script()
    folder = Path(line(process))
    if when == "while it starts":
        until(lambda: processes.of_run(folder), "the first process of the cluster")
    else:
        line(process)
    process.send_signal(what)
    process.wait(60)
    assert processes.of_run(folder) == []
    assert not folder.exists()


def test_nothing_is_left_behind_by_a_failure(script: Callable[..., "subprocess.Popen[str]"]) -> None:
    process = script("fail")
    folder = Path(line(process))
    _, errors = process.communicate(timeout=120)
    assert "as a test may" in errors
    assert processes.of_run(folder) == []
    assert not folder.exists()


def test_the_next_run_clears_away_what_a_killed_one_left(script: Callable[..., "subprocess.Popen[str]"]) -> None:
    process = script()
    folder = Path(line(process))
    line(process)
    process.kill()
    process.wait(60)
    assert processes.of_run(folder)
    run.Run("next").close()
    assert processes.of_run(folder) == []
    assert not folder.exists()


def test_waiting_tells_what_it_waited_for() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"pods gone: not within 0.2 s; last: \[\]"):
        until(list, "pods gone", seconds=0.2)
    assert time.monotonic() - started < 30
