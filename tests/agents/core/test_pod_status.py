"""What is said of a pod: phase, conditions and container statuses, as kubelet words them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.pod_makers import NOW, fresh, make_pod, record, sandbox, seen

from suanli_agent.core import life, objects, status, step


def told(observation: life.Observation, state: life.PodState | None = None) -> dict[str, Any]:
    return status.build(state or fresh(), observation, NOW)


def condition(said: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(entry for entry in said["conditions"] if entry["type"] == kind)


def only(said: dict[str, Any]) -> dict[str, Any]:
    return dict(said["containerStatuses"][0])


def test_new_pod_is_pending_and_creating() -> None:
    said = told(seen(sandboxes=()))
    assert said["phase"] == "Pending"
    assert only(said)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert "podIP" not in said
    assert condition(said, "Ready")["message"] == "containers with unready status: [c]"


def test_pod_with_init_containers_waits_as_initializing() -> None:
    said = told(seen(make_pod(initContainers=[{"name": "i", "image": "img"}])))
    assert only(said)["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert condition(said, "Initialized")["message"] == "containers with incomplete status: [i]"


def test_running_pod_is_ready_with_its_address() -> None:
    said = told(seen(None, record()))
    assert said["phase"] == "Running"
    assert said["podIPs"] == [{"ip": "10.1.1.2"}]
    assert condition(said, "Ready")["status"] == "True"
    assert only(said)["containerID"] == "containerd://c-0"


def test_pod_on_the_host_network_has_the_box_s_address() -> None:
    assert told(seen(make_pod(hostNetwork=True), record()))["podIP"] == "10.0.0.1"


def test_container_that_waits_for_its_restart_shows_both_states() -> None:
    state = _after_two_deaths()
    dead = record(state="EXITED", attempt=1, code=3, finished_at=NOW)
    said = only(told(seen(None, dead, record(state="EXITED", code=2)), state))
    assert said["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert said["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=c pod=p_default(u)"
    )
    assert said["lastState"]["terminated"]["exitCode"] == 3
    assert said["restartCount"] == 1


def _after_two_deaths() -> life.PodState:
    state, _ = step.step(fresh(), seen(None, record(state="EXITED", code=2)), NOW)
    return state


def test_restarted_container_keeps_its_last_end() -> None:
    said = only(told(seen(None, record(attempt=1), record(state="EXITED", code=9))))
    assert "running" in said["state"]
    assert said["lastState"]["terminated"]["exitCode"] == 9


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (1, "Error")])
def test_end_has_a_reason(code: int, reason: str) -> None:
    observation = seen(make_pod(restartPolicy="Never"), record(state="EXITED", code=code))
    said = told(observation, fresh(verdict=life.Verdict("Failed")))
    assert only(said)["state"]["terminated"]["reason"] == reason


@pytest.mark.parametrize(
    "dead",
    [record(state="EXITED", code=132), record(state="EXITED", code=1, message="exec /a: exec format error")],
)
def test_wrong_build_is_named(dead: Any) -> None:
    ended = only(told(seen(make_pod(restartPolicy="Never"), dead)))["state"]["terminated"]
    assert ended["reason"] == "WrongBuild"
    assert status.WRONG_BUILD in ended["message"]


def test_closed_readiness_gate_keeps_the_pod_unready() -> None:
    pod = make_pod(readinessGates=[{"conditionType": "example.com/gate"}])
    said = told(seen(pod, record()))
    assert condition(said, "ContainersReady")["status"] == "True"
    assert condition(said, "Ready")["reason"] == "ReadinessGatesNotReady"
    pod.status.conditions.append(objects.PodCondition(type="example.com/gate", status="True"))
    assert condition(told(seen(pod, record())), "Ready")["status"] == "True"


def test_transition_time_moves_only_with_the_status() -> None:
    before = objects.PodCondition(type="Ready", status="True", last_transition_time="2020-01-01T00:00:00Z")
    steady = condition(told(seen(None, record(), reported_conditions=(before,))), "Ready")
    assert steady["lastTransitionTime"] == "2020-01-01T00:00:00Z"
    changed = condition(told(seen(reported_conditions=(before,))), "Ready")
    assert changed["lastTransitionTime"] == status.stamp(NOW)


def test_refused_pod_says_why_and_shows_no_containers() -> None:
    verdict = life.Verdict("Failed", "PodOSNotSupported", "no", refused=True)
    said = told(seen(sandboxes=()), fresh(verdict=verdict))
    assert (said["phase"], said["reason"], said["message"]) == ("Failed", "PodOSNotSupported", "no")
    assert "containerStatuses" not in said


def test_pod_that_is_being_stopped_is_terminal_only_when_all_is_still() -> None:
    pod = make_pod(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert told(seen(pod, record()))["phase"] == "Running"
    assert told(seen(pod, record(state="EXITED"), sandboxes=(sandbox(ready=False),)))["phase"] == "Succeeded"


def test_patch_has_what_differs_and_replaces_address_lists() -> None:
    pod = make_pod()
    before = {"phase": "Running", "reason": "x", "podIPs": [{"ip": "1.1.1.1"}]}
    body = status.patch(pod, before, {"phase": "Running", "podIPs": [{"ip": "2.2.2.2"}]})
    assert body == {
        "metadata": {"uid": "u"},
        "status": {"reason": None, "podIPs": [{"$patch": "replace"}, {"ip": "2.2.2.2"}]},
    }


def test_a_condition_that_gives_no_reason_any_more_takes_the_old_one_away() -> None:
    before = told(seen())
    patched = status.patch(make_pod(), before, told(seen(None, record())))["status"]["conditions"]
    ready = next(each for each in patched if each["type"] == "Ready")
    assert "ContainersNotReady" in str(before["conditions"])
    assert (ready["status"], ready["reason"], ready["message"]) == ("True", None, None)


def test_nothing_new_is_no_patch() -> None:
    said = told(seen(None, record()))
    assert status.patch(make_pod(), said, said) == {}


def sized(cpu: str) -> objects.Pod:
    return make_pod({"name": "c", "image": "img", "resources": {"limits": {"cpu": cpu}}})


def test_a_resize_of_a_running_container_is_said_to_be_none() -> None:
    """Until the container is made anew; the same amount in other words is no resize."""
    made = record(sizes="cpu-limit:1000")
    assert not [each for each in told(seen(sized("1000m"), made))["conditions"] if each["type"] == status.RESIZE]
    said = condition(told(seen(sized("2"), made)), status.RESIZE)
    assert (said["status"], said["reason"]) == ("True", "Infeasible")
    assert said["message"].endswith(": c")


def test_a_resize_that_came_true_with_a_restart_is_taken_back() -> None:
    known = (objects.PodCondition(type=status.RESIZE, status="True"),)
    after = seen(sized("2"), record(attempt=1, sizes="cpu-limit:2000"), reported_conditions=known)
    said = condition(told(after), status.RESIZE)
    assert (said["status"], "reason" in said) == ("False", False)
