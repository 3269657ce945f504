"""`suanli-controller explain`: where each replica of a workload would go, and why not elsewhere."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from suanli_controller.api import names, workload
from suanli_controller.cli import common, manifests, tables
from suanli_controller.core import demand, explanation
from suanli_controller.kube import client, connection, errors, kinds, resources
from suanli_controller.reconcile import dry_run, survey

_MANAGER = "suanli-explain"
_UNDECIDED = {
    explanation.DELETING: "it is being deleted",
    names.COMPLETE: "the Job is complete and is not run again",
    names.FAILED: "the Job has failed and is not run again",
    explanation.SUSPENDED: "suspended (spec.suspend is true): nothing of it runs",
    explanation.BEGUN: "a Job that has begun stays where it is",
}
_FEW_NODES = 4  # that a row of the table names; -o json names all


@click.command()
@click.argument("name", metavar="WORKLOAD", default="")
@click.option(
    "-f",
    "--filename",
    type=click.Path(path_type=Path),
    help="A file with ComputeWorkloads that need not be on the hub; - reads standard input.",
)
@click.option("-n", "--namespace", default="", help="Of the workload. Default: the kubeconfig's, else default.")
@click.option(
    "--strategy",
    type=click.Choice([each.value for each in demand.Strategy]),
    help="The controller's --strategy; default: Fragmentation for accelerators, else BinPack.",
)
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True)
@common.hub_options
@click.option(
    "--controller-namespace",
    default=names.SYSTEM_NAMESPACE,
    show_default=True,
    help="Where the controller runs and the clouds' Secrets are.",
)
def explain(*, name: str, filename: Path | None, namespace: str, output: str, **options: Any) -> None:
    """Say where each replica of a workload would go, and why not elsewhere. Changes nothing.

    Reads the hub and every cloud as they are now, with your own rights (to the clouds' Secrets, too), and decides by
    the code that the controller runs. docs/explain.md describes the JSON, which is stable.

    \b
    Examples:
      suanli-controller explain face-detect -n vision
      suanli-controller explain -f workload.yaml
      suanli-controller explain -f - -o json < workload.yaml | jq .unplaced
    """
    if bool(name) == (filename is not None):
        raise click.UsageError("give either the name of a WORKLOAD or a file with -f")
    try:
        objects = _objects(filename)
    except manifests.ManifestError as error:
        raise click.ClickException(str(error)) from error
    way = common.connect("--kubeconfig", options["kubeconfig"], options["context"])
    wanted = _Wanted(
        name=name,
        objects=objects,
        namespace=namespace or way.namespace or "default",
        controller_namespace=options["controller_namespace"],
        strategy=demand.Strategy(options["strategy"]) if options["strategy"] else None,
    )
    told = common.run(_explain(way, wanted))
    for warning in dict.fromkeys(warning for each in told for warning in each.warnings):
        click.echo(f"warning: {warning}", err=True)
    click.echo(_print(told, output), nl=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked about: a name on the hub, or objects from a file; `namespace` where they say none."""

    name: str
    objects: list[dict[str, Any]]
    namespace: str
    controller_namespace: str
    strategy: demand.Strategy | None


def _objects(path: Path | None) -> list[dict[str, Any]]:
    """The ComputeWorkloads of a file. Raises ManifestError."""
    if path is None:
        return []
    found = []
    for head, raw in manifests.read(path):
        if head.kind != names.WORKLOAD_KIND:
            raise manifests.ManifestError(
                f"{path}: {head.kind or 'an object without kind'} {head.metadata.name}: only ComputeWorkloads can be "
                "explained"
            )
        if not head.metadata.name:
            raise manifests.ManifestError(f"{path}: metadata.name is missing")
        found.append(msgspec.json.decode(raw, type=dict[str, Any]))
    if not found:
        raise manifests.ManifestError(f"{path}: holds no ComputeWorkload")
    return found


async def _explain(way: connection.Connection, wanted: _Wanted) -> list[explanation.Explanation]:
    """Raises KubeError, click.ClickException."""
    async with client.Client(way) as hub:
        try:
            found = await survey.look(hub, wanted.controller_namespace, dt.datetime.now(dt.UTC))
        except errors.NotFound as error:
            raise click.ClickException(f"{error}: are the kinds installed? {common.INSTALL}") from error
        items = [await _from_file(hub, each, wanted.namespace, found) for each in wanted.objects]
        if wanted.name:
            items = [_on_hub(found, wanted)]
        explanation.settle(found.builder, {resources.key_of(each) for each in items})
        return [await _of_one(hub, found, each, wanted.strategy) for each in items]


def _on_hub(found: survey.Survey, wanted: _Wanted) -> workload.ComputeWorkload:
    item = found.builder.inventory.workloads.get(f"{wanted.namespace}/{wanted.name}")
    if item is None:
        raise click.ClickException(
            f"there is no ComputeWorkload {wanted.name} in namespace {wanted.namespace}; "
            "`kubectl get cwl -A` lists them"
        )
    return item


async def _from_file(
    hub: client.Client, manifest: dict[str, Any], namespace: str, found: survey.Survey
) -> workload.ComputeWorkload:
    """The object as the API server would store it: checked, with defaults, over the one that is there already."""
    manifest = {**manifest, "metadata": {"namespace": namespace, **manifest["metadata"]}}
    manifest.pop("status", None)
    try:
        return await hub.apply(kinds.WORKLOADS, manifest, dry_run=True, manager=_MANAGER)
    except (errors.Forbidden, errors.NotFound) as error:
        found.warn(f"the hub cannot be asked whether it would take the workload: {error}")
    try:
        return msgspec.convert(manifest, workload.ComputeWorkload)
    except msgspec.ValidationError as error:
        raise click.ClickException(f"ComputeWorkload {manifest['metadata']['name']}: {error}") from error


async def _of_one(
    hub: client.Client,
    found: survey.Survey,
    item: workload.ComputeWorkload,
    strategy: demand.Strategy | None,
) -> explanation.Explanation:
    told = explanation.explain(found.builder, item, strategy, found.full.get(item.metadata.uid, ()))
    if told.invalid:
        return told
    try:
        refusal = await dry_run.Checks(hub, "explain").refusal(found.builder.built(item))
    except errors.KubeError:
        return told  # a namespace that is not there yet: the API server has no opinion
    return explanation.refused(told, refusal) if refusal else told


def _print(told: list[explanation.Explanation], output: str) -> str:
    if output == "table":
        return "\n".join(_table(each) for each in told)
    return tables.PRINTERS[output](told[0] if len(told) == 1 else told)


def _table(told: explanation.Explanation) -> str:
    sections = [
        [f"{told.type} {told.namespace}/{told.name}: {_verdict(told)}"],
        list(tables.columns(_placement_rows(told))) if told.placements else [],
        _unplaced_lines(told),
    ]
    if told.elsewhere:
        sections.append(list(tables.columns(_elsewhere_rows(told))))
    sections.append([f"not checked here, but by the target's scheduler: {note}" for note in told.notes])
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _verdict(told: explanation.Explanation) -> str:
    place = "has" if told.replicas == 1 else "have"
    counted = f"{told.placed} of {told.replicas} replicas {place} a place"
    if not told.undecided:
        return counted
    why = _UNDECIDED[told.undecided]
    return f"{counted}; {why}" if told.placements else why


def _placement_rows(told: explanation.Explanation) -> Iterator[tuple[str, ...]]:
    yield ("TARGET", "BUILD", "REPLICAS", "STANDING", "NEW ON")
    for each in told.placements:
        shown = [f"{share.name} ({share.replicas})" for share in each.nodes[:_FEW_NODES]]
        more = len(each.nodes) - len(shown)
        where = ", ".join(shown) + (f" and {more} more" if more else "")
        yield (each.target, each.variant, str(each.replicas), str(each.standing), where or "-")


def _unplaced_lines(told: explanation.Explanation) -> list[str]:
    if told.invalid:
        return [f"cannot be placed: {told.invalid}"]
    if not told.unplaced.replicas:
        return []
    why = ", ".join(f"{each.reason} on {each.nodes}" for each in told.unplaced.reasons) or "there is no node"
    return [f"no place for {told.unplaced.replicas}: {why}"]


def _elsewhere_rows(told: explanation.Explanation) -> Iterator[tuple[str, ...]]:
    yield ("WHY NOT ON", "CLASS", "NODES", "REASON")
    for each in told.elsewhere:
        detail = f": {each.message}" if each.message else ""
        yield (each.target, each.class_, str(each.nodes), each.reason + detail)
