"""When certificate requests are decided."""

import asyncio
from typing import Any

import pytest

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
