"""Refusals as the API answers them: a word and what to do, never a stack."""

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from suanli_controller.dashboard import access, answers


class ProblemError(Exception):
    """A refusal with its HTTP code."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


_OF_ACCESS: dict[type[Exception], tuple[int, str]] = {
    access.NotSignedInError: (401, "NotSignedIn"),
    access.NothingToSeeError: (403, "Forbidden"),
    access.TooManyTriesError: (429, "TooManyTries"),
    access.NoDataError: (503, "NoData"),
    access.HubSilentError: (503, "HubUnreachable"),
}


def answer(code: int, reason: str, message: str) -> Response:
    body = msgspec.json.encode(answers.Problem(reason=reason, message=message))
    headers = {"WWW-Authenticate": "Bearer"} if code == 401 else {}
    return Response(body, code, headers, "application/json")


def install(app: FastAPI) -> None:
    """Let every refusal leave as a Problem."""

    async def problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101  # as registered below
        return answer(error.code, error.reason, error.message)

    async def refused(_: Request, error: Exception) -> Response:
        code, reason = _OF_ACCESS[type(error)]
        return answer(code, reason, str(error))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return answer(422, "Invalid", "; ".join(_said(each) for each in error.errors()))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return answer(error.status_code, "".join(str(error.detail).title().split()), str(error.detail))

    app.add_exception_handler(ProblemError, problem)
    for kind in _OF_ACCESS:
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _said(error: dict[str, object]) -> str:
    place = ".".join(str(part) for part in error.get("loc", ()) if part not in ("query", "path", "body"))  # type: ignore[attr-defined]
    return f"{place}: {error.get('msg')}" if place else str(error.get("msg"))
