"""The hub's time as this box sees it: boxes without a battery begin in 1970 and may never meet a time server."""

from __future__ import annotations

import datetime as dt
import time
from typing import Callable, Optional

TOLERANCE_SECONDS = 5.0  # HTTP's Date is in whole seconds, and an answer may travel


class HubClock:
    """Seconds since the epoch, corrected by the Date of the hub's last answer where ours is off."""

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self._local = local
        self.offset: Optional[float] = None  # hub minus box, seconds; None before the first answer

    def observe(self, date: str) -> None:
        """Take note of a Date header (RFC 9110: always GMT); one that cannot be read is left out."""
        try:
            parsed = dt.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.timezone.utc)
        except ValueError:
            return
        self.offset = parsed.timestamp() - self._local()

    @property
    def synced(self) -> Optional[bool]:
        """Whether box and hub agree; None where it is not known."""
        return None if self.offset is None else abs(self.offset) <= TOLERANCE_SECONDS

    def now(self) -> float:
        """The best that is known of the hub's time."""
        return self._local() + (self.offset or 0.0 if self.synced is False else 0.0)


def rfc3339(seconds: float, micro: bool = False) -> str:
    """Kubernetes' Time, or MicroTime as Leases and Events have it."""
    moment = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time. Raises ValueError."""
    # Python 3.9 and 3.10 do not read a final Z.
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()  # noqa: FURB162
