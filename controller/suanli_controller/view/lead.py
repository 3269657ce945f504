"""What the leader runs: the stream's server, and its address and certificate told to the hub for as long as it
leads.
"""

import asyncio
import datetime as dt

import structlog

from suanli_controller.kube import client, errors
from suanli_controller.view import board, certificate, metrics, published, server

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 5.0
_REPEAT_SECONDS = 300.0  # a ConfigMap that someone deleted is back after this


async def run(
    source: board.Board, hub: client.Client, namespace: str, settings: server.Settings, advertise: str = ""
) -> None:
    """Serve `source` until cancelled. `advertise` is the host that subscribers reach us by; default: where we
    listen.

    Raises OSError where the address cannot be listened on.
    """
    host = advertise or settings.host
    pair = certificate.make(host, dt.datetime.now(dt.UTC))
    stream = server.Server(source, hub, pair.server_context(), settings)
    fleet = metrics.Fleet(source)
    fleet.register()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stream.run())
            tasks.create_task(_tell(stream, hub, namespace, host, pair))
    finally:
        fleet.unregister()


async def _tell(
    stream: server.Server, hub: client.Client, namespace: str, host: str, pair: certificate.Pair
) -> None:
    await stream.ready.wait()
    url = f"https://{f'[{host}]' if ':' in host else host}:{stream.port}"
    while True:
        try:
            await published.publish(hub, namespace, url, pair.certificate)
        except errors.KubeError as error:
            _log.warning("view stream cannot be published", why=str(error), retry_seconds=_RETRY_SECONDS)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            await asyncio.sleep(_REPEAT_SECONDS)
