"""Pods on a real containerd: what a person sees of them, and that containers get what their spec says."""

from __future__ import annotations

from pathlib import Path

import pytest

import suanli_containerd as sc
from suanli_pods import HOST_IP, Box, container, pod


def mounts() -> str:
    return Path("/proc/self/mounts").read_text()


# --- running and reporting


async def test_running_pod_is_reported_as_a_kubelet_does(box: Box) -> None:
    wanted = pod()
    told = await box.run(wanted)
    assert told["phase"] == "Running"
    assert told["qosClass"] == "BestEffort"
    assert told["podIP"].startswith("10.")
    assert told["hostIP"] == HOST_IP
    assert {c["type"]: c["status"] for c in told["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )
    [only] = told["containerStatuses"]
    assert only["ready"]
    assert only["started"]
    assert only["restartCount"] == 0
    assert only["containerID"].startswith("containerd://")
    assert {"Pulled", "Created", "Started"} <= set(box.reasons(wanted["metadata"]["uid"]))


@pytest.mark.parametrize(("script", "phase", "code"), [("exit 0", "Succeeded", 0), ("exit 3", "Failed", 3)])
async def test_restart_policy_never_ends_with_the_exit_code(box: Box, script: str, phase: str, code: int) -> None:
    told = await box.finish(pod(container(script), restartPolicy="Never"))
    assert told["phase"] == phase
    ended = told["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == code
    assert ended["reason"] == ("Completed" if code == 0 else "Error")


async def test_failing_container_is_restarted_and_then_waits(box: Box) -> None:
    """The second death in a row waits: CrashLoopBackOff, the last end kept in lastState."""
    uid = box.send(pod(container("exit 7")))
    await box.hub.until(
        lambda: box.container(uid).get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
    )
    seen = box.container(uid)
    assert seen["restartCount"] == 1
    assert seen["lastState"]["terminated"]["exitCode"] == 7
    assert "BackOff" in box.reasons(uid)


async def test_init_containers_run_one_after_the_other_before_the_others(box: Box) -> None:
    share = [{"name": "v", "mountPath": "/v"}]
    wanted = pod(
        container("cat /v/log", volumeMounts=share),
        initContainers=[
            container("echo one >> /v/log", name="i1", volumeMounts=share),
            container("echo two >> /v/log", name="i2", volumeMounts=share),
        ],
        volumes=[{"name": "v", "emptyDir": {}}],
        restartPolicy="Never",
    )
    assert await box.output(wanted) == "one\ntwo\n"


async def test_failed_init_container_fails_a_pod_that_never_restarts(box: Box) -> None:
    wanted = pod(initContainers=[container("exit 1", name="i")], restartPolicy="Never")
    told = await box.finish(wanted)
    assert told["phase"] == "Failed"
    assert told["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


async def test_sidecar_runs_beside_and_is_stopped_after_the_others(box: Box) -> None:
    sidecar = container("sleep 1000", name="side", restartPolicy="Always")
    told = await box.finish(pod(container("exit 0"), initContainers=[sidecar], restartPolicy="Never"))
    assert told["phase"] == "Succeeded"
    assert "terminated" in told["initContainerStatuses"][0]["state"]


async def test_ephemeral_container_is_added_to_a_running_pod(box: Box) -> None:
    wanted = pod()
    await box.run(wanted)
    uid = wanted["metadata"]["uid"]
    wanted["spec"]["ephemeralContainers"] = [container("sleep 1000", name="debug", targetContainerName="c")]
    box.send(wanted)
    await box.hub.until(lambda: "running" in box.container(uid, "debug").get("state", {}))
    code, seen = await box.execute(uid, "ps", name="debug")
    assert code == 0
    assert seen.count("sleep 1000") >= 2, "it shares the processes of its target"


async def test_ephemeral_container_that_cannot_be_run_is_refused_and_the_pod_goes_on(box: Box) -> None:
    wanted = pod()
    await box.run(wanted)
    uid = wanted["metadata"]["uid"]
    before = box.container(uid)["containerID"]
    wanted["spec"]["ephemeralContainers"] = [container(name="debug", volumeDevices=[{"name": "d"}])]
    box.send(wanted)
    await box.hub.until(lambda: "waiting" in box.container(uid, "debug").get("state", {}))
    await box.restart()
    await box.hub.until(lambda: box.reasons(uid).count("UnsupportedPodSpec") == 2)
    refused = box.container(uid, "debug")["state"]["waiting"]
    assert refused["reason"] == "UnsupportedPodSpec"
    assert "spec.ephemeralContainers[0].volumeDevices" in refused["message"]
    assert box.ready(uid)
    assert box.container(uid)["containerID"] == before


async def test_wrong_build_is_named(box: Box, containerd: sc.Containerd) -> None:
    """A program for another processor: exec format error."""
    foreign = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\x00\xf3\x00" + b"\0" * 44
    containerd.load("suanli.test/foreign:1", sc.Image({"app": (foreign, 0o755)}, entrypoint=("/app",)))
    wanted = pod(
        {"name": "c", "image": "suanli.test/foreign:1", "imagePullPolicy": "Never"}, restartPolicy="Never"
    )
    told = await box.finish(wanted)
    ended = told["containerStatuses"][0]["state"]["terminated"]
    assert ended["reason"] == "WrongBuild"
    assert "exec format error" in ended["message"]
    assert "WrongBuild" in box.reasons(wanted["metadata"]["uid"])


async def test_illegal_instruction_is_named_as_a_wrong_build(box: Box) -> None:
    told = await box.finish(
        pod(container("cat /dev/zero > /dev/null & kill -ILL $!; wait $!"), restartPolicy="Never")
    )
    ended = told["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 132
    assert ended["reason"] == "WrongBuild"


async def test_missing_image_is_said_and_tried_again(box: Box) -> None:
    uid = box.send(pod(container(image="suanli.test/missing:1", imagePullPolicy="Never")))
    await box.hub.until(lambda: "waiting" in box.container(uid).get("state", {}) and "Failed" in box.reasons(uid))
    await box.hub.until(lambda: box.container(uid)["state"]["waiting"]["reason"] == "ErrImageNeverPull")


async def test_image_that_cannot_be_pulled_is_waited_for_and_said_to(box: Box) -> None:
    """A port of the box itself on which nobody listens: refused at once."""
    wanted = pod(container(image="127.0.0.1:9/missing:1"), container(name="other"))
    uid = box.send(wanted)
    await box.hub.until(
        lambda: box.container(uid).get("state", {}).get("waiting", {}).get("reason") == "ImagePullBackOff"
    )
    await box.hub.until(lambda: "running" in box.container(uid, "other").get("state", {}))
    assert "BackOff" in box.reasons(uid)


async def test_unsupported_field_refuses_the_pod_by_name(box: Box) -> None:
    wanted = pod(volumes=[{"name": "v", "nfs": {"server": "a", "path": "/"}}])
    told = await box.finish(wanted)
    assert told["reason"] == "UnsupportedPodSpec"
    assert "spec.volumes[0].nfs" in told["message"]


async def test_unsafe_sysctl_is_forbidden(box: Box) -> None:
    told = await box.finish(pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}))
    assert told["reason"] == "SysctlForbidden"


async def test_active_deadline_ends_a_pod(box: Box) -> None:
    told = await box.finish(pod(activeDeadlineSeconds=2))
    assert told["phase"] == "Failed"
    assert told["reason"] == "DeadlineExceeded"


# --- network


async def test_names_of_a_pod(box: Box) -> None:
    wanted = pod(
        container("hostname; cat /etc/hosts; cat /etc/resolv.conf"),
        hostname="web",
        subdomain="site",
        hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}],
        dnsPolicy="None",
        dnsConfig={"nameservers": ["9.9.9.9"], "searches": ["x.y"], "options": [{"name": "ndots", "value": "2"}]},
        restartPolicy="Never",
    )
    text = await box.output(wanted)
    assert text.startswith("web\n# Kubernetes-managed hosts file.\n")
    assert "\tweb.site.default.svc.cluster.local\tweb\n" in text
    assert "1.2.3.4\ta\tb\n" in text
    assert "nameserver 9.9.9.9" in text
    assert "options ndots:2" in text


async def test_host_network_shares_the_box_s_interfaces(box: Box) -> None:
    told = await box.finish(pod(container("ip link show lo"), hostNetwork=True, restartPolicy="Never"))
    assert told["podIP"] == HOST_IP if "podIP" in told else told["phase"] == "Succeeded"


# --- probes and hooks


async def test_readiness_follows_its_probe(box: Box) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    uid = box.send(pod(container(readinessProbe=probe)))
    await box.hub.until(lambda: "Unhealthy" in box.reasons(uid))
    assert not box.ready(uid)
    await box.execute(uid, "touch", "/tmp/ok")
    await box.hub.until(lambda: box.ready(uid))
    await box.execute(uid, "rm", "/tmp/ok")
    await box.hub.until(lambda: not box.ready(uid))
    assert box.container(uid)["restartCount"] == 0


@pytest.mark.parametrize(
    "handler",
    [
        {"httpGet": {"port": "web", "path": "/index.html"}},
        {"tcpSocket": {"port": 8080}},
        {"exec": {"command": ["wget", "-q", "-O-", "http://127.0.0.1:8080/index.html"]}},
    ],
    ids=lambda handler: next(iter(handler)),
)
async def test_liveness_restarts_what_no_longer_answers(box: Box, handler: dict[str, object]) -> None:
    server = "mkdir /w; echo hi > /w/index.html; httpd -f -p 8080 -h /w & sleep 5; kill $!; sleep 1000"
    probe = {**handler, "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 2}
    ports = [{"name": "web", "containerPort": 8080}]
    uid = box.send(pod(container(server, ports=ports, livenessProbe=probe), terminationGracePeriodSeconds=1))
    await box.hub.until(lambda: box.container(uid).get("restartCount") == 1)
    killing = [note.message for note in box.hub.events if note.reason == "Killing"]
    assert any("failed liveness probe" in message for message in killing)


async def test_startup_probe_holds_the_others_back(box: Box) -> None:
    startup = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 100}
    liveness = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    wanted = pod(container(startupProbe=startup, livenessProbe=liveness), terminationGracePeriodSeconds=1)
    uid = box.send(wanted)
    await box.hub.until(lambda: box.reasons(uid).count("Unhealthy") >= 3)
    assert box.container(uid)["restartCount"] == 0
    assert not box.container(uid)["started"]
    await box.execute(uid, "touch", "/tmp/up")
    await box.hub.until(lambda: box.container(uid)["restartCount"] == 1)


async def test_hooks_run_after_the_start_and_before_the_stop(box: Box) -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started > /v/log"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /v/log; sleep 1"]}},
    }
    share = [{"name": "v", "mountPath": "/v"}]
    watcher = container(
        "until grep -q stopping /v/log; do sleep 0.1; done; cat /v/log", name="w", volumeMounts=share
    )
    wanted = pod(
        container(lifecycle=hooks, volumeMounts=share), watcher, volumes=[{"name": "v", "emptyDir": {}}],
        terminationGracePeriodSeconds=30,
    )  # fmt: skip
    await box.run(wanted)
    uid = wanted["metadata"]["uid"]
    box.delete(wanted, grace=30)
    await box.hub.until(lambda: "terminated" in box.container(uid, "w")["state"] and uid in box.hub.deleted)
    assert box.container(uid, "w")["state"]["terminated"]["exitCode"] == 0


@pytest.mark.parametrize(
    ("policy", "script", "message"),
    [
        ("File", "echo -n done > /dev/termination-log; exit 1", "done"),
        ("FallbackToLogsOnError", "echo it broke; exit 1", "it broke\n"),
        ("FallbackToLogsOnError", "echo fine; exit 0", None),
    ],
)
async def test_termination_message(box: Box, policy: str, script: str, message: str | None) -> None:
    wanted = pod(container(script, terminationMessagePolicy=policy), restartPolicy="Never")
    told = await box.finish(wanted)
    assert told["containerStatuses"][0]["state"]["terminated"].get("message") == message


# --- the end, and logs


async def test_deleted_pod_leaves_nothing_behind(box: Box, tmp_path: Path) -> None:
    # Ready only once it hears TERM: before that a shell that is process 1 ignores it
    up = {"exec": {"command": ["test", "-e", "/m/up"]}, "periodSeconds": 1}
    script = "trap 'exit 0' TERM; touch /m/up; sleep 1000 & wait $!"
    wanted = pod(container(script, readinessProbe=up, volumeMounts=[{"name": "m", "mountPath": "/m"}]))
    wanted["spec"]["volumes"] = [{"name": "m", "emptyDir": {"medium": "Memory"}}]
    await box.run(wanted)
    uid = wanted["metadata"]["uid"]
    box.delete(wanted)
    await box.hub.until(lambda: uid in box.hub.deleted)
    await box.hub.until(lambda: not box.manager.views())
    assert box.hub.status[uid]["phase"] == "Succeeded"
    assert not list((tmp_path / "root" / "pods").iterdir())
    assert not list((tmp_path / "log").iterdir())
    assert uid not in mounts()


async def test_shortened_grace_ends_a_pod_sooner(box: Box) -> None:
    """A second deletion with less grace overtakes the first one, a sleeping preStop hook included."""
    hook = {"preStop": {"sleep": {"seconds": 100}}}
    wanted = pod(container(lifecycle=hook), terminationGracePeriodSeconds=200)
    await box.run(wanted)
    uid = wanted["metadata"]["uid"]
    box.delete(wanted, grace=200)
    await box.hub.until(lambda: "Killing" in box.reasons(uid))
    box.delete(wanted, grace=1)
    await box.hub.until(lambda: uid in box.hub.deleted, seconds=60)


async def test_logs_by_tail_and_of_the_container_before(box: Box) -> None:
    wanted = pod(container("echo one; echo two; test -e /v/again || { touch /v/again; exit 1; }; sleep 1000"))
    wanted["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    wanted["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    uid = box.send(wanted)
    await box.hub.until(lambda: box.container(uid).get("restartCount") == 1 and box.ready(uid))
    assert await box.log(wanted, previous=True) == "one\ntwo\n"
    assert await box.log(wanted, previous=True, tail_lines=1) == "two\n"
    stamped = await box.log(wanted, previous=True, timestamps=True, tail_lines=1)
    assert stamped.endswith(" two\n")


async def test_followed_log_ends_with_the_container(box: Box) -> None:
    wanted = pod(container("for i in 1 2 3; do echo $i; sleep 0.3; done"), restartPolicy="Never")
    uid = box.send(wanted)
    await box.hub.until(lambda: {"running", "terminated"} & box.container(uid).get("state", {}).keys())
    assert await box.log(wanted, follow=True) == "1\n2\n3\n"
