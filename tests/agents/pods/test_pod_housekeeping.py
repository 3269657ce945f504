"""Rotation loses no line when the runtime fails, and what belongs to a pod is no orphan."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.pod_makers import record, sandbox

from suanli_agent.core import observed
from suanli_agent.pods import context, housekeeping, settings, view
from suanli_agent.runtime import client, errors


class Runtime:
    """Opens logs of the containers whose directory it is given anew, but for those in `deaf`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deaf: set[str] = set()
        self.calls: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def stop_sandbox(self, sandbox_id: str) -> None:
        self.calls.append(f"stop {sandbox_id}")
        self.meanwhile()

    async def remove_sandbox(self, sandbox_id: str) -> None:
        self.calls.append(f"remove {sandbox_id}")

    async def remove_container(self, container_id: str) -> None:
        self.calls.append(f"remove {container_id}")

    async def sandbox(self, sandbox_id: str) -> observed.SandboxRecord:
        return sandbox_of(sandbox_id, ready=False)

    async def reopen_log(self, container_id: str) -> None:
        if container_id in self.deaf:
            raise errors.UnavailableFault("no answer in 10 s")
        log_of(self.folder, container_id).touch()


class Box:
    """Running containers named by their logs, and what looks after them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runtime = folder, Runtime(folder)
        self.seen = view.View(cast("client.Runtime", self.runtime), lambda _: None)
        knobs = settings.Settings(root=folder, run_root=folder, log_max_bytes=10, log_max_files=3)
        self.ctx = cast("context.Context", SimpleNamespace(settings=knobs, runtime=self.runtime))

    def log(self, name: str, text: str) -> Path:
        """The log of a running container, holding that text."""
        one = running(self.folder, name)
        self.seen.containers[one.id] = one
        path = Path(one.log_path)
        path.write_text(text)
        return path


def running(folder: Path, name: str, **more: Any) -> observed.ContainerRecord:
    return record(name, log_path=str(log_of(folder, f"{name}-0")), **more)


def log_of(folder: Path, container_id: str) -> Path:
    return folder / f"{container_id}.log"


def sandbox_of(uid: str, *, ready: bool = True) -> observed.SandboxRecord:
    """The sandbox of that pod, by the same id."""
    return dataclasses.replace(sandbox(uid, ready=ready), pod_uid=uid)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


async def test_a_log_that_the_runtime_does_not_open_anew_keeps_its_name_and_others_are_rotated(box: Box) -> None:
    first, second = box.log("a", "x" * 11), box.log("b", "y" * 11)
    box.runtime.deaf.add("a-0")
    await housekeeping.rotate_logs(box.ctx, box.seen)
    assert first.read_text() == "x" * 11
    assert second.read_text() == ""
    assert sorted(path.read_text() for path in box.folder.iterdir()) == ["", "x" * 11, "y" * 11]


async def test_rotations_that_fail_again_and_again_cost_no_old_log(box: Box) -> None:
    path = box.log("a", "x" * 11)
    for stamp in ("1", "2"):
        path.with_name(f"{path.name}.{stamp}").write_text(stamp)
    box.runtime.deaf.add("a-0")
    for _ in range(3):
        await housekeeping.rotate_logs(box.ctx, box.seen)
    assert sorted(entry.read_text() for entry in box.folder.iterdir()) == ["1", "2", "x" * 11]


async def test_a_missing_log_of_a_running_container_is_opened_anew(box: Box) -> None:
    """The agent died between setting it aside and telling the runtime: lines went on into the old file."""
    path = box.log("a", "")
    path.rename(path.with_name(f"{path.name}.1"))
    await housekeeping.rotate_logs(box.ctx, box.seen)
    assert path.exists()


def orphaned(box: Box, *uids: str) -> None:
    """A sandbox and a dead container of each of these pods, and their directories."""
    for uid in uids:
        box.seen.sandboxes[uid] = sandbox_of(uid)
        dead = dataclasses.replace(record("c", "EXITED"), id=f"c-{uid}", pod_uid=uid)
        box.seen.containers[dead.id] = dead
        (box.folder / "pods" / uid).mkdir(parents=True)


async def test_what_belongs_to_no_pod_is_removed(box: Box) -> None:
    orphaned(box, "x", "y")
    await housekeeping.remove_orphans(box.ctx, box.seen, lambda: {"y"})
    assert box.runtime.calls == ["stop x", "remove x", "remove c-x"]
    assert [place.name for place in (box.folder / "pods").iterdir()] == ["y"]


@pytest.mark.parametrize(("comes", "calls"), [("y", ["stop x", "remove x", "remove c-x"]), ("x", ["stop x"])])
async def test_a_pod_that_comes_while_orphans_go_keeps_what_is_its_own(
    box: Box, comes: str, calls: list[str]
) -> None:
    """The hub sends the pod while the runtime is busy stopping the first sandbox."""
    orphaned(box, "x", "y")
    known = {"x", "y"} - {"x", comes}
    box.runtime.meanwhile = lambda: known.add(comes)
    await housekeeping.remove_orphans(box.ctx, box.seen, lambda: known)
    assert box.runtime.calls == calls
    assert (box.folder / "pods" / comes).is_dir()
