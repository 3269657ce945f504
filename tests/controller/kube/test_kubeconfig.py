"""Which kubeconfigs are taken, which are refused and by which field, and when a credential ends."""

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.kube import connection, credentials, errors, kubeconfig

ENDS = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def certificate(ends: datetime = ENDS) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=3650))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


CERTIFICATE, KEY = certificate()
CA, _ = certificate()
OTHER_KEY = certificate()[1]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def jwt(**claims: Any) -> str:
    return f"head.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


def document(cluster: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None) -> dict[str, Any]:
    good = {"server": "https://10.0.0.1:6443", "certificate-authority-data": encoded(CA)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "contexts": [
            {"name": "other", "context": {"cluster": "x", "user": "x"}},
            {"name": "main", "context": {"cluster": "c", "user": "u", "namespace": "ns"}},
        ],
        "clusters": [{"name": "c", "cluster": good | dict(cluster or {})}],
        "users": [{"name": "u", "user": {"token": "t0p-secret"} if user is None else user}],
    }


def from_secret(
    cluster: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None
) -> connection.Connection:
    return kubeconfig.from_secret(yaml.safe_dump(document(cluster, user)).encode())


def credential(way: connection.Connection) -> credentials.Credential:
    return asyncio.run(way.source.current())


PAIR = {"client-certificate-data": encoded(CERTIFICATE), "client-key-data": encoded(KEY)}


def test_a_secret_may_hold_a_token() -> None:
    way = from_secret({"tls-server-name": "kubernetes"})
    assert (way.server, way.ca, way.tls_server_name) == ("https://10.0.0.1:6443", CA, "kubernetes")
    assert (way.namespace, credential(way).token) == ("ns", "t0p-secret")


def test_a_secret_may_hold_a_client_certificate_which_tells_when_it_ends() -> None:
    found = credential(from_secret(user=PAIR))
    assert (found.certificate, found.key, found.expires) == (CERTIFICATE, KEY, ENDS)


REFUSED_CLUSTER = {
    "certificate-authority": "/etc/passwd",
    "insecure-skip-tls-verify": True,
    "server": "http://10.0.0.1",
    "proxy-url": "socks5://10.0.0.2",
    "certificate-authority-data": "not base64!",
    "tls-server-name": 5,
}
NO_HOSTS = ("..", "x" * 64, "a\0b")
NO_CA = {"certificate-authority-data": encoded(b"nonsense")}
REFUSED_USER = {
    "exec": {"command": "/bin/sh", "apiVersion": "client.authentication.k8s.io/v1"},
    "auth-provider": {"name": "oidc"},
    "client-certificate": "/etc/passwd",
    "client-key": "/etc/passwd",
    "tokenFile": "/etc/shadow",
    "username": "admin",
    "password": "pa55word",
    "as": "system:admin",
    "as-groups": ["system:masters"],
    "client-key-data": encoded(KEY),
    "token": 5,
}


@pytest.mark.parametrize(("field", "value"), REFUSED_CLUSTER.items())
def test_a_secret_is_refused_by_the_field_of_its_cluster_that_is_not_allowed(field: str, value: Any) -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        from_secret({field: value})
    assert caught.value.field == f"clusters[0].cluster.{field}"


@pytest.mark.parametrize("field", ["server", "proxy-url", "tls-server-name"])
@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_name_of_a_host_is_refused_and_not_looked_up(field: str, host: str) -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        from_secret({field: host if field == "tls-server-name" else f"https://{host}"})
    assert caught.value.field == f"clusters[0].cluster.{field}"


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    st.characters().filter(lambda one: not "!" <= one <= "~"),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
)
def test_a_token_that_no_header_can_carry_is_refused_and_nothing_of_it_told(
    head: str, odd: str, tail: str
) -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        kubeconfig.from_secret(json.dumps(document(user={"token": f"t0p-secret{head}{odd}{tail}"})).encode())
    assert caught.value.field in ("users[0].user.token", "kubeconfig")
    assert "t0p-secret" not in str(caught.value)


def test_an_authority_that_is_no_certificate_is_refused() -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        from_secret(NO_CA)
    assert caught.value.field == "clusters[0].cluster.certificate-authority-data"


@pytest.mark.parametrize(("field", "value"), REFUSED_USER.items())
def test_a_secret_is_refused_by_the_field_of_its_user_that_is_not_allowed(field: str, value: Any) -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        from_secret(user={"token": "t0p-secret", field: value})
    missing_half = field == "client-key-data"
    assert caught.value.field == f"users[0].user.{'client-certificate-data' if missing_half else field}"
    assert "t0p-secret" not in str(caught.value)
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "field"),
    [
        ({}, "users[0].user"),
        ({"client-certificate-data": encoded(CERTIFICATE)}, "users[0].user.client-key-data"),
        (PAIR | {"client-key-data": encoded(OTHER_KEY)}, "users[0].user.client-certificate-data"),
        (PAIR | {"client-certificate-data": encoded(b"nonsense")}, "users[0].user.client-certificate-data"),
    ],
)
def test_a_secret_without_a_usable_credential_is_refused(user: Mapping[str, Any], field: str) -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        from_secret(user=user)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "server",
    [
        "https://",
        "10.0.0.1:99999999",
        "https://user:pw@host",
        "https://host?x=1",
        "ftp://host",
        "https://[::1",
        5,
        "",
    ],
)
def test_a_server_that_is_no_plain_https_address_is_refused(server: Any) -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        from_secret({"server": server})
    assert caught.value.field == "clusters[0].cluster.server"


@pytest.mark.parametrize(
    "server", ["https://[2001:db8::1]:6443", "https://[::1]:6443/prefix", "https://k8s.example"]
)
def test_ipv6_names_and_path_prefixes_are_taken_as_they_are(server: str) -> None:
    assert from_secret({"server": server}).server == server


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "kubeconfig"),
        (b"[]", "kubeconfig"),
        (b"\x00\xff", "kubeconfig"),
        (b"a: [", "kubeconfig"),
        (b"{}", "current-context"),
        (b"current-context: x", "contexts"),
        (b"current-context: x\ncontexts: 5", "contexts"),
        (b"current-context: x\ncontexts: [5, {name: x, context: 5}]", "contexts[1].context"),
        (b"current-context: x\ncontexts: [{name: x, context: {cluster: c}}]", "clusters"),
    ],
)
def test_what_is_no_kubeconfig_is_refused(content: bytes, field: str) -> None:
    with pytest.raises(errors.InvalidKubeconfig) as caught:
        kubeconfig.from_secret(content)
    assert caught.value.field == field


def test_no_secret_shows_in_what_is_printed() -> None:
    way = from_secret(user=PAIR | {"token": "t0p-secret"})
    printed = f"{way!r} {credential(way)!r}"
    assert "t0p-secret" not in printed
    assert "PRIVATE KEY" not in printed


# --- the operator's own


def written(folder: Path, cluster: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None) -> str:
    path = folder / "config"
    path.write_text(yaml.safe_dump(document(cluster, user)))
    return str(path)


def test_an_operators_files_are_found_beside_their_kubeconfig(tmp_path: Path) -> None:
    for name, content in (("ca.pem", CA), ("me.pem", CERTIFICATE), ("me.key", KEY)):
        (tmp_path / name).write_bytes(content)
    cluster = {
        "certificate-authority": "ca.pem",
        "certificate-authority-data": "",
        "insecure-skip-tls-verify": True,
    }
    way = kubeconfig.from_operator(
        written(tmp_path, cluster, {"client-certificate": "me.pem", "client-key": "me.key"})
    )
    assert (way.ca, way.insecure, credential(way).certificate) == (CA, True, CERTIFICATE)


def test_an_operators_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidKubeconfig, match=r"users\[0\].user.client-key: .*gone.key: No such file"):
        kubeconfig.from_operator(written(tmp_path, user={"client-key": "gone.key"}))


def test_a_context_can_be_chosen_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidKubeconfig, match="contexts: has no entry named 'nowhere'"):
        kubeconfig.from_operator(written(tmp_path), context="nowhere")


def test_a_kubeconfig_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidKubeconfig, match="no such file"):
        kubeconfig.from_operator(str(tmp_path / "none"))


def test_an_operators_program_is_run_and_run_again_before_its_token_ends(tmp_path: Path) -> None:
    program = tmp_path / "login"
    ends = datetime.now(UTC) + timedelta(seconds=20)  # within the margin: every request asks again
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    status = {"token": "t-$n", "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    program.write_text(
        f"#!/bin/sh\nn=$(cat {tmp_path}/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > {tmp_path}/n\n"
        f"cat <<END\n{json.dumps(answer | {'status': status})}\nEND\n"
    )
    program.chmod(0o700)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }
    way = kubeconfig.from_operator(written(tmp_path, user=user))
    assert [credential(way).token for _ in range(2)] == ["t-1", "t-2"]


def test_an_operators_program_that_fails_is_named_with_what_it_says(tmp_path: Path) -> None:
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}
    }
    way = kubeconfig.from_operator(written(tmp_path, user=user))
    with pytest.raises(errors.InvalidKubeconfig, match=r"users\[0\].user.exec: exec: process returned 1"):
        credential(way)


# --- a pod's own


@pytest.mark.parametrize(
    ("host", "server"), [("10.96.0.1", "https://10.96.0.1"), ("fd00::1", "https://[fd00::1]")]
)
def test_a_pod_finds_its_account_and_the_api_server(tmp_path: Path, host: str, server: str) -> None:
    for name, content in (("ca.crt", CA), ("token", b"t1\n"), ("namespace", b"suanli-system")):
        (tmp_path / name).write_bytes(content)
    way = kubeconfig.in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "6443"})
    assert (way.server, way.namespace, way.ca) == (f"{server}:6443", "suanli-system", CA)
    assert credential(way).token == "t1"


def test_a_token_file_is_read_again_after_a_minute_or_a_refusal(tmp_path: Path) -> None:
    path, now = tmp_path / "token", [0.0]
    path.write_text("old")
    source = credentials.TokenFile(path, clock=lambda: now[0])

    def token() -> str:
        return asyncio.run(source.current()).token

    assert token() == "old"
    path.write_text("new")
    assert token() == "old"
    now[0] += 60
    assert token() == "new"
    path.write_text("newest")
    source.invalidate()
    assert token() == "newest"


# --- when it ends


@pytest.mark.parametrize(
    ("token", "ends"),
    [
        (jwt(exp=int(ENDS.timestamp())), ENDS),
        (jwt(sub="x"), None),
        (jwt(exp="soon"), None),
        (jwt(exp=10**30), None),
        ("opaque", None),
        ("a.b.c", None),
        ("", None),
    ],
)
def test_a_token_tells_when_it_ends_if_it_is_a_jwt_that_does(token: str, ends: datetime | None) -> None:
    assert credentials.token_expires(token) == ends


def test_of_token_and_certificate_the_first_to_end_counts() -> None:
    sooner = ENDS - timedelta(days=1)
    assert credentials.expires_of(jwt(exp=int(sooner.timestamp())), CERTIFICATE) == sooner
    assert credentials.expires_of("opaque", CERTIFICATE) == ENDS
    assert credentials.expires_of("opaque", b"") is None
