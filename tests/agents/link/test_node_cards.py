"""The Node shows the cards that are there now, not those of the moment when the agent began."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from suanli_agent import settings
from suanli_agent.link import dial, reporter
from suanli_agent.pods import ports

NPU = "huawei.com/Ascend910"


class Hub:
    """Stands in for http.Client; keeps what the Node's status is to be."""

    def __init__(self) -> None:
        self.clock = SimpleNamespace(now=lambda: 0.0, offset=0.0, synced=True)
        self.capacity: list[dict[str, str]] = []

    async def request(self, method: str, path: str, body: bytes = b"", *_: Any, **__: Any) -> bytes:
        if path.endswith("/status"):
            self.capacity.append(json.loads(body)["status"]["capacity"])
        return b'{"metadata": {"name": "box", "uid": "n"}}'


class Pods:
    """Stands in for manager.PodManager."""

    async def engine(self) -> ports.EngineStatus:
        return ports.EngineStatus(ready=True, network_ready=True, version="containerd://2")

    async def images(self) -> list[ports.NodeImage]:
        return []


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


async def test_cards_whose_driver_came_after_the_agent_are_offered(tmp_path: Path) -> None:
    card = "sys/bus/pci/devices/0000:01:00.0"
    write(tmp_path, **{f"{card}/vendor": "0x19e5", f"{card}/device": "0xd802", f"{card}/class": "0x120000"})
    knobs = settings.Settings(host_root=str(tmp_path), state=str(tmp_path), node_ip="10.0.0.5", status_seconds=0)
    box = reporter.Box(knobs, dial.Url.parse("https://hub:6443"))
    hub, pods = Hub(), Pods()
    told: Any = SimpleNamespace(own_node=lambda _uid: True, expires=lambda: None, node_written=lambda _node: None)
    reporting = reporter.Reporter(hub, "box", box, pods, told)  # type: ignore[arg-type]  # as far as a beat needs them
    await reporting.beat()
    write(tmp_path, **{"dev/davinci0": "", "dev/davinci_manager": ""})
    await reporting.beat()
    assert [shown.get(NPU) for shown in hub.capacity] == [None, "1"]
