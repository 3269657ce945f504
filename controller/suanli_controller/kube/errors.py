"""What can go wrong between us and an API server, in the API's own words.

`client` turns every foreign error into one of these, its cause chained. No message ever holds a token or a key.
Nothing here decides whether to try again.

    KubeError
      ApiError            the API server answered, and said no
        BadRequest Unauthorized Forbidden NotFound AlreadyExists Conflict Gone Invalid TooManyRequests ServerError
      Unreachable         no answer: refused, reset, timed out, TLS or name lookup failed
      Undecodable         an answer that is not what the API promises
      InvalidKubeconfig   a kubeconfig that we cannot or will not use
      NotLeader           a write was held back because another replica may be leading by now
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class KubeError(Exception):
    """Anything that keeps us from an API server's answer. `reason` is CamelCase, for conditions and Events."""

    reason = "KubeError"

    @property
    def message(self) -> str:
        """One sentence for people, free of secrets."""
        return str(self)


class Unreachable(KubeError):
    """The API server gave no answer at all: refused, reset, timed out, TLS or name lookup failed."""

    reason = "Unreachable"


class Undecodable(KubeError):
    """An answer that is not JSON, or not of the shape that the API promises."""

    reason = "Undecodable"


class NotLeader(KubeError):
    """The guard of a client forbade a write: this replica's lease may be another's by now."""

    reason = "NotLeader"


class InvalidKubeconfig(KubeError):
    """A kubeconfig that we cannot or will not use; `field` says which part of it, e.g. `users[0].user.exec`."""

    reason = "InvalidKubeconfig"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Cause(msgspec.Struct, frozen=True):
    """One of the causes in a Status: which `field` of the object is wrong, and how."""

    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel"):
    """`details` of a Status, as far as we read it."""

    name: str = ""
    kind: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """The API's own `Status` object: the body of every refusal."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None


class ApiError(KubeError):
    """The API server answered, and said no.

    `code` is the HTTP status, `reason` and `causes` are the Status object's own; `retry_after` is in seconds.
    """

    def __init__(self, status: Status, *, retry_after: float = 0.0) -> None:
        super().__init__(status.message or f"the API server answered {status.code}")
        self.code = status.code
        self.reason = status.reason or type(self).reason
        self.causes = status.details.causes if status.details else ()
        self.retry_after = retry_after or float(status.details.retry_after_seconds if status.details else 0)


class BadRequest(ApiError):
    """400, and every other refusal that has no class of its own (405, 406, 415 ...)."""

    reason = "BadRequest"


class Unauthorized(ApiError):
    """401: the credential is unknown or has expired."""

    reason = "Unauthorized"


class Forbidden(ApiError):
    """403: the account lacks the right, or an admission plugin refused."""

    reason = "Forbidden"


class NotFound(ApiError):
    """404: no such object, or no such kind."""

    reason = "NotFound"


class Conflict(ApiError):
    """409: resourceVersion or uid is not what was expected, or another field manager owns a field."""

    reason = "Conflict"


class AlreadyExists(Conflict):
    """409 on create: the name is taken."""

    reason = "AlreadyExists"


class Gone(ApiError):
    """410: the resourceVersion or the continue token is too old. List again."""

    reason = "Expired"


class Invalid(ApiError):
    """422: a field's value was refused; `causes` name the fields."""

    reason = "Invalid"


class TooManyRequests(ApiError):
    """429: flow control or an eviction budget; `retry_after` says when to come back."""

    reason = "TooManyRequests"


class ServerError(ApiError):
    """5xx: the API server, its store or a webhook failed; nothing is known of the write."""

    reason = "InternalError"


_BY_CODE: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}

_STATUS = msgspec.json.Decoder(Status)
_LONGEST_MESSAGE = 1000  # a proxy's whole HTML page belongs in no condition


def from_response(code: int, body: bytes, headers: Mapping[str, Any] | None = None) -> ApiError:
    """Name the error of a refused request. `body` should hold a Status; anything else is quoted, cut short."""
    return from_status(_status(code, body), retry_after=_seconds((headers or {}).get("Retry-After")))


def from_status(status: Status, *, retry_after: float = 0.0) -> ApiError:
    """Name the error that a Status tells of; its `code` decides, and for 409 its `reason`."""
    if status.code == 409 and status.reason == "AlreadyExists":
        return AlreadyExists(status, retry_after=retry_after)
    kind = _BY_CODE.get(status.code) or (ServerError if status.code >= 500 else BadRequest)
    return kind(status, retry_after=retry_after)


def _status(code: int, body: bytes) -> Status:
    try:
        status = _STATUS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = Status()
    message = status.message or body[:_LONGEST_MESSAGE].decode("utf-8", "replace").strip()
    return msgspec.structs.replace(status, code=status.code or code, message=message[:_LONGEST_MESSAGE])


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0
