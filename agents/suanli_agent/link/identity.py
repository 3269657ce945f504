"""The box's identity for life: renewing certificates, coming back with an expired one, serving certificates.

Nothing here ever stops work on the box: what cannot be had now is asked for again later, and said in words.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import pathlib
from typing import Any, Callable, Optional, Tuple

from suanli_agent.link import backoff, csr, errors, http, pki
from suanli_agent.pods import ports

log = logging.getLogger(__name__)

SITE_LABEL = "suanli.node-restriction.kubernetes.io/site"
DECISION_SECONDS = 900.0  # a controller that restarts is back by then; afterwards a new request is posted
REFUSED_SECONDS = 60.0  # the same where our certificate is in date: it may be taken again meanwhile
LOOK_SECONDS = 3600.0  # between two looks at dates that are far away
RECOVERY_CHECK_SECONDS = 86400.0


def renew_at(certificate: pki.Certificate) -> float:
    """When to renew: at 70 to 90% of the lifetime (kubelet's range), spread over boxes by their keys."""
    draw = int(hashlib.sha256(certificate.key_hash.encode()).hexdigest()[:4], 16) / 0xFFFF
    return certificate.not_before + (certificate.not_after - certificate.not_before) * (0.7 + 0.2 * draw)


def recovery_id(site: str) -> str:
    """The id of a site's recovery token: the first characters of a hash of the site's name, base32, lower case."""
    return base64.b32encode(hashlib.sha256(f"suanli-recovery/{site}".encode()).digest()).decode()[:6].lower()


def clock_is_wrong(certificate: Optional[pki.Certificate], now: float) -> bool:
    """True where the box believes in a time before its own certificate was made."""
    return certificate is not None and now < certificate.not_before


class Identity:
    """Keeps the certificates of one box current; `said` is its state in words for `suanli-agent status`."""

    def __init__(
        self,
        store: pki.Store,
        hub: pki.Hub,
        client: http.Client,
        machine_id: str,
        local_time: Callable[[], float],
        serving_names: Callable[[], Tuple[str, ...]] = tuple,
        serving_changed: Callable[[pathlib.Path], None] = lambda _path: None,
    ) -> None:
        self.store, self.hub, self.client = store, hub, client
        self.said = "valid"
        self._machine_id, self._local_time = machine_id, local_time
        self._names, self._serving_changed = serving_names, serving_changed
        self._refused = False
        self._soon = asyncio.Event()
        self._backoff = backoff.Backoff(first=5, cap=600)
        self._served: Tuple[str, ...] = ()
        self._recovery_checked = float("-inf")

    @property
    def certificate(self) -> Optional[pki.Certificate]:
        """The client certificate as it is now."""
        return self.store.certificate("client")

    def refused(self) -> None:
        """The hub answered 401 to our certificate: it is asked again, then the recovery token is tried."""
        if not self._refused:
            self._refused = True
            self._soon.set()

    def wake(self) -> None:
        """Look again now: the link is back, or addresses have changed."""
        self._soon.set()

    async def run(self) -> None:
        """Keep certificates current until cancelled."""
        while True:
            self._soon.clear()  # before the step: what happens during it is looked at next
            try:
                wait = await self.step()
                self._backoff.succeeded()
            except (
                ports.HubError,
                csr.DeniedError,
                pki.KeysError,
                OSError,
                ValueError,
                asyncio.TimeoutError,
            ) as error:
                wait = self._backoff.failed()
                self.said = f"{self.said.split(':')[0]}: {error or 'no decision in time'}"
                log.warning("identity: %s; again in %.0f s", self.said, wait)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._soon.wait(), wait)

    async def step(self) -> float:
        """Do what is due; returns seconds until the next look. Raises what a later look may mend."""
        certificate = self.certificate
        if certificate is None:
            self.said = "lost: no certificate on disk; run `suanli-agent join` with a new token"
            return LOOK_SECONDS
        now = self.client.clock.now()
        expired = now >= certificate.not_after
        if expired or await self._still_refused():
            await self._recover(certificate, DECISION_SECONDS if expired else REFUSED_SECONDS)
        elif now >= renew_at(certificate):
            await self.renew(certificate)
        await self._keep_recovery(now)  # first: a serving certificate may be denied, or wait for a decision
        await self._serve(now)
        self.said = "valid"
        return self._until_next()

    def _until_next(self) -> float:
        moments = [renew_at(each) for kind in ("client", "serving") if (each := self.store.certificate(kind))]
        wait = min(moments, default=0.0) - self.client.clock.now()
        return min(max(wait, 1.0), LOOK_SECONDS)

    # --- client certificate

    async def renew(self, certificate: pki.Certificate) -> None:
        """Ask for a certificate with a new key, now. Raises ports.HubError, csr.DeniedError, pki.KeysError."""
        self.said = "renewing"
        await self._obtain(self.client, certificate, self.store.next_key("client"), DECISION_SECONDS)

    async def _still_refused(self) -> bool:
        """Ask anew with the certificate that we have: a hub that was restored, or that reads its CAs anew, refuses
        what it takes again a moment later. Any answer but 401 says that it knows us.
        """
        if self._refused:
            try:
                await self.client.request("GET", f"/api/v1/nodes/{self.hub.node}")
            except errors.UnauthorizedError:
                return True
            except (ports.NotFoundError, ports.ForbiddenError):
                pass
            self._refused = False
        return False

    async def _recover(self, certificate: pki.Certificate, patience: float) -> None:
        """Ask with the site's recovery token and the key that the hub knows."""
        self.said = "refused" if self._refused else "expired"
        try:
            token = self.store.recovery.read_text().strip()
        except OSError:
            raise pki.KeysError("no recovery token on disk; run `suanli-agent join` with a new token") from None
        # Without our certificate: the hub would answer 401 to it, token or not.
        context = self.store.context(clock_is_wrong(certificate, self._local_time()), with_certificate=False)
        client = http.Client(
            self.hub.server, context, token=token, proxy=self.hub.proxy, hub_clock=self.client.clock
        )
        try:
            await self._obtain(client, certificate, self._pinned_key(), patience)
        except csr.DeniedError as error:
            # A renewal that was cut short: it is the new key or the old one that the hub approved last.
            if error.reason != "KeyMismatch" or not self.store.next_key("client").exists():
                raise
            self.store.next_key("client").unlink()
            await self._obtain(client, certificate, self._pinned_key(), patience)
        finally:
            client.drop()
        self._refused = False

    def _pinned_key(self) -> pathlib.Path:
        pending = self.store.next_key("client")
        return pending if pending.exists() else self.store.copy_key("client") or pending

    async def _obtain(
        self, client: http.Client, certificate: pki.Certificate, key: pathlib.Path, patience: float
    ) -> None:
        made = await pki.keys("request", key=str(key), node=self.hub.node, addresses=[], names=[])
        asked = csr.Request(made["request"], csr.CLIENT_SIGNER, certificate.requested, self._machine_id)
        pem, granted = await asyncio.wait_for(csr.obtain_within_cap(client, asked, log.info), patience)
        new = await self.store.install("client", pem, key, granted)
        self.client.use(self.store.context(clock_is_wrong(new, self._local_time())))
        log.info("identity: new certificate until %s", new.not_after)

    # --- recovery token

    async def _keep_recovery(self, now: float) -> None:
        """Fetch the site's recovery token, and again daily: an operator may have changed it."""
        have = self.store.recovery.exists()
        if have and now - self._recovery_checked < RECOVERY_CHECK_SECONDS:
            return
        node = json.loads(await self.client.request("GET", f"/api/v1/nodes/{self.hub.node}"))
        site = node["metadata"].get("labels", {}).get(SITE_LABEL, "")
        path = f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{recovery_id(site)}"
        try:
            token = _token(json.loads(await self.client.request("GET", path)))
        except (ports.ForbiddenError, ports.NotFoundError):
            # The controller makes it, and grants it once it has seen our Node.
            log.info("identity: no recovery token yet")
            return
        if not have or self.store.recovery.read_text() != token:
            pki.write_private(self.store.recovery, token)
        self._recovery_checked = now

    # --- serving certificate

    async def _serve(self, now: float) -> None:
        """A certificate for the kubelet's endpoints, for the names that the Node shows by now."""
        wanted = self._names()
        current = self.store.certificate("serving")
        known = self._served or _served_names(self.store)
        if not wanted or (current and now < renew_at(current) and known == wanted):
            return
        client = self.certificate
        assert client is not None  # noqa: S101  # step looks first
        key = self.store.next_key("serving")
        made = await pki.keys("request", key=str(key), node=self.hub.node, addresses=wanted, names=[self.hub.node])
        asked = csr.Request(made["request"], csr.SERVING_SIGNER, client.requested)
        pem, granted = await asyncio.wait_for(
            csr.obtain_within_cap(self.client, asked, log.info), DECISION_SECONDS
        )
        await self.store.install("serving", pem, key, granted)
        pki.write_private(_names_file(self.store), json.dumps(wanted))
        self._served = wanted
        self._serving_changed(self.store.pem("serving"))


def _names_file(store: pki.Store) -> pathlib.Path:
    return store.folder / "serving.names"


def _served_names(store: pki.Store) -> Tuple[str, ...]:
    try:
        return tuple(json.loads(_names_file(store).read_text()))
    except (OSError, ValueError):
        return ()


def _token(secret: "dict[str, Any]") -> str:
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    return f"{data['token-id']}.{data['token-secret']}"


def remembered_uid(store: pki.Store) -> str:
    """The uid of our Node as it was when we joined; empty where none is known."""
    try:
        return store.node_uid.read_text().strip()
    except OSError:
        return ""


def remember_uid(store: pki.Store, uid: str) -> None:
    """Write it down: from now on absence counts under this Node alone."""
    pki.write_private(store.node_uid, uid + "\n")
