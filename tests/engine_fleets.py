"""Small fleets for tests of the engine."""

from collections.abc import Mapping
from typing import Any

from suanli_controller.api import core_v1
from suanli_controller.core import demand, fleet, hardware

GIB = 1 << 30


def node(name: str, target: str = "Cloud/a", **changes: Any) -> hardware.NodeFacts:
    """A ready amd64 node with 8 cores, 32 GiB, 100 GiB of disk and 110 pods; `cpu`, `memory` and more change it."""
    allocatable = {
        "cpu": changes.pop("cpu", 8) * 1000,
        "memory": changes.pop("memory", 32) * GIB,
        "ephemeral-storage": changes.pop("disk", 100) * GIB,
        "pods": changes.pop("pods", 110),
        **changes.pop("extended", {}),
    }
    accelerators = tuple(sorted(name for name in allocatable if "/" in name))
    facts = hardware.Hardware(
        architecture=changes.pop("arch", "amd64"),
        family=changes.pop("family", "intel"),
        os=changes.pop("os", "openeuler"),
        isa_level=changes.pop("isa", ""),
        page_size_kib=changes.pop("page", 4),
        accelerator=accelerators[0] if accelerators else "",
        accelerator_model=changes.pop("model", ""),
        accelerators=accelerators,
    )
    labels: Mapping[str, str] = {"kubernetes.io/hostname": name} | changes.pop("labels", {})
    taints = tuple(core_v1.Taint(*each) for each in changes.pop("taints", ()))
    fields: dict[str, Any] = {"ready": True, "cordoned": False} | changes
    return hardware.NodeFacts(
        name=name,
        target=target,
        labels=labels,
        taints=taints,
        allocatable=allocatable,
        capacity=allocatable,
        hardware=facts,
        placeable=facts,
        class_name=f"{facts.architecture}.{facts.family}.{facts.os}.none",
        selectors={},
        **fields,
    )


def cloud(name: str, **fields: Any) -> fleet.Target:
    return fleet.Target(f"Cloud/{name}", **{"clearance": "Core"} | fields)


def of(targets: list[fleet.Target], nodes: list[hardware.NodeFacts]) -> fleet.Fleet:
    made = fleet.Fleet()
    for target in targets:
        made.upsert_target(target)
    for each in nodes:
        made.upsert_node(each)
    return made


def variant(name: str = "default", cpu: int = 1000, memory: int = GIB, **fields: Any) -> demand.Variant:
    requests = {"cpu": cpu, "memory": memory, **fields.pop("extended", {})}
    return demand.Variant(name=name, requests=requests, **fields)


def ask(*variants: demand.Variant, **fields: Any) -> demand.Ask:
    return demand.Ask(variants=variants or (variant(),), **fields)


def counts(decision: demand.Decision) -> dict[str, int]:
    """Replicas by target."""
    found: dict[str, int] = {}
    for each in decision.placements:
        found[each.target] = found.get(each.target, 0) + each.replicas
    return found


def reasons(decision: demand.Decision) -> list[tuple[str, int]]:
    return [(each.reason, each.nodes) for each in decision.reasons]
