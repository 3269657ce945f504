"""How a leader renews its Lease: as seldom as it may, and never over another's writing."""

import asyncio
import dataclasses
from typing import Any

import msgspec
import pytest

from suanli_controller.api import core_v1
from suanli_controller.kube import elector, errors

QUICK = elector.Settings(lease_seconds=4, renew_seconds=2, retry_seconds=0.01, release_seconds=1)


@dataclasses.dataclass
class Api:
    """Stands in for client.Client: one Lease, and what was asked of it."""

    lease: dict[str, Any] = dataclasses.field(default_factory=dict)
    version: int = 0
    asked: list[str] = dataclasses.field(default_factory=list)

    async def get(self, *_: Any) -> core_v1.Lease:
        self.asked.append("get")
        if not self.lease:
            raise errors.NotFound(errors.Status(code=404))
        return self._shown()

    async def create(self, _: Any, body: Any) -> core_v1.Lease:
        self.asked.append("create")
        return self._store(body["spec"])

    async def patch(self, _: Any, _name: str, _namespace: str, change: Any) -> core_v1.Lease:
        self.asked.append("patch")
        if change["metadata"]["resourceVersion"] != str(self.version):
            raise errors.Conflict(errors.Status(code=409))
        return self._store({**self.lease, **change["spec"]})

    def write(self, **spec: Any) -> None:
        """As somebody else does."""
        self._store({**self.lease, **spec})

    def _store(self, spec: dict[str, Any]) -> core_v1.Lease:
        self.lease, self.version = spec, self.version + 1
        return self._shown()

    def _shown(self) -> core_v1.Lease:
        meta = {"name": "l", "resourceVersion": str(self.version)}
        return msgspec.convert({"metadata": meta, "spec": self.lease}, core_v1.Lease)


async def lead(api: Any, meanwhile: Any) -> None:
    """Lead until `meanwhile` has seen enough."""
    await elector.Elector(api, "l", "n", "me", settings=QUICK).run(meanwhile)


async def renewals(api: Api, count: int) -> None:
    before = api.version
    while api.version < before + count:  # noqa: ASYNC110  # what is waited for is a number
        await asyncio.sleep(0.01)


async def test_a_renewal_is_one_request() -> None:
    api = Api()

    async def meanwhile() -> None:
        await renewals(api, 3)
        assert api.asked == ["get", "create", "patch", "patch", "patch"]

    await lead(api, meanwhile)
    assert api.lease["holderIdentity"] == ""


async def test_a_lease_that_somebody_touched_is_read_again_and_renewed() -> None:
    api = Api()

    async def meanwhile() -> None:
        api.write(leaseTransitions=7)
        await renewals(api, 2)
        assert api.asked[:5] == ["get", "create", "patch", "get", "patch"]

    await lead(api, meanwhile)


async def test_a_lease_that_another_took_is_left_to_it() -> None:
    api = Api()

    async def meanwhile() -> None:
        api.write(holderIdentity="other")
        await asyncio.Event().wait()

    with pytest.raises(errors.NotLeader):
        await lead(api, meanwhile)
    assert api.lease["holderIdentity"] == "other"
