"""The processor: family, instruction-set level and the raw values behind them.

Every CPU is read: big.LITTLE boxes and Phytium's E2000 mix parts, and the lowest features count.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from suanli_agent.hardware import root as root_module

UNKNOWN = "unknown"

ARCHITECTURES = {  # uname's machine -> Kubernetes' name
    "x86_64": "amd64",
    "aarch64": "arm64",
    "loongarch64": "loong64",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
}

Part = Tuple[int, int]  # MIDR implementer and part


@dataclasses.dataclass(frozen=True)
class Cpu:
    """What the processor is. `isa_level` is empty where it cannot be told; `count` is of online CPUs."""

    architecture: str
    family: str
    isa_level: str
    count: int
    model: str
    parts: Tuple[str, ...]  # raw: "0x48/0xd01", or "HygonGenuine/24"
    features: Tuple[str, ...]  # that every CPU has


@dataclasses.dataclass(frozen=True)
class _Evidence:
    """What a family rule may look at."""

    cpus: Sequence[Mapping[str, str]]
    identity: str  # DMI and device-tree text, lower case
    virtual: bool

    @property
    def model(self) -> str:
        return next((cpu["model name"] for cpu in self.cpus if cpu.get("model name")), "")


def parse_cpuinfo(text: str) -> List[Dict[str, str]]:
    """One map per online CPU with lower-case keys; a header that belongs to no CPU goes to all of them."""
    common: Dict[str, str] = {}
    cpus: List[Dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        name = key.strip().lower()
        if not colon:
            continue
        if name == "processor" and value.strip().isdigit():
            cpus.append({})
        (cpus[-1] if cpus else common)[name] = value.strip()
    return [{**common, **cpu} for cpu in cpus]


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return -1


def _midr(root: root_module.Root, index: str) -> Optional[int]:
    return root.integer(f"/sys/devices/system/cpu/cpu{index}/regs/identification/midr_el1", 0)


def _part(cpu: Mapping[str, str], midr: Optional[int]) -> Part:
    """Implementer and part: the kernel's register file where it is there, else cpuinfo; (-1, -1) where neither."""
    if midr is not None:
        return midr >> 24 & 0xFF, midr >> 4 & 0xFFF
    return _number(cpu.get("cpu implementer", "")), _number(cpu.get("cpu part", ""))


def _phytium_663(evidence: _Evidence) -> str:
    """FT-2000/4, D2000 and S2500 share one part number: the name decides, else the number of cores."""
    text = evidence.model.lower() + " " + evidence.identity
    for pattern, name in (("d2000", "d2000"), ("s2500", "s2500"), ("ft-?2000/4", "ft2000-4")):
        if re.search(pattern, text):
            return f"phytium-{name}"
    if evidence.virtual:
        return UNKNOWN  # a guest's cores say nothing of the part below it
    cores = len(evidence.cpus)
    if cores and cores % 64 == 0:
        return "phytium-s2500"  # 64 cores a socket, 1 to 8 sockets
    return {4: "phytium-ft2000-4", 8: "phytium-d2000"}.get(cores, UNKNOWN)


def _kunpeng_named(family: str) -> Callable[[_Evidence], str]:
    """Kirin phones and desktops carry these part numbers too."""
    return lambda evidence: family if "kunpeng" in evidence.identity else UNKNOWN


def _neoverse_n1(evidence: _Evidence) -> str:
    if "amazon" in evidence.identity:
        return "graviton2"
    return "ampere-altra" if re.search("ampere|altra", evidence.identity) else UNKNOWN


def _graviton(family: str) -> Callable[[_Evidence], str]:
    """Grace and Axion use the same core: a board that names another maker is not a Graviton."""
    return lambda evidence: family if not evidence.identity or "amazon" in evidence.identity else UNKNOWN


def _always(family: str) -> Callable[[_Evidence], str]:
    return lambda _evidence: family


_PARTS: Dict[Part, Callable[[_Evidence], str]] = {
    (0x48, 0xD01): _always("kunpeng-920"),
    (0x48, 0xD02): _kunpeng_named("kunpeng-930"),
    (0x48, 0xD03): _kunpeng_named("kunpeng-930"),
    (0x48, 0xD22): _kunpeng_named("kunpeng-930"),
    (0x48, 0xD06): _kunpeng_named("kunpeng-950"),
    (0x70, 0x660): _always("phytium-ft1500a"),
    (0x70, 0x661): _always("phytium-ft2000a2"),
    (0x70, 0x662): _always("phytium-ft2000plus"),
    (0x70, 0x663): _phytium_663,
    (0x70, 0x862): _always("phytium-d3000"),
    (0x41, 0xD0C): _neoverse_n1,
    (0xC0, 0xAC3): _always("ampere-one"),
    (0xC0, 0xAC4): _always("ampere-one"),
    (0x41, 0xD40): _graviton("graviton3"),
    (0x41, 0xD4F): _graviton("graviton4"),
}
_E2000: FrozenSet[Part] = frozenset({(0x70, 0x303), (0x70, 0x664)})


def _arm_family(parts: FrozenSet[Part], evidence: _Evidence) -> str:
    if parts == _E2000:
        return "phytium-e2000"
    families = {_PARTS.get(part, _always(UNKNOWN))(evidence) for part in parts}
    return families.pop() if len(families) == 1 else UNKNOWN


_X86_VENDORS = {
    "hygongenuine": "hygon",
    "shanghai": "zhaoxin",
    "genuineintel": "intel",
    "authenticamd": "amd",
}


def _x86_family(cpu: Mapping[str, str]) -> str:
    vendor = cpu.get("vendor_id", "").casefold()
    if vendor == "centaurhauls" and _number(cpu.get("cpu family", "")) >= 6:
        return "zhaoxin"
    return _X86_VENDORS.get(vendor, UNKNOWN)


def _features(cpus: Sequence[Mapping[str, str]]) -> FrozenSet[str]:
    """What every CPU has: a program may be moved to the weakest."""
    sets = [frozenset((cpu.get("features") or cpu.get("flags") or "").split()) for cpu in cpus]
    return frozenset.intersection(*sets) if sets else frozenset()


_X86_LEVELS = (  # x86-64 psABI; each level needs those before it
    ("v2", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
    ("v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
_ARM_LEVELS = (("v8.1", "atomics"), ("v8.2", "dcpop asimdrdm"), ("v9.0", "sve2"))


def isa_level(architecture: str, features: FrozenSet[str]) -> str:
    """The highest level whose features are all there; empty where it cannot be told."""
    level, steps = {"amd64": ("v1", _X86_LEVELS), "arm64": ("v8.0", _ARM_LEVELS)}.get(architecture, ("", ()))
    if not features or not level or (architecture == "arm64" and "asimd" not in features):
        return ""  # arm64 without asimd: these are another machine's features, as under user-mode emulation
    for name, needed in steps:
        if not features.issuperset(needed.split()):
            break
        level = name
    return level


def identity(root: root_module.Root) -> str:
    """What firmware says of the machine: DMI fields, the DMI table's strings, the device tree; lower case."""
    fields = [root.read(f"/sys/class/dmi/id/{name}") for name in _DMI_FIELDS]
    table = re.findall(rb"[ -~]{4,}", root.read_bytes("/sys/firmware/dmi/tables/DMI"))
    tree = root.read("/proc/device-tree/model").replace("\0", "")
    return " ".join(filter(None, [*fields, *(text.decode() for text in table), tree])).lower()


_DMI_FIELDS = ("sys_vendor", "product_name", "product_family", "board_vendor", "board_name", "chassis_vendor")
_HYPERVISORS = re.compile("qemu|kvm|vmware|openstack|bochs|xen|virtualbox|alibaba cloud ecs|huaweicloud")


def read(root: root_module.Root, machine: str) -> Cpu:
    """Read every CPU below `root`; `machine` is uname's."""
    architecture = ARCHITECTURES.get(machine, machine)
    cpus = parse_cpuinfo(root.read("/proc/cpuinfo"))
    text = identity(root)
    evidence = _Evidence(cpus, text, bool(_HYPERVISORS.search(text)))
    features = _features(cpus)
    family, parts = UNKNOWN, ()  # type: str, Tuple[str, ...]
    if architecture == "arm64":
        found = frozenset(_part(cpu, _midr(root, cpu.get("processor", "0"))) for cpu in cpus)
        family = _arm_family(found, evidence)
        parts = tuple(f"0x{a:02x}/0x{b:03x}" for a, b in sorted(found) if a >= 0)
    elif architecture == "amd64" and cpus:
        family = _x86_family(cpus[0])
        parts = (f"{cpus[0].get('vendor_id', '')}/{cpus[0].get('cpu family', '')}",)
    elif architecture == "loong64" and evidence.model.casefold().startswith("loongson"):
        family, parts = "loongson", (evidence.model,)
    return Cpu(
        architecture=architecture,
        family=family,
        isa_level=isa_level(architecture, features),
        count=len(cpus),
        model=evidence.model,
        parts=parts,
        features=tuple(sorted(features)),
    )
