"""`suanli-controller run`: the operator itself, leader or standby."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec
import prometheus_client
import structlog

from suanli_controller import settings
from suanli_controller.api import kinds, names
from suanli_controller.cli import common
from suanli_controller.core import demand
from suanli_controller.kube import client, elector, errors, kubeconfig
from suanli_controller.reconcile import city, operator, showing
from suanli_controller.view import board, lead, server

YOUNG = 20_000
"""Objects that may hold others, made and not dropped, before those among them that hold each other are looked for: a
few megabytes.
"""
LEASE = "suanli-controller"
KINDS_SECONDS = 2.0
"""A hub without our kinds is asked again so often."""
log = structlog.get_logger(__name__)


def _address(_context: click.Context, param: click.Parameter, value: str) -> tuple[str, int] | None:
    if value == "off":
        return None
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{value!r}: write HOST:PORT, e.g. 0.0.0.0:9480 or [::]:9480", param=param)
    return host.strip("[]"), int(port)


@click.command()
@click.option("--kubeconfig", default="", help="The hub; default: the pod's own account, else ~/.kube/config.")
@click.option("--context", default="", help="Context of --kubeconfig.")
@click.option(
    "--namespace", default="suanli-system", show_default=True, help="Of the Lease and the clouds' Secrets."
)
@click.option("--identity", default="", help="Of this replica in the Lease; default: host name and a random part.")
@click.option(
    "--strategy",
    type=click.Choice([each.value for each in demand.Strategy]),
    help="Which node gets a replica; default: Fragmentation for accelerators, else BinPack.",
)
@click.option(
    "--metrics",
    default="127.0.0.1:9480",
    show_default=True,
    callback=_address,
    help="HOST:PORT for /metrics, or off.",
)
@click.option(
    "--view",
    default="127.0.0.1:0",
    show_default=True,
    callback=_address,
    help="HOST:PORT of the stream that the dashboard reads, or off; port 0: any that is free.",
)
@click.option(
    "--view-advertise", default="", help="Host by which the dashboard reaches it; default: as in --view."
)
@click.option("--log-format", type=click.Choice(["auto", "console", "json"]), default="auto", show_default=True)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(**options: Any) -> None:
    """Run the controller: place workloads, follow clouds and sites, until a signal ends it.

    Several may run; one leads, by the Lease suanli-controller in --namespace, and the others stand by. On one machine
    each needs a --metrics of its own.

    \b
    Examples:
      suanli-controller run --kubeconfig hub.kubeconfig
      suanli-controller run --strategy Spread --metrics 0.0.0.0:9480
      suanli-controller run --kubeconfig hub.kubeconfig --metrics off
    """
    chosen = settings.Run(**{name: value for name, value in options.items() if value is not None} | _off(options))
    configure_log(chosen)
    spare_collecting()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_main(chosen))
    except errors.KubeError as error:
        raise click.ClickException(f"{error.reason}: {error.message}") from error
    except ExceptionGroup as group:
        told, others = group.split(click.ClickException)
        if told is None or others is not None:
            raise  # a fault of ours, which is told whole
        raise _first(told) from group


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """What a group tells first, however deep it lies."""
    inner: BaseException = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def spare_collecting() -> None:
    """Nearly all that we drop goes by its reference count. A full round takes 70 ms over what was imported alone, and
    lives as long as we do; rounds over the young ones are as dear as a tenth of the work that they follow.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is to be had: sockets and TLS without Python take a fifth off what a request costs."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415  # not on every platform

        return uvloop.new_event_loop
    return None


def _off(options: dict[str, Any]) -> dict[str, None]:
    """`off` is None too, and is meant."""
    return {name: None for name in ("metrics", "view") if options[name] is None}


def configure_log(chosen: settings.Run) -> None:
    """One line an entry on standard error: JSON, or for people where that is a terminal."""
    people = chosen.log_format == "console" or (chosen.log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[chosen.log_level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _main(chosen: settings.Run) -> None:
    """Stand for leader, lead, and go home on a signal; a lost Lease ends the process, and a new one stands
    again.
    """
    way = kubeconfig.hub(chosen.kubeconfig, chosen.context)
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # we are in one
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    if chosen.metrics is not None:
        with _listening("--metrics", chosen.metrics):
            prometheus_client.start_http_server(chosen.metrics[1], chosen.metrics[0])
    async with client.Client(way) as hub, client.Client(way) as own:
        identity = chosen.identity or f"{socket.gethostname()}_{uuid.uuid4()}"
        election = elector.Elector(own, LEASE, chosen.namespace, identity)
        hub.guard = election.guard
        try:
            await _kinds_known(own)
            await election.run(lambda: _lead(hub, chosen))
        except asyncio.CancelledError:
            log.info("stopped by a signal")


@contextlib.contextmanager
def _listening(option: str, address: tuple[str, int]) -> Iterator[None]:
    """Tell an address that cannot be listened on by its option. Raises click.ClickException."""
    try:
        yield
    except* OSError as group:
        host, port = address
        where = f"{option} {f'[{host}]' if ':' in host else host}:{port}"
        mend = f"name another HOST:PORT with {option}, or say {option} off"
        raise click.ClickException(f"{where}: {_first(group)}: {mend}") from group


async def _kinds_known(hub: client.Client) -> None:
    """Wait until the hub has our kinds; say once that they are missing, and how they are installed."""
    told = False
    while missing := await _missing_kinds(hub):
        if not told:
            log.error(
                "the hub does not have our kinds; waiting until they are installed",
                missing=missing,
                hub=hub.connection.server,
                install=common.INSTALL,
            )
            told = True
        await asyncio.sleep(KINDS_SECONDS)
    if told:
        log.info("our kinds are installed")


async def _missing_kinds(hub: client.Client) -> list[str]:
    """Those of our kinds that the hub does not serve; none where it cannot be asked: what goes on then will tell."""
    try:
        found = msgspec.json.decode(await hub.request("GET", f"/apis/{names.API_VERSION}"), type=_Served)
    except errors.NotFound:
        found = _Served()
    except (errors.KubeError, msgspec.DecodeError):
        return []
    served = {each.name for each in found.resources}
    return [kind.plural for kind in kinds.KINDS if kind.plural not in served]


class _ServedKind(msgspec.Struct, frozen=True):
    name: str


class _Served(msgspec.Struct, frozen=True):
    """What discovery says of a group's version."""

    resources: tuple[_ServedKind, ...] = ()


async def _lead(hub: client.Client, chosen: settings.Run) -> None:
    await _kinds_known(hub)  # a hub that was out of reach before may turn out to have none
    strategy = demand.Strategy(chosen.strategy) if chosen.strategy else None
    also = (_stream(hub, chosen, chosen.view),) if chosen.view is not None else ()
    await operator.lead(hub, chosen.namespace, strategy=strategy, also=also)


def _stream(hub: client.Client, chosen: settings.Run, address: tuple[str, int]) -> operator.Start:
    """What the dashboard reads: rows of what the leader knows, and the server that streams them."""

    async def start(here: city.City, caches: showing.Caches) -> None:
        shown = board.Board(uuid.uuid4().hex)
        where = server.Settings(host=address[0], port=address[1])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(showing.Showing(here, caches, shown).run())
            with _listening("--view", address):
                await lead.run(shown, hub, chosen.namespace, where, chosen.view_advertise)

    return start
