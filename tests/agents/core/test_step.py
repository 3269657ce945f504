"""What is done about a pod: state and observation in, actions out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pod_makers import NOW, fresh, make_pod, record, sandbox, seen

from suanli_agent.core import backoff, life, step

INIT: dict[str, Any] = {"initContainers": [{"name": "i1", "image": "img"}, {"name": "i2", "image": "img"}]}
SIDECAR: dict[str, Any] = {"initContainers": [{"name": "side", "image": "img", "restartPolicy": "Always"}]}
DELETED: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}


def actions(observation: life.Observation, state: life.PodState | None = None) -> list[step.Action]:
    return step.step(state or fresh(), observation, NOW)[1]


def test_first_of_all_a_sandbox() -> None:
    assert actions(seen(sandboxes=())) == [step.StartSandbox(0)]


def test_dead_sandbox_is_replaced_by_the_next_attempt() -> None:
    assert actions(seen(sandboxes=(sandbox(ready=False, attempt=2),))) == [step.StartSandbox(3)]


def test_containers_of_a_dead_sandbox_are_stopped_before_the_next_one() -> None:
    [kill] = actions(seen(None, record(), sandboxes=(sandbox(ready=False),)))
    assert isinstance(kill, step.Kill)
    assert not kill.hook


def test_failed_sandbox_waits_for_its_next_try() -> None:
    assert actions(seen(sandboxes=(), sandbox_retry_at=NOW + 4)) == [step.WakeAt(NOW + 4)]


def test_a_container_that_waits_for_its_image_holds_neither_the_others_nor_a_new_sandbox() -> None:
    pod = make_pod({"name": "a", "image": "img"}, {"name": "b", "image": "img"})
    waits: dict[str, Any] = {"retry_at": {"a": NOW + 300}, "waiting": {"a": life.Waiting("ImagePullBackOff", "")}}
    assert actions(seen(pod, **waits)) == [step.WakeAt(NOW + 300), step.StartContainers(("b",))]
    failed = waits | {"waiting": waits["waiting"] | {"b": life.Waiting("CreateContainerError", "")}}
    assert step.StartContainers(("b",)) in actions(seen(pod, record("b", "CREATED"), **failed))
    assert actions(seen(pod, sandboxes=(sandbox(ready=False),), **waits)) == [step.StartSandbox(1)]


def test_all_normal_containers_start_at_once_in_order() -> None:
    pod = make_pod({"name": "a", "image": "img"}, {"name": "b", "image": "img"})
    assert actions(seen(pod)) == [step.StartContainers(("a", "b"))]


def test_nothing_is_done_twice() -> None:
    assert actions(seen(busy=frozenset({"c", "start"}))) == []
    assert actions(seen(sandboxes=(), busy=frozenset({"sandbox"}))) == []


def test_running_pod_needs_nothing() -> None:
    assert actions(seen(None, record())) == []


def test_init_containers_start_one_by_one() -> None:
    pod = make_pod(**INIT)
    assert actions(seen(pod)) == [step.StartContainers(("i1",))]
    assert actions(seen(pod, record("i1"))) == []
    assert actions(seen(pod, record("i1", "EXITED"))) == [step.StartContainers(("i2",))]
    done = (record("i1", "EXITED"), record("i2", "EXITED"))
    assert actions(seen(pod, *done)) == [step.StartContainers(("c",))]


def test_init_containers_do_their_work_again_in_a_new_sandbox() -> None:
    pod = make_pod(**INIT)
    old = [record(name, "EXITED", sandbox_id="old") for name in ("i1", "i2", "c")]
    assert actions(seen(pod, *old)) == [step.StartContainers(("i1",))]


def test_sidecar_only_has_to_be_started_for_the_next_to_follow() -> None:
    pod = make_pod(**SIDECAR)
    running = record("side")
    assert actions(seen(pod, running, probes={running.id: life.ProbeView()})) == []
    assert actions(seen(pod, running)) == [step.StartContainers(("c",))]


def test_dead_sidecar_is_started_again_beside_the_others() -> None:
    pod = make_pod(**SIDECAR)
    assert actions(seen(pod, record("side", "EXITED"), record())) == [step.StartContainers(("side",))]


@pytest.mark.parametrize(
    ("policy", "code", "restarted"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_restart_policy(policy: str, code: int, restarted: bool) -> None:
    observation = seen(make_pod(restartPolicy=policy), record(state="EXITED", code=code))
    assert (step.StartContainers(("c",)) in actions(observation)) is restarted


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (1, "Failed")])
def test_pod_that_is_not_restarted_has_ended(code: int, phase: str) -> None:
    observation = seen(make_pod(restartPolicy="Never"), record(state="EXITED", code=code))
    state, done = step.step(fresh(), observation, NOW)
    assert state.verdict == life.Verdict(phase)
    assert done == [step.StopSandbox("s0")]


def test_first_restart_is_immediate_the_second_waits() -> None:
    dead = seen(None, record(state="EXITED", code=1))
    state, done = step.step(fresh(), dead, NOW)
    assert done == [step.StartContainers(("c",))]
    again = seen(None, record(state="EXITED", attempt=1, code=1, finished_at=NOW), record(state="EXITED"))
    state, done = step.step(state, again, NOW)
    assert done == [step.WakeAt(NOW + backoff.FIRST_SECONDS)]
    _, done = step.step(state, again, NOW + backoff.FIRST_SECONDS)
    assert done == [step.StartContainers(("c",))]


def test_failed_init_container_ends_a_pod_that_never_restarts() -> None:
    pod = make_pod(**INIT, restartPolicy="Never")
    state, _ = step.step(fresh(), seen(pod, record("i1", "EXITED", code=1)), NOW)
    assert state.verdict == life.Verdict("Failed")


def test_condemned_container_is_killed_with_the_probe_s_own_grace() -> None:
    running = record()
    view = life.ProbeView(started=True, failed="liveness", grace_seconds=3)
    [kill] = actions(seen(None, running, probes={running.id: view}))
    assert isinstance(kill, step.Kill)
    assert kill.stop_by == NOW + 3
    assert "liveness" in kill.message


def test_changed_image_replaces_the_container() -> None:
    [kill] = actions(seen(make_pod({"name": "c", "image": "new"}), record()))
    assert isinstance(kill, step.Kill)
    assert "definition changed" in kill.message


def test_deadline_ends_the_pod() -> None:
    state, done = step.step(fresh(), seen(make_pod(activeDeadlineSeconds=100), record()), NOW)
    assert state.verdict is not None
    assert state.verdict.reason == "DeadlineExceeded"
    assert isinstance(done[0], step.Kill)


def test_deleted_pod_is_stopped_then_taken_down_then_finished() -> None:
    pod = make_pod(meta=DELETED)
    assert isinstance(actions(seen(pod, record()))[0], step.Kill)
    assert actions(seen(pod, record(state="EXITED"))) == [step.StopSandbox("s0")]
    down = (sandbox(ready=False),)
    assert actions(seen(pod, record(state="EXITED"), sandboxes=down)) == [step.Finish()]


def test_sidecars_stop_after_the_others() -> None:
    pod = make_pod(**SIDECAR, meta=DELETED)
    first = actions(seen(pod, record("side"), record()))
    assert [a.name for a in first if isinstance(a, step.Kill)] == ["c"]
    then = actions(seen(pod, record("side"), record(state="EXITED")))
    assert [a.name for a in then if isinstance(a, step.Kill)] == ["side"]


def test_grace_counts_from_the_first_stop_and_can_only_shrink() -> None:
    pod = make_pod(meta=DELETED)
    state, _ = step.step(fresh(), seen(pod, record()), NOW)
    later, _ = step.step(state, seen(pod, record()), NOW + 10)
    assert later.stop_by == NOW + 30
    pod.metadata.deletion_grace_period_seconds = 5
    shorter, _ = step.step(later, seen(pod, record()), NOW + 10)
    assert shorter.stop_by == NOW + 15


def test_ephemeral_container_is_never_started_again() -> None:
    pod = make_pod(ephemeralContainers=[{"name": "debug", "image": "img"}])
    assert actions(seen(pod, record())) == [step.StartContainers(("debug",))]
    assert actions(seen(pod, record(), record("debug", "EXITED"))) == []


def test_refused_container_is_never_started() -> None:
    pod = make_pod(ephemeralContainers=[{"name": "debug", "image": "img"}])
    assert actions(seen(pod, record(), refused=frozenset({"debug"}))) == []


def test_only_two_dead_containers_of_a_name_are_kept() -> None:
    dead = [record(state="EXITED", attempt=n) for n in range(3)]
    assert step.RemoveContainer("c-0") in actions(seen(None, *dead, record(attempt=3)))


def test_empty_old_sandbox_goes() -> None:
    sandboxes = (sandbox("s1", attempt=1), sandbox("s0", ready=False))
    assert actions(seen(None, record(sandbox_id="s1"), sandboxes=sandboxes)) == [step.RemoveSandbox("s0")]


@given(
    st.lists(st.sampled_from(["CREATED", "RUNNING", "EXITED", "UNKNOWN"]), max_size=4),
    st.sampled_from(["Always", "OnFailure", "Never"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
def test_same_input_gives_the_same_actions_and_running_containers_are_never_started(
    states: list[str], policy: str, deleted: bool, ready: bool, code: int
) -> None:
    pod = make_pod(restartPolicy=policy, meta=DELETED if deleted else {})
    records = [record(state=name, attempt=n, code=code) for n, name in enumerate(states)]
    observation = seen(pod, *records, sandboxes=(sandbox(ready=ready),))
    first, second = (step.step(fresh(), observation, NOW) for _ in range(2))
    assert first == second
    started = [name for action in first[1] if isinstance(action, step.StartContainers) for name in action.names]
    if deleted or (records and records[-1].running):
        assert not started


@given(st.lists(st.sampled_from(["RUNNING", "EXITED"]), min_size=1, max_size=3), st.booleans())
def test_stopping_always_ends(states: list[str], removed: bool) -> None:
    """Carrying out what is asked leads to Finish in a few steps."""
    pod = make_pod(meta={} if removed else DELETED)
    records = [record(state=name, attempt=n) for n, name in enumerate(states)]
    observation, state = seen(pod, *records, removed=removed), fresh()
    for _ in range(6):
        state, done = step.step(state, observation, NOW)
        if step.Finish() in done:
            return
        killed = {action.container_id for action in done if isinstance(action, step.Kill)}
        stopped = {action.sandbox_id for action in done if isinstance(action, step.StopSandbox)}
        observation = dataclasses.replace(
            observation,
            containers=tuple(
                record(state="EXITED", attempt=r.attempt) if r.id in killed else r for r in observation.containers
            ),
            sandboxes=tuple(
                dataclasses.replace(s, ready=s.ready and s.id not in stopped) for s in observation.sandboxes
            ),
        )
    pytest.fail("never finished")
