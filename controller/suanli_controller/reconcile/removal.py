"""Deletes one object of ours and no other's: guarded by the uid and the resourceVersion that were read last."""

from collections.abc import Callable
from typing import Any, Protocol

from suanli_controller.api.meta import ObjectMeta
from suanli_controller.kube import client, errors, resources

TRIES = 5
"""Reads of an object whose status moves before it is left for a moment: each takes one round trip."""


class Version(Protocol):
    """What was read of an object of ours."""

    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...


async def remove(
    api: client.Client,
    resource: resources.Resource[Any],
    key: tuple[str, str],
    is_ours: Callable[[ObjectMeta], bool],
    seen: Version | None = None,
) -> bool:
    """Ask for the deletion of `key` (namespace, name); false where it changes faster than it can be read.

    `seen` is the object as it was read, known to be ours; where that is not the newest, or none was, it is read, and
    deleted only if `is_ours` says so. Raises errors.KubeError.
    """
    namespace, name = key
    for _ in range(TRIES):
        try:
            if seen is None:
                there: ObjectMeta = (await api.get(resource.metadata_only, name, namespace)).metadata
                if not is_ours(there) or there.deletion_timestamp is not None:
                    return True
                seen = there
            await api.delete(resource, name, namespace, uid=seen.uid, resource_version=seen.resource_version)
        except errors.NotFound:
            return True
        except errors.Conflict:
            seen = None
        else:
            return True
    return False
