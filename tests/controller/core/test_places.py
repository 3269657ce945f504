"""From Clouds and EdgeSites to targets: whose the hub's own nodes are."""

import datetime as dt

from suanli_controller.api import cloud, meta, site
from suanli_controller.core import places


def local(name: str, day: int) -> cloud.Cloud:
    made = dt.datetime(2026, 1, day, tzinfo=dt.UTC)
    access = cloud.CloudAccess(local=cloud.LocalAccess())
    return cloud.Cloud(
        metadata=meta.ObjectMeta(name=name, creation_timestamp=made),
        spec=cloud.CloudSpec(access=access, tier="Municipal", clearance="General"),
    )


def test_the_oldest_local_cloud_has_the_hubs_own_nodes() -> None:
    assert places.local_cloud([local("b", 1), local("a", 2)]) == "b"


def test_a_site_never_has_the_hubs_ordinary_nodes() -> None:
    """Its boxes carry its label; whoever is `local` gets every node that carries none."""
    north = site.EdgeSite(metadata=meta.ObjectMeta(name="north"), spec=site.EdgeSiteSpec())
    assert not places.of_site(north).local


def test_of_two_local_clouds_the_second_has_no_nodes() -> None:
    second = places.of_cloud(local("a", 2), ready=False, rtt_microseconds=None, local=False)
    assert not second.local
