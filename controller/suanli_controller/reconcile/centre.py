"""ComputeCentre: the city's totals, written at most every 30 seconds and only when they changed.

    observe (statuses of Clouds and EdgeSites, from the caches) -> add up -> write

The table of compute units is read here too, by whoever counts in units.
"""

import asyncio
import contextlib
import datetime as dt
from typing import Any

import structlog

from suanli_controller.api import centre, cloud, names, site
from suanli_controller.core import centre as totals
from suanli_controller.core import centre_status
from suanli_controller.kube import errors, informer, kinds
from suanli_controller.reconcile import city, writing

log = structlog.get_logger(__name__)

WRITE_SECONDS = 30.0
"""Between two writes: a hundred clouds whose pods come and go would write all day."""
SETTLE_SECONDS = 0.5
"""After a change of the spec, so that its Clouds can count anew first."""


class Units:
    """The ComputeCentre's table of compute units, for whoever counts in them: call it; None without a
    ComputeCentre.
    """

    def __init__(self, items: informer.Informer[centre.ComputeCentre]) -> None:
        self._table: totals.UnitTable | None = None
        items.subscribe(self._item_changed)

    def __call__(self) -> totals.UnitTable | None:
        return self._table

    def _item_changed(self, _: centre.ComputeCentre | None, new: centre.ComputeCentre | None) -> None:
        self._table = totals.table_of(new.spec) if new is not None else None


class Centre:
    """The reconciler of the one ComputeCentre."""

    def __init__(
        self,
        here: city.City,
        items: informer.Informer[centre.ComputeCentre],
        clouds: informer.Informer[cloud.Cloud],
        sites: informer.Informer[site.EdgeSite],
    ) -> None:
        self.city = here
        self.items = items
        self.clouds = clouds
        self.sites = sites
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        items.subscribe(self._item_changed)
        clouds.subscribe(self._place_changed)
        sites.subscribe(self._place_changed)

    def _item_changed(self, old: centre.ComputeCentre | None, new: centre.ComputeCentre | None) -> None:
        if old is None or new is None or old.metadata.generation != new.metadata.generation:
            self._count_places_anew()
            self._urgent.set()
            self._changed.set()

    def _count_places_anew(self) -> None:
        for ref, state in self.city.targets.items():
            state.recount = True
            kind, _, name = ref.partition("/")
            (self.city.clouds if kind == names.CLOUD_KIND else self.city.sites).add(name)

    def _place_changed(self, _: Any, __: Any) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Add up and write until cancelled."""
        await asyncio.gather(*(each.synced.wait() for each in (self.items, self.clouds, self.sites)))
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            self._urgent.clear()
            try:
                await self.reconcile()
            except errors.KubeError as error:
                log.warning("centre not written", error=str(error), retry_seconds=WRITE_SECONDS)
                self._changed.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), WRITE_SECONDS)

    async def reconcile(self) -> None:
        """Observe, add up, write. Raises errors.KubeError."""
        item = self.items.get(names.CENTRE_NAME)
        if item is None:
            return
        clouds, sites = list(self.clouds.objects.values()), list(self.sites.objects.values())
        status = centre_status.status_of(item, clouds, sites, dt.datetime.now(dt.UTC))
        if status != item.status:
            await writing.status(self.city.hub, kinds.CENTRES, item, status)
            log.info("centre written", clouds=status.clouds, domestic_permille=status.domestic_permille)
