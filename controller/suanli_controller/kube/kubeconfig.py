"""Reads a way to an API server: the operator's own kubeconfig, a pod's service account, or a cloud's Secret.

The three differ in trust. An operator's own file may name other files, run a program and skip verification: it is
theirs. What lies in a Secret was written by someone who must not be able to run code in the controller, read its
files or make it trust a stranger: certificates and tokens only, every other field is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
import yarl

from suanli_controller.kube import connection, credentials, errors

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_NO_FILES = "a file path is not allowed in a cloud's Secret; give {} instead"
_IMPERSONATION = "impersonation is not supported; use an account of the controller's own"
_REFUSED_IN_SECRET: Mapping[str, Mapping[str, str]] = {
    "cluster": {
        "certificate-authority": _NO_FILES.format("certificate-authority-data"),
        "insecure-skip-tls-verify": "is not allowed in a cloud's Secret; give certificate-authority-data instead",
    },
    "user": {
        "exec": "a program is not allowed in a cloud's Secret; give a token or a client certificate instead",
        "auth-provider": "is not allowed in a cloud's Secret; give a token or a client certificate instead",
        "client-certificate": _NO_FILES.format("client-certificate-data"),
        "client-key": _NO_FILES.format("client-key-data"),
        "tokenFile": _NO_FILES.format("token"),
        "username": "a password is not allowed in a cloud's Secret; give a token or a client certificate instead",
        "password": "a password is not allowed in a cloud's Secret; give a token or a client certificate instead",
    },
}
_REFUSED_ALWAYS: Mapping[str, Mapping[str, str]] = {
    "cluster": {},
    "user": {
        "as": _IMPERSONATION,
        "as-uid": _IMPERSONATION,
        "as-groups": _IMPERSONATION,
        "as-user-extra": _IMPERSONATION,
        "auth-provider": "was removed from Kubernetes in 1.26; use exec",
        "username": "basic authentication was removed from Kubernetes in 1.19; use a token or a certificate",
        "password": "basic authentication was removed from Kubernetes in 1.19; use a token or a certificate",
    },
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One named part of a kubeconfig: its fields, how errors call it, and the folder that its paths start from."""

    path: str
    fields: Mapping[str, Any]
    folder: Path | None = None

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise errors.InvalidKubeconfig(f"{self.path}.{name}", f"must be a string, not {type(value).__name__}")
        return value or ""

    def data(self, name: str) -> bytes:
        try:
            return base64.b64decode("".join(self.text(name).split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise errors.InvalidKubeconfig(f"{self.path}.{name}", "is not base64") from error

    def pem(self, name: str) -> bytes:
        """`NAME-data`, else the content of the file that `NAME` tells (refused long before in a Secret)."""
        return self.data(f"{name}-data") or self._file(name)

    def _file(self, name: str) -> bytes:
        if not self.text(name):
            return b""
        path = (self.folder or Path()) / self.text(name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise errors.InvalidKubeconfig(f"{self.path}.{name}", f"{path}: {error.strerror}") from error

    def refuse(self, table: Mapping[str, str]) -> None:
        for name, problem in table.items():
            if self.fields.get(name):
                raise errors.InvalidKubeconfig(f"{self.path}.{name}", problem)


@dataclass(frozen=True, slots=True)
class _Document:
    """A kubeconfig's chosen context."""

    cluster: _Entry
    user: _Entry
    namespace: str


def hub(kubeconfig: str = "", context: str = "") -> connection.Connection:
    """The way to the hub: the file or context that is named, else the pod's account, else the default file."""
    if not kubeconfig and not context and "KUBERNETES_SERVICE_HOST" in os.environ:
        return in_cluster()
    return from_operator(kubeconfig, context)


def from_secret(content: bytes) -> connection.Connection:
    """Read a cloud's kubeconfig from its Secret. Raises InvalidKubeconfig, which names the field and the mend."""
    document = _choose(_parse(content), "", _plain)
    document.cluster.refuse(_REFUSED_IN_SECRET["cluster"])
    document.user.refuse(_REFUSED_IN_SECRET["user"])
    made = _connection(document, _static(document.user))
    if not made.server.startswith("https:"):
        raise errors.InvalidKubeconfig(f"{document.cluster.path}.server", "must begin with https://")
    return _checked(made, document)


def from_operator(kubeconfig: str = "", context: str = "") -> connection.Connection:
    """Read the operator's own: `kubeconfig` (paths as in $KUBECONFIG), else $KUBECONFIG, else ~/.kube/config."""
    document = _choose(_merged(kubeconfig), context, _with_folder)
    return _connection(document, _operator_source(document.user))


def in_cluster(folder: Path = SERVICE_ACCOUNT, env: Mapping[str, str] = os.environ) -> connection.Connection:
    """The service account of the pod that we run in; its token file is read again as the kubelet renews it."""
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        problem = "not set: this is no pod; name a file with --kubeconfig"
        raise errors.InvalidKubeconfig("KUBERNETES_SERVICE_HOST", problem)
    account = _Entry("serviceaccount", {"certificate-authority": "ca.crt", "namespace": "namespace"}, folder)
    return connection.Connection(
        server=str(yarl.URL.build(scheme="https", host=host.strip("[]"), port=int(port))),
        source=credentials.TokenFile(folder / "token"),
        ca=account.pem("certificate-authority"),
        namespace=account.pem("namespace").decode().strip() or "default",
    )


# --- what is the same for all


def _connection(document: _Document, source: credentials.Source) -> connection.Connection:
    cluster = document.cluster
    cluster.refuse(_REFUSED_ALWAYS["cluster"])
    document.user.refuse(_REFUSED_ALWAYS["user"])
    return connection.Connection(
        server=_url(cluster, "server", ("https", "http")),
        source=source,
        ca=cluster.pem("certificate-authority"),
        insecure=bool(cluster.fields.get("insecure-skip-tls-verify")),
        tls_server_name=_host(f"{cluster.path}.tls-server-name", cluster.text("tls-server-name")),
        proxy=_url(cluster, "proxy-url", ("http", "https")) if cluster.fields.get("proxy-url") else "",
        namespace=document.namespace,
    )


def _checked(made: connection.Connection, document: _Document) -> connection.Connection:
    """Find PEM that cannot be used now, with its field, and not in the middle of a handshake."""
    assert isinstance(made.source, credentials.Static)  # noqa: S101  # the only source that a Secret can give
    credential = made.source.credential
    if not credential.token and not credential.certificate:
        problem = "needs a token, or client-certificate-data and client-key-data"
        raise errors.InvalidKubeconfig(document.user.path, problem)
    for entry, part in ((document.cluster, credentials.Credential()), (document.user, credential)):
        try:
            made.ssl_context(part)
        except errors.InvalidKubeconfig as error:
            raise errors.InvalidKubeconfig(f"{entry.path}.{error.field}", error.problem) from error
    return made


def _url(entry: _Entry, name: str, schemes: Sequence[str]) -> str:
    path, text = f"{entry.path}.{name}", entry.text(name)
    if not text:
        raise errors.InvalidKubeconfig(path, "is missing")
    try:
        url = yarl.URL(text if "://" in text else f"{schemes[0]}://{text}")
    except ValueError as error:
        raise errors.InvalidKubeconfig(path, "is not a URL") from error
    if url.scheme not in schemes or not url.host:
        raise errors.InvalidKubeconfig(path, f"must be a URL that begins with {' or '.join(schemes)}")
    _host(path, url.host)
    if name == "server" and (url.user or url.query_string or url.fragment):
        raise errors.InvalidKubeconfig(path, "must be scheme, host, port and path only")
    return str(url).rstrip("/")


def _host(path: str, text: str) -> str:
    """As it is, where it can be looked up at all: what cannot fails in the middle of a request, as no error of ours."""
    try:
        text.encode("idna")
    except UnicodeError as error:
        raise errors.InvalidKubeconfig(path, "is not the name of a host") from error
    if not text.isprintable():
        raise errors.InvalidKubeconfig(path, "is not the name of a host: it has a line break or control character")
    return text


def _token(user: _Entry) -> str:
    """What a request's header can carry; of one that cannot be sent nothing is quoted."""
    token = user.text("token").strip()
    if not all("!" <= character <= "~" for character in token):
        problem = "has a blank, a line break or another character that no token has: give it in one piece"
        raise errors.InvalidKubeconfig(f"{user.path}.token", problem)
    return token


def _static(user: _Entry) -> credentials.Static:
    token, certificate, key = _token(user), user.pem("client-certificate"), user.pem("client-key")
    if bool(certificate) != bool(key):
        missing = "client-key-data" if certificate else "client-certificate-data"
        raise errors.InvalidKubeconfig(f"{user.path}.{missing}", "is missing: certificate and key go together")
    expires = credentials.expires_of(token, certificate)
    return credentials.Static(credentials.Credential(token, certificate, key, expires))


def _operator_source(user: _Entry) -> credentials.Source:
    if user.fields.get("exec"):
        return credentials.Exec(_exec(user))
    if user.text("tokenFile") and not user.text("token"):
        return credentials.TokenFile((user.folder or Path()) / user.text("tokenFile"))
    return _static(user)


def _exec(user: _Entry) -> Callable[[], dict[str, Any]]:
    # Imported here: 20 MiB and half a second, for those who need it. The package knows the protocol with plugins.
    from kubernetes import config  # noqa: PLC0415
    from kubernetes.config import exec_provider, kube_config  # noqa: PLC0415

    node = kube_config.ConfigNode(f"{user.path}.exec", user.fields["exec"])  # type: ignore[no-untyped-call]

    def run() -> dict[str, Any]:
        try:
            provider = exec_provider.ExecProvider(node, str(user.folder or ""))  # type: ignore[no-untyped-call]
            status: dict[str, Any] = provider.run()  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise errors.InvalidKubeconfig(f"{user.path}.exec", str(error)) from error
        return status

    return run


# --- reading documents


def _parse(content: bytes) -> Mapping[str, Any]:
    try:
        document = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise errors.InvalidKubeconfig(
            "kubeconfig", "is not YAML"
        ) from error  # the cause may quote a secret: not shown
    if not isinstance(document, dict):
        raise errors.InvalidKubeconfig("kubeconfig", "is empty" if not document else "is not a mapping")
    return document


def _merged(kubeconfig: str) -> Mapping[str, Any]:
    # Imported here for the same reason as in `_exec`; how several files become one is kubectl's affair, not ours.
    from kubernetes.config import config_exception, kube_config  # noqa: PLC0415

    paths = kubeconfig or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    try:
        merged = kube_config.KubeConfigMerger(paths).config  # type: ignore[no-untyped-call]
    except (config_exception.ConfigException, yaml.YAMLError, OSError, AttributeError) as error:
        raise errors.InvalidKubeconfig(paths, "is not a kubeconfig") from error
    if merged is None:
        raise errors.InvalidKubeconfig(paths, "no such file; name one with --kubeconfig or $KUBECONFIG")
    value: Mapping[str, Any] = merged.value
    return value


_Open = Callable[[Any], tuple[Any, Path | None]]


def _plain(item: Any) -> tuple[Any, Path | None]:
    return item, None


def _with_folder(item: Any) -> tuple[Any, Path | None]:
    """A list item of the kubernetes package: its value, and the folder of the file that it came from."""
    return item.value, Path(item.path).absolute().parent


def _choose(document: Mapping[str, Any], context: str, opened: _Open) -> _Document:
    name = context or document.get("current-context") or ""
    if not name:
        raise errors.InvalidKubeconfig("current-context", "is missing")
    chosen = _find(document, "contexts", "context", name, opened)
    return _Document(
        cluster=_find(document, "clusters", "cluster", chosen.text("cluster"), opened),
        user=_find(document, "users", "user", chosen.text("user"), opened),
        namespace=chosen.text("namespace") or "default",
    )


def _find(document: Mapping[str, Any], plural: str, singular: str, name: str, opened: _Open) -> _Entry:
    items = document.get(plural)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        value, folder = opened(item)
        if isinstance(value, Mapping) and value.get("name") == name:
            fields = value.get(singular) or {}
            if not isinstance(fields, Mapping):
                raise errors.InvalidKubeconfig(f"{plural}[{index}].{singular}", "is not a mapping")
            return _Entry(f"{plural}[{index}].{singular}", fields, folder)
    raise errors.InvalidKubeconfig(plural, f"has no entry named {name!r}")
