"""Signing in and out, and the dependencies that say who asks."""

import time
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import HTTPConnection

from suanli_controller.dashboard import access, answers, live, openapi, replica, rights
from suanli_controller.dashboard.problems import ProblemError

router = APIRouter(prefix="/api/v1")


async def person_of(request: HTTPConnection) -> access.Person:
    """Who sent the cookie or the token."""
    gate: access.Access = request.app.state.access
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return await gate.by_token(token.strip(), address_of(request))
    cookies: access.Cookies = request.app.state.cookies
    return cookies.read(request.cookies.get(openapi.COOKIE, ""))


Signed = Annotated[access.Person, Depends(person_of)]


async def rights_of(request: Request, person: Signed) -> rights.Rights:
    """What the one who asks may see; 503 until the leader has told anything."""
    gate: access.Access = request.app.state.access
    mine = await gate.rights_of(person)
    check_told(request.app.state.replica)
    return mine


def check_told(held: replica.Replica) -> None:
    """Raises NoDataError until the leader has told everything once: an empty table is no answer before that."""
    if not held.complete:
        raise access.NoDataError


async def replica_of(request: Request) -> replica.Replica:
    held: replica.Replica = request.app.state.replica
    return held


def address_of(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""


def set_cookie(request: Request, response: Response, person: access.Person) -> None:
    """Strict and HttpOnly: no script reads it, no other site's page sends it."""
    cookies: access.Cookies = request.app.state.cookies
    gate: access.Access = request.app.state.access
    try:
        text = cookies.write(person)
    except ValueError as error:
        raise ProblemError(422, "TooManyGroups", str(error)) from error
    response.set_cookie(
        openapi.COOKIE,
        text,
        max_age=gate.settings.wall_seconds if person.wall else gate.settings.session_seconds,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https" or request.app.state.secure_cookie,
        path="/",
    )


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """What signs in: a Kubernetes token of the hub."""

    token: str


@router.post(
    "/session",
    responses={200: openapi.ok("Session", "Signed in"), **openapi.problems(401, 403, 413, 422, 429, 503)},
    response_class=Response,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["token"],
                        "properties": {"token": {"type": "string", "minLength": 1, "maxLength": 16384}},
                    }
                }
            },
        }
    },
)
async def sign_in(request: Request) -> Response:
    """Sign in with a Kubernetes token of the hub: `kubectl create token NAME`."""
    gate: access.Access = request.app.state.access
    credentials = await _credentials(request)
    person, mine = await gate.sign_in(credentials.token, address_of(request))
    response = _session(request, person, mine)
    set_cookie(request, response, person)
    return response


async def _credentials(request: Request) -> Credentials:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ProblemError(422, "Invalid", 'Content-Type: send application/json, {"token": "..."}')
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise ProblemError(413, "TooLarge", f"the body has more than {_LARGEST_BODY} bytes")
    try:
        credentials = msgspec.json.decode(body, type=Credentials)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(422, "Invalid", f"body: {error}") from error
    token = credentials.token.strip()
    if not token or not token.isascii() or not token.isprintable() or len(token) > _LONGEST_TOKEN:
        raise ProblemError(422, "Invalid", f"token: 1 to {_LONGEST_TOKEN} printable ASCII characters")
    return Credentials(token)


_LONGEST_TOKEN = 16_384
_LARGEST_BODY = 32_768


@router.get(
    "/session",
    responses={200: openapi.ok("Session", "Who is signed in"), **openapi.problems(401, 403, 503)},
    response_class=Response,
)
async def session(request: Request, person: Signed) -> Response:
    """Who is signed in, and what they may see. A wall screen asks now and then, and its cookie is renewed by
    that.
    """
    gate: access.Access = request.app.state.access
    mine = await gate.rights_of(person)
    response = _session(request, person, mine)
    if person.wall and mine.totals_only and time.time() - person.since > gate.settings.renew_seconds:
        set_cookie(request, response, msgspec.structs.replace(person, since=int(time.time())))
    return response


@router.delete("/session", status_code=204, response_class=Response)
async def sign_out(request: Request) -> Response:
    """Sign out: the browser forgets the session."""
    response = Response(status_code=204)
    response.delete_cookie(
        openapi.COOKIE, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return response


def _session(request: Request, person: access.Person, mine: rights.Rights) -> Response:
    gate: access.Access = request.app.state.access
    expires = 0 if person.wall else person.since + gate.settings.session_seconds
    body = answers.Session(user=person.user.username, expires=expires, allowed=live.allowed(mine))
    return Response(msgspec.json.encode(body), media_type="application/json")
