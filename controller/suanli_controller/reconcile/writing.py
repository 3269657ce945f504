"""How a reconciler writes to its own object on the hub: the whole status or a few fields, guarded by what it read."""

from typing import Any, TypeVar

import msgspec

from suanli_controller.kube import client, resources

T = TypeVar("T", bound=resources.KubeObject)


async def status(
    hub: client.Client, resource: resources.Resource[T], item: T, new: msgspec.Struct, **shown: Any
) -> T:
    """Write a status in place of the one that stands; what is left out goes. `shown` is written though it be zero.

    Raises errors.Conflict where the object is no longer the one that was read.
    """
    meta = item.metadata
    change = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta.resource_version},
        {"op": "add", "path": "/status", "value": shown | msgspec.to_builtins(new)},
    ]
    return await hub.patch(
        resource, meta.name, meta.namespace, change, kind=client.JSON_PATCH, subresource="status"
    )


async def finalizers(
    hub: client.Client, resource: resources.Resource[T], item: T, name: str, *, present: bool
) -> T:
    """Add or remove a finalizer; writes nothing where it is so already. Raises errors.Conflict."""
    meta = item.metadata
    if (name in meta.finalizers) == present:
        return item
    rest = [each for each in meta.finalizers if each != name]
    change = {
        "metadata": {
            "finalizers": [*rest, name] if present else rest,
            "resourceVersion": meta.resource_version,
        }
    }
    return await hub.patch(resource, meta.name, meta.namespace, change)
