"""EdgeSite: the rights of its tokens, what it gives its boxes, boxes that leave, and its status.

Joining is opened by a ClusterRoleBinding of the site's own; it stays shut, with the reason in the status, while
someone has bound upstream's automatic approval to a group that our tokens are in: no rule of ours would be asked. The
same for renewals, which kubeadm sets up, keeps nobody out; the status says what it means.
"""

import asyncio
import datetime as dt
import secrets
import string
import time
from collections.abc import Callable, Collection, Sequence

import msgspec
import structlog

from suanli_controller.api import core_v1, names
from suanli_controller.api import site as sites
from suanli_controller.core import centre, conditions, enrolment, places
from suanli_controller.kube import errors, events, informer, resources, review
from suanli_controller.reconcile import city as city_module
from suanli_controller.reconcile import cluster, csr, leave, removal

log = structlog.get_logger(__name__)

SETTLE_SECONDS = 1.0  # changes of boxes are gathered: a site's 100 boxes come back at once after an outage
LEAVE_SECONDS = 5.0  # between two looks at a box that drains
REVIEW_SECONDS = 30.0  # how old an answer may be that rights give
RECHECK_SECONDS = 300.0  # someone may bind automatic approval at any time, and nothing tells us

_ROLES = resources.Resource("rbac.authorization.k8s.io/v1", "Role", "roles", resources.PartialObject)
_ROLE_BINDINGS = resources.Resource(
    "rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", resources.PartialObject
)
_CLUSTER_ROLES = resources.Resource(
    "rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", resources.PartialObject, namespaced=False
)
_CLUSTER_BINDINGS = resources.Resource(
    "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding",
    "clusterrolebindings",
    resources.PartialObject,
    namespaced=False,
)

_ANY_BOX = review.User(username="system:node:suanli", groups=("system:nodes", "system:authenticated"))
_RENEWALS_UNSEEN = (
    "; kube-controller-manager approves renewals (system:nodes may create certificatesigningrequests/selfnodeclient): "
    "spec.join.certificateTTLSeconds does not limit them"
)


def _create(subresource: str) -> review.Attributes:
    """What kube-controller-manager asks whether a requester may do, before it approves on its own."""
    return review.Attributes(
        "create", "certificatesigningrequests", "certificates.k8s.io", subresource=subresource
    )


class Sites:
    """Reconciles the EdgeSites of `city`, whose hub must be followed already (`city.add_cluster`)."""

    def __init__(
        self,
        city: city_module.City,
        recorder: events.Recorder,
        units: Callable[[], centre.UnitTable | None] = lambda: None,
    ) -> None:
        self.city = city
        self.units = units
        self.api = city.hub
        self.recorder = recorder
        self.queue = city.sites
        self.sites = informer.Informer(self.api, csr.SITES)
        # site -> what its rights were made from, and when (monotonic seconds)
        self._rights: dict[str, tuple[tuple[object, ...], float]] = {}
        # site -> its generation and when (monotonic seconds) was asked what `_others_approve` answers
        self._reviewed: dict[str, tuple[int, float, str, bool]] = {}

    async def run(self) -> None:
        """Follow and reconcile until cancelled."""
        self.sites.subscribe(self._site_changed)
        self._hub.nodes.subscribe(self._node_changed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.sites.run())
            tasks.create_task(self._work())

    @property
    def _hub(self) -> cluster.Cluster:
        return self.city.carriers[city_module.HUB].there

    def _site_changed(self, old: sites.EdgeSite | None, new: sites.EdgeSite | None) -> None:
        if old is None or new is None or old.metadata.generation != new.metadata.generation:
            self.queue.add((new or old).metadata.name)  # type: ignore[union-attr]  # one of them is given

    def _node_changed(self, old: core_v1.Node | None, new: core_v1.Node | None) -> None:
        for node in (old, new):
            if node is not None and (site := node.metadata.labels.get(names.SITE_LABEL)):
                self.queue.add_after(site, SETTLE_SECONDS)

    async def _work(self) -> None:
        await self.sites.synced.wait()
        # all of them before any is looked at: what is at a site that nobody knows counts as work to be taken away
        self.city.set_targets(map(places.of_site, self.sites.objects.values()), city_module.HUB)
        await self._hub.nodes.synced.wait()
        while True:
            name = await self.queue.get()
            try:
                await self.reconcile(name)
                self.queue.forget(name)
                if self.sites.get(name) is not None:
                    self.queue.add_after(name, RECHECK_SECONDS)
            except errors.KubeError as error:
                delay = self.queue.retry(name)
                log.warning("site", name=name, error=error.message, retry_seconds=round(delay, 1))
            except Exception:  # a fault of ours with one site is not one of all
                log.exception("site", name=name, retry_seconds=round(self.queue.retry(name), 1))
            finally:
                self.queue.done(name)

    async def reconcile(self, name: str) -> None:
        """Observe, open or shut, give, let go, report."""
        site = self.sites.get(name)
        if site is None:
            self.city.remove_target(names.target(names.SITE_KIND, name))
            self.city.wake_workloads()
            self._rights.pop(name, None)
            self._reviewed.pop(name, None)
            return
        self.city.set_target(places.of_site(site), city_module.HUB)
        boxes = self._boxes(name)
        bound, unseen = await self._others_approve(site)
        await self._ensure_rights(site, boxes, shut=bool(bound))
        for box in boxes:
            await self._give(site, box)
        leaving = [box for box in boxes if enrolment.wants_to_leave(box)]
        await self._let_go(site, leaving)
        await self._report(site, boxes, bound, len(leaving), unseen=unseen)

    # --- observe

    def _boxes(self, site: str) -> list[core_v1.Node]:
        nodes = self._hub.nodes.objects.values()
        return [node for node in nodes if node.metadata.labels.get(names.SITE_LABEL) == site]

    async def _others_approve(self, site: sites.EdgeSite) -> tuple[str, bool]:
        """How kube-controller-manager's own approval reaches our tokens, and whether it reaches our boxes' renewals;
        asked anew after REVIEW_SECONDS or a change of the site: a hundred boxes change every second.
        """
        name, generation = site.metadata.name, site.metadata.generation
        known = self._reviewed.get(name)
        if known is None or known[0] != generation or time.monotonic() - known[1] > REVIEW_SECONDS:
            bound = await self._auto_approved(name)
            unseen = await review.allowed(self.api, _ANY_BOX, _create("selfnodeclient"))
            known = self._reviewed[name] = (generation, time.monotonic(), bound, unseen)
        return known[2:]

    async def _auto_approved(self, site: str) -> str:
        """The group of our tokens whose requests kube-controller-manager would approve without us; else empty."""
        ours = (enrolment.group(site), enrolment.group(site, recovery=True))
        for group in (*ours, "system:bootstrappers", "system:authenticated"):
            user = review.User(username="system:bootstrap:suanli", groups=(group,))
            if await review.allowed(self.api, user, _create("nodeclient")):
                return group
        return ""

    # --- apply

    async def _ensure_rights(self, site: sites.EdgeSite, boxes: Sequence[core_v1.Node], *, shut: bool) -> None:
        """Write the rights of the site's tokens where what they follow from has changed, and now and then: others
        may delete them, and garbage collection does after a site that was made anew under its name.
        """
        named = sorted(box.metadata.name for box in boxes)
        basis = (site.metadata.uid, shut, *named)
        written, at = self._rights.get(site.metadata.name, ((), 0.0))
        if written == basis and time.monotonic() - at < RECHECK_SECONDS:
            return
        await self._ensure_recovery(site, named)
        if shut:
            await self._shut(site)
        else:
            await self.api.apply(_CLUSTER_ROLES, enrolment.joining_role())
            await self.api.apply(_CLUSTER_BINDINGS, enrolment.joining_binding(site))
        self._rights[site.metadata.name] = (basis, time.monotonic())

    async def _shut(self, site: sites.EdgeSite) -> None:
        key = ("", enrolment.binding_name(site.metadata.name))
        await removal.remove(self.api, _CLUSTER_BINDINGS, key, lambda there: enrolment.is_owned(there, site))

    async def _ensure_recovery(self, site: sites.EdgeSite, boxes: Collection[str]) -> None:
        """The token is made once and kept: boxes that are away for months hold it."""
        name = enrolment.secret_name(enrolment.recovery_id(site.metadata.name))
        try:
            await self.api.get(resources.SECRETS.metadata_only, name, enrolment.KUBE_SYSTEM)
        except errors.NotFound:
            await self.api.create(resources.SECRETS, enrolment.recovery_token(site, token_secret()))
        await self.api.apply(_ROLES, enrolment.recovery_role(site))
        await self.api.apply(_ROLE_BINDINGS, enrolment.recovery_binding(site, boxes))

    async def _give(self, site: sites.EdgeSite, box: core_v1.Node) -> None:
        """Labels and taints of the site; granted labels that it gives no longer go."""
        name = box.metadata.name
        if change := enrolment.labels_change(site, box.metadata.labels):
            await self.api.patch(
                resources.NODES, name, "", {"metadata": {"uid": box.metadata.uid, "labels": change}}
            )
        wanted = enrolment.taints_wanted(site, box.spec.taints)
        if enrolment.taints_differ(wanted, box.spec.taints):
            guard = {"resourceVersion": box.metadata.resource_version}
            await self.api.patch(resources.NODES, name, "", {"metadata": guard, "spec": {"taints": wanted}})

    async def _let_go(self, site: sites.EdgeSite, leaving: Sequence[core_v1.Node]) -> None:
        for box in leaving:
            if await leave.drain(self.api, box):
                note = f"{box.metadata.name} left as it asked to"
                self.recorder.record(events.reference(csr.SITES, site), "Normal", "BoxLeft", note)
            else:
                self.queue.add_after(site.metadata.name, LEAVE_SECONDS)

    # --- report

    async def _report(
        self, site: sites.EdgeSite, boxes: Sequence[core_v1.Node], bound: str, leaving: int, *, unseen: bool
    ) -> None:
        status = status_of(site, boxes, bound, leaving, dt.datetime.now(dt.UTC), unseen=unseen)
        state = self.city.targets[names.target(names.SITE_KIND, site.metadata.name)]
        status = msgspec.structs.replace(status, classes=state.count(self.units()))
        log.info("site", name=site.metadata.name, boxes=status.boxes, ready=status.ready_boxes, leaving=leaving)
        if status == site.status:
            return
        if bound and not _was(site, "AutoApprovalBound"):
            self.recorder.record(
                events.reference(csr.SITES, site), "Warning", "AutoApprovalBound", status.conditions[0].message
            )
        body = {"metadata": {"name": site.metadata.name}, "status": msgspec.to_builtins(status)}
        await self.api.apply(csr.SITES, body, subresource="status", manager=f"{names.FIELD_MANAGER}-site")


def status_of(
    site: sites.EdgeSite,
    boxes: Sequence[core_v1.Node],
    bound: str,
    leaving: int,
    now: dt.datetime,
    *,
    unseen: bool = False,
) -> sites.EdgeSiteStatus:
    """What the hub sees of a site; `bound` is the group by which automatic approval reaches its tokens, `unseen`
    where it reaches the renewals of boxes.
    """
    ready = sum(enrolment.is_ready(box) for box in boxes)
    ends = [found for box in boxes if (found := enrolment.expires(box))]
    if bound:
        message = (
            f"group {bound} may create certificatesigningrequests/nodeclient, so requests would be approved unseen; "
            "remove it from the ClusterRoleBinding of system:certificates.k8s.io:certificatesigningrequests:nodeclient"
        )
        verdict = conditions.make(names.READY, "False", "AutoApprovalBound", message)
    else:
        going = f", {leaving} leaving" if leaving else ""
        message = f"{len(boxes)} boxes, {ready} ready{going}{_RENEWALS_UNSEEN if unseen else ''}"
        verdict = conditions.make(names.READY, "True", "JoiningOpen", message)
    return msgspec.structs.replace(
        site.status,
        observed_generation=site.metadata.generation,
        conditions=conditions.merged(site.status.conditions, [verdict], site.metadata.generation, now),
        boxes=len(boxes),
        ready_boxes=ready,
        next_certificate_expiry=min(ends, default=None),
    )


def token_secret() -> str:
    """The secret half of a bootstrap token."""
    return random_word(16)


def random_word(length: int) -> str:
    """Letters and digits as bootstrap tokens are made of."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def _was(site: sites.EdgeSite, reason: str) -> bool:
    before = conditions.get(site.status.conditions, names.READY)
    return before is not None and before.reason == reason
