"""All readers in one list; what each found, which failed, and the Node labels that follow."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from typing import Any, Callable, Dict, Optional, Tuple

from suanli_agent.hardware import accelerators, cpu, root, system

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Hardware:
    """What was found; a reader that failed leaves None, and its error by its name."""

    cpu: Optional[cpu.Cpu]
    system: Optional[system.System]
    accelerators: Tuple[accelerators.Accelerator, ...]
    hugepages: Dict[str, int]  # resource name -> bytes reserved at boot
    errors: Dict[str, str]


def _hugepages(box: root.Root) -> Dict[str, int]:
    """Huge pages set aside: Kubernetes' resource name (hugepages-2Mi) to bytes."""
    pages = {}
    for path in box.names("/sys/kernel/mm/hugepages"):
        size = int(re.sub(r"[^0-9]", "", path.rsplit("/", 1)[1]) or 0) * 1024
        count = box.integer(f"{path}/nr_hugepages") or 0
        if count:
            name = f"{size >> 30}Gi" if size >= 1 << 30 else f"{size >> 20}Mi"
            pages[f"hugepages-{name}"] = size * count
    return pages


def collect(path: str = "/", machine: str = "", page_size: int = 0) -> Hardware:
    """Run every reader below `path`; `machine` (uname's) and `page_size` (bytes) are the kernel's unless given."""
    box = root.Root(path)
    readers: Dict[str, Callable[[], Any]] = {
        "cpu": lambda: cpu.read(box, machine or os.uname().machine),
        "system": lambda: system.read(box, page_size),
        "accelerators": lambda: accelerators.read(box),
        "hugepages": lambda: _hugepages(box),
    }
    found: Dict[str, Any] = {"cpu": None, "system": None, "accelerators": (), "hugepages": {}}
    errors = {}
    for name, reader in readers.items():
        try:
            found[name] = reader()
        except Exception as error:  # noqa: BLE001 - one odd file must not hide the rest of the box
            log.warning("reading %s failed: %s", name, error)
            errors[name] = f"{type(error).__name__}: {error}"
    return Hardware(errors=errors, **found)


def with_cards(hardware: Hardware, box: root.Root) -> Hardware:
    """The same box with its accelerators read anew; as before where that fails."""
    try:
        return dataclasses.replace(hardware, accelerators=accelerators.read(box))
    except Exception as error:  # noqa: BLE001 - as above: the rest of the box goes on
        log.warning("reading accelerators failed: %s", error)
        return hardware


def labels(hardware: Hardware) -> Dict[str, str]:
    """Node facts under their label names; what is unknown has no label."""
    facts = {"kubernetes.io/os": "linux"}
    if hardware.cpu:
        facts["kubernetes.io/arch"] = hardware.cpu.architecture
        facts["suanli.io/cpu-family"] = hardware.cpu.family
        facts["suanli.io/isa-level"] = hardware.cpu.isa_level
    if hardware.system:
        facts["suanli.io/os"] = hardware.system.os.name
        facts["suanli.io/page-size-kib"] = str(hardware.system.page_size_kib)
    facts["suanli.io/accelerator-model"] = next((card.model for card in hardware.accelerators if card.usable), "")
    return {name: value for name, value in facts.items() if value not in ("", "unknown")}


def extended(hardware: Hardware) -> Dict[str, int]:
    """Extended resources that the box offers: usable accelerators and huge pages."""
    cards = {card.resource: card.usable for card in hardware.accelerators if card.usable}
    return {**cards, **hardware.hugepages}


def as_json(hardware: Hardware) -> Dict[str, Any]:
    """Everything that was read, with the labels that follow."""
    return {**dataclasses.asdict(hardware), "labels": labels(hardware)}
