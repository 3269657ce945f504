"""Accelerator cards reach the containers that asked for them: ordinary device nodes stand in for a driver's."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import suanli_containerd as sc
import suanli_pods as sp
from suanli_agent.core import devices

NPU = "huawei.com/Ascend910"


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sc.Containerd]:
    with sc.running(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


@pytest.fixture
def cards(tmp_path: Path) -> list[str]:
    """Nodes of two cards (/dev/zero's and /dev/full's numbers) and one that every user needs (/dev/null's)."""
    made = []
    for name, minor in (("davinci0", 5), ("davinci1", 7), ("davinci_manager", 3)):
        made.append(str(tmp_path / name))
        os.mknod(made[-1], stat.S_IFCHR | 0o666, os.makedev(1, minor))
    return made


@pytest.fixture
def box(containerd: sc.Containerd, tmp_path: Path, cards: list[str]) -> sp.Box:
    made = sp.Box(containerd, tmp_path / "box")
    made.cards = {NPU: devices.Pool(((cards[0],), (cards[1],)), (cards[2],))}
    return made


def wants(count: int, name: str = "c", script: str = "sleep 1000") -> dict[str, Any]:
    return sp.container(script, name=name, resources={"limits": {NPU: str(count)}})


async def seen(box: sp.Box, uid: str, cards: list[str], name: str = "c") -> list[bool]:
    """Which of the nodes a container can open."""
    return [(await box.execute(uid, "dd", f"if={node}", "count=0", name=name))[0] == 0 for node in cards]


async def test_each_container_has_its_own_cards_and_no_other(box: sp.Box, cards: list[str]) -> None:
    """Through a restart of the agent too; who asked for none has none."""
    async with box:
        both = sp.pod(wants(1, "a"), wants(1, "b"))
        await box.run(both)
        uid = both["metadata"]["uid"]
        assert await seen(box, uid, cards, "a") == [True, False, True]
        assert await seen(box, uid, cards, "b") == [False, True, True]
        assert (await box.execute(uid, "dd", f"if={cards[0]}", "bs=1", "count=1", name="a"))[0] == 0
        plain = sp.pod()
        await box.run(plain)
        assert await seen(box, plain["metadata"]["uid"], cards) == [False, False, False]
        await box.restart()
        late = sp.pod(wants(1))
        box.send(late)
        await box.hub.until(lambda: "1 wanted, 0 of the 2 cards" in str(box.container(late["metadata"]["uid"])))
        assert await seen(box, uid, cards, "b") == [False, True, True]


async def test_cards_are_free_again_when_their_pod_has_ended(box: sp.Box, cards: list[str]) -> None:
    """A Job that is done keeps its object on the hub, not its cards: kube-scheduler counts them as free."""
    async with box:
        await box.finish(sp.pod(wants(2, script="true"), restartPolicy="Never"))
        second = sp.pod(wants(2))
        await box.run(second)
        assert await seen(box, second["metadata"]["uid"], cards) == [True, True, True]
