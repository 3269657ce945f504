"""What the reconcilers share: the hub, every cluster, and the fleet that the placement reads.

It takes in what the clusters tell, event by event, and wakes whoever is concerned. It decides nothing.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from suanli_controller.api import cloud, core_v1, fields, names
from suanli_controller.core import affinity, capacity, centre, demand, fleet, hardware, places, requests
from suanli_controller.kube import client, events, queue, resources
from suanli_controller.reconcile import carrier, cluster, copies

log = structlog.get_logger(__name__)

HUB = cluster.HUB
FOLLOW_AGAIN_SECONDS = 1.0
REPORT_SECONDS = 0.2
"""How long at least what the clouds report of one workload is gathered: its few pods start within moments of each
other, and each look at a workload costs a millisecond."""
ROUND_SECONDS = 0.5
"""All that was reported is looked at together so often: a look right after another costs half of one by itself."""
TERMS_KEPT = 1000
"""Node affinity terms that are remembered of each target: alike workloads, of which there are many, share them."""
_CONDITION_TAINTS = "node.kubernetes.io/"  # they come and go with a node's conditions

PENDING_SECONDS = 0.5
"""How long room that came free is gathered before waiting workloads are placed anew, all in one pass."""


@dataclass(slots=True)
class TargetState:
    """A Cloud or EdgeSite, its nodes and what their pods request."""

    target: fleet.Target
    cluster: str  # HUB or Cloud/NAME: whose API server carries its objects
    profiles: Sequence[cloud.NodeProfile]
    reader: hardware.Reader
    draining: bool = False  # our replicas should leave
    examined: bool = True  # false: whether it answers is not known yet
    recount: bool = True  # capacity changed since it was written last
    counted: float = float("-inf")  # loop time of the last count
    tally: capacity.Tally = field(default_factory=capacity.Tally)  # of nodes and pods
    _sorts: affinity.Sorts = field(default_factory=affinity.Sorts)
    _terms: tuple[Any, dict[tuple[bytes, str], hardware.Terms]] = (None, {})  # made from what, and by whose wishes

    @property
    def nodes(self) -> Mapping[str, hardware.NodeFacts]:
        """By name."""
        return self.tally.nodes

    @property
    def sorts(self) -> tuple[affinity.Sort, ...]:
        """The sorts of nodes that are there, alike in all that can be selected."""
        return self._sorts.all

    def terms(self, ask: demand.Ask, content: bytes, build: str) -> hardware.Terms:
        """The node affinity terms of an Ask's build here; Asks of equal `content` get the same."""
        made_from = (self.target, self.sorts)
        if not (
            self._terms[0] and all(one is other for one, other in zip(self._terms[0], made_from, strict=True))
        ):
            self._terms = (made_from, {})
        known = self._terms[1]
        found = known.get((content, build))
        if found is None:
            if len(known) >= TERMS_KEPT:
                known.clear()
            found = known[content, build] = affinity.node_terms(ask, build, self.target, self.sorts)
        return found

    def put(self, name: str, facts: hardware.NodeFacts | None) -> None:
        """Take in a node, or that it is gone."""
        self._sorts.change(self.nodes.get(name), facts)
        self.tally.put(name, facts)
        self.recount = True

    def count(self, units: centre.UnitTable | None) -> list[fields.ClassCapacity]:
        """Capacity by class, for a status; until something changes it need not be counted again."""
        self.recount = False
        return capacity.status(self.tally.by_class(), units)

    def is_told_otherwise(self, facts: hardware.NodeFacts) -> bool:
        """Whether of a node something is new that no placement reads: its selectors, say, when another node's facts
        come to differ from what a profile says of both.
        """
        before = self.nodes.get(facts.name)
        if before is None or before.capacity != facts.capacity:
            return True
        if before.selectors is facts.selectors:
            return False  # nodes that are alike share them
        return before.selectors != facts.selectors or before.conflicts != facts.conflicts

    def request(self, node: str, amounts: Mapping[str, int], sign: int) -> None:
        """Add (1) or take away (-1) what a pod requests on a node."""
        self.tally.request(node, amounts, sign)
        self.recount = True


@dataclass(frozen=True, slots=True)
class _Bound:
    """A pod that holds resources."""

    cluster: str  # whose API server showed it last
    target: str
    node: str
    requests: Mapping[str, int]


class City:
    """See the module. One event loop; what it holds is read between awaits."""

    def __init__(self, hub: client.Client, hub_uid: str, namespace: str, recorder: events.Recorder) -> None:
        self.hub = hub
        self.hub_uid = hub_uid
        self.namespace = namespace  # the controller's own, where clouds' Secrets are
        self.recorder = recorder
        self.fleet = fleet.Fleet()
        self.sources = copies.Sources(hub, self._source_changed)
        self.targets: dict[str, TargetState] = {}
        self.carriers: dict[str, carrier.Carrier] = {}  # by cluster
        self.workloads: queue.WorkQueue[str] = queue.WorkQueue("workload")
        self.clouds: queue.WorkQueue[str] = queue.WorkQueue("cloud")
        self.sites: queue.WorkQueue[str] = queue.WorkQueue("site")
        self.keys: dict[str, str] = {}  # workload uid -> namespace/name
        self.references: dict[
            str, dict[str, Mapping[copies.Reference, bool]]
        ] = {}  # namespace -> uid -> what it names
        self.workloads_known = False  # every workload was read when we began: what none names can go
        self.waiting: set[str] = set()  # keys of workloads that more room or other nodes would change
        self.cleared: set[str] = set()  # Clouds that were removed with all that they had of ours
        self.local = ""  # the Cloud that is the hub's own ordinary nodes, Cloud/NAME
        self._bound: dict[str, _Bound] = {}  # pod uid -> where it is counted
        self._early: dict[str, set[str]] = {}  # node of the hub that is not known yet -> keys of pods on it
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pending: asyncio.TimerHandle | None = None
        self._everyone = False  # whether those to be looked at soon are all workloads

    # --- clusters and targets

    def add_cluster(self, ref: str, api: client.Client) -> cluster.Cluster:
        """Call a cluster until `remove_cluster`. What is there is read, and objects are carried there, from its `begin`
        on: of the hub at once.
        """
        api.guard = self.hub.guard  # who no longer leads the hub writes to no cloud either
        there = cluster.Cluster(ref, api, self.hub_uid, self)
        self.carriers[ref] = carrier.Carrier(there, self.sources, self.hub_uid, self._named, self._wake_uid)
        if ref == HUB:
            there.begin()
        self._tasks[ref] = asyncio.create_task(self._follow(ref), name=f"cluster {ref}")
        return there

    async def _follow(self, ref: str) -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self.carriers[ref].there.run())
                    tasks.create_task(self.carriers[ref].run())
            except* Exception:  # a fault of ours: a cluster that nobody follows would look as it did for ever
                log.exception("cluster no longer followed; following it again", cluster=ref)
            await asyncio.sleep(FOLLOW_AGAIN_SECONDS)

    async def remove_cluster(self, ref: str) -> None:
        """Let go of a cluster. Its nodes leave the fleet: some may be gone before it is followed again."""
        task = self._tasks.pop(ref)
        task.cancel()
        await asyncio.wait([task])
        there = self.carriers.pop(ref).there
        for pod in list(there.pods.objects.values()):
            self.pod_changed(there, pod, None)
        for node in list(there.nodes.objects.values()):
            self.node_changed(there, node, None)
        there.drop()
        await there.api.close()

    async def close(self) -> None:
        """Let go of every cluster; the hub's own client stays open."""
        for ref in [each for each in self.carriers if each != HUB]:
            await self.remove_cluster(ref)
        if task := self._tasks.pop(HUB, None):
            task.cancel()
            await asyncio.wait([task])

    def cluster_of(self, target: str) -> cluster.Cluster | None:
        """The cluster that carries a target's objects; none while it has never been reached."""
        state = self.targets.get(target)
        found = self.carriers.get(state.cluster) if state else None
        return found.there if found else None

    def set_target(
        self, target: fleet.Target, at: str, profiles: Sequence[cloud.NodeProfile] = (), *, draining: bool = False
    ) -> None:
        """Take in what is said about a target; its nodes are told apart anew where that changes them."""
        if self._take_target(target, at, profiles, draining=draining):
            self._read_again(at)

    def set_targets(self, targets: Iterable[fleet.Target], at: str) -> None:
        """Take in many targets of one cluster, whose nodes are read once for all of them."""
        new = [each.ref for each in targets if self._take_target(each, at, (), draining=False)]
        if new:
            self._read_again(at)

    def _take_target(
        self, target: fleet.Target, at: str, profiles: Sequence[cloud.NodeProfile], *, draining: bool
    ) -> bool:
        """Whether the nodes of its cluster are to be told apart anew."""
        state = self.targets.get(target.ref)
        known = state is not None and state.profiles == profiles and state.cluster == at
        if target.local and self.local != target.ref:
            self.local, known = target.ref, False
        if state is None:
            state = TargetState(target, at, profiles, hardware.Reader(target.ref, profiles))
            self.targets[target.ref] = state
            self.cleared.discard(target.ref)
        elif not known:
            state.reader = hardware.Reader(target.ref, profiles)
        if state.target != target:  # an equal one stays the same: what was made from it holds
            state.target = target
        state.cluster, state.profiles, state.draining = at, profiles, draining
        before = self.fleet.target(target.ref)
        if self.fleet.upsert_target(target):  # those who ask for a quick link wait for a better one
            self.wake_waiting(everyone=before is not None and not before.but_for_link(target))
        return not known

    def remove_target(self, ref: str) -> None:
        """Forget a target and its nodes."""
        state = self.targets.pop(ref, None)
        if state is not None:
            self.fleet.remove_target(ref)
            self.local = "" if self.local == ref else self.local
            self._read_again(state.cluster)
            self.wake_waiting()

    def _read_again(self, at: str) -> None:
        found = self.carriers.get(at)
        if found is None:
            return
        for node in list(found.there.nodes.objects.values()):
            self.node_changed(found.there, node, node)
        for pod in list(found.there.pods.objects.values()):
            self.pod_changed(found.there, pod, pod)

    def target_of(self, there: cluster.Cluster, node: core_v1.Node) -> str:
        """Which target a node belongs to; empty where to none."""
        if there.ref != HUB:
            return there.ref
        site = node.metadata.labels.get(names.SITE_LABEL)
        return names.target(names.SITE_KIND, site) if site else self.local

    # --- Ears: what the clusters tell

    def node_changed(self, there: cluster.Cluster, old: core_v1.Node | None, new: core_v1.Node | None) -> None:
        """Take a node into the fleet, or out of it."""
        before = self.targets.get(self.target_of(there, old)) if old is not None else None
        after = self.targets.get(self.target_of(there, new)) if new is not None else None
        if before is not None and old is not None and before is not after:
            before.put(old.metadata.name, None)
            self.fleet.remove_node(before.target.ref, old.metadata.name)
        if after is not None and new is not None:
            facts = after.reader.read(new)
            if self.fleet.upsert_node(facts) or after.is_told_otherwise(facts):
                known = after.nodes.get(facts.name)
                after.put(facts.name, facts)
                self.wake_waiting(everyone=known is not None and _admits(known) != _admits(facts))
        if there.ref == HUB and before is not after:
            self._recount_pods(there, new or old, moved=before is not None)

    def _recount_pods(self, there: cluster.Cluster, node: core_v1.Node | None, *, moved: bool) -> None:
        """Count the pods of a node of the hub that came after them, or went from one target to another."""
        name = node.metadata.name if node is not None else ""
        early = self._early.pop(name, set())
        for key in list(there.pods.objects) if moved else early:
            pod = there.pods.objects.get(key)
            if pod is not None and pod.spec.node_name == name:
                self.pod_changed(there, pod, pod)

    def pod_changed(self, there: cluster.Cluster, old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        """Count a pod where it is bound, while it holds resources."""
        uid = (new or old).metadata.uid  # type: ignore[union-attr]  # one of them is given
        before = self._bound.get(uid)
        after = self._bound_now(there, new)
        if new is None and old is not None:
            self._forget_early(old)
            if before is not None and before.cluster != there.ref:
                return  # it was seen elsewhere since, as this cluster's mark went over to another Cloud
        if before == after:
            self._watch_unbound(new)
            return
        if before is not None:
            self._count(before, -1)
            self.wake_waiting()
        if after is None or new is None:
            self._bound.pop(uid, None)
            self.fleet.remove_pod(uid)
        else:
            self._bound[uid] = after
            self._count(after, 1)
            self.fleet.set_pod(uid, after.target, after.node, after.requests, places.owner_of(new))

    def _bound_now(self, there: cluster.Cluster, pod: core_v1.Pod | None) -> _Bound | None:
        amounts = requests.of_pod(pod) if pod is not None and pod.spec.node_name else {}
        if pod is None or not amounts:
            return None
        node = there.nodes.get(pod.spec.node_name)
        if node is None and there.ref == HUB:
            # which target's it is, is not known before its node is; then it is counted
            self._early.setdefault(pod.spec.node_name, set()).add(resources.key_of(pod))
            return None
        target = there.ref if node is None else self.target_of(there, node)
        return _Bound(there.ref, target, pod.spec.node_name, amounts) if target in self.targets else None

    def _forget_early(self, pod: core_v1.Pod) -> None:
        waiting = self._early.get(pod.spec.node_name)
        if waiting is not None:
            waiting.discard(resources.key_of(pod))
            if not waiting:
                del self._early[pod.spec.node_name]

    def _count(self, pod: _Bound, sign: int) -> None:
        state = self.targets.get(pod.target)
        if state is not None:
            state.request(pod.node, pod.requests, sign)

    def _watch_unbound(self, pod: core_v1.Pod | None) -> None:
        """A pod of ours that its scheduler cannot bind concerns its workload."""
        if pod is not None and not pod.spec.node_name and pod.status.conditions:
            self._wake_uid(pod.metadata.labels.get(names.WORKLOAD_UID_LABEL, ""))

    def object_changed(self, there: cluster.Cluster, workload_uid: str, *, status_alone: bool, told: bool) -> None:
        """Look whether it is as it should be, and report it."""
        if there.ref in self.carriers and not status_alone:
            self.carriers[there.ref].look(workload_uid)
        if told and (key := self.keys.get(workload_uid)):
            self.workloads.add_after(key, _next_round(time.monotonic()))

    def copy_changed(self, there: cluster.Cluster, kind: str, namespace: str, name: str) -> None:
        """Look whether the copy is as it should be."""
        if there.ref in self.carriers:
            self._look_for((self.carriers[there.ref],), kind, namespace, name)

    def _source_changed(self, kind: str, namespace: str, name: str) -> None:
        self._look_for(self.carriers.values(), kind, namespace, name)

    def _look_for(self, carriers: Iterable[carrier.Carrier], kind: str, namespace: str, name: str) -> None:
        concerned = [uid for uid, named in self.references.get(namespace, {}).items() if (kind, name) in named]
        for each in carriers:
            for uid in concerned:
                each.look(uid)

    def state_changed(self, there: cluster.Cluster) -> None:
        """A cluster came, fell silent, or answers again."""
        if there.ref == HUB:
            for ref in self.targets_at(HUB):
                (self.clouds if ref == self.local else self.sites).add(ref.partition("/")[2])
        else:
            self.clouds.add(there.ref.partition("/")[2])
        found = self.carriers.get(there.ref)
        if found is not None and there.ready:
            found.look_at_all()

    def targets_at(self, at: str) -> Iterator[str]:
        """The targets whose objects a cluster carries."""
        return (ref for ref, state in self.targets.items() if state.cluster == at)

    # --- waking

    def _wake_uid(self, workload_uid: str) -> None:
        if key := self.keys.get(workload_uid):
            self.workloads.add(key)

    def wake_waiting(self, *, everyone: bool = False) -> None:
        """Room may have come free: look at all that waits for it, soon and together. `everyone`: what has its place
        may not stay there, for a target or a node takes others than before.
        """
        self._everyone |= everyone
        if (self.waiting or self._everyone) and self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(PENDING_SECONDS, self._wake_now)

    def _wake_now(self) -> None:
        self._pending, everyone, self._everyone = None, self._everyone, False
        for key in self.keys.values() if everyone else self.waiting:
            self.workloads.add(key)

    def wake_workloads(self) -> None:
        """Something concerns every workload: a cloud came, fell silent or drains."""
        for key in self.keys.values():
            self.workloads.add(key)

    def _named(self, namespace: str) -> Collection[copies.Reference] | None:
        if not self.workloads_known:
            return None
        return {each for named in self.references.get(namespace, {}).values() for each in named}


def _admits(node: hardware.NodeFacts) -> tuple[object, ...]:
    """What of a node decides who may be there: not how much, and not for how long it is out of order."""
    lasting = [each for each in node.taints if not each.key.startswith(_CONDITION_TAINTS)]
    return node.labels, lasting, node.placeable


def _next_round(now: float) -> float:
    """In how many seconds what is reported now is looked at."""
    return REPORT_SECONDS + ROUND_SECONDS - (now + REPORT_SECONDS) % ROUND_SECONDS
