"""Each field of a box's certificate request, and each refusal's reason; nothing else may be approved."""

import base64
import dataclasses
import datetime as dt
import ipaddress
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from tests.certificate_requests import AS_NODE, KEY, OTHER_KEY, PLAIN, csr, issued, pin, request

from suanli_controller.api import core_v1, meta, names, site
from suanli_controller.core import approval


def odd_request(name: bytes = b"", version: int = 0) -> str:
    """Well-formed DER that Go's parser takes: an alternative name of a rare kind, or another version."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:box-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if name:
        raw = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes([0x30, len(name)]) + name)
        builder = builder.add_extension(raw, critical=False)
    der = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    der = der.replace(b"\x02\x01\x00", bytes([2, 1, version]), 1)
    body = base64.encodebytes(der)
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"
    return base64.b64encode(pem).decode()


X400_ADDRESS = bytes([0xA3, 0x04, 0x30, 0x02, 0x05, 0x00])

SERVING = request(alternatives=(x509.DNSName("box-1"), x509.IPAddress(ipaddress.ip_address("10.0.0.5"))))


NORTH = site.EdgeSite(
    metadata=meta.ObjectMeta(name="north"),
    spec=site.EdgeSiteSpec(join=site.SiteJoin(certificate_ttl_seconds=3600, max_boxes=2)),
)
TOKEN = approval.Token(id="abcdef", site="north")
RECOVERY = approval.Token(id="abcdef", site="north", recovery=True)
BOX = approval.Box("box-1", "north", pin(KEY), ("10.0.0.5",))
AS_SERVER: dict[str, Any] = {
    **AS_NODE, "signer": approval.SERVING_SIGNER, "usages": ("digital signature", "server auth"), "pem": SERVING,
}  # fmt: skip

join = approval.Case(csr=csr(), token=TOKEN, site=NORTH)
renewal = approval.Case(csr=csr(**AS_NODE), site=NORTH, box=BOX, requester=BOX, boxes=1)
recovery = approval.Case(csr=csr(), token=RECOVERY, site=NORTH, box=BOX, boxes=1)
serving = approval.Case(csr=csr(**AS_SERVER), site=NORTH, box=BOX, requester=BOX, boxes=1)
full = dataclasses.replace
other_pin = full(BOX, key_hash=pin(OTHER_KEY))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (join, "JoinApproved"),
        (full(join, token=full(TOKEN, node="box-1")), "JoinApproved"),
        (full(join, token=full(TOKEN, node="box-1", spent_by=pin(KEY))), "JoinApproved"),
        (full(join, box=BOX), "RejoinApproved"),
        (full(join, box=BOX, boxes=2), "RejoinApproved"),
        (full(join, box=other_pin, token=full(TOKEN, node="box-1", replace=True)), "RejoinApproved"),
        (renewal, "RenewalApproved"),
        (full(renewal, box=other_pin, requester=other_pin), "RenewalApproved"),
        (recovery, "RecoveryApproved"),
        (serving, "ServingApproved"),
    ],
)
def test_approved(case: approval.Case, reason: str) -> None:
    """What the rules are there to let through."""
    assert approval.is_ours(case)
    verdict = approval.decide(case)
    assert (verdict.approved, verdict.reason) == (True, reason), verdict.message
    assert (verdict.node, verdict.key_hash) == ("box-1", pin(KEY))


def _with(case: approval.Case, **changed: Any) -> approval.Case:
    spec = {"username": case.csr.spec.username, "groups": tuple(case.csr.spec.groups), **changed}
    return full(case, csr=csr(**spec))


_LONELY = msgspec.structs.replace(
    NORTH, spec=site.EdgeSiteSpec(join=site.SiteJoin(certificate_ttl_seconds=3600, machine_ids=["m-1"]))
)
_URI = x509.UniformResourceIdentifier("spiffe://x")
_UNIT = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x")


def _serving_address(shown: str) -> approval.Case:
    """A box that shows an address, and asks for a certificate for it."""
    pem = request(alternatives=(x509.IPAddress(ipaddress.ip_address(shown)),))
    return full(_with(serving, **{**AS_SERVER, "pem": pem}), box=full(BOX, addresses=("box-1", shown)))


REFUSED = [
    (_with(join, pem="bm90IGEgQ1NS"), "RequestMalformed"),
    (_with(join, pem="%%"), "RequestMalformed"),
    (_with(join, pem=odd_request(name=X400_ADDRESS)), "RequestMalformed"),
    (_with(join, pem=odd_request(version=1)), "RequestMalformed"),
    (_with(join, usages=("client auth",)), "UsagesInvalid"),
    (_with(join, usages=("digital signature", "key encipherment", "client auth")), "UsagesInvalid"),
    (_with(join, usages=("digital signature", "client auth", "server auth")), "UsagesInvalid"),
    (_with(join, usages=("digital signature", "client auth", "client auth")), "UsagesInvalid"),
    (_with(join, pem=request(common_names=("box-1",))), "CommonNameInvalid"),
    (_with(join, pem=request(common_names=("system:node:",))), "CommonNameInvalid"),
    (_with(join, pem=request(common_names=())), "CommonNameInvalid"),
    (_with(join, pem=request(common_names=("system:node:box-1", "system:admin"))), "CommonNameInvalid"),
    (_with(join, pem=request(common_names=("system:admin",))), "CommonNameInvalid"),
    (_with(join, pem=request(organizations=())), "OrganizationInvalid"),
    (_with(join, pem=request(organizations=("system:masters",))), "OrganizationInvalid"),
    (_with(join, pem=request(organizations=("system:nodes", "system:masters"))), "OrganizationInvalid"),
    (_with(join, pem=request(more=(_UNIT,))), "SubjectInvalid"),
    (_with(join, pem=request(constraints=True)), "SubjectInvalid"),
    (_with(join, pem=request(alternatives=(_URI,))), "SubjectInvalid"),
    (_with(join, pem=SERVING), "NamesNotAllowed"),
    (full(join, site=None), "SiteNotFound"),
    (full(join, token=None), "TokenUnknown"),
    (full(join, token=full(TOKEN, node="box-2")), "TokenForOtherNode"),
    (full(join, token=full(TOKEN, node="box-1", spent_by=pin(OTHER_KEY))), "TokenSpent"),
    (_with(join, seconds=None), "LifetimeTooLong"),
    (_with(join, seconds=3601), "LifetimeTooLong"),
    (full(join, box=other_pin), "NodeNameTaken"),
    (full(join, box=full(BOX, key_hash="")), "NodeNameTaken"),
    (full(join, box=full(BOX, site="south")), "NodeNameTaken"),
    (full(join, box=full(BOX, site="")), "NodeNameTaken"),
    (full(join, box=full(BOX, site=""), token=full(TOKEN, node="box-1", replace=True)), "NodeNameTaken"),
    (full(join, box=other_pin, token=full(TOKEN, replace=True)), "NodeNameTaken"),
    (full(join, boxes=2), "SiteFull"),
    (full(join, site=_LONELY), "MachineNotListed"),
    (full(_with(join, machine="m-2"), site=_LONELY), "MachineNotListed"),
    (_with(renewal, pem=request(common_names=("system:node:box-2",))), "RequesterMismatch"),
    (full(renewal, box=None), "NodeUnknown"),
    (full(renewal, site=None), "SiteNotFound"),
    (full(recovery, box=other_pin), "KeyMismatch"),
    (full(recovery, box=None), "NodeUnknown"),
    (full(recovery, box=full(BOX, site="south")), "NodeNameTaken"),
    (_with(serving, **{**AS_SERVER, "usages": ("digital signature", "client auth")}), "UsagesInvalid"),
    (_with(serving, **{**AS_SERVER, "pem": PLAIN}), "NamesMissing"),
    (_with(serving, **{**AS_SERVER, "pem": request(alternatives=(x509.DNSName("hub"),))}), "NamesNotOwn"),
    (full(serving, box=full(BOX, addresses=("10.0.0.6",))), "NamesNotOwn"),
    (full(serving, hub_addresses=("10.0.0.5",)), "NamesNotOwn"),
    (
        full(
            _with(serving, **{**AS_SERVER, "pem": request(alternatives=(x509.DNSName("kubernetes.default.svc"),))}),
            box=full(BOX, addresses=("kubernetes.default.svc",)),
        ),
        "NamesNotOwn",
    ),
    (full(_serving_address("::ffff:a60:1"), hub_addresses=("10.96.0.1",)), "NamesNotOwn"),
    (full(_serving_address("::ffff:10.96.0.1"), hub_addresses=("::ffff:10.96.0.1",)), "NamesNotOwn"),
    (full(_serving_address("fd00:0:0::1"), hub_addresses=("None", "fd00::1")), "NamesNotOwn"),
    (full(serving, box=full(BOX, name="box-2")), "RequesterMismatch"),
    (full(serving, box=None), "RequesterMismatch"),
    (_with(serving, **{**AS_SERVER, "username": "system:bootstrap:abcdef"}), "RequesterMismatch"),
    (_with(serving, **{**AS_SERVER, "seconds": 9999}), "LifetimeTooLong"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "reason"), REFUSED, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(REFUSED)]
)
def test_refused(case: approval.Case, reason: str) -> None:
    """One field is wrong, and the refusal says which."""
    verdict = approval.decide(case)
    assert (verdict.approved, verdict.reason) == (False, reason), verdict.message


HUB_NAMES = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]


@pytest.mark.parametrize("name", HUB_NAMES)
def test_no_box_has_the_name_of_the_hub(name: str) -> None:
    """Not by joining under it, nor, where a Node has it already, by asking for a serving certificate."""
    common = (f"system:node:{name}",)
    assert approval.decide(_with(join, pem=request(common))).reason == "NameReserved"
    box = full(BOX, name=name)
    pem = request(common, alternatives=(x509.DNSName(name),))
    asked = _with(serving, **{**AS_SERVER, "pem": pem, "username": common[0]})
    assert approval.decide(full(asked, box=box, requester=box)).reason == "NameReserved"


def test_a_name_that_only_resembles_the_hubs_may_join() -> None:
    for name in ("kubernetes-1", "kubernetes.default.svc2", "a.kubernetes.default.svc"):
        assert approval.decide(_with(join, pem=request((f"system:node:{name}",)))).approved


def test_a_whole_network_is_no_address() -> None:
    pem = request(alternatives=(x509.IPAddress(ipaddress.ip_network("10.0.0.0/24")),))
    asked = full(_with(serving, **{**AS_SERVER, "pem": pem}), box=full(BOX, addresses=("10.0.0.0/24", "10.0.0.5")))
    assert not approval.decide(asked).approved


def test_an_address_may_be_written_in_another_form() -> None:
    """Node and request need not spell it alike."""
    mapped = full(_serving_address("::ffff:10.0.0.5"), box=BOX)
    assert approval.decide(mapped).approved


def test_a_listed_machine_joins() -> None:
    assert approval.decide(full(_with(join, machine="m-1"), site=_LONELY)).approved


@pytest.mark.parametrize(
    "case",
    [
        _with(join, groups=("system:bootstrappers:kubeadm:default-node-token",)),
        _with(join, username="system:admin", groups=("system:masters",)),
        _with(join, username="eve", groups=("system:bootstrappers:suanli:north",)),
        _with(renewal, username="system:node:box-1", groups=("system:authenticated",)),
        full(renewal, requester=None),
        full(renewal, requester=full(BOX, site="")),
        _with(join, signer="kubernetes.io/kube-apiserver-client"),
        _with(join, signer="kubernetes.io/legacy-unknown"),
    ],
)
def test_what_is_not_ours_is_left_alone(case: approval.Case) -> None:
    """Other kubelets and other signers have other approvers."""
    requester = case.requester if approval.requesting_node(case.csr) else None
    assert not approval.is_ours(full(case, requester=requester))


def test_a_token_says_its_site_by_its_group_alone() -> None:
    """Whoever edits the Secret's label later does not move the token to another site."""
    secret = core_v1.Secret(
        metadata=meta.ObjectMeta(
            labels={names.TOKEN_SITE_LABEL: "south"}, annotations={names.TOKEN_NODE_ANNOTATION: "box-1"}
        )
    )
    assert approval.token_of(csr(), secret) == full(TOKEN, node="box-1")
    recovering = csr(groups=("system:bootstrappers:suanli:north:recovery",))
    assert approval.token_of(recovering, core_v1.Secret()) == RECOVERY


def test_a_token_of_two_sites_is_none() -> None:
    both = csr(groups=("system:bootstrappers:suanli:north", "system:bootstrappers:suanli:south"))
    assert approval.token_of(both, core_v1.Secret()) is None


def test_a_request_signed_by_another_key_is_refused() -> None:
    """Who cannot prove the key could pin a name to a key of someone else."""
    der = bytearray(x509.load_pem_x509_csr(base64.b64decode(PLAIN)).public_bytes(serialization.Encoding.DER))
    der[-3] ^= 1
    pem = "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n"
    forged = pem.format(base64.b64encode(der).decode()).encode()
    verdict = approval.decide(_with(join, pem=base64.b64encode(forged).decode()))
    assert verdict.reason == "RequestMalformed"
    assert "signed" in verdict.message


_names = st.sampled_from(["system:node:box-1", "system:node:box-2", "system:admin", "box-1", ""])
_groups = st.lists(st.sampled_from(["system:nodes", "system:masters", "x"]), max_size=3)


@given(_names, _groups, st.sampled_from([BOX, other_pin, None]), st.sampled_from([TOKEN, RECOVERY, None]))
def test_nothing_but_the_nodes_own_identity_is_ever_approved(
    name: str, groups: list[str], box: approval.Box | None, token: approval.Token | None
) -> None:
    """Law: an approval is for system:node:NAME in system:nodes alone, and a pinned name keeps its key."""
    case = full(join, csr=csr(request((name,) if name else (), tuple(groups))), box=box, token=token)
    verdict = approval.decide(case)
    if verdict.approved:
        assert name.startswith("system:node:")
        assert groups == ["system:nodes"]
        assert box is None or box.key_hash == verdict.key_hash


def test_times_are_no_part_of_a_decision() -> None:
    """Whether a token has expired is for the API server, which would not have let it in."""
    old = core_v1.Secret(metadata=meta.ObjectMeta(creation_timestamp=dt.datetime(1970, 1, 1, tzinfo=dt.UTC)))
    assert approval.token_of(csr(), old) == TOKEN


# --- certificates that others approved


@pytest.mark.parametrize("turn", [1, -1])
def test_the_newest_certificate_is_the_one_to_pin(turn: int) -> None:
    """Whatever the order in which they are seen; what was not issued, and what another asked for, counts nothing."""
    waiting = msgspec.structs.replace(issued(OTHER_KEY, 9), status=core_v1.CertificateSigningRequestStatus())
    anothers = issued(OTHER_KEY, 9, username="system:node:box-2")
    seen = [issued(OTHER_KEY, 1), issued(KEY, 2), waiting, anothers][::turn]
    assert approval.newest_key(seen, "box-1") == pin(KEY)
    assert approval.newest_key(seen, "box-3") == ""


@pytest.mark.parametrize(
    ("reasons", "newest"),
    [
        ({"Approved": "RenewalApproved"}, OTHER_KEY),
        ({"Approved": "RenewalApproved", "Failed": "SignerFailed"}, KEY),
        ({"Approved": "AutoApproved"}, KEY),
        ({"Denied": "NodeNameTaken"}, KEY),
    ],
)
def test_what_we_approved_counts_before_it_is_issued(
    reasons: dict[str, str], newest: ec.EllipticCurvePrivateKey
) -> None:
    """The Node is pinned to it already, and must not be pinned back to an older one meanwhile."""
    conditions = [core_v1.StatusCondition(type=kind, reason=reason) for kind, reason in reasons.items()]
    status = core_v1.CertificateSigningRequestStatus(conditions=conditions)
    coming = msgspec.structs.replace(issued(OTHER_KEY, 9), status=status)
    assert approval.newest_key([issued(KEY, 1), coming], "box-1") == pin(newest)


def test_what_we_approved_ourselves_is_not_followed() -> None:
    assert approval.approved_by_others(issued(KEY, 1))
    assert not approval.approved_by_others(issued(KEY, 1, "RenewalApproved"))
    assert not approval.approved_by_others(issued(KEY, 1, username="someone", groups=()))


@pytest.mark.parametrize("case", [join, renewal], ids=["join", "renewal"])
def test_our_own_approvals_are_known_by_their_reason(case: approval.Case) -> None:
    verdict = approval.decide(case)
    assert verdict.approved
    assert not approval.approved_by_others(issued(KEY, 1, verdict.reason))
