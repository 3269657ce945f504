"""A box that asks to go: cordon, evict what runs there, and delete its Node when nothing is left.

Evictions keep to PodDisruptionBudgets. What belongs to the box itself (DaemonSet and static pods) goes with the Node.
"""

from typing import Any

import structlog

from suanli_controller.api import core_v1
from suanli_controller.kube import client, errors, resources

log = structlog.get_logger(__name__)

_PODS = resources.PODS.as_type(dict)
_MIRROR = "kubernetes.io/config.mirror"


async def drain(api: client.Client, node: core_v1.Node) -> int:
    """One step; returns how many pods still hold the box back, 0 once its Node is deleted.

    Raises errors.KubeError.
    """
    name = node.metadata.name
    if not node.spec.unschedulable:
        await api.patch(resources.NODES, name, "", {"spec": {"unschedulable": True}})
    page = await api.list(_PODS, fields=f"spec.nodeName={name}")
    waiting = [pod for pod in page.items if _must_go(pod)]
    for pod in waiting:
        if not pod["metadata"].get("deletionTimestamp"):
            await _evict(api, pod["metadata"])
    if not waiting:
        await _delete(api, node)
    return len(waiting)


def _must_go(pod: dict[str, Any]) -> bool:
    meta = pod["metadata"]
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed") or _MIRROR in meta.get("annotations", {}):
        return False
    return not any(owner.get("kind") == "DaemonSet" for owner in meta.get("ownerReferences", ()))


async def _evict(api: client.Client, meta: dict[str, Any]) -> None:
    eviction = {
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "deleteOptions": {"preconditions": {"uid": meta["uid"]}},
    }
    resource = resources.Resource("policy/v1", "Eviction", "evictions", dict)
    body = client.encode(resource, eviction)
    path = resources.PODS.path(meta["namespace"], meta["name"], "eviction")
    try:
        await api.request("POST", path, body=body)
    except (errors.NotFound, errors.Conflict):
        return  # gone already, or another one of its name
    except errors.TooManyRequests as error:
        log.info("leave", pod=meta["name"], namespace=meta["namespace"], waiting=error.message)


async def _delete(api: client.Client, node: core_v1.Node) -> None:
    try:
        await api.delete(resources.NODES, node.metadata.name, uid=node.metadata.uid)
    except (errors.NotFound, errors.Conflict):
        return
    log.info("leave", node=node.metadata.name, done=True)
