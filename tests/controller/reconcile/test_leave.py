"""A box's Node goes only while the box asks for it, and only that Node."""

from typing import Any

import pytest

from suanli_controller.api import core_v1, meta, names
from suanli_controller.kube import client, errors
from suanli_controller.reconcile import leave

ASKS = {names.LEAVE_ANNOTATION: "true"}


def node(version: str, uid: str = "u", annotations: dict[str, str] = ASKS) -> core_v1.Node:
    head = meta.ObjectMeta(name="box", uid=uid, resource_version=version, annotations=annotations)
    return core_v1.Node(metadata=head, spec=core_v1.NodeSpec(unschedulable=True))


class Hub:
    """Stands in for client.Client: a Node on which nothing runs, as it is read and as it has become since."""

    def __init__(self, *shown: core_v1.Node) -> None:
        self.shown = list(shown)
        self.deleted: list[str] = []

    async def list(self, *_: Any, **__: Any) -> client.Page[Any]:
        return client.Page()

    async def get(self, *_: Any) -> core_v1.Node:
        if not self.shown:
            raise errors.NotFound(errors.Status(code=404))
        return self.shown.pop(0)

    async def delete(self, _resource: Any, _name: str, *, uid: str, resource_version: str) -> None:
        there = self.shown[0].metadata
        if (there.uid, there.resource_version) != (uid, resource_version):
            raise errors.Conflict(errors.Status(code=409))
        self.deleted.append(uid)


@pytest.mark.parametrize(
    ("shown", "gone", "deleted"),
    [
        ((node("7"), node("7")), True, ["u"]),
        ((), True, []),
        ((node("8", annotations={}),), False, []),
        ((node("8"), node("9")), False, []),
        ((node("8", uid="another"),), True, []),
    ],
    ids=["asks", "gone already", "changed its mind", "moves meanwhile", "a namesake"],
)
async def test_a_node_goes_while_it_asks_for_it(
    shown: tuple[core_v1.Node, ...], gone: bool, deleted: list[str]
) -> None:
    """The cache shows version 7, in which the box asks."""
    hub: Any = Hub(*shown)
    assert await leave.drain(hub, node("7")) == gone
    assert hub.deleted == deleted
