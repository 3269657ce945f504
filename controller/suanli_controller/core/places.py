"""From Clouds and EdgeSites to targets of the placement, from pods to whose they are."""

from collections.abc import Iterable

from suanli_controller.api import cloud, core_v1, names, site
from suanli_controller.core import conditions, fleet


def of_cloud(
    item: cloud.Cloud, *, ready: bool, rtt_microseconds: int | None, local: bool | None = None
) -> fleet.Target:
    """`local` False: a Cloud that asks for the hub's own nodes and does not have them, for another has."""
    spec = item.spec
    return fleet.Target(
        ref=names.target(names.CLOUD_KIND, item.metadata.name),
        tier=spec.tier,
        district=spec.district,
        provider=spec.provider,
        zone=spec.zone,
        clearance=spec.clearance,
        cordoned=spec.cordoned,
        ready=ready,
        rtt_microseconds=rtt_microseconds,
        labels=item.metadata.labels,
        local=spec.access.local is not None if local is None else local,
    )


def as_reported(item: cloud.Cloud) -> fleet.Target:
    """As its own status says; a Cloud without status, one that is only thought of, is ready."""
    condition = conditions.get(item.status.conditions, names.READY)
    network = item.status.network
    rtt = network.rtt_microseconds if network and network.rtt_microseconds else None
    return of_cloud(item, ready=condition is None or condition.status == "True", rtt_microseconds=rtt)


def local_cloud(items: Iterable[cloud.Cloud]) -> str:
    """The Cloud that is the hub's own nodes: they can be counted once, so the oldest has them. Empty: none."""
    local = [each.metadata for each in items if each.spec.access.local is not None]
    return min(local, key=lambda meta: (str(meta.creation_timestamp), meta.name)).name if local else ""


def of_site(item: site.EdgeSite) -> fleet.Target:
    """The hub's own cluster holds its boxes, so it is reached when the hub is."""
    spec = item.spec
    return fleet.Target(
        ref=names.target(names.SITE_KIND, item.metadata.name),
        tier="Edge",
        district=spec.district,
        provider=spec.provider,
        zone=spec.zone,
        clearance=spec.clearance,
        cordoned=spec.cordoned,
        labels=item.metadata.labels,
    )


def owner_of(pod: core_v1.Pod) -> fleet.Owner | None:
    """Whose replica a pod is, of ours."""
    uid = pod.metadata.labels.get(names.WORKLOAD_UID_LABEL)
    return fleet.Owner(uid, pod.metadata.labels.get(names.VARIANT_LABEL, "")) if uid else None
