"""`suanli-controller plan`: what if, without a cluster."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from suanli_controller.api import algorithm, centre, cloud, core_v1, names, site, unknown, workload
from suanli_controller.cli import manifests, tables
from suanli_controller.core import demand, quantity, what_if

FILES = click.Path(path_type=Path)

Kind = TypeVar("Kind", bound=msgspec.Struct)


@click.command()
@click.option(
    "--fleet",
    "fleet_files",
    type=FILES,
    multiple=True,
    required=True,
    help="Cloud, EdgeSite, ComputeCentre, Algorithm, PriorityClass, Node, Pod; - is standard input. May be repeated.",
)
@click.option(
    "--workloads",
    "workload_files",
    type=FILES,
    multiple=True,
    required=True,
    help="ComputeWorkloads; other kinds count for the fleet. May be repeated.",
)
@click.option(
    "--strategy",
    type=click.Choice([each.value for each in demand.Strategy]),
    help="Which node gets a replica; default: Fragmentation for accelerators, else BinPack.",
)
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True)
def plan(
    fleet_files: tuple[Path, ...], workload_files: tuple[Path, ...], strategy: str | None, output: str
) -> None:
    """Say where workloads would go in a fleet that is only thought of.

    Reads manifests as `kubectl get -o yaml` or `-o json` prints them; each Node carries the annotation
    suanli.io/target: Cloud/NAME. Decides by the code that the controller runs, and touches no cluster. docs/plan.md
    describes the JSON, which is stable.

    \b
    Examples:
      suanli-controller plan --fleet clouds.yaml --fleet nodes.yaml --workloads apps.yaml
      suanli-controller plan --fleet city.json --workloads apps.yaml --strategy Spread -o json | jq .unplaced
    """
    try:
        builder = _load([*fleet_files, *workload_files])
    except manifests.ManifestError as error:
        raise click.ClickException(str(error)) from error
    made = builder.plan(demand.Strategy(strategy) if strategy else None)
    for warning in made.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(_PRINTERS[output](made), nl=False)


def _load(paths: list[Path]) -> what_if.Builder:
    """Two rounds over one reading: what the Clouds say of their nodes must be known before the nodes."""
    builder, late = what_if.Builder(), []
    for path in dict.fromkeys(paths):
        for head, raw in manifests.read(path):
            if head.kind in ("Node", "Pod"):
                late.append((head, raw, path))
            else:
                _take(builder, head, raw, path)
    builder.add_targets()
    for kind in ("Node", "Pod"):
        for head, raw, path in late:
            if head.kind == kind:
                _take(builder, head, raw, path)
    return builder


def _take(builder: what_if.Builder, head: manifests.Head, raw: msgspec.Raw, path: Path) -> None:
    inventory, name = builder.inventory, head.metadata.name
    if head.kind == names.WORKLOAD_KIND:
        _take_workload(builder, head, raw)
        return
    target = head.metadata.annotations.get(names.TARGET_ANNOTATION, "")
    if head.kind in _KEPT and not name:
        raise manifests.ManifestError(f"{path}: a {head.kind} without metadata.name")
    try:
        match head.kind:
            case "Node":
                builder.add_node(_thought_of(_NODES.decode(raw)), target)
            case "Pod":
                builder.add_pod(_PODS.decode(raw), target)
            case names.CLOUD_KIND:
                _keep(builder, inventory.clouds, head, raw, _CLOUDS)
            case names.SITE_KIND:
                _keep(builder, inventory.sites, head, raw, _SITES)
            case names.CENTRE_KIND:
                inventory.centre = _CENTRES.decode(raw)
                _warn_of_unknown(builder, head, raw, _CENTRES.type)
            case names.ALGORITHM_KIND:
                _keep(builder, inventory.algorithms, head, raw, _ALGORITHMS)
            case "PriorityClass":
                inventory.priority_classes[name] = _PRIORITIES.decode(raw)
            case _:
                builder.warn(f"{path}: {head.kind or 'an object without kind'} {name}: not read by plan")
    except (msgspec.ValidationError, quantity.QuantityError) as error:
        raise manifests.ManifestError(f"{path}: {head.kind} {name}: {error}") from error


_KEPT = ("Node", "Pod", names.CLOUD_KIND, names.SITE_KIND, names.ALGORITHM_KIND, "PriorityClass")


def _take_workload(builder: what_if.Builder, head: manifests.Head, raw: msgspec.Raw) -> None:
    key = f"{head.metadata.namespace or 'default'}/{head.metadata.name}"
    try:
        item = _in_namespace(_WORKLOADS.decode(raw))
    except msgspec.ValidationError as error:
        builder.inventory.invalid[key] = str(error)
        return
    if key in builder.inventory.workloads:
        builder.warn(f"{head.kind} {key} is there twice: the last counts")
    builder.inventory.workloads[key] = item
    _warn_of_unknown(builder, head, raw, _WORKLOADS.type)


def _keep(
    builder: what_if.Builder,
    kept: dict[str, Kind],
    head: manifests.Head,
    raw: msgspec.Raw,
    decoder: msgspec.json.Decoder[Kind],
) -> None:
    name = head.metadata.name
    if name in kept:
        builder.warn(f"{head.kind} {name} is there twice: the last counts")
    kept[name] = decoder.decode(raw)
    _warn_of_unknown(builder, head, raw, decoder.type)


def _warn_of_unknown(builder: what_if.Builder, head: manifests.Head, raw: msgspec.Raw, kind: Any) -> None:
    """The API server would refuse or tell; here a mistyped field must not pass for a constraint."""
    for field in unknown.unknown_fields(msgspec.json.decode(raw), kind):
        builder.warn(f"{head.kind} {head.metadata.name}: {field}: there is no such field; it counts for nothing")


def _thought_of(node: core_v1.Node) -> core_v1.Node:
    """A node that nobody has reported on is one to be bought: as with a Cloud without status, it will be Ready."""
    if node.status.conditions:
        return node
    ready = core_v1.NodeCondition(type=names.READY, status="True")
    return msgspec.structs.replace(node, status=msgspec.structs.replace(node.status, conditions=[ready]))


def _in_namespace(item: workload.ComputeWorkload) -> workload.ComputeWorkload:
    if item.metadata.namespace:
        return item
    return msgspec.structs.replace(item, metadata=msgspec.structs.replace(item.metadata, namespace="default"))


_WORKLOADS = msgspec.json.Decoder(workload.ComputeWorkload)
_NODES = msgspec.json.Decoder(core_v1.Node)
_PODS = msgspec.json.Decoder(core_v1.Pod)
_CLOUDS = msgspec.json.Decoder(cloud.Cloud)
_SITES = msgspec.json.Decoder(site.EdgeSite)
_CENTRES = msgspec.json.Decoder(centre.ComputeCentre)
_ALGORITHMS = msgspec.json.Decoder(algorithm.Algorithm)
_PRIORITIES = msgspec.json.Decoder(core_v1.PriorityClass)


def _table(made: what_if.Plan) -> str:
    return "\n".join([*tables.columns(_workload_rows(made)), "", *tables.columns(_class_rows(made)), ""])


def _workload_rows(made: what_if.Plan) -> Iterator[tuple[str, ...]]:
    yield ("WORKLOAD", "PLACED", "WHERE")
    for each in made.workloads:
        where = ", ".join(f"{place.target} {place.variant} {place.replicas}" for place in each.placements)
        yield (f"{each.namespace}/{each.name}", f"{each.placed}/{each.replicas}", where or "-")
        for reason in each.unplaced.reasons:
            detail = f": {reason.message}" if reason.message else ""
            on = f" on {reason.nodes} node{'s' * (reason.nodes != 1)}" if reason.nodes else ""
            yield ("", "", f"not placed: {reason.reason}{on}{detail}")
        if each.unplaced.replicas and not each.unplaced.reasons:
            yield ("", "", "not placed: there is no node")
        for note in each.notes:
            yield ("", "", f"not checked: {note}")


def _class_rows(made: what_if.Plan) -> Iterator[tuple[str, ...]]:
    yield ("CLASS", "NODES", "OPEN", "FREE", "LARGEST ON ONE NODE")
    for each in made.classes:
        yield (
            each.class_,
            str(each.nodes),
            str(each.open_nodes),
            _amounts(each.free),
            _amounts(each.largest_free),
        )


def _amounts(amounts: dict[str, str]) -> str:
    return " ".join(f"{name}={amount}" for name, amount in amounts.items()) or "-"


_PRINTERS: dict[str, Callable[[Any], str]] = {**tables.PRINTERS, "table": _table}
