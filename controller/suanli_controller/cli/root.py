"""The command group that every verb hangs on."""

import click

from suanli_controller.cli.cloud import cloud
from suanli_controller.cli.completion import completion
from suanli_controller.cli.crds import crds
from suanli_controller.cli.dashboard import dashboard
from suanli_controller.cli.explain import explain
from suanli_controller.cli.plan import plan
from suanli_controller.cli.run import run
from suanli_controller.cli.token import token


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="suanli-controller")
def cli() -> None:
    """Suanli: one control plane over a city's clouds and edge boxes.

    \b
    Examples:
      suanli-controller crds | kubectl apply --server-side -f -
      suanli-controller run --kubeconfig controller.kubeconfig
      suanli-controller cloud join jining-core --cloud-kubeconfig core.yaml --tier Municipal
      suanli-controller explain face-detect -n vision
      eval "$(suanli-controller completion bash)"
    """


cli.add_command(cloud)
cli.add_command(completion)
cli.add_command(crds)
cli.add_command(dashboard)
cli.add_command(explain)
cli.add_command(plan)
cli.add_command(run)
cli.add_command(token)
