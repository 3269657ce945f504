"""When certificate requests are decided, and by what."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.certificate_requests import KEY, OTHER_KEY, issued, pin

from suanli_controller.api import core_v1, meta, names
from suanli_controller.kube import client, resources
from suanli_controller.reconcile import csr


async def test_nothing_is_decided_by_half_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a box's requests an older one may come first: followed at once, it would count as the newest."""
    nobody: Any = None  # neither the hub nor the recorder is asked for anything
    requests = csr.CertificateRequests(nobody, nobody)
    decided: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    async def decide(name: str) -> None:
        decided.put_nowait((name, requests.requests.synced.is_set()))

    monkeypatch.setattr(requests, "reconcile", decide)
    requests.queue.add("csr-1")
    work = asyncio.ensure_future(requests._work())
    for _ in range(20):
        await asyncio.sleep(0)
    requests.requests.synced.set()
    try:
        assert await asyncio.wait_for(decided.get(), 10) == ("csr-1", True)
    finally:
        work.cancel()


class Hub:
    """Stands in for client.Client: the Node box-1, pinned to KEY, and requests as they are now."""

    def __init__(self, *requests: core_v1.CertificateSigningRequest) -> None:
        self.requests = {each.metadata.name: each for each in requests}
        labels = {names.SITE_LABEL: "north", names.KEY_HASH_LABEL: pin(KEY)}
        self.node = core_v1.Node(metadata=meta.ObjectMeta(name="box-1", labels=labels))
        self.writes: list[Any] = []

    async def get(self, resource: resources.Resource[Any], name: str, _namespace: str = "") -> Any:
        return self.node if resource.kind == "Node" else self.requests[name]

    async def list(self, _resource: Any) -> client.Page[Any]:
        return client.Page(list(self.requests.values()))

    async def patch(self, resource: Any, name: str, _namespace: str, change: Any, **_: Any) -> None:
        self.writes.append((resource.kind, name, change))


class Recorder:
    def record(self, *_: Any) -> None:
        """Nobody listens."""


def named(name: str, made: core_v1.CertificateSigningRequest) -> core_v1.CertificateSigningRequest:
    return msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, name=name))


def deciding(hub: Any, *cached: core_v1.CertificateSigningRequest) -> csr.CertificateRequests:
    recorder: Any = Recorder()
    made = csr.CertificateRequests(hub, recorder)
    for each in cached:
        made.requests._put(each)
    return made


async def test_a_pin_follows_what_others_approved() -> None:
    older, newer = named("older", issued(KEY, 1)), named("newer", issued(OTHER_KEY, 2))
    hub = Hub(older, newer)
    await deciding(hub, older, newer).reconcile("newer")
    assert hub.writes == [("Node", "box-1", {"metadata": {"labels": {names.KEY_HASH_LABEL: pin(OTHER_KEY)}}})]


async def test_a_pin_never_goes_back_to_a_key_that_a_lagging_cache_takes_for_the_newest() -> None:
    """We have approved KEY and pinned the Node to it, and have not heard of that by watch yet."""
    others, ours = named("others", issued(OTHER_KEY, 1)), named("ours", issued(KEY, 2, "RenewalApproved"))
    hub = Hub(others, ours)
    await deciding(hub, others).reconcile("others")
    assert hub.writes == []


async def test_what_has_been_answered_is_not_carried_out_again() -> None:
    """Its answer has not come back by watch; the Node may be pinned to a newer key by now."""
    ours = named("ours", issued(OTHER_KEY, 1, "RenewalApproved"))
    waiting = msgspec.structs.replace(ours, status=core_v1.CertificateSigningRequestStatus())
    hub = Hub(ours)
    await deciding(hub, waiting).reconcile("ours")
    assert hub.writes == []
