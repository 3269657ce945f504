"""`suanli-controller dashboard`: the centre's page and API, a process of its own."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from suanli_controller.dashboard import settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Address(click.ParamType[tuple[str, int]]):
    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        host, colon, port = str(value).rpartition(":")
        if not colon or not host or not port.isdigit() or int(port) > 65535:
            self.fail(f"{value!r}: write HOST:PORT, e.g. 127.0.0.1:8480 or [::1]:8480", param, ctx)
        return host.strip("[]"), int(port)


@click.command()
@click.option("--listen", type=_Address(), default="127.0.0.1:8480", show_default=True, help="Where to serve.")
@click.option(
    "--tls-cert", type=_FILE, help="Certificate (PEM). Without: HTTP, for loopback or behind an ingress."
)
@click.option("--tls-key", type=_FILE, help="Key of --tls-cert (PEM).")
@click.option("--public-url", default="", help="Address of the page where a proxy stands before it.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=0, help="Serve /metrics here; 0: do not.")
@click.option("--kubeconfig", default="", help="The hub, as the dashboard's own account; default: in-cluster.")
@click.option("--context", default="", help="Context of --kubeconfig.")
@click.option("--namespace", default="suanli-system", show_default=True, help="The controller's namespace.")
@click.option("--view-url", default="", help="The leader's stream, instead of what the leader publishes.")
@click.option("--view-certificate", type=_FILE, help="Certificate (PEM) that --view-url shows.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep history and the cookie key here; without it both end with the process.",
)
@click.option(
    "--cookie-key-file", type=click.Path(dir_okay=False, path_type=Path), help="32 or more random bytes."
)
@click.option(
    "--rights-seconds",
    type=click.IntRange(1, 3600),
    default=30,
    show_default=True,
    help="Ask the hub again what someone may see after so many seconds.",
)
@click.option("--prometheus-url", default="", help="Read history from this Prometheus.")
def dashboard(**options: Any) -> None:
    """Serve the centre's page and its API.

    It reads the leader's stream and holds no credentials of any cloud. On the hub its account needs to create
    TokenReviews and SubjectAccessReviews (ClusterRole system:auth-delegator), to get the URL /suanli/view, and
    to get ConfigMap suanli-view in the controller's namespace.

    \b
    Examples:
      suanli-controller dashboard --kubeconfig dashboard.kubeconfig
      suanli-controller dashboard --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key
    """
    from suanli_controller.dashboard import settings  # noqa: PLC0415  # no other verb pays for a web framework

    try:
        chosen = _settings(options)
        with asyncio.Runner(loop_factory=_new_loop()) as runner:
            runner.run(_serve(options["kubeconfig"], options["context"], chosen))
    except settings.InvalidSettingError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Where the platform has it, uvloop: 50 browsers and 100 requests a second go through one loop."""
    try:
        import uvloop  # noqa: PLC0415  # as above
    except ImportError:
        return None
    return uvloop.new_event_loop


def _settings(options: dict[str, Any]) -> settings.Settings:
    from suanli_controller.dashboard import access, settings  # noqa: PLC0415

    if (options["tls_cert"] is None) != (options["tls_key"] is None):
        raise settings.InvalidSettingError("--tls-cert and --tls-key belong together: give both or neither")
    host, port = options["listen"]
    folder: Path | None = options["data_dir"]
    key_file = options["cookie_key_file"] or (folder / "cookie.key" if folder else None)
    return settings.Settings(
        listen=settings.Listen(
            host=host,
            port=port,
            certificate=options["tls_cert"],
            key=options["tls_key"],
            metrics_port=options["metrics_port"],
            public_url=options["public_url"],
        ),
        sessions=access.Settings(recheck_seconds=options["rights_seconds"]),
        history=folder / "history.sqlite" if folder else None,
        prometheus_url=options["prometheus_url"],
        namespace=options["namespace"],
        view_url=options["view_url"],
        view_certificate=options["view_certificate"],
        cookie_key=settings.read_cookie_key(key_file) if key_file else secrets.token_bytes(32),
    )


async def _serve(kubeconfig_file: str, context: str, chosen: settings.Settings) -> None:
    from suanli_controller.dashboard import serve, settings  # noqa: PLC0415
    from suanli_controller.kube import client, errors, kubeconfig  # noqa: PLC0415

    try:
        way = kubeconfig.hub(kubeconfig_file, context)
    except errors.KubeError as error:
        raise settings.InvalidSettingError(f"--kubeconfig {kubeconfig_file}: {error}") from error
    listen = chosen.listen
    scheme = "https" if listen.certificate else "http"
    click.echo(f"the centre is at {chosen.listen.public_url or f'{scheme}://{listen.host}:{listen.port}'}")
    async with client.Client(way) as hub:
        await serve.run(hub, chosen)
