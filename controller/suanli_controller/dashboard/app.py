"""Puts the rooms together: one FastAPI app over one replica. Nothing is decided here."""

import asyncio
import importlib.metadata
import time
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, WebSocket
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from suanli_controller.dashboard import (
    access,
    history,
    live,
    metrics,
    openapi,
    problems,
    prometheus,
    replica,
    routes,
    settings,
    signing,
    static,
)
from suanli_controller.kube import client

# Codes of our own for a closed live connection (4000 to 4999 are free by RFC 6455, section 7.4.2).
CLOSED_SIGNED_OUT = 4401
CLOSED_FORBIDDEN = 4403
CLOSED_RIGHTS_CHANGED = 4409
CLOSED_TOO_SLOW = 4429
CLOSED_NO_DATA = 4425
CLOSED_BUSY = 4503


class Dashboard:
    """The parts that live as long as the process."""

    def __init__(self, hub: client.Client, chosen: settings.Settings, store: history.Store) -> None:
        self.settings = chosen
        self.replica = replica.Replica()
        self.live = live.Live(self.replica, chosen.updates)
        self.access = access.Access(hub, chosen.sessions, self._namespaces)
        self.store = store

    def _namespaces(self) -> set[str] | None:
        if not self.replica.complete:
            return None
        return {workload.namespace for workload in self.replica.workloads.values()}


def build(parts: Dashboard, site: static.Site | None = None) -> FastAPI:
    """The app. `site` is where the page's files are."""
    chosen = parts.settings
    app = FastAPI(
        title="Suanli centre",
        version=importlib.metadata.version("suanli-controller"),
        docs_url=None,  # FastAPI's own pages load from a CDN; ours are among the page's files
        redoc_url=None,
        openapi_url=None,
    )
    app.state.access = parts.access
    app.state.cookies = access.Cookies(chosen.cookie_key, chosen.sessions)
    app.state.replica = parts.replica
    app.state.live = parts.live
    app.state.store = parts.store
    app.state.prometheus = prometheus.Prometheus(chosen.prometheus_url) if chosen.prometheus_url else None
    app.state.secure_cookie = chosen.listen.public_url.startswith("https:")
    app.state.public_url = chosen.listen.public_url
    app.include_router(signing.router)
    app.include_router(routes.router)
    _add_health(app)
    _add_document(app)
    app.add_api_websocket_route("/api/v1/live", _live)
    _add_page(app, site or static.Site())
    problems.install(app)
    openapi.install(app)
    app.add_middleware(_Observed)
    return app


def _add_health(app: FastAPI) -> None:
    plain: dict[int | str, dict[str, Any]] = {200: {"description": "Yes", "content": {"text/plain": {}}}}

    @app.get("/healthz", responses=plain, response_class=Response)
    async def healthz() -> Response:
        """Whether the process answers."""
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", responses={**plain, **openapi.problems(503)}, response_class=Response)
    async def readyz() -> Response:
        """Whether the leader's tables are held; they may be stale."""
        if not app.state.replica.complete:
            return problems.answer(503, "NoData", str(access.NoDataError()))
        return Response("ok\n", media_type="text/plain")


def _add_document(app: FastAPI) -> None:
    @app.get("/api/v1/openapi.json", include_in_schema=False)
    async def document(person: signing.Signed) -> dict[str, object]:
        """The document; like everything but health it is for who has signed in."""
        del person
        return app.openapi()


def _add_page(app: FastAPI, site: static.Site) -> None:
    @app.get("/{path:path}", include_in_schema=False)
    async def page(request: Request, path: str) -> Response:
        if path.startswith("api/"):
            return problems.answer(404, "NotFound", f"there is no /{path}")
        return site.answer(request, path)


class _Observed:
    """Counts and times every answer, and gives it the headers that all have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                _count(scope, message["status"], time.perf_counter() - began)
                _add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self._app(scope, receive, observed)


def _count(scope: Scope, code: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    metrics.REQUESTS.labels(route, str(code)).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)


def _add_headers(headers: MutableHeaders, path: str) -> None:
    for name, value in static.SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if path.startswith("/api/"):
        headers.setdefault("Cache-Control", "no-store")


def same_origin(origin: str, host: str, public_url: str) -> bool:
    """Whether a WebSocket's Origin is the page's own; one without Origin comes from no browser."""
    if not origin:
        return True
    own = {urlsplit(public_url).netloc} if public_url else {host}
    return urlsplit(origin).netloc in own


async def _live(socket: WebSocket) -> None:
    """Send a snapshot and then every frame; end when the session or the rights do."""
    state = socket.app.state
    origin, host = socket.headers.get("origin", ""), socket.headers.get("host", "")
    if not same_origin(origin, host, state.public_url):
        await socket.close(CLOSED_FORBIDDEN, "another site's page")
        return
    try:
        person = await signing.person_of(socket)
        mine = await state.access.rights_of(person)
        signing.check_told(state.replica)
        await socket.accept()
        client = state.live.join(mine, takes_gzip=socket.query_params.get("compress") == "gzip")
    except access.NotSignedInError as error:
        await _refuse(socket, CLOSED_SIGNED_OUT, str(error))
    except access.NothingToSeeError as error:
        await _refuse(socket, CLOSED_FORBIDDEN, str(error))
    except access.NoDataError as error:
        await _refuse(socket, CLOSED_NO_DATA, str(error))
    except (access.HubSilentError, access.TooManyTriesError, live.TooManyClientsError) as error:
        await _refuse(socket, CLOSED_BUSY, str(error))
    else:
        try:
            await _serve(socket, client, person)
        finally:
            state.live.leave(client)


async def _refuse(socket: WebSocket, code: int, reason: str) -> None:
    """Accept first: a browser is told the code of a closed connection only where it was open."""
    if socket.client_state.name == "CONNECTING":
        await socket.accept()
    await socket.close(code, reason[:120])


async def _serve(socket: WebSocket, client: live.Client, person: access.Person) -> None:
    tasks = [
        asyncio.create_task(_send(socket, client)),
        asyncio.create_task(_receive(socket)),
        asyncio.create_task(_recheck(socket, client, person)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(socket: WebSocket, client: live.Client) -> None:
    while (frame := await client.queue.get()) is not None:
        await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_text(frame))
    await socket.close(CLOSED_TOO_SLOW, "could not keep up")


async def _receive(socket: WebSocket) -> None:
    """Nothing is expected; reading is how a closed connection is noticed."""
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return


async def _recheck(socket: WebSocket, client: live.Client, person: access.Person) -> None:
    """End the connection when the session is over or the rights have changed: the page then connects anew."""
    gate: access.Access = socket.app.state.access
    while True:
        await asyncio.sleep(gate.settings.recheck_seconds)
        if not person.wall and time.time() - person.since > gate.settings.session_seconds:
            await socket.close(CLOSED_SIGNED_OUT, "the session has ended: sign in again")
            return
        try:
            changed = await gate.rights_of(person) != client.rights
        except access.NothingToSeeError as error:
            await socket.close(CLOSED_FORBIDDEN, str(error)[:120])
            return
        except (access.HubSilentError, access.NoDataError) as error:
            await socket.close(CLOSED_BUSY, str(error)[:120])
            return
        if changed:
            await socket.close(CLOSED_RIGHTS_CHANGED, "what you may see has changed")
            return
