"""Where an API server is and how we prove who we are: data that `client` turns into requests."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from suanli_controller.kube import credentials, errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One way to one API server. Made by `kubeconfig`; `ca` is PEM, empty means the system's own authorities.

    `insecure` (no verification) comes from an operator's own kubeconfig only; `namespace` is the context's.
    """

    server: str
    source: credentials.Source = field(repr=False)
    ca: bytes = field(default=b"", repr=False)
    insecure: bool = False
    tls_server_name: str = ""
    proxy: str = field(default="", repr=False)
    namespace: str = "default"

    def ssl_context(self, credential: credentials.Credential) -> ssl.SSLContext | bool:
        """What aiohttp's `ssl` parameter takes for this credential; costs milliseconds, keep it.

        Raises InvalidKubeconfig for PEM that cannot be used.
        """
        if not self.server.startswith("https:"):
            return False
        return _ssl_context(self.ca, self.insecure, credential.certificate, credential.key)


def _ssl_context(ca: bytes, insecure: bool, certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = _trust(ca)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        _prove(context, certificate, key)
    return context


def _trust(ca: bytes) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca.decode("ascii") if ca else None)
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise errors.InvalidKubeconfig("certificate-authority-data", "holds no PEM certificate") from error
    # A cluster's own CA often lacks the key usage extension that Python 3.13 asks for; Go's TLS does not ask.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _prove(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # OpenSSL takes a certificate chain from a file alone; this one lives for this call, readable by us only.
    with tempfile.TemporaryDirectory(prefix="suanli-") as folder:
        pem = Path(folder) / "client.pem"
        pem.touch(mode=0o600)
        pem.write_bytes(certificate + b"\n" + key)
        try:
            context.load_cert_chain(pem, password=_no_password)
        except (ssl.SSLError, OSError, ValueError) as error:
            problem = "is not a PEM certificate that fits client-key-data"
            raise errors.InvalidKubeconfig("client-certificate-data", problem) from error


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # without this, OpenSSL would ask on the terminal
