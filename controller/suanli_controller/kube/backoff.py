"""How long to wait before trying again: longer each time, never in step with others."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays in seconds, from `first`, doubling to at most `longest`.

    Half of each delay is left to chance, so that many clients of a server that comes back do not arrive together.
    """

    first: float
    longest: float

    def delay(self, failures: int, chance: Callable[[], float] = random.random) -> float:
        """Seconds to wait after `failures` failures in a row, the last one included (1 or more)."""
        full = min(self.longest, self.first * 2.0 ** min(failures - 1, 64))
        return full * (0.5 + 0.5 * chance())


class Bucket:
    """A token bucket: `rate` a second on average, `burst` at once. Pure.

    The caller passes the time, in seconds.
    """

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at: float | None = None

    def reserve(self, now: float) -> float:
        """Take one token, even one that is not there yet; returns the seconds until it is."""
        self._refill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def allow(self, now: float) -> bool:
        """Take one token if there is one."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _refill(self, now: float) -> None:
        passed = now - (self._at if self._at is not None else now)
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
        self._at = now
