"""What the ComputeCentre's status says, from the statuses of Clouds and EdgeSites. Equal input gives an equal
status.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from suanli_controller.api import centre as api
from suanli_controller.api import cloud, meta, names, site
from suanli_controller.core import capacity, centre, conditions, quantity

UNREADABLE = "StatusUnreadable"
COUNTED = "Counted"


def holdings(places: Iterable[cloud.Cloud | site.EdgeSite]) -> list[centre.Holding]:
    """The classes of every place. Raises quantity.QuantityError for a status that no Suanli wrote."""
    return [holding for place in places for holding in _of_place(place)]


def _of_place(place: cloud.Cloud | site.EdgeSite) -> Iterable[centre.Holding]:
    tier = place.spec.tier if isinstance(place, cloud.Cloud) else "Edge"
    for key, amounts in capacity.from_status(place.status.classes).items():
        yield centre.Holding(
            target=names.target(place.kind, place.metadata.name),
            tier=tier,
            district=place.spec.district,
            provider=place.spec.provider,
            class_key=key,
            amounts=amounts,
        )


def status_of(
    item: api.ComputeCentre, clouds: Sequence[cloud.Cloud], sites: Sequence[site.EdgeSite], now: dt.datetime
) -> api.ComputeCentreStatus:
    """The whole status."""
    readable, unreadable = _readable([*clouds, *sites])
    table, domestic = centre.table_of(item.spec), centre.domestic_of(item.spec)
    counted = [centre.counted(each, table, domestic) for each in holdings(readable)]
    whole = centre.group(counted, ()).get((), centre.Amounts())
    by_class = {key[0]: amounts for key, amounts in centre.group(counted, ("class",)).items()}
    found = [_ready(unreadable)]
    return api.ComputeCentreStatus(
        observed_generation=item.metadata.generation,
        conditions=conditions.merged(item.status.conditions, found, item.metadata.generation, now),
        clouds=len(clouds),
        ready_clouds=sum(_is_ready(each.status.conditions) for each in clouds),
        sites=len(sites),
        boxes=sum(each.status.boxes for each in sites),
        classes=capacity.status(by_class, table),
        tiers=_tiers(counted),
        districts=_districts(counted),
        domestic_permille=centre.domestic_permille(whole),
    )


def _readable(
    places: Iterable[cloud.Cloud | site.EdgeSite],
) -> tuple[list[cloud.Cloud | site.EdgeSite], list[str]]:
    readable, unreadable = [], []
    for place in places:
        try:
            capacity.from_status(place.status.classes)
        except quantity.QuantityError as error:
            unreadable.append(f"{names.target(place.kind, place.metadata.name)}: {error}")
        else:
            readable.append(place)
    return readable, unreadable


def _ready(unreadable: Sequence[str]) -> meta.Condition:
    if unreadable:
        return conditions.make(names.READY, "False", UNREADABLE, "not counted: " + "; ".join(unreadable))
    return conditions.make(names.READY, "True", COUNTED, "every cloud and site is counted")


def _is_ready(found: Iterable[meta.Condition]) -> bool:
    ready = conditions.get(found, names.READY)
    return ready is not None and ready.status == "True"


def _tiers(counted: Sequence[centre.Holding]) -> list[api.TierTotal]:
    return [
        api.TierTotal(key[0], amounts.units.milli, amounts.units.gigaflops_fp16)  # type: ignore[arg-type]  # a Tier
        for key, amounts in centre.group(counted, ("tier",)).items()
    ]


def _districts(counted: Sequence[centre.Holding]) -> list[api.DistrictTotal]:
    found = [
        api.DistrictTotal(key[0], amounts.units.milli, amounts.units.gigaflops_fp16)
        for key, amounts in centre.group(counted, ("district",)).items()
    ]
    return found[:_MOST_DISTRICTS]


_MOST_DISTRICTS = 256  # what the CRD allows
