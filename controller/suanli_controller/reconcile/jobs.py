"""What of a Job that was placed is to be placed anew. It runs once: only what is known never to have begun, or to be
gone with its target.
"""

from collections.abc import Collection

from suanli_controller.api import names
from suanli_controller.core.workload_status import Place
from suanli_controller.reconcile import city, observation
from suanli_controller.reconcile.record import Record


def lost(here: city.City, record: Record) -> set[Place]:
    """Places whose target is gone with all that it had of the Job; what is on record as done is not run again."""
    wished = record.given.wished if record.given else {}
    gone = {place for place in wished if _is_emptied(here, place[0]) and not record.has_ended(place)}
    return gone - observation.seen(here, record.uid).keys() if gone else gone


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
