"""When the runtime is asked for an image, and when what it said a moment ago will do."""

from pathlib import Path
from typing import Any, cast

import pytest

from suanli_agent import state
from suanli_agent.core import objects, observed
from suanli_agent.pods import context, devices, images, needs, ports, settings
from suanli_agent.runtime import cri_pb2 as cri
from suanli_agent.runtime import errors
from suanli_memory_hub import MemoryHub


class Runtime:
    """Has one image; `id` may be loaded anew under the same name."""

    def __init__(self) -> None:
        self.id, self.asked = "sha256:one", 0
        self.pulls, self.fault = 0, errors.RuntimeFault("dial tcp: i/o timeout")

    async def image(self, name: str) -> observed.ImageRecord | None:
        self.asked += 1
        return observed.ImageRecord(self.id, tags=(name,)) if self.id else None

    async def image_filesystem(self) -> tuple[str, int]:
        return "/images-of-the-box", 1

    async def sandbox_image(self) -> str:
        return ""

    async def list_images(self) -> list[observed.ImageRecord]:
        return [observed.ImageRecord(self.id, size_bytes=1)]

    async def remove_image(self, name: str) -> None:
        assert name == self.id

    async def pull_image(self, name: str, auth: cri.AuthConfig | None, config: cri.PodSandboxConfig) -> str:
        self.pulls += 1
        raise self.fault


class Box:
    """Images with a clock of ours."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.runtime, self.hub = Runtime(), MemoryHub()
        store = state.Store(folder / "state.db")
        node = ports.NodeFacts("box", (), {})
        knobs = settings.Settings(
            host_root=str(folder), image_high_percent=0, image_low_percent=0, image_min_age_seconds=0
        )
        ctx = context.Context(
            knobs, cast("Any", self.runtime), self.hub, store, node,
            devices.Devices(store, dict), now=lambda: self.now,
        )  # fmt: skip
        self.images = images.Images(ctx, needs.Needs(ctx))

    async def ensure(self, since: float, policy: str = "IfNotPresent") -> str:
        container = objects.Container(name="c", image="app:1", image_pull_policy=policy)
        return (await self.images.ensure(POD, container, cri.PodSandboxConfig(), since)).id

    def reasons(self) -> list[str]:
        return [note.reason for note in self.hub.events]


CONTAINER = objects.Container(name="c", image="app:1", image_pull_policy="IfNotPresent")
POD = objects.Pod(metadata=objects.ObjectMeta(name="p", uid="u"), spec=objects.PodSpec(containers=[CONTAINER]))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


async def test_pods_that_start_together_ask_once(box: Box) -> None:
    await box.images.foresee(POD, since=100.0)
    for _ in range(30):
        await box.ensure(since=99.5)
    assert box.runtime.asked == 1


async def test_a_pod_that_came_later_has_the_image_that_was_loaded_before_it(box: Box) -> None:
    """A rolling update under the same tag: what was known before the new pod came does not count."""
    await box.ensure(since=100.0)
    box.runtime.id = "sha256:two"
    box.now = 100.5
    assert await box.ensure(since=100.4) == "sha256:two"


async def test_what_was_said_long_ago_does_not_count(box: Box) -> None:
    await box.ensure(since=100.0)
    box.runtime.id = "sha256:two"
    box.now += images.SEEN_SECONDS + 0.1
    assert await box.ensure(since=100.0) == "sha256:two"


async def test_an_image_that_was_not_there_is_asked_for_again(box: Box) -> None:
    box.runtime.id = ""
    await box.images.foresee(POD, since=100.0)
    box.runtime.id = "sha256:one"
    assert await box.ensure(since=100.0) == "sha256:one"


async def test_an_agent_in_a_container_measures_the_disk_of_the_box(box: Box, tmp_path: Path) -> None:
    """The runtime names it as the box does; at that path the agent itself has nothing."""
    assert await box.images.collect([], []) == []
    (tmp_path / "images-of-the-box").mkdir()
    assert await box.images.collect([], []) == ["sha256:one"]


async def test_always_goes_on_with_the_present_image_while_the_registry_does_not_answer(box: Box) -> None:
    assert await box.ensure(since=100.0, policy="Always") == "sha256:one"
    assert "ImageNotRefreshed" in box.reasons()


async def test_a_failed_pull_is_told_then_that_it_is_waited_for_then_tried_again(box: Box) -> None:
    box.runtime.id = ""
    said = []
    for _ in range(4):
        with pytest.raises(images.ImageError) as caught:
            await box.ensure(since=box.now)
        said.append((box.runtime.pulls, caught.value.waiting.reason, caught.value.retry_at - 100.0))
        box.now = caught.value.retry_at
    assert said == [
        (1, "ErrImagePull", images.BACKOFF_TOLD_SECONDS),
        (1, "ImagePullBackOff", 10.0),
        (2, "ErrImagePull", 10.0 + images.BACKOFF_TOLD_SECONDS),
        (2, "ImagePullBackOff", 30.0),
    ]
    assert box.reasons() == ["Pulling", "Failed", "BackOff"] * 2


@pytest.mark.parametrize(
    "fault", [errors.RuntimeFault("pull access denied: authorization failed"), errors.NotFoundFault("no such tag")]
)
async def test_always_does_not_run_a_present_image_that_the_registry_refuses(
    box: Box, fault: errors.RuntimeFault
) -> None:
    """It may be here for another pod, whose credentials this one lacks."""
    box.runtime.fault = fault
    with pytest.raises(images.ImageError) as caught:
        await box.ensure(since=100.0, policy="Always")
    assert caught.value.waiting.reason == "ErrImagePull"
