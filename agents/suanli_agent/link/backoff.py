"""Waiting longer after each failure, never in step with other boxes."""

from __future__ import annotations

import random
from typing import Callable


class Backoff:
    """Delays in seconds: they double from `first` to `cap`, each drawn evenly between its half and its whole.

    After a city-wide outage every box comes back at once; the draw spreads them out.
    """

    def __init__(self, first: float = 1.0, cap: float = 60.0, draw: Callable[[], float] = random.random) -> None:
        self._first, self._cap, self._draw = first, cap, draw
        self._next = first

    def failed(self, at_least: float = 0.0) -> float:
        """How long to wait now; `at_least` is what the hub asked for."""
        delay = self._next * (0.5 + self._draw() / 2)
        self._next = min(self._next * 2, self._cap)
        return max(delay, at_least)

    def succeeded(self) -> None:
        """Begin anew."""
        self._next = self._first
