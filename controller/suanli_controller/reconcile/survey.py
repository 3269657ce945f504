"""One look at all that decides where work goes: the hub and every cloud, read once with the caller's own rights.

Writes nothing. What the controller keeps current by watches, `explain` reads here when it is asked.
"""

import asyncio
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from suanli_controller.api import cloud, core_v1, names
from suanli_controller.core import conditions, places, quantity, what_if
from suanli_controller.kube import client, errors, kinds, resources
from suanli_controller.reconcile import access, observation

REFUSALS = frozenset({names.CLAIMED_BY_OTHER_HUB, names.INVALID_KUBECONFIG, names.VERSION_TOO_OLD})
"""Reasons of a Cloud that the controller refuses: of its cluster, which may be another Cloud's, it reads nothing."""

CLOUD_SECONDS = 20.0
"""How long a cloud may take to list its nodes and pods before it counts as not ready."""

Objects = tuple[list[core_v1.Node], list[core_v1.Pod]]


@dataclass(slots=True)
class Survey:
    """What was found. `full`: by workload uid, targets whose scheduler has long been unable to bind its pods."""

    builder: what_if.Builder = field(default_factory=what_if.Builder)
    full: dict[str, set[str]] = field(default_factory=dict)

    def warn(self, warning: str) -> None:
        self.builder.warn(warning)


async def look(hub: client.Client, namespace: str, now: dt.datetime) -> Survey:
    """Read the hub and every cloud; `namespace` is the controller's own, where the clouds' Secrets are.

    A cloud that cannot be read counts as not ready, and a warning says why. Raises KubeError where the hub cannot
    be read.
    """
    found = Survey()
    inventory = found.builder.inventory
    clouds, sites, workloads, algorithms, priorities = await asyncio.gather(
        hub.list(kinds.CLOUDS),
        hub.list(kinds.SITES),
        hub.list(kinds.WORKLOADS),
        hub.list(kinds.ALGORITHMS),
        hub.list(resources.PRIORITY_CLASSES),
    )
    nodes, pods = await asyncio.gather(hub.list(resources.NODES), hub.list(resources.PODS))
    inventory.clouds = {each.metadata.name: each for each in clouds.items}
    inventory.sites = {each.metadata.name: each for each in sites.items}
    inventory.workloads = {resources.key_of(each): each for each in workloads.items}
    inventory.algorithms = {each.metadata.name: each for each in algorithms.items}
    inventory.priority_classes = {each.metadata.name: each for each in priorities.items}
    found.builder.add_targets()
    _take_hub(found, nodes.items, pods.items, now)
    remote = [
        each
        for each in clouds.items
        if each.spec.access.kubeconfig_secret_ref is not None and not refuses(found, each)
    ]
    read = await asyncio.gather(*(_read(hub, each, namespace) for each in remote), return_exceptions=True)
    for item, objects in zip(remote, read, strict=True):
        _take_cloud(found, item, objects, now)
    return found


def refuses(found: Survey, item: cloud.Cloud) -> bool:
    """Whether the controller has refused a Cloud, which is told; it counts as not ready, and its nodes as nobody's."""
    condition = conditions.get(item.status.conditions, names.READY)
    if condition is None or condition.status != "False" or condition.reason not in REFUSALS:
        return False
    ref = names.target(names.CLOUD_KIND, item.metadata.name)
    found.warn(f"{ref} is refused, and nothing is read there: {condition.reason}: {condition.message}")
    return True


async def _read(hub: client.Client, item: cloud.Cloud, namespace: str) -> Objects:
    """A cloud's nodes and pods. Raises KubeError, TimeoutError."""
    reference = item.spec.access.kubeconfig_secret_ref
    assert reference is not None  # noqa: S101  # the caller saw to it
    way = await access.way_to(hub, reference, namespace)
    async with asyncio.timeout(CLOUD_SECONDS), client.Client(way) as api:
        nodes, pods = await asyncio.gather(api.list(resources.NODES), api.list(resources.PODS))
        return nodes.items, pods.items


def _take_hub(found: Survey, nodes: Iterable[core_v1.Node], pods: Iterable[core_v1.Pod], now: dt.datetime) -> None:
    """The hub's own nodes: a site's boxes, and the ordinary ones where a Cloud means them."""
    local = places.local_cloud(found.builder.inventory.clouds.values())
    target_of: dict[str, str] = {}
    for node in nodes:
        site = node.metadata.labels.get(names.SITE_LABEL)
        if site or local:
            target = names.target(names.SITE_KIND, site) if site else names.target(names.CLOUD_KIND, local)
            target_of[node.metadata.name] = target
            _add_node(found, node, target)
    for pod in pods:
        _take_pod(found, pod, target_of.get(pod.spec.node_name, ""), now)


def _take_cloud(found: Survey, item: cloud.Cloud, read: Objects | BaseException, now: dt.datetime) -> None:
    ref = names.target(names.CLOUD_KIND, item.metadata.name)
    reported = places.as_reported(item)
    if isinstance(read, BaseException):
        if not isinstance(read, (errors.KubeError, TimeoutError)):
            raise read
        why = str(read) or f"no answer within {CLOUD_SECONDS:g} s"
        found.warn(f"{ref} cannot be read and counts as not ready: {why}")
        rtt = reported.rtt_microseconds
        found.builder.fleet.upsert_target(places.of_cloud(item, ready=False, rtt_microseconds=rtt))
        return
    condition = conditions.get(item.status.conditions, names.READY)
    if condition is not None and condition.status != "True":
        found.warn(f"{ref} is not Ready by its status: {condition.reason}: {condition.message}")
    for node in read[0]:
        _add_node(found, node, ref)
    for pod in read[1]:
        _take_pod(found, pod, ref, now)


def _add_node(found: Survey, node: core_v1.Node, target: str) -> None:
    try:
        found.builder.add_node(node, target)
    except quantity.QuantityError as error:
        found.warn(f"{target}: {error}; the node is left out")


def _take_pod(found: Survey, pod: core_v1.Pod, target: str, now: dt.datetime) -> None:
    if pod.spec.node_name:
        if target:
            found.builder.add_pod(pod, target)
        return
    since = observation.unschedulable_since(pod)
    if since is not None and (now - since).total_seconds() >= observation.STUCK_SECONDS:
        labels = pod.metadata.labels
        site = labels.get(names.PLACED_SITE_LABEL)
        where = names.target(names.SITE_KIND, site) if site else target
        found.full.setdefault(labels.get(names.WORKLOAD_UID_LABEL, ""), set()).add(where)
