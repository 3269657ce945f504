"""Boxes join a real hub with a token, stay themselves for life, and leave: the agent's own commands all the way."""

import base64
import datetime as dt
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import suanli_boxes as boxes
from suanli_boxes import Box
from suanli_clusters import Cluster, Clusters, until

FUTURE_AND_PAST = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long off(void) { const char *text = getenv("CLOCK_OFFSET"); return text ? atol(text) : 0; }
time_t time(time_t *out) {
  struct timespec now;
  ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(CLOCK_REALTIME, &now);
  time_t shown = now.tv_sec + off();
  if (out) *out = shown;
  return shown;
}
int clock_gettime(clockid_t clock, struct timespec *out) {
  int code = ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(clock, out);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) out->tv_sec += off();
  return code;
}
int gettimeofday(struct timeval *out, void *zone) {
  int code = ((int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday"))(out, zone);
  out->tv_sec += off();
  return code;
}
"""


@pytest.fixture(scope="module")
def hub(clusters: Clusters) -> Iterator[Cluster]:
    with clusters.running("boxes") as cluster, boxes.controllers(cluster):
        boxes.make_site(cluster, "north", district="370811", clearance="Important", nodeLabels={"role": "camera"})
        yield cluster


@pytest.fixture
def ca(hub: Cluster, tmp_path: Path) -> str:
    return str(boxes.ca_file(hub, tmp_path))


Joined = Callable[..., Box]


@pytest.fixture
def joined(hub: Cluster, tmp_path: Path, ca: str) -> Iterator[Joined]:
    """A box that has joined; its Node goes when the test ends."""
    made: list[str] = []

    def join(name: str, site: str = "north", **settings: str) -> Box:
        box = Box(tmp_path / name, name, **settings)  # type: ignore[arg-type]
        box.join(boxes.token_line(hub, site), "--ca-file", ca)
        made.append(name)
        return box

    yield join
    for name in made:
        hub.kubectl("delete", "node", name, "--ignore-not-found")


def node(hub: Cluster, name: str) -> dict[str, Any]:
    return dict(hub.api.get(f"/api/v1/nodes/{name}"))


def condition(hub: Cluster, name: str, kind: str) -> str:
    found = [each for each in node(hub, name)["status"].get("conditions", []) if each["type"] == kind]
    return str(found[0]["status"]) if found else ""


def denied(hub: Cluster) -> list[tuple[str, str]]:
    """(reason, message) of every refusal."""
    csrs = hub.api.items("/apis/certificates.k8s.io/v1/certificatesigningrequests")
    conditions = [each for csr in csrs for each in csr.get("status", {}).get("conditions", [])]
    return [(each["reason"], each["message"]) for each in conditions if each["type"] == "Denied"]


# --- joining


def test_a_box_joins_with_the_printed_line(hub: Cluster, joined: Joined) -> None:
    """The Node carries the site's labels and taint, the key is the box's alone, and the kubeconfig serves kubectl."""
    box = joined("plain")
    made = node(hub, "plain")
    prefix = "suanli.node-restriction.kubernetes.io"
    assert made["metadata"]["labels"][f"{prefix}/site"] == "north"
    assert made["metadata"]["labels"][f"{prefix}/role"] == "camera"
    assert made["metadata"]["labels"][f"{prefix}/clearance"] == "Important"
    assert made["metadata"]["labels"][f"{prefix}/key-hash"] == box.certificate()["key_hash"]
    assert {"key": "suanli.io/edge", "effect": "NoSchedule"} in made["spec"]["taints"]
    for secret in (box.state / "pki").iterdir():
        assert secret.stat().st_mode & 0o777 == 0o600
    shown = hub.kubectl("--kubeconfig", str(box.state / "kubeconfig"), "auth", "whoami")
    assert "system:node:plain" in shown


def test_the_ca_is_taken_from_cluster_info(hub: Cluster, tmp_path: Path, ca: str) -> None:
    """Without a file the box asks the hub, anonymously, and believes the hash alone."""
    data = base64.b64encode(Path(ca).read_bytes()).decode()
    info = f"clusters:\n- cluster:\n    certificate-authority-data: {data}\n    server: x\n  name: ''\n"
    where = {"name": "cluster-info", "namespace": "kube-public"}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cluster-info"], "verbs": ["get"]}]
    anyone = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:anonymous"}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cluster-info"}
    rbac = "rbac.authorization.k8s.io/v1"
    hub.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": {"kubeconfig": info}},
        {"apiVersion": rbac, "kind": "Role", "metadata": where, "rules": rules},
        {"apiVersion": rbac, "kind": "RoleBinding", "metadata": where, "roleRef": role, "subjects": anyone},
    )
    box = Box(tmp_path, "informed")
    done = box.join(boxes.token_line(hub, "north"))
    assert "CA found in kube-public/cluster-info" in done.stderr
    hub.kubectl("delete", "node", "informed")
    hub.kubectl("delete", "configmap,role,rolebinding", "cluster-info", "--namespace", "kube-public")


def test_another_ca_is_not_believed(hub: Cluster, tmp_path: Path, ca: str) -> None:
    """With a wrong hash nothing is sent, and the message names every place that was tried."""
    line = boxes.token_line(hub, "north")
    line[line.index("--ca-hash") + 1] = "sha256:" + "0" * 64
    done = Box(tmp_path, "careful").join(line, "--ca-file", ca, check=False)
    assert done.returncode == 1
    assert "the TLS chain" in done.stderr
    assert "no certificate with this hash" in done.stderr


def test_a_site_with_a_shorter_lifetime_gets_shorter_certificates(hub: Cluster, joined: Joined) -> None:
    """The box asks for half until the site agrees."""
    boxes.make_site(hub, "short", join={"certificateTTLSeconds": 3600})
    lasts = joined("brief", "short").certificate()
    assert 600 <= lasts["requested"] <= 3600
    assert lasts["not_after"] - lasts["not_before"] <= 3600 + 600  # the signer dates 5 minutes back


def test_a_join_is_not_repeated_by_mistake(joined: Joined) -> None:
    done = joined("once").join(["suanli-agent", "join", "--hub", "https://x", "--token", "x"], check=False)
    assert done.returncode == 1
    assert "has joined" in done.stderr


# --- refusals, each with its reason on the request and as an Event


def test_a_full_site_takes_no_more(hub: Cluster, tmp_path: Path, joined: Joined, ca: str) -> None:
    boxes.make_site(hub, "tiny", join={"maxBoxes": 1})
    joined("first", "tiny")
    done = Box(tmp_path / "second", "second").join(boxes.token_line(hub, "tiny"), "--ca-file", ca, check=False)
    assert done.returncode == 1
    assert "SiteFull: the site has 1 boxes; spec.join.maxBoxes is 1" in done.stderr
    until(lambda: "SiteFull" in hub.kubectl("get", "events", "--all-namespaces"), "the Event", seconds=60)


def test_a_machine_that_is_not_listed_is_refused(hub: Cluster, tmp_path: Path, ca: str) -> None:
    boxes.make_site(hub, "listed", join={"machineIDs": ["0000"]})
    done = Box(tmp_path, "stranger").join(boxes.token_line(hub, "listed"), "--ca-file", ca, check=False)
    assert "MachineNotListed" in done.stderr
    assert done.returncode == 1


def test_a_name_that_exists_is_not_given_again(hub: Cluster, tmp_path: Path, joined: Joined, ca: str) -> None:
    """Neither another box's name, nor that of a node which is no box at all, nor across sites."""
    boxes.make_site(hub, "south")
    hub.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "core-node"}})
    joined("mine")
    for number, (name, site) in enumerate([("mine", "north"), ("mine", "south"), ("core-node", "north")]):
        thief = Box(tmp_path / f"thief-{number}", name)
        done = thief.join(boxes.token_line(hub, site), "--ca-file", ca, check=False)
        assert done.returncode == 1
        assert "NodeNameTaken" in done.stderr
    hub.kubectl("delete", "node", "core-node")


def test_a_token_for_one_node_is_spent_when_used(hub: Cluster, tmp_path: Path, ca: str) -> None:
    """The printed line names the node: it joins a box whose host name is another."""
    line = boxes.token_line(hub, "north", "--node", "single")
    assert line[-2:] == ["--node-name", "single"]
    wrong = Box(tmp_path / "wrong", "other").join(line, "--ca-file", ca, "--node-name", "other", check=False)
    assert "TokenForOtherNode" in wrong.stderr
    Box(tmp_path / "right", "single").join(line, "--ca-file", ca)
    again = Box(tmp_path / "again", "single").join(line, "--ca-file", ca, check=False)
    assert "TokenSpent" in again.stderr
    secret = hub.api.get(f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{boxes.token_of(line)[:6]}")
    ends = dt.datetime.fromisoformat(base64.b64decode(secret["data"]["expiration"]).decode())
    assert ends < dt.datetime.now(dt.UTC) + dt.timedelta(minutes=11)
    hub.kubectl("delete", "node", "single")


def test_a_lost_key_needs_a_token_that_replaces(hub: Cluster, tmp_path: Path, joined: Joined, ca: str) -> None:
    before = joined("reborn").certificate()["key_hash"]
    new = Box(tmp_path / "new-disk", "reborn")
    new.join(boxes.token_line(hub, "north", "--node", "reborn", "--replace"), "--ca-file", ca)
    pinned = node(hub, "reborn")["metadata"]["labels"]["suanli.node-restriction.kubernetes.io/key-hash"]
    assert pinned == new.certificate()["key_hash"] != before


def test_a_box_may_join_again_with_its_own_key(hub: Cluster, joined: Joined, ca: str) -> None:
    box = joined("again")
    key = box.certificate()["key_hash"]
    (box.state / "leaving").touch()  # of an earlier life: who joins again does not ask to leave
    box.join(boxes.token_line(hub, "north"), "--ca-file", ca, "--rejoin")
    assert box.certificate()["key_hash"] == key
    assert not (box.state / "leaving").exists()


def test_joining_stays_shut_where_approval_is_automatic(hub: Cluster, tmp_path: Path, ca: str) -> None:
    """Whoever binds upstream's nodeclient rule to a group of ours would have our tokens approved unseen."""
    line = boxes.token_line(hub, "north")
    role = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
    hub.kubectl(
        "create", "clusterrolebinding", "careless", f"--clusterrole={role}", "--group=system:bootstrappers"
    )
    hub.kubectl("label", "edgesite", "north", "--overwrite", "look=now")
    hub.kubectl("patch", "edgesite", "north", "--type=merge", "-p", '{"spec": {"provider": "city"}}')
    try:
        hub.kubectl("wait", "--for=condition=Ready=false", "edgesite/north", "--timeout=60s")
        refused = boxes.token_create(hub, "north")
        assert refused.returncode == 1
        assert "AutoApprovalBound: group system:bootstrappers may create" in refused.stderr
        done = Box(tmp_path, "unseen").join(line, "--ca-file", ca, check=False)
        assert "the token may not join" in done.stderr
    finally:
        hub.kubectl("delete", "clusterrolebinding", "careless")
        hub.kubectl("patch", "edgesite", "north", "--type=merge", "-p", '{"spec": {"provider": "county"}}')
        hub.kubectl("wait", "--for=condition=Ready", "edgesite/north", "--timeout=60s")


# --- identity for life


def sign(hub: Cluster, box: Box, ends: dt.datetime) -> None:
    """Give the box a certificate for the key that it has, of the hub's own CA, which ends at `ends`."""
    authority = x509.load_pem_x509_certificate((hub.pki / "ca.crt").read_bytes())
    signer: Any = serialization.load_pem_private_key((hub.pki / "ca.key").read_bytes(), None)
    whole = (box.state / "pki/client.pem").read_bytes()
    old = x509.load_pem_x509_certificate(whole)
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(ends - dt.timedelta(days=7)).not_valid_after(ends)
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    assert old.issuer == authority.subject
    made = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (box.state / "pki/client.pem").write_bytes(made + whole[whole.index(b"-----BEGIN PRIVATE") :])
    said = {**box.certificate(), "not_before": ends.timestamp() - 7 * 86400, "not_after": ends.timestamp()}
    (box.state / "pki/client.json").write_text(json.dumps(said))


def test_a_certificate_is_renewed_with_a_new_key(hub: Cluster, joined: Joined) -> None:
    """In the last part of its life; the Node is pinned to the new key, and the daemon goes on without a restart."""
    box = joined("renewing")
    sign(hub, box, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30))
    before = box.certificate()
    with box.running():
        until(lambda: box.certificate()["key_hash"] != before["key_hash"], "a new certificate", seconds=90)
        labels = node(hub, "renewing")["metadata"]["labels"]
        assert labels["suanli.node-restriction.kubernetes.io/key-hash"] == box.certificate()["key_hash"]
        until(lambda: box.status()["identity"] == "valid", "the identity in words", seconds=60)
        until(
            lambda: bool(node(hub, "renewing")["status"].get("nodeInfo", {}).get("bootID")), "a status", seconds=60
        )


def test_a_box_comes_back_with_an_expired_certificate(hub: Cluster, joined: Joined) -> None:
    """With the site's recovery token and the key that it has."""
    box = joined("sleeper")
    with box.running():
        until(lambda: box.status().get("recoveryToken"), "the recovery token", seconds=60)
    sign(hub, box, dt.datetime.now(dt.UTC) - dt.timedelta(days=30))
    key = box.certificate()["key_hash"]
    with box.running():
        until(
            lambda: box.status()["identity"] == "valid" and box.status()["contact"]["up"], "recovery", seconds=90
        )
    assert box.certificate()["key_hash"] == key
    assert ("RecoveryApproved" in hub.kubectl("get", "csr", "--output", "json")) is True


def test_the_recovery_token_is_worth_nothing_without_the_key(
    hub: Cluster, tmp_path: Path, joined: Joined, ca: str
) -> None:
    box = joined("target")
    with box.running():
        until(lambda: box.status().get("recoveryToken"), "the recovery token", seconds=60)
    token = (box.state / "pki/recovery.token").read_text()
    line = boxes.token_line(hub, "north")
    line[line.index("--token") + 1] = token
    done = Box(tmp_path / "finder", "target").join(line, "--ca-file", ca, check=False)
    assert "KeyMismatch" in done.stderr
    fresh = Box(tmp_path / "newcomer", "newcomer").join(line, "--ca-file", ca, check=False)
    assert "NodeUnknown" in fresh.stderr


@pytest.fixture(scope="module")
def other_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that moves the clock of one process, OpenSSL's included."""
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(FUTURE_AND_PAST)
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "clock.so"), str(folder / "clock.c"), "-ldl"]
    subprocess.run(command, check=True)
    return folder / "clock.so"


def test_a_box_that_wakes_in_1970_reports_and_knows_it(hub: Cluster, joined: Joined, other_clock: Path) -> None:
    """Without a battery the clock begins anew; the link holds, the Node says ClockSynced=False."""
    box = joined("dawn")
    away = -int(dt.datetime.now(dt.UTC).timestamp()) + 3600
    box.environment |= {"LD_PRELOAD": str(other_clock), "CLOCK_OFFSET": str(away)}
    with box.running():
        until(lambda: condition(hub, "dawn", "ClockSynced") == "False", "the condition", seconds=90)
        until(lambda: box.status()["contact"]["up"], "the link", seconds=60)
        words = box.agent("status").stdout
        assert re.search(r"Clock: \d+ s behind the hub", words)
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/dawn"
        lease = until(lambda: _or_none(hub, path), "the Lease", seconds=60)
        assert lease["spec"]["renewTime"] > "2020"


# --- the Node's life


def test_the_node_says_what_the_box_is(hub: Cluster, joined: Joined) -> None:
    """Hardware labels, capacity less what else runs, a Lease with usage, and conditions."""
    box = joined("told")
    with box.running():
        kinds = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "ClockSynced", "EngineReady")
        until(
            lambda: all(condition(hub, "told", kind) in ("True", "False") for kind in kinds),
            "conditions",
            seconds=60,
        )
        made = node(hub, "told")
        assert made["metadata"]["labels"]["kubernetes.io/arch"] == made["status"]["nodeInfo"]["architecture"]
        assert made["metadata"]["labels"]["suanli.io/page-size-kib"] == "4"
        assert made["metadata"]["annotations"]["suanli.io/certificate-expires"] > "2020"
        whole, free = made["status"]["capacity"], made["status"]["allocatable"]
        assert int(free["memory"].rstrip("Ki")) < int(whole["memory"].rstrip("Ki"))
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/told"
        lease = until(lambda: _or_none(hub, path), "the Lease", seconds=60)
        usage = json.loads(lease["metadata"]["annotations"]["suanli.io/usage"])
        assert set(usage) == {"cpuMilli", "memoryBytes", "diskBytes", "rxBytes", "txBytes"}
        site = "/apis/suanli.io/v1alpha1/edgesites/north"
        until(lambda: hub.api.get(site)["status"]["boxes"] >= 1, "the site to count it", seconds=60)


def _or_none(hub: Cluster, path: str) -> Any:
    collection, _, name = path.rpartition("/")
    return next((each for each in hub.api.items(collection) if each["metadata"]["name"] == name), None)


def test_a_dead_link_is_told_in_words_and_comes_back(hub: Cluster, joined: Joined) -> None:
    box = joined("lonely", heartbeat_seconds="1")
    with box.running():
        until(lambda: box.status()["contact"]["up"], "the link", seconds=60)
        hub.pause("kube-apiserver")  # accepts connections, answers nothing: as a half-open link
        try:
            until(lambda: box.status()["contact"]["up"] is False, "the loss", seconds=60)
            assert "Work on this box goes on" in box.agent("status", check=False).stdout
        finally:
            hub.resume()
        until(lambda: box.status()["contact"]["up"], "the link again", seconds=120)


def test_a_box_leaves_when_it_asks_to(hub: Cluster, joined: Joined) -> None:
    """The controller drains and deletes the Node; the box keeps no credential."""
    box = joined("going")
    with box.running():
        until(lambda: box.status()["contact"]["up"], "the link", seconds=60)
        assert "has left" in box.agent("leave", "--yes").stdout
        assert box.process is not None
        assert box.process.wait(60) == 0
        box.process = None
    assert not (box.state / "kubeconfig").exists()
    assert list((box.state / "pki").iterdir()) == []
    assert "going" not in hub.kubectl("get", "nodes")
    assert box.agent("status", check=False).returncode == 3


def test_a_box_that_takes_its_leave_back_outlives_its_node(hub: Cluster, joined: Joined) -> None:
    """A pod that does not go holds leaving up; taken back, a Node that is deleted by mistake stops nothing."""
    box = joined("staying", heartbeat_seconds="1")
    with box.running():
        until(lambda: box.status()["contact"]["up"], "the link", seconds=60)
        containers = [{"name": "c", "image": "x"}]
        meta = {"name": "held", "namespace": "default", "finalizers": ["suanli.test/hold"]}
        hub.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": meta,
                "spec": {"nodeName": "staying", "containers": containers},
            }
        )
        until(lambda: box.status()["pods"] == 1, "the pod", seconds=60)
        done = box.agent("leave", "--yes", "--timeout", "4", check=False)
        assert done.returncode == 1, done.stdout
        assert (box.state / "leaving").exists()
        hub.kubectl("annotate", "node", "staying", "suanli.io/leave-")
        until(lambda: not (box.state / "leaving").exists(), "the box to see it", seconds=60)
        hub.kubectl("delete", "node", "staying", "--wait=false")
        hub.kubectl("patch", "pod", "held", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        hub.kubectl("delete", "pod", "held", "--force", "--grace-period=0", "--ignore-not-found")
        until(lambda: "no Node" in box.status().get("nodeSays", ""), "the box to miss its Node", seconds=60)
        assert box.status()["pods"] == 1
        assert (box.state / "kubeconfig").exists()


def test_labels_of_a_site_follow_it_to_its_boxes(hub: Cluster, joined: Joined) -> None:
    boxes.make_site(hub, "changing", nodeLabels={"a": "1"})
    joined("follower", "changing")
    change = {"spec": {"nodeLabels": {"a": None, "b": "2"}, "taints": []}}
    hub.kubectl("patch", "edgesite", "changing", "--type=merge", "--patch", json.dumps(change))
    prefix = "suanli.node-restriction.kubernetes.io"

    def followed() -> bool:
        labels, taints = (
            node(hub, "follower")["metadata"]["labels"],
            node(hub, "follower")["spec"].get("taints", []),
        )
        free = all(taint["key"] != "suanli.io/edge" for taint in taints)
        return labels.get(f"{prefix}/b") == "2" and f"{prefix}/a" not in labels and free

    until(followed, "labels and taints", seconds=60)
