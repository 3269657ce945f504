"""Totals over the rows that one may see, by any dimensions. Pure; the arithmetic is core's."""

from collections.abc import Iterable, Iterator, Sequence

from suanli_controller.core import centre
from suanli_controller.dashboard import answers, replica, rights
from suanli_controller.view import model, rows

# The finest totals that name no cloud or site.
CELL = ("class", "tier", "district")
# What tells no cloud or site from another: open to who sees totals only.
OPEN_DIMENSIONS = ("architecture", "family", "os", "accelerator", "class", "tier", "district")


def visible(held: replica.Replica, mine: rights.Rights) -> Iterator[centre.Holding]:
    """What goes into the totals that one sees: everything for who may see totals."""
    for target, holdings in held.holdings.items():
        if mine.totals or mine.may_see_target(target):
            yield from holdings


def by(holdings: Iterable[centre.Holding], dimensions: Sequence[str]) -> list[answers.Total]:
    """Totals in the order of their keys."""
    groups = centre.group(holdings, dimensions)
    return [_total(dict(zip(dimensions, key, strict=True)), amounts) for key, amounts in groups.items()]


def may_group(mine: rights.Rights, dimensions: Iterable[str]) -> bool:
    """Whether the dimensions keep what one may not see unnamed."""
    return not mine.totals or (mine.clouds and mine.sites) or all(name in OPEN_DIMENSIONS for name in dimensions)


def cells(held: replica.Replica, mine: rights.Rights) -> dict[tuple[str, ...], answers.Total]:
    """By key, the finest totals of who may not see every place that goes into them.

    Nothing for who may: they have the places' classes, which are finer.
    """
    if may_group(mine, ("target",)):
        return {}
    return {tuple(total.key.values()): total for total in by(visible(held, mine), CELL)}


def counts(held: replica.Replica, mine: rights.Rights) -> answers.Counts:
    """Who may see totals counts everything."""
    everything = mine.totals
    clouds = list(held.clouds.values()) if everything else rights.clouds(held, mine)
    sites = list(held.sites.values()) if everything else rights.sites(held, mine)
    workloads = list(held.workloads.values() if everything else rights.workloads(held, mine))
    return answers.Counts(
        clouds=len(clouds),
        ready_clouds=sum(is_ready(c.ready) for c in clouds),
        sites=len(sites),
        ready_sites=sum(is_ready(s.ready) for s in sites),
        nodes=sum(c.nodes for c in clouds) + sum(s.boxes for s in sites),
        ready_nodes=sum(c.ready_nodes for c in clouds) + sum(s.ready_boxes for s in sites),
        workloads=len(workloads),
        unplaced_workloads=sum(w.unplaced_replicas > 0 for w in workloads),
        replicas=sum(w.replicas for w in workloads),
        ready_replicas=sum(w.ready_replicas for w in workloads),
        algorithms=len(held.algorithms) if everything else len(rights.algorithms(held, mine)),
    )


def is_ready(condition: model.Condition | None) -> bool:
    return condition is not None and condition.status == "True"


def _total(key: dict[str, str], amounts: centre.Amounts) -> answers.Total:
    return answers.Total(
        key=key,
        nodes=amounts.nodes,
        ready_nodes=amounts.ready_nodes,
        allocatable=dict(amounts.allocatable),
        capacity=dict(amounts.capacity),
        requested=dict(amounts.requested),
        largest_free=dict(amounts.largest_free),
        units=rows.units(amounts.units),
        capacity_units=rows.units(amounts.capacity_units),
        requested_units=rows.units(amounts.requested_units),
        domestic_milli=amounts.domestic_milli,
        domestic_permille=centre.domestic_permille(amounts),
    )
