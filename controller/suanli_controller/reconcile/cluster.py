"""One API server that carries our objects: live copies of its nodes, pods and our own objects, and how it answers.

What is there, and nothing about what should be.
"""

import asyncio
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Protocol

from suanli_controller.api import core_v1, names
from suanli_controller.core import convergence, workload_status
from suanli_controller.kube import client, errors, index, informer, link, resources

HUB = "hub"
"""The hub's own cluster, which carries what is at sites and in a local cloud."""

OWNED: Mapping[str, resources.Resource[Any]] = {
    "Deployment": resources.DEPLOYMENTS,
    "Job": resources.JOBS,
    "DaemonSet": resources.DAEMON_SETS,
}
Shown = tuple[str, str, workload_status.Seen]
"""(site, variant, how it stands) of one of our objects; site is empty in a cloud."""
COPIES: Mapping[str, resources.Resource[Any]] = {"ConfigMap": resources.CONFIG_MAPS, "Secret": resources.SECRETS}


_OUR_ANNOTATIONS = (names.WORKLOAD_ANNOTATION, names.CONTENT_ANNOTATION, names.TERMS_ANNOTATION)

LEISURE = informer.Settings(gather_seconds=(0.1, 0.4))
"""What happens in a cluster needs no answer within moments, and an event by itself costs five times what it costs among
others."""


class Ears(Protocol):
    """Who wants to know what happens in a cluster. Called between awaits: quick, and never awaiting."""

    def node_changed(self, cluster: "Cluster", old: core_v1.Node | None, new: core_v1.Node | None) -> None:
        """A node came, went or changed."""

    def pod_changed(self, cluster: "Cluster", old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        """A pod came, went or changed; anyone's."""

    def object_changed(self, cluster: "Cluster", workload_uid: str, *, status_alone: bool, told: bool) -> None:
        """One of our objects came, went or changed; `status_alone`: it is as it should be if it was so before;
        `told`: its workload's status may have to say so.
        """

    def copy_changed(self, cluster: "Cluster", kind: str, namespace: str, name: str) -> None:
        """A ConfigMap or Secret of ours came, went or changed."""

    def state_changed(self, cluster: "Cluster") -> None:
        """It was reached for the first time, fell silent, or answers again."""


class Cluster:
    """`ref` is `Cloud/NAME`, or `hub` for the hub's own: what is there belongs to sites and a local cloud."""

    def __init__(self, ref: str, api: client.Client, hub_uid: str, ears: Ears) -> None:
        self.ref = ref
        self.api = api
        self.ears = ears
        ours = f"{names.HUB_UID_LABEL}={hub_uid}"
        self.link = link.Link(api, on_change=self._link_changed)
        self.nodes = informer.Informer(api, resources.NODES, settings=LEISURE, on_state=self._changed)
        self.pods = informer.Informer(api, resources.PODS, settings=LEISURE, on_state=self._changed)
        self.priority_classes = informer.Informer(api, resources.PRIORITY_CLASSES, on_state=self._changed)
        self.owned: Mapping[str, informer.Informer[Any]] = {
            kind: informer.Informer(api, resource, labels=ours, settings=LEISURE, on_state=self._changed)
            for kind, resource in OWNED.items()
        }
        self.copies: Mapping[str, informer.Informer[resources.PartialObject]] = {
            kind: informer.Informer(api, resource.metadata_only, labels=ours, on_state=self._changed)
            for kind, resource in COPIES.items()
        }
        # only reported: a cloud without them, or that keeps them from us, is as good
        self.storage_capacities = informer.Informer(api, resources.CSI_STORAGE_CAPACITIES)
        self.volumes = informer.Informer(api, resources.PERSISTENT_VOLUMES)
        # every live copy that must be known, nodes first
        self.informers: tuple[informer.Informer[Any], ...] = (
            self.nodes,
            self.pods,
            self.priority_classes,
            *self.owned.values(),
            *self.copies.values(),
        )
        self._begun = asyncio.Event()
        self._synced = False
        self._by_workload: Mapping[str, index.Index[Any]] = {
            kind: each.index(_workload_uid) for kind, each in self.owned.items()
        }
        self._pods_by_workload = self.pods.index(_workload_uid)
        # by workload, Jobs that ended and are gone: their end may not be on record yet
        self._ended: dict[str, dict[convergence.Key, Shown]] = {}
        self._listen()

    def _listen(self) -> None:
        self.nodes.subscribe(lambda old, new: self.ears.node_changed(self, old, new))
        self.pods.subscribe(lambda old, new: self.ears.pod_changed(self, old, new))
        self.owned["Job"].subscribe(self._job_changed)
        for kind, each in self.owned.items():
            each.subscribe(functools.partial(self._object_changed, kind))
        for kind, copies in self.copies.items():
            copies.subscribe(lambda old, new, kind=kind: self._copy_changed(kind, new or old))

    def drop(self) -> None:
        """Nobody follows it any more: what it holds must not wait for the garbage collector, which may never look."""
        for each in (*self.informers, self.storage_capacities, self.volumes):
            each.drop()
        self._by_workload = {kind: index.Index(_workload_uid) for kind in self.owned}
        self._pods_by_workload = index.Index(_workload_uid)
        self._ended.clear()

    def _copy_changed(self, kind: str, copy: Any) -> None:
        self.ears.copy_changed(self, kind, copy.metadata.namespace, copy.metadata.name)

    def _job_changed(self, old: Any, new: Any) -> None:
        if new is None and _seen_job(old).finished:
            for uid in _workload_uid(old):
                key = ("Job", old.metadata.namespace, old.metadata.name)
                self._ended.setdefault(uid, {})[key] = _shown("Job", old)

    def _object_changed(self, kind: str, old: Any, new: Any) -> None:
        status_alone = _is_status_alone(old, new)
        told = _is_told(kind, old, new, status_alone=status_alone)
        if status_alone and not told:
            return
        for uid in {uid for each in (old, new) if each is not None for uid in _workload_uid(each)}:
            self.ears.object_changed(self, uid, status_alone=status_alone, told=told)

    def _link_changed(self) -> None:
        if self.link.error is None:
            for each in (*self.informers, self.storage_capacities, self.volumes):
                each.hurry()  # it answers again: nobody waits for the end of a backoff
        self._changed()

    def _changed(self) -> None:
        self.ears.state_changed(self)

    def begin(self) -> None:
        """It is known whose the cluster is: from now on what is there is read and kept current."""
        self._begun.set()

    @property
    def has_begun(self) -> bool:
        """What is there is read. Until then it is silent in all that is asked of it, but for its link."""
        return self._begun.is_set()

    @property
    def synced(self) -> bool:
        """Everything was read once; it may be old by now."""
        self._synced = self._synced or all(each.synced.is_set() for each in self.informers)
        return self._synced

    @property
    def trouble(self) -> errors.KubeError | None:
        """What keeps us from knowing this cluster as it is now."""
        if self.link.error is not None:
            return self.link.error
        # a watch that broke and is being opened again is no news while the server answers
        return next((each.error for each in self.informers if isinstance(each.error, errors.ApiError)), None)

    @property
    def ready(self) -> bool:
        """Known, and answering."""
        return self.synced and self.trouble is None

    async def run(self) -> None:
        """Ask whether it answers and, once `begin` was called, keep everything current, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            await self._begun.wait()
            for each in (*self.informers, self.storage_capacities, self.volumes):
                tasks.create_task(each.run())

    # --- our objects

    def haves(self, workload_uid: str) -> list[convergence.Have]:
        """Our objects of one workload."""
        return [
            have_of(kind, each)
            for kind, found in self._by_workload.items()
            for each in found[workload_uid].values()
        ]

    def seen(self, workload_uid: str) -> Iterator[Shown]:
        """How each of our objects of one workload stands, and how each Job ended that is gone since."""
        yield from self._ended.get(workload_uid, {}).values()  # first: one that is there again counts for more
        for kind, found in self._by_workload.items():
            for each in found[workload_uid].values():
                yield _shown(kind, each)

    def ended(self, workload_uid: str) -> Collection[convergence.Key]:
        """The Jobs of one workload that were seen to end and are gone since; none is to be made again."""
        return self._ended.get(workload_uid, {}).keys()

    def forget(self, workload_uid: str) -> None:
        """The workload is gone: nobody asks for its Jobs' ends any more."""
        self._ended.pop(workload_uid, None)

    def pods_of(self, workload_uid: str) -> Collection[core_v1.Pod]:
        """The pods of one workload."""
        return self._pods_by_workload[workload_uid].values()


def _is_status_alone(old: Any, new: Any) -> bool:
    """Whether nothing changed in one of our objects but what its own controller writes there."""
    if old is None or new is None:
        return False
    before, after = old.metadata, new.metadata
    return bool(
        before.generation == after.generation
        and before.deletion_timestamp == after.deletion_timestamp
        and before.labels == after.labels
        and all(before.annotations.get(name) == after.annotations.get(name) for name in _OUR_ANNOTATIONS)
    )


def _is_told(kind: str, old: Any, new: Any, *, status_alone: bool) -> bool:
    """Whether a status may say something else; what has just come is as good as nothing while nothing of it runs."""
    if new is None or (old is not None and not status_alone):
        return True
    before = _SEEN[kind](old) if old is not None else workload_status.Seen(_SEEN[kind](new).replicas)
    return workload_status.is_told(before, _SEEN[kind](new))


def _workload_uid(each: resources.KubeObject) -> tuple[str, ...]:
    uid = each.metadata.labels.get(names.WORKLOAD_UID_LABEL)
    return (uid,) if uid else ()


def have_of(kind: str, each: Any) -> convergence.Have:
    """One of our objects, as far as the steps depend on it."""
    meta, spec = each.metadata, getattr(each, "spec", None)
    return convergence.Have(
        key=(kind, meta.namespace, meta.name),
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation,
        replicas=getattr(spec, "parallelism" if kind == "Job" else "replicas", None),
        content=meta.annotations.get(names.CONTENT_ANNOTATION, ""),
        terms=meta.annotations.get(names.TERMS_ANNOTATION, ""),
        labels=meta.labels,
        suspended=getattr(spec, "suspend", False),
        deleting=meta.deletion_timestamp is not None,
    )


def _seen_deployment(each: core_v1.Deployment) -> workload_status.Seen:
    """Current as `kubectl rollout status` judges it: every pod is new, and none of the former is left."""
    wanted, status = each.spec.replicas or 0, each.status
    return workload_status.Seen(
        replicas=wanted,
        ready=status.ready_replicas,
        current=status.observed_generation >= each.metadata.generation
        and wanted <= status.updated_replicas == status.replicas,
    )


def _seen_daemon_set(each: core_v1.DaemonSet) -> workload_status.Seen:
    status = each.status
    return workload_status.Seen(
        replicas=status.desired_number_scheduled,
        ready=status.number_ready,
        current=status.observed_generation >= each.metadata.generation
        and status.updated_number_scheduled >= status.desired_number_scheduled,
    )


def _seen_job(each: core_v1.Job) -> workload_status.Seen:
    ended = {one.type for one in each.status.conditions if one.status == "True"}
    return workload_status.Seen(
        replicas=each.spec.parallelism or 0,
        ready=each.status.ready,
        succeeded=each.status.succeeded,
        failed=each.status.failed,
        finished=next((kind for kind in (names.COMPLETE, names.FAILED) if kind in ended), ""),
    )


def _shown(kind: str, each: Any) -> Shown:
    labels = each.metadata.labels
    return labels.get(names.PLACED_SITE_LABEL, ""), labels.get(names.VARIANT_LABEL, ""), _SEEN[kind](each)


_SEEN: Mapping[str, Callable[[Any], workload_status.Seen]] = {
    "Deployment": _seen_deployment,
    "DaemonSet": _seen_daemon_set,
    "Job": _seen_job,
}
