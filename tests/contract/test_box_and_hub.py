"""What the agent writes is what the controller reads: names, hashes and objects that both spell on their own."""

import asyncio
import base64
import datetime as dt
import json
import pathlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_agent.hardware import capacity, report, root, usage
from suanli_agent.link import csr, identity, keys, node, pki
from suanli_agent.pods import ports
from suanli_controller.api import core_v1, meta, names, site
from suanli_controller.core import approval, enrolment, hardware, quantity

NORTH = site.EdgeSite(metadata=meta.ObjectMeta(name="north"), spec=site.EdgeSiteSpec(district="370811"))


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True))
def test_both_sides_find_the_same_recovery_token(name: str) -> None:
    assert identity.recovery_id(name) == enrolment.recovery_id(name)


def _request(folder: pathlib.Path, signer: str) -> core_v1.CertificateSigningRequest:
    serving = signer == csr.SERVING_SIGNER
    own_names, addresses = (["box-1"], ["10.0.0.5", "fd00::5"]) if serving else ([], [])
    made = keys.request(str(folder / "new.key"), "box-1", addresses, own_names)
    asked = csr.Request(made["request"], signer, 3600, machine_id="m-1").as_object()
    seen = msgspec.json.decode(json.dumps(asked), type=core_v1.CertificateSigningRequest)
    as_seen = {
        csr.CLIENT_SIGNER: ("system:bootstrap:abcdef", [enrolment.group("north")]),
        csr.SERVING_SIGNER: ("system:node:box-1", ["system:nodes"]),
    }[signer]
    return msgspec.structs.replace(
        seen, spec=msgspec.structs.replace(seen.spec, username=as_seen[0], groups=as_seen[1])
    )


def test_the_agents_client_request_is_approved(tmp_path: pathlib.Path) -> None:
    """With the key hash that the agent keeps beside its certificate."""
    asked = _request(tmp_path, csr.CLIENT_SIGNER)
    case = approval.Case(asked, approval.token_of(asked, core_v1.Secret()), NORTH)
    verdict = approval.decide(case)
    assert verdict.approved, verdict.message
    assert verdict.key_hash == keys.request(str(tmp_path / "new.key"), "box-1", [], [])["keyHash"]
    assert asked.metadata.annotations[names.MACHINE_ID_ANNOTATION] == "m-1"


def test_the_agents_serving_request_is_approved(tmp_path: pathlib.Path) -> None:
    box = approval.Box("box-1", "north", "x", ("10.0.0.5", "fd00::5"))
    case = approval.Case(_request(tmp_path, csr.SERVING_SIGNER), None, NORTH, box, box)
    verdict = approval.decide(case)
    assert verdict.approved, verdict.message


def test_a_key_stays_on_the_box_and_closed(tmp_path: pathlib.Path) -> None:
    made = _request(tmp_path, csr.CLIENT_SIGNER)
    assert (tmp_path / "new.key").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in base64.b64decode(made.spec.request)


def test_the_lifetime_refusal_is_the_one_that_the_agent_understands() -> None:
    """It asks for half after this reason, and gives up after any other."""
    too_long = core_v1.CertificateSigningRequest(
        spec=core_v1.CertificateSigningRequestSpec(expiration_seconds=10**9)
    )
    refusal = approval._lifetime(approval.Case(too_long, site=NORTH), None)  # type: ignore[arg-type]
    assert refusal is not None
    client: Any = _Refusing(refusal[0])
    with pytest.raises(csr.DeniedError):
        asyncio.run(csr.obtain_within_cap(client, csr.Request("", csr.CLIENT_SIGNER, 2400), lambda _text: None))
    assert client.asked == [2400, 1200, 600]


class _Refusing:
    """Stands in for the hub: refuses every request with one reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.asked: list[int] = []

    async def request(self, method: str, _path: str, body: bytes = b"") -> bytes:
        if method == "POST":
            self.asked.append(json.loads(body)["spec"]["expirationSeconds"])
            return b'{"metadata": {"name": "x"}}'
        condition = {"type": "Denied", "reason": self.reason, "message": ""}
        return json.dumps({"status": {"conditions": [condition]}}).encode()


# --- Node


def _node() -> core_v1.Node:
    reading = node.Reading(
        hardware=report.collect("/"),
        sample=usage.read(root.Root("/"), "/"),
        reserve=capacity.Others(cpu_milli=100),
        engine=ports.EngineStatus(ready=True, network_ready=True, version="containerd://1.6.20"),
        addresses=("10.0.0.5",),
        clock_offset=0.0,
        clock_synced=True,
        max_pods=110,
        port=10250,
    )
    status = node.status(reading, "box-1", [], 0.0)
    status["addresses"] = status["addresses"][1:]  # the first entry is a patch's directive
    written = node.metadata(reading.hardware, "box-1", 1893456000.0, {})
    made = enrolment.new_node(NORTH, "box-1", "abc")
    made["metadata"]["labels"].update(written["labels"])
    made["metadata"]["annotations"] = written["annotations"]
    return msgspec.json.decode(json.dumps({**made, "status": status}), type=core_v1.Node)


def test_the_hub_reads_the_boxs_hardware() -> None:
    """Family, system and level as labels, so that placement may rely on them."""
    found = hardware.node_facts(_node(), "EdgeSite/north", ())
    own = report.collect("/")
    assert own.cpu is not None
    assert own.system is not None
    assert (found.placeable.architecture, found.placeable.family) == (own.cpu.architecture, own.cpu.family)
    assert found.placeable.os == own.system.os.name
    assert found.placeable.page_size_kib == own.system.page_size_kib
    assert found.ready
    assert found.allocatable["cpu"] == own.cpu.count * 1000 - 100


def test_the_hub_reads_every_quantity_of_a_box() -> None:
    status = _node().status
    for name, amount in [*status.capacity.items(), *status.allocatable.items()]:
        assert quantity.parse(str(amount)) >= 0, name


def test_the_hub_reads_when_the_certificate_ends() -> None:
    assert enrolment.expires(_node()) == dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def test_a_box_that_asks_to_leave_is_heard() -> None:
    asking = core_v1.Node(metadata=meta.ObjectMeta(annotations={node.LEAVE_ANNOTATION: "true"}))
    assert enrolment.wants_to_leave(asking)


def test_names_are_spelled_alike() -> None:
    assert identity.SITE_LABEL == names.SITE_LABEL
    assert node.USAGE_ANNOTATION == names.USAGE_ANNOTATION
    assert csr.MACHINE_ID_ANNOTATION == names.MACHINE_ID_ANNOTATION
    assert csr.CLIENT_SIGNER == approval.CLIENT_SIGNER
    assert csr.SERVING_SIGNER == approval.SERVING_SIGNER


def test_the_hub_asks_no_site_of_a_box_that_it_did_not_grant() -> None:
    """Labels that the agent writes never lie under the prefix that NodeRestriction keeps for the hub."""
    assert not [label for label in report.labels(report.collect("/")) if label.startswith(names.GRANTED_PREFIX)]


def test_certificates_are_described_alike(tmp_path: pathlib.Path) -> None:
    """The hash on disk is the one in the Node's label."""
    private = keys._load_or_create(tmp_path / "a.key")
    assert keys._key_hash(private.public_key()) == approval.key_hash(keys._public_der(private.public_key()))
    assert pki.Certificate(0, 1, "system:node:box-1", "x").node == "box-1"
