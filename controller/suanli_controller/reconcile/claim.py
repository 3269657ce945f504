"""The mark that makes a cluster one Cloud of one hub: ConfigMap suanli-hub in suanli-system.

Two that place on one cluster would each count the other's room as free, and two Clouds of one hub would take each
other's objects for their own surplus. So nothing is read, applied or deleted in a cluster before it is marked.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from suanli_controller.api import core_v1, names
from suanli_controller.core.cloud_status import Finding
from suanli_controller.kube import client, errors, resources
from suanli_controller.reconcile import carrier


@dataclass(frozen=True, slots=True)
class Mark:
    """Whose a cluster is."""

    hub_uid: str
    cloud: str  # the Cloud's name


async def take(there: carrier.Carrier, mark: Mark, exists: Callable[[str], bool]) -> Finding | None:
    """Mark a cluster as ours, or say why it cannot be; `exists` tells whether the hub has a Cloud of that name.

    Raises errors.KubeError.
    """
    api = there.there.api
    found, refusal = await _look(api, mark, exists)
    if refusal is not None:
        return refusal
    if found is None:
        await there.ensure_namespace(names.SYSTEM_NAMESPACE)
        await api.create(resources.CONFIG_MAPS, _body(mark))
    elif found.data.get("cloud") != mark.cloud:
        # replaced, not patched: the account in a cloud has no right to patch ConfigMaps
        await api.replace(resources.CONFIG_MAPS, _body(mark, found.metadata.resource_version))
    return None


async def refusal(api: client.Client, mark: Mark, exists: Callable[[str], bool]) -> Finding | None:
    """Why a cluster cannot be marked as ours, as `take` says it; writes nothing. Raises errors.KubeError."""
    return (await _look(api, mark, exists))[1]


async def is_anothers(api: client.Client, mark: Mark, *, was_ours: bool) -> bool:
    """Whether a cluster is not ours to clear: the hub itself, or whoever's mark it bears.

    One without a mark is ours only where it `was_ours`: what is there may be a Cloud's that has just left it there.
    Raises errors.KubeError.
    """
    if await _is_hub(api, mark):
        return True
    found = await _read(api)
    return not was_ours if found is None else not _is_ours(found, mark)


async def release(api: client.Client, mark: Mark) -> None:
    """Take back our mark, and no other's. Raises errors.KubeError."""
    found = await _read(api)
    if found is not None and _is_ours(found, mark):
        meta = found.metadata
        with contextlib.suppress(errors.NotFound):
            await api.delete(
                resources.CONFIG_MAPS,
                meta.name,
                meta.namespace,
                uid=meta.uid,
                resource_version=meta.resource_version,
            )


def trouble(error: errors.KubeError) -> Finding:
    """A refusal is for the owner to mend; silence is nobody's word."""
    if isinstance(error, (errors.Forbidden, errors.Unauthorized)):
        mend = "`suanli-controller cloud join` makes an account that may do what is needed"
        return Finding("False", names.FORBIDDEN, f"{error.message}; {mend}")
    return Finding("Unknown", names.UNREACHABLE, error.message)


async def _read(api: client.Client) -> core_v1.ConfigMap | None:
    try:
        return await api.get(resources.CONFIG_MAPS, names.HUB_CONFIG_MAP, names.SYSTEM_NAMESPACE)
    except errors.NotFound:
        return None


async def _is_hub(api: client.Client, mark: Mark) -> bool:
    return (await api.get(resources.NAMESPACES, "kube-system")).metadata.uid == mark.hub_uid


def _is_ours(found: core_v1.ConfigMap, mark: Mark) -> bool:
    return (found.data.get("hubUid"), found.data.get("cloud")) == (mark.hub_uid, mark.cloud)


async def _look(
    api: client.Client, mark: Mark, exists: Callable[[str], bool]
) -> tuple[core_v1.ConfigMap | None, Finding | None]:
    """The mark that is there, and why it cannot be ours."""
    found = await _read(api)
    if await _is_hub(api, mark):
        mend = "make a Cloud of its own nodes, as `suanli-controller cloud join NAME --local` does"
        message = f"this kubeconfig leads to the hub itself: {mend}"
        return found, Finding("False", names.INVALID_KUBECONFIG, message)
    return found, _refusal(found, mark, exists) if found is not None else None


def _refusal(found: core_v1.ConfigMap, mark: Mark, exists: Callable[[str], bool]) -> Finding | None:
    where = f"ConfigMap {names.SYSTEM_NAMESPACE}/{names.HUB_CONFIG_MAP} there"
    owner, other = found.data.get("hubUid", ""), found.data.get("cloud", mark.cloud)
    if owner != mark.hub_uid:
        message = f"{where} names the hub {owner or '(none)'}; delete that hub's Cloud, or this mark if it is gone"
        return Finding("False", names.CLAIMED_BY_OTHER_HUB, message)
    if other != mark.cloud and exists(other):
        message = f"{where} says that this cluster is Cloud {other} already; delete one of the two Clouds"
        return Finding("False", names.INVALID_KUBECONFIG, message)
    return None


def _body(mark: Mark, resource_version: str = "") -> dict[str, object]:
    guard = {"resourceVersion": resource_version} if resource_version else {}
    meta = {
        **guard,
        "name": names.HUB_CONFIG_MAP,
        "namespace": names.SYSTEM_NAMESPACE,
        "labels": {names.HUB_UID_LABEL: mark.hub_uid},
    }
    return {"metadata": meta, "data": {"hubUid": mark.hub_uid, "cloud": mark.cloud}}
