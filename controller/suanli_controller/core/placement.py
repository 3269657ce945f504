"""Which targets, which variants, how many: the decisions.

`place` decides and deducts; `explain` decides as if nothing else was asked, and deducts nothing. Both are the very
same code. There is no preemption: what is placed is never driven out by a higher priority that comes later.
"""

from collections.abc import Iterable

from suanli_controller.core import demand, fleet


def place(where: fleet.Fleet, demands: Iterable[demand.Demand]) -> list[demand.Decision]:
    """Decide for each demand, the highest priority first and otherwise in the order given.

    What is handed out is assumed on definite nodes of `where` at once, and what a decision takes back is released if
    it was only assumed. Replicas of `current` that are neither bound nor assumed are assumed again (after a restart).
    Decisions are returned in the order of `demands`. Never raises for a bad demand: see `Decision.invalid`.
    """
    raise NotImplementedError


def explain(where: fleet.Fleet, one: demand.Demand) -> demand.Decision:
    """What `place` would answer, with the reason of every node that takes no more; changes nothing."""
    raise NotImplementedError
