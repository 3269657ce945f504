"""From a Node to facts about its hardware: architecture, CPU family, system, instruction set, pages, accelerators.

A fact is worth placing by only when the cloud's own scheduler can be told to keep to it: so each fact carries the
node affinity terms that select it in that cloud. What only nodeInfo says is shown and never placed by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suanli_controller.api import core_v1, names

# Names of facts, as keys of `NodeFacts.selectors`; the words of Cloud.spec.nodeProfiles.
ARCHITECTURE: Final = "architecture"
FAMILY: Final = "family"
OS: Final = "os"
ISA_LEVEL: Final = "isaLevel"
PAGE_SIZE_KIB: Final = "pageSizeKiB"
ACCELERATOR_MODEL: Final = "acceleratorModel"


@dataclass(frozen=True, slots=True)
class Expression:
    """One requirement of a node affinity term: operator In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


# All expressions of a term must hold; one term of several must hold. No term at all: cannot be selected.
Term = tuple[Expression, ...]
Terms = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a node is; "unknown", 0 or "" where nothing tells."""

    architecture: str = names.UNKNOWN
    family: str = names.UNKNOWN
    os: str = names.UNKNOWN
    isa_level: str = ""
    page_size_kib: int = 0
    accelerator: str = ""  # extended resource; the first by name
    accelerator_model: str = ""
    accelerators: tuple[str, ...] = ()  # every extended resource of an accelerator, by name


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as the placement sees it.

    `target` is `Cloud/NAME` or `EdgeSite/NAME`. `allocatable` and `capacity` are in core units (cpu in millicores, all
    else in its base unit). `hardware` is what is shown, `placeable` the part of it that node affinity can say in that
    cloud, by `selectors` (fact name -> terms).
    """

    name: str
    target: str
    labels: Mapping[str, str]
    taints: tuple[core_v1.Taint, ...]
    allocatable: Mapping[str, int]
    capacity: Mapping[str, int]
    ready: bool
    cordoned: bool
    hardware: Hardware
    placeable: Hardware
    class_name: str
    selectors: Mapping[str, Terms]
    conflicts: tuple[str, ...] = ()  # profiles that differ, in words
