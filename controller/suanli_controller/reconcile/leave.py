"""A box that asks to go: cordon, evict what runs there, and delete its Node when nothing is left.

Evictions keep to PodDisruptionBudgets. What belongs to the box itself (DaemonSet and static pods) goes with the Node.
"""

from typing import Any

import structlog

from suanli_controller.api import core_v1
from suanli_controller.core import enrolment
from suanli_controller.kube import client, errors, resources

log = structlog.get_logger(__name__)

_PODS = resources.PODS.as_type(dict)
_MIRROR = "kubernetes.io/config.mirror"


async def drain(api: client.Client, node: core_v1.Node) -> bool:
    """One step; returns whether the box's Node is gone. Raises errors.KubeError."""
    name = node.metadata.name
    if not node.spec.unschedulable:
        change = {"metadata": {"uid": node.metadata.uid}, "spec": {"unschedulable": True}}
        await api.patch(resources.NODES, name, "", change)
    page = await api.list(_PODS, fields=f"spec.nodeName={name}")
    waiting = [pod for pod in page.items if _must_go(pod)]
    for pod in waiting:
        if not pod["metadata"].get("deletionTimestamp"):
            await _evict(api, pod["metadata"])
    return not waiting and await _delete(api, node)


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


async def _delete(api: client.Client, node: core_v1.Node) -> bool:
    """Only while the box still asks for it: who changes his mind is not to be taken away by a cache that lags."""
    name = node.metadata.name
    try:
        now = await api.get(resources.NODES, name)
        if now.metadata.uid == node.metadata.uid:
            if not enrolment.wants_to_leave(now):
                return False
            guard = now.metadata.resource_version
            await api.delete(resources.NODES, name, uid=now.metadata.uid, resource_version=guard)
    except errors.NotFound:
        return True
    except errors.Conflict:
        return False  # its status moved, or its mind
    log.info("leave", node=name, done=True)
    return True
