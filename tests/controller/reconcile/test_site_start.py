"""What a leader knows of sites before it has looked at any."""

import asyncio
from typing import Any

import msgspec
import pytest

from suanli_controller.api import core_v1, names, site
from suanli_controller.reconcile import carrier, city, cluster
from suanli_controller.reconcile import site as sites

COUNT = 20


class Hub:
    """Stands in for client.Client: nothing is asked of it."""


@pytest.fixture
def here() -> city.City:
    hub: Any = Hub()
    made = city.City(hub, "hub", "suanli-system", hub)
    there = cluster.Cluster(city.HUB, hub, "hub", made)
    made.carriers[city.HUB] = carrier.Carrier(there, made.sources, "hub", lambda _: None, lambda _: None)
    return made


def box(number: int) -> core_v1.Node:
    labels = {names.SITE_LABEL: f"s{number}"}
    return msgspec.convert({"metadata": {"name": f"box-{number}", "labels": labels}}, core_v1.Node)


async def test_all_sites_are_known_before_the_first_is_looked_at(
    here: city.City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at one takes many requests. Till then work at the others would count as work to be taken away; and the
    nodes are read once, not once for each site.
    """
    recorder: Any = Hub()
    reconciler = sites.Sites(here, recorder)
    hub = here.carriers[city.HUB].there
    known: asyncio.Queue[dict[str, list[str]]] = asyncio.Queue()

    async def look(_: str) -> None:
        known.put_nowait({ref: list(state.nodes) for ref, state in here.targets.items()})

    monkeypatch.setattr(reconciler, "reconcile", look)
    for number in range(COUNT):
        hub.nodes._put(box(number))
        reconciler.sites._put(msgspec.convert({"metadata": {"name": f"s{number}"}}, site.EdgeSite))
    read: list[str] = []
    monkeypatch.setattr(here, "node_changed", counting(read, here.node_changed))
    for informer in (reconciler.sites, hub.nodes):
        informer.synced.set()
    reconciler.queue.add("s0")
    work = asyncio.ensure_future(reconciler._work())
    try:
        found = await asyncio.wait_for(known.get(), 10)
    finally:
        work.cancel()
    assert found == {f"EdgeSite/s{number}": [f"box-{number}"] for number in range(COUNT)}
    assert len(read) == COUNT


def counting(read: list[str], told: Any) -> Any:
    def node_changed(there: Any, old: Any, new: Any) -> None:
        read.append(new.metadata.name)
        told(there, old, new)

    return node_changed
