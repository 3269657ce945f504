"""Certificate requests as boxes make them, with real keys."""

import base64
import datetime as dt
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from suanli_controller.api import core_v1, meta, names
from suanli_controller.core import approval

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def pin(key: ec.EllipticCurvePrivateKey) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return approval.key_hash(der)


def request(
    common_names: tuple[str, ...] = ("system:node:box-1",),
    organizations: tuple[str, ...] = ("system:nodes",),
    alternatives: tuple[x509.GeneralName, ...] = (),
    more: tuple[x509.NameAttribute[str], ...] = (),
    constraints: bool = False,
) -> str:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    attributes += [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([*attributes, *more]))
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


PLAIN = request()


def csr(
    pem: str = PLAIN,
    signer: str = approval.CLIENT_SIGNER,
    usages: tuple[str, ...] = ("digital signature", "client auth"),
    seconds: int | None = 3600,
    username: str = "system:bootstrap:abcdef",
    groups: tuple[str, ...] = (
        "system:bootstrappers",
        "system:bootstrappers:suanli:north",
        "system:authenticated",
    ),
    machine: str = "",
) -> core_v1.CertificateSigningRequest:
    notes = {names.MACHINE_ID_ANNOTATION: machine} if machine else {}
    return core_v1.CertificateSigningRequest(
        metadata=meta.ObjectMeta(name="csr-1", annotations=notes),
        spec=core_v1.CertificateSigningRequestSpec(
            request=pem,
            signer_name=signer,
            usages=list(usages),
            expiration_seconds=seconds,
            username=username,
            groups=list(groups),
        ),
    )


AS_NODE: dict[str, Any] = {"username": "system:node:box-1", "groups": ("system:nodes", "system:authenticated")}


def issued(
    key: ec.EllipticCurvePrivateKey, second: int, reason: str = "AutoApproved", **more: Any
) -> core_v1.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:box-1")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    asked = csr(pem, **{**AS_NODE, **more})
    return msgspec.structs.replace(
        asked,
        metadata=msgspec.structs.replace(
            asked.metadata, creation_timestamp=dt.datetime.fromtimestamp(second, dt.UTC)
        ),
        status=core_v1.CertificateSigningRequestStatus(
            certificate="x", conditions=[core_v1.StatusCondition(type="Approved", reason=reason)]
        ),
    )
