"""Brings one cluster to what is wanted there, workload by workload, and says what stands in the way.

Each cluster has a carrier and a queue of its own, so that one cluster's trouble never slows another. It decides
nothing: what is wanted comes from `reconcile/workload`, the steps from `core/convergence`.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from suanli_controller.api import meta, names
from suanli_controller.core import convergence
from suanli_controller.core.workload_status import Problem
from suanli_controller.kube import errors, queue, resources
from suanli_controller.reconcile import cluster, copies, removal

log = structlog.get_logger(__name__)

WORKERS = 8
"""Workloads that are brought in line in one cluster at the same time: enough to hide a link's round trip."""

DELETE_AGAIN_SECONDS = 0.5
"""After which an object that changed too fast to be deleted is tried again."""

TIDY_SECONDS = 60.0
"""It is a walk over the cache, and writes only where something is left over."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a cluster should have of one workload."""

    namespace: str
    objects: tuple[convergence.Want, ...] = ()
    kept: frozenset[convergence.Key] = frozenset()  # left as they are until their replacement is ready
    references: Mapping[copies.Reference, bool] = field(default_factory=dict)
    service_account: str = ""


class Carrier:
    """`named(namespace)` gives all that the hub's workloads there name, None while that is not known;
    `on_change(workload uid)` is called when a problem comes or goes.
    """

    def __init__(
        self,
        there: cluster.Cluster,
        sources: copies.Sources,
        hub_uid: str,
        named: Callable[[str], Collection[copies.Reference] | None],
        on_change: Callable[[str], None],
    ) -> None:
        self.there = there
        self._named = named
        self.copies = copies.Copies(there, sources, hub_uid)
        self._hub_uid = hub_uid
        self._on_change = on_change
        self._wants: dict[str, Wants] = {}
        self._settled: dict[str, Wants] = {}  # what was reached last
        self._problems: dict[str, Problem] = {}
        self._applied: dict[str, dict[convergence.Key, int]] = {}  # by workload, generations
        self._made: dict[str, set[convergence.Key]] = {}  # by workload, what was made and perhaps not shown yet
        self._at_work: dict[str, Wants] = {}  # what is being brought in line at this moment
        self._namespaces: set[str] = set()
        self._queue: queue.WorkQueue[str] = queue.WorkQueue("carrier")

    def want(self, workload_uid: str, wants: Wants) -> None:
        """Have this, and only this, of a workload from now on."""
        if self._wants.get(workload_uid) != wants:
            self._wants[workload_uid] = wants
            self._queue.add(workload_uid)

    def forget(self, workload_uid: str) -> None:
        """The workload is gone and so is all that it had here."""
        self._wants.pop(workload_uid, None)
        self._settled.pop(workload_uid, None)
        self._problems.pop(workload_uid, None)
        self._made.pop(workload_uid, None)
        self._applied.pop(workload_uid, None)
        self._queue.forget(workload_uid)
        self.there.forget(workload_uid)

    def leave(self, target: str) -> bool:
        """Want nothing at a target any more that the city no longer knows; whether nothing is on its way there."""
        for workload_uid, wants in self._wants.items():
            rest = tuple(each for each in wants.objects if each.target != target)
            if len(rest) < len(wants.objects):
                self.want(workload_uid, dataclasses.replace(wants, objects=rest))
        return not any(each.target == target for wants in self._at_work.values() for each in wants.objects)

    def concerns(self, workload_uid: str) -> bool:
        """Whether the cluster has something of a workload, or was told what to have."""
        return workload_uid in self._wants or bool(self.there.haves(workload_uid))

    def behind(self, workload_uid: str) -> Iterator[convergence.Want]:
        """What the cluster does not show as it is wanted: not applied yet, or applied and not seen yet."""
        shown = {have.key: have for have in self.there.haves(workload_uid)}
        for want in self._wants[workload_uid].objects if workload_uid in self._wants else ():
            have = shown.get(want.key)
            if have is None or have.content != want.content or have.replicas != want.replicas:
                yield want

    def is_settled(self, workload_uid: str) -> bool:
        """Whether everything of a workload that was to go has gone."""
        wants = self._wants.get(workload_uid)
        done = wants is None or self._settled.get(workload_uid) is wants
        return done and not self.there.haves(workload_uid) and not self._hidden(workload_uid)

    def _hidden(self, workload_uid: str) -> set[convergence.Key]:
        """What was made here, and the cluster has not shown since."""
        made = self._made.get(workload_uid, set())
        made -= {have.key for have in self.there.haves(workload_uid)}
        return made

    def look(self, workload_uid: str) -> None:
        """Something of a workload changed here; undecided ones (after a restart, say) are left alone."""
        if workload_uid in self._wants:
            self._queue.add(workload_uid)

    def look_at_all(self) -> None:
        """The cluster answers again."""
        for workload_uid in self._wants:
            self._queue.add(workload_uid)

    def problem(self, workload_uid: str) -> Problem | None:
        """What keeps this cluster from having what is wanted. Its silence is told as such, and is no such thing."""
        return self._problems.get(workload_uid) if self.there.ready else None

    async def run(self) -> None:
        """Work until cancelled."""
        free = asyncio.Semaphore(WORKERS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tidy())
            while True:
                await free.acquire()
                tasks.create_task(self._work(await self._queue.get(), free))

    async def _tidy(self) -> None:
        """Copies whose workload went while this cluster or we were away are found by looking through all of them."""
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            for namespace in self.copies.namespaces if self.there.ready else ():
                try:
                    await self._sweep(namespace)
                except errors.KubeError as error:
                    log.warning("not tidied", cluster=self.there.ref, namespace=namespace, error=str(error))

    async def _work(self, workload_uid: str, free: asyncio.Semaphore) -> None:
        try:
            await self._converge(workload_uid)
        finally:
            self._queue.done(workload_uid)
            free.release()

    async def _converge(self, workload_uid: str) -> None:
        """Observe, decide the steps, take them, report. A cluster that does not answer is tried when it does."""
        wants = self._wants.get(workload_uid)
        if wants is None:
            return
        if not self.there.ready:
            self._report(workload_uid, None)  # what stood in the way is found out anew when it answers
            return
        self._at_work[workload_uid] = wants
        try:
            await self._take_steps(workload_uid, wants)
        except errors.KubeError as error:
            if isinstance(error, errors.NotFound):
                self._namespaces.discard(wants.namespace)  # deleted there: it is made anew
            wait = self._queue.retry(workload_uid)
            log.warning(
                "not in line", cluster=self.there.ref, workload=workload_uid, error=str(error), retry_in=wait
            )
            self._report(workload_uid, Problem(error.reason, error.message))
        except copies.Missing as missing:
            self._queue.add_after(workload_uid, copies.LOOK_AGAIN_SECONDS)
            self._report(workload_uid, Problem(missing.reason, str(missing)))
        except Exception as error:  # a fault of ours with one workload is not one of all
            log.exception("not in line", cluster=self.there.ref, workload=workload_uid)
            self._queue.retry(workload_uid)
            self._report(
                workload_uid, Problem("InternalError", f"{type(error).__name__}; see the controller's log")
            )
        else:
            self._queue.forget(workload_uid)
            self._report(workload_uid, None)
            self._settle(workload_uid, wants)
        finally:
            del self._at_work[workload_uid]

    def _settle(self, workload_uid: str, wants: Wants) -> None:
        if self._settled.get(workload_uid) is not wants:
            self._settled[workload_uid] = wants
            if not wants.objects:
                self._on_change(workload_uid)  # a deletion may wait for this

    def _report(self, workload_uid: str, problem: Problem | None) -> None:
        before = self._problems.pop(workload_uid, None)
        if problem is not None:
            self._problems[workload_uid] = problem
        if problem != before:
            self._on_change(workload_uid)

    async def _take_steps(self, workload_uid: str, wants: Wants) -> None:
        haves = [each for each in self.there.haves(workload_uid) if each.key not in wants.kept]
        applied = self._applied.setdefault(workload_uid, {})
        steps = convergence.steps(self._wanted(workload_uid, wants), haves, applied)
        if wants.objects:
            await self._prepare(wants)
        for step in steps:
            await self._take(workload_uid, step)
        for key in self._hidden(workload_uid) - {want.key for want in wants.objects} - wants.kept:
            await self._delete(workload_uid, key)  # a watch that lags must not let a workload go before it
        if not wants.objects or any(isinstance(step, convergence.Apply) and step.known for step in steps):
            await self._sweep(wants.namespace)

    def _wanted(self, workload_uid: str, wants: Wants) -> Iterable[convergence.Want]:
        """As wished, but for Jobs that have ended: that one is gone comes to us sooner than its end to the status."""
        ended = self.there.ended(workload_uid)
        return (dataclasses.replace(each, create=False) if each.key in ended else each for each in wants.objects)

    async def _sweep(self, namespace: str) -> None:
        named = self._named(namespace)
        if named is not None:
            await self.copies.sweep(namespace, named)

    async def _prepare(self, wants: Wants) -> None:
        if wants.references or wants.service_account:
            await self.ensure_namespace(wants.namespace)
        await self.copies.bring(wants.namespace, wants.references)
        if wants.service_account:
            await self.copies.require_service_account(wants.namespace, wants.service_account)

    async def ensure_namespace(self, namespace: str) -> None:
        """Make a namespace where there is none. Raises errors.KubeError."""
        if namespace in self._namespaces:
            return
        labels = {names.HUB_UID_LABEL: self._hub_uid}
        try:
            await self.there.api.get(resources.NAMESPACES, namespace)
        except errors.NotFound:
            with contextlib.suppress(errors.AlreadyExists):  # another workload's worker was first
                await self.there.api.create(
                    resources.NAMESPACES, {"metadata": {"name": namespace, "labels": labels}}
                )
        self._namespaces.add(namespace)

    async def _take(self, workload_uid: str, step: convergence.Step) -> None:
        match step:
            case convergence.Apply():
                await self._apply(workload_uid, step)
            case convergence.Scale(want=want, have=have):
                kind, namespace, name = want.key
                patch = convergence.scale_patch(want, have)
                after = await self.there.api.patch(cluster.OWNED[kind], name, namespace, patch)
                self._note(workload_uid, want.key, after.metadata.generation)
            case convergence.Delete(have=have):
                await self._delete(workload_uid, have.key, have)

    async def _apply(self, workload_uid: str, step: convergence.Apply) -> None:
        want = step.want
        try:
            after = await self._applied_in_namespace(want, force=step.known)
        except (errors.Conflict, errors.Invalid) as error:
            if not step.known:
                await self._check_name(want, error)
            raise
        self._note(workload_uid, want.key, after.metadata.generation)
        self._made.setdefault(workload_uid, set()).add(want.key)

    async def _applied_in_namespace(self, want: convergence.Want, *, force: bool) -> Any:
        """Nearly always the namespace is there: only where it turns out not to be is it asked for, and made."""
        resource = cluster.OWNED[want.key[0]]
        try:
            return await self.there.api.apply(resource, want.manifest, force=force)
        except errors.NotFound:
            await self.ensure_namespace(want.key[1])
        return await self.there.api.apply(resource, want.manifest, force=force)

    def _note(self, workload_uid: str, key: convergence.Key, generation: int) -> None:
        self._applied.setdefault(workload_uid, {})[key] = generation

    async def _check_name(self, want: convergence.Want, refusal: errors.KubeError) -> None:
        """Tell a namesake that is not ours, whose immutable selector refused us, from a bad manifest."""
        kind, namespace, name = want.key
        there = await self.there.api.get(cluster.OWNED[kind], name, namespace)
        ours = want.manifest["metadata"]["labels"][names.WORKLOAD_UID_LABEL]
        if there.metadata.labels.get(names.WORKLOAD_UID_LABEL) != ours:
            raise copies.NameTaken(
                f"{kind} {namespace}/{name} is there already and is not ours: {copies.NAME_MEND}"
            ) from refusal

    async def _delete(self, workload_uid: str, key: convergence.Key, have: convergence.Have | None = None) -> None:
        """What a rollout keeps changing is left for a moment: nothing is wrong with it."""
        kind, namespace, name = key

        def is_ours(there: meta.ObjectMeta) -> bool:
            return there.labels.get(names.WORKLOAD_UID_LABEL) == workload_uid

        if not await removal.remove(self.there.api, cluster.OWNED[kind], (namespace, name), is_ours, have):
            self._queue.add_after(workload_uid, DELETE_AGAIN_SECONDS)
            return
        self._applied.get(workload_uid, {}).pop(key, None)
        self._made.get(workload_uid, set()).discard(key)
