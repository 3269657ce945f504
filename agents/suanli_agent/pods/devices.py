"""The accelerator cards of this box: who has which, on disk, so that a restart of the agent changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from suanli_agent import state
from suanli_agent.core import devices, objects


class Devices:
    """Gives cards to pods when their first container is made, takes them back when the last has ended."""

    def __init__(self, store: state.Store, pools: Mapping[str, devices.Pool]) -> None:
        self._store, self._pools = store, pools
        self._given = store.devices()

    def nodes(self, pod: objects.Pod, container: str) -> tuple[str, ...]:
        """The device nodes for one container. Raises devices.TooFewError."""
        found: list[str] = []
        for resource in devices.wanted(pod.spec):
            shares = devices.shares(pod.spec, resource)
            cards = self._cards(pod.metadata.uid, resource, max(share.stop for share in shares.values()))
            own = shares.get(container, range(0))
            found += self._pool(resource).nodes(cards[own.start : own.stop])
        return tuple(dict.fromkeys(found))

    def release(self, uid: str) -> None:
        """Nothing of this pod runs any more."""
        if any(owner == uid for owner, _ in self._given):
            self._given = {key: cards for key, cards in self._given.items() if key[0] != uid}
            self._store.drop_devices(uid)

    def _pool(self, resource: str) -> devices.Pool:
        return self._pools.get(resource, devices.Pool())

    def _cards(self, uid: str, resource: str, count: int) -> tuple[str, ...]:
        others = {
            name
            for (owner, what), cards in self._given.items()
            if owner != uid and what == resource
            for name in cards
        }
        before = self._given.get((uid, resource), ())
        chosen = devices.given(resource, self._pool(resource), count, before, others)
        if chosen != before:
            self._given[uid, resource] = chosen
            self._store.put_devices(uid, resource, chosen)
        return chosen
