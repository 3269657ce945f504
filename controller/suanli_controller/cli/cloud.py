"""`suanli-controller cloud`: join a cluster to the hub, keep new work off it, move work away."""

from pathlib import Path
from typing import Any, get_args

import click
import yaml

from suanli_controller.api import cloud as api
from suanli_controller.api.fields import Grade, Tier
from suanli_controller.cli import cloud_drain, cloud_join, common

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def cloud() -> None:
    """Clouds: Kubernetes clusters of the city, joined to the hub.

    \b
    Examples:
      suanli-controller cloud join rencheng --cloud-kubeconfig rencheng.yaml --district 370811
      suanli-controller cloud cordon rencheng
      suanli-controller cloud drain rencheng --timeout 600
      suanli-controller cloud uncordon rencheng
    """


@cloud.command()
@click.argument("name")
@click.option("--cloud-kubeconfig", default="", help="Kubeconfig of an administrator of the cloud.")
@click.option(
    "--cloud-context", default="", help="Context in it, or in the default one. Default: the current one."
)
@click.option("--local", is_flag=True, help="The cloud is the hub's own cluster: its nodes, without edge boxes.")
@click.option(
    "--server", default="", help="URL by which the hub reaches the cloud. Default: as in its kubeconfig."
)
@click.option("--tier", type=click.Choice(get_args(Tier)), help="Level of the city.  [default: District]")
@click.option("--district", default="", help="Code of the district.")
@click.option("--provider", default="", help="Vendor or owner.")
@click.option("--zone", default="", help="Failure domain, e.g. az-1.")
@click.option("--clearance", type=click.Choice(get_args(Grade)), help="Highest data grade.  [default: General]")
@click.option(
    "--deletion-policy",
    type=click.Choice(get_args(api.DeletionPolicy)),
    help="What becomes of our objects there when the Cloud is deleted.  [default: Orphan]",
)
@click.option("--uplink-mbps", type=click.IntRange(0, 100_000_000), help="What the link to the hub carries.")
@click.option("--profile-file", type=_FILE, help="YAML list for spec.nodeProfiles: facts that labels do not tell.")
@click.option(
    "--namespace", default="suanli-system", show_default=True, help="The controller's namespace on the hub."
)
@click.option("--dry-run", is_flag=True, help="Print every object that would be made, and change nothing.")
@common.hub_options
def join(**options: Any) -> None:
    """Join cluster NAME to the hub.

    Makes an account in the cloud with the least rights that the hub needs, puts its kubeconfig into a Secret on the
    hub, and makes or updates the Cloud NAME. An option that is left out leaves its field as it is. May be run again.

    \b
    Examples:
      suanli-controller cloud join jining-core --cloud-kubeconfig core.yaml --tier Municipal --clearance Core
      suanli-controller cloud join rencheng --cloud-context rencheng --district 370811 --dry-run
      suanli-controller cloud join hub --local
    """
    if not options["local"] and not (options["cloud_kubeconfig"] or options["cloud_context"]):
        raise click.UsageError("name the cloud with --cloud-kubeconfig or --cloud-context, or say --local")
    if options["local"] and (options["cloud_kubeconfig"] or options["cloud_context"] or options["server"]):
        raise click.UsageError(
            "--local is the hub itself: leave --cloud-kubeconfig, --cloud-context, --server out"
        )
    plan = cloud_join.Plan(
        name=options["name"],
        hub=common.connect("--kubeconfig", options["kubeconfig"], options["context"]),
        cloud=None if options["local"] else _cloud_way(options),
        server=options["server"],
        namespace=options["namespace"],
        spec=_spec(options),
        dry_run=options["dry_run"],
    )
    common.run(cloud_join.join(plan))


def _cloud_way(options: dict[str, Any]) -> Any:
    return common.connect("--cloud-kubeconfig", options["cloud_kubeconfig"], options["cloud_context"])


_FIELDS = {
    "tier": "tier",
    "district": "district",
    "provider": "provider",
    "zone": "zone",
    "clearance": "clearance",
    "deletion_policy": "deletionPolicy",
}


def _spec(options: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {field: options[option] for option, field in _FIELDS.items() if options[option]}
    if options["uplink_mbps"] is not None:
        spec["network"] = {"uplinkMbps": options["uplink_mbps"]}
    if options["profile_file"] is not None:
        spec["nodeProfiles"] = _profiles(options["profile_file"])
    return spec


def _profiles(path: Path) -> list[Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"--profile-file {path}: {error}") from error
    profiles = found.get("nodeProfiles") if isinstance(found, dict) else found
    if not isinstance(profiles, list):
        raise click.ClickException(f"--profile-file {path}: must be a list, or a mapping with nodeProfiles")
    return profiles


@cloud.command()
@click.argument("name")
@common.hub_options
def cordon(name: str, kubeconfig: str, context: str) -> None:
    """Place nothing new in cloud NAME; what runs there stays.

    \b
    Example:
      suanli-controller cloud cordon rencheng
    """
    way = common.connect("--kubeconfig", kubeconfig, context)
    common.run(cloud_drain.mark(way, name, cordoned=True))
    click.echo(f"cloud {name} cordoned")


@cloud.command()
@click.argument("name")
@common.hub_options
def uncordon(name: str, kubeconfig: str, context: str) -> None:
    """Let cloud NAME take work again; ends a drain, too.

    \b
    Example:
      suanli-controller cloud uncordon rencheng
    """
    way = common.connect("--kubeconfig", kubeconfig, context)
    common.run(cloud_drain.mark(way, name, cordoned=False))
    click.echo(f"cloud {name} takes work again")


@cloud.command()
@click.argument("name")
@click.option("--timeout", type=click.IntRange(0), default=0, help="Seconds to wait; 0: for as long as it takes.")
@common.hub_options
def drain(name: str, timeout: int, kubeconfig: str, context: str) -> None:
    """Cordon cloud NAME and move our work away, each replacement ready first; wait until none is left.

    Ctrl-C ends the waiting, not the drain; `cloud uncordon` ends the drain.

    \b
    Example:
      suanli-controller cloud drain rencheng --timeout 600
    """
    way = common.connect("--kubeconfig", kubeconfig, context)
    try:
        common.run(cloud_drain.drain(way, name, timeout))
    except KeyboardInterrupt:
        click.echo(f"\nnot waiting any longer; {name} goes on draining until `cloud uncordon {name}`", err=True)
        raise SystemExit(common.INTERRUPTED) from None
