"""Whether an API server answers, asked every few seconds, and how long a question takes.

A watch that hears nothing cannot tell silence from death for a minute and more; a question can at once. Nothing
here decides what follows from it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from suanli_controller.kube import client, errors


@dataclass(frozen=True, slots=True)
class Settings:
    """How a link is asked. Times in seconds. The worst case until `error` is set.

    (interval + timeout) x failures.
    """

    interval_seconds: float = 5
    timeout_seconds: float = 5
    failures: int = 2  # in a row, so that one lost packet turns nothing Unknown
    samples: int = (
        5  # the shortest of so many round trips is the link's: what is longer is queueing, here or there
    )


class Link:
    """One API server as seen from here; keep it current with `run()`.

    `error` is None while the server answers, else what the last question ended with; `asked` is false before the
    first answer or error. `version` is the server's. `on_change`, where given, is called when `error` comes, goes
    or becomes another class, and on the first answer.
    """

    def __init__(
        self, api: client.Client, *, settings: Settings | None = None, on_change: Callable[[], None] | None = None
    ) -> None:
        self.api = api
        self.settings = settings or Settings()
        self.asked = False
        self.error: errors.KubeError | None = None
        self.version = client.Version()
        self._on_change = on_change
        self._failures = 0
        self._round_trips: deque[float] = deque(maxlen=self.settings.samples)

    @property
    def last_contact(self) -> float | None:
        """`time.monotonic` of the last answer to anyone who uses this client, None before any."""
        return self.api.last_contact

    @property
    def rtt_microseconds(self) -> int | None:
        """From question to whole answer on an open connection, the shortest of the last few; None before two."""
        return round(min(self._round_trips) * 1e6) if self._round_trips else None

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(self.settings.interval_seconds)

    async def ask(self) -> None:
        """Ask once and take in what comes of it."""
        began = time.perf_counter()
        try:
            self.version = await self.api.version(timeout=self.settings.timeout_seconds)
        except errors.KubeError as error:
            self._failures += 1
            if self._failures >= self.settings.failures or not self.asked:
                self._become(error)
            return
        if self._failures == 0 and self.asked:  # else the time of a new connection and its handshake is in it
            self._round_trips.append(time.perf_counter() - began)
        self._failures = 0
        self._become(None)

    def _become(self, error: errors.KubeError | None) -> None:
        changed = not self.asked or type(error) is not type(self.error)
        self.asked, self.error = True, error
        if changed and self._on_change is not None:
            self._on_change()
