"""From what a workload was given to what each cluster's carrier should have of it."""

import dataclasses
import datetime as dt

from suanli_controller.api import names
from suanli_controller.core import convergence, objects, workload_status
from suanli_controller.core.workload_status import Place
from suanli_controller.reconcile import carrier, city, observation
from suanli_controller.reconcile.record import Record


def hand_out(here: city.City, record: Record) -> None:
    """Tell every cluster that has, had or gets something of the workload."""
    if record.invalid or record.given is None:
        return  # what runs keeps running as it is
    if record.is_job and workload_status.is_finished(record.item) and _is_expired(here, record):
        withdraw(here, record)
        return
    by_cluster: dict[str, list[Place]] = {}
    for place in record.given.standing:
        state = here.targets.get(place[0])
        if state is not None:
            by_cluster.setdefault(state.cluster, []).append(place)
    for ref, each in here.carriers.items():
        places = by_cluster.get(ref, [])
        if places or each.concerns(record.uid):
            wants = _wants(here, record, places)
            left = _left_behind(here, record, ref)
            each.want(record.uid, dataclasses.replace(wants, kept=wants.kept | left) if left else wants)


def _left_behind(here: city.City, record: Record, ref: str) -> frozenset[convergence.Key]:
    """What stands on the hub's own nodes though their Cloud is gone: its deletionPolicy has left it there."""
    if ref != city.HUB or here.local:
        return frozenset()
    meta, kind = record.item.metadata, record.item.spec.type
    return frozenset(
        (kind, meta.namespace, objects.object_name(meta.name, variant, names.target(names.CLOUD_KIND, "gone")))
        for site, variant, _ in here.carriers[ref].there.seen(record.uid)
        if not site
    )


def _is_expired(here: city.City, record: Record) -> bool:
    """Whether a Job that has ended is to go. We count its time and not the target: the end must be on record first."""
    job = record.item.spec.job
    if job is None or job.ttl_seconds_after_finished is None:
        return False
    ended = workload_status.finished_at(record.item)
    rest = job.ttl_seconds_after_finished - (dt.datetime.now(dt.UTC) - ended).total_seconds() if ended else 0.0
    if rest > 0:
        here.workloads.add_after(record.key, rest)
    return rest <= 0


def withdraw(here: city.City, record: Record) -> dict[str, bool]:
    """Have everything of a workload deleted; returns the targets that are waited for, and whether each is silent."""
    for each in here.carriers.values():
        if each.concerns(record.uid):
            each.want(record.uid, carrier.Wants(record.item.metadata.namespace))
    here.fleet.withdraw(record.uid)
    named = {each.target for each in record.item.status.placements}
    named |= {place[0] for place in (record.given.standing if record.given else {})}
    named |= {place[0] for place in observation.seen(here, record.uid)}
    return {
        target: observation.is_silent(here, target) for target in sorted(named) if _holds(here, record, target)
    }


def _holds(here: city.City, record: Record, target: str) -> bool:
    """Whether a target has something of a workload, or may have. A Cloud that is gone has taken its objects along,
    or left them, as its deletionPolicy says.
    """
    state = here.targets.get(target)
    if state is None:
        return False
    found = here.carriers.get(state.cluster)
    return found is None or not found.there.ready or not found.is_settled(record.uid)


def _wants(here: city.City, record: Record, places: list[Place]) -> carrier.Wants:
    item = record.built
    account = item.spec.template.get("spec", {}).get("serviceAccountName") or ""
    builds = {each.name for each in item.spec.variants} or {names.DEFAULT_VARIANT}
    kind = item.spec.type
    return carrier.Wants(
        namespace=item.metadata.namespace,
        objects=tuple(
            _want(here, record, place)
            for place in places
            if place[1] in builds and not (kind == "DaemonSet" and item.spec.suspend)
        ),
        # a build that is no longer named cannot be made anew; what runs of it stays until it is replaced
        kept=frozenset(
            (kind, item.metadata.namespace, objects.object_name(item.metadata.name, place[1], place[0]))
            for place in places
            if place[1] not in builds
        ),
        references=here.references.get(item.metadata.namespace, {}).get(record.uid, {}),
        service_account="" if account == "default" else account,
    )


def _want(here: city.City, record: Record, place: Place) -> convergence.Want:
    share, placed = record.share(place), _placed(here, record, place)
    made, want = record.made.get(place, (None, None))
    if want is None or made is None or made[0] != share or made[1] is not placed:
        manifest = objects.generate(record.built, share, placed)
        want = convergence.Want(
            manifest=manifest,
            replicas=manifest["spec"].get("parallelism" if record.is_job else "replicas"),
            content=manifest["metadata"]["annotations"][names.CONTENT_ANNOTATION],
            terms=manifest["metadata"]["annotations"][names.TERMS_ANNOTATION],
            target=place[0],
        )
        record.made[place] = (share, placed), want
    return dataclasses.replace(want, create=not record.has_ended(place)) if record.is_job else want


def _placed(here: city.City, record: Record, place: Place) -> objects.Placed:
    """What the target adds to a manifest; until its nodes, it or the workload change it need not be made again."""
    state = here.targets[place[0]]
    there = here.carriers[state.cluster].there
    wished = record.item.spec.priority_class_name
    priority_class = wished if wished and there.priority_classes.get(wished) is not None else ""
    made = (state.target, state.sorts, priority_class)
    before = record.placed.get(place)
    if before is not None and all(one is other for one, other in zip(before[0], made, strict=True)):
        return before[1]
    assert record.ask is not None  # noqa: S101  # `hand_out` saw to it
    terms = state.terms(record.ask, record.asked, place[1])
    placed = objects.Placed(hub_uid=here.hub_uid, node_terms=terms, priority_class=priority_class)
    if before is not None and before[1] == placed:
        placed = before[1]  # what was made from it holds
    record.placed[place] = made, placed
    return placed
