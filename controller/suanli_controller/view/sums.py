"""From node rows to the capacity rows of their place, in the unit table's units. Pure; the arithmetic is
core's.
"""

from collections.abc import Iterable

from suanli_controller.core import centre
from suanli_controller.view import model


def table_of(row: model.Centre | None) -> tuple[centre.UnitTable, centre.DomesticList]:
    """The unit table and the list of what is domestic; both empty without a ComputeCentre."""
    if row is None:
        return centre.UnitTable(), centre.DomesticList()
    accelerators = {
        (a.resource, a.model): centre.Accelerator(a.milli_units, a.gigaflops_fp16, a.gigaops_int8)
        for a in row.accelerators
    }
    table = centre.UnitTable({f.family: f.milli_units_per_core for f in row.families}, accelerators)
    return table, centre.DomesticList(frozenset(row.domestic.families), frozenset(row.domestic.oses))


def capacities(
    nodes: Iterable[model.Node], table: centre.UnitTable, domestic: centre.DomesticList
) -> tuple[model.Capacity, ...]:
    """The classes of one place, by name."""
    found = centre.by_class(
        centre.NodeAmounts(n.class_key, n.ready, n.cordoned, n.allocatable, n.capacity, n.requested) for n in nodes
    )
    return tuple(_row(key, amounts, table, domestic) for key, amounts in found.items())


def _row(
    key: str, amounts: centre.Amounts, table: centre.UnitTable, domestic: centre.DomesticList
) -> model.Capacity:
    counted = centre.with_units(amounts, key, table, domestic)
    return model.Capacity(
        key=key,
        nodes=counted.nodes,
        ready_nodes=counted.ready_nodes,
        allocatable=dict(counted.allocatable),
        capacity=dict(counted.capacity),
        requested=dict(counted.requested),
        largest_free=dict(counted.largest_free),
        units=_units(counted.units),
        capacity_units=_units(counted.capacity_units),
        requested_units=_units(counted.requested_units),
        domestic=centre.is_domestic(key, domestic),
    )


def _units(units: centre.Units) -> model.Units:
    return model.Units(
        general_milli=units.general_milli,
        intelligent_milli=units.intelligent_milli,
        gigaflops_fp16=units.gigaflops_fp16,
        gigaops_int8=units.gigaops_int8,
    )
