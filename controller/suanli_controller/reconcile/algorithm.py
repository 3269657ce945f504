"""Algorithm: who takes builds from an entry of the catalogue, and whether the entry can be used.

    observe (the entry, and the workloads that refer to it) -> count -> write

What a workload takes from the catalogue is decided where the workload is reconciled.
"""

import asyncio
import datetime as dt
from collections.abc import Iterable

import structlog

from suanli_controller.api import algorithm, workload
from suanli_controller.core import algorithm_status
from suanli_controller.kube import client, errors, informer, kinds, queue
from suanli_controller.reconcile import writing

log = structlog.get_logger(__name__)

SETTLE_SECONDS = 2.0
"""Counts that move during a rollout are gathered so long."""


class Algorithms:
    """The reconciler of all Algorithms."""

    def __init__(
        self,
        hub: client.Client,
        items: informer.Informer[algorithm.Algorithm],
        workloads: informer.Informer[workload.ComputeWorkload],
    ) -> None:
        self.hub = hub
        self.items = items
        self.workloads = workloads
        self.queue: queue.WorkQueue[str] = queue.WorkQueue("algorithm")
        self._users = workloads.index(_algorithm_of)
        items.subscribe(self._item_changed)
        workloads.subscribe(self._workload_changed)

    def _item_changed(self, old: algorithm.Algorithm | None, new: algorithm.Algorithm | None) -> None:
        if new is not None and (old is None or old.metadata.generation != new.metadata.generation):
            self.queue.add(new.metadata.name)

    def _workload_changed(
        self, old: workload.ComputeWorkload | None, new: workload.ComputeWorkload | None
    ) -> None:
        for name in {name for each in (old, new) if each is not None for name in _algorithm_of(each)}:
            self.queue.add_after(name, SETTLE_SECONDS)

    async def run(self) -> None:
        """Reconcile until cancelled."""
        await asyncio.gather(self.items.synced.wait(), self.workloads.synced.wait())
        while True:
            name = await self.queue.get()
            try:
                await self.reconcile(name)
            except errors.NotFound:
                log.debug("gone while being reconciled", algorithm=name)
            except errors.KubeError as error:
                log.warning("algorithm", name=name, error=str(error), retry_in=self.queue.retry(name))
            else:
                self.queue.forget(name)
            finally:
                self.queue.done(name)

    async def reconcile(self, name: str) -> None:
        """Observe, count, write. Raises errors.KubeError."""
        item = self.items.get(name)
        if item is None:
            return
        status = algorithm_status.status_of(item, list(self._users[name].values()), dt.datetime.now(dt.UTC))
        if status != item.status:
            await writing.status(self.hub, kinds.ALGORITHMS, item, status)


def _algorithm_of(item: workload.ComputeWorkload) -> Iterable[str]:
    reference = item.spec.algorithm_ref
    return (reference.name,) if reference is not None else ()
