"""The API under /api/v1: each route asks who it is for, queries the replica and encodes the answer."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from suanli_controller.dashboard import (
    alerts,
    answers,
    asking,
    export,
    openapi,
    prometheus,
    query,
    replica,
    rights,
    signing,
    totals,
)
from suanli_controller.dashboard.problems import ProblemError

router = APIRouter(prefix="/api/v1")
_encoder = msgspec.json.Encoder()

Mine = Annotated[rights.Rights, Depends(signing.rights_of)]
Held = Annotated[replica.Replica, Depends(signing.replica_of)]


def json(answer: object) -> Response:
    return Response(_encoder.encode(answer), media_type="application/json")


def _page(kind: Callable[..., answers.Page], cut: query.Cut, found: tuple[int, list[Any]]) -> Response:
    total, items = found
    return json(kind(total=total, offset=cut.offset, limit=cut.limit, items=items))


def _forbid(allowed: bool, what: str) -> None:
    if not allowed:
        raise ProblemError(403, "Forbidden", f"you may not list {what} on the hub")


@router.get("/centre", responses=openapi.responses("Centre", 404), response_class=Response)
async def get_centre(held: Held, mine: Mine) -> Response:
    """Names of the centre and its districts, and the table of compute units."""
    del mine
    if held.centre is None:
        raise ProblemError(404, "NotFound", "the hub has no ComputeCentre: apply one named centre")
    return json(held.centre)


@router.get("/counts", responses=openapi.responses("Counts"), response_class=Response)
async def get_counts(held: Held, mine: Mine) -> Response:
    """How much there is of what."""
    return json(totals.counts(held, mine))


@router.get("/capacity", responses=openapi.responses("Totals"), response_class=Response)
async def get_capacity(
    held: Held,
    mine: Mine,
    wanted: asking.PlaceFilter,
    by: asking.By = [],  # noqa: B006  # FastAPI copies it
) -> Response:
    """Capacity, use and compute units, grouped by up to four dimensions."""
    found = _capacity(held, mine, by, wanted)
    return json(answers.Totals(by=list(by), items=found))


def _capacity(
    held: replica.Replica, mine: rights.Rights, by: Sequence[str], wanted: query.Filter
) -> list[answers.Total]:
    dimensions = list(dict.fromkeys(by))
    asked = [*dimensions, *(["provider"] if wanted.provider else []), *(["target"] if wanted.text else [])]
    if not totals.may_group(mine, asked):
        raise ProblemError(403, "Forbidden", "you may see totals by class, tier and district only")
    found = (
        holding
        for holding in totals.visible(held, mine)
        if query.place_matches(holding, wanted) and query.class_matches(holding.class_key, wanted)
    )
    return totals.by(found, dimensions)


@router.get("/clouds", responses=openapi.responses("Clouds"), response_class=Response)
async def list_clouds(held: Held, mine: Mine, wanted: asking.PlaceFilter, cut: asking.CloudCut) -> Response:
    """Clouds, by name where no other order is asked for."""
    _forbid(mine.clouds, "clouds")
    return _page(answers.Clouds, cut, query.places(rights.clouds(held, mine), wanted, cut))


@router.get("/clouds/{name}", responses=openapi.responses("Cloud", 404), response_class=Response)
async def get_cloud(held: Held, mine: Mine, name: str) -> Response:
    """One cloud."""
    _forbid(mine.clouds, "clouds")
    return json(_found(held.clouds.get(name), f"no cloud is named {name}"))


@router.get("/sites", responses=openapi.responses("Sites"), response_class=Response)
async def list_sites(held: Held, mine: Mine, wanted: asking.PlaceFilter, cut: asking.SiteCut) -> Response:
    """Edge sites, by name where no other order is asked for."""
    _forbid(mine.sites, "edgesites")
    return _page(answers.Sites, cut, query.places(rights.sites(held, mine), wanted, cut))


@router.get("/sites/{name}", responses=openapi.responses("Site", 404), response_class=Response)
async def get_site(held: Held, mine: Mine, name: str) -> Response:
    """One edge site."""
    _forbid(mine.sites, "edgesites")
    return json(_found(held.sites.get(name), f"no edge site is named {name}"))


@router.get("/nodes", responses=openapi.responses("Nodes"), response_class=Response)
async def list_nodes(held: Held, mine: Mine, wanted: asking.NodeFilter, cut: asking.NodeCut) -> Response:
    """Nodes of the clouds and boxes of the sites that one may see; by target and name where nothing else is
    asked.
    """
    _forbid(mine.clouds or mine.sites, "clouds or edgesites")
    return _page(answers.Nodes, cut, query.nodes(held, mine, wanted, cut))


@router.get("/workloads", responses=openapi.responses("Workloads"), response_class=Response)
async def list_workloads(
    held: Held, mine: Mine, wanted: asking.WorkloadFilter, cut: asking.WorkloadCut
) -> Response:
    """Workloads with their placements and the reasons for what is not placed; by namespace and name by default."""
    _forbid(mine.workloads or bool(mine.namespaces), "computeworkloads")
    return _page(answers.Workloads, cut, query.workloads(held, mine, wanted, cut))


@router.get("/workloads/{namespace}/{name}", responses=openapi.responses("Workload", 404), response_class=Response)
async def get_workload(held: Held, mine: Mine, namespace: str, name: str) -> Response:
    """One workload: where it runs, and why not elsewhere."""
    _forbid(mine.may_see_namespace(namespace), f"computeworkloads in namespace {namespace}")
    return json(_found(held.workloads.get(f"{namespace}/{name}"), f"no workload is named {namespace}/{name}"))


@router.get("/algorithms", responses=openapi.responses("Algorithms"), response_class=Response)
async def list_algorithms(held: Held, mine: Mine, cut: asking.AlgorithmCut) -> Response:
    """The catalogue, by name."""
    _forbid(mine.algorithms, "algorithms")
    return _page(answers.Algorithms, cut, query.take(rights.algorithms(held, mine), cut, lambda a: a.name))


@router.get("/algorithms/{name}", responses=openapi.responses("Algorithm", 404), response_class=Response)
async def get_algorithm(held: Held, mine: Mine, name: str) -> Response:
    """One algorithm."""
    _forbid(mine.algorithms, "algorithms")
    return json(_found(held.algorithms.get(name), f"no algorithm is named {name}"))


@router.get("/alerts", responses=openapi.responses("Alerts"), response_class=Response)
async def list_alerts(held: Held, mine: Mine) -> Response:
    """What a person should look at, the worst first."""
    return json(answers.Alerts(items=alerts.of(held, mine, int(time.time()))))


@router.get("/history", responses=openapi.responses("History", 502), response_class=Response)
async def get_history(
    request: Request,
    mine: Mine,
    by: asking.Series = "total",
    seconds: asking.Seconds = 86_400,
) -> Response:
    """Totals over time, for who may see the totals of the whole centre."""
    _forbid(mine.totals, "totals (get computecentres)")
    until = int(time.time())
    source: prometheus.Prometheus | None = request.app.state.prometheus
    if source is None:
        return json(await run_in_threadpool(request.app.state.store.read, by, until - seconds, until))
    try:
        return json(await source.read(by, until - seconds, until))
    except prometheus.PrometheusError as error:
        raise ProblemError(502, "PrometheusUnreachable", str(error)) from error


_CSV: dict[str, Any] = {"description": "CSV, streamed", "content": {"text/csv": {"schema": {"type": "string"}}}}
_CSV_RESPONSES: dict[int | str, dict[str, Any]] = {200: _CSV, **openapi.problems(401, 403, 422, 503)}


@router.get("/export/nodes.csv", responses=_CSV_RESPONSES, response_class=StreamingResponse)
async def export_nodes(held: Held, mine: Mine, wanted: asking.NodeFilter) -> Response:
    """The nodes table as it is filtered."""
    _forbid(mine.clouds or mine.sites, "clouds or edgesites")
    parts = query.node_parts(held, mine, wanted, export.PART_ROWS)
    return _csv("nodes", export.NODE_COLUMNS, (map(export.node_row, part) for part in parts))


@router.get("/export/workloads.csv", responses=_CSV_RESPONSES, response_class=StreamingResponse)
async def export_workloads(held: Held, mine: Mine, wanted: asking.WorkloadFilter) -> Response:
    """The workloads table as it is filtered."""
    _forbid(mine.workloads or bool(mine.namespaces), "computeworkloads")
    _, rows = query.workloads(held, mine, wanted, query.Cut("", 0, 10_000_000))
    parts = (rows[start : start + export.PART_ROWS] for start in range(0, len(rows), export.PART_ROWS))
    return _csv("workloads", export.WORKLOAD_COLUMNS, (map(export.workload_row, part) for part in parts))


@router.get("/export/capacity.csv", responses=_CSV_RESPONSES, response_class=StreamingResponse)
async def export_capacity(
    held: Held,
    mine: Mine,
    wanted: asking.PlaceFilter,
    by: asking.By = [],  # noqa: B006  # FastAPI copies it
) -> Response:
    """Capacity, grouped."""
    found = _capacity(held, mine, by, wanted)
    columns = (*dict.fromkeys(by), *export.TOTAL_COLUMNS)
    return _csv("capacity", columns, [map(export.total_row, found)])


def _csv(name: str, columns: Iterable[str], parts: Iterable[Iterable[tuple[object, ...]]]) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="suanli-{name}.csv"'}
    return StreamingResponse(export.lines(columns, parts), media_type="text/csv; charset=utf-8", headers=headers)


def _found(row: object | None, message: str) -> object:
    if row is None:
        raise ProblemError(404, "NotFound", message)
    return row
