"""`suanli-controller completion`: what makes a shell complete our verbs and options."""

import click
from click import shell_completion

PROGRAM = "suanli-controller"
_VARIABLE = "_SUANLI_CONTROLLER_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      source <(suanli-controller completion bash)
      suanli-controller completion zsh > "${fpath[1]}/_suanli-controller"
      suanli-controller completion fish > ~/.config/fish/completions/suanli-controller.fish
    """
    kind = shell_completion.get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click has all three
    click.echo(kind(context.find_root().command, {}, PROGRAM, _VARIABLE).source())
