"""What can go wrong between this box and its hub, beyond what pods.ports names."""

from __future__ import annotations

import json
import ssl
from typing import Mapping

from suanli_agent.pods import ports


class UnauthorizedError(ports.UnavailableError):
    """The hub does not accept who we say we are (401): certificate expired, revoked, or of another CA."""


class SilenceError(ports.UnavailableError):
    """Nothing came within the time allowed: a dead link, or a hub that hangs."""


class ThrottledError(ports.UnavailableError):
    """The hub asks for patience (429, 503): `retry_after` in seconds, 0 where it did not say."""

    def __init__(self, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClockError(ports.UnavailableError):
    """The hub's certificate is not valid at the time that this box believes it is."""


class GoneError(ports.HubError):
    """The resourceVersion is too old to watch from (410): list again."""


class Sentence:
    """What a person at the box is told: an English template and what fills its places, which may be sentences again.

    cli.words has each template in Chinese.
    """

    def __init__(self, template: str, *values: object) -> None:
        self.template, self.values = template, values

    def __str__(self) -> str:
        return self.template.format(*self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]


class JoinError(Exception):
    """Joining cannot succeed as it was asked for; `sentence` says what to mend."""

    def __init__(self, template: str, *values: object) -> None:
        self.sentence = Sentence(template, *values)
        super().__init__(str(self.sentence))


# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL.
_TIME_CODES = (9, 10)


def of_handshake(error: Exception, where: str) -> ports.UnavailableError:
    """What a failed connection means; the cause is for the caller to chain."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _TIME_CODES:
            return ClockError(
                f"{where}: its certificate is not valid now ({error.verify_message}): is a clock wrong?"
            )
        return ports.UnavailableError(f"{where}: its certificate is not to be trusted: {error.verify_message}")
    return ports.UnavailableError(f"{where}: {error or type(error).__name__}")


def of_status(code: int, body: bytes, headers: Mapping[str, str]) -> ports.HubError:
    """The error that an HTTP status from 400 on stands for."""
    message = f"{code}: {_message(body)}"
    if code in (429, 503):
        after = headers.get("retry-after", "")
        return ThrottledError(message, float(after) if after.isdigit() else 0)
    kinds = {
        400: ports.RejectedError,
        401: UnauthorizedError,
        403: ports.ForbiddenError,
        404: ports.NotFoundError,
        409: ports.ConflictError,
        410: GoneError,
        422: ports.RejectedError,
    }
    kind = kinds.get(code, ports.UnavailableError if code >= 500 else ports.RejectedError)
    return kind(message)


def _message(body: bytes) -> str:
    """The message of a Kubernetes Status, else the beginning of what came."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace").strip()
