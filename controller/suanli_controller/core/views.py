"""For one Ask, the key of every node: whether a replica fits there now, and how well.

Kept from decision to decision. A view catches up with the fleet's journal, so a change costs only the rows that
changed, whether resources shrank or grew again. Where more changed than is worth catching up, or where so
many Asks are about that their views would not fit into memory, all rows are evaluated at once.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import demand, fleet, fragmentation, ledger, ranking, statics

BUDGET: Final = 24 << 20  # bytes of keys that are kept
ASKS: Final = 1 << 14  # Asks that are remembered
CONTENTS: Final = 256  # statics that are kept
_WORTH_CATCHING_UP: Final = 4  # one row in so many
_UNDIVIDED: Final = (None, demand.Divide.CAPACITY, demand.Divide.AGGREGATED)
_UNASKED: Final = -(1 << 62)

_ALL: Final = np.logical_and.reduce

Keys = NDArray[np.int64]
Rooms = NDArray[np.int64]


class View:
    """One variant of one Ask over the whole fleet, as of `version`."""

    __slots__ = (
        "_asked",
        "_asked_of_lines",
        "_base",
        "_column",
        "_keys",
        "_lines",
        "_places",
        "_rank",
        "_rank_line",
        "_scorer",
        "_seen",
        "_shared",
        "_where",
        "name",
        "requests",
    )

    def __init__(
        self, where: fleet.Fleet, ask: demand.Ask, index: int, known: statics.Statics, shared: "Views"
    ) -> None:
        self._where, self._shared = where, shared
        rows = where.rows
        self.name = ask.variants[index].name
        self.requests = where.pack_variant(ask.variants[index])
        self._base = known.base[index][:rows]
        self._rank_line = fleet.SPREAD if ask.strategy is demand.Strategy.SPREAD else fleet.PACK
        self._rank = where.table[self._rank_line, :rows]
        self._places: dict[int, tuple[ledger.Place, str]] = {}
        self._asked = [(where.free[resource, :rows], amount) for resource, amount in self.requests]
        self._column = np.full((len(where.table), 1), _UNASKED, np.int64)
        for resource, amount in self.requests:
            self._column[fleet.FREE + resource, 0] = amount
        last = fleet.FREE + self.requests[-1][0] + 1
        self._lines, self._asked_of_lines = where.table[fleet.FREE : last, :rows], self._column[fleet.FREE : last]
        self._scorer: fragmentation.Scorer | None = None
        if ask.strategy is demand.Strategy.FRAGMENTATION:
            self._scorer = fragmentation.Scorer(where, ask.variants[index], shared.mix())
        self._keys: Keys | None = None
        self._seen = where.journal.head

    def keys(self) -> Keys:
        """By row: positive where a replica may go, the larger the better. Valid until any view is asked again."""
        keys, notes = self._keys, self._where.journal
        changed = notes.since(self._seen, len(self._base) // _WORTH_CATCHING_UP)
        self._seen = notes.head
        if changed is None:  # asked for too seldom to be worth its memory
            self._keys = None
            return self._evaluate(self._shared.scratch)
        if keys is not None:
            if len(changed):
                self._catch_up(keys, changed)
            return keys
        self._keys = self._shared.storage(self)
        return self._evaluate(self._shared.scratch if self._keys is None else self._keys)

    def _catch_up(self, keys: Keys, changed: NDArray[np.int64]) -> None:
        if self._scorer is not None:
            changed = np.unique(changed)
        now = self._where.table.take(changed, 1)
        fresh = self._base.take(changed)
        fresh += now[self._rank_line]
        fresh *= _ALL(now >= self._column)
        keys[changed] = fresh
        if self._scorer is not None:
            self._score(self._scorer, keys, changed[fresh > 0])

    def _score(self, scorer: fragmentation.Scorer, keys: Keys, rows: Rooms) -> None:
        """Put the strategy's score before fullness; in the paper equal scores go by name alone."""
        rank = self._rank.take(rows)
        if self._shared.ties_by_name:
            rank &= ranking.NAME_MASK
        else:
            rank = (rank >> ranking.SCORE_BITS_GIVEN_UP << ranking.SIZE_SHIFT) | (rank & ranking.NAME_MASK)
        keys[rows] = self._base.take(rows) + ((scorer.scores(rows) << ranking.UPPER_SHIFT) | rank)

    def device(self, row: int) -> int:
        """From which device of a node a share is best taken; -1: any."""
        if self._scorer is None or self._where.devices is None:
            return -1
        return self._scorer.device(row)

    def _evaluate(self, keys: Keys) -> Keys:
        enough = np.greater_equal(self._lines, self._asked_of_lines, self._shared.comparisons(len(self._lines)))
        np.add(self._base, self._rank, keys)
        np.multiply(keys, _ALL(enough, axis=0, out=self._shared.mask), keys)
        if self._scorer is not None:
            self._score(self._scorer, keys, np.flatnonzero(keys > 0))
        return keys

    def place_at(self, target: int) -> ledger.Place:
        return ledger.Place(target, self.name)

    def place_of(self, row: int) -> tuple[ledger.Place, str]:
        """The (target, variant) of a replica on a row, and the target's name."""
        target = self._where.target_of.item(row)
        found = self._places.get(target)
        if found is None:
            found = ledger.Place(target, self.name), self._where.targets[target].ref
            self._places[target] = found
        return found

    def forget(self) -> None:
        """Give the storage back."""
        self._keys = None

    def rooms(self) -> Rooms:
        """By row: how many replicas fit, 0 where none may go."""
        room: Rooms | None = None
        for free, amount in self._asked:
            these = free if amount == 1 else free // amount
            room = these.copy() if room is None else np.minimum(room, these, out=room)
        assert room is not None  # noqa: S101 - every pod requests a pod slot
        np.maximum(room, 0, out=room)
        room *= (self._base + self._rank) > 0
        return room

    def ranks(self) -> Keys:
        """By row: the strategy's rank alone."""
        return self._rank


class AskViews:
    """Everything that is known about one Ask."""

    __slots__ = ("known", "plain", "variants")

    def __init__(self, where: fleet.Fleet, ask: demand.Ask, known: statics.Statics, shared: "Views") -> None:
        self.known = known
        self.plain = _is_plain(ask)
        self.variants = tuple(View(where, ask, index, known, shared) for index in range(len(ask.variants)))


def _is_plain(ask: demand.Ask) -> bool:
    """Whether nothing but the nodes themselves decides where the first replica goes: no bound binds a single one."""
    barred = any(each.quota == 0 for each in ask.variants)
    return not barred and ask.kind is not demand.Kind.DAEMON_SET and ask.divide in _UNDIVIDED


class Views:
    """All views of one fleet, within a budget of memory."""

    def __init__(self, where: fleet.Fleet) -> None:
        self._where = where
        self._asks: OrderedDict[demand.Ask, AskViews] = OrderedDict()
        self._contents: OrderedDict[Hashable, statics.Statics] = OrderedDict()
        self._stored: list[View] = []
        self._turned_away = 0
        self._seen: Counter[fragmentation.Shape] = Counter()
        self._typical: Counter[fragmentation.Shape] | None = None
        self._learnt = 0
        self.ties_by_name = False
        self._mix: fragmentation.Mix | None = None
        self._renew()

    def find(self, ask: demand.Ask) -> AskViews | None:
        """What is known of an Ask that was decided before and is right."""
        if self._version != self._where.version:
            self._renew()
        return self._asks.get(ask)

    def of(self, ask: demand.Ask) -> AskViews:
        """For an Ask with which nothing is wrong."""
        found = self.find(ask)
        if found is None:
            for variant in ask.variants:
                self._where.pack_variant(variant)
            self._learn(ask)
            if self._version != self._where.version:  # a resource that was never heard of
                self._renew()
            found = self._asks[ask] = AskViews(self._where, ask, self._statics(ask), self)
            if len(self._asks) > ASKS:
                self._asks.popitem(last=False)
        return found

    def set_typical(self, seen: Counter[fragmentation.Shape], *, ties_by_name: bool = False) -> None:
        """Requests from which fragmentation is judged, instead of those of the Asks that were seen.

        `ties_by_name`: equal scores go to the lower name whatever is full, as in the paper.
        """
        self._typical, self.ties_by_name = seen, ties_by_name
        self._renew()

    def _learn(self, ask: demand.Ask) -> None:
        """What is asked for tells what will be asked for. Judged anew each time as many Asks came again."""
        self._seen.update(fragmentation.shape_of(variant) for variant in ask.variants)
        if self._typical is None and self._seen.total() >= 2 * self._learnt:
            self._learnt = self._seen.total()
            self._renew()

    def mix(self) -> fragmentation.Mix:
        if self._mix is None:
            self._mix = fragmentation.mix_of(self._where, self._typical or self._seen)
        return self._mix

    def _renew(self) -> None:
        """Facts changed, or the arrays did: nothing that was learnt counts any more."""
        self._version = self._where.version
        self._asks.clear()
        self._contents.clear()
        self._stored.clear()
        self._mix = None
        rows = self._where.rows
        self.scratch: Keys = np.zeros(rows, np.int64)
        self.mask = np.zeros(rows, np.bool_)
        self._comparisons: dict[int, NDArray[np.bool_]] = {}
        self._slots = BUDGET // (8 * max(rows, 1))

    def _statics(self, ask: demand.Ask) -> statics.Statics:
        key = statics.content(ask)
        known = self._contents.get(key)
        if known is None:
            known = self._contents[key] = statics.Statics(self._where, ask)
            if len(self._contents) > CONTENTS:
                self._contents.popitem(last=False)
        return known

    def comparisons(self, lines: int) -> NDArray[np.bool_]:
        """Room for the outcome of comparing so many lines with all rows."""
        found = self._comparisons.get(lines)
        if found is None:
            found = self._comparisons[lines] = np.zeros((lines, self._where.rows), np.bool_)
        return found

    def storage(self, view: View) -> Keys | None:
        """An array for a view's keys; None where the budget is spent.

        Who has storage may not be who needs it: now and then all give it back, and who is busy gets it again.
        """
        if len(self._stored) >= self._slots:
            self._turned_away += 1
            if self._turned_away <= 4 * self._slots:
                return None
            for each in self._stored:
                each.forget()
            self._stored.clear()
            self._turned_away = 0
        self._stored.append(view)
        return np.zeros(self._where.rows, np.int64)
