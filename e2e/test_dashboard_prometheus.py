"""History from a real Prometheus that scrapes two replicas of the controller."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import prometheus_client
import pytest

from suanli_centre import city
from suanli_clusters import free_port
from suanli_controller.core import centre
from suanli_controller.dashboard import answers, prometheus
from suanli_controller.view import board, metrics, rows

PATIENCE = 120.0  # seconds, on a busy machine
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: suanli-controller
  static_configs: [{{targets: ["127.0.0.1:{first}", "127.0.0.1:{second}"]}}]
"""


@pytest.fixture
def shown() -> board.Board:
    leader = board.Board("run")
    city.fill(leader, int(time.time()))
    return leader


@pytest.fixture
def url(shown: board.Board, tmp_path: Path) -> Iterator[str]:
    """A Prometheus over two replicas that both say what the leader knows, as around a change of leaders."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus: install Debian's package")
    registry = prometheus_client.CollectorRegistry()
    metrics.Fleet(shown).register(registry)
    servers = [prometheus_client.start_http_server(0, "127.0.0.1", registry) for _ in range(2)]
    first, second = (server.server_port for server, _ in servers)
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(first=first, second=second))
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    process = subprocess.Popen([*command, f"--web.listen-address={address}", "--log.level=error"])
    yield f"http://{address}"
    process.terminate()
    process.wait(timeout=20)
    for server, thread in servers:
        server.shutdown()
        thread.join()


async def _latest(url: str, by: str) -> list[answers.Sample]:
    """The samples of the last moment that has any."""
    deadline = time.monotonic() + PATIENCE
    while True:
        now = int(time.time())
        try:
            found = (await prometheus.Prometheus(url).read(by, now - 3600, now)).items
        except prometheus.PrometheusError:
            found = []
        if found and all(sample.nodes for sample in found):
            return [sample for sample in found if sample.at == found[-1].at]
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.5)


async def test_two_replicas_are_counted_once_and_sums_are_the_stages(url: str, shown: board.Board) -> None:
    holdings = list(rows.holdings([*shown.tables["clouds"].values(), *shown.tables["sites"].values()]))
    for by, dimensions in (("total", ()), ("tier", ("tier",)), ("accelerator", ("accelerator",))):
        told = {sample.key: (sample.nodes, sample.intelligent_milli) for sample in await _latest(url, by)}
        groups = centre.group(holdings, dimensions)
        assert told == {
            "".join(key): (amounts.nodes, amounts.units.intelligent_milli) for key, amounts in groups.items()
        }
