"""What the hub said of the objects that pods name, also that there are none, outlives the hub and the agent."""

import base64
from pathlib import Path
from typing import Any, cast

import pytest
from tests.pod_makers import make_pod

from suanli_agent import state
from suanli_agent.core import env
from suanli_agent.pods import context, devices, needs, ports, settings
from suanli_memory_hub import MemoryHub

OPTIONAL = make_pod(
    {
        "name": "c",
        "image": "img",
        "envFrom": [{"configMapRef": {"name": "maybe", "optional": True}}],
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "word", "key": "k", "optional": True}}}],
    },
    imagePullSecrets=[{"name": "pull"}],
)


class Box:
    """The needs of one agent; `restart` is what a reboot is: what it knew is only on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.hub, self.now = folder, MemoryHub(), 0.0
        self.restart()

    def restart(self) -> None:
        self.store = state.Store(self.folder / "state.db")
        ctx = context.Context(
            settings.Settings(), cast("Any", None), self.hub, self.store, ports.NodeFacts("box", (), {}),
            devices.Devices(self.store, dict), now=lambda: self.now,
        )  # fmt: skip
        self.needs = needs.Needs(ctx)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


NOTHING = env.Sources({"maybe": None}, {"pull": None, "word": None})


async def test_that_an_object_does_not_exist_is_known_without_the_hub_too(box: Box) -> None:
    assert await box.needs.sources(OPTIONAL, fresh=True) == NOTHING
    box.hub.away = True
    box.restart()
    assert await box.needs.sources(OPTIONAL, fresh=True) == NOTHING


async def test_of_an_object_that_was_never_asked_for_nothing_is_known(box: Box) -> None:
    box.hub.away = True
    with pytest.raises(ports.UnavailableError):
        await box.needs.sources(OPTIONAL, fresh=True)


async def test_what_came_into_being_is_there_at_once_and_what_went_is_gone(box: Box) -> None:
    """An absence is asked about each time: a container may wait for the object."""
    await box.needs.sources(OPTIONAL, fresh=True)
    box.hub.put("Secret", "default", "word", data={"k": base64.b64encode(b"v").decode()}, immutable=True)
    found = await box.needs.sources(OPTIONAL)
    assert found.secrets["word"] is not None
    del box.hub.objects["Secret", "default", "word"]
    box.restart()
    assert await box.needs.sources(OPTIONAL, fresh=True) == NOTHING


async def test_a_runtime_class_that_does_not_exist_is_none_without_the_hub_too(box: Box) -> None:
    assert await box.needs.runtime_class("fast") is None
    box.hub.away = True
    assert await box.needs.runtime_class("fast") is None


async def test_an_immutable_object_that_is_made_anew_under_its_name_is_read_anew(box: Box) -> None:
    box.hub.put("Secret", "default", "word", data={"k": base64.b64encode(b"v").decode()}, immutable=True)
    await box.needs.sources(OPTIONAL, fresh=True)
    box.needs.forget_unused([])  # its last pod went
    for text in (b"w", b"x"):
        box.hub.put("Secret", "default", "word", data={"k": base64.b64encode(text).decode()})
        found = (await box.needs.sources(OPTIONAL, fresh=True)).secrets["word"]
        assert found is not None
        assert found.data == {"k": text}
