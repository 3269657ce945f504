"""What the clusters show of one workload, by target. Reads caches; decides and writes nothing."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from suanli_controller.api import core_v1, names, workload
from suanli_controller.core import convergence, workload_status
from suanli_controller.core.workload_status import Place, Problem, Seen
from suanli_controller.reconcile import city, cluster
from suanli_controller.reconcile.record import Record

STUCK_SECONDS = 60.0
"""How long a pod of ours may stay Unschedulable before its target counts as full for it."""
LOOK_AGAIN_SECONDS = 1.0
"""At pods that are not shown as they are now."""

SILENT_SECONDS = 15.0
"""The same in a cluster that does not answer."""


def target_at(here: city.City, cluster_ref: str, site: str) -> str:
    """The target of an object in a cluster: the site that it names, else the cloud that the cluster is.

    Empty for what a Cloud that was the hub's own nodes has left there.
    """
    if site:
        return names.target(names.SITE_KIND, site)
    return here.local if cluster_ref == city.HUB else cluster_ref


def seen(here: city.City, uid: str) -> dict[Place, Seen]:
    """How our objects of a workload stand, by (target, variant)."""
    return {
        (target, variant): one
        for ref, each in here.carriers.items()
        for site, variant, one in each.there.seen(uid)
        if (target := target_at(here, ref, site))
    }


def last_told(item: workload.ComputeWorkload, silent: Collection[str]) -> dict[Place, Seen]:
    """How what does not answer stood when the status was last written: after a restart nothing else is known of it."""
    return {
        (each.target, each.variant): Seen(replicas=each.replicas, ready=each.ready_replicas)
        for each in item.status.placements
        if each.target in silent
    }


def is_silent(here: city.City, target: str) -> bool:
    """Whether a target that the hub knows does not answer, has not answered yet, or is refused: what it holds is not
    known, and not lost.
    """
    state, there = here.targets.get(target), here.cluster_of(target)
    return state is not None and (there is None or not there.ready or not state.target.ready)


def silent(here: city.City, places: Iterable[Place]) -> frozenset[str]:
    """Those targets of places that do not answer."""
    return frozenset(target for target in {place[0] for place in places} if is_silent(here, target))


def draining(here: city.City) -> frozenset[str]:
    """Targets that our replicas should leave."""
    return frozenset(ref for ref, state in here.targets.items() if state.draining)


def stuck(here: city.City, uid: str, now: dt.datetime) -> tuple[dict[Place, int], float | None]:
    """Pods that their scheduler could not bind for `STUCK_SECONDS`, and in how many seconds there may be more.

    A scheduler that is out of reach may have bound them since.
    """
    found: dict[Place, int] = {}
    next_in: list[float] = []
    for there in (each.there for each in here.carriers.values()):
        if not there.pods_of(uid):
            continue
        if not there.ready or there.pods.error is not None:  # the watch comes back later than the cluster
            next_in.append(LOOK_AGAIN_SECONDS if there.ready else SILENT_SECONDS)
            continue
        for place, since in _unbound(here, there, uid):
            rest = STUCK_SECONDS - (now - since).total_seconds()
            if rest > 0:
                next_in.append(rest)
            else:
                found[place] = found.get(place, 0) + 1
    return found, min(next_in, default=None)


def _unbound(here: city.City, there: cluster.Cluster, uid: str) -> Iterator[tuple[Place, dt.datetime]]:
    for pod in there.pods_of(uid):
        since, place = unschedulable_since(pod), _place_of(here, there, pod)
        if since is not None and place[0]:
            yield place, since


def _place_of(here: city.City, there: cluster.Cluster, pod: core_v1.Pod) -> Place:
    labels = pod.metadata.labels
    target = target_at(here, there.ref, labels.get(names.PLACED_SITE_LABEL, ""))
    return target, labels.get(names.VARIANT_LABEL, "")


def bound(here: city.City, uid: str) -> set[Place]:
    """The places that have pods of a workload on their nodes."""
    return {
        _place_of(here, each.there, pod)
        for each in here.carriers.values()
        for pod in each.there.pods_of(uid)
        if pod.spec.node_name
    }


def unschedulable_since(pod: core_v1.Pod) -> dt.datetime | None:
    """Since when its scheduler says that it cannot bind a pod; None where it does not say so."""
    if pod.spec.node_name or pod.metadata.deletion_timestamp is not None:
        return None
    for each in pod.status.conditions:
        if each.type == "PodScheduled" and each.status == "False" and each.reason == "Unschedulable":
            return each.last_transition_time
    return None


def problems(here: city.City, uid: str) -> Mapping[str, Problem]:
    """What stands in the way, by cluster."""
    return {ref: problem for ref, each in here.carriers.items() if (problem := each.problem(uid)) is not None}


def report(here: city.City, record: Record) -> workload_status.Report:
    """All that a workload's status is made of."""
    standing = record.given.standing if record.given else {}
    behind = {
        (want.target, want.manifest["metadata"]["labels"][names.VARIANT_LABEL])
        for each in here.carriers.values()
        for want in each.behind(record.uid)
    }
    found = {
        # an object that still shows the former template is complete, but not what the workload is now
        place: msgspec.structs.replace(one, current=False) if place in behind else one
        for place, one in seen(here, record.uid).items()
    }
    return workload_status.Report(
        wished=record.given.wished if record.given else {},
        seen=found,
        decision=record.decision,
        invalid=record.invalid,
        problems=problems(here, record.uid),
        silent=silent(here, standing),
        template_changed=_template_changed(here, record),
        **(_of_job(here, record, found) if record.is_job else {}),
    )


def _of_job(here: city.City, record: Record, found: Mapping[Place, Seen]) -> dict[str, Any]:
    """What only a Job's status tells."""
    wished = record.given.wished if record.given else {}
    done = {place for place in wished if record.has_ended(place)}
    unbound, _ = stuck(here, record.uid, dt.datetime.now(dt.UTC))
    return {
        "done": done,
        "completions": record.completions,
        "removed": {place[0] for place in wished if place[0] not in here.targets and place not in {*found, *done}},
        "stuck": {place: count for place, count in unbound.items() if place in wished},
    }


def _template_changed(here: city.City, record: Record) -> bool:
    """Whether a Job there was made from another template than the workload has now."""
    if not record.is_job:
        return False
    now = {want.key: want.content for _, want in record.made.values()}
    haves: Iterator[convergence.Have] = (
        each for one in here.carriers.values() for each in one.there.haves(record.uid)
    )
    return any(now.get(have.key, have.content) != have.content for have in haves)
