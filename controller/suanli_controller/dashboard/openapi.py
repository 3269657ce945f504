"""The OpenAPI document: FastAPI's paths, and schemas from the same structs that encode the answers."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from suanli_controller.dashboard import answers

COOKIE = "suanli-session"
_REF = "#/components/schemas/{name}"
_ANSWERS = (
    answers.Problem, answers.Clouds, answers.Sites, answers.Nodes, answers.Workloads, answers.Algorithms,
    answers.Totals, answers.Alerts, answers.History, answers.Session, answers.Counts,
    answers.LiveSnapshot, answers.LiveDelta, answers.LiveBeat,
)  # fmt: skip

_DESCRIPTION = (
    "What the city has, what is used and what is left, read-only. Sign in with a Kubernetes token by "
    "`POST /api/v1/session`, or send it with every request as `Authorization: Bearer TOKEN`. What one sees is "
    "what one may read on the hub.\n\n"
    "Live updates: a WebSocket at `/api/v1/live` (same cookie). The first frame is a LiveSnapshot, each later "
    "one a LiveDelta or LiveBeat. A delta's `sequence` is the last one plus 1, a beat's is the last one; any "
    "other means that a frame was missed: connect again. With `?compress=gzip` large frames come as binary "
    "messages, compressed."
)


def ok(schema: str, description: str = "As asked") -> dict[str, Any]:
    """The 200 answer of a route, as JSON of a named schema."""
    return {"description": description, "content": {"application/json": {"schema": {"$ref": _ref(schema)}}}}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Refusals that a route may answer with, each a Problem."""
    body = {"application/json": {"schema": {"$ref": _ref("Problem")}}}
    return {code: {"description": HTTPStatus(code).phrase, "content": body} for code in codes}


def responses(schema: str, *codes: int) -> dict[int | str, dict[str, Any]]:
    """A route's answers: 200, the refusals that every signed-in route knows, and `codes`."""
    return {200: ok(schema), **problems(401, 403, 422, 503, *codes)}


def install(app: FastAPI) -> None:
    """Make the app's document; computed once, when first asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way of replacing it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
    _, schemas = msgspec.json.schema_components(_ANSWERS, ref_template=_REF)
    components = document.setdefault("components", {})
    components["schemas"] = schemas
    components["securitySchemes"] = {
        "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "token": {"type": "http", "scheme": "bearer"},
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/api/") and path != "/api/v1/session":
                operation["security"] = [{"cookie": []}, {"token": []}]
    return document


def _ref(name: str) -> str:
    return _REF.format(name=name)
