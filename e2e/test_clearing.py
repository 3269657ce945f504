"""Deleting what is ours from a real API server, and nothing else."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from suanli_clusters import Cluster
from suanli_controller.api import names
from suanli_controller.api.meta import ObjectMeta
from suanli_controller.core import convergence
from suanli_controller.kube import client, errors, kubeconfig, resources
from suanli_controller.reconcile import clearing, removal

HUB_UID = f"hub-{secrets.token_hex(4)}"
OURS = {names.HUB_UID_LABEL: HUB_UID}


@pytest.fixture
async def api(hub: Cluster) -> AsyncIterator[client.Client]:
    async with client.Client(kubeconfig.from_operator(str(hub.kubeconfig))) as made:
        yield made


async def make(api: client.Client, namespace: str, name: str, labels: dict[str, str]) -> resources.PartialObject:
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return await api.create(resources.CONFIG_MAPS.metadata_only, {"metadata": meta})


async def deploy(api: client.Client, namespace: str, replicas: int = 1) -> Any:
    pod = {"metadata": {"labels": OURS}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": OURS}, "template": pod}
    meta = {"name": "web", "namespace": namespace, "labels": OURS}
    return await api.create(resources.DEPLOYMENTS, {"metadata": meta, "spec": spec})


async def left(api: client.Client, namespace: str) -> set[str]:
    page = await api.list(resources.CONFIG_MAPS.metadata_only, namespace)
    return {each.metadata.name for each in page.items} - {"kube-root-ca.crt"}


async def test_all_that_is_ours_goes_and_nothing_else(api: client.Client, namespace: str) -> None:
    """Though no cache has ever shown any of it."""
    stays = {
        "foreign": {},
        "another-hubs": {names.HUB_UID_LABEL: "another"},
        "a-sites": {**OURS, names.PLACED_SITE_LABEL: "north"},
    }
    for name, labels in {**stays, "ours": OURS, names.HUB_CONFIG_MAP: OURS}.items():
        await make(api, namespace, name, labels)
    await deploy(api, namespace)
    assert await clearing.clear(api, HUB_UID) == 3
    assert await clearing.clear(api, HUB_UID) == 0
    assert await left(api, namespace) == set(stays)
    page = await api.list(resources.DEPLOYMENTS.metadata_only, namespace)
    assert page.items == []


async def test_the_mark_of_a_cluster_goes_last(api: client.Client) -> None:
    with contextlib.suppress(errors.AlreadyExists):
        await api.create(resources.NAMESPACES, {"metadata": {"name": names.SYSTEM_NAMESPACE}})
    mark = (await make(api, names.SYSTEM_NAMESPACE, names.HUB_CONFIG_MAP, OURS)).metadata
    assert await clearing.clear(api, HUB_UID) == 0
    await api.delete(resources.CONFIG_MAPS, mark.name, mark.namespace, uid=mark.uid)


def is_ours(there: ObjectMeta) -> bool:
    return there.labels.get(names.HUB_UID_LABEL) == HUB_UID


async def test_what_has_changed_since_it_was_read_is_deleted_as_it_is_now(
    api: client.Client, namespace: str
) -> None:
    read = (await make(api, namespace, "moved", OURS)).metadata
    await api.patch(resources.CONFIG_MAPS, "moved", namespace, {"data": {"since": "then"}})
    assert await removal.remove(api, resources.CONFIG_MAPS, (namespace, "moved"), is_ours, read)
    assert await left(api, namespace) == set()


async def test_what_has_become_anothers_since_it_was_read_stays(api: client.Client, namespace: str) -> None:
    read = (await make(api, namespace, "given", OURS)).metadata
    given = {"metadata": {"labels": {names.HUB_UID_LABEL: "another"}}}
    await api.patch(resources.CONFIG_MAPS, "given", namespace, given)
    anew = (await make(api, namespace, "anew", OURS)).metadata
    await api.delete(resources.CONFIG_MAPS, "anew", namespace)
    await make(api, namespace, "anew", {})
    for name, seen in (("given", read), ("anew", anew)):
        assert await removal.remove(api, resources.CONFIG_MAPS, (namespace, name), is_ours, seen)
    assert await left(api, namespace) == {"given", "anew"}


async def test_counts_are_never_changed_on_a_namesake(api: client.Client, namespace: str) -> None:
    """As a cache shows it the object is ours; meanwhile it was deleted and another made under its name."""
    made = await deploy(api, namespace)
    key = ("Deployment", namespace, "web")
    want = convergence.Want(
        {"kind": key[0], "metadata": {"namespace": key[1], "name": key[2]}}, 5, "", "", "Cloud/c"
    )
    have = convergence.Have(key, made.metadata.uid, made.metadata.resource_version, 1, 1, "", "")
    patch = convergence.scale_patch(want, have)
    after = await api.patch(resources.DEPLOYMENTS, "web", namespace, patch)
    assert after.spec.replicas == 5
    await api.delete(resources.DEPLOYMENTS, "web", namespace)
    await deploy(api, namespace, replicas=2)
    with pytest.raises((errors.Conflict, errors.Invalid)):
        await api.patch(resources.DEPLOYMENTS, "web", namespace, patch)
    assert (await api.get(resources.DEPLOYMENTS, "web", namespace)).spec.replicas == 2
