"""One leader among replicas, by a Lease, as client-go's leader election does it.

    wait for the lease -> lead, renewing -> step down: cancelled, lease lost, or not renewed in time

A leader that cannot renew (the API server refuses, hangs or errors) stops leading `renew_seconds` after the last
renewal was *sent*, well before others may take the lease. `leading` is a comparison with the clock, so that a
process that was frozen knows when it wakes; give `guard` to every client that writes on behalf of the leader.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from suanli_controller.api import core_v1
from suanli_controller.kube import client, errors, metrics
from suanli_controller.kube.resources import LEASES, Json

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds; client-go's defaults. It must hold: lease > renew > retry."""

    lease_seconds: int = 15  # others wait so long after the last renewal that they saw
    renew_seconds: float = 10  # the leader gives up so long after the last renewal that it sent
    retry_seconds: float = 2  # between tries
    release_seconds: float = 2  # for giving the lease back at the end; others take it after lease_seconds anyway


class Elector:
    """Takes part in the election for the Lease `namespace/name` as `identity`, which must differ between replicas.

    `api` should be a client of its own, without guard: a renewal must not queue behind the leader's work.
    """

    def __init__(
        self,
        api: client.Client,
        name: str,
        namespace: str,
        identity: str,
        *,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api = api
        self.name = name
        self.namespace = namespace
        self.identity = identity
        self.settings = settings or Settings()
        self._clock = clock
        self._until = float("-inf")
        self._own: core_v1.Lease | None = None  # as we wrote it last
        self._seen: tuple[core_v1.LeaseSpec, float] | None = (
            None  # another's lease, and since when it is unchanged
        )

    @property
    def leading(self) -> bool:
        """Whether this replica may act as leader at this very moment."""
        return self._clock() < self._until

    def guard(self) -> None:
        """Raise errors.NotLeader unless leading: for `Client.guard`."""
        if not self.leading:
            raise errors.NotLeader(f"{self.identity} does not hold lease {self.namespace}/{self.name}")

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, then run `lead` until it ends, this is cancelled, or the lease is lost.

        The lease is released once `lead` has ended. Raises errors.NotLeader when it was lost.
        """
        await self._acquire()
        log.info("leading", identity=self.identity, lease=f"{self.namespace}/{self.name}")
        metrics.LEADER.set(1)
        try:
            await self._lead(lead)
        finally:
            metrics.LEADER.set(0)
            await self._release()

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> None:
        work, lost = asyncio.ensure_future(lead()), asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((work, lost), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                log.error("leadership lost", identity=self.identity)
                raise errors.NotLeader(f"{self.identity} lost lease {self.namespace}/{self.name}")
            await work
        finally:
            for task in (work, lost):
                task.cancel()
            await asyncio.gather(work, lost, return_exceptions=True)

    async def _acquire(self) -> None:
        while not await self._try(self.settings.renew_seconds):  # noqa: ASYNC110  # the Lease is elsewhere
            # Jitter, so that standbys do not all write at once.
            await asyncio.sleep(self.settings.retry_seconds * (1 + 0.2 * random.random()))  # noqa: S311

    async def _renew(self) -> None:
        """Renew until that fails for good; returns then."""
        while True:
            await asyncio.sleep(min(self.settings.retry_seconds, max(0.0, self._until - self._clock())))
            left = self._until - self._clock()
            if left <= 0:
                return
            if not await self._try(left) and self._seen is not None:
                self._until = float("-inf")  # another holds it
                return

    async def _try(self, limit: float) -> bool:
        """Take or renew the lease once, within `limit` seconds; false where that did not work out."""
        began = self._clock()
        try:
            async with asyncio.timeout(limit):
                held = await self._take()
        except (errors.KubeError, TimeoutError) as error:
            log.warning("lease not written", lease=f"{self.namespace}/{self.name}", error=str(error))
            return False
        if held:
            self._seen = None
            self._until = began + self.settings.renew_seconds
        return held

    async def _take(self) -> bool:
        if self._own is not None:
            own, self._own = self._own, None
            try:
                await self._write(own)  # one request where nobody touched it, so that a busy hub is in time too
            except (errors.Conflict, errors.NotFound):
                log.debug("lease written by another", lease=f"{self.namespace}/{self.name}")
            else:
                return True
        try:
            lease = await self.api.get(LEASES, self.name, self.namespace)
        except errors.NotFound:
            self._own = await self.api.create(LEASES, self._body(self._spec(core_v1.LeaseSpec())))
            return True
        if self._another_holds(lease.spec):
            return False
        await self._write(lease)
        return True

    async def _write(self, lease: core_v1.Lease) -> None:
        """Raises errors.Conflict where the lease is no longer the one that was read."""
        change = self._body(self._spec(lease.spec), lease.metadata.resource_version)
        self._own = await self.api.patch(LEASES, self.name, self.namespace, change)

    def _another_holds(self, spec: core_v1.LeaseSpec) -> bool:
        """Whether another's lease may still run: measured by our own clock, since we saw it change last."""
        if spec.holder_identity in ("", self.identity):
            return False
        if self._seen is None or self._seen[0] != spec:
            self._seen = (spec, self._clock())
        return self._clock() < self._seen[1] + spec.lease_duration_seconds

    def _spec(self, old: core_v1.LeaseSpec) -> Json:
        now = _micro_time()
        spec: Json = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self.settings.lease_seconds,
            "renewTime": now,
        }
        if old.holder_identity != self.identity:
            spec |= {"acquireTime": now, "leaseTransitions": old.lease_transitions + bool(old.acquire_time)}
        return spec

    def _body(self, spec: Json, version: str = "") -> Json:
        meta = {"name": self.name, "namespace": self.namespace}
        return {"metadata": meta | ({"resourceVersion": version} if version else {}), "spec": spec}

    async def _release(self) -> None:
        """Give the lease back if it is still ours, so that a standby need not wait for its end."""
        self._until, self._own = float("-inf"), None
        with contextlib.suppress(errors.KubeError, TimeoutError):
            async with asyncio.timeout(self.settings.release_seconds):
                lease = await self.api.get(LEASES, self.name, self.namespace)
                if lease.spec.holder_identity == self.identity:
                    spec: Json = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time()}
                    change = self._body(spec, lease.metadata.resource_version)
                    await self.api.patch(LEASES, self.name, self.namespace, change)


def _micro_time() -> str:
    """Now as Kubernetes' MicroTime; read by people only, decisions use the monotonic clock."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
