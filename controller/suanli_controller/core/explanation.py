"""Where one workload would go and why not elsewhere: the answer of `explain`, from a fleet that was read live.

The decision is the controller's own (`placement.explain`); this module only tells it. The shape of `Explanation` is
documented in docs/explain.md and kept stable.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from suanli_controller.api import names, workload
from suanli_controller.core import conditions, demand, intent, objects, placement, rules, what_if, workload_status
from suanli_controller.core.workload_status import Place

DELETING = "Deleting"
SUSPENDED = "Suspended"
BEGUN = "Begun"


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
    """`elsewhere` counts each node once, under the reason of the build that came furthest there.

    `undecided`: why the controller decides nothing about it now, one of the words of `undecided`; empty where it does.
    """

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
    undecided: str = ""
    invalid: str = ""
    warnings: tuple[str, ...] = ()


def settle(builder: what_if.Builder, but: Collection[str]) -> None:
    """Count what all workloads but those of `but` (namespace/name) were given and have not bound yet.

    Nothing new is given to them: their replicas are no more than what their status says. Nothing is kept for what
    will not run: suspended, finished and deleted workloads.
    """
    held = []
    for key, item in builder.inventory.workloads.items():
        if key in but or undecided(item) not in ("", BEGUN):
            continue
        try:
            wished = builder.demand_of(item, builder.ask_of(item))
        except rules.InvalidTemplate:
            continue  # it was given nothing, or keeps what it had
        current = _to_run(item, wished.current)
        held.append(msgspec.structs.replace(wished, current=current, replicas=sum(current.values())))
    placement.place(builder.fleet, held)


def undecided(item: workload.ComputeWorkload) -> str:
    """Why the controller decides nothing about a workload that could be placed; empty where it does.

    Deleting; Complete or Failed: a finished Job is never made again; Suspended; Begun: a Job stays where it began.
    """
    if item.metadata.deletion_timestamp is not None:
        return DELETING
    if workload_status.is_finished(item):
        ended = conditions.get(item.status.conditions, names.COMPLETE)
        return names.COMPLETE if ended is not None and ended.status == "True" else names.FAILED
    if item.spec.suspend:
        return SUSPENDED
    return BEGUN if item.spec.type == "Job" and intent.load(item.status, {}).wished else ""


def _to_run(item: workload.ComputeWorkload, current: Mapping[Place, int]) -> Mapping[Place, int]:
    """Of what a workload was given, the pods that may still come: of a Job no more than it has left to complete."""
    if item.spec.job is None:
        return current
    done = {(each.target, each.variant): each.succeeded for each in item.status.placements}
    places = sorted(current)
    shares = objects.completions_of(item.spec.job.completions, [current[place] for place in places])
    left = {place: min(current[place], share - done[place]) for place, share in zip(places, shares, strict=True)}
    return {place: count for place, count in left.items() if count > 0}


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
        ask = builder.ask_of(item, strategy)
    except rules.InvalidTemplate as error:
        return refused(told, str(error), builder.inventory.warnings)
    wished = msgspec.structs.replace(builder.demand_of(item, ask), full=frozenset(full))
    if why := undecided(item):
        return _as_it_is(told, why, wished.current, builder.inventory.warnings)
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


def _as_it_is(told: Explanation, why: str, current: Mapping[Place, int], warnings: Iterable[str]) -> Explanation:
    """The explanation of a workload about which nothing is decided: a Job that runs has its places, the others none."""
    given = current if why == BEGUN else {}
    placed = sum(given.values())
    return msgspec.structs.replace(
        told,
        replicas=placed if told.type == "DaemonSet" else told.replicas,
        placed=placed,
        placements=tuple(
            Placement(target, variant, count, count) for (target, variant), count in sorted(given.items())
        ),
        undecided=why,
        warnings=tuple(warnings),
    )


def refused(told: Explanation, why: str, warnings: Iterable[str] | None = None) -> Explanation:
    """The explanation of a workload that cannot be placed as it is written."""
    return msgspec.structs.replace(
        told,
        placed=0,
        placements=(),
        elsewhere=(),
        undecided="",
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
