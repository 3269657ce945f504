"""A list page by page: the next one is on its way while one is read, and never more than two are."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from suanli_controller.kube import errors, paging, resources, transport


class Api:
    """Stands in for client.Client: pages that begin to come at once and end when they are let."""

    def __init__(self, pages: int, *, told_early: bool = True) -> None:
        self.settings = transport.Settings(page_size=7)
        self.pages, self.told_early = pages, told_early
        self.asked: list[Mapping[str, str]] = []
        self.out = 0
        self.most = 0
        self.fails_at = -1

    async def list_bytes(
        self, _resource: Any, _namespace: str, query: Mapping[str, str], *, begun: transport.Begun
    ) -> bytes:
        number = int(query.get("continue", "0"))
        self.asked.append(query)
        self.out += 1
        self.most = max(self.most, self.out)
        try:
            await asyncio.sleep(0)
            if number == self.fails_at:
                raise errors.Gone(errors.Status(code=410))
            body = self._body(number)
            if self.told_early:
                begun(body[: body.index(b'"items"') + 9])
            await asyncio.sleep(0.01)
            return body
        finally:
            self.out -= 1

    def _body(self, number: int) -> bytes:
        token = {"continue": str(number + 1)} if number + 1 < self.pages else {}
        head = {"kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "5", **token}}
        return json.dumps({**head, "items": [number]}, separators=(",", ":")).encode()


async def read(api: Any) -> list[int]:
    found = []
    async with contextlib.aclosing(paging.bodies(api, resources.NODES, "", {"labelSelector": "a"})) as bodies:
        async for body in bodies:
            found += json.loads(body)["items"]
    return found


@pytest.mark.parametrize(("told_early", "most"), [(True, 2), (False, 1)])
@pytest.mark.parametrize("pages", [1, 2, 5])
async def test_every_page_comes_once_and_in_order(pages: int, told_early: bool, most: int) -> None:
    api = Api(pages, told_early=told_early)
    assert await read(api) == list(range(pages))
    assert [each.get("continue") for each in api.asked] == [None, *(str(n) for n in range(1, pages))]
    assert all((each["limit"], each["labelSelector"]) == ("7", "a") for each in api.asked)
    assert api.most == min(most, pages)


async def test_what_fails_ahead_is_raised_in_its_turn_and_nothing_stays_on_its_way() -> None:
    api: Any = Api(5)
    api.fails_at = 2
    with pytest.raises(errors.Gone):
        await read(api)
    assert (len(api.asked), api.out) == (3, 0)


async def test_who_stops_reading_leaves_nothing_on_its_way() -> None:
    api: Any = Api(5)
    async with contextlib.aclosing(paging.bodies(api, resources.NODES, "", {})) as bodies:
        async for _ in bodies:
            break
    assert api.out == 0
