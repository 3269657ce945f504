"""What a carrier does while its watch lags, objects move under its hands and others take things away."""

import asyncio
from typing import Any

import msgspec
import pytest

from suanli_controller.api import meta, names
from suanli_controller.core import convergence
from suanli_controller.kube import errors, resources
from suanli_controller.reconcile import carrier, removal

KEY = ("Deployment", "a", "web")


class There:
    """Stands in for cluster.Cluster, and for its client: objects are made and deleted, and no watch tells of it."""

    ref, ready = "Cloud/c", True

    def __init__(self) -> None:
        self.api = self
        self.copies: dict[str, Any] = {}
        self.objects: dict[str, resources.PartialObject] = {}
        self.done: set[convergence.Key] = set()
        self.shown: list[convergence.Have] = []
        self.moves = 0  # how often the object changes before it can be deleted
        self.namespaces: list[str] = []

    def haves(self, _uid: str) -> list[convergence.Have]:
        return self.shown

    def ended(self, _uid: str) -> set[convergence.Key]:
        return self.done

    async def apply(self, _resource: Any, manifest: Any, *, force: bool) -> resources.PartialObject:
        assert not force
        if not self.namespaces:
            raise errors.NotFound(errors.Status(code=404, message='namespaces "a" not found'))
        labels = manifest["metadata"]["labels"]
        made = meta.ObjectMeta(name="web", namespace="a", uid="object", resource_version="7", labels=labels)
        self.objects["web"] = resources.PartialObject(metadata=made)
        return self.objects["web"]

    async def create(self, _resource: Any, obj: Any) -> None:
        self.namespaces.append(obj["metadata"]["name"])

    async def get(self, _resource: Any, name: str, _namespace: str = "") -> Any:
        if name in self.namespaces:
            return None
        if name not in self.objects:
            raise errors.NotFound(errors.Status(code=404, message="gone"))
        return self.objects[name]

    async def delete(self, _resource: Any, name: str, _namespace: str, *, uid: str, resource_version: str) -> None:
        there = self.objects[name].metadata
        if self.moves:
            self.moves -= 1
            moved = msgspec.structs.replace(there, resource_version=str(int(there.resource_version) + 1))
            self.objects[name] = resources.PartialObject(metadata=moved)
        if (uid, resource_version) != (there.uid, there.resource_version) or self.moves:
            raise errors.Conflict(errors.Status(code=409, message="the object has been modified"))
        del self.objects[name]

    def forget(self, _uid: str) -> None:
        """Nothing is remembered here."""


def want(uid: str) -> carrier.Wants:
    metadata = {"name": "web", "namespace": "a", "labels": {names.WORKLOAD_UID_LABEL: uid}}
    manifest = {"kind": "Deployment", "metadata": metadata}
    return carrier.Wants("a", (convergence.Want(manifest, 1, "content", "terms", "Cloud/c"),))


def carrying(there: Any) -> carrier.Carrier:
    made = carrier.Carrier(there, Any, "hub", lambda _: None, lambda _: None)  # type: ignore[arg-type]
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


def showing(there: There) -> None:
    """The watch has caught up with what was made, and with nothing since."""
    made = there.objects["web"].metadata
    there.shown = [convergence.Have(KEY, made.uid, made.resource_version, 1, 1, "content", "terms")]


@pytest.mark.parametrize("moves", [1, removal.TRIES - 1])
async def test_an_object_whose_status_moves_is_deleted_without_a_word(moves: int) -> None:
    there = There()
    one = carrying(there)
    await converged(one, "u", want("u"))
    showing(there)
    there.moves = moves
    await converged(one, "u", carrier.Wants("a"))
    assert (there.objects, one.problem("u")) == ({}, None)


async def test_what_changes_too_fast_to_be_deleted_is_no_failure_and_is_not_let_go() -> None:
    there = There()
    one = carrying(there)
    await converged(one, "u", want("u"))
    there.moves = 100
    await converged(one, "u", carrier.Wants("a"))
    assert (list(there.objects), one.problem("u"), one.is_settled("u")) == (["web"], None, False)
    there.moves = 0
    await converged(one, "u", carrier.Wants("a"))
    assert (there.objects, one.is_settled("u")) == ({}, True)


async def test_what_another_has_made_under_the_name_meanwhile_is_left_alone() -> None:
    there = There()
    one = carrying(there)
    await converged(one, "u", want("u"))
    showing(there)
    others = meta.ObjectMeta(name="web", namespace="a", uid="another", resource_version="9")
    there.objects["web"] = resources.PartialObject(metadata=others)
    await converged(one, "u", carrier.Wants("a"))
    assert list(there.objects) == ["web"]


async def test_a_namespace_that_is_there_is_not_asked_for() -> None:
    there = There()
    there.namespaces.append("a")
    there.get = None  # type: ignore[method-assign, assignment]
    await converged(carrying(there), "u", want("u"))
    assert list(there.objects) == ["web"]


async def test_a_namespace_that_somebody_deleted_is_made_anew() -> None:
    """Also where it is missed by a copy, before the object itself is applied."""
    there = There()
    one = carrying(there)
    await converged(one, "u", want("u"))
    there.namespaces.clear()
    there.objects.clear()
    one.copies.bring = missing  # type: ignore[method-assign, assignment]
    await one._converge("u")
    assert one.problem("u") is not None
    one.copies.bring = nothing  # type: ignore[method-assign, assignment]
    await one._converge("u")
    assert (there.namespaces, list(there.objects), one.problem("u")) == (["a"], ["web"], None)


async def missing(*_: Any) -> None:
    raise errors.NotFound(errors.Status(code=404, message='namespaces "a" not found'))


async def unreachable(*_: Any) -> None:
    raise errors.Unreachable("https://c: no answer in time")


async def test_what_failed_while_a_cluster_fell_silent_is_no_problem_of_the_workload() -> None:
    """Its silence is told as such, from the moment at which it is known; and that it failed is not told afterwards."""
    there = There()
    one = carrying(there)
    one.copies.bring = unreachable  # type: ignore[method-assign, assignment]
    await converged(one, "u", want("u"))
    assert one.problem("u") is not None
    there.ready = False
    assert one.problem("u") is None
    await one._converge("u")
    there.ready = True
    assert one.problem("u") is None


async def test_nothing_is_wanted_any_more_at_a_target_that_is_left() -> None:
    """It is left only when nothing is on its way there."""
    there = There()
    one = carrying(there)
    one.want("u", want("u"))
    going, gate = asyncio.Event(), asyncio.Event()

    async def held_up(*_: Any) -> None:
        going.set()
        await gate.wait()

    one.copies.bring = held_up  # type: ignore[method-assign, assignment]
    work = asyncio.create_task(one._converge("u"))
    await going.wait()
    assert one.leave("Cloud/elsewhere")
    assert not one.leave("Cloud/c")
    gate.set()
    await work
    assert one.leave("Cloud/c")
    await one._converge("u")
    assert there.objects == {}


async def test_nothing_is_remembered_of_a_workload_that_is_gone() -> None:
    there = There()
    one = carrying(there)
    before = remembered(one)
    await converged(one, "u", want("u"))
    one._queue.retry("u")
    there.objects.clear()  # by somebody else
    one.forget("u")
    assert remembered(one) == before


def remembered(one: carrier.Carrier) -> tuple[Any, ...]:
    held: tuple[dict[str, Any], ...] = (
        one._wants, one._settled, one._problems, one._applied, one._made, one._at_work,
    )  # fmt: skip
    return (*(dict(each) for each in held), one._queue.failures("u"))
