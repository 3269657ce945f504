"""Every node of every target as arrays, kept up to date event by event: what is there, free and assumed.

The structure that decisions read. It does no I/O and decides nothing. A row is a node's place in the arrays;
resources are rows of `free` and `allocatable`, so that one resource of all nodes lies together in memory.

Free capacity is allocatable less what pods request less what is assumed: handed out by a decision and not yet seen
bound. Not rebuilt for a decision: each change notes its row in a journal, and readers catch up from there.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import (
    columns,
    demand,
    devices,
    fleet_facts,
    fullness,
    hardware,
    journal,
    ledger,
    lines,
    ranking,
)
from suanli_controller.core.fleet_facts import FACTS, GRADES, Owner, Target
from suanli_controller.core.lines import BASE_RESOURCES, LARGEST, Requests

__all__ = ["GRADES", "Fleet", "Owner", "Target"]

RANK, FREE = range(2)  # lines of Fleet.table: the ranks, then what is free of each resource
MOST_PODS: Final = 2**31  # of one node: what fits all nodes together is a sum of it

_FEW: Final = 8  # nodes that are changed one by one rather than all at once
_MINOR: Final = np.array(ranking.MINOR_MASK)  # numpy is quickest with arrays of no dimension
_SHIFT: Final = np.array(ranking.SCORE_SHIFT)


class _Pod:
    __slots__ = ("owner", "requests", "row")

    def __init__(self, row: int, requests: Requests, owner: Owner | None) -> None:
        self.row, self.requests, self.owner = row, requests, owner


class Fleet:
    """See the module. `place` in `core/placement` is the only other writer (it assumes)."""

    def __init__(self, nodes: int = 64) -> None:
        """`nodes` is a hint: arrays start with room for so many and double when full."""
        self.capacity = max(16, nodes)
        self.rows = 0  # rows ever used; arrays mean something below it
        self.version = self.round_trips = 0  # changes of anything but what is free; those of a round trip alone
        self._lines = lines.Lines()
        self.resources = self._lines.index
        self.table: NDArray[np.int64] = np.full(
            (FREE + len(BASE_RESOURCES), self.capacity), ranking.CLOSED, np.int64
        )
        self.table[FREE:] = 0
        self.allocatable: NDArray[np.int64] = np.zeros((len(BASE_RESOURCES), self.capacity), np.int64)
        self.present: columns.Mask = np.zeros(self.capacity, np.bool_)
        self.node_ready: columns.Mask = np.zeros(self.capacity, np.bool_)
        self.node_cordoned: columns.Mask = np.zeros(self.capacity, np.bool_)
        self.accelerated: columns.Mask = np.zeros(self.capacity, np.bool_)
        self.target_of: NDArray[np.int32] = np.zeros(self.capacity, np.int32)
        self.facts = {name: columns.Column(self.capacity) for name in FACTS}
        self.labels = columns.Labels(self.capacity)
        self.names: list[str] = []
        self.targets: list[Target] = []
        self.target_index: dict[str, int] = {}
        self.row_of: dict[tuple[str, str], int] = {}
        self.journal = journal.Journal()
        self.bound, self.assumed = ledger.Ledger(), ledger.Ledger()
        self.devices: devices.Devices | None = None  # made when a share of a device is first asked for
        self._shares: dict[int, int] = {}  # made-up resource of shares -> the resource of whole devices
        self.kept: object = None  # what decisions keep of this fleet (`core/views`); lives and dies with it
        self._minor: NDArray[np.int64] = np.zeros(self.capacity, np.int64)
        self._fullness = fullness.Fullness(len(BASE_RESOURCES), self.capacity)
        self._open = bytearray(self.capacity)
        self._order = ranking.NameOrder()
        self._unordered: list[int] = []
        self._digests: list[tuple[int, int]] = []  # of what was last said about a node: static facts, all
        self._pods: dict[str, _Pod] = {}
        self._pods_on: list[int] = []
        self._spare: list[int] = []
        self._bind()

    # Targets

    def upsert_target(self, target: Target) -> bool:
        """Add or replace; false where nothing changed."""
        index = self._target(target.ref)
        before = self.targets[index]
        if before == target:
            return False
        self.targets[index] = target
        self.version += 1
        self.round_trips += before.but_for_link(target)
        if (before.ready, before.cordoned) != (target.ready, target.cordoned):
            for row in self.rows_of(target.ref).tolist():
                self._reopen(row)
        return True

    def remove_target(self, ref: str) -> None:
        """Forget a target, its nodes, and what was assumed there. Its name keeps its place for good."""
        for row in self.rows_of(ref).tolist():
            self.remove_node(ref, self.names[row])
        if ref in self.target_index:
            self.targets[self.target_index[ref]] = Target(ref, ready=False)
            self.version += 1

    def target(self, ref: str) -> Target | None:
        index = self.target_index.get(ref)
        return None if index is None else self.targets[index]

    def rows_of(self, ref: str) -> NDArray[np.int64]:
        """Rows of a target's nodes."""
        index = self.target_index.get(ref, -1)
        return np.flatnonzero((self.target_of[: self.rows] == index) & self.present[: self.rows])

    def _target(self, ref: str) -> int:
        index = self.target_index.get(ref)
        if index is None:
            index = self.target_index[ref] = len(self.targets)
            self.targets.append(Target(ref, ready=False))
        return index

    # Nodes

    def upsert_node(self, node: hardware.NodeFacts) -> bool:
        """Add or replace; false where nothing changed. A node of a target not yet told waits closed."""
        self.forget_resources()
        row = self._row(node.target, node.name)
        fixed, all_of_it = fleet_facts.digests(node)
        if self.present[row] and self._digests[row][1] == all_of_it:
            return False
        if not self.present[row] or self._digests[row][0] != fixed:
            self._describe(row, node)
        self._digests[row] = (fixed, all_of_it)
        self._resize(row, node)
        self.node_ready[row], self.node_cordoned[row] = node.ready, node.cordoned
        self._reopen(row)
        return True

    def remove_node(self, target: str, name: str) -> None:
        """Forget a node. Pods on it stay counted until they are removed; what was assumed on it is so no more."""
        row = self.row_of.get((target, name))
        if row is None or not self.present[row]:
            return
        for workload, place in self.assumed.on_row(row):
            self._release(workload, place, row)
        self.present[row] = False
        self.version += 1
        self.free[:, row] -= self.allocatable[:, row]
        self.allocatable[:, row] = 0
        if self.devices is not None:
            self.devices.resize(row, 0)
            self._recount_devices(row)
        self._reopen(row)
        self._drop_if_empty(row)

    def _row(self, target: str, name: str) -> int:
        key = (target, name)
        row = self.row_of.get(key)
        if row is None:
            row = self._spare.pop() if self._spare else self._new_row()
            self.row_of[key] = row
            self.names[row] = name
            self.target_of[row] = self._target(target)
            self._unordered.append(row)
            self.version += 1
        return row

    def _new_row(self) -> int:
        if self.rows == self.capacity:
            self._grow(2 * self.capacity)
        row = self.rows
        self.rows += 1
        self.names.append("")
        self._fullness.weights.append(())
        self._digests.append((0, 0))
        self._pods_on.append(0)
        return row

    def _drop_if_empty(self, row: int) -> None:
        if self.present[row] or self._pods_on[row]:
            return
        key = (self.targets[self.target_of[row]].ref, self.names[row])
        del self.row_of[key]
        if row in self._unordered:
            self._unordered.remove(row)
        else:
            self._order.remove(key)
        self.free[:, row] = 0
        self._spare.append(row)

    def _describe(self, row: int, node: hardware.NodeFacts) -> None:
        for name, value in fleet_facts.described(node).items():
            self.facts[name].put(row, value)
        self.labels.put(row, node.labels.items())
        self.accelerated[row] = bool(node.hardware.accelerators)
        self.present[row] = True
        self.version += 1

    def _resize(self, row: int, node: hardware.NodeFacts) -> None:
        """Take over what the node can give. Amounts below zero count as none."""
        amounts = {name: min(max(int(amount), 0), LARGEST) for name, amount in node.allocatable.items()}
        amounts["pods"] = min(amounts.get("pods", 0), MOST_PODS)
        for name in amounts:
            self._resource(name)
        used = self.allocatable[:, row] - self.free[:, row]
        self.allocatable[:, row] = 0
        for name, amount in amounts.items():
            self.allocatable[self.resources[name], row] = amount
        self.free[:, row] = self.allocatable[:, row] - used
        if self.devices is not None:
            self.devices.resize(row, self._devices_of(row)[1])
            self._recount_devices(row)
        scored = [name for name in ("cpu", "memory", *node.hardware.accelerators) if amounts.get(name)]
        self._fullness.weigh(row, {self.resources[name]: amounts[name] for name in scored})
        size = ranking.smallness(amounts.get("cpu", 0))
        self._minor[row] = (size << ranking.SIZE_SHIFT) | (int(self._minor[row]) & ranking.NAME_MASK)

    def _reopen(self, row: int) -> None:
        target, able = self.targets[self.target_of[row]], self.node_ready[row] and not self.node_cordoned[row]
        self._open[row] = bool(self.present[row] and able and target.ready and not target.cordoned)
        self.touch(row)

    # Pods

    def pack_requests(self, requests: Mapping[str, int]) -> Requests:
        """A pod's effective requests as the fleet keeps them; one pod slot is added where none is named.

        What is more than any node has is cut to just that.
        """
        return self._lines.pack(requests, self._resource)

    def pack_variant(self, variant: demand.Variant) -> Requests:
        """What a replica of a build takes; its share of a device is asked of the resource made up for shares."""
        if not variant.share_milli:
            return self.pack_requests(variant.requests)
        name = devices.share_name(variant.share_resource)
        if name not in self.resources:
            self._share_out(variant.share_resource, name)
        rest = {key: amount for key, amount in variant.requests.items() if key != variant.share_resource}
        return self.pack_requests(rest | {name: variant.share_milli})

    def set_pod(
        self, uid: str, target: str, node: str, requests: Mapping[str, int], owner: Owner | None = None
    ) -> None:
        """A pod that is bound to `node` and not finished: seen first, moved or resized.

        A replica of ours that is seen for the first time takes the place of one that was assumed in that target.
        """
        row, packed = self._row(target, node), self.pack_requests(requests)
        before = self._pods.get(uid)
        if before and before.row == row and before.requests == packed and before.owner == owner:
            return
        if before:
            self.remove_pod(uid)
            row = self._row(target, node)
        self._pods[uid] = _Pod(row, packed, owner)
        self._pods_on[row] += 1
        self._deduct(row, packed, 1)
        if owner:
            place = ledger.Place(int(self.target_of[row]), owner.variant)
            self.bound.add(owner.workload, place, (), {row: 1})
            if before is None:
                self._release(owner.workload, place, row)
        self.touch(row)

    def remove_pod(self, uid: str) -> None:
        """A pod that is finished or gone."""
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        self._pods_on[pod.row] -= 1
        self._deduct(pod.row, pod.requests, -1)
        if pod.owner:
            place = ledger.Place(int(self.target_of[pod.row]), pod.owner.variant)
            self.bound.take(pod.owner.workload, place, pod.row)
        self.touch(pod.row)
        self._drop_if_empty(pod.row)

    # What is assumed

    def assume(
        self, workload: str, place: ledger.Place, requests: Requests, rows: dict[int, int], device: int = -1
    ) -> None:
        """Deduct replicas that were handed out, until they are seen bound or withdrawn.

        `device`: from which a share is taken, where there is one row only; by default the tightest.
        """
        for stale, row, count in self.assumed.add(workload, place, requests, rows):
            self._deduct(row, stale, -count)
            self.touch(row)
        for row, count in rows.items():
            self._deduct(row, requests, count, device)
            self.touch(row)

    def assume_all(self, workload: str, requests: Requests, lots: Mapping[ledger.Place, dict[int, int]]) -> None:
        """`assume` for many open nodes at once, each of them in one lot only."""
        rows: dict[int, int] = {}
        for place, lot in lots.items():
            for stale, row, count in self.assumed.add(workload, place, requests, lot):
                self._deduct(row, stale, -count)
                self.touch(row)
            rows |= lot
        self._deduct_all(requests, rows)

    def assume_one(
        self, workload: str, place: ledger.Place, requests: Requests, row: int, device: int = -1
    ) -> None:
        """`assume` for a single replica."""
        if self.assumed.add_first(workload, place, requests, row):
            self._deduct(row, requests, 1, device)
            self.touch(row)
        else:
            self.assume(workload, place, requests, {row: 1}, device)

    def withdraw(self, workload: str, target: str = "", variant: str = "", replicas: int | None = None) -> int:
        """Give back up to `replicas` that are assumed for a workload (all by default); how many there were."""
        if replicas is None and not target and not variant:
            return self._withdraw_all(workload)
        given = 0
        for place in list(self.assumed.places(workload)):
            if (target and self.targets[place.target].ref != target) or (variant and place.variant != variant):
                continue
            while (replicas is None or given < replicas) and self._release(workload, place, -1):
                given += 1
        return given

    def _withdraw_all(self, workload: str) -> int:
        given = 0
        for lot in self.assumed.remove(workload):
            for row, count in lot.rows.items():
                self._deduct(row, lot.requests, -count)
                self.touch(row)
                given += count
        return given

    def _release(self, workload: str, place: ledger.Place, row: int) -> bool:
        taken = self.assumed.take(workload, place, row)
        if taken is None:
            return False
        self._deduct(taken[1], taken[0], -1)
        self.touch(taken[1])
        return True

    def _deduct(self, row: int, requests: Requests, count: int, device: int = -1) -> None:
        if self.devices is None:
            for index, amount in requests:
                self.single[index][row] -= amount * count
            return
        for index, amount in requests:
            if index not in self._shares:
                self.single[index][row] -= amount * count
        self._take_devices(self.devices, row, requests, count, device)
        self._recount_devices(row)

    # Devices

    def _share_out(self, resource: str, name: str) -> None:
        """From now on this resource's devices are told apart."""
        self._shares[self._resource(name)] = self._resource(resource)
        if self.devices is None:
            self.devices = devices.Devices(self.capacity)
            for row in range(self.rows):
                self.devices.resize(row, self._devices_of(row)[1])
            for pod in self._pods.values():
                self._take_devices(self.devices, pod.row, pod.requests, 1)
            for requests, row, count in self.assumed.all():
                self._take_devices(self.devices, row, requests, count)
        for row in range(self.rows):
            self._recount_devices(row)

    def _devices_of(self, row: int) -> tuple[int, int]:
        """The resource under which a node's devices are told apart, -1 for none, and how many there are."""
        kind = self.facts["kind"].codes[row]
        if kind < 0 or not self.present[row]:
            return -1, 0
        value = self.facts["kind"].values[kind]
        index = self.resources.get(value[0], -1) if isinstance(value, tuple) else -1
        return index, int(self.allocatable[index, row]) if index >= 0 else 0

    def _take_devices(
        self, table: devices.Devices, row: int, requests: Requests, count: int, device: int = -1
    ) -> None:
        own = self._devices_of(row)[0]
        asked = [
            (amount, index in self._shares)
            for index, amount in requests
            if index == own or self._shares.get(index) == own
        ]
        table.change(row, asked, count, device)

    def _recount_devices(self, row: int) -> None:
        own, _ = self._devices_of(row)
        table = self.devices
        for share, whole in self._shares.items():
            if whole == own and table is not None:
                self.single[whole][row] = table.untouched(row)
                self.single[share][row] = table.largest(row)

    def _deduct_all(self, requests: Requests, lot: dict[int, int]) -> None:
        """Deduct replicas from many open nodes at once."""
        if self.devices is not None or len(lot) <= _FEW:
            for row, count in lot.items():
                self._deduct(row, requests, count)
                self.touch(row)
            return
        rows = np.fromiter(lot, np.int64, len(lot))
        counts = np.fromiter(lot.values(), np.int64, len(lot))
        now = self.table.take(rows, 1)
        asked = np.zeros((len(now), 1), np.int64)
        for index, amount in requests:
            asked[FREE + index, 0] = amount
        now -= asked * counts
        now[RANK] = now[RANK] & _MINOR | self._fullness.of_many(rows, now[FREE:]) << _SHIFT
        self.table[:, rows] = now
        self.journal.note_all(rows)

    # Ranks

    def touch(self, row: int) -> None:
        """Rank a row anew after a change to what is free there, and tell the readers."""
        if self._open[row]:
            fill = self._fullness.of(row, self.single)
            self._rank[row] = (fill << ranking.SCORE_SHIFT) | self._minors[row]
        else:
            self._rank[row] = ranking.CLOSED
        self.journal.note(row)

    def settle(self) -> None:
        """Give new nodes their place in the order of names. Decisions call it first."""
        if not self._unordered:
            return
        fresh, self._unordered = self._unordered, []
        numbers, anew = self._order.take_in([self._key(row) for row in fresh])
        for key, number in numbers:
            row = self.row_of[key]
            self._minors[row] = self._minors[row] & ~ranking.NAME_MASK | (ranking.NAME_MASK - number)
            self.touch(row)
        self.version += anew

    def _key(self, row: int) -> tuple[str, str]:
        return self.targets[self.target_of[row]].ref, self.names[row]

    # Room for more

    def _resource(self, name: str) -> int:
        index = self.resources.get(name)
        if index is not None:
            return index
        index, grows = self._lines.add(name)
        self.version += 1
        if grows:
            line = np.zeros((1, self.capacity), np.int64)
            self.table = np.concatenate([self.table, line])
            self._fullness.add_resource()
            self.allocatable = np.concatenate([self.allocatable, line])
            self._bind()
        return index

    def forget_resources(self) -> None:
        """Free the lines of resources that no node has any more and no pod takes."""
        if self._lines.are_many():
            used = set(np.flatnonzero(np.logical_or(self.allocatable.any(1), self.free.any(1))).tolist())
            self._lines.keep(used.union(self._shares, self._shares.values()))
            self.version += 1

    def _grow(self, capacity: int) -> None:
        more = capacity - self.capacity
        self.allocatable = np.pad(self.allocatable, ((0, 0), (0, more)))
        self._fullness.grow(capacity)
        self.table = np.pad(self.table, ((0, 0), (0, more)))
        self.table[:FREE, -more:] = ranking.CLOSED
        for name in ("present", "node_ready", "node_cordoned", "accelerated", "target_of", "_minor"):
            setattr(self, name, np.pad(getattr(self, name), (0, more)))
        for column in self.facts.values():
            column.grow(capacity)
        self.labels.grow(capacity)
        if self.devices is not None:
            self.devices.grow(capacity)
        self._open.extend(bytes(more))
        self.capacity = capacity
        self.version += 1
        self._bind()

    def _bind(self) -> None:
        """Single elements, by resource, are read and written through memoryviews: faster than numpy's own indexing."""
        self.ranks, self.free = self.table[RANK], self.table[FREE:]
        self.single = [each.data for each in self.free]
        self._minors = self._minor.data
        self._rank = self.ranks.data
