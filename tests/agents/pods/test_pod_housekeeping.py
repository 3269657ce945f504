"""Rotation loses no line when the runtime fails, and what belongs to a pod is no orphan."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.pod_makers import record

from suanli_agent.core import observed
from suanli_agent.pods import context, housekeeping, settings, view
from suanli_agent.runtime import client, errors


class Runtime:
    """Opens logs of the containers whose directory it is given anew, but for those in `deaf`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deaf: set[str] = set()

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
