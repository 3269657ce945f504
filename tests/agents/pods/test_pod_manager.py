"""What the hub lists decides what runs, save where it lists what this agent cannot read."""

import json
from pathlib import Path
from typing import Any

import pytest

from suanli_agent import state
from suanli_agent.pods import manager, ports, settings
from suanli_agent.runtime import client
from suanli_memory_hub import MemoryHub


def pod(uid: str, version: str = "1", phase: str = "Pending", **spec: Any) -> bytes:
    meta = {"uid": uid, "name": uid, "namespace": "a", "resourceVersion": version}
    whole = {"containers": [{"name": "c", "image": "i"}], **spec}
    return json.dumps({"metadata": meta, "spec": whole, "status": {"phase": phase}}).encode()


UNREADABLE: dict[str, Any] = {"terminationGracePeriodSeconds": {"a": "newer form"}}


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
async def pods(tmp_path: Path, hub: MemoryHub) -> manager.PodManager:
    """Not started: it never asks the runtime, only takes in what should run."""
    knobs = settings.Settings(root=tmp_path, run_root=tmp_path, seccomp_root=tmp_path)
    runtime = client.Runtime(str(tmp_path / "no.sock"))
    return manager.PodManager(
        knobs, runtime, state.Store(tmp_path / "state.db"), hub, ports.NodeFacts("box", ("10.0.0.1",), {})
    )


def stopping(pods: manager.PodManager) -> set[str]:
    return {uid for uid, one in pods._workers.items() if one.stopping}


async def test_what_the_hub_lists_no_longer_is_stopped(pods: manager.PodManager) -> None:
    pods.set_desired([pod("x"), pod("y")])
    pods.set_desired([pod("x")])
    assert stopping(pods) == {"y"}


async def test_a_pod_whose_new_version_cannot_be_read_goes_on_as_it_is(pods: manager.PodManager) -> None:
    pods.set_desired([pod("x")])
    pods.set_desired([pod("x", **UNREADABLE)])
    assert stopping(pods) == set()


async def test_our_own_words_are_not_written_down_when_they_come_back(pods: manager.PodManager) -> None:
    """Each status that we send comes back as a version of the pod: a write to flash for nothing."""
    pods.set_desired([pod("x")])
    kept = pods._ctx.store.pods()
    pods.pod_changed(pod("x", "2", "Running"))
    assert pods._ctx.store.pods() == kept
    pods.pod_changed(pod("x", "3", "Running", activeDeadlineSeconds=5))
    assert pods._ctx.store.pods() == [pod("x", "3", "Running", activeDeadlineSeconds=5)]


async def test_a_pod_that_came_back_after_it_went_is_written_down(pods: manager.PodManager) -> None:
    pods.set_desired([pod("x")])
    pods._ctx.store.drop_pod("x")
    pods._forget("x")
    pods.set_desired([pod("x")])
    assert pods._ctx.store.pods() == [pod("x")]


async def test_what_only_a_pod_that_went_needed_is_kept_no_longer(pods: manager.PodManager) -> None:
    """Its Secrets above all: they would stay on disk until the hub next tells everything."""

    def needing(uid: str, *names: str) -> bytes:
        return pod(uid, volumes=[{"name": name, "secret": {"secretName": name}} for name in names])

    pods.set_desired([needing("x", "shared", "own"), needing("y", "shared")])
    for name in ("shared", "own"):
        pods._ctx.store.put_object("Secret", "a", name, b"{}")
    pods._ctx.store.drop_pod("x")
    pods._forget("x")
    assert pods._ctx.store.object_keys() == [("Secret", "a", "shared")]


async def test_the_highest_version_of_what_is_kept_is_known(pods: manager.PodManager) -> None:
    assert pods.newest_version() == 0
    pods.set_desired([pod("x", "9"), pod("y", "10")])
    assert pods.newest_version() == 10


async def test_an_end_that_was_not_told_before_a_restart_is_told_after_it(
    pods: manager.PodManager, hub: MemoryHub
) -> None:
    ended = json.dumps({"phase": "Failed", "reason": "Evicted"}).encode()
    pods._ctx.store.put_status("x", ended, sent=False)
    pods._adopted = True
    pods.set_desired([pod("x", phase="Running")])
    try:
        await hub.until(lambda: hub.status.get("x", {}).get("phase") == "Failed", 10)
    finally:
        await pods.stop()
