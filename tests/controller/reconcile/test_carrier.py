"""A carrier lets go of a workload only when nothing of it is in its cluster, whatever the watch has shown."""

import asyncio
from typing import Any

from suanli_controller.api import meta, names
from suanli_controller.core import convergence
from suanli_controller.kube import errors, resources
from suanli_controller.reconcile import carrier

KEY = ("Deployment", "a", "web")


class There:
    """Stands in for cluster.Cluster, and for its client: objects are made and deleted, and no watch tells of it."""

    ref, ready = "Cloud/c", True

    def __init__(self) -> None:
        self.api = self
        self.copies: dict[str, Any] = {}
        self.objects: dict[str, resources.PartialObject] = {}
        self.done: set[convergence.Key] = set()

    def haves(self, _uid: str) -> list[convergence.Have]:
        return []

    def ended(self, _uid: str) -> set[convergence.Key]:
        return self.done

    async def apply(self, _resource: Any, manifest: Any, *, force: bool) -> resources.PartialObject:
        assert not force
        labels = manifest["metadata"]["labels"]
        made = meta.ObjectMeta(name="web", namespace="a", uid="object", resource_version="7", labels=labels)
        self.objects["web"] = resources.PartialObject(metadata=made)
        return self.objects["web"]

    async def get(self, _resource: Any, name: str, _namespace: str = "") -> Any:
        if name == "a":
            return None  # the namespace
        if name not in self.objects:
            raise errors.NotFound(errors.Status(code=404, message="gone"))
        return self.objects[name]

    async def delete(self, _resource: Any, name: str, _namespace: str, *, uid: str, resource_version: str) -> None:
        assert (uid, resource_version) == ("object", "7")
        del self.objects[name]


def want(uid: str) -> carrier.Wants:
    metadata = {"name": "web", "namespace": "a", "labels": {names.WORKLOAD_UID_LABEL: uid}}
    manifest = {"kind": "Deployment", "metadata": metadata}
    return carrier.Wants("a", (convergence.Want(manifest, 1, "content", "terms", "Cloud/c"),))


def carrying(there: Any) -> carrier.Carrier:
    made = carrier.Carrier(there, Any, "hub", lambda _: None, lambda _: None)  # type: ignore[arg-type]
    made.set_open(is_open=True)
    made.copies.bring = nothing  # type: ignore[method-assign, assignment]
    return made


async def nothing(*_: Any) -> None:
    """It names no ConfigMaps."""


async def converged(one: carrier.Carrier, uid: str, wants: carrier.Wants) -> None:
    one.want(uid, wants)
    async with asyncio.timeout(10):
        await one._converge(uid)


async def test_what_was_made_and_not_shown_yet_goes_with_its_workload() -> None:
    there = There()
    one = carrying(there)
    await converged(one, "u", want("u"))
    assert list(there.objects) == ["web"]
    one.want("u", carrier.Wants("a"))
    assert not one.is_settled("u")
    await converged(one, "u", carrier.Wants("a"))
    assert (there.objects, one.is_settled("u")) == ({}, True)


async def test_a_namesake_of_another_workload_is_left_alone() -> None:
    there = There()
    one = carrying(there)
    await converged(one, "u", want("u"))
    there.objects["web"].metadata.labels[names.WORKLOAD_UID_LABEL] = "another"
    await converged(one, "u", carrier.Wants("a"))
    assert (list(there.objects), one.is_settled("u")) == (["web"], True)


async def test_what_has_ended_and_is_gone_is_not_made_again() -> None:
    there = There()
    there.done = {KEY}
    await converged(carrying(there), "u", want("u"))
    assert there.objects == {}
