"""When the hub hears of a pod: news at once, the rest a moment later and together."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from suanli_agent import state
from suanli_agent.core import objects
from suanli_agent.pods import context, devices, ports, reporter, settings
from suanli_agent.runtime import client
from suanli_memory_hub import MemoryHub

CREATING = {"waiting": {"reason": "ContainerCreating"}}
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def status(phase: str = "Pending", current: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    entry = {"name": "c", "state": current or CREATING, "ready": phase == "Running", "restartCount": 0}
    return {"phase": phase, "containerStatuses": [entry], "conditions": [], **more}


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
def told(hub: MemoryHub, tmp_path: Path) -> reporter.Reporter:
    store = state.Store(tmp_path / "state.db")
    ctx = context.Context(
        settings.Settings(root=tmp_path),
        client.Runtime("/nowhere"),
        hub,
        store,
        ports.NodeFacts("box", (), {}),
        devices.Devices(store, dict),
    )
    return reporter.Reporter(ctx, objects.Pod(metadata=objects.ObjectMeta(name="p", namespace="a", uid="u")))


async def test_a_pod_that_starts_is_told_in_one_write(hub: MemoryHub, told: reporter.Reporter) -> None:
    told.report(status())
    await asyncio.sleep(0.01)
    told.report(status(podIP="10.0.0.9"))
    await asyncio.sleep(0.01)
    told.report(status("Running", RUNNING, podIP="10.0.0.9"))
    await told.flushed()
    assert len(hub.patches) == 1
    assert hub.status["u"]["podIP"] == "10.0.0.9"


@pytest.mark.parametrize(
    "news",
    [
        status("Running", RUNNING),
        status("Failed"),
        status(current={"waiting": {"reason": "ErrImagePull", "message": "no such image"}}),
        status(current={"terminated": {"exitCode": 1}}),
    ],
    ids=["running", "failed", "waiting for a reason", "dead"],
)
async def test_news_waits_for_nothing(
    hub: MemoryHub, told: reporter.Reporter, news: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "LINGER_SECONDS", 3600.0)
    told.report(status())
    await asyncio.sleep(0)
    told.report(news)
    await hub.until(lambda: len(hub.patches) == 1)


async def test_what_is_no_news_is_told_a_moment_later(
    hub: MemoryHub, told: reporter.Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "LINGER_SECONDS", 0.01)
    told.report(status())
    await hub.until(lambda: len(hub.patches) == 1)


async def test_the_end_of_a_pod_does_not_linger(
    hub: MemoryHub, told: reporter.Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits until the hub knows all is not kept waiting."""
    monkeypatch.setattr(reporter, "LINGER_SECONDS", 3600.0)
    told.report(status())
    await asyncio.wait_for(told.flushed(), 30)
    assert len(hub.patches) == 1


def version(ready: str) -> objects.Pod:
    """The pod as the hub shows it."""
    condition = objects.PodCondition(type="Ready", status=ready)
    return objects.Pod(
        metadata=objects.ObjectMeta(name="p", namespace="a", uid="u"),
        status=objects.PodStatus(conditions=[condition]),
    )


READY = status("Running", RUNNING, conditions=[{"type": "Ready", "status": "True"}])


@pytest.fixture
async def ready(told: reporter.Reporter, monkeypatch: pytest.MonkeyPatch) -> reporter.Reporter:
    """Of a pod of which the hub was told that it is ready."""
    monkeypatch.setattr(reporter, "OVERWRITTEN_SECONDS", 0.01)
    told.report(READY)
    await told.flushed()
    return told


async def test_what_others_wrote_over_it_is_told_again(hub: MemoryHub, ready: reporter.Reporter) -> None:
    """Of a box that was silent the hub says that no pod is ready; nobody else would ever take that back."""
    ready.shown(version("False"))
    await hub.until(lambda: len(hub.patches) == 2)
    assert hub.status["u"]["conditions"] == READY["conditions"]


async def test_our_own_words_that_come_back_late_are_not_told_again(
    hub: MemoryHub, ready: reporter.Reporter
) -> None:
    ready.shown(version("False"))
    ready.shown(version("True"))
    assert ready._check is not None
    await ready._check
    assert len(hub.patches) == 1
