"""Deletes what is ours in a cloud whose Cloud goes with deletionPolicy: Delete. Guarded by uid and resourceVersion.

It asks the API server, never a cache: what a watch has not shown yet must not be left behind.
"""

from typing import Any

from suanli_controller.api import names
from suanli_controller.api.meta import ObjectMeta
from suanli_controller.kube import client, resources
from suanli_controller.reconcile import cluster, removal

_MARK = ("ConfigMap", names.SYSTEM_NAMESPACE, names.HUB_CONFIG_MAP)
"""It goes last, when nothing is left (`claim.release`)."""


async def clear(api: client.Client, hub_uid: str) -> int:
    """Ask for the deletion of all our objects and copies; returns how many there were. Raises errors.KubeError."""

    def is_ours(there: ObjectMeta) -> bool:
        in_cloud = names.PLACED_SITE_LABEL not in there.labels  # the hub's objects may be a site's
        return there.labels.get(names.HUB_UID_LABEL) == hub_uid and in_cloud

    count = 0
    for resource in (*cluster.OWNED.values(), *cluster.COPIES.values()):
        listed: resources.Resource[Any] = resource.metadata_only
        page = await api.list(listed, labels=f"{names.HUB_UID_LABEL}={hub_uid}")
        found = (each.metadata for each in page.items if is_ours(each.metadata))
        ours = [each for each in found if (resource.kind, each.namespace, each.name) != _MARK]
        for each in ours:
            if each.deletion_timestamp is None:  # one that changes too fast is found again soon
                await removal.remove(api, resource, (each.namespace, each.name), is_ours, each)
        count += len(ours)
    return count
