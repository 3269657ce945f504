"""What the leader knows, told to the view: only what changed, gathered for a moment. It decides nothing.

Nodes and pods are heard of as the clusters' caches hear of them; rows are made in the next round, after the
city has taken the events in.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from suanli_controller.api import algorithm, centre, cloud, core_v1, names, site, workload
from suanli_controller.core import centre as totals
from suanli_controller.kube import informer, resources
from suanli_controller.reconcile import city, cluster
from suanli_controller.view import board, rows

log = structlog.get_logger(__name__)

ROUND_SECONDS = 0.5
"""A change is on the wall within a second or two, and a burst of them costs one round."""
COUNT_SECONDS = 1.0
"""A target's row is made anew at most so often."""


@dataclass(frozen=True, slots=True)
class Caches:
    """Live copies of our own kinds on the hub."""

    centres: informer.Informer[centre.ComputeCentre]
    clouds: informer.Informer[cloud.Cloud]
    sites: informer.Informer[site.EdgeSite]
    workloads: informer.Informer[workload.ComputeWorkload]
    algorithms: informer.Informer[algorithm.Algorithm]


@dataclass(slots=True)
class _Followed:
    """A cluster whose nodes and pods are heard of: names of nodes to look at, and where each was shown last."""

    there: cluster.Cluster
    touched: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)  # node -> target

    def node_changed(self, old: core_v1.Node | None, new: core_v1.Node | None) -> None:
        self.touched.add((new or old).metadata.name)  # type: ignore[union-attr]  # one of them is given

    def pod_changed(self, old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        for pod in (old, new):
            if pod is not None and pod.spec.node_name:
                self.touched.add(pod.spec.node_name)


class Showing:
    """Keeps `shown` up to date with the city and the caches; `run` until cancelled."""

    def __init__(self, here: city.City, caches: Caches, shown: board.Board) -> None:
        self.city = here
        self.caches = caches
        self.board = shown
        self._followed: dict[str, _Followed] = {}
        self._recount: dict[str, float] = {}  # target -> when it was counted last
        self._stale: set[str] = set()  # targets whose row is to be made anew
        self._table = (totals.UnitTable(), totals.DomesticList())

    async def run(self) -> None:
        """Follow the caches and bring the board up to date, round by round."""
        self.caches.centres.subscribe(self._centre_changed)
        self.caches.clouds.subscribe(self._target_handler(names.CLOUD_KIND))
        self.caches.sites.subscribe(self._target_handler(names.SITE_KIND))
        self.caches.workloads.subscribe(self._row_handler("workloads", rows.of_workload))
        self.caches.algorithms.subscribe(self._row_handler("algorithms", rows.of_algorithm))
        while True:
            began = time.monotonic()
            try:
                self.look()
            except Exception:  # the wall may be wrong for a while; deciding must go on
                log.exception("a round of the view failed")
            if (took := time.monotonic() - began) > ROUND_SECONDS / 2:
                log.info("a round of the view took long", seconds=round(took, 2))
            await asyncio.sleep(ROUND_SECONDS)

    # --- hearing

    def _centre_changed(self, _: centre.ComputeCentre | None, new: centre.ComputeCentre | None) -> None:
        if new is not None and new.metadata.name != names.CENTRE_NAME:
            return
        self.board.put_centre(rows.of_centre(new) if new is not None else None)
        table = (totals.table_of(new.spec), totals.domestic_of(new.spec)) if new is not None else _NO_TABLE
        if table != self._table:
            self._table = table
            self._stale.update(self.city.targets)

    def _target_handler(self, kind: str) -> Callable[[Any, Any], None]:
        def changed(old: Any, new: Any) -> None:
            ref = names.target(kind, (new or old).metadata.name)
            self._stale.add(ref)
            if old is None or new is None or old.metadata.generation != new.metadata.generation:
                self._touch_all(ref)

        return changed

    def _row_handler(self, table: str, make: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
        def changed(old: Any, new: Any) -> None:
            if new is not None:
                self.board.put(make(new))
            else:
                self.board.drop(table, resources.key_of(old))

        return changed

    def _touch_all(self, ref: str) -> None:
        """Look at every node that may be the target's: a profile or the local cloud tells nodes apart anew."""
        state = self.city.targets.get(ref)
        for each in self._followed.values():
            if each.there.ref in (city.HUB, state.cluster if state else ref):
                each.touched.update(node.metadata.name for node in each.there.nodes.objects.values())

    # --- looking

    def look(self) -> None:
        """One round: follow new clusters, make rows of touched nodes, count their targets."""
        self._follow_clusters()
        for each in self._followed.values():
            touched, each.touched = each.touched, set()
            for name in touched:
                self._show_node(each, name)
        now = time.monotonic()
        due = {ref for ref in self._stale if now - self._recount.get(ref, float("-inf")) >= COUNT_SECONDS}
        self._stale -= due
        for ref in due:
            self._recount[ref] = now
            self._show_target(ref)

    def _follow_clusters(self) -> None:
        for ref in [ref for ref in self._followed if ref not in self.city.carriers]:
            self._leave(self._followed.pop(ref))
        for ref, carrier in self.city.carriers.items():
            before = self._followed.get(ref)
            if before is not None and before.there is carrier.there:
                continue
            if before is not None:
                self._leave(before)
            found = self._followed[ref] = _Followed(carrier.there)
            carrier.there.nodes.subscribe(found.node_changed)
            carrier.there.pods.subscribe(found.pod_changed)

    def _leave(self, gone: _Followed) -> None:
        """The rows of a cluster that is followed no more stay while its target does: silence is not absence."""
        for name, ref in gone.shown.items():
            if ref not in self.city.targets:
                self.board.drop("nodes", f"{ref}/{name}")
                self._stale.add(ref)

    def _show_node(self, at: _Followed, name: str) -> None:
        node = at.there.nodes.get(name)
        ref = self.city.target_of(at.there, node) if node is not None else ""
        state = self.city.targets.get(ref)
        facts = state.nodes.get(name) if state is not None else None
        before = at.shown.pop(name, "")
        if before and (before != ref or facts is None):
            self.board.drop("nodes", f"{before}/{name}")
            self._stale.add(before)
        if node is not None and state is not None and facts is not None:
            self.board.put(rows.of_node(facts, node, state.tally.requested_on(name)))
            at.shown[name] = ref
            self._stale.add(ref)

    def _show_target(self, ref: str) -> None:
        kind, _, name = ref.partition("/")
        is_cloud = kind == names.CLOUD_KIND
        item: Any = (self.caches.clouds if is_cloud else self.caches.sites).get(name)
        if item is None:
            self.board.replace_nodes(ref, ())
            self.board.drop("clouds" if is_cloud else "sites", name)
            self._recount.pop(ref, None)
            return
        state = self.city.targets.get(ref)
        counted = state.tally.by_class() if state else {}
        make: Callable[..., Any] = rows.of_cloud if is_cloud else rows.of_site
        self.board.put(make(item, rows.of_classes(counted, *self._table)))


_NO_TABLE = (totals.UnitTable(), totals.DomesticList())
