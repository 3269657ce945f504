"""Conditions: made, merged into what stands already, looked up."""

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

from suanli_controller.api import meta

MESSAGE_LIMIT = 4096  # characters, as the CRDs bound it


def make(kind: str, status: meta.Status, reason: str, message: str = "") -> meta.Condition:
    """A condition without time and generation, which `merged` fills in."""
    return meta.Condition(type=kind, status=status, reason=reason, message=message[:MESSAGE_LIMIT])


def merged(
    before: Iterable[meta.Condition], found: Sequence[meta.Condition], generation: int, now: dt.datetime
) -> list[meta.Condition]:
    """`found`, sorted by type; a transition time moves only where the status did."""
    last = {each.type: each for each in before}
    since = now.replace(microsecond=0)
    return [
        msgspec.structs.replace(
            each, observed_generation=generation, last_transition_time=_since(last.get(each.type), each, since)
        )
        for each in sorted(found, key=lambda one: one.type)
    ]


def _since(before: meta.Condition | None, after: meta.Condition, now: dt.datetime) -> dt.datetime:
    if before is not None and before.status == after.status and before.last_transition_time is not None:
        return before.last_transition_time
    return now


def get(conditions: Iterable[meta.Condition], kind: str) -> meta.Condition | None:
    """The condition of that type."""
    return next((each for each in conditions if each.type == kind), None)
