"""Deletes what is ours in a cloud whose Cloud goes with deletionPolicy: Delete. Guarded by uid and resourceVersion."""

import contextlib
from collections.abc import Iterator
from typing import Any

from suanli_controller.api import names
from suanli_controller.kube import errors, informer, resources
from suanli_controller.reconcile import cluster


async def clear(there: cluster.Cluster) -> int:
    """Ask for the deletion of all our objects and copies; returns how many are there still."""
    left = list(_ours(there))
    for resource, meta in left:
        if meta.deletion_timestamp is None:
            with contextlib.suppress(errors.NotFound, errors.Conflict):  # looked at again soon
                await there.api.delete(
                    resource, meta.name, meta.namespace, uid=meta.uid, resource_version=meta.resource_version
                )
    return len(left)


def _ours(there: cluster.Cluster) -> Iterator[tuple[resources.Resource[Any], Any]]:
    live: tuple[informer.Informer[Any], ...] = (*there.owned.values(), *there.copies.values())
    for each in live:
        for item in list(each.objects.values()):
            in_cloud = names.PLACED_SITE_LABEL not in item.metadata.labels  # the hub's objects may be a site's
            if in_cloud and item.metadata.name != names.HUB_CONFIG_MAP:
                yield each.resource, item.metadata
