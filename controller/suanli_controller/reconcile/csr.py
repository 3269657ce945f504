"""Certificate requests of boxes: gather what the decision needs, decide in `core.approval`, carry it out.

Order on approval: the Node first, then the certificate, so that whoever holds a certificate has a Node, and a
crash between the two leaves a Node that the same key may claim again. Other requests are left alone; where a box got
a certificate on another's word (kubeadm has kube-controller-manager approve every renewal), its Node is pinned to the
new key afterwards.
"""

import asyncio
import datetime as dt
from typing import Any

import structlog

from suanli_controller.api import core_v1, names
from suanli_controller.api import site as sites
from suanli_controller.api.kinds import EDGE_SITE
from suanli_controller.core import approval, enrolment
from suanli_controller.kube import client, errors, events, informer, queue, resources

log = structlog.get_logger(__name__)

SITES = resources.Resource(names.API_VERSION, EDGE_SITE.name, EDGE_SITE.plural, sites.EdgeSite, namespaced=False)
_CSRS = resources.CERTIFICATE_SIGNING_REQUESTS
_RAW = _CSRS.as_type(dict)
_SERVICES: resources.Resource[dict[str, Any]] = resources.Resource("v1", "Service", "services", dict)


class CertificateRequests:
    """Decides the requests of boxes, one at a time: a site's last free place is given once."""

    def __init__(self, api: client.Client, recorder: events.Recorder) -> None:
        self.api = api
        self.recorder = recorder
        self.queue: queue.WorkQueue[str] = queue.WorkQueue("csr")
        self.requests = informer.Informer(api, _CSRS)
        self.requests.subscribe(self._changed)

    def _changed(
        self, _old: core_v1.CertificateSigningRequest | None, new: core_v1.CertificateSigningRequest | None
    ) -> None:
        if new is not None and (not new.status.conditions or approval.approved_by_others(new)):
            self.queue.add(new.metadata.name)

    async def run(self) -> None:
        """Follow and decide until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.requests.run())
            tasks.create_task(self._work())

    async def _work(self) -> None:
        await self.requests.synced.wait()  # which certificate is a box's newest, half a list cannot tell
        while True:
            name = await self.queue.get()
            try:
                await self.reconcile(name)
                self.queue.forget(name)
            except errors.KubeError as error:
                delay = self.queue.retry(name)
                log.warning("csr", name=name, error=error.message, retry_seconds=round(delay, 1))
            except Exception:  # strangers write requests: one that we stumble over must not stop the leader
                log.exception("csr", name=name, retry_seconds=round(self.queue.retry(name), 1))
            finally:
                self.queue.done(name)

    async def reconcile(self, name: str) -> None:
        """Observe, decide, apply, report. Raises errors.KubeError."""
        csr = self.requests.get(name)
        if csr is not None and approval.approved_by_others(csr):
            await self._follow(csr)
        if csr is None or csr.status.conditions:
            return
        csr = await self._get(_CSRS, name)  # our own answer may not have come back yet
        if csr is None or csr.status.conditions:
            return
        case = await self._observe(csr)
        if not approval.is_ours(case):
            return
        verdict = approval.decide(case)
        if verdict.approved and csr.spec.signer_name == approval.CLIENT_SIGNER:
            await self._admit(case, verdict)
            await self._spend(case, verdict)
        await self._answer(case, verdict)
        self._report(case, verdict)

    # --- observe

    async def _observe(self, csr: core_v1.CertificateSigningRequest) -> approval.Case:
        """Everything is read anew: a cache that lags could give a name or a place twice."""
        secret = await self._get(resources.SECRETS, _token_secret(csr), enrolment.KUBE_SYSTEM)
        token = approval.token_of(csr, secret)
        box = await self._box(approval.subject_node(csr))
        requester = await self._box(approval.requesting_node(csr))
        name = token.site if token else requester.site if requester else ""
        site = await self._get(SITES, name)
        boxes = await self._boxes(name) if site and not box else 0
        return approval.Case(csr, token, site, box, requester, boxes, await self._hub_addresses(csr))

    async def _hub_addresses(self, csr: core_v1.CertificateSigningRequest) -> tuple[str, ...]:
        """Asked for where a decision needs them: for serving certificates."""
        if csr.spec.signer_name != approval.SERVING_SIGNER or not approval.requesting_node(csr):
            return ()
        service = await self._get(_SERVICES, "kubernetes", "default")
        return tuple(service["spec"].get("clusterIPs", ())) if service else ()

    async def _box(self, name: str) -> approval.Box | None:
        node = await self._get(resources.NODES, name)
        return approval.box_of(node) if node else None

    async def _boxes(self, site: str) -> int:
        page = await self.api.list(resources.NODES.metadata_only, labels=f"{names.SITE_LABEL}={site}")
        return len(page.items)

    async def _get(self, resource: resources.Resource[Any], name: str, namespace: str = "") -> Any:
        if not name:
            return None
        try:
            return await self.api.get(resource, name, namespace)
        except (errors.NotFound, errors.BadRequest, errors.Invalid):
            return None  # also what can be no name at all: the request comes from a stranger

    # --- apply

    async def _admit(self, case: approval.Case, verdict: approval.Verdict) -> None:
        """Make the Node, or pin the one that is there to the key of the new certificate."""
        assert case.site is not None  # noqa: S101  # every approved case has one
        if case.box is None:
            await self.api.create(resources.NODES, enrolment.new_node(case.site, verdict.node, verdict.key_hash))
        elif case.box.key_hash != verdict.key_hash:
            labels = {names.KEY_HASH_LABEL: verdict.key_hash}
            await self.api.patch(resources.NODES, verdict.node, "", {"metadata": {"labels": labels}})

    async def _follow(self, csr: core_v1.CertificateSigningRequest) -> None:
        """Pin a box to the key of the newest certificate that it was granted: recovery will ask for that one."""
        box = await self._box(approval.subject_node(csr))
        if box is None or not box.site:
            return
        if approval.newest_key(self.requests.objects.values(), box.name) in ("", box.key_hash):
            return
        # something is to be written: the cache may lack what we approved and pinned a moment ago
        key = approval.newest_key((await self.api.list(_CSRS)).items, box.name)
        if key not in ("", box.key_hash):
            change = {"metadata": {"labels": {names.KEY_HASH_LABEL: key}}}
            await self.api.patch(resources.NODES, box.name, "", change)
            log.info("csr", name=csr.metadata.name, node=box.name, site=box.site, reason="KeyFollowed")
            note = f"others approved a certificate of node {box.name}; it is pinned to that key now"
            self.recorder.record(events.reference(_CSRS, csr), "Warning", "KeyFollowed", note)

    async def _spend(self, case: approval.Case, verdict: approval.Verdict) -> None:
        """A token for one node ends with its use; its box has a little time left to fetch what was issued."""
        token = case.token
        if token is None or not token.node or token.recovery:
            return
        change = enrolment.spent(verdict.key_hash, dt.datetime.now(dt.UTC))
        try:
            name = enrolment.secret_name(token.id)
            await self.api.patch(resources.SECRETS, name, enrolment.KUBE_SYSTEM, change)
        except errors.NotFound:
            return

    async def _answer(self, case: approval.Case, verdict: approval.Verdict) -> None:
        condition = {
            "type": "Approved" if verdict.approved else "Denied",
            "status": "True",
            "reason": verdict.reason,
            "message": verdict.message,
            "lastUpdateTime": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        meta = case.csr.metadata
        change = {
            "metadata": {"resourceVersion": meta.resource_version},
            "status": {"conditions": [condition]},
        }
        await self.api.patch(_RAW, meta.name, "", change, subresource="approval")

    def _report(self, case: approval.Case, verdict: approval.Verdict) -> None:
        log.info(
            "csr",
            name=case.csr.metadata.name,
            node=verdict.node or approval.subject_node(case.csr),
            site=case.site.metadata.name if case.site else "",
            approved=verdict.approved,
            reason=verdict.reason,
            message=verdict.message,
        )
        kind: events.Type = "Normal" if verdict.approved else "Warning"
        self.recorder.record(events.reference(_CSRS, case.csr), kind, verdict.reason, verdict.message)
        if case.site is not None:
            note = f"{approval.subject_node(case.csr)}: {verdict.message}"
            self.recorder.record(events.reference(SITES, case.site), kind, verdict.reason, note)


def _token_secret(csr: core_v1.CertificateSigningRequest) -> str:
    found = approval.token_id(csr)
    return enrolment.secret_name(found) if found else ""
