"""Ending asyncio tasks for certain. Knows nothing of what they do."""

from __future__ import annotations

import asyncio
from typing import Any, Iterable

AGAIN_SECONDS = 5.0  # what tidies up after itself is given its time


async def end(tasks: "Iterable[asyncio.Future[Any]]") -> None:
    """Cancel them and wait until each has ended; what they raise is dropped.

    They are told again while they go on: until Python 3.12 a cancellation is lost where it meets the very end of what
    `asyncio.wait_for` waits for, and a loop that lost it would keep the daemon from stopping.
    """
    every = list(tasks)
    going_on = set(every)
    while going_on:
        for task in going_on:
            task.cancel()
        _, going_on = await asyncio.wait(going_on, timeout=AGAIN_SECONDS)
    await asyncio.gather(*every, return_exceptions=True)
