"""Tasks end when they are told to."""

import asyncio

import pytest

from suanli_agent import tasks


async def test_a_task_that_loses_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a loop around `asyncio.wait_for` may, before Python 3.12; what it raises at last is nobody's."""
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.05)
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost += 1
        await asyncio.Event().wait()

    async def failing() -> None:
        raise ValueError("of no interest")

    running = [asyncio.ensure_future(each) for each in (deaf(), failing())]
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.end(running), 60)
    assert lost == 1
    assert all(each.done() for each in running)


async def test_no_tasks_are_ended_at_once() -> None:
    await tasks.end([])
