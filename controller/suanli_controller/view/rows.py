"""From our kinds and what was seen of nodes to rows. Pure: plain data in, rows out."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from suanli_controller.api import algorithm, centre, cloud, core_v1, fields, meta, names, site, workload
from suanli_controller.core import centre as totals
from suanli_controller.core import conditions, hardware
from suanli_controller.view import model

_SHOWN_PLACEMENTS = 256  # as many as a status may name


def _seconds(at: dt.datetime | None) -> int:
    return int(at.timestamp()) if at is not None else 0


def _seconds_or_none(at: dt.datetime | None) -> int | None:
    return int(at.timestamp()) if at is not None else None


def _names(name: fields.DisplayName) -> model.Names:
    return model.Names(zh=name.zh, en=name.en)


def _condition(found: meta.Condition | None) -> model.Condition | None:
    if found is None:
        return None
    return model.Condition(
        type=found.type,
        status=found.status,
        reason=found.reason,
        message=found.message,
        since=_seconds(found.last_transition_time),
    )


def of_centre(item: centre.ComputeCentre) -> model.Centre:
    spec = item.spec
    return model.Centre(
        display_name=_names(spec.display_name),
        districts=tuple(
            model.District(
                code=each.code,
                display_name=_names(each.display_name),
                position=model.Position(east_e6=each.position.east_e6, north_e6=each.position.north_e6)
                if each.position
                else None,
            )
            for each in spec.districts
        ),
        table_version=spec.unit_table.version,
        families=tuple(
            model.FamilyUnits(
                family=each.family, milli_units_per_core=each.milli_units_per_core, source=each.source
            )
            for each in spec.unit_table.families
        ),
        accelerators=tuple(
            model.AcceleratorUnits(
                resource=each.resource,
                model=each.model,
                milli_units=each.milli_units,
                gigaflops_fp16=each.gigaflops_fp16,
                gigaops_int8=each.gigaops_int8,
                source=each.source,
            )
            for each in spec.unit_table.accelerators
        ),
        domestic=model.Domestic(families=tuple(spec.domestic.families), oses=tuple(spec.domestic.oses)),
    )


def of_cloud(item: cloud.Cloud, classes: tuple[model.Capacity, ...]) -> model.Cloud:
    spec, status = item.spec, item.status
    return model.Cloud(
        name=item.metadata.name,
        tier=spec.tier,
        district=spec.district,
        provider=spec.provider,
        zone=spec.zone,
        clearance=spec.clearance,
        cordoned=spec.cordoned,
        local=spec.access.local is not None,
        ready=_condition(conditions.get(status.conditions, names.READY)),
        version=status.version,
        nodes=sum(each.nodes for each in classes),
        ready_nodes=sum(each.ready_nodes for each in classes),
        classes=classes,
        rtt_microseconds=status.network.rtt_microseconds if status.network else None,
        credential_expires=_seconds_or_none(status.credential_expires),
        created=_seconds(item.metadata.creation_timestamp),
    )


def of_site(item: site.EdgeSite, classes: tuple[model.Capacity, ...]) -> model.Site:
    spec, status = item.spec, item.status
    return model.Site(
        name=item.metadata.name,
        district=spec.district,
        provider=spec.provider,
        clearance=spec.clearance,
        cordoned=spec.cordoned,
        offline_mode=spec.offline.mode,
        ready=_condition(conditions.get(status.conditions, names.READY)),
        boxes=sum(each.nodes for each in classes),
        ready_boxes=sum(each.ready_nodes for each in classes),
        next_certificate_expiry=_seconds_or_none(status.next_certificate_expiry),
        classes=classes,
        created=_seconds(item.metadata.creation_timestamp),
    )


def of_node(facts: hardware.NodeFacts, node: core_v1.Node, requested: Mapping[str, int]) -> model.Node:
    """Amounts of zero are left out: what is not there takes no room."""
    info = node.status.node_info
    return model.Node(
        target=facts.target,
        name=facts.name,
        class_key=facts.class_name,
        ready=facts.ready,
        cordoned=facts.cordoned,
        isa_level=facts.hardware.isa_level,
        page_size_kib=facts.hardware.page_size_kib,
        os_image=info.os_image,
        kernel=info.kernel_version,
        kubelet=info.kubelet_version,
        allocatable=_present(facts.allocatable),
        capacity=_present(facts.capacity),
        requested=_present(requested),
        certificate_expires=_expiry(node),
        created=_seconds(node.metadata.creation_timestamp),
    )


def _present(amounts: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in amounts.items() if amount}


def _expiry(node: core_v1.Node) -> int | None:
    text = node.metadata.annotations.get(names.CERTIFICATE_EXPIRES_ANNOTATION)
    try:
        return int(dt.datetime.fromisoformat(text).timestamp()) if text else None
    except ValueError:
        return None  # a box writes it, and may write anything


def of_workload(item: workload.ComputeWorkload) -> model.Workload:
    spec, status = item.spec, item.status
    unplaced = status.unplaced
    return model.Workload(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        type=spec.type,
        replicas=status.replicas,
        ready_replicas=status.ready_replicas,
        unplaced_replicas=unplaced.replicas if unplaced else 0,
        suspended=spec.suspend,
        data_grade=spec.data_grade or "",
        priority_class=spec.priority_class_name,
        algorithm=f"{spec.algorithm_ref.name}@{spec.algorithm_ref.version}" if spec.algorithm_ref else "",
        variants=tuple(each.name for each in spec.variants),
        placements=tuple(
            model.Placement(
                target=each.target,
                variant=each.variant,
                replicas=each.replicas,
                ready_replicas=each.ready_replicas,
                succeeded=each.succeeded,
                failed=each.failed,
            )
            for each in status.placements[:_SHOWN_PLACEMENTS]
        ),
        unplaced=tuple(
            model.Reason(reason=each.reason, nodes=each.nodes, message=each.message)
            for each in (unplaced.reasons if unplaced else ())
        ),
        conditions=tuple(row for each in status.conditions if (row := _condition(each))),
        created=_seconds(item.metadata.creation_timestamp),
    )


def of_algorithm(item: algorithm.Algorithm) -> model.Algorithm:
    spec, status = item.spec, item.status
    return model.Algorithm(
        name=item.metadata.name,
        display_name=_names(spec.display_name),
        category=spec.category,
        versions=tuple(
            model.AlgorithmVersion(
                version=each.version,
                variants=tuple(variant.name for variant in each.variants),
                throughput=tuple(
                    model.Throughput(class_key=t.class_, per_replica=t.per_replica, unit=t.unit, source=t.source)
                    for t in each.throughput
                ),
            )
            for each in spec.versions
        ),
        workloads=status.workloads,
        replicas=status.replicas,
        ready=_condition(conditions.get(status.conditions, names.READY)),
    )


def of_classes(
    classes: Mapping[str, totals.Amounts], table: totals.UnitTable, domestic: totals.DomesticList
) -> tuple[model.Capacity, ...]:
    """The classes of one place, by name, in the unit table's units."""
    return tuple(_capacity(key, classes[key], table, domestic) for key in sorted(classes))


def _capacity(
    key: str, amounts: totals.Amounts, table: totals.UnitTable, domestic: totals.DomesticList
) -> model.Capacity:
    counted = totals.with_units(amounts, key, table, domestic)
    return model.Capacity(
        key=key,
        nodes=counted.nodes,
        ready_nodes=counted.ready_nodes,
        allocatable=_present(counted.allocatable),
        capacity=_present(counted.capacity),
        requested=_present(counted.requested),
        largest_free=_present(counted.largest_free),
        units=units(counted.units),
        capacity_units=units(counted.capacity_units),
        requested_units=units(counted.requested_units),
        domestic=totals.is_domestic(key, domestic),
    )


def units(found: totals.Units) -> model.Units:
    """Units as a row tells them."""
    return model.Units(
        general_milli=found.general_milli,
        intelligent_milli=found.intelligent_milli,
        gigaflops_fp16=found.gigaflops_fp16,
        gigaops_int8=found.gigaops_int8,
    )


def holdings(places: Iterable[model.Cloud | model.Site]) -> Iterator[totals.Holding]:
    """What the rows of places tell, as core adds it up: one for each class of each place."""
    for place in places:
        for row in place.classes:
            yield totals.Holding(
                target=place.target,
                tier=place.tier,
                district=place.district,
                provider=place.provider,
                class_key=row.key,
                amounts=_amounts(row),
            )


def _amounts(row: model.Capacity) -> totals.Amounts:
    installed = _core_units(row.capacity_units)
    return totals.Amounts(
        nodes=row.nodes,
        ready_nodes=row.ready_nodes,
        allocatable=row.allocatable,
        capacity=row.capacity,
        requested=row.requested,
        largest_free=row.largest_free,
        units=_core_units(row.units),
        capacity_units=installed,
        requested_units=_core_units(row.requested_units),
        domestic_milli=installed.milli if row.domestic else 0,
    )


def _core_units(row: model.Units) -> totals.Units:
    return totals.Units(row.general_milli, row.intelligent_milli, row.gigaflops_fp16, row.gigaops_int8)
