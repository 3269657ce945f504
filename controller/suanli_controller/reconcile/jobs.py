"""Jobs that were placed. One runs once: anew only what is known never to have begun, or to be gone with its target."""

from collections.abc import Collection

import msgspec

from suanli_controller.api import names
from suanli_controller.core import demand, intent
from suanli_controller.core.workload_status import Place
from suanli_controller.reconcile import city, observation
from suanli_controller.reconcile.record import Record


def lost(here: city.City, record: Record) -> set[Place]:
    """Places whose target is gone with all that it had of the Job; what is on record as done is not run again."""
    wished = record.given.wished if record.given else {}
    gone = {place for place in wished if _is_emptied(here, place[0]) and not record.has_ended(place)}
    if not gone:
        return gone
    return gone - observation.seen(here, record.uid).keys() - observation.bound(here, record.uid)


def lingers(here: city.City, record: Record) -> bool:
    """Whether something of a Job is still shown where it is not wished any more: it begins nowhere else before that is
    gone, for its pods could still be bound there.
    """
    wished = record.given.wished.keys() if record.given else ()
    return record.is_job and bool(observation.seen(here, record.uid).keys() - wished)


def _is_emptied(here: city.City, target: str) -> bool:
    """A Cloud that its deletionPolicy has emptied; what was at a site is the hub's, and goes with the site."""
    if target in here.targets:
        return False
    at_site = target.startswith(f"{names.SITE_KIND}/")
    return target in here.cleared or (at_site and here.carriers[city.HUB].there.ready)


def never_began(here: city.City, record: Record, stuck: Collection[Place]) -> set[Place]:
    """Those of places whose scheduler could not bind some pods, where it has bound none."""
    seen, bound = observation.seen(here, record.uid), observation.bound(here, record.uid)
    return {
        place
        for place in stuck
        if place in seen and place not in bound and not (seen[place].succeeded or seen[place].failed)
    }


def bounded(here: city.City, record: Record, one: demand.Demand) -> demand.Demand:
    """The demand of a Job that has places: it grows only where it is, and what has no place goes elsewhere, for the
    completions of what runs are fixed.
    """
    wished = record.given.wished if record.given else {}
    has = frozenset(target for target, _ in wished)
    total, unknown = sum(wished.values()), sum(wished.values()) - sum(one.current.values())
    duplicated = one.ask.divide is demand.Divide.DUPLICATED  # then `replicas` is for each target
    if left := record.unplaced_completions:
        more = min(left, max(1, one.replicas - total))
        replicas = one.replicas if duplicated else total - unknown + more
        return msgspec.structs.replace(one, replicas=replicas, closed=has)
    replicas = one.replicas if duplicated else max(one.replicas - unknown, len(one.current))
    return msgspec.structs.replace(
        one,
        replicas=replicas,
        current=intent.shrunk(one.current, replicas, duplicated=duplicated),
        closed=frozenset(here.targets) - has,
    )
