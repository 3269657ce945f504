"""`suanli-controller crds`: the kinds as manifests, from the same structs that the controller decodes with."""

from pathlib import Path

import click

from suanli_controller.api import schema
from suanli_controller.api.kinds import KINDS


@click.command()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file for each kind into this directory instead of printing them.",
)
def crds(directory: Path | None) -> None:
    """Print the CustomResourceDefinitions of group suanli.io.

    \b
    Examples:
      suanli-controller crds | kubectl apply --server-side -f -
      suanli-controller crds --directory crds
    """
    if directory is None:
        click.echo(schema.render_all(), nl=False)
        return
    directory.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        path = directory / f"{kind.plural}.yaml"
        path.write_text(schema.render(kind), encoding="utf-8")
        click.echo(path)
