"""The whole of what the leader runs: every reconciler in one list. Adding a kind adds one line here."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from suanli_controller.api import names
from suanli_controller.core import demand
from suanli_controller.kube import client, events, informer, kinds, resources
from suanli_controller.reconcile import algorithm, centre, city, cloud, csr, showing, site, workload

log = structlog.get_logger(__name__)

START_SECONDS = 20.0
"""How long the first decision waits for clouds that have not answered yet: what they hold is better known than
not.
"""

Start = Callable[[city.City, showing.Caches], Coroutine[Any, Any, None]]


async def lead(
    hub: client.Client, namespace: str, *, strategy: demand.Strategy | None = None, also: tuple[Start, ...] = ()
) -> None:
    """Reconcile everything until cancelled; `also` runs beside it, with what the leader knows.

    Raises errors.KubeError where the hub cannot be read at all.
    """
    hub_uid = (await hub.get(resources.NAMESPACES, "kube-system")).metadata.uid
    recorder = events.Recorder(hub)
    here = city.City(hub, hub_uid, namespace, recorder)
    items = informer.Informer(hub, kinds.WORKLOADS)
    clouds = informer.Informer(hub, kinds.CLOUDS)
    algorithms = informer.Informer(hub, kinds.ALGORITHMS)
    centres = informer.Informer(hub, kinds.CENTRES)
    secrets = informer.Informer(hub, resources.SECRETS.metadata_only, namespace=namespace)
    try:
        here.add_cluster(city.HUB, hub)
        priorities = here.carriers[city.HUB].there.priority_classes
        units = centre.Units(centres)
        for_clouds = cloud.Clouds(here, clouds, secrets, units)
        for_sites = site.Sites(here, recorder, units)
        for_centre = centre.Centre(here, centres, clouds, for_sites.sites)
        for_workloads = workload.Workloads(here, items, priorities, algorithms, strategy)
        async with asyncio.TaskGroup() as tasks:
            for each in (items, clouds, algorithms, centres, secrets, here.sources, recorder):
                tasks.create_task(each.run())
            await asyncio.gather(*(each.synced.wait() for each in (clouds, secrets)))
            for_clouds.introduce()
            tasks.create_task(for_clouds.run())
            tasks.create_task(for_sites.run())
            tasks.create_task(for_centre.run())
            tasks.create_task(algorithm.Algorithms(hub, algorithms, items).run())
            tasks.create_task(csr.CertificateRequests(hub, recorder).run())
            caches = showing.Caches(centres, clouds, for_sites.sites, items, algorithms)
            for start in also:
                tasks.create_task(start(here, caches))
            await asyncio.gather(*(each.synced.wait() for each in (items, algorithms, for_sites.sites)))
            here.workloads_known = not items.skipped  # what one that cannot be read names is not to be swept away
            await _targets_known(here, for_sites)
            gc.freeze()  # what was read lives long: nobody need look for garbage there
            tasks.create_task(for_workloads.run())
    finally:
        await recorder.flush(final=True)
        await here.close()


async def _targets_known(here: city.City, for_sites: site.Sites) -> None:
    """Wait until every target has been read or has failed to answer; one that hangs is not waited for long."""

    def missing() -> list[str]:
        unread = [ref for ref, state in here.targets.items() if not state.examined]
        sites = (names.target(names.SITE_KIND, name) for name in for_sites.sites.objects)
        hub = [] if here.carriers[city.HUB].there.synced else [city.HUB]
        return [*hub, *unread, *(ref for ref in sites if ref not in here.targets)]

    try:
        async with asyncio.timeout(START_SECONDS):
            while missing():  # noqa: ASYNC110  # several caches and many targets; it is over in a moment
                await asyncio.sleep(0.05)
    except TimeoutError:
        log.warning("starting without all targets", missing=missing())
