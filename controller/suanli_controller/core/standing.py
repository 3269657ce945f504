"""Whether an answer of the placement still stands, so that it need not be worked out anew each time that something
of a workload is looked at. Nothing is decided here: in doubt it does not stand.
"""

import msgspec

from suanli_controller.core import demand, fleet, ledger


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A decision, what it was the answer to, and the facts about the fleet that it was taken from."""

    asked: demand.Demand
    decision: demand.Decision
    facts: int


def answer(where: fleet.Fleet, asked: demand.Demand, decision: demand.Decision) -> Answer:
    """What `placement.place` has just answered."""
    return Answer(asked, decision, _facts(where, asked.ask))


def _facts(where: fleet.Fleet, ask: demand.Ask) -> int:
    """A count of the changes that concern an Ask: round trips tremble, and few ask for one."""
    return where.version - (0 if ask.max_rtt_microseconds else where.round_trips)


def stands(where: fleet.Fleet, one: demand.Demand, last: Answer) -> bool:
    """Whether `placement.place` would keep all that `last` has given, and neither assume nor release anything.

    Room alone moves nothing that has its place, unless there are steps of preference; a replica that is neither
    bound nor assumed, after its pod was lost, must be assumed again.
    """
    decision = last.decision
    if one.ask is not last.asked.ask or _facts(where, one.ask) != last.facts or not _is_plain(one.ask):
        return False
    if decision.unplaced or decision.invalid or _terms(one) != _terms(last.asked):
        return False
    wanted = decision.counts()
    return one.current == wanted and _is_covered(where, one.key, wanted)


def _is_plain(ask: demand.Ask) -> bool:
    """Whether what has its place stays there, whatever comes free elsewhere."""
    return ask.kind is demand.Kind.DEPLOYMENT and not (ask.groups or ask.prefer or ask.family_order)


def _terms(one: demand.Demand) -> tuple[object, ...]:
    return one.replicas, one.full, one.excluded, one.held


def _is_covered(where: fleet.Fleet, workload: str, wanted: dict[tuple[str, str], int]) -> bool:
    places = {ledger.Place(where.target_index[ref], variant): count for (ref, variant), count in wanted.items()}
    bound, assumed = where.bound.places(workload), where.assumed.places(workload)
    if assumed.keys() - places:
        return False
    return all(
        ledger.replicas(bound.get(place)) + ledger.replicas(assumed.get(place)) == count
        for place, count in places.items()
    )
