"""What the fleet is told: targets, owners of pods, and the facts of a node as columns keep them."""

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final

from suanli_controller.api import names
from suanli_controller.core import hardware

FACTS: Final = (
    "architecture",
    "family",
    "os",
    "isaLevel",
    "pageSizeKiB",
    "accelerators",
    "acceleratorModel",
    "taints",
    "class",
    "kind",
)
PLACE_KEYS: Final = ("cloud", "site", "tier", "district", "provider", "zone")
GRADES: Final = {"General": 0, "Important": 1, "Core": 2}


@dataclass(frozen=True, slots=True)
class Target:
    """A Cloud or an EdgeSite as a place for work."""

    ref: str  # Cloud/NAME or EdgeSite/NAME
    tier: str = ""
    district: str = ""
    provider: str = ""
    zone: str = ""
    clearance: str = "General"
    cordoned: bool = False
    ready: bool = True
    rtt_microseconds: int | None = None  # None: never measured
    labels: Mapping[str, str] = field(default_factory=dict)
    local: bool = False  # the hub's own cluster, where boxes of sites stand beside ordinary nodes

    def but_for_link(self, other: "Target") -> bool:
        """Whether it is like `other` in all but the round trip."""
        return dataclasses.replace(self, rtt_microseconds=other.rtt_microseconds) == other

    def value(self, key: str) -> str:
        """What it says to one of PLACE_KEYS; empty where it says nothing."""
        kind, _, name = self.ref.partition("/")
        if key == "cloud":
            return name if kind == names.CLOUD_KIND else ""
        if key == "site":
            return name if kind == names.SITE_KIND else ""
        return str(getattr(self, key))


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose replica a pod is: a workload's uid and the variant."""

    workload: str
    variant: str


def described(node: hardware.NodeFacts) -> Mapping[str, Hashable | None]:
    """By FACTS. What only nodeInfo says is not among them: no scheduler could keep to it."""
    known = node.placeable
    return {
        "architecture": known.architecture,
        "family": known.family,
        "os": known.os,
        "isaLevel": known.isa_level,
        "pageSizeKiB": known.page_size_kib,
        "accelerators": frozenset(node.hardware.accelerators),
        "acceleratorModel": known.accelerator_model,
        "taints": tuple((each.key, each.value, each.effect) for each in node.taints),
        "class": node.class_name,
        "kind": (node.hardware.accelerator, known.accelerator_model) if node.hardware.accelerator else None,
    }


def digests(node: hardware.NodeFacts) -> tuple[int, int]:
    """Two numbers that change when a node's fixed facts, or anything about it, change."""
    taints = tuple((each.key, each.value, each.effect) for each in node.taints)
    fixed = hash((frozenset(node.labels.items()), taints, node.placeable, node.hardware, node.class_name))
    return fixed, hash((fixed, frozenset(node.allocatable.items()), node.ready, node.cordoned))
