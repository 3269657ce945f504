"""Who we are to an API server: a token or a client certificate, where it comes from and when it ends.

Nothing here opens a connection. A credential is never printed: every secret field is left out of `repr`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
from cryptography import x509

from suanli_controller.kube import errors


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, a client certificate with its key (PEM), or both; `expires` in UTC where it can be told."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    expires: datetime | None = None


class Source(Protocol):
    """Gives the credential of the moment; asked before every request, so it must be quick when nothing changed."""

    async def current(self) -> Credential:
        """Raise errors.KubeError where no credential can be had."""
        ...

    def invalidate(self) -> None:
        """The API server answered 401: do not hand out the same one from memory again."""
        ...


@dataclass(frozen=True, slots=True)
class Static:
    """A credential that stays what it is."""

    credential: Credential

    async def current(self) -> Credential:
        return self.credential

    def invalidate(self) -> None:
        """Nothing to forget: there is only the one."""


class TokenFile:
    """A token in a file that someone else renews, such as the kubelet; read again when it is a minute old.

    Sixty seconds is client-go's period too; a projected token is renewed at 80% of its life, an hour by default.
    """

    reread_seconds = 60.0

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._cached = Credential()
        self._stale_at = float("-inf")

    async def current(self) -> Credential:
        if self._clock() >= self._stale_at:
            self._cached = self._read()
            self._stale_at = self._clock() + self.reread_seconds
        return self._cached

    def invalidate(self) -> None:
        self._stale_at = float("-inf")

    def _read(self) -> Credential:
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            raise errors.InvalidKubeconfig("tokenFile", f"{self._path}: {error.strerror}") from error
        if not token:
            raise errors.InvalidKubeconfig("tokenFile", f"{self._path} is empty")
        return Credential(token=token, expires=token_expires(token))


class Exec:
    """A credential from the program that the operator's own kubeconfig names, run again before the answer expires.

    `run` blocks until the program ends and returns the `status` of its ExecCredential.
    """

    margin = timedelta(seconds=30)

    def __init__(
        self, run: Callable[[], dict[str, Any]], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._run = run
        self._now = now
        self._cached: Credential | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> Credential:
        async with self._lock:  # one program at a time, however many requests wait for it
            if self._cached is None or self._ended(self._cached):
                self._cached = self._read(await asyncio.to_thread(self._run))
            return self._cached

    def invalidate(self) -> None:
        self._cached = None

    def _ended(self, credential: Credential) -> bool:
        return credential.expires is not None and self._now() >= credential.expires - self.margin

    @staticmethod
    def _read(status: dict[str, Any]) -> Credential:
        token = status.get("token") or ""
        certificate = (status.get("clientCertificateData") or "").encode()
        if not token and not certificate:
            raise errors.InvalidKubeconfig("exec", "the program returned neither token nor clientCertificateData")
        expires = _moment(status.get("expirationTimestamp")) or expires_of(token, certificate)
        return Credential(token, certificate, (status.get("clientKeyData") or "").encode(), expires)


def _moment(said: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(said) if said else None
    except ValueError as error:
        raise errors.InvalidKubeconfig("exec", f"the program's expirationTimestamp {said!r} is no time") from error


def expires_of(token: str, certificate: bytes) -> datetime | None:
    """When the first of the two ends, in UTC; None where neither tells."""
    ends = [end for end in (token_expires(token), certificate_expires(certificate)) if end]
    return min(ends, default=None)


class _Claims(msgspec.Struct):
    exp: int | None = None


def token_expires(token: str) -> datetime | None:
    """The `exp` claim of a JWT (RFC 7519, seconds since 1970), not verified; None where there is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        exp = msgspec.json.decode(payload, type=_Claims).exp
        return None if exp is None else datetime.fromtimestamp(exp, UTC)
    except (binascii.Error, msgspec.DecodeError, ValueError, OverflowError, OSError):
        return None


def certificate_expires(pem: bytes) -> datetime | None:
    """`notAfter` of the first certificate in `pem`, the client's own; None where there is none."""
    if not pem:
        return None
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None
