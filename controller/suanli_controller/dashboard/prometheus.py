"""History from a Prometheus that scrapes us, where one is configured: it keeps longer and more than we do."""

import asyncio
from collections import defaultdict

import aiohttp
import msgspec

from suanli_controller.dashboard import answers

_POINTS = 300

# The metric of each column of a sample, and what it is multiplied with to be in thousandths.
_COLUMNS = {
    "general_milli": ('suanli_compute_units{kind="general"}', 1000),
    "general_requested_milli": ('suanli_compute_units_requested{kind="general"}', 1000),
    "intelligent_milli": ('suanli_compute_units{kind="intelligent"}', 1000),
    "intelligent_requested_milli": ('suanli_compute_units_requested{kind="intelligent"}', 1000),
    "nodes": ("suanli_nodes", 1),
    "ready_nodes": ("suanli_nodes_ready", 1),
}


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    result: list[_Series] = []


class _Answer(msgspec.Struct):
    status: str
    data: _Data = msgspec.field(default_factory=_Data)
    error: str = ""


class PrometheusError(Exception):
    """It did not answer, or not with data."""


class Prometheus:
    """One server, by its base URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/api/v1/query_range"

    async def read(self, by: str, since: int, until: int) -> answers.History:
        """As the local store reads.

        Raises PrometheusError.
        """
        step = max(15, (until - since) // _POINTS)
        limit = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=limit) as session:
            columns = await asyncio.gather(
                *(self._column(session, metric, by, (since, until, step)) for metric, _ in _COLUMNS.values())
            )
        return answers.History(by=by, step_seconds=step, source="prometheus", items=_joined(columns))

    async def _column(
        self, session: aiohttp.ClientSession, metric: str, by: str, span: tuple[int, int, int]
    ) -> dict[tuple[int, str], float]:
        label = "" if by == "total" else f" by ({by})"
        since, until, step = span
        # Every replica of the controller exports the same figures only while it leads: the larger one is the
        # leader's.
        query = {
            "query": f"sum{label} (max without (instance, pod) ({metric}))",
            "start": str(since),
            "end": str(until),
            "step": str(step),
        }
        try:
            async with session.get(self._url, params=query) as response:
                answer = msgspec.json.decode(await response.read(), type=_Answer)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise PrometheusError(f"{self._url}: {error or type(error).__name__}") from error
        if answer.status != "success":
            raise PrometheusError(f"{self._url}: {answer.error}")
        return {
            (int(at), series.metric.get(by, "")): float(value)
            for series in answer.data.result
            for at, value in series.values
        }


def _joined(columns: list[dict[tuple[int, str], float]]) -> list[answers.Sample]:
    rows: dict[tuple[int, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COLUMNS, 0))
    for (name, (_, factor)), column in zip(_COLUMNS.items(), columns, strict=True):
        for point, value in column.items():
            rows[point][name] = round(value * factor)
    return [answers.Sample(at=at, key=key, **row) for (at, key), row in sorted(rows.items())]
