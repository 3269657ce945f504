"""When Events of pods are sent: what is said of a start that goes well lets the statuses go first."""

import asyncio
import contextlib
import json
from typing import Any

import pytest

from suanli_agent import tasks
from suanli_agent.link import clock, events, http
from suanli_agent.pods import ports


class Client:
    """Keeps what an API server would be told."""

    def __init__(self) -> None:
        self.clock = clock.HubClock()
        self.told: list[str] = []
        self.more = asyncio.Event()

    async def request(self, _method: str, _path: str, body: bytes, _kind: str = http.JSON) -> bytes:
        self.told.append(json.loads(body)["reason"])
        self.more.set()
        return b"{}"

    async def until(self, count: int) -> None:
        while len(self.told) < count:
            self.more.clear()
            await asyncio.wait_for(self.more.wait(), 30)


class Box:
    """Whether it is starting pods, and how often it was asked."""

    def __init__(self) -> None:
        self.busy, self.asked = True, asyncio.Event()

    def starting(self) -> bool:
        self.asked.set()
        return self.busy

    async def asked_again(self) -> None:
        self.asked.clear()
        await asyncio.wait_for(self.asked.wait(), 30)


def note(reason: str, kind: str = "Normal") -> ports.EventNote:
    return ports.EventNote("default", "p", "uid", kind, reason, "words", "")


@pytest.fixture
def sending() -> Any:
    """Both, and a queue that is being sent."""

    @contextlib.asynccontextmanager
    async def begin(monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(events, "LOOK_SECONDS", 0.001)
        client, box = Client(), Box()
        outbox = events.Events(client, "box")  # type: ignore[arg-type]
        outbox.starting = box.starting
        task = asyncio.ensure_future(outbox.run())
        try:
            yield client, box, outbox
        finally:
            await tasks.end([task])

    return begin


async def test_a_start_that_goes_well_is_told_after_it(sending: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sending(monkeypatch) as (client, box, outbox):
        for reason in ("Pulled", "Created", "Started"):
            outbox.emit(note(reason))
        await box.asked_again()
        await box.asked_again()
        assert client.told == []
        box.busy = False
        await client.until(3)
        assert client.told == ["Pulled", "Created", "Started"]


@pytest.mark.parametrize(("reason", "kind"), [("Failed", "Warning"), ("Pulling", "Normal"), ("Killing", "Normal")])
async def test_all_else_is_told_at_once_and_in_order(
    sending: Any, monkeypatch: pytest.MonkeyPatch, reason: str, kind: str
) -> None:
    async with sending(monkeypatch) as (client, box, outbox):
        outbox.emit(note("Pulled"))
        await box.asked_again()
        outbox.emit(note(reason, kind))
        await client.until(2)
        assert client.told == ["Pulled", reason]


async def test_a_box_that_is_always_starting_tells_too(sending: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HOLD_SECONDS", 0.0)
    async with sending(monkeypatch) as (client, _, outbox):
        outbox.emit(note("Started"))
        await client.until(1)
