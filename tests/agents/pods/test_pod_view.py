"""Deaths of containers are seen by pidfd, also of those that are faster than we."""

import asyncio
import dataclasses
import subprocess
from typing import cast

import pytest

from suanli_agent.core import observed
from suanli_agent.pods import view
from suanli_agent.runtime import client


class SlowRuntime:
    """Answers for one container, and learns of its death only after so many questions; None: never."""

    def __init__(self, pid: int, learns_after: "int | None") -> None:
        self.pid, self.learns_after = pid, learns_after
        self.asked = 0

    async def container(self, container_id: str, sandbox_id: str) -> observed.ContainerRecord:
        self.asked += 1
        dead = self.learns_after is not None and self.asked > self.learns_after
        state = observed.ContainerState.EXITED if dead else observed.ContainerState.RUNNING
        return observed.ContainerRecord(container_id, sandbox_id, "uid", "app", 0, state, 1.0, pid=self.pid)


def ended() -> int:
    """The pid of a process that has ended, and that nobody else has yet."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def seen_by(runtime: SlowRuntime) -> "tuple[view.View, asyncio.Event]":
    died = asyncio.Event()
    made = view.View(cast("client.Runtime", runtime), lambda _uid: None)

    def changed(_uid: str) -> None:
        if all(record.exited for record in made.containers.values()):
            died.set()

    made._changed = changed
    return made, died


async def test_a_container_that_was_dead_before_we_looked_is_not_waited_for() -> None:
    """The runtime may call it running for a moment longer: it is asked until it knows, not at the next listing."""
    made, died = seen_by(SlowRuntime(ended(), learns_after=3))
    await made.look_at_container("c", "s")
    await asyncio.wait_for(died.wait(), 10)
    assert not made.blind()
    made.close()


async def test_a_container_whose_death_is_seen_is_asked_for_until_the_runtime_knows() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    made, died = seen_by(SlowRuntime(process.pid, learns_after=3))
    await made.look_at_container("c", "s")
    assert not made.blind()
    process.kill()
    await process.wait()
    await asyncio.wait_for(died.wait(), 10)
    made.close()


async def test_pids_of_another_namespace_are_left_to_the_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime says that it lives and no such process is ours: after a while it is asked no more."""
    monkeypatch.setattr(view, "SETTLE_SECONDS", 0)
    runtime = SlowRuntime(ended(), learns_after=None)
    made, _ = seen_by(runtime)
    await made.look_at_container("c", "s")
    await asyncio.gather(*made._settling.values())
    assert made.blind()
    asked = runtime.asked
    made.amend(dataclasses.replace(made.containers["c"], message="same"))
    await made.look_at_container("c", "s")
    assert (runtime.asked, made._settling) == (asked + 1, {})
    made.close()
