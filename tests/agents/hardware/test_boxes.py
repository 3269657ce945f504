"""Every processor, system and accelerator that we name is recognised from its documented facts alone.

A box is a file: a JSON head with what is expected, then the box's own files, each under its path.
`-- PATH xN +K --` repeats its text N times with {n} counting from K: a cpuinfo of 128 processors stays short.
"""

import dataclasses
import json
import pathlib
import re
from typing import Any

import pytest

from suanli_agent.hardware import cpu, report

BOXES = pathlib.Path(__file__).parent / "boxes"
_MARK = re.compile(r"^-- (\S+)(?: x(\d+))?(?: \+(\d+))? --\n", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Box:
    machine: str
    page_size: int
    expect: dict[str, Any]


def unpack(name: str, root: pathlib.Path) -> Box:
    """Write the box's files below `root`."""
    head, *sections = _MARK.split((BOXES / f"{name}.txt").read_text())
    for path, times, start, text in zip(*(sections[i::4] for i in range(4)), strict=True):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        first = int(start or 0)
        body = "\n".join(text.replace("{n}", str(n)) for n in range(first, first + int(times or 1)))
        with file.open("a") as out:
            out.write("\n" + body if out.tell() else body)
    return Box(**json.loads(head))


def names(prefix: str) -> list[str]:
    return sorted(path.stem for path in BOXES.glob(f"{prefix}-*.txt"))


def _collect(name: str, root: pathlib.Path) -> tuple[report.Hardware, Box]:
    box = unpack(name, root)
    return report.collect(str(root), box.machine, box.page_size), box


@pytest.mark.parametrize("name", names("cpu"))
def test_processor(name: str, tmp_path: pathlib.Path) -> None:
    """Architecture, family, level and page size become labels; what cannot be told becomes none."""
    found, box = _collect(name, tmp_path)
    assert found.errors == {}
    assert found.cpu is not None
    assert found.cpu.count == box.expect["cpus"]
    default = {"kubernetes.io/os": "linux", "suanli.io/page-size-kib": "4"}
    assert report.labels(found) == {**default, **box.expect["labels"]}


@pytest.mark.parametrize("name", names("os"))
def test_system(name: str, tmp_path: pathlib.Path) -> None:
    """The distribution's label, image name and service pack."""
    found, box = _collect(name, tmp_path)
    assert found.system is not None
    assert report.labels(found).get("suanli.io/os") == box.expect["labels"].get("suanli.io/os")
    assert found.system.os.image == box.expect.get("os_image", found.system.os.image)
    assert found.system.os.service_pack == box.expect.get("service_pack", found.system.os.service_pack)


@pytest.mark.parametrize("name", names("accelerator"))
def test_accelerator(name: str, tmp_path: pathlib.Path) -> None:
    """Cards are counted by vendor and class; only those whose device nodes are there are offered."""
    found, box = _collect(name, tmp_path)
    seen = [
        {"resource": card.resource, "cards": len(card.addresses), "usable": card.usable, "model": card.model}
        for card in found.accelerators
    ]
    assert seen == box.expect["accelerators"]
    offered = {card["resource"]: card["usable"] for card in box.expect["accelerators"] if card["usable"]}
    assert report.extended(found) == offered


def test_every_family_of_the_code_has_a_box() -> None:
    """A rule without a box would be a guess."""
    parts = {family(cpu._Evidence([], "kunpeng ampere", False)) for family in cpu._PARTS.values()}
    families = (parts | set(cpu._X86_VENDORS.values())) - {"unknown"}
    named = {name.removeprefix("cpu-") for name in names("cpu")}
    assert {family for family in families if family not in named} == set()


def test_a_reader_that_fails_hides_nothing_else(tmp_path: pathlib.Path) -> None:
    """An odd file is reported under its reader's name; the other readers' facts are there."""
    box = unpack("os-openeuler", tmp_path)
    pages = tmp_path / "sys/kernel/mm/hugepages/hugepages-2048kB"
    pages.mkdir(parents=True)
    (pages / "nr_hugepages").write_text("4")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "processor : 0\nFeatures : asimd\nCPU implementer : 0x48\nCPU part : 0xd01\n"
    )
    (tmp_path / "proc/meminfo").write_text("MemTotal: \u00b2 kB\n")  # a digit to str.isdigit, and no number
    found = report.collect(str(tmp_path), "aarch64", box.page_size)
    assert set(found.errors) == {"system"}
    assert report.labels(found)["suanli.io/cpu-family"] == "kunpeng-920"
    assert found.hugepages == {"hugepages-2Mi": 8 << 20}
