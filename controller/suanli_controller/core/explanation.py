"""Where one workload would go and why not elsewhere: the answer of `explain`, from a fleet that was read live.

The decision is the controller's own (`placement.explain`); this module only tells it. The shape of `Explanation` is
documented in docs/explain.md and kept stable.
"""

from collections.abc import Collection, Iterable

import msgspec

from suanli_controller.api import names, workload
from suanli_controller.core import demand, placement, rules, what_if


class Placement(msgspec.Struct, frozen=True, rename="camel"):
    """`standing` of `replicas` are there already, by the workload's status; `nodes` are for the others."""

    target: str
    variant: str
    replicas: int
    standing: int
    nodes: tuple[what_if.NodeShare, ...] = ()


class Elsewhere(msgspec.Struct, frozen=True, rename="camel"):
    """Nodes of one hardware class in one target that take no more of it, under one reason."""

    target: str
    class_: str = msgspec.field(name="class")
    reason: str = ""
    nodes: int = 0
    message: str = ""


class Explanation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """`elsewhere` counts each node once, under the reason of the build that came furthest there."""

    api_version: str = names.API_VERSION
    kind: str = "Explanation"
    namespace: str
    name: str
    type: str
    replicas: int
    placed: int
    placements: tuple[Placement, ...] = ()
    unplaced: what_if.Unplaced = what_if.Unplaced()
    elsewhere: tuple[Elsewhere, ...] = ()
    notes: tuple[str, ...] = ()
    invalid: str = ""
    warnings: tuple[str, ...] = ()


def settle(builder: what_if.Builder, but: Collection[str]) -> None:
    """Count what all workloads but those of `but` (namespace/name) were given and have not bound yet.

    Nothing new is given to them: their replicas are no more than what their status says.
    """
    held = []
    for key, item in builder.inventory.workloads.items():
        if key in but:
            continue
        try:
            wished = builder.demand_of(item, rules.ask_of(item))
        except rules.InvalidTemplate:
            continue  # it was given nothing, or keeps what it had
        held.append(msgspec.structs.replace(wished, replicas=sum(wished.current.values())))
    placement.place(builder.fleet, held)


def explain(
    builder: what_if.Builder,
    item: workload.ComputeWorkload,
    strategy: demand.Strategy | None = None,
    full: Collection[str] = (),
) -> Explanation:
    """What the controller would decide for `item` now; changes nothing.

    `full`: targets whose scheduler could not bind pods of it.
    """
    meta = item.metadata
    told = Explanation(
        namespace=meta.namespace, name=meta.name, type=item.spec.type, replicas=rules.replicas_of(item), placed=0
    )
    try:
        ask = rules.ask_of(item, strategy)
    except rules.InvalidTemplate as error:
        return refused(told, str(error), builder.inventory.warnings)
    wished = msgspec.structs.replace(builder.demand_of(item, ask), full=frozenset(full))
    decision = placement.explain(builder.fleet, wished)
    if decision.invalid:
        return refused(told, decision.invalid, builder.inventory.warnings)
    placed = sum(each.replicas for each in decision.placements)
    return msgspec.structs.replace(
        told,
        replicas=placed + decision.unplaced if ask.kind is demand.Kind.DAEMON_SET else told.replicas,
        placed=placed,
        placements=tuple(_placement(each, wished) for each in decision.placements),
        unplaced=what_if.Unplaced(decision.unplaced, tuple(_reasons(decision)) if decision.unplaced else ()),
        elsewhere=tuple(
            Elsewhere(each.target, each.class_name, each.reason, each.nodes, each.detail)
            for each in decision.ruled_out
        ),
        notes=decision.notes,
        warnings=tuple(builder.inventory.warnings),
    )


def refused(told: Explanation, why: str, warnings: Iterable[str] | None = None) -> Explanation:
    """The explanation of a workload that cannot be placed as it is written."""
    return msgspec.structs.replace(
        told,
        placed=0,
        placements=(),
        elsewhere=(),
        invalid=why,
        unplaced=what_if.Unplaced(told.replicas, (what_if.Reason(names.TEMPLATE_INVALID, 0, why),)),
        warnings=told.warnings if warnings is None else tuple(warnings),
    )


def _placement(one: demand.Placement, wished: demand.Demand) -> Placement:
    standing = min(wished.current.get((one.target, one.variant), 0), one.replicas)
    nodes = tuple(what_if.NodeShare(name, replicas) for name, replicas in one.nodes)
    return Placement(one.target, one.variant, one.replicas, standing, nodes)


def _reasons(decision: demand.Decision) -> Iterable[what_if.Reason]:
    return (what_if.Reason(each.reason, each.nodes, each.detail) for each in decision.reasons)
