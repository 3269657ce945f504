"""What the hub lists decides what runs, save where it lists what this agent cannot read."""

import json
from pathlib import Path
from typing import Any

import pytest

from suanli_agent import state
from suanli_agent.pods import manager, ports, settings
from suanli_agent.runtime import client


def pod(uid: str, **spec: Any) -> bytes:
    meta = {"uid": uid, "name": uid, "namespace": "a"}
    return json.dumps({"metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}).encode()


UNREADABLE = {"terminationGracePeriodSeconds": {"a": "newer form"}}


@pytest.fixture
async def pods(tmp_path: Path) -> manager.PodManager:
    """Not started: it never asks the runtime or the hub, only takes in what should run."""
    knobs = settings.Settings(root=tmp_path, run_root=tmp_path, seccomp_root=tmp_path)
    runtime = client.Runtime(str(tmp_path / "no.sock"))
    hub: Any = None
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
