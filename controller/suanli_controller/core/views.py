"""For one Ask, the key of every node: whether a replica fits there now, and how well.

Kept from decision to decision. A view catches up with the fleet's journal, so a change costs only the rows that
changed, whether resources shrank or grew again. Where more changed than is worth catching up, or where so
many Asks are about that their views would not fit into memory, all rows are evaluated at once.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import (
    candidates,
    demand,
    domains,
    fleet,
    fragmentation,
    ledger,
    ranking,
    spread,
    statics,
)

BUDGET: Final = 24 << 20  # bytes of keys that are kept
FACTS_BUDGET: Final = 32 << 20  # bytes of statics and candidates that are kept
ASKS: Final = 1 << 14  # Asks that are remembered
_WORTH_CATCHING_UP: Final = 4  # changes, one for so many candidates
_WORTH_MENDING: Final = 16  # the same for a survey
_UNDIVIDED: Final = (None, demand.Divide.CAPACITY, demand.Divide.AGGREGATED)
_FEW: Final = 5  # nodes that are surveyed one by one
_UNASKED: Final = -(1 << 62)

_NONE: Final = np.array(0)  # see View._asked
_ONE: Final = np.array(1)
_ALL: Final = np.logical_and.reduce

Keys = NDArray[np.int64]
Rooms = NDArray[np.int64]
_Rank = TypeVar("_Rank", int, Keys)


class View:
    """One variant of one Ask over its candidates. All arrays are by position, see `candidates`."""

    __slots__ = (
        "_asked",
        "_base",
        "_candidates",
        "_column",
        "_emptiest",
        "_keys",
        "_often",
        "_places",
        "_scorer",
        "_seen",
        "_shared",
        "_survey",
        "_surveyed",
        "_where",
        "name",
        "requests",
    )

    def __init__(
        self, where: fleet.Fleet, ask: demand.Ask, index: int, among: candidates.Candidates, shared: "Views"
    ) -> None:
        self._where, self._candidates, self._shared = where, among, shared
        self.name = ask.variants[index].name
        self.requests = where.pack_variant(ask.variants[index])
        self._base = among.base[index]
        self._emptiest = ask.strategy is demand.Strategy.SPREAD
        self._places: dict[int, ledger.Place] = {}
        # numpy is quickest with an array of no dimension, and copies a column out before it compares with it
        self._asked = {resource: np.array(amount, np.int64) for resource, amount in self.requests}
        self._column = np.full((len(where.table), 1), _UNASKED, np.int64)
        for resource, amount in self.requests:
            self._column[fleet.FREE + resource, 0] = amount
        self._scorer: fragmentation.Scorer | None = None
        if ask.strategy is demand.Strategy.FRAGMENTATION:
            self._scorer = fragmentation.Scorer(where, ask.variants[index], shared.mix())
        self._keys: Keys | None = None
        self._often = False  # was asked twice within few changes
        self._survey: tuple[Rooms, Keys] | None = None
        self._seen = self._surveyed = where.journal.head

    def keys(self) -> Keys:
        """Positive where a replica may go, the larger the better. Valid until any view is asked again."""
        kept = self._kept()
        return self._evaluate(self._candidates.work.keys) if kept is None else kept

    def best(self) -> tuple[int, int]:
        """The best node's key, not positive where no replica may go, and its position."""
        keys = self._kept()
        if keys is None:
            if self._scorer is None:
                return self._search()
            keys = self._evaluate(self._candidates.work.keys)
        at = int(keys.argmax())
        return keys.item(at), at

    def _kept(self) -> Keys | None:
        """Keys as they are now, where they are worth their memory: that is, asked for often."""
        keys, notes = self._keys, self._where.journal
        changed = notes.since(self._seen, len(self._base) // _WORTH_CATCHING_UP)
        self._seen = notes.head
        if changed is None:
            self._often = False
            if keys is not None:
                self._keys = None
                self._shared.take_back(self._base.nbytes)
        elif keys is None:
            if not self._often:
                self._often = True
            elif self._shared.grant(self, self._base.nbytes):
                self._keys = self._evaluate(np.zeros(len(self._base), np.int64))
        elif len(changed):
            self._catch_up(keys, changed)
        return self._keys

    def _catch_up(self, keys: Keys, changed: NDArray[np.int64]) -> None:
        if self._scorer is not None:
            changed = np.unique(changed)
        at = self._candidates.position_of.take(changed)
        now = self._where.table.take(changed, 1)
        fresh = self._base.take(at)
        fresh += self._ranked(now[fleet.RANK])
        fresh *= _ALL(now >= self._column)
        keys[at] = fresh
        if self._scorer is not None:
            self._score(self._scorer, keys, at[fresh > 0], now[fleet.RANK, fresh > 0])

    def _evaluate(self, keys: Keys) -> Keys:
        self._candidates.catch_up()
        rank = self._candidates.work.rank
        np.add(self._base, self._ranked(rank), keys)
        self._close(keys, self._asked)
        if self._scorer is not None:
            open_ = np.flatnonzero(keys > 0)
            self._score(self._scorer, keys, open_, rank.take(open_))
        return keys

    def _search(self) -> tuple[int, int]:
        """`best` for keys that are not kept. Of most resources the best nodes have enough: only those of which one
        of them once had too little are compared everywhere, the others where the best turns out to be.
        """
        among = self._candidates
        among.catch_up()
        keys = among.work.keys
        np.add(self._base, self._ranked(among.work.rank), keys)
        self._close(keys, among.scarce)
        while True:
            at = int(keys.argmax())
            key = keys.item(at)
            lacking = self._lacking(at) if key > 0 else None
            if lacking is None:
                return key, at
            among.scarce.append(lacking)
            self._close(keys, (lacking,))

    def _lacking(self, at: int) -> int | None:
        """The first resource of which a candidate has too little."""
        single = self._candidates.work.single
        for resource, amount in self.requests:
            if single[resource][at] < amount:
                return resource
        return None

    def _close(self, keys: Keys, resources: Iterable[int]) -> None:
        """Zero the keys of candidates that have too little of one of some resources."""
        work = self._candidates.work
        short = None
        for resource in resources:
            if resource in self._asked:
                if short is None:
                    short = np.less(work.free[resource], self._asked[resource], work.short)
                else:
                    np.less(work.free[resource], self._asked[resource], work.line)
                    np.logical_or(short, work.line, short)
        if short is not None:
            np.copyto(keys, _NONE, where=short)

    def _ranked(self, rank: _Rank) -> _Rank:
        """Ranks as the strategy counts them."""
        return rank ^ ranking.ALL_SCORE if self._emptiest else rank

    def _score(self, scorer: fragmentation.Scorer, keys: Keys, at: Rooms, rank: Keys) -> None:
        """Put the strategy's score before fullness; in the paper equal scores go by name alone."""
        if self._shared.ties_by_name:
            rank &= ranking.NAME_MASK
        else:
            rank = (rank >> ranking.SCORE_BITS_GIVEN_UP << ranking.SIZE_SHIFT) | (rank & ranking.NAME_MASK)
        score = scorer.scores(self._candidates.rows.take(at))
        keys[at] = self._base.take(at) + ((score << ranking.UPPER_SHIFT) | rank)

    def device(self, row: int) -> int:
        """From which device of a node a share is best taken; -1: any."""
        if self._scorer is None or self._where.devices is None:
            return -1
        return self._scorer.device(row)

    def row(self, position: int) -> int:
        return self._candidates.rows.item(position)

    def place_at(self, target: int) -> ledger.Place:
        found = self._places.get(target)
        if found is None:
            found = self._places[target] = ledger.Place(target, self.name)
        return found

    def forget(self) -> None:
        """Give up all that is kept."""
        self._keys = self._survey = None

    def survey(self, *, private: bool = False) -> tuple[Rooms, Keys]:
        """How many replicas fit, and how good the node is by fullness alone: both 0 where none may go.

        The arrays are valid until the next decision, and may be changed only if `private`.
        """
        notes = self._where.journal
        changed = notes.since(self._surveyed, len(self._base) // _WORTH_MENDING)
        self._surveyed = notes.head
        if changed is None:
            if self._survey is not None:
                self._survey = None
                self._shared.take_back(2 * self._base.nbytes)
            return self._survey_all()
        if self._survey is None:
            if not self._shared.grant(self, 2 * self._base.nbytes):
                return self._survey_all()
            self._survey = self._survey_all()
        elif len(changed):
            self._mend(*self._survey, changed)
        room, keys = self._survey
        return (room.copy(), keys.copy()) if private else (room, keys)

    def _mend(self, room: Rooms, keys: Keys, changed: NDArray[np.int64]) -> None:
        if len(changed) > _FEW:
            at, now = self._candidates.position_of.take(changed), self._where.table.take(changed, 1)
            rank, *free = now
            room[at], keys[at] = self._rated(self._base.take(at), rank, free)
            return
        where = self._where
        for row in changed.tolist():
            position = self._candidates.position_of.item(row)
            key = self._base.item(position) + self._ranked(where.ranks.item(row))
            fits = min([where.single[resource][row] // amount for resource, amount in self.requests])
            room[position], keys[position] = (fits, key) if fits > 0 and key > 0 else (0, 0)

    def _survey_all(self) -> tuple[Rooms, Keys]:
        work = self._candidates.catch_up()
        return self._rated(self._base, work.rank, work.free)

    def _rated(self, base: Keys, rank: Keys, free: Sequence[Rooms]) -> tuple[Rooms, Keys]:
        """Rooms and keys of some candidates."""
        keys = base + self._ranked(rank)
        room: Rooms | None = None
        for resource, amount in self.requests:
            if room is None:
                room = free[resource] // self._asked[resource]
            else:
                fits = free[resource] if amount == 1 else free[resource] // self._asked[resource]
                np.minimum(room, fits, out=room)
        assert room is not None  # noqa: S101 - for the type checker: every replica takes a pod
        none = keys < _NONE
        np.logical_or(none, room < _ONE, out=none)
        np.copyto(room, _NONE, where=none)
        np.copyto(keys, _NONE, where=none)
        return room, keys


class Facts:
    """What Asks share that differ only in what they request."""

    __slots__ = ("candidates", "statics")

    def __init__(self, where: fleet.Fleet, ask: demand.Ask) -> None:
        self.statics = statics.Statics(where, ask)
        self.candidates = candidates.Candidates(where, self.statics)

    def bytes(self) -> int:
        """About how much memory they take."""
        return self.statics.bytes() + self.candidates.bytes()


class AskViews:
    """Everything that is known about one Ask."""

    __slots__ = (
        "bounded",
        "candidates",
        "contested",
        "domains",
        "frames",
        "numbers",
        "plain",
        "statics",
        "variants",
    )

    def __init__(self, where: fleet.Fleet, ask: demand.Ask, facts: Facts, shared: "Views") -> None:
        self.statics, self.candidates, self.domains = facts.statics, facts.candidates, shared.domains
        self.frames: dict[str, spread.Frame] = {}  # by kind of domain, see `spread_bounds`
        self.plain, self.bounded = _is_plain(ask), _is_bounded(ask)
        self.numbers = {variant.name: index for index, variant in enumerate(ask.variants)}
        # a node is not always left to the first variant
        self.contested = len(ask.variants) > 1 or ask.variants[0].quota is not None
        self.variants = tuple(
            View(where, ask, index, facts.candidates, shared) for index in range(len(ask.variants))
        )


def _is_bounded(ask: demand.Ask) -> bool:
    """Whether anything may bind how replicas lie."""
    return bool(
        ask.spread
        or ask.topology_spread
        or ask.anti_affinity
        or any(each.quota is not None for each in ask.variants)
    )


def _is_plain(ask: demand.Ask) -> bool:
    """Whether nothing but the nodes themselves decides where the first replica goes: no bound binds a single one."""
    barred = any(each.quota == 0 for each in ask.variants)
    return not barred and ask.kind is not demand.Kind.DAEMON_SET and ask.divide in _UNDIVIDED


class Views:
    """All views of one fleet, within a budget of memory."""

    def __init__(self, where: fleet.Fleet) -> None:
        self._where = where
        self._asks: OrderedDict[demand.Ask, AskViews] = OrderedDict()
        self._contents: dict[Hashable, Facts] = {}
        self._stored: set[View] = set()
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
            self._where.forget_resources()
            for variant in ask.variants:
                self._where.pack_variant(variant)
            self._learn(ask)
            if self._version != self._where.version:  # a resource that was never heard of
                self._renew()
            found = self._asks[ask] = AskViews(self._where, ask, self._facts(ask), self)
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
        self._mix = None
        self.domains = domains.Kinds(self._where)
        self._forget()

    def _forget(self) -> None:
        self._asks.clear()
        self._contents.clear()
        self._stored.clear()
        self._facts_left = FACTS_BUDGET
        self._keys_left = BUDGET

    def _facts(self, ask: demand.Ask) -> Facts:
        """Where there are too many for the budget all are forgotten, and those in use come again."""
        key = statics.content(ask)
        known = self._contents.get(key)
        if known is None:
            known = Facts(self._where, ask)
            if known.bytes() > self._facts_left:
                self._forget()
            self._facts_left -= known.bytes()
            self._contents[key] = known
        return known

    def grant(self, view: View, size: int) -> bool:
        """Whether a view may keep so many bytes more.

        Who keeps something may not be who needs it: now and then all give it back, and who is busy gets it again.
        """
        if self._keys_left < size:
            self._turned_away += 1
            if self._turned_away <= 4 * len(self._stored):
                return False
            for each in self._stored:
                each.forget()
            self._stored.clear()
            self._keys_left, self._turned_away = BUDGET, 0
        self._stored.add(view)
        self._keys_left -= size
        return True

    def take_back(self, size: int) -> None:
        """A view keeps so many bytes less."""
        self._keys_left += size


def of_fleet(where: fleet.Fleet) -> Views:
    """The views of a fleet, made when they are first asked for."""
    if not isinstance(where.kept, Views):
        where.kept = Views(where)
    return where.kept
