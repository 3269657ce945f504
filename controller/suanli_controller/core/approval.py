"""Whether a box may have the certificate that it asks for: every field of a request, one rule after the other.

A certificate of signer kube-apiserver-client-kubelet makes its holder `system:node:NAME`; so a request is approved
only when its token was made for that site and the name is free or pinned to the same key. What does not come from
our tokens or our boxes is nobody's business here: other kubelets have other approvers.
"""

import base64
import hashlib
import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID, NameOID

from suanli_controller.api import core_v1, names
from suanli_controller.api import site as sites

CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
NODE_PREFIX: Final = "system:node:"
NODES_GROUP: Final = "system:nodes"
TOKEN_PREFIX: Final = "system:bootstrap:"  # noqa: S105  # a user name

# The reasons of our own approvals of client certificates; `_approval` tells which is which.
_OWN_APPROVALS: Final = frozenset({"RenewalApproved", "RecoveryApproved", "JoinApproved", "RejoinApproved"})

# The Service by which pods reach the hub's API server: they trust the cluster's CA for it and all names below it.
_HUB_SERVICE: Final = "kubernetes.default.svc"
_HUB_NAMES: Final = frozenset({"kubernetes", "kubernetes.default", _HUB_SERVICE})

_USAGES: Final = {
    CLIENT_SIGNER: {"digital signature", "client auth"},
    SERVING_SIGNER: {"digital signature", "server auth"},
}


class MalformedError(ValueError):
    """The request is no certificate request, or was not signed by its own key."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What is inside a certificate request (PKCS #10). `others` names whatever has no field of its own here."""

    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    others: tuple[str, ...]
    key_hash: str


@dataclass(frozen=True, slots=True)
class Token:
    """What the hub knows of the bootstrap token that was used; `node` is empty for one that any box may use.

    `spent_by` is the key hash of the box that used a token for one node: it may ask again, nobody else may.
    """

    id: str
    site: str
    node: str = ""
    replace: bool = False
    recovery: bool = False
    spent_by: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A Node as far as approval goes; `site` and `key_hash` are empty where the Node has no such label."""

    name: str
    site: str = ""
    key_hash: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """All that a decision may look at; None stands for what does not exist.

    `box` is the Node that the request names, `requester` the one whose certificate asked; `site` is the token's or
    the requester's, `boxes` counts its Nodes. `hub_addresses` are those of the Service by which pods reach the hub.
    """

    csr: core_v1.CertificateSigningRequest
    token: Token | None = None
    site: sites.EdgeSite | None = None
    box: Box | None = None
    requester: Box | None = None
    boxes: int = 0
    hub_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, in words for the condition and the Event; `node` and `key_hash` are of an approved one."""

    approved: bool
    reason: str
    message: str
    node: str = ""
    key_hash: str = ""


# --- reading


def key_hash(public_key: bytes) -> str:
    """SHA-256 of a public key (DER) in base32 without padding, lower case: what `/key-hash` holds."""
    return base64.b32encode(hashlib.sha256(public_key).digest()).decode().rstrip("=").lower()


def read(request: str) -> Requested:
    """Read a CSR's `spec.request` (base64 of PEM). Raises MalformedError, and nothing else: a stranger wrote it."""
    try:
        return _requested(x509.load_pem_x509_csr(base64.b64decode(request, validate=True)))
    except MalformedError:
        raise
    # the parser has a dozen kinds of errors, read lazily (a version, a name or an extension that it does not know)
    except Exception as error:
        raise MalformedError("spec.request is not a certificate request in PEM") from error


def _requested(parsed: x509.CertificateSigningRequest) -> Requested:
    if not parsed.is_signature_valid:
        raise MalformedError("spec.request was not signed with its own key")
    public = parsed.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    dns, addresses, others = _alternatives(list(parsed.extensions))
    return Requested(
        common_names=_subject(parsed, NameOID.COMMON_NAME),
        organizations=_subject(parsed, NameOID.ORGANIZATION_NAME),
        dns_names=dns,
        addresses=addresses,
        others=(*others, *_other_subject(parsed)),
        key_hash=key_hash(public),
    )


def _subject(parsed: x509.CertificateSigningRequest, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(each.value) for each in parsed.subject.get_attributes_for_oid(oid))


def _other_subject(parsed: x509.CertificateSigningRequest) -> Iterator[str]:
    for each in parsed.subject:
        if each.oid not in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
            yield f"subject {each.rfc4514_attribute_name}"


def _alternatives(
    extensions: list[x509.Extension[x509.ExtensionType]],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(DNS names, IP addresses, anything else): what a signer copies besides names is not for us to guess."""
    dns: list[str] = []
    addresses: list[str] = []
    others: list[str] = []
    for extension in extensions:
        if extension.oid != ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
            others.append(f"extension {extension.oid.dotted_string}")
            continue
        for name in extension.value:  # type: ignore[attr-defined]  # a SubjectAlternativeName is iterable
            if isinstance(name, x509.DNSName):
                dns.append(name.value)
            elif isinstance(name, x509.IPAddress):
                addresses.append(str(name.value))
            else:
                others.append(f"subject alternative name {type(name).__name__}")
    return tuple(dns), tuple(addresses), tuple(others)


def token_id(csr: core_v1.CertificateSigningRequest) -> str:
    """The bootstrap token that the requester used, where it is one of our groups; else empty."""
    ours = any(group.startswith(names.BOOTSTRAP_GROUP_PREFIX) for group in csr.spec.groups)
    return csr.spec.username.removeprefix(TOKEN_PREFIX) if ours and _by_token(csr) else ""


def requesting_node(csr: core_v1.CertificateSigningRequest) -> str:
    """The node whose own certificate was used; empty where it was something else."""
    by_node = csr.spec.username.startswith(NODE_PREFIX) and NODES_GROUP in csr.spec.groups
    return csr.spec.username.removeprefix(NODE_PREFIX) if by_node else ""


def token_of(csr: core_v1.CertificateSigningRequest, secret: core_v1.Secret | None) -> Token | None:
    """What the Secret of the requester's token says; None where it is gone or the groups name no site.

    The site comes from the groups, which the API server took from the Secret when it accepted the token: nobody
    can add one to a request.
    """
    groups = [g for g in csr.spec.groups if g.startswith(names.BOOTSTRAP_GROUP_PREFIX)]
    if len(groups) != 1 or secret is None:
        return None
    name, recovery, _ = groups[0].removeprefix(names.BOOTSTRAP_GROUP_PREFIX).partition(names.RECOVERY_GROUP_SUFFIX)
    notes = secret.metadata.annotations
    return Token(
        id=token_id(csr),
        site=name,
        node=notes.get(names.TOKEN_NODE_ANNOTATION, ""),
        replace=notes.get(names.TOKEN_REPLACE_ANNOTATION) == "true",
        recovery=bool(recovery),
        spent_by=notes.get(names.TOKEN_SPENT_ANNOTATION, ""),
    )


def box_of(node: core_v1.Node) -> Box:
    """A Node, as far as approval goes."""
    labels = node.metadata.labels
    return Box(
        name=node.metadata.name,
        site=labels.get(names.SITE_LABEL, ""),
        key_hash=labels.get(names.KEY_HASH_LABEL, ""),
        addresses=tuple(address.address for address in node.status.addresses),
    )


def _by_token(csr: core_v1.CertificateSigningRequest) -> bool:
    return csr.spec.username.startswith(TOKEN_PREFIX)


def is_ours(case: Case) -> bool:
    """True where deciding is our affair: one of our tokens asked, or a Node that belongs to a site."""
    if case.csr.spec.signer_name not in _USAGES:
        return False
    return bool(token_id(case.csr)) or bool(case.requester and case.requester.site)


# --- deciding: each rule returns None, or (reason, message) of a refusal

Refusal = tuple[str, str] | None
Rule = Callable[[Case, Requested], Refusal]


def _usages(case: Case, _: Requested) -> Refusal:
    wanted, found = _USAGES[case.csr.spec.signer_name], case.csr.spec.usages
    if set(found) == wanted and len(found) == len(wanted):
        return None
    return "UsagesInvalid", f"spec.usages is {sorted(found)}; it must be exactly {sorted(wanted)}"


def _subject_rule(_: Case, asked: Requested) -> Refusal:
    names_ = asked.common_names
    if len(names_) != 1 or not names_[0].removeprefix(NODE_PREFIX) or not names_[0].startswith(NODE_PREFIX):
        return "CommonNameInvalid", f"the common name is {_list(names_)}; it must be {NODE_PREFIX}NAME"
    if asked.organizations != (NODES_GROUP,):
        return "OrganizationInvalid", f"organizations are {_list(asked.organizations)}; only {NODES_GROUP} may be"
    if asked.others:
        return "SubjectInvalid", f"the request holds more than it may: {_list(asked.others)}"
    return None


def _no_names(_: Case, asked: Requested) -> Refusal:
    found = asked.dns_names + asked.addresses
    return (
        ("NamesNotAllowed", f"a client certificate has no alternative names, not {_list(found)}")
        if found
        else None
    )


def _lifetime(case: Case, _: Requested) -> Refusal:
    assert case.site is not None  # noqa: S101  # _site or _self comes before
    cap, asked = case.site.spec.join.certificate_ttl_seconds, case.csr.spec.expiration_seconds
    if asked is not None and asked <= cap:
        return None
    shown = "not set, which means the signer's own default" if asked is None else str(asked)
    return "LifetimeTooLong", f"spec.expirationSeconds is {shown}; this site allows at most {cap}"


def _site(case: Case, _: Requested) -> Refusal:
    if case.site is None:
        return "SiteNotFound", "the EdgeSite that the token or the node belongs to does not exist"
    return None


def _requester(case: Case, asked: Requested) -> Refusal:
    """A node speaks for itself only; a token for its site, or for the one node that it was made for."""
    name, node = _node_name(asked), requesting_node(case.csr)
    if not _by_token(case.csr):
        same = node == name
        return None if same else ("RequesterMismatch", f"node {node} may not ask for a certificate of {name}")
    token = case.token
    if token is None:
        return "TokenUnknown", "the token was deleted or spent meanwhile, or is of more than one site"
    if token.node and token.node != name:
        return "TokenForOtherNode", f"the token is for node {token.node}, not for {name}"
    if token.spent_by and token.spent_by != asked.key_hash:
        return "TokenSpent", f"the token was used for node {token.node} before; make another"
    return None


def _node(case: Case, asked: Requested) -> Refusal:
    """The name is free, or pinned to the key of the request; only a renewal or a replacement brings a new key."""
    name, box, token = _node_name(asked), case.box, case.token
    if box is None:
        if token and not token.recovery:
            return None
        return "NodeUnknown", f"node {name} does not exist; it must join again"
    assert case.site is not None  # noqa: S101  # _site or _self comes before
    if box.site != case.site.metadata.name:
        return "NodeNameTaken", f"node {name} exists and is not of this site"
    may_change = token is None or (token.replace and token.node == name)
    if may_change or box.key_hash == asked.key_hash:
        return None
    reason = "KeyMismatch" if token and token.recovery else "NodeNameTaken"
    return reason, f"node {name} is pinned to another key; make a token with --node {name} --replace"


def _reserved(case: Case, asked: Requested) -> Refusal:
    """No box joins under the hub's own name, and none that is there already gets a serving certificate for it."""
    found = asked.dns_names if case.box else (_node_name(asked),)
    hub = [name for name in found if name in _HUB_NAMES or name.startswith(_HUB_SERVICE + ".")]
    return ("NameReserved", f"{_list(hub)} is the name by which pods reach the hub") if hub else None


def _room(case: Case, _: Requested) -> Refusal:
    assert case.site is not None  # noqa: S101  # _site or _self comes before
    most = case.site.spec.join.max_boxes
    if case.box is not None or case.boxes < most:
        return None
    return "SiteFull", f"the site has {case.boxes} boxes; spec.join.maxBoxes is {most}"


def _machine(case: Case, _: Requested) -> Refusal:
    assert case.site is not None  # noqa: S101  # _site or _self comes before
    listed, shown = (
        case.site.spec.join.machine_ids,
        case.csr.metadata.annotations.get(names.MACHINE_ID_ANNOTATION, ""),
    )
    if case.token is None or not listed or shown in listed:
        return None
    return "MachineNotListed", f"machine id {shown or '(none)'} is not in spec.join.machineIDs of the site"


def _own_names(case: Case, asked: Requested) -> Refusal:
    """A serving certificate names its node and the addresses that the Node shows, and at least one of them.

    Of DNS names the node's own alone, and never the hub's address inside its cluster: a box writes its addresses
    itself, and every pod there trusts a certificate of the cluster's CA for that one.
    """
    assert case.box is not None  # noqa: S101  # _self comes before
    foreign = [name for name in asked.dns_names if name != case.box.name]
    own = _plain(case.box.addresses) - _plain(case.hub_addresses)
    foreign += [address for address in asked.addresses if not _plain([address]) & own]
    if foreign:
        return "NamesNotOwn", f"{_list(foreign)} is not a name or an address of node {case.box.name}"
    if not asked.dns_names and not asked.addresses:
        return "NamesMissing", "a serving certificate needs at least one of the node's names or addresses"
    return None


def _self(case: Case, asked: Requested) -> Refusal:
    node = requesting_node(case.csr)
    if case.box is None or node != _node_name(asked) or case.box.name != node:
        return "RequesterMismatch", "a serving certificate is for the node that asks for it, and no other"
    return None


_CLIENT_RULES: tuple[Rule, ...] = (
    _usages, _subject_rule, _no_names, _requester, _site, _lifetime, _node, _reserved, _room, _machine,
)  # fmt: skip
_SERVING_RULES: tuple[Rule, ...] = (_usages, _subject_rule, _self, _own_names, _reserved, _site, _lifetime)


def decide(case: Case) -> Verdict:
    """The verdict on a request that `is_ours`."""
    try:
        asked = read(case.csr.spec.request)
    except MalformedError as error:
        return Verdict(False, "RequestMalformed", str(error))
    for rule in _CLIENT_RULES if case.csr.spec.signer_name == CLIENT_SIGNER else _SERVING_RULES:
        if refusal := rule(case, asked):
            return Verdict(False, *refusal)
    reason, message = _approval(case)
    return Verdict(True, reason, message, _node_name(asked), asked.key_hash)


def subject_node(csr: core_v1.CertificateSigningRequest) -> str:
    """The node that a request names, read before deciding so that the Node can be looked up; empty where none."""
    try:
        return _node_name(read(csr.spec.request))
    except MalformedError:
        return ""


# --- certificates that others approve: kubeadm lets every node renew its own without us


def approved_by_others(csr: core_v1.CertificateSigningRequest) -> bool:
    """True for a client certificate that was issued to a box's request or a token's, but not on our word."""
    if csr.spec.signer_name != CLIENT_SIGNER or not csr.status.certificate:
        return False
    return not _approved_by_us(csr) and bool(requesting_node(csr) or token_id(csr))


def _approved_by_us(csr: core_v1.CertificateSigningRequest) -> bool:
    return any(each.type == "Approved" and each.reason in _OWN_APPROVALS for each in csr.status.conditions)


def _granted(csr: core_v1.CertificateSigningRequest) -> bool:
    """Issued, or about to be on our word: the Node was pinned to that key before we gave it."""
    failed = any(each.type == "Failed" for each in csr.status.conditions)
    return bool(csr.status.certificate) or (_approved_by_us(csr) and not failed)


def newest_key(csrs: Iterable[core_v1.CertificateSigningRequest], node: str) -> str:
    """Hash of the key whose certificate was last asked for and granted to `node`; empty where there is none."""
    granted = [
        csr
        for csr in csrs
        if csr.spec.signer_name == CLIENT_SIGNER
        and _granted(csr)
        and (requesting_node(csr) == node or token_id(csr))
    ]
    for csr in sorted(granted, key=_age, reverse=True):
        if subject_node(csr) == node:
            return read(csr.spec.request).key_hash
    return ""


def _age(csr: core_v1.CertificateSigningRequest) -> tuple[float, int]:
    """Times are in whole seconds; within one the later write decides."""
    made, version = csr.metadata.creation_timestamp, csr.metadata.resource_version
    return made.timestamp() if made else 0.0, int(version) if version.isdecimal() else 0


def _approval(case: Case) -> tuple[str, str]:
    if case.csr.spec.signer_name == SERVING_SIGNER:
        return "ServingApproved", "the node asked for its own names"
    if case.token is None:
        return "RenewalApproved", "the node renews its own certificate"
    if case.token.recovery:
        return "RecoveryApproved", "the key is the one that the node is pinned to"
    if case.box is None:
        return "JoinApproved", f"a token of site {case.token.site}; the name was free"
    return "RejoinApproved", f"a token of site {case.token.site}; the name is this box's"


def _node_name(asked: Requested) -> str:
    return asked.common_names[0].removeprefix(NODE_PREFIX) if asked.common_names else ""


def _plain(found: Iterable[str]) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The IP addresses among `found`, each in one form: for whoever checks a certificate, ::ffff:a.b.c.d is a.b.c.d."""
    plain = set()
    for each in found:
        try:
            address = ipaddress.ip_address(each)
        except ValueError:
            continue  # a host name, or a Service without an address
        plain.add(getattr(address, "ipv4_mapped", None) or address)
    return plain


def _list(found: Collection[str]) -> str:
    return ", ".join(found) or "(none)"
