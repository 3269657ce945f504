"""A box with real containers under a real hub and operator: what an engineer deploys, and what outlives each
failure.
"""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import suanli_boxes as boxes
import suanli_containerd as sc
from suanli_boxes import Box
from suanli_clusters import Cluster, Clusters, free_port, until
from suanli_operator import City

ROOT = Path(__file__).parent.parent
EDGE = {"key": "suanli.io/edge", "operator": "Exists"}
PODS = "/api/v1/namespaces/default/pods"
NODE = "pole-1"


@pytest.fixture(scope="module")
def city(clusters: Clusters) -> Iterator[City]:
    with boxes.operated(clusters, "whole", "pole") as made:
        yield made


@pytest.fixture(scope="module")
def hub(city: City) -> Cluster:
    assert isinstance(city.hub, Cluster)
    return city.hub


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sc.Containerd]:
    with sc.running(tmp_path_factory.mktemp("ctd")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def box(hub: Cluster, runtime: sc.Containerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("pole")
    made = Box(folder, NODE, runtime=runtime.socket, listen=free_port())
    made.join(boxes.token_line(hub, "pole"), "--ca-file", str(boxes.ca_file(hub, folder)))
    with made.running():
        hub.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=90s")
        yield made


def deployment(name: str, replicas: int = 2, **template: Any) -> dict[str, Any]:
    """A web server with ConfigMap, Secret, probes and limits, for the edge."""
    script = "cp /c/page /tmp/index.html; httpd -p 8080 -h /tmp; echo up; trap 'exit 0' TERM; sleep 1000000 & wait"
    probe = {"httpGet": {"path": "/index.html", "port": 8080}, "periodSeconds": 1}
    container = {
        "name": "web",
        "image": sc.BUSYBOX,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "env": [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "word", "key": "w"}}}],
        "volumeMounts": [{"name": "page", "mountPath": "/c"}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "periodSeconds": 10},
        "resources": {"limits": {"cpu": "200m", "memory": "32Mi"}},
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "page", "configMap": {"name": "page"}}],
        "tolerations": [EDGE],
        "terminationGracePeriodSeconds": 2,
        **template,
    }
    labels = {"app": name}
    pods = {"metadata": {"labels": labels}, "spec": spec}
    head = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
    }
    return {**head, "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pods}}


def needs(hub: Cluster) -> None:
    page = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "page"}, "data": {"page": "hello"}}
    word = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "word"}, "stringData": {"w": "hidden"}}
    for thing in (page, word):
        thing["metadata"] = {"name": thing["metadata"]["name"], "namespace": "default"}  # type: ignore[index]
    hub.apply(page, word)


def pods(hub: Cluster, name: str) -> list[dict[str, Any]]:
    return hub.api.items(f"{PODS}?labelSelector=app%3D{name}")


def rolled_out(hub: Cluster, name: str) -> None:
    hub.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")


def identity(hub: Cluster, name: str) -> dict[str, tuple[str, int]]:
    """Pod uid -> (container id, restarts): equal before and after means that nothing was touched."""
    found = {}
    for pod in pods(hub, name):
        status = pod["status"]["containerStatuses"][0]
        found[pod["metadata"]["uid"]] = (status["containerID"], status["restartCount"])
    return found


@pytest.fixture
def web(hub: Cluster, box: Box) -> Iterator[str]:
    """A Deployment `web`, rolled out."""
    needs(hub)
    hub.apply(deployment("web"))
    rolled_out(hub, "web")
    yield "web"
    hub.kubectl("delete", "deployment,pod", "-l", "app=web", "--ignore-not-found", "--wait=false")
    until(lambda: not pods(hub, "web"), "the pods to go", seconds=120)


def test_deployment_runs_rolls_and_goes(hub: Cluster, web: str, runtime: sc.Containerd) -> None:
    """ConfigMap, Secret, probes and limits work; a new version replaces the old one; deleting leaves nothing."""
    old = {pod["metadata"]["uid"] for pod in pods(hub, web)}
    assert len(old) == 2
    assert {pod["spec"]["nodeName"] for pod in pods(hub, web)} == {NODE}
    command = ("exec", f"deployment/{web}", "--", "sh", "-c", "wget -qO- http://127.0.0.1:8080; echo $WORD")
    seen = until(lambda: hub.kubectl(*command), "the box to have its serving certificate")
    assert seen == "hellohidden\n"
    hub.kubectl("set", "env", f"deployment/{web}", "VERSION=2")
    rolled_out(hub, web)
    until(lambda: len(pods(hub, web)) == 2, "the old pods to go", seconds=60)
    assert not old & {pod["metadata"]["uid"] for pod in pods(hub, web)}
    hub.kubectl("delete", "deployment", web)
    until(lambda: not pods(hub, web), "the pods to go", seconds=60)
    until(lambda: not runtime.ctr("containers", "ls", "-q").split(), "the containers to go", seconds=30)


def test_crash_of_the_agent_touches_no_container(hub: Cluster, box: Box, web: str) -> None:
    before = identity(hub, web)
    assert box.process is not None
    box.stop(signal.SIGKILL)
    box.start()
    until(lambda: len(box.agent("pods", check=False).stdout.splitlines()) > 2, "the agent to know its pods")
    hub.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=90s")
    assert identity(hub, web) == before


def test_a_pod_that_the_hub_calls_not_ready_is_ready_again(hub: Cluster, web: str) -> None:
    """As the node lifecycle controller does with the pods of a box that was silent; only the box can take it back,
    and nothing is left of what was said: the API server keeps each field of a condition that a patch leaves out.
    """
    name = pods(hub, web)[0]["metadata"]["name"]
    ready = {"type": "Ready", "status": "False", "reason": "NodeNotReady", "message": "silent"}
    words = {"status": {"conditions": [ready]}}
    hub.kubectl("patch", "pod", name, "--subresource=status", "--type=strategic", "-p", json.dumps(words))
    hub.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s")
    told = hub.api.get(f"{PODS}/{name}")["status"]["conditions"]
    assert [each["type"] for each in told if each.get("reason") or each.get("message")] == []


def test_restart_of_the_runtime_touches_no_container(
    hub: Cluster, box: Box, web: str, runtime: sc.Containerd
) -> None:
    before = identity(hub, web)
    runtime.kill()
    runtime.start()
    hub.kubectl("scale", f"deployment/{web}", "--replicas=3")
    rolled_out(hub, web)
    after = identity(hub, web)
    assert {uid: after[uid] for uid in before} == before


def test_power_loss_without_a_hub_brings_every_pod_back(
    city: City, hub: Cluster, box: Box, web: str, runtime: sc.Containerd
) -> None:
    """No hub before, during and after; when it is back the same pods are Ready, and nothing is made anew."""
    before = identity(hub, web)
    hub.stop()
    try:
        box.stop(signal.SIGKILL)
        runtime.reboot()
        runtime.start()
        box.start()
        until(lambda: _back(box), "both pods to run again", seconds=120)
        again = sorted(runtime.ctr("tasks", "ls", "-q").split())
    finally:
        hub.start()
        assert city.operator is not None
        city.operator.restart()  # it ends where it cannot renew its Lease, and whoever runs it starts it again
    until(
        lambda: set(identity(hub, web)) == set(before) and _all_restarted(hub, web), "the hub to know", seconds=120
    )
    rolled_out(hub, web)
    assert sorted(runtime.ctr("tasks", "ls", "-q").split()) == again, "coming back starts nothing anew"


def _back(box: Box) -> bool:
    """True once both pods were started anew. What they were is known from disk before."""
    views = json.loads(box.agent("pods", "--json", check=False).stdout)
    running = [view["restarts"] == 1 and view["containers"] == {"web": "running"} for view in views]
    return len(running) == 2 and all(running)


def _all_restarted(hub: Cluster, name: str) -> bool:
    return all(restarts == 1 for _, restarts in identity(hub, name).values())


def test_workload_reaches_the_site(city: City, hub: Cluster, box: Box) -> None:
    needs(hub)
    template = deployment("x", tolerations=[])["spec"]["template"]
    template["spec"]["containers"][0] |= {"env": [], "volumeMounts": [], "command": ["sleep", "1000000"]}
    for key in ("readinessProbe", "livenessProbe"):
        del template["spec"]["containers"][0][key]
    template["spec"]["volumes"] = []
    require = [{"key": "site", "operator": "In", "values": ["pole"]}]
    spec = {
        "type": "Deployment",
        "replicas": 1,
        "template": template,
        "variants": [{"name": "amd64", "requires": {"architectures": ["amd64"]}}],
        "placement": {"require": require},
    }
    with city.namespace("edge") as space:
        space.workload("cam", spec)
        path = f"/api/v1/namespaces/{space.name}/pods"

        def running() -> bool:
            found = [pod["status"] for pod in hub.api.items(path)]
            workload = hub.kubectl("get", "cwl", "cam", "-n", space.name, "-o", "jsonpath={.status}")
            assert [status["phase"] for status in found] == ["Running"], (found, workload)
            return True

        until(running, "the workload's pod", seconds=120)
        assert hub.api.items(path)[0]["spec"]["nodeName"] == NODE


def tolerations(hub: Cluster, *given: dict[str, str]) -> list[dict[str, Any]]:
    """Those that a pod has when it has been admitted with the given ones; it is not made."""
    spec = {
        "containers": [{"name": "c", "image": sc.BUSYBOX}],
        "tolerations": list(given),
        "nodeSelector": {"no": "where"},
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"dry-{len(given)}"}, "spec": spec}
    return list(hub.api.post(f"{PODS}?dryRun=All", body)["spec"]["tolerations"])


def tolerate_silence(hub: Cluster) -> None:
    """Apply the policy, and wait until it counts: pods that are made before are evicted after five minutes."""
    hub.kubectl("apply", "-f", str(ROOT / "policies/edge-tolerations.yaml"))

    def unlimited() -> bool:
        found = {entry["key"]: entry for entry in tolerations(hub, EDGE)}
        keys = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")
        return all(key in found and "tolerationSeconds" not in found[key] for key in keys)

    until(unlimited, "the policy to count", seconds=60)


def test_policy_lets_edge_pods_tolerate_silence_without_limit(hub: Cluster) -> None:
    tolerate_silence(hub)
    assert all(entry.get("tolerationSeconds") == 300 for entry in tolerations(hub)), "other pods are left alone"


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_seven_silent_minutes_cost_no_pod(hub: Cluster, box: Box, web: str) -> None:
    """The box is cut off while the hub goes on: it deletes nothing, and nothing is restarted when the box is
    back.
    """
    tolerate_silence(hub)
    hub.kubectl("rollout", "restart", f"deployment/{web}")
    rolled_out(hub, web)
    until(lambda: len(pods(hub, web)) == 2, "the old pods to go", seconds=60)
    before = identity(hub, web)
    assert box.process is not None
    box.process.send_signal(signal.SIGSTOP)
    try:
        end = time.monotonic() + 420
        until(lambda: time.monotonic() > end, "seven minutes", seconds=600)
        node = hub.api.get(f"/api/v1/nodes/{NODE}")
        ready = next(entry for entry in node["status"]["conditions"] if entry["type"] == "Ready")
        assert ready["status"] == "Unknown"
        assert identity(hub, web) == before
    finally:
        box.process.send_signal(signal.SIGCONT)
    hub.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=120s")
    rolled_out(hub, web)
    assert identity(hub, web) == before
