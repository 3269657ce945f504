"""Waiting for a condition in place of sleeping for a time: short on an idle machine, patient on a busy one."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(check: Callable[[], T], what: str, seconds: float = 60, every: float = 0.1) -> T:
    """Call `check` until it answers something true, and return that.

    An exception in `check` counts as "not yet". Raises TimeoutError, which tells `what` was waited for and what
    `check` said last.
    """
    deadline = time.monotonic() + seconds
    while True:
        last: object
        try:
            last = answer = check()
            if answer:
                return answer
        except Exception as error:  # noqa: BLE001 - an API that is not up yet fails in many ways
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s; last: {last!r}")
        time.sleep(every)
