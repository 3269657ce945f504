"""The accelerator cards of this box: who has which, on disk, so that a restart of the agent changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Callable

from suanli_agent import state
from suanli_agent.core import devices, objects


class Devices:
    """Gives cards to pods when their first container is made, takes them back when the last has ended.

    `look` reads the cards of the box by resource, for each container that asks for some: after a reboot the driver may
    be later than the agent.
    """

    def __init__(self, store: state.Store, look: Callable[[], Mapping[str, devices.Pool]]) -> None:
        self._store, self._look = store, look
        self._given = store.devices()

    def nodes(self, pod: objects.Pod, container: str) -> tuple[str, ...]:
        """The device nodes for one container. Raises devices.TooFewError."""
        found: list[str] = []
        wanted = devices.wanted(pod.spec)
        pools = self._look() if wanted else {}
        for resource in wanted:
            pool = pools.get(resource, devices.Pool())
            shares = devices.shares(pod.spec, resource)
            cards = self._cards(pod.metadata.uid, resource, pool, max(share.stop for share in shares.values()))
            own = shares.get(container, range(0))
            found += pool.nodes(cards[own.start : own.stop])
        return tuple(dict.fromkeys(found))

    def release(self, uid: str) -> None:
        """Nothing of this pod runs any more."""
        if any(owner == uid for owner, _ in self._given):
            self._given = {key: cards for key, cards in self._given.items() if key[0] != uid}
            self._store.drop_devices(uid)

    def release_all_but(self, uids: AbstractSet[str]) -> None:
        """Of other pods nothing is left."""
        for uid in {owner for owner, _ in self._given} - uids:
            self.release(uid)

    def _cards(self, uid: str, resource: str, pool: devices.Pool, count: int) -> tuple[str, ...]:
        others = {
            name
            for (owner, what), cards in self._given.items()
            if owner != uid and what == resource
            for name in cards
        }
        before = self._given.get((uid, resource), ())
        chosen = devices.given(resource, pool, count, before, others)
        if chosen != before:
            self._given[uid, resource] = chosen
            self._store.put_devices(uid, resource, chosen)
        return chosen
