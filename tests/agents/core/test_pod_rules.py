"""Smaller rules of a pod: resources, security, volumes' files, probes, back-off, images, refusals."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pod_makers import make_pod

from suanli_agent.core import (
    backoff,
    env,
    fields,
    imaging,
    objects,
    observed,
    payload,
    probing,
    quantity,
    resources,
    security,
    storage,
    support,
)

# --- quantities and resources


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1k", 1000),
        ("1Ki", 1024),
        ("0.5", 1),
        ("1500m", 2),
        ("1e3", 1000),
        ("2E", 2 * 10**18),
        ("100u", 1),
    ],
)
def test_quantity_rounds_up(text: str, value: int) -> None:
    assert quantity.rounded_up(text) == value


@pytest.mark.parametrize("text", ["", "x", "1Kb", "--1"])
def test_what_is_no_quantity_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity.parse(text)


@given(st.integers(0, 10**9))
def test_milli_is_exact(number: int) -> None:
    assert quantity.milli(f"{number}m") == number


def limited(**wants: Any) -> objects.Pod:
    return make_pod({"name": "c", "image": "img", "resources": wants})


@pytest.mark.parametrize(
    ("wants", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_qos_class(wants: Any, qos: str) -> None:
    assert resources.qos_class(limited(**wants).spec) == qos


def test_cgroup_values_by_kubelet_s_formulas() -> None:
    spec = limited(limits={"cpu": "500m", "memory": "64Mi"}, requests={"cpu": "250m", "memory": "32Mi"}).spec
    got = resources.linux_resources(spec, spec.containers[0], 2**30)
    assert (got.cpu_shares, got.cpu_quota, got.cpu_period, got.memory_limit) == (256, 50_000, 100_000, 64 * 2**20)
    assert got.oom_score_adj == 1000 - 1000 * 32 // 1024


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_burstable_oom_score_stays_between_the_other_classes(request: int, capacity: int) -> None:
    spec = limited(requests={"memory": str(request)}).spec
    assert 3 <= resources.oom_score_adj(spec, spec.containers[0], capacity) <= 999


# --- security


def effective(
    pod: dict[str, Any], own: dict[str, Any], image: tuple[int | None, str] = (None, "")
) -> security.Effective:
    spec = make_pod({"name": "c", "image": "img", "securityContext": own}, securityContext=pod).spec
    return security.effective(spec, spec.containers[0], image)


def test_container_s_own_user_wins_over_pod_and_image() -> None:
    assert effective({"runAsUser": 1}, {"runAsUser": 2}, (3, "")).user == 2
    assert effective({"runAsUser": 1}, {}, (3, "")).user == 1
    assert effective({}, {}, (3, "")).user == 3


@pytest.mark.parametrize("image", [(None, ""), (0, ""), (None, "app")])
def test_non_root_must_be_certain(image: tuple[int | None, str]) -> None:
    with pytest.raises(ValueError, match="runAsUser"):
        effective({"runAsNonRoot": True}, {}, image)


def test_privileged_container_is_unconfined_and_sees_all_of_proc() -> None:
    got = effective({"seccompProfile": {"type": "RuntimeDefault"}}, {"privileged": True})
    assert got.seccomp.type == "Unconfined"
    assert not got.masked


def test_fs_group_is_one_of_the_groups() -> None:
    assert effective({"fsGroup": 9, "supplementalGroups": [5, 9]}, {}).groups == (5, 9)


# --- refusals


def refused(box: support.Box = support.Box(), **spec: Any) -> support.Refusal | None:  # noqa: B008 - it is frozen
    raw = json.dumps({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], **spec}}).encode()
    return support.refusal(raw, objects.decode_pod(raw), box)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"volumes": [{"name": "v", "nfs": {"path": "/"}}]}, "spec.volumes[0].nfs"),
        ({"hostUsers": False}, "spec.hostUsers"),
        ({"containers": [{"name": "c", "volumeDevices": [{"name": "d"}]}]}, "spec.containers[0].volumeDevices"),
        ({"resourceClaims": [{"name": "gpu"}]}, "spec.resourceClaims"),
        ({"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages"}}]}, "spec.volumes[0].emptyDir.medium"),
        (
            {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}},
            "spec.securityContext.appArmorProfile",
        ),
        ({"securityContext": {"supplementalGroupsPolicy": "Strict"}}, "supplementalGroupsPolicy"),
        (
            {"containers": [{"name": "c", "lifecycle": {"preStop": {"tcpSocket": {"port": 1}}}}]},
            "spec.containers[0].lifecycle.preStop.tcpSocket",
        ),
        (
            {"containers": [{"name": "c", "lifecycle": {"postStart": {"tcpSocket": {"port": 1}}}}]},
            "spec.containers[0].lifecycle.postStart.tcpSocket",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(spec: Any, field: str) -> None:
    no = refused(**spec)
    assert no is not None
    assert no.reason == "UnsupportedPodSpec"
    assert field in no.message


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"tolerations": [{"key": "a"}], "affinity": {"nodeAffinity": {}}, "nodeSelector": {"a": "b"}},
        {"futureField": "", "another": None, "flag": False},
        {"os": {"name": "linux"}},
        {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}},
        {"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]}},
    ],
)
def test_what_schedulers_read_or_is_empty_is_no_reason(spec: Any) -> None:
    assert refused(**spec) is None


def test_an_agent_in_a_container_refuses_a_sub_path_of_the_host_alone() -> None:
    """It sees the box's files at another place, which it can only read: a bind of them would be read-only too."""
    contained = support.Box(contained=True)
    on_host: dict[str, Any] = {"volumes": [{"name": "v", "hostPath": {"path": "/a"}}]}
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/w", "subPath": "x"}]
    spec: dict[str, Any] = {"containers": [{"name": "c", "volumeMounts": mounts}]}
    no = refused(contained, **on_host, **spec)
    assert no is not None
    assert "spec.containers[0].volumeMounts[1].subPath" in no.message
    assert refused(**on_host, **spec) is None
    assert refused(contained, volumes=[{"name": "v", "emptyDir": {}}], **spec) is None


def test_an_ephemeral_container_is_refused_alone_and_by_name() -> None:
    """It comes to a pod that runs: that goes on, also when the agent starts anew."""
    ephemeral = [
        {"name": "fine", "targetContainerName": "c"},
        {"name": "devices", "volumeDevices": [{"name": "d"}]},
        {"name": "confined", "securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}},
    ]
    raw = json.dumps({"spec": {"containers": [{"name": "c"}], "ephemeralContainers": ephemeral}}).encode()
    found = support.refused_ephemeral(raw, objects.decode_pod(raw), support.Box())
    assert found.keys() == {"devices", "confined"}
    assert "spec.ephemeralContainers[1].volumeDevices" in found["devices"].message
    assert "spec.ephemeralContainers[2].securityContext.appArmorProfile" in found["confined"].message
    assert support.refusal(raw, objects.decode_pod(raw), support.Box()) is None


def test_other_system_and_unsafe_sysctl_have_their_own_reasons() -> None:
    assert (refused(os={"name": "windows"}) or support.Refusal("", "")).reason == "PodOSNotSupported"
    unsafe = refused(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})
    assert unsafe is not None
    assert unsafe.reason == "SysctlForbidden"


# --- volumes' files

PLACE = fields.Place("box", ("10.0.0.1",), ("10.1.1.2",), {})


def files(volume: dict[str, Any], **known: Any) -> dict[str, payload.File]:
    pod = make_pod(volumes=[{"name": "v", **volume}])
    sources = env.Sources(known.get("config_maps", {}), known.get("secrets", {}))
    tokens = dict.fromkeys(payload.token_wishes(pod.spec.volumes), "token")
    source = payload.projected(pod.spec.volumes[0])
    assert source is not None
    return payload.files(source, payload.Inputs(pod, PLACE, sources, tokens))


def test_items_choose_keys_paths_and_modes() -> None:
    conf = objects.ConfigMap(data={"a": "1", "b": "2"}, binary_data={"c": b"\0"})
    chosen = {"configMap": {"name": "m", "items": [{"key": "a", "path": "x/y", "mode": 0o400}]}}
    assert files(chosen, config_maps={"m": conf}) == {"x/y": payload.File(b"1", 0o400)}
    assert set(files({"configMap": {"name": "m"}}, config_maps={"m": conf})) == {"a", "b", "c"}


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", ""])
def test_path_may_not_leave_the_volume(path: str) -> None:
    chosen = {"configMap": {"name": "m", "items": [{"key": "a", "path": path}]}}
    with pytest.raises(ValueError, match="relative"):
        files(chosen, config_maps={"m": objects.ConfigMap(data={"a": "1"})})


def test_missing_secret_is_named_unless_optional() -> None:
    with pytest.raises(env.MissingError, match='secret "s" not found'):
        files({"secret": {"secretName": "s"}})
    assert files({"secret": {"secretName": "s", "optional": True}}) == {}


def test_names_of_everything_that_a_pod_needs() -> None:
    pod = make_pod(
        {"name": "c", "envFrom": [{"secretRef": {"name": "s1"}}]},
        volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "m1"}}]}}],
        imagePullSecrets=[{"name": "s2"}],
    )
    assert payload.names(pod.spec) == payload.Names(["m1"], ["s1", "s2"])


# --- probes and back-off


def test_verdict_needs_as_many_results_in_a_row_as_the_threshold() -> None:
    probe, count = objects.Probe(failure_threshold=2), probing.Count()
    verdicts = []
    for success in (True, False, True, False, False):
        count = probing.counted(count, success)
        verdicts.append(probing.verdict(probe, count))
    assert verdicts == [True, None, True, None, False]


def test_back_off_doubles_up_to_its_limit_and_is_forgotten_after_good_minutes() -> None:
    entry, waits, moment = None, [], 0.0
    for _ in range(7):
        entry = backoff.after_start(entry, moment, "h")
        waits.append(entry.seconds)
        moment += entry.seconds + 1
    assert waits == [10, 20, 40, 80, 160, 300, 300]
    assert backoff.until(entry, moment + 2 * backoff.LIMIT_SECONDS, "h") == moment + 2 * backoff.LIMIT_SECONDS


def test_changed_image_starts_without_a_wait() -> None:
    entry = backoff.after_start(None, 0.0, "old")
    assert backoff.until(entry, 5.0, "new") == 5.0


# --- images


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("host:5000/a", "Always"),
        ("a@sha256:1", "IfNotPresent"),
    ],
)
def test_pull_policy_without_one(image: str, policy: str) -> None:
    assert imaging.policy(objects.Container(image=image)) == policy


def test_credentials_are_only_for_their_registry() -> None:
    auth = base64.b64encode(b"me:secret").decode()
    config = {
        "auths": {"https://reg.example": {"auth": auth}, "reg.example/team": {"username": "t", "password": "p"}}
    }
    secret = objects.Secret(data={".dockerconfigjson": json.dumps(config).encode()})
    assert imaging.credentials("reg.example/team/app:1", [secret]) == [
        imaging.Credential("t", "p"),
        imaging.Credential("me", "secret"),
    ]
    assert imaging.credentials("evil.example/app", [secret]) == []
    assert imaging.credentials("app", [secret]) == []


PULLING = 'failed to pull and unpack image "reg.example/unauthorized/app:404": '
RESOLVING = PULLING + 'failed to resolve reference "reg.example/unauthorized/app:404": '


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        (RESOLVING + "pull access denied, repository does not exist or may require authorization", True),
        (RESOLVING + "authorization failed: no basic auth credentials", True),
        (RESOLVING + "unexpected status from HEAD request to https://reg.example/v2/a: 403 Forbidden", True),
        (
            RESOLVING + "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
            True,
        ),
        (RESOLVING + "reg.example/unauthorized/app:404: not found", True),
        ("reading manifest 1 in reg.example/app: unauthorized: authentication required", True),
        ("reading manifest 1 in reg.example/app: manifest unknown: manifest unknown", True),
        ("Requesting bearer token: invalid status code from registry 403 (Forbidden)", True),
        (
            RESOLVING
            + 'failed to do request: Head "https://reg.example/v2/denied": dial tcp 10.0.0.1:401: i/o timeout',
            False,
        ),
        (RESOLVING + "failed to do request: dial tcp: lookup reg.example on 10.0.0.2:53: no such host", False),
        (
            RESOLVING + 'failed to authorize: failed to fetch anonymous token: Get "https://a.example/token": EOF',
            False,
        ),
        (
            RESOLVING + "unexpected status from HEAD request to https://reg.example/v2/a: 503 Service Unavailable",
            False,
        ),
        (PULLING + "failed to copy: httpReadSeeker: failed open: connect: permission denied", False),
        (
            "pinging container registry reg.example: Get https://reg.example/v2/: net/http: TLS handshake timeout",
            False,
        ),
    ],
)
def test_what_a_registry_refused_is_told_from_one_that_did_not_answer(said: str, refused: bool) -> None:
    """By the runtimes' own words; what an image or an address is called says nothing."""
    assert imaging.refused(said) is refused


def test_collector_takes_the_longest_unused_and_never_what_is_needed() -> None:
    images = [observed.ImageRecord(str(n), (f"img{n}",), size_bytes=10) for n in range(5)]
    images.append(observed.ImageRecord("pinned", size_bytes=10, pinned=True))
    used = {"0": 50.0, "1": 10.0, "2": 30.0, "3": 20.0, "4": 99.0}
    chosen = imaging.to_remove(images, {"img1"}, used, 15, before=90.0)
    assert [image.id for image in chosen] == ["3", "2"]


# --- disk


def on_disk(limits: list[str], size: str = "") -> objects.PodSpec:
    containers = [
        {"name": f"c{number}", "image": "img", "resources": {"limits": {storage.RESOURCE: limit}} if limit else {}}
        for number, limit in enumerate(limits)
    ]
    empty = {"sizeLimit": size} if size else {}
    return make_pod(*containers, volumes=[{"name": "v", "emptyDir": empty}]).spec


def test_only_pods_with_a_limit_on_the_disk_are_measured() -> None:
    assert not storage.is_limited(on_disk([""]))
    assert storage.is_limited(on_disk(["", "1Mi"]))
    assert storage.is_limited(on_disk([""], "1Mi"))
    in_memory = make_pod(volumes=[{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}])
    assert not storage.is_limited(in_memory.spec)


@pytest.mark.parametrize(
    ("volume", "first", "second", "said"),
    [
        (4096, 1024, 2048, ""),
        (4097, 0, 0, 'EmptyDir volume "v" exceeds the limit "4Ki"'),
        (0, 1025, 0, 'Container c0 exceeded its local ephemeral storage limit "1Ki"'),
        (4096, 1024, 2049, 'Container c1 exceeded its local ephemeral storage limit "2Ki"'),
    ],
)
def test_disk_limits_are_each_their_own(volume: int, first: int, second: int, said: str) -> None:
    used = storage.Usage({"v": volume}, {"c0": first, "c1": second})
    found = storage.excess(on_disk(["1Ki", "2Ki", "4Ki"], "4Ki"), used)
    assert said in found
    assert bool(said) == bool(found)


def test_volumes_count_against_the_sum_of_the_containers_limits() -> None:
    spec = on_disk(["1Ki", "2Ki"])
    assert storage.excess(spec, storage.Usage({"v": 3072}, {})) == ""
    assert "total limit of containers 3072" in storage.excess(spec, storage.Usage({"v": 3000}, {"c0": 73}))
