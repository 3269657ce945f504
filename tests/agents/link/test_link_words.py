"""What the link decides without a network: times, requests, Node and Lease, clocks, waits, words."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_agent.cli import status as status_words
from suanli_agent.cli import words
from suanli_agent.hardware import capacity, report, root, usage
from suanli_agent.link import (
    access,
    backoff,
    clock,
    csr,
    dial,
    endpoints,
    errors,
    events,
    identity,
    join,
    node,
    pki,
    server,
)
from suanli_agent.pods import ports

CERTIFICATE = pki.Certificate(not_before=1000.0, not_after=2000.0, name="system:node:box", key_hash="abc")


# --- identity


@given(st.text(min_size=1, max_size=52))
def test_renewal_falls_between_70_and_90_percent_of_the_lifetime(key: str) -> None:
    assert 1700 <= identity.renew_at(dataclasses.replace(CERTIFICATE, key_hash=key)) <= 1900


def test_renewals_of_boxes_are_spread() -> None:
    """A city's boxes, joined on one day, must not renew in one minute."""
    moments = [identity.renew_at(dataclasses.replace(CERTIFICATE, key_hash=f"key-{n}")) for n in range(1000)]
    assert max(sum(lower <= m < lower + 20 for m in moments) for lower in range(1700, 1900, 20)) < 200


def test_a_clock_before_its_own_certificate_is_wrong() -> None:
    assert identity.clock_is_wrong(CERTIFICATE, 999.0)
    assert not identity.clock_is_wrong(CERTIFICATE, 5000.0)
    assert not identity.clock_is_wrong(None, 0.0)


def test_a_certificate_names_its_node() -> None:
    assert CERTIFICATE.node == "box"
    assert dataclasses.replace(CERTIFICATE, name="admin").node == ""


# --- certificate requests


def test_a_refusal_is_raised_with_its_reason() -> None:
    refused = {"status": {"conditions": [{"type": "Denied", "reason": "SiteFull", "message": "no room"}]}}
    with pytest.raises(csr.DeniedError, match="SiteFull: no room"):
        csr.outcome(refused)


def test_an_undecided_request_gives_nothing() -> None:
    assert csr.outcome({"status": {"conditions": [{"type": "Approved"}]}}) is None


ORDER = join.Order("https://hub:6443", "abcdef.0123456789abcdef", "box-1", "sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("field", "value", "option"),
    [
        ("token", "abc", "--token"),
        ("ca_hash", "sha256:12", "--ca-hash"),
        ("ca_hash", "", "--ca-hash"),
        ("node", "Box_1", "--node-name"),
        ("node", "x" * 64, "--node-name"),
        ("hub", "http://hub", "--hub"),
        ("hub", "https://", "--hub"),
        ("proxy", "socks5://x", "--proxy"),
    ],
)
def test_a_wrong_option_is_named(field: str, value: str, option: str) -> None:
    with pytest.raises(errors.JoinError, match=option):
        dataclasses.replace(ORDER, **{field: value}).check()  # type: ignore[arg-type]


def test_a_token_is_never_printed() -> None:
    assert "0123456789abcdef" not in repr(ORDER)


# --- addresses


@pytest.mark.parametrize(
    ("text", "authority", "host"),
    [
        ("https://hub", "hub:443", "hub"),
        ("https://10.0.0.1:6443/", "10.0.0.1:6443", "10.0.0.1"),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", "fd00::1"),
    ],
)
def test_urls_know_ipv6(text: str, authority: str, host: str) -> None:
    url = dial.Url.parse(text)
    assert (url.authority, url.host) == (authority, host)


@pytest.mark.parametrize(
    ("no_proxy", "proxy"),
    [("", "http://p"), ("hub.city", ""), (".city", ""), ("other, city", ""), ("*", ""), ("ub.city", "http://p")],
)
def test_no_proxy_names_hosts_and_domains(no_proxy: str, proxy: str) -> None:
    environment = {"HTTPS_PROXY": "http://p", "NO_PROXY": no_proxy}
    assert dial.proxy_from_environment(dial.Url.parse("https://hub.city"), environment) == proxy


# --- clock and waits


def test_a_clock_that_is_off_is_corrected_by_the_hubs() -> None:
    ours = clock.HubClock(local=lambda: 100.0)
    assert ours.synced is None
    assert ours.now() == 100.0
    ours.observe("Thu, 01 Jan 2026 00:00:00 GMT")
    assert ours.synced is False
    assert clock.rfc3339(ours.now()) == "2026-01-01T00:00:00Z"


def test_a_small_difference_is_no_difference() -> None:
    """HTTP's Date has whole seconds: correcting by it would only make the clock worse."""
    ours = clock.HubClock(local=lambda: 1767225602.0)
    ours.observe("Thu, 01 Jan 2026 00:00:00 GMT")
    assert ours.synced is True
    assert ours.now() == 1767225602.0


def test_a_date_that_is_none_changes_nothing() -> None:
    ours = clock.HubClock(local=lambda: 100.0)
    ours.observe("yesterday")
    assert ours.offset is None


@given(st.floats(min_value=0, max_value=4e9))
def test_times_are_read_as_they_are_written(seconds: float) -> None:
    assert abs(clock.parse(clock.rfc3339(seconds, micro=True)) - seconds) < 1e-3


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=20))
def test_waits_grow_to_the_cap_and_no_further(draws: list[float]) -> None:
    remaining = iter(draws)
    waits = backoff.Backoff(first=1, cap=60, draw=lambda: next(remaining))
    for number, _ in enumerate(draws):
        whole = min(2.0**number, 60)
        assert whole / 2 <= waits.failed() <= whole


def test_the_hubs_own_wish_counts() -> None:
    assert backoff.Backoff(first=1, cap=60).failed(at_least=30) == 30


# --- errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, errors.UnauthorizedError),
        (403, ports.ForbiddenError),
        (404, ports.NotFoundError),
        (409, ports.ConflictError),
        (410, errors.GoneError),
        (422, ports.RejectedError),
        (429, errors.ThrottledError),
        (500, ports.UnavailableError),
        (503, errors.ThrottledError),
        (504, ports.UnavailableError),
    ],
)
def test_statuses_have_their_errors(code: int, kind: type[Exception]) -> None:
    found = errors.of_status(code, b'{"message": "why"}', {"retry-after": "7"})
    assert type(found) is kind
    assert "why" in str(found)
    assert getattr(found, "retry_after", 7) == 7


def test_what_says_nothing_of_an_object_is_unavailable() -> None:
    """pods/ must not take an expired certificate or a busy hub for a pod that is gone."""
    for code in (401, 429, 500, 502, 503):
        assert isinstance(errors.of_status(code, b"", {}), ports.UnavailableError)


# --- Node


def reading(**changed: Any) -> node.Reading:
    sample = usage.Sample(
        monotonic=0.0,
        cpu_busy_ticks=0,
        cpu_total_ticks=0,
        memory_bytes=8 << 30,
        memory_available_bytes=4 << 30,
        disk_total_bytes=100 << 30,
        disk_available_bytes=50 << 30,
        inodes_available_permille=900,
        rx_bytes=1,
        tx_bytes=2,
        processes=100,
        processes_limit=32768,
    )
    base = node.Reading(
        hardware=report.collect("/"),
        sample=dataclasses.replace(sample, **{k: v for k, v in changed.items() if hasattr(sample, k)}),
        reserve=capacity.Others(),
        engine=ports.EngineStatus(ready=True, network_ready=True, version="containerd://1.6.20"),
        addresses=("10.0.0.5",),
        clock_offset=0.0,
        clock_synced=True,
        max_pods=110,
        port=10250,
    )
    return dataclasses.replace(base, **{k: v for k, v in changed.items() if not hasattr(sample, k)})


def states(made: list[node.Condition]) -> dict[str, str]:
    return {each["type"]: each["status"] for each in made}


def test_a_healthy_box_is_ready() -> None:
    assert states(node.conditions(reading(), [], 0.0)) == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "ClockSynced": "True",
        "EngineReady": "True",
        "Ready": "True",
    }


@pytest.mark.parametrize(
    ("changed", "kind", "status"),
    [
        ({"memory_available_bytes": 50 << 20}, "MemoryPressure", "True"),
        ({"disk_available_bytes": 5 << 30}, "DiskPressure", "True"),
        ({"inodes_available_permille": 10}, "DiskPressure", "True"),
        ({"processes": 31000}, "PIDPressure", "True"),
        ({"clock_offset": 1e9, "clock_synced": False}, "ClockSynced", "False"),
        ({"clock_offset": None, "clock_synced": None}, "ClockSynced", "Unknown"),
        ({"engine": ports.EngineStatus(False, False, "", "gone")}, "EngineReady", "False"),
        ({"engine": ports.EngineStatus(False, False, "", "gone")}, "Ready", "False"),
        ({"engine": ports.EngineStatus(True, False, "x", "no network")}, "Ready", "False"),
    ],
)
def test_each_trouble_has_its_condition(changed: dict[str, Any], kind: str, status: str) -> None:
    assert states(node.conditions(reading(**changed), [], 0.0))[kind] == status


def test_pressure_does_not_flutter() -> None:
    """Between the two limits it stays what it was."""
    between = reading(memory_available_bytes=150 << 20)
    pressed = node.conditions(reading(memory_available_bytes=50 << 20), [], 0.0)
    assert states(node.conditions(between, [], 0.0))["MemoryPressure"] == "False"
    assert states(node.conditions(between, pressed, 0.0))["MemoryPressure"] == "True"


def test_a_transition_time_moves_only_with_the_status() -> None:
    first = node.conditions(reading(), [], 0.0)
    later = node.conditions(reading(memory_available_bytes=1), first, 60.0)
    moved = {each["type"] for each in later if each["lastTransitionTime"] != "1970-01-01T00:00:00Z"}
    assert moved == {"MemoryPressure"}


def test_heartbeats_alone_are_nothing_new() -> None:
    first = node.status(reading(), "box", [], 0.0)
    second = node.status(reading(), "box", first["conditions"], 60.0)
    assert not node.differs(second, first)
    assert node.differs(node.status(reading(addresses=("10.0.0.6",)), "box", [], 0.0), first)


def test_a_fact_that_is_known_no_longer_goes() -> None:
    """A card was pulled out: its label must not stay, labels of others must."""
    present = {"labels": {"suanli.io/accelerator-model": "ascend910b", "team": "x"}, "annotations": {}}
    change = node.metadata(reading().hardware, "box", None, present)
    assert change["labels"]["suanli.io/accelerator-model"] is None
    assert "team" not in change["labels"]


def test_nothing_is_written_when_all_is_said() -> None:
    hardware = reading().hardware
    said = {"labels": {**report.labels(hardware), "kubernetes.io/hostname": "box"}, "annotations": {}}
    assert node.metadata(hardware, "box", None, said) == {}


def test_the_lease_belongs_to_the_node_and_carries_usage() -> None:
    made = node.lease("box", "uid-1", 1.5, node.used(reading().sample, 250))
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert made["spec"]["renewTime"] == "1970-01-01T00:00:01.500000Z"
    assert json.loads(made["metadata"]["annotations"]["suanli.io/usage"])["cpuMilli"] == 250


# --- access


@pytest.mark.parametrize(
    ("method", "path", "verb", "subresources"),
    [
        ("GET", "/containerLogs/ns/pod/c", "get", ["proxy"]),
        ("GET", "/metrics", "get", ["metrics"]),
        ("GET", "/healthz", "get", ["healthz", "proxy"]),
        ("POST", "/exec/ns/pod/c", "create", ["proxy"]),
        ("GET", "/exec/ns/pod/c", "create", ["proxy"]),
        ("GET", "/attach/ns/pod/c", "create", ["proxy"]),
        ("GET", "/portForward/ns/pod", "create", ["proxy"]),
        ("BREW", "/x", "", ["proxy"]),
    ],
)
def test_endpoints_need_kubelets_rights(method: str, path: str, verb: str, subresources: list[str]) -> None:
    """Running something is `create` whatever the method: the right to read is no right to act."""
    assert access.wanted(method, path) == (verb, subresources)


def asked(target: str) -> server.Request:
    from urllib import parse  # noqa: PLC0415

    split = parse.urlsplit(target)
    return server.Request("GET", split.path, parse.parse_qs(split.query), [], b"", None, target)


def test_log_options_are_read_as_kubelet_reads_them() -> None:
    query = "follow=true&timestamps=true&tailLines=10&limitBytes=100&sinceSeconds=60"
    assert endpoints.log_options(asked(f"/containerLogs/a/b/c?{query}"), now=100.0) == ports.LogOptions(
        follow=True, timestamps=True, since=40.0, tail_lines=10, limit_bytes=100
    )


def test_a_log_option_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="tailLines='ten'"):
        endpoints.log_options(asked("/containerLogs/a/b/c?tailLines=ten"), now=0.0)


def test_a_terminal_has_no_stderr() -> None:
    options = endpoints.exec_options(asked("/exec/a/b/c?input=1&output=1&error=1&tty=1"))
    assert options == ports.ExecOptions(stdin=True, stdout=True, stderr=False, tty=True)


def test_a_certificate_speaks_for_its_holder() -> None:
    class Tls:
        def getpeercert(self) -> dict[str, Any]:
            return {"subject": ((("organizationName", "system:masters"),), (("commonName", "admin"),))}

    assert access.of_certificate(Tls()) == access.User("admin", ("system:masters", "system:authenticated"))
    assert access.of_certificate(None) is None


def test_an_event_is_written_as_kubelet_writes_it() -> None:
    note = ports.EventNote("ns", "pod", "uid", "Warning", "BackOff", "again", "spec.containers{c}")
    made = events.as_object(note, "box", 0.0)
    assert made["involvedObject"]["fieldPath"] == "spec.containers{c}"
    assert made["source"] == {"component": "suanli-agent", "host": "box"}


# --- words


def test_every_text_is_there_in_both_languages() -> None:
    for english, chinese in words.TEXTS.values():
        assert english
        assert chinese
        assert english.count("{") == chinese.count("{")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": "C"}, "en"),
        ({"SUANLI_LANG": "zh"}, "zh"),
    ],
)
def test_the_locale_picks_the_language(environment: dict[str, str], language: str) -> None:
    assert words.language(environment) == language


@pytest.mark.parametrize(
    ("said", "expires", "text"),
    [
        ("valid", 90000.0, "valid for 1 d 1 h more"),
        ("valid", -60.0, "expired 1 min ago"),
        ("expired: no route", -60.0, "last attempt: no route"),
        ("refused", 100.0, "refused by the hub"),
        ("lost", None, "lost"),
    ],
)
def test_the_identity_is_told_in_words(
    said: str, expires: float, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUANLI_LANG", "en")
    assert text in status_words.identity(said, expires, 0.0)


def test_root_reads_nothing_beyond_itself(tmp_path: Any) -> None:
    """A link in a fixture or an image must not lead to the machine's own files."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("/usr/lib/os-release")
    assert root.Root(str(tmp_path)).read("/etc/os-release") == ""
