"""The words for hardware and what they imply: families, instruction-set levels, systems, accelerators.

Tables and look-ups. Sources: util-linux's lscpu-arm.c and the kernels' cputype.h (part numbers), klauspost/cpuid
(what NFD reads on arm64: id = MIDR & 0xffff), the device plugins' documentation (resource names).
"""

import re
from typing import Final

ARCHITECTURES: Final = {"aarch64": "arm64", "x86_64": "amd64", "loongarch64": "loong64"}  # uname's words

ISA_LEVELS: Final = {"arm64": ("v8.0", "v8.1", "v8.2", "v9.0"), "amd64": ("v1", "v2", "v3", "v4")}

LOWEST_LEVELS: Final = tuple(levels[0] for levels in ISA_LEVELS.values())

_FAMILY_ARCHITECTURES: Final = {
    "arm64": ("kunpeng-", "phytium-", "ampere-", "graviton"),
    "amd64": ("intel", "amd", "hygon", "zhaoxin"),
    "loong64": ("loongson",),
}
# The least that every part of the family has. Graviton 3 is Armv8.4 with SVE but without SVE2.
_FAMILY_ISA_LEVELS: Final = {
    "kunpeng-920": "v8.2",
    "phytium-ft1500a": "v8.0",
    "phytium-ft2000a2": "v8.0",
    "phytium-ft2000plus": "v8.0",
    "phytium-ft2000-4": "v8.0",
    "phytium-d2000": "v8.0",
    "phytium-s2500": "v8.0",
    "phytium-e2000": "v8.0",
    "phytium-d3000": "v8.2",
    "ampere-altra": "v8.2",
    "graviton2": "v8.2",
    "graviton3": "v8.2",
    "graviton4": "v9.0",
}

# NFD's vendor names that are a family by themselves.
NFD_VENDORS: Final = {"Intel": "intel", "AMD": "amd", "Hygon": "hygon"}
# Part numbers by NFD's vendor, where one part is one family. Kunpeng and Phytium show as VendorUnknown. Not here,
# as one part does not tell: 0x663 (FT-2000/4, D2000 or S2500), 0x303 and 0x664 (E2000 has both), 0xd0c (Altra or
# Graviton 2), Kunpeng's 0xd02 (a Kirin too).
NFD_PARTS: Final = {
    "VendorUnknown": {
        0xD01: "kunpeng-920",
        0x660: "phytium-ft1500a",
        0x661: "phytium-ft2000a2",
        0x662: "phytium-ft2000plus",
        0x862: "phytium-d3000",
    },
    "ARM": {0xD40: "graviton3", 0xD4F: "graviton4"},
    "Ampere": {0xAC3: "ampere-one", 0xAC4: "ampere-one"},
}
# cpuid flags that NFD shows for a level. On amd64 its default list leaves out many that belong to v2 and v3; no
# processor has AVX2 and FMA without those.
NFD_ISA_FLAGS: Final = {
    "arm64": (
        ("v9.0", ("SVE2",)),
        ("v8.2", ("ATOMICS", "DCPOP", "ASIMDRDM")),
        ("v8.1", ("ATOMICS",)),
    ),
    "amd64": (
        ("v4", ("AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL")),
        ("v3", ("AVX2", "FMA3")),
        ("v2", ("AVX",)),
    ),
}

_SYSTEMS: Final = (
    (re.compile(r"kylin.*\bv(\d+)", re.IGNORECASE), "kylin-v{}"),
    (re.compile(r"openeuler", re.IGNORECASE), "openeuler"),
    (re.compile(r"uniontech|\buos\b", re.IGNORECASE), "uos"),
    (re.compile(r"anolis", re.IGNORECASE), "anolis"),
    (re.compile(r"deepin", re.IGNORECASE), "deepin"),
    (re.compile(r"debian", re.IGNORECASE), "debian"),
    (re.compile(r"ubuntu", re.IGNORECASE), "ubuntu"),
)

# Words in the name of an extended resource that is an accelerator, and of shares of one, counted beside it.
_ACCELERATOR: Final = re.compile(r"/.*(gpu|npu|dcu|mlu|gcu|xpu|tpu|ascend|mig-)", re.IGNORECASE)
_SHARE: Final = re.compile(r"mem|core|percent|share$|slot", re.IGNORECASE)
_ASCEND_CHIP: Final = re.compile(r"(\d+)([A-Z]?)\d*")


def architecture_of(family: str) -> str:
    """The architecture that a family belongs to, empty where the family is not known."""
    return next((name for name, starts in _FAMILY_ARCHITECTURES.items() if family.startswith(starts)), "")


def isa_level_of(family: str) -> str:
    """The least level that every part of the family has, empty where families differ within."""
    return _FAMILY_ISA_LEVELS.get(family, "")


def architecture_of_isa(level: str) -> str:
    return next((name for name, levels in ISA_LEVELS.items() if level in levels), "")


def isa_reaches(level: str, least: str) -> bool:
    """Whether a processor of `level` runs code built for `least`; false when they are of two architectures."""
    levels = next((levels for levels in ISA_LEVELS.values() if least in levels), ())
    return level in levels and levels.index(level) >= levels.index(least)


def system_of(text: str) -> str:
    """Our word for an operating system, from a name such as nodeInfo.osImage; empty where it is none of ours."""
    for pattern, word in _SYSTEMS:
        if match := pattern.search(text):
            return word.format(*match.groups())
    return ""


def is_accelerator(resource: str) -> bool:
    """Whether an extended resource is an accelerator, by its name: huawei.com/Ascend910 is, rdma/hca is not."""
    name = resource.partition("/")[2]
    return bool(_ACCELERATOR.search(resource)) and not _SHARE.search(name)


def ascend_model(chip: str) -> str:
    """Our word for an Ascend chip as its device plugin labels it: 910B3 is a bin of `ascend910b`."""
    match = _ASCEND_CHIP.fullmatch(chip)
    return f"ascend{match[1]}{match[2]}".lower() if match else word(f"ascend{chip}")


def word(text: str) -> str:
    """`text` as part of a class string: lower case, no dots."""
    return text.lower().replace(".", "-")
