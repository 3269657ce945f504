"""Keys that wait to be reconciled: each at most once, never in two hands, and not before its time.

`Schedule` is the whole bookkeeping, without clock or tasks; `WorkQueue` gives it both.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from suanli_controller.kube import metrics
from suanli_controller.kube.backoff import Backoff, Bucket

K = TypeVar("K", bound=Hashable)

# Fast enough that a passing conflict costs nothing, slow enough that a lasting fault costs nothing either.
RETRY = Backoff(first=0.1, longest=300)


class Schedule(Generic[K]):
    """Which keys are ready, being worked on, or due later. Times in seconds of any one clock.

    A key is ready at most once; one that is added while it is worked on becomes ready when `done` is called. Of
    several delays of a key the earliest counts. Ready keys come in the order in which they became so.
    """

    def __init__(self) -> None:
        self._ready: dict[K, float] = {}  # since when, in order
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K, now: float) -> None:
        """Make `key` ready, or ready again as soon as it is done; a delay of it that runs is fulfilled by this."""
        self._due.pop(key, None)
        if key in self._working:
            self._again.add(key)
        else:
            self._ready.setdefault(key, now)

    def add_at(self, key: K, due: float) -> bool:
        """Make `key` ready at `due`, unless it is ready already or due sooner; true where nothing is due before."""
        if key in self._ready or key in self._again or self._due.get(key, due + 1) <= due:
            return False
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        return self._heap[0][1] == self._count

    def ripen(self, now: float) -> float | None:
        """Make ready what is due; returns when the next one is due, None where nothing waits."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due:  # overtaken by an earlier delay, or by `add`
                heapq.heappop(self._heap)
            elif due <= now:
                heapq.heappop(self._heap)
                self.add(key, due)
            else:
                return due
        return None

    def take(self, most: int) -> list[tuple[K, float]]:
        """Up to `most` ready keys, with the time since when each was; they are being worked on until `done`."""
        keys = list(itertools.islice(self._ready, most))
        self._working.update(keys)
        return [(key, self._ready.pop(key)) for key in keys]

    def done(self, key: K, now: float) -> None:
        """The worker let go of `key`."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key, now)

    @property
    def idle(self) -> bool:
        """Nothing is ready and nothing is worked on; delays may run."""
        return not self._ready and not self._working


class ShutDown(Exception):  # an end, not an error
    """The queue was shut down and is empty: the worker may go home."""


class WorkQueue(Generic[K]):
    """A `Schedule` with a clock: workers await keys, anyone adds them. For one event loop.

        while True:
            key = await queue.get()
            try: ...
            finally: queue.done(key)

    `retry` puts a key back after its own backoff, and not faster than `rate` retries a second all together;
    `forget` ends the backoff once the key went well.
    """

    def __init__(
        self,
        name: str,
        *,
        backoff: Backoff = RETRY,
        rate: float = 50,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._backoff = backoff
        self._bucket = Bucket(rate=rate, burst=rate * 2)
        self._clock = clock
        self._schedule: Schedule[K] = Schedule()
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self._depth = metrics.QUEUE_DEPTH.labels(name)
        self._adds = metrics.QUEUE_ADDS.labels(name)
        self._waited = metrics.QUEUE_SECONDS.labels(name)

    def __len__(self) -> int:
        return len(self._schedule)

    def add(self, key: K) -> None:
        """Have `key` worked on as soon as a worker is free; after `shut_down` nothing is taken any more."""
        if not self._closed:
            self._adds.inc()
            self._schedule.add(key, self._clock())
            self._woken()

    def add_after(self, key: K, seconds: float) -> None:
        """Have `key` worked on in so many seconds; of several delays of a key the earliest counts."""
        if seconds <= 0:
            self.add(key)
        elif not self._closed and self._schedule.add_at(key, self._clock() + seconds):
            self._woken()

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Have a key that failed worked on again after its backoff, and `at_least` so late.

        Returns the delay in s.
        """
        metrics.QUEUE_RETRIES.labels(self.name).inc()
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        delay = max(self._backoff.delay(failures), self._bucket.reserve(self._clock()), at_least)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """`key` went well: its next failure begins with the shortest backoff."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How often `key` failed in a row."""
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """The key that is ready longest; call `done` with it afterwards. Raises ShutDown."""
        return (await self.get_batch(1))[0]

    async def get_batch(self, most: int = 1 << 30) -> list[K]:
        """All keys that are ready, at least one and at most `most`; call `done` with each. Raises ShutDown."""
        while True:
            now = self._clock()
            due = self._schedule.ripen(now)
            if taken := self._schedule.take(most):
                return self._handed_out(taken, now)
            if self._closed:
                raise ShutDown
            await self._sleep(None if due is None else due - now)

    def done(self, key: K) -> None:
        """Let go of `key`; if it was added meanwhile, it is ready again."""
        self._schedule.done(key, self._clock())
        if len(self._schedule):
            self._woken()

    def shut_down(self) -> None:
        """Take no more keys and drop the delayed ones.

        What is ready is still handed out, then `get` raises ShutDown.
        """
        self._closed = True
        self._woken()

    def _handed_out(self, taken: list[tuple[K, float]], now: float) -> list[K]:
        self._depth.set(len(self._schedule))
        for _, since in taken:
            self._waited.observe(now - since)
        return [key for key, _ in taken]

    def _woken(self) -> None:
        self._depth.set(len(self._schedule))
        self._wake.set()

    async def _sleep(self, seconds: float | None) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
