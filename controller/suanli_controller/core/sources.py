"""What each source says of a node's hardware: our labels, NFD's, nodeInfo, the cloud's profiles, and what follows.

A source yields claims. A claim is worth placing by when it comes with the node affinity expressions that select
every node for which the same is said, and no other. Nothing here weighs claims: that is `hardware`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from suanli_controller.api import cloud, core_v1, meta, names
from suanli_controller.core import vocabulary
from suanli_controller.core.demand import Expression

ARCHITECTURE: Final = "architecture"
FAMILY: Final = "family"
OS: Final = "os"
ISA_LEVEL: Final = "isaLevel"
PAGE_SIZE_KIB: Final = "pageSizeKiB"
ACCELERATOR_MODEL: Final = "acceleratorModel"

OWN_LABELS: Final = {
    ARCHITECTURE: names.ARCH_LABEL,
    FAMILY: names.FAMILY_LABEL,
    OS: names.OS_LABEL,
    ISA_LEVEL: names.ISA_LEVEL_LABEL,
    PAGE_SIZE_KIB: names.PAGE_SIZE_LABEL,
    ACCELERATOR_MODEL: names.ACCELERATOR_MODEL_LABEL,
}
_NFD: Final = "feature.node.kubernetes.io/"
_NFD_VENDOR: Final = f"{_NFD}cpu-model.vendor_id"
_NFD_FAMILY: Final = f"{_NFD}cpu-model.family"
_NFD_ID: Final = f"{_NFD}cpu-model.id"
_NFD_FLAG: Final = f"{_NFD}cpu-cpuid."
_NFD_OS: Final = f"{_NFD}system-os_release.ID"
_NFD_OS_VERSION: Final = f"{_NFD}system-os_release.VERSION_ID"
_ASCEND_CHIP: Final = "node.kubernetes.io/npu.chip.name"
_NVIDIA_PRODUCT: Final = "nvidia.com/gpu.product"

READ_PREFIXES: Final = (names.ARCH_LABEL, f"{names.GROUP}/", _NFD, _ASCEND_CHIP, _NVIDIA_PRODUCT)
"""Labels that any source but profiles reads begin with one of these."""


# All expressions of a term must hold; one term of several must hold. No term at all: cannot be selected.
Term = tuple[Expression, ...]
Terms = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A source says that `fact` has `value`; `term` is None where node affinity cannot say so."""

    fact: str
    value: str
    term: Term | None


def is_in(key: str, value: str) -> Expression:
    return Expression(key, "In", (value,))


def own_labels(labels: Mapping[str, str]) -> Iterator[Claim]:
    for fact, key in OWN_LABELS.items():
        value = labels.get(key, "")
        if value not in ("", names.UNKNOWN) and _is_word(fact, value):
            yield Claim(fact, _spelled(fact, value), (is_in(key, value),))


def _is_word(fact: str, value: str) -> bool:
    if fact == ISA_LEVEL:
        return bool(vocabulary.architecture_of_isa(value))
    return fact != PAGE_SIZE_KIB or (value.isascii() and value.isdecimal())


def _spelled(fact: str, value: str) -> str:
    if fact == ARCHITECTURE:
        return vocabulary.ARCHITECTURES.get(value, value)
    return value if fact in (ISA_LEVEL, PAGE_SIZE_KIB) else vocabulary.word(value)


def nfd(labels: Mapping[str, str], architecture: str) -> Iterator[Claim]:
    """Family and system as Node Feature Discovery tells them."""
    yield from _nfd_family(labels, architecture)
    yield from _nfd_system(labels)


def nfd_isa_level(labels: Mapping[str, str], architecture: str) -> Iterator[Claim]:
    """The highest level whose flags NFD shows; it may show fewer than there are, by its own settings."""
    for level, flags in vocabulary.NFD_ISA_FLAGS.get(architecture, ()):
        if all(labels.get(_NFD_FLAG + flag) == "true" for flag in flags):
            yield Claim(ISA_LEVEL, level, tuple(is_in(_NFD_FLAG + flag, "true") for flag in flags))
            break


def _nfd_family(labels: Mapping[str, str], architecture: str) -> Iterator[Claim]:
    vendor, family, identity = (labels.get(key, "") for key in (_NFD_VENDOR, _NFD_FAMILY, _NFD_ID))
    selected = (is_in(_NFD_VENDOR, vendor),)
    if vendor in vocabulary.NFD_VENDORS:
        yield Claim(FAMILY, vocabulary.NFD_VENDORS[vendor], selected)
    elif architecture == "amd64" and _is_zhaoxin(vendor, family):
        yield Claim(FAMILY, "zhaoxin", (*selected, is_in(_NFD_FAMILY, family)))
    elif architecture == "arm64" and identity.isdecimal():
        part = vocabulary.NFD_PARTS.get(vendor, {}).get(int(identity) >> 4)
        if part:
            yield Claim(FAMILY, part, (*selected, is_in(_NFD_ID, identity)))


def _is_zhaoxin(vendor: str, family: str) -> bool:
    """CentaurHauls shows as VIA, Shanghai as VendorUnknown; of these only family 7 is Zhaoxin's for certain."""
    if vendor == "VendorUnknown":
        return family == "7"
    return vendor == "VIA" and family.isdecimal() and int(family) >= 6


def _nfd_system(labels: Mapping[str, str]) -> Iterator[Claim]:
    identity, version = labels.get(_NFD_OS, ""), labels.get(_NFD_OS_VERSION, "")
    if identity.lower() == "kylin":
        if system := vocabulary.system_of(f"kylin {version}"):
            yield Claim(OS, system, (is_in(_NFD_OS, identity), is_in(_NFD_OS_VERSION, version)))
    elif system := vocabulary.system_of(identity):
        yield Claim(OS, system, (is_in(_NFD_OS, identity),))


def accelerator_labels(labels: Mapping[str, str], resource: str) -> Iterator[Claim]:
    """The model of the accelerator `resource`, by the labels of its own vendor's discovery."""
    chip, product = labels.get(_ASCEND_CHIP, ""), labels.get(_NVIDIA_PRODUCT, "")
    if resource.startswith("huawei.com/") and chip:
        yield Claim(ACCELERATOR_MODEL, vocabulary.ascend_model(chip), (is_in(_ASCEND_CHIP, chip),))
    elif resource.startswith("nvidia.com/") and product:
        yield Claim(ACCELERATOR_MODEL, vocabulary.word(product), (is_in(_NVIDIA_PRODUCT, product),))


def node_info(info: core_v1.NodeSystemInfo) -> Iterator[Claim]:
    """What the kubelet reports: shown, but no node affinity can select by it."""
    if info.architecture:
        yield Claim(ARCHITECTURE, vocabulary.ARCHITECTURES.get(info.architecture, info.architecture), None)
    if system := vocabulary.system_of(info.os_image):
        yield Claim(OS, system, None)
    if info.kernel_version.endswith("64k"):  # how Red Hat and Ubuntu name their kernels with 64 KiB pages
        yield Claim(PAGE_SIZE_KIB, "64", None)


def profile_facts(profile: cloud.NodeProfile) -> dict[str, str]:
    """What a profile says, by fact."""
    said = {
        FAMILY: profile.family,
        OS: profile.os,
        ISA_LEVEL: profile.isa_level or "",
        PAGE_SIZE_KIB: str(profile.page_size_kib or ""),
        ACCELERATOR_MODEL: profile.accelerator_model,
    }
    return {fact: value for fact, value in said.items() if value}


def selects(selector: meta.LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector means an object with these labels; an unknown operator means none."""
    return all(holds(each, labels) for each in expressions(selector))


def expressions(selector: meta.LabelSelector) -> Term:
    """A label selector as node affinity says it; the operators mean the same there."""
    exact = (is_in(key, value) for key, value in sorted(selector.match_labels.items()))
    others = (Expression(each.key, each.operator, tuple(each.values)) for each in selector.match_expressions)
    return (*exact, *others)


def holds(expression: Expression, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case "In":
            return value is not None and value in expression.values
        case "NotIn":
            return value is None or value not in expression.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False


_OPPOSITE: Final = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}


def outside(selector: meta.LabelSelector, labels: Mapping[str, str]) -> Expression | None:
    """An expression that holds for these labels and for nothing that `selector` means; None where it means them."""
    for each in expressions(selector):
        if not holds(each, labels):
            return Expression(each.key, _OPPOSITE[each.operator], each.values)
    return None


def implied_by_family(family: Claim) -> Iterator[Claim]:
    """A family's architecture and the level that all its parts have, selected as the family is."""
    if architecture := vocabulary.architecture_of(family.value):
        yield Claim(ARCHITECTURE, architecture, family.term)
    if level := vocabulary.isa_level_of(family.value):
        yield Claim(ISA_LEVEL, level, family.term)


def implied_by_architecture(architecture: Claim) -> Iterator[Claim]:
    """Every processor of an architecture has its lowest level; amd64 kernels know 4 KiB pages only."""
    if levels := vocabulary.ISA_LEVELS.get(architecture.value):
        yield Claim(ISA_LEVEL, levels[0], architecture.term)
    if architecture.value == "amd64":
        yield Claim(PAGE_SIZE_KIB, "4", architecture.term)
    if architecture.value == "loong64":
        yield Claim(FAMILY, "loongson", architecture.term)
