"""Private keys and certificate requests: a program of its own, run for a moment by `pki`.

`cryptography` costs 10 MiB and more in a process, and the daemon must not carry it: this is the only module that
imports it, and nothing imports this module. Input is one JSON line on standard input, output one on standard
output; an error is one line on standard error and exit code 1. Private keys go to files of mode 0600 only.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import json
import os
import pathlib
import sys
from typing import Any, Callable, Dict, List

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _public_der(key: Any) -> bytes:
    return bytes(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def _key_hash(key: Any) -> str:
    """SHA-256 of the public key (DER) in base32 without padding, lower case: a valid label value."""
    return base64.b32encode(hashlib.sha256(_public_der(key)).digest()).decode().rstrip("=").lower()


def _load_or_create(path: pathlib.Path) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        return _create(path)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path}: not an elliptic-curve key")  # noqa: TRY004 - it is the file that is wrong
    return found


def _create(path: pathlib.Path) -> ec.EllipticCurvePrivateKey:
    """A P-256 key: what every API server accepts and the weakest box makes in milliseconds."""
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return key


def request(key: str, node: str, addresses: List[str], names: List[str]) -> Dict[str, str]:
    """A certificate request (PEM) for `system:node:<node>`; `key` is made where the file is not there."""
    private = _load_or_create(pathlib.Path(key))
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    alternatives: List[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    signed = builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    return {"request": signed, "keyHash": _key_hash(private.public_key())}


def _times(certificate: x509.Certificate) -> List[float]:
    try:
        moments = [certificate.not_valid_before_utc, certificate.not_valid_after_utc]
    except AttributeError:  # cryptography before 42 has naive times, in UTC
        naive = [certificate.not_valid_before, certificate.not_valid_after]
        moments = [moment.replace(tzinfo=dt.timezone.utc) for moment in naive]
    return [moment.timestamp() for moment in moments]


def describe(certificate: str, key: str) -> Dict[str, Any]:
    """Times (seconds since the epoch), common name and key hash of a PEM; `key`, a file, must be its own."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    private = serialization.load_pem_private_key(pathlib.Path(key).read_bytes(), None)
    if _public_der(private.public_key()) != _public_der(found.public_key()):
        raise ValueError(f"the certificate was not made for the key in {key}")
    before, after = _times(found)
    name = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return {"notBefore": before, "notAfter": after, "name": name, "keyHash": _key_hash(found.public_key())}


def match(certificates: List[str], pin: str) -> Dict[str, str]:
    """The first PEM whose public key (DER) has the hash `pin` (sha256:HEX, as kubeadm writes it), or empty."""
    for pem in certificates:
        for found in x509.load_pem_x509_certificates(pem.encode()):
            if f"sha256:{hashlib.sha256(_public_der(found.public_key())).hexdigest()}" == pin:
                return {"certificate": found.public_bytes(serialization.Encoding.PEM).decode()}
    return {"certificate": ""}


_VERBS: Dict[str, Callable[..., Dict[str, Any]]] = {"request": request, "describe": describe, "match": match}


def main() -> int:
    """Do what standard input asks for."""
    try:
        asked = json.loads(sys.stdin.readline())
        answer = _VERBS[asked.pop("verb")](**asked)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
