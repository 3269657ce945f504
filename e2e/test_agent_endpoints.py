"""A box that runs containers, seen from the hub: logs, exec, cp and port-forward for people with rights, and no others.

The verbs at the box itself are tried on the same box: pods, logs, verify-autonomy, image load.
"""

import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import suanli_boxes as boxes
import suanli_containerd
from suanli_boxes import Box, Caller
from suanli_clusters import Cluster, Clusters, free_port, until

QUIET = "echo one; echo two; echo three; exec sleep 100000"
SCRIPT = "echo begin; n=0; while true; do echo line $n; n=$((n+1)); sleep 1; done"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[suanli_containerd.Containerd]:
    assert suanli_containerd.missing() == []
    made = suanli_containerd.Containerd(tmp_path_factory.mktemp("ctd"))
    made.start()
    try:
        made.load_basics()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def hub(clusters: Clusters) -> Iterator[Cluster]:
    with clusters.running("endpoints") as cluster, boxes.controllers(cluster):
        boxes.make_site(cluster, "yard")
        yield cluster


@pytest.fixture(scope="module")
def box(
    hub: Cluster, runtime: suanli_containerd.Containerd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Box]:
    """Joined, ready, and running one pod: `talker` in namespace default."""
    folder = tmp_path_factory.mktemp("yard")
    made = Box(folder, "yard-1", runtime=runtime.socket, listen=free_port())
    made.join(boxes.token_line(hub, "yard"), "--ca-file", str(boxes.ca_file(hub, folder)))
    with made.running():
        hub.kubectl("wait", "--for=condition=Ready", "node/yard-1", "--timeout=90s")
        until(
            lambda: hub.api.items("/api/v1/namespaces/default/serviceaccounts"), "the ServiceAccount", seconds=60
        )
        hub.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "words", "namespace": "default"},
                "data": {"a": "b"},
            },
            _pod("talker", SCRIPT),
        )
        hub.kubectl("wait", "--for=condition=Ready", "pod/talker", "--timeout=90s")
        until((made.state / "pki/serving.pem").exists, "the serving certificate", seconds=60)
        until(lambda: hub.kubectl("logs", "talker"), "the endpoints", seconds=90)
        yield made
        hub.kubectl("delete", "pod", "talker", "--grace-period=1")


def _pod(name: str, script: str) -> dict[str, Any]:
    containers = [
        {
            "name": name,
            "image": suanli_containerd.BUSYBOX,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", text],
            "envFrom": [{"configMapRef": {"name": "words"}}],
        }
        for name, text in (("main", script), ("quiet", QUIET))
    ]
    spec = {"nodeName": "yard-1", "tolerations": [{"operator": "Exists"}], "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


@pytest.fixture(scope="module")
def person(hub: Cluster) -> Path:
    """Someone who may use pods of namespace default, and is no administrator."""
    rules = [
        {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
        {
            "apiGroups": [""],
            "resources": ["pods/exec", "pods/attach", "pods/portforward"],
            "verbs": ["create", "get"],
        },
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "pod-user"}}
    hub.apply({**role, "rules": rules})
    return hub.service_account("default", "person", cluster_role="pod-user")


class Kubectl:
    """kubectl as `person`."""

    def __init__(self, hub: Cluster, kubeconfig: Path) -> None:
        self._hub, self._kubeconfig = hub, kubeconfig

    def command(self, *words: str) -> list[str]:
        return [str(self._hub._kubectl), "--kubeconfig", str(self._kubeconfig), *words]

    def __call__(self, *words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        own = {**self._hub.environment(), **environment}
        return subprocess.run(
            self.command(*words), input=stdin, capture_output=True, env=own, timeout=90, check=False
        )


@pytest.fixture(scope="module")
def kubectl(hub: Cluster, box: Box, person: Path) -> Kubectl:
    made = Kubectl(hub, person)
    until(lambda: made("logs", "talker", "--container=quiet").stdout, "the rights to be known", 90)
    return made


def test_logs_are_followed(hub: Cluster, kubectl: Kubectl) -> None:
    """Lines come as they are written."""
    command = kubectl.command("logs", "--follow", "talker", "--container=main")
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=hub.environment()) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()
    assert lines == [b"begin\n", b"line 0\n", b"line 1\n", b"line 2\n"]


def test_a_log_has_an_end_when_asked_for_one(kubectl: Kubectl) -> None:
    quiet = ("logs", "talker", "--container=quiet")
    whole = until(lambda: (said := kubectl(*quiet).stdout).endswith(b"three\n") and said, "the whole log")
    assert whole == b"one\ntwo\nthree\n"
    assert kubectl(*quiet, "--limit-bytes=5").stdout == b"one\nt"
    assert kubectl(*quiet, "--tail=1").stdout == b"three\n"
    assert kubectl("logs", "talker", "--container=other").returncode != 0


@pytest.mark.parametrize("sockets", ["true", "false"])
def test_exec_by_websocket_and_by_spdy(kubectl: Kubectl, sockets: str) -> None:
    """Output, errors and the exit code arrive; so does what is typed."""
    done = kubectl("exec", "talker", "--", "sh", "-c", "echo out; echo err >&2; exit 7",
                   KUBECTL_REMOTE_COMMAND_WEBSOCKETS=sockets)  # fmt: skip
    assert (done.stdout, done.returncode) == (b"out\n", 7)
    assert b"err\n" in done.stderr
    data = os.urandom(2_000_000)
    echoed = kubectl("exec", "-i", "talker", "--", "cat", stdin=data, KUBECTL_REMOTE_COMMAND_WEBSOCKETS=sockets)
    assert echoed.stdout == data


def test_cp_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(os.urandom(1_000_000))
    assert kubectl("cp", str(tmp_path / "there"), "default/talker:/tmp/copied").returncode == 0
    assert kubectl("cp", "default/talker:/tmp/copied", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()


def test_port_forward(hub: Cluster, kubectl: Kubectl) -> None:
    server = _pod("server", "mkdir /w; echo served > /w/index.html; exec httpd -f -p 8080 -h /w")
    listening = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    server["spec"]["containers"][0]["readinessProbe"] = listening  # kubectl gives up where nobody listens
    hub.apply(server)
    hub.kubectl("wait", "--for=condition=Ready", "pod/server", "--timeout=90s")
    port = free_port()
    with subprocess.Popen(
        kubectl.command("port-forward", "pod/server", f"{port}:8080"), env=hub.environment()
    ) as process:
        try:
            assert until(lambda: _read(f"http://127.0.0.1:{port}/"), "the page", seconds=60) == b"served\n"
        finally:
            process.terminate()
    hub.kubectl("delete", "pod", "server", "--grace-period=1")


def _read(url: str) -> bytes:
    with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())
    return b""


# --- who may not


def test_a_stranger_reads_nothing(hub: Cluster, box: Box, tmp_path: Path) -> None:
    """No certificate and no token: 401; a token without rights on nodes: 403, also for health and metrics."""
    pem = box.state / "pki/serving.pem"
    port = int(box.environment["SUANLI_AGENT_LISTEN"])
    ca = boxes.ca_file(hub, tmp_path)
    url = f"https://127.0.0.1:{port}"
    assert pem.exists()
    token = hub.kubectl("create", "token", "default", "--namespace", "default").strip()
    paths = [
        "/healthz",
        "/metrics",
        "/containerLogs/default/talker/main",
        "/exec/default/talker/main?command=id&output=1",
    ]
    for path in paths:
        assert Caller(url, ca)("GET", path)[0] == 401
        assert Caller(url, ca, token="made.up.token")("GET", path)[0] == 401
        assert Caller(url, ca, token=token)("GET", path)[0] == 403
    # Another node's certificate is as good as none.
    assert Caller(url, ca, box.state / "pki/client.pem")("GET", paths[2])[0] == 403


def test_the_right_to_read_metrics_reads_metrics_alone(hub: Cluster, box: Box, tmp_path: Path) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "scraper"}}
    hub.apply({**role, "rules": [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}]})
    whole = json.loads(hub.service_account("default", "scraper", cluster_role="scraper").read_text())
    url = f"https://127.0.0.1:{box.environment['SUANLI_AGENT_LISTEN']}"
    caller = Caller(url, boxes.ca_file(hub, tmp_path), token=whole["users"][0]["user"]["token"])
    until(lambda: caller("GET", "/metrics")[0] == 200, "the right to be known", 90)
    assert "suanli_agent_hub_up 1" in caller("GET", "/metrics")[1]["message"]
    assert caller("GET", "/containerLogs/default/talker/main")[0] == 403


# --- at the box


def test_the_box_lists_its_pods_and_shows_logs(box: Box) -> None:
    listed = {view["name"]: view for view in json.loads(box.agent("pods", "--json").stdout)}
    assert listed["talker"]["phase"] == "Running"
    assert box.agent("logs", "default/talker", "quiet", "--tail", "2").stdout == "two\nthree\n"
    missing = box.agent("logs", "default/nobody", check=False)
    assert missing.returncode == 1
    assert "not on this node" in missing.stderr


def test_verify_autonomy_names_what_would_be_missing(hub: Cluster, box: Box) -> None:
    """A pod with everything on disk would be back; one whose image is nowhere would not, and is named."""
    rows = {row["pod"]: row["lacks"] for row in json.loads(box.agent("verify-autonomy", "--json").stdout)["pods"]}
    assert rows["default/talker"] == []
    absent = _pod("absent", "true")
    absent["spec"]["containers"][0]["image"] = "registry.invalid/nothing:1"
    hub.apply(absent)
    until(lambda: "absent" in box.agent("pods").stdout, "the pod on the box", seconds=60)
    done = box.agent("verify-autonomy", check=False)
    assert done.returncode == 1
    assert "image registry.invalid/nothing:1" in done.stdout
    hub.kubectl("delete", "pod", "absent", "--grace-period=0", "--force")


def test_an_image_is_loaded_from_a_file(box: Box, runtime: suanli_containerd.Containerd, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    image = suanli_containerd.busybox_image()
    archive.write_bytes(suanli_containerd.image_archive("suanli.test/loaded:1", image))
    assert "suanli.test/loaded:1" in box.agent("image", "load", str(archive)).stdout
    assert "suanli.test/loaded:1" in runtime.ctr("images", "ls", "--quiet")
    (tmp_path / "broken.tar").write_bytes(b"no archive")
    assert box.agent("image", "load", str(tmp_path / "broken.tar"), check=False).returncode == 1
