"""The Node shows what the box has for pods now, not what it had when the agent began: its cards and its disk."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from suanli_agent import settings
from suanli_agent.hardware import usage
from suanli_agent.link import dial, reporter
from suanli_agent.pods import ports

NPU = "huawei.com/Ascend910"


class Hub:
    """Stands in for http.Client; keeps what the Node's status is to be."""

    def __init__(self) -> None:
        self.clock = SimpleNamespace(now=lambda: 0.0, offset=0.0, synced=True)
        self.capacity: list[dict[str, str]] = []
        self.allocatable: list[dict[str, str]] = []

    async def request(self, method: str, path: str, body: bytes = b"", *_: Any, **__: Any) -> bytes:
        if path.endswith("/status"):
            status = json.loads(body)["status"]
            self.capacity.append(status["capacity"])
            self.allocatable.append(status["allocatable"])
        return b'{"metadata": {"name": "box", "uid": "n"}}'


class Pods:
    """Stands in for manager.PodManager; `disk` is what it knows of the disk, None while its runtime is away."""

    def __init__(self) -> None:
        self.disk: dict[str, int] | None = {}
        self.looks = 0

    async def disk_use(self) -> dict[str, int] | None:
        self.looks += 1
        return self.disk

    async def engine(self) -> ports.EngineStatus:
        return ports.EngineStatus(ready=True, network_ready=True, version="containerd://2")

    async def images(self) -> list[ports.NodeImage]:
        return []


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def agent(root: Path, hub: Hub, pods: Pods, seconds: int = 0) -> reporter.Reporter:
    """What beats for the box below `root`, which is also where its state is; the Node is due every `seconds`."""
    knobs = settings.Settings(host_root=str(root), state="/", node_ip="10.0.0.5", status_seconds=seconds)
    box = reporter.Box(knobs, dial.Url.parse("https://hub:6443"))
    told: Any = SimpleNamespace(own_node=lambda _uid: True, expires=lambda: None, node_written=lambda _node: None)
    return reporter.Reporter(hub, "box", box, pods, told)  # type: ignore[arg-type]  # as far as a beat needs them


async def test_cards_whose_driver_came_after_the_agent_are_offered(tmp_path: Path) -> None:
    card = "sys/bus/pci/devices/0000:01:00.0"
    write(tmp_path, **{f"{card}/vendor": "0x19e5", f"{card}/device": "0xd802", f"{card}/class": "0x120000"})
    hub, pods = Hub(), Pods()
    reporting = agent(tmp_path, hub, pods)
    await reporting.beat()
    write(tmp_path, **{"dev/davinci0": "", "dev/davinci_manager": ""})
    await reporting.beat()
    assert [shown.get(NPU) for shown in hub.capacity] == [None, "1"]


GIB = 1 << 30


class Disk:
    """A file system of 100 GiB, of which `used` is taken."""

    def __init__(self, used: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = used
        monkeypatch.setattr(usage, "_disk", lambda _path: (100 * GIB, 100 * GIB - self.used, 1000))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(30 * GIB, monkeypatch)


def offered(hub: Hub) -> int:
    """GiB of disk for pods as the Node shows it; a tenth is kept free."""
    return int(hub.allocatable[-1]["ephemeral-storage"].removesuffix("Ki")) * 1024 // GIB


async def test_what_pods_have_written_is_not_taken_from_them_again(tmp_path: Path, disk: Disk) -> None:
    """Images and pods count in what they ask for; an agent that starts anew finds them there and offers the same."""
    hub, pods = Hub(), Pods()
    pods.disk = {"/": 20 * GIB}
    for _start in range(2):
        await agent(tmp_path, hub, pods).beat()
        assert offered(hub) == 90 - 10


async def test_what_lies_on_another_disk_is_not_taken_off_this_one(tmp_path: Path, disk: Disk) -> None:
    hub, pods = Hub(), Pods()
    (tmp_path / "images").symlink_to("../../../../../../../../proc")
    pods.disk = {"/images": 20 * GIB, "/nowhere": GIB}
    await agent(tmp_path, hub, pods).beat()
    assert offered(hub) == 90 - 30


async def test_what_other_programs_write_counts_when_the_node_is_written(tmp_path: Path, disk: Disk) -> None:
    hub, pods = Hub(), Pods()
    reporting = agent(tmp_path, hub, pods)
    await reporting.beat()
    disk.used += 5 * GIB
    await reporting.beat()
    assert offered(hub) == 90 - 35
    disk.used -= 30 * GIB
    for _beat in range(2):  # the peak between two writes is held
        await reporting.beat()
    assert offered(hub) == 90 - 5


async def test_files_are_counted_for_a_write_that_is_due_and_not_for_a_heartbeat(
    tmp_path: Path, disk: Disk
) -> None:
    hub, pods = Hub(), Pods()
    reporting = agent(tmp_path, hub, pods, seconds=3600)
    for _beat in range(3):
        disk.used += GIB
        await reporting.beat()
    assert pods.looks == 1
    assert len(hub.allocatable) == 1


async def test_small_movement_is_not_shown(tmp_path: Path, disk: Disk) -> None:
    hub, pods = Hub(), Pods()
    reporting = agent(tmp_path, hub, pods)
    await reporting.beat()
    first = hub.allocatable[-1]["ephemeral-storage"]
    disk.used -= GIB // 3
    await reporting.beat()
    assert hub.allocatable[-1]["ephemeral-storage"] == first


async def test_while_the_runtime_is_away_what_is_held_back_stays(tmp_path: Path, disk: Disk) -> None:
    """Its images would count as another program's: they are asked for again at the next heartbeat."""
    hub, pods = Hub(), Pods()
    pods.disk = None
    reporting = agent(tmp_path, hub, pods, seconds=3600)
    await reporting.beat()
    assert offered(hub) == 90
    pods.disk = {"/": 20 * GIB}
    await reporting.beat()
    assert offered(hub) == 90 - 10


async def test_a_heartbeat_does_not_wait_for_many_files(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "WEIGH_SECONDS", 0.01)
    counted = asyncio.Event()

    class Slow(Pods):
        async def disk_use(self) -> dict[str, int] | None:
            await counted.wait()
            return {"/": 20 * GIB}

    hub = Hub()
    reporting = agent(tmp_path, hub, Slow(), seconds=3600)
    await reporting.beat()
    assert offered(hub) == 90
    counted.set()
    await reporting.beat()
    assert offered(hub) == 90 - 10


async def test_a_count_that_was_broken_off_is_begun_anew(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What beats is started again after a fault; the cancelled count of before must not end it a second time."""
    monkeypatch.setattr(reporter, "WEIGH_SECONDS", 0.01)

    class Endless(Pods):
        async def disk_use(self) -> dict[str, int] | None:
            self.looks += 1
            await asyncio.Event().wait()
            return None

    hub, pods = Hub(), Endless()
    reporting = agent(tmp_path, hub, pods)
    monkeypatch.setattr(reporting._told, "answered", lambda _error: reporting.wake(), raising=False)
    for times in (1, 2):
        running = asyncio.ensure_future(reporting.run())
        async with asyncio.timeout(10):
            while len(hub.allocatable) < times:  # noqa: ASYNC110  # a few turns of the loop
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})
    assert pods.looks == 2
