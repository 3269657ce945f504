"""What verbs that talk to a hub share: the options that name it, and errors told as a command line tells them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from suanli_controller.kube import connection, errors
from suanli_controller.kube import kubeconfig as kubeconfigs

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

INSTALL = "suanli-controller crds | kubectl apply --server-side -f -"
"""What makes our kinds known to a hub."""

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended


def hub_options(verb: F) -> F:
    """Add --kubeconfig and --context."""
    path = click.option("--kubeconfig", default="", help="Kubeconfig of the hub. Default: as kubectl.")
    context = click.option("--context", default="", help="Context in it. Default: the current one.")
    return path(context(verb))


def connect(option: str, path: str, context: str) -> connection.Connection:
    """The way that a kubeconfig describes; `option` is how the user named it. Raises click.ClickException."""
    try:
        return kubeconfigs.hub(path, context)
    except errors.KubeError as error:
        raise click.ClickException(f"{option}: {error.message}") from error


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; an API server's refusal ends the verb with its own words."""
    try:
        return asyncio.run(work)
    except errors.KubeError as error:
        raise click.ClickException(f"{error.reason}: {error.message}") from error
