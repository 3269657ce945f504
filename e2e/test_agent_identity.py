"""With one box's credentials nothing of another box can be read, changed or taken; the tables say what was tried."""

import base64
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import suanli_boxes as boxes
from suanli_boxes import Box, Caller
from suanli_clusters import Cluster, Clusters, until
from suanli_controller.core import approval

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
PODS = "/api/v1/namespaces/default/pods"
SECRETS = "/api/v1/namespaces/default/secrets"
MERGE = "application/merge-patch+json"


ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def controllers(clusters: Clusters) -> Iterator[boxes.Controllers]:
    with clusters.running("identity") as cluster, boxes.controllers(cluster) as running:
        boxes.make_site(cluster, "a")
        boxes.make_site(cluster, "b")
        yield running


@pytest.fixture(scope="module")
def hub(controllers: boxes.Controllers) -> Cluster:
    return controllers.hub


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity")


@pytest.fixture(scope="module")
def ca(hub: Cluster, folder: Path) -> Path:
    return boxes.ca_file(hub, folder)


@pytest.fixture(scope="module")
def mine(hub: Cluster, folder: Path, ca: Path) -> Box:
    """Box one of site a; box two of the same site and box three of another have joined beside it, each with a pod."""
    made = {}
    for name, site in (("one", "a"), ("two", "a"), ("three", "b")):
        made[name] = Box(folder / name, name)
        made[name].join(boxes.token_line(hub, site), "--ca-file", str(ca))
        _populate(hub, name)
    with made["one"].running() as box:
        until(lambda: box.status().get("recoveryToken"), "the recovery token", seconds=60)
    return made["one"]


def _populate(hub: Cluster, name: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"of-{name}", "namespace": "default"}}
    lease = {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {"holderIdentity": name},
    }  # fmt: skip
    until(lambda: hub.api.items("/api/v1/namespaces/default/serviceaccounts"), "the ServiceAccount", seconds=60)
    hub.apply(lease, {**secret, "stringData": {"word": name}}, _pod(f"on-{name}", name, f"of-{name}"))


def _pod(name: str, node: str, secret: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "c", "image": "x", "envFrom": [{"secretRef": {"name": secret}}]}],
        },
    }


@pytest.fixture(scope="module")
def as_one(hub: Cluster, mine: Box, ca: Path) -> Caller:
    return Caller(boxes.server(hub), ca, mine.state / "pki/client.pem")


OWN = [
    ("GET", "/api/v1/nodes/one", None, 200),
    ("GET", f"{LEASES}/one", None, 200),
    ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Done", None, 200),
    ("GET", f"{PODS}/on-one", None, 200),
    ("GET", f"{SECRETS}/of-one", None, 200),
    ("PATCH", "/api/v1/nodes/one", {"metadata": {"annotations": {"suanli.io/leave": "false"}}}, 200),
    ("PATCH", f"{LEASES}/one", {"spec": {"holderIdentity": "one"}}, 200),
]
GRANTED = "suanli.node-restriction.kubernetes.io"
TOUCH = {"metadata": {"annotations": {"x": "y"}}}
STATUS = {"status": {"phase": "Failed"}}
TOKEN: dict[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "on-two", "namespace": "default"}}


def _others(name: str) -> list[tuple[str, str, Any]]:
    """Every verb on another box's Node, Lease, pods and Secrets."""
    node, lease = f"/api/v1/nodes/{name}", f"{LEASES}/{name}"
    pod, secret = f"{PODS}/on-{name}", f"{SECRETS}/of-{name}"
    renamed = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    return [
        ("GET", node, None),
        ("PATCH", node, TOUCH),
        ("PATCH", f"{node}/status", {"status": {"capacity": {"cpu": "1"}}}),
        ("PUT", node, renamed),
        ("DELETE", node, None),
        ("GET", lease, None),
        ("PATCH", lease, TOUCH),
        ("PUT", lease, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}}),
        ("DELETE", lease, None),
        ("GET", pod, None),
        ("PATCH", pod, TOUCH),
        ("PATCH", f"{pod}/status", STATUS),
        ("DELETE", pod, None),
        ("GET", f"{pod}/log", None),
        ("POST", f"{pod}/exec?command=id&stdout=1", None),
        ("POST", f"{pod}/eviction", {**EVICTION, "metadata": {"name": f"on-{name}", "namespace": "default"}}),
        ("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}", None),
        ("GET", f"/api/v1/pods?watch=1&timeoutSeconds=1&fieldSelector=spec.nodeName%3D{name}", None),
        ("GET", secret, None),
        ("PATCH", secret, TOUCH),
        ("DELETE", secret, None),
        ("POST", f"/api/v1/nodes/{name}/proxy/pods", None),
    ]


def _beyond() -> list[tuple[str, str, Any]]:
    """What no box may do at all."""
    return [
        ("GET", "/api/v1/pods", None),
        ("GET", "/api/v1/secrets", None),
        ("GET", SECRETS, None),
        ("GET", "/api/v1/namespaces/kube-system/secrets", None),
        ("GET", "/api/v1/configmaps", None),
        ("GET", LEASES, None),
        ("POST", PODS, _pod("extra", "one", "of-two")),  # a way to read another's Secret
        ("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", TOKEN),
        ("POST", "/api/v1/namespaces/default/events", {"apiVersion": "v1"}),
        ("PATCH", "/api/v1/nodes/one", {"metadata": {"labels": {f"{GRANTED}/clearance": "Core"}}}),
        ("PATCH", "/api/v1/nodes/one", {"metadata": {"labels": {f"{GRANTED}/site": "b"}}}),
        ("PATCH", "/api/v1/nodes/one", {"metadata": {"labels": {f"{GRANTED}/key-hash": "x"}}}),
        ("PATCH", "/api/v1/nodes/one", {"spec": {"taints": []}}),
        ("DELETE", "/api/v1/nodes/one", None),
        ("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "four"}}),
        ("GET", "/apis/suanli.io/v1alpha1/edgesites", None),
        ("PATCH", "/apis/suanli.io/v1alpha1/edgesites/a", {"spec": {"clearance": "Core"}}),
        ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", None),
        ("PATCH", f"{CSRS}/any/approval", {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}),
    ]


@pytest.mark.parametrize(("method", "path", "body", "code"), OWN, ids=lambda value: str(value)[:60])
def test_what_is_its_own_a_box_may_use(as_one: Caller, method: str, path: str, body: Any, code: int) -> None:
    """Else the refusals below would prove nothing."""
    status, answer = as_one(method, path, body, MERGE if method == "PATCH" else "application/json")
    assert status == code, answer


@pytest.mark.parametrize("name", ["two", "three"])
def test_everything_of_another_box_is_refused(as_one: Caller, name: str) -> None:
    """One table for a neighbour of the same site and for a box of another."""
    tried = _others(name)
    seen = {(method, path): _status(as_one, method, path, body) for method, path, body in tried}
    # A Node's name and labels are no secret among nodes, as on any cluster: reading it alone may be allowed.
    allowed = {row: code for row, code in seen.items() if code != 403}
    assert allowed == {}


def test_what_no_box_may_do_is_refused(as_one: Caller) -> None:
    seen = {(method, path, str(body)): _status(as_one, method, path, body) for method, path, body in _beyond()}
    # An Event without a body is malformed; a box may write Events of its pods, as kubelets do.
    seen.pop(("POST", "/api/v1/namespaces/default/events", str({"apiVersion": "v1"})))
    assert {row: code for row, code in seen.items() if code != 403} == {}


def _status(caller: Caller, method: str, path: str, body: Any) -> int:
    return caller(method, path, body, MERGE if method == "PATCH" else "application/json")[0]


def test_a_box_reads_its_own_sites_recovery_token_and_no_other(hub: Cluster, as_one: Caller) -> None:
    found: dict[str, set[int]] = {}
    for secret in hub.api.items("/api/v1/namespaces/kube-system/secrets"):
        groups = base64.b64decode(secret.get("data", {}).get("auth-extra-groups", "")).decode()
        if groups:
            path = f"/api/v1/namespaces/kube-system/secrets/{secret['metadata']['name']}"
            found.setdefault(groups, set()).add(as_one("GET", path)[0])
    assert found.pop("system:bootstrappers:suanli:a:recovery") == {200}
    assert set().union(*found.values()) == {403}


# --- certificate requests


def request(
    common_name: str,
    organizations: tuple[str, ...] = ("system:nodes",),
    names: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> str:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    made = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def csr(pem: str, kind: str = "client", seconds: int = 3600, usages: tuple[str, ...] = ()) -> dict[str, Any]:
    signer = {"client": "kube-apiserver-client-kubelet", "server": "kubelet-serving"}[kind]
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "thief-"},
        "spec": {
            "request": pem,
            "signerName": f"kubernetes.io/{signer}",
            "expirationSeconds": seconds,
            "usages": list(usages) or ["digital signature", f"{kind} auth"],
        },
    }


def outcome(hub: Cluster, name: str) -> str:
    """`Approved`, or the reason of the refusal."""

    def decided() -> str:
        made = next(each for each in hub.api.items(CSRS) if each["metadata"]["name"] == name)
        found = made.get("status", {}).get("conditions", [])
        return "" if not found else found[0]["type"] if found[0]["type"] == "Approved" else found[0]["reason"]

    return until(decided, f"a decision on {name}", seconds=60)


BY_NODE = [
    (csr(request("system:node:two")), "RequesterMismatch"),
    (csr(request("system:node:three")), "RequesterMismatch"),
    (csr(request("system:node:nobody")), "RequesterMismatch"),
    (csr(request("system:admin")), "CommonNameInvalid"),
    (csr(request("system:node:one", ("system:masters",))), "OrganizationInvalid"),
    (csr(request("system:node:one", ("system:nodes", "system:masters"))), "OrganizationInvalid"),
    (csr(request("system:node:one"), seconds=31_536_000), "LifetimeTooLong"),
    (csr(request("system:node:one", names=("kubernetes",))), "NamesNotAllowed"),
    (csr(request("system:node:two", names=("two",)), "server"), "RequesterMismatch"),
    (csr(request("system:node:one", names=("kubernetes.default.svc",)), "server"), "NamesNotOwn"),
    (csr(request("system:node:one", names=("two",)), "server"), "NamesNotOwn"),
    (csr(request("system:node:one", names=("one",)), "server"), "Approved"),
]
BY_TOKEN = [
    (csr(request("system:node:one")), "NodeNameTaken"),
    (csr(request("system:node:two")), "NodeNameTaken"),
    (csr(request("system:node:three")), "NodeNameTaken"),
    (csr(request("system:kube-controller-manager")), "CommonNameInvalid"),
    (csr(request("system:node:new", ("system:masters",))), "OrganizationInvalid"),
    (csr(request("system:node:one", names=("one",)), "server"), "RequesterMismatch"),
]
BY_RECOVERY = [
    (csr(request("system:node:one")), "KeyMismatch"),
    (csr(request("system:node:two")), "KeyMismatch"),
    (csr(request("system:node:three")), "NodeNameTaken"),
    (csr(request("system:node:new")), "NodeUnknown"),
]


def _surprises(
    hub: Cluster, caller: Caller, table: list[tuple[dict[str, Any], str]]
) -> list[tuple[int, str, str]]:
    """(row, outcome, expected) of every request that was not decided as the table says.

    Where a table expects a refusal, one at the API server's own gate (NodeRestriction, no system:masters) is as good.
    """
    found = []
    for row, (body, expected) in enumerate(table):
        code, made = caller("POST", CSRS, body)
        seen = "403" if code == 403 else outcome(hub, made["metadata"]["name"])
        if seen != expected and not (seen == "403" and expected != "Approved"):
            found.append((row, seen, expected))
    return found


def test_a_box_gets_certificates_for_itself_alone(hub: Cluster, as_one: Caller) -> None:
    assert _surprises(hub, as_one, BY_NODE) == []


def test_no_box_is_given_the_hubs_own_address(hub: Cluster, as_one: Caller) -> None:
    """Every pod of the cluster would take it for the hub. Other addresses are a box's own word, as a kubelet's."""
    service = hub.api.get("/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"]
    shown = [{"type": "InternalIP", "address": "10.9.9.9"}, {"type": "ExternalIP", "address": service}]
    assert as_one("PATCH", "/api/v1/nodes/one/status", {"status": {"addresses": shown}}, MERGE)[0] == 200
    table = [
        (csr(request("system:node:one", addresses=(service,)), "server"), "NamesNotOwn"),
        (csr(request("system:node:one", addresses=("10.9.9.9",)), "server"), "Approved"),
    ]
    assert _surprises(hub, as_one, table) == []


def _known(caller: Caller) -> Caller:
    """The caller, once the API server has heard of its token."""
    until(lambda: caller("GET", CSRS)[0] == 403, "the token to be known", 60)
    return caller


def test_a_token_takes_no_name_that_exists(hub: Cluster, mine: Box, ca: Path) -> None:
    caller = _known(Caller(boxes.server(hub), ca, token=boxes.token_of(boxes.token_line(hub, "a"))))
    assert _surprises(hub, caller, BY_TOKEN) == []


def test_a_recovery_token_brings_back_pinned_keys_alone(hub: Cluster, mine: Box, ca: Path) -> None:
    caller = _known(Caller(boxes.server(hub), ca, token=(mine.state / "pki/recovery.token").read_text()))
    assert _surprises(hub, caller, BY_RECOVERY) == []


def test_tokens_may_post_requests_and_nothing_else(hub: Cluster, mine: Box, ca: Path) -> None:
    joining = boxes.token_of(boxes.token_line(hub, "a"))
    for token in (joining, (mine.state / "pki/recovery.token").read_text()):
        caller = _known(Caller(boxes.server(hub), ca, token=token))
        tried = [*_others("two"), *_beyond(), ("GET", CSRS, None), ("GET", "/api/v1/nodes", None)]
        tried = [row for row in tried if row[1] != "/api/v1/namespaces/default/events"]
        allowed = [(method, path) for method, path, body in tried if _status(caller, method, path, body) != 403]
        assert allowed == []


# --- what kubeadm sets up: nodes renew without us


def test_a_renewal_that_others_approved_is_followed(
    controllers: boxes.Controllers, hub: Cluster, mine: Box, folder: Path, ca: Path
) -> None:
    """Recovery asks for the pinned key, so a box whose pin stayed behind could never come back."""
    caller = Caller(boxes.server(hub), ca, folder / "two/state/pki/client.pem")
    role = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"
    hub.kubectl("create", "clusterrolebinding", "rotation", f"--clusterrole={role}", "--group=system:nodes")
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        with controllers.held():
            code, made = caller("POST", CSRS, csr(request("system:node:two", key=key)))
            assert code == 201, made
            path = f"{CSRS}/{made['metadata']['name']}"
            until(lambda: hub.api.get(path)["status"].get("certificate"), "a certificate without us", seconds=60)
        der = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        label = f"{GRANTED}/key-hash"
        until(
            lambda: hub.api.get("/api/v1/nodes/two")["metadata"]["labels"][label] == approval.key_hash(der),
            "the pin to follow",
            seconds=60,
        )
        hub.kubectl("patch", "edgesite", "a", "--type=merge", "--patch", '{"spec": {"provider": "city"}}')
        said = "jsonpath={.status.conditions[0].message}"
        until(
            lambda: "selfnodeclient" in hub.kubectl("get", "edgesite", "a", "--output", said),
            "the site to say what it means",
            seconds=60,
        )
    finally:
        hub.kubectl("delete", "clusterrolebinding", "rotation")


def test_no_box_makes_a_node_of_its_own(hub: Cluster, as_one: Caller) -> None:
    """policies/node-registration.yaml: refused for a box, let through for what is named as kubelets are, nothing to
    others."""
    own = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}
    assert (
        as_one("POST", "/api/v1/nodes", own)[0] == 409
    )  # it is there already: only that keeps it from making one
    policy = str(ROOT / "policies/node-registration.yaml")
    hub.kubectl("apply", "--server-side", "-f", policy)
    try:
        until(lambda: as_one("POST", "/api/v1/nodes", own)[0] == 403, "the policy", seconds=60)
        assert "made by suanli-controller" in as_one("POST", "/api/v1/nodes", own)[1]["message"]
        assert as_one("PATCH", "/api/v1/nodes/one", TOUCH, MERGE)[0] == 200
        hub.apply({**own, "metadata": {"name": "by-an-administrator"}})
        names = {"data": {"kubelets": "worker-[0-9]+|one"}}
        config = ("configmap", "suanli-node-registration", "--namespace=kube-system")
        hub.kubectl("patch", *config, "--type=merge", "--patch", json.dumps(names))
        until(lambda: as_one("POST", "/api/v1/nodes", own)[0] == 409, "kubelets to be let in", seconds=60)
        names = {"data": {"kubelets": "on"}}
        hub.kubectl("patch", *config, "--type=merge", "--patch", json.dumps(names))
        until(lambda: as_one("POST", "/api/v1/nodes", own)[0] == 403, "the whole name to count", seconds=60)
    finally:
        hub.kubectl("delete", "-f", policy)
