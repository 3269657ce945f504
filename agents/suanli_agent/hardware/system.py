"""The system: distribution, kernel, machine and boot ids, memory, disks."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from typing import Dict, Tuple

from suanli_agent.hardware import root as root_module

UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class OperatingSystem:
    """`name` is the label's value; `image` what a person reads; `service_pack` where the maker keeps one apart."""

    name: str
    image: str
    service_pack: str


@dataclasses.dataclass(frozen=True)
class Disk:
    """A block device that is hardware: no loop, ram, device-mapper or md device."""

    name: str
    size_bytes: int
    rotational: bool


@dataclasses.dataclass(frozen=True)
class System:
    """Facts that do not change while the box is up, but for memory plugged in. Sizes in bytes."""

    os: OperatingSystem
    kernel: str
    page_size_kib: int
    machine_id: str
    system_uuid: str
    boot_id: str
    memory_bytes: int
    swap_bytes: int
    disks: Tuple[Disk, ...]
    product: str


def parse_os_release(text: str) -> Dict[str, str]:
    """os-release(5): shell assignments; a line that is none is left out."""
    pairs: Dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or key.startswith("#"):
            continue
        try:
            pairs[key] = "".join(shlex.split(value))
        except ValueError:  # an unclosed quote
            pairs[key] = value.strip("\"'")
    return pairs


def _label_value(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.casefold()).strip("-._")[:63]


def operating_system(root: root_module.Root) -> OperatingSystem:
    """Which distribution; IDs are compared case-folded, and Kylin's version is part of its name."""
    release = parse_os_release(root.read("/etc/os-release") or root.read("/usr/lib/os-release"))
    name = _label_value(release.get("ID", ""))
    if name == "kylin":
        name = _label_value(f"kylin-{release.get('VERSION_ID', '')}")
    elif root.exists("/etc/UnionTech-release"):
        name = "uos"
    pack = root.read("/etc/.productinfo").splitlines()
    return OperatingSystem(
        name or UNKNOWN, release.get("PRETTY_NAME", ""), " ".join(line.strip() for line in pack[:2])
    )


def parse_meminfo(text: str) -> Dict[str, int]:
    """/proc/meminfo in bytes (its kB are KiB)."""
    values: Dict[str, int] = {}
    for line in text.splitlines():
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdigit():
            values[words[0]] = int(words[1]) * (1024 if words[-1] == "kB" else 1)
    return values


_HARDWARE_DISK = re.compile(r"(sd|hd|vd|xvd|nvme|mmcblk|dasd)[a-z0-9]+$")


def disks(root: root_module.Root) -> Tuple[Disk, ...]:
    """Hardware disks; sizes in sysfs are in 512-byte sectors whatever the disk's own."""
    found = []
    for path in root.names("/sys/block"):
        name = path.rsplit("/", 1)[1]
        if _HARDWARE_DISK.match(name):
            size = (root.integer(f"{path}/size") or 0) * 512
            found.append(Disk(name, size, root.read(f"{path}/queue/rotational") == "1"))
    return tuple(found)


def machine_id(root: root_module.Root) -> str:
    """The installation's id; D-Bus' copy on systems without systemd's."""
    return root.read("/etc/machine-id") or root.read("/var/lib/dbus/machine-id")


def read(root: root_module.Root, page_size: int = 0) -> System:
    """Read the system below `root`; `page_size` in bytes is this kernel's unless given."""
    memory = parse_meminfo(root.read("/proc/meminfo"))
    product = [root.read(f"/sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    return System(
        os=operating_system(root),
        kernel=root.read("/proc/sys/kernel/osrelease"),
        page_size_kib=(page_size or os.sysconf("SC_PAGE_SIZE")) // 1024,
        machine_id=machine_id(root),
        system_uuid=root.read("/sys/class/dmi/id/product_uuid").lower() or machine_id(root),
        boot_id=root.read("/proc/sys/kernel/random/boot_id"),
        memory_bytes=memory.get("MemTotal", 0),
        swap_bytes=memory.get("SwapTotal", 0),
        disks=disks(root),
        product=" ".join(filter(None, product)) or root.read("/proc/device-tree/model").replace("\0", ""),
    )
