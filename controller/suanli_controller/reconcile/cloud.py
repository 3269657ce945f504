"""Cloud: connect, find out whether it can be used, keep its capacity current, let go of it.

    observe -> connect -> examine -> tell the fleet -> report

Each Cloud is reconciled in a task of its own: one that hangs keeps nobody waiting.
"""

import asyncio
import datetime as dt
from collections.abc import Callable

import structlog

from suanli_controller.api import cloud, names
from suanli_controller.core import centre, cloud_status, conditions, places, storage
from suanli_controller.core.cloud_status import Finding, View
from suanli_controller.kube import client, connection, errors, events, informer, kinds, resources
from suanli_controller.reconcile import access, city, claim, clearing, cluster, writing

log = structlog.get_logger(__name__)

RECOUNT_SECONDS = 2.0
"""Capacity that changed after a pause is counted and written so soon."""
REPEAT_SECONDS = 5.0
"""And at most so often while it goes on changing."""
LOOK_AGAIN_SECONDS = 1.0
_CONNECTING = "Connecting"
RTT_SECONDS = 60.0
"""A link's round trip, and our mark, are looked at so often; a round trip is written when it changed by a fifth."""


def _wishes(item: cloud.Cloud) -> tuple[object, ...]:
    """All but the status: of a cloud whose pods come and go that changes with each count, and must not ask for one."""
    meta = item.metadata
    return meta.uid, meta.generation, meta.deletion_timestamp, meta.labels, meta.annotations, meta.finalizers


class Clouds:
    """The reconciler of all Clouds. `secrets`: metadata of the Secrets in the controller's namespace. `units` gives
    the ComputeCentre's table, where there is one.
    """

    def __init__(
        self,
        here: city.City,
        items: informer.Informer[cloud.Cloud],
        secrets: informer.Informer[resources.PartialObject],
        units: Callable[[], centre.UnitTable | None] = lambda: None,
    ) -> None:
        self.city = here
        self.items = items
        self.secrets = secrets
        self.units = units
        self._connected: dict[str, tuple[str, str, str]] = {}  # cloud -> Secret's name, key and resourceVersion
        self._expires: dict[str, dt.datetime | None] = {}
        self._marked: dict[str, float] = {}  # cloud -> when its cluster was last seen to bear our mark, loop time
        items.subscribe(self._item_changed)
        secrets.subscribe(self._secret_changed)

    def _item_changed(self, old: cloud.Cloud | None, new: cloud.Cloud | None) -> None:
        item = new or old
        assert item is not None  # noqa: S101  # one of them is given
        if old is None or new is None or _wishes(old) != _wishes(new):  # else it is what we wrote ourselves
            self.city.clouds.add(item.metadata.name)

    def _secret_changed(self, old: resources.PartialObject | None, new: resources.PartialObject | None) -> None:
        secret = new or old
        assert secret is not None  # noqa: S101  # one of them is given
        for item in self.items.objects.values():
            reference = item.spec.access.kubeconfig_secret_ref
            if reference is not None and reference.name == secret.metadata.name:
                self.city.clouds.add(item.metadata.name)

    def introduce(self) -> None:
        """Let the fleet know every Cloud, before any has answered: what it holds must not look lost meanwhile."""
        for item in self.items.objects.values():
            self._tell_fleet(item, Finding("Unknown", _CONNECTING, "it has not been looked at yet"))

    async def run(self) -> None:
        """Reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recount())
            while True:
                name = await self.city.clouds.get()
                tasks.create_task(self._reconcile(name), name=f"cloud {name}")

    async def _recount(self) -> None:
        """Wake every Cloud and EdgeSite whose capacity changed since it was counted."""
        while True:
            await asyncio.sleep(RECOUNT_SECONDS)
            now = asyncio.get_running_loop().time()
            for ref, state in self.city.targets.items():
                kind, _, name = ref.partition("/")
                if state.recount and now - state.counted >= REPEAT_SECONDS:
                    state.counted = now
                    (self.city.clouds if kind == names.CLOUD_KIND else self.city.sites).add(name)

    async def _reconcile(self, name: str) -> None:
        try:
            await self._attend(name)
        except errors.NotFound:
            log.debug("gone while being reconciled", cloud=name)
        except errors.Conflict:
            self.city.clouds.retry(name)  # somebody wrote it meanwhile: the watch brings the newer one
        except errors.KubeError as error:
            log.warning(
                "cloud not reconciled", cloud=name, error=str(error), retry_in=self.city.clouds.retry(name)
            )
        except Exception:  # a fault of ours with one cloud is not one of all
            log.exception("cloud not reconciled", cloud=name, retry_in=self.city.clouds.retry(name))
        finally:
            self.city.clouds.done(name)

    async def _attend(self, name: str) -> None:
        """Observe, connect, examine, take, tell the fleet, report."""
        item, failed = self.items.get(name), False
        if item is None:
            await self._forget(name)
        elif item.metadata.deletion_timestamp is not None:
            await self._take_leave(item)
            return  # what fails at its end is tried ever later, though the steps before it go well each time
        else:
            item = await writing.finalizers(self.city.hub, kinds.CLOUDS, item, names.CLOUD_FINALIZER, present=True)
            finding = await self._connect(item) or await self._examine(item)
            if finding is None:
                finding, failed = await self._take(item)
            self._tell_fleet(item, finding)
            await self._report(item, finding)
            self.city.clouds.add_after(name, RTT_SECONDS)
        (self.city.clouds.retry if failed else self.city.clouds.forget)(name)

    # --- connecting

    async def _connect(self, item: cloud.Cloud) -> Finding | None:
        """Call the cluster that the spec names; returns why that cannot be."""
        name, reference = item.metadata.name, item.spec.access.kubeconfig_secret_ref
        ref = names.target(names.CLOUD_KIND, name)
        if reference is None:
            first = self._first_local()
            message = f"Cloud {first} is the hub's own nodes already; delete one of the two"
            return None if first == name else Finding("False", names.LOCAL_TAKEN, message)
        secret = self.secrets.get(reference.name, self.city.namespace)
        where = f"Secret {self.city.namespace}/{reference.name}"
        if secret is None:
            await self._let_go(name)
            mend = "make it, or name another in spec.access.kubeconfigSecretRef"
            return Finding("False", names.INVALID_KUBECONFIG, f"{where} does not exist: {mend}")
        version = (reference.name, reference.key, secret.metadata.resource_version)
        if self._connected.get(name) == version and ref in self.city.carriers:
            return None
        try:
            way = await access.way_to(self.city.hub, reference, self.city.namespace)
            expires = (await way.source.current()).expires
        except errors.InvalidKubeconfig as error:
            await self._let_go(name)
            return Finding("False", names.INVALID_KUBECONFIG, f"{where}: {error}")
        await self._let_go(name)
        self.city.add_cluster(ref, client.Client(way))
        self._connected[name], self._expires[name] = version, expires
        return None

    def _first_local(self) -> str:
        return places.local_cloud(self.items.objects.values())

    async def _let_go(self, name: str) -> None:
        """Follow its cluster no more, if it was. Nothing there is touched, and what it holds counts as held."""
        ref = names.target(names.CLOUD_KIND, name)
        self._connected.pop(name, None)
        self._expires.pop(name, None)
        self._marked.pop(name, None)
        if ref in self.city.carriers:
            await self.city.remove_cluster(ref)

    async def _forget(self, name: str) -> None:
        """The Cloud is gone, and what it held counts no more. Nothing there is touched."""
        await self._let_go(name)
        self._drop_target(names.target(names.CLOUD_KIND, name))
        if (first := self._first_local()) not in ("", name):
            self.city.clouds.add(first)  # it may have the hub's nodes now

    def _drop_target(self, ref: str) -> None:
        if ref in self.city.targets:
            self.city.remove_target(ref)
            self.city.wake_workloads()

    # --- examining and taking

    async def _examine(self, item: cloud.Cloud) -> Finding | None:
        """Why the cloud cannot be used now, as far as its link tells."""
        there = self._cluster(item)
        if there is None or not there.link.asked:
            return Finding("Unknown", _CONNECTING, "its API server has not answered yet")
        if (trouble := there.trouble) is not None:
            return claim.trouble(trouble)
        if oldest := cloud_status.too_old(there.link.version.number, is_hub=there.ref == city.HUB):
            message = f"Kubernetes {there.link.version.git_version} is too old: {oldest} or later is needed"
            return await self._refused(there, Finding("False", names.VERSION_TOO_OLD, message))
        return None

    async def _take(self, item: cloud.Cloud) -> tuple[Finding | None, bool]:
        """Mark a cluster that answers as this Cloud's, and only then read what is there: the nodes, pods and objects
        of one cluster under two names would be counted twice, and each would take the other's for its own. Whether the
        mark is still ours is looked at now and then.

        Returns why the cloud cannot be used yet, and whether we failed to find out: then it is soon tried again.
        """
        there = self._cluster(item)
        assert there is not None  # noqa: S101  # `_examine` saw to it
        name, now = item.metadata.name, asyncio.get_running_loop().time()
        if there.ref != city.HUB and now - self._marked.get(name, float("-inf")) >= RTT_SECONDS:
            try:
                refusal = await claim.take(self.city.carriers[there.ref], self._mark(name), self._exists)
            except errors.KubeError as error:
                if not there.has_begun:
                    return claim.trouble(error), True
            else:
                if refusal is not None:
                    return await self._refused(there, refusal), False
                self._marked[name] = now
                there.begin()
        return None if there.synced else Finding("Unknown", _CONNECTING, "its objects are being read"), False

    def _exists(self, name: str) -> bool:
        return self.items.get(name) is not None

    async def _refused(self, there: cluster.Cluster, finding: Finding) -> Finding:
        """Of a cluster that was ours nothing is read any more, until it is again; what it holds counts as held."""
        if there.has_begun and there.ref != city.HUB:
            await self.city.remove_cluster(there.ref)
            self.city.add_cluster(there.ref, client.Client(there.api.connection))
        return finding

    def _cluster(self, item: cloud.Cloud) -> cluster.Cluster | None:
        local = item.spec.access.local is not None
        found = self.city.carriers.get(city.HUB if local else names.target(names.CLOUD_KIND, item.metadata.name))
        return found.there if found else None

    # --- telling

    def _tell_fleet(self, item: cloud.Cloud, finding: Finding | None) -> None:
        spec, ref = item.spec, names.target(names.CLOUD_KIND, item.metadata.name)
        there = self._cluster(item)
        before = self.city.targets.get(ref)
        was = (before.target.ready, before.draining) if before else None
        target = places.of_cloud(
            item,
            ready=finding is None,
            # what was learnt about the fleet holds while nothing of it changes
            rtt_microseconds=cloud_status.steady_rtt(
                before.target.rtt_microseconds if before else None, there.link.rtt_microseconds if there else None
            ),
            local=spec.access.local is not None and self._first_local() == item.metadata.name,
        )
        at = ref if spec.access.local is None else city.HUB
        self.city.set_target(target, at, spec.node_profiles, draining=spec.draining)
        self.city.targets[ref].examined = finding is None or finding.reason != _CONNECTING
        if was != (target.ready, spec.draining):
            self.city.wake_workloads()

    async def _report(self, item: cloud.Cloud, finding: Finding | None) -> None:
        there = self._cluster(item)
        view = View(finding=finding, credential_expires=self._expires.get(item.metadata.name))
        if there is not None and finding is None:
            state = self.city.targets[names.target(names.CLOUD_KIND, item.metadata.name)]
            state.counted = asyncio.get_running_loop().time()
            view = View(
                version=there.link.version.git_version,
                nodes=tuple(state.nodes.values()),
                classes=tuple(state.count(self.units())),
                storage=storage.left(there.storage_capacities.objects.values(), there.volumes.objects.values()),
                rtt_microseconds=there.link.rtt_microseconds,
                credential_expires=view.credential_expires,
            )
        status = cloud_status.status_of(item, view, dt.datetime.now(dt.UTC))
        if status != item.status:
            self._announce(item, status)
            await writing.status(self.city.hub, kinds.CLOUDS, item, status)

    def _announce(self, item: cloud.Cloud, status: cloud.CloudStatus) -> None:
        before = conditions.get(item.status.conditions, names.READY)
        after = conditions.get(status.conditions, names.READY)
        if after is None or after.reason == _CONNECTING:
            return
        if before is None or before.reason != after.reason:
            kind: events.Type = "Normal" if after.status == "True" else "Warning"
            self.city.recorder.record(events.reference(kinds.CLOUDS, item), kind, after.reason, after.message)

    # --- taking leave

    async def _take_leave(self, item: cloud.Cloud) -> None:
        """Do as deletionPolicy says with our objects there, take back our mark, let go."""
        if names.CLOUD_FINALIZER not in item.metadata.finalizers:
            return
        there, trouble = self._cluster(item), None
        if there is None or there.trouble is not None:  # who led before us may have begun this
            trouble = await self._connect(item)
            there = self._cluster(item)
        if there is not None and not there.link.asked:
            self.city.clouds.add_after(item.metadata.name, LOOK_AGAIN_SECONDS)
        elif item.spec.deletion_policy == "Delete" and not _is_abandoned(item):
            await self._clear(item, there, trouble)
        else:
            await self._release(item, there)

    async def _clear(self, item: cloud.Cloud, there: cluster.Cluster | None, trouble: Finding | None) -> None:
        """Have what is ours deleted there, and go when nothing is left."""
        hindrance: Finding | errors.KubeError | None = trouble if there is None else there.trouble
        try:
            is_clear = await self._is_clear(item, there)
        except errors.KubeError as error:
            is_clear, hindrance = False, error
        if is_clear:
            await self._release(item, there)
            return
        if hindrance is not None:  # else it answers, and what is there is going
            await self._report_leave(item, hindrance.message)
        self.city.clouds.add_after(item.metadata.name, LOOK_AGAIN_SECONDS)

    async def _is_clear(self, item: cloud.Cloud, there: cluster.Cluster | None) -> bool:
        """Have everything of ours deleted there; whether nothing is left."""
        ref = names.target(names.CLOUD_KIND, item.metadata.name)
        answers = there is not None and there.trouble is None
        if await self._is_anothers(item, there if answers else None):
            return True
        self._drop_target(ref)
        if there is None or not answers or not self.city.carriers[there.ref].leave(ref):
            return False
        left = await clearing.clear(there.api, self.city.hub_uid)
        log.info("deleting what is ours in a cloud", cloud=item.metadata.name, left=left)
        if not left and ref not in self.city.cleared:
            self.city.cleared.add(ref)
            self.city.wake_workloads()  # its Jobs may begin anew
        return left == 0

    async def _is_anothers(self, item: cloud.Cloud, there: cluster.Cluster | None) -> bool:
        """Whether all that is there is not this Cloud's: it was refused, as another has the cluster."""
        if item.spec.access.local is not None:
            return self._first_local() != item.metadata.name
        if there is None:
            return False
        return await claim.is_anothers(there.api, self._mark(item.metadata.name), was_ours=there.has_begun)

    def _mark(self, name: str) -> claim.Mark:
        return claim.Mark(self.city.hub_uid, name)

    async def _release(self, item: cloud.Cloud, there: cluster.Cluster | None) -> None:
        """Let go, and take back our mark only then: nothing is read or written there any more when it may be another
        hub's, another Cloud's, or one's that is made anew under this name.
        """
        answers = there is not None and there.trouble is None and item.spec.access.local is None
        way = there.api.connection if there is not None and answers else None
        await self._forget(item.metadata.name)
        if way is not None:
            await self._take_back_mark(item, way)
        await writing.finalizers(self.city.hub, kinds.CLOUDS, item, names.CLOUD_FINALIZER, present=False)

    async def _take_back_mark(self, item: cloud.Cloud, way: connection.Connection) -> None:
        """Raises errors.KubeError where trying again may help."""
        async with client.Client(way) as api:
            api.guard = self.city.hub.guard
            try:
                await claim.release(api, self._mark(item.metadata.name))
            except errors.KubeError as error:
                if not (_is_abandoned(item) or isinstance(error, (errors.Forbidden, errors.Unauthorized))):
                    raise
                log.warning("our mark is left behind", cloud=item.metadata.name, error=str(error))

    async def _report_leave(self, item: cloud.Cloud, hindrance: str) -> None:
        message = (
            f"deletionPolicy: Delete waits for the cloud: {hindrance}; mend that, or annotate the Cloud "
            f'{names.ABANDON_ANNOTATION}: "true" to leave behind what is there'
        )
        view = View(finding=Finding("Unknown", names.UNREACHABLE, message))
        status = cloud_status.status_of(item, view, dt.datetime.now(dt.UTC))
        if status != item.status:
            await writing.status(self.city.hub, kinds.CLOUDS, item, status)


def _is_abandoned(item: cloud.Cloud) -> bool:
    return item.metadata.annotations.get(names.ABANDON_ANNOTATION) == "true"
