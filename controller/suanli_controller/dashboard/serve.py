"""Runs the dashboard: the app, the stream from the leader, the ticks and the samples, in one event loop."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import prometheus_client
import structlog
import uvicorn

from suanli_controller.dashboard import app, history, replica, settings, subscriber
from suanli_controller.kube import client, errors, resources
from suanli_controller.view import published

_log = structlog.get_logger(__name__)


async def run(hub: client.Client, chosen: settings.Settings) -> None:
    """Serve until cancelled or told to stop by a signal.

    Raises settings.InvalidSettingError for an address or certificate that cannot be used.
    """
    store = history.Store(chosen.history)
    parts = app.Dashboard(hub, chosen, store)
    server = _Server(_config(parts))
    if chosen.listen.metrics_port:
        serve_metrics(chosen.listen.metrics_port, chosen.listen.host)
    try:
        async with _background(parts, hub):
            await server.serve()
    finally:
        store.close()
    if not server.started:
        listen = chosen.listen
        raise settings.InvalidSettingError(f"cannot listen on {listen.host}:{listen.port}: is it in use?")


def serve_metrics(port: int, host: str) -> None:
    """Serve /metrics in a thread. Raises settings.InvalidSettingError for a port that cannot be listened on."""
    try:
        prometheus_client.start_http_server(port, host)
    except OSError as error:
        message = f"--metrics-port {port}: cannot listen on {host}:{port}: {error.strerror}: name another"
        raise settings.InvalidSettingError(message) from error


@contextlib.asynccontextmanager
async def _background(parts: app.Dashboard, hub: client.Client) -> AsyncIterator[None]:
    follower = subscriber.Subscriber(
        parts.replica,
        lambda: find(hub, parts.settings),
        lambda change: _changed(parts, change),
        parts.settings.stream,
    )
    tasks = [
        asyncio.create_task(follower.run()),
        asyncio.create_task(parts.live.run()),
        asyncio.create_task(history.record(parts.store, parts.replica)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                _log.error("background task failed", exc_info=result)


def _changed(parts: app.Dashboard, change: replica.Change) -> None:
    parts.live.changed(change)
    if change.everything:
        # What will live long leaves the garbage collector's sight: a full round over a fleet takes 100 ms.
        gc.collect()
        gc.freeze()


async def find(hub: client.Client, chosen: settings.Settings) -> subscriber.Source:
    """Where the leader's stream is: as set, else as the leader has published it.

    Raises subscriber.NotPublishedError.
    """
    token = (await hub.connection.source.current()).token
    if not token:
        raise subscriber.NotPublishedError(
            "the dashboard's own kubeconfig has no token to show to the leader: give it a service account's"
        )
    if chosen.view_url:
        certificate = chosen.view_certificate.read_text() if chosen.view_certificate else ""
        return subscriber.Source(chosen.view_url, certificate, token)
    where = f"ConfigMap {chosen.namespace}/{published.NAME}"
    try:
        found = await hub.get(resources.CONFIG_MAPS, published.NAME, chosen.namespace)
    except errors.KubeError as error:
        raise subscriber.NotPublishedError(f"{where}: {error}") from error
    try:
        return subscriber.Source(found.data[published.URL_KEY], found.data[published.CERTIFICATE_KEY], token)
    except KeyError as error:
        raise subscriber.NotPublishedError(f"{where} has no {error}") from error


def _config(parts: app.Dashboard) -> uvicorn.Config:
    listen = parts.settings.listen
    return uvicorn.Config(
        app.build(parts),
        host=listen.host,
        port=listen.port,
        ssl_certfile=listen.certificate,
        ssl_keyfile=listen.key,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        ws="websockets-sansio",
        ws_max_size=4096,  # nothing is expected from a browser
        ws_per_message_deflate=False,  # 50 compressors hold more memory than the frames that they shorten
        timeout_graceful_shutdown=2,
        lifespan="off",
    )


class _Server(uvicorn.Server):
    """Ends in order when cancelled from outside, as tests and the demo do."""

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        try:
            await super().serve(sockets)  # type: ignore[arg-type]
        except SystemExit as error:  # uvicorn's way of saying that it cannot listen
            _log.error("cannot serve", code=error.code)
