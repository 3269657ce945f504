"""When a probe's single results make a verdict: thresholds counted as kubelet counts them."""

from __future__ import annotations

import dataclasses
from typing import Optional

from suanli_agent.core import objects


@dataclasses.dataclass(frozen=True)
class Count:
    """How often in a row the probe said the same."""

    success: bool = False
    times: int = 0


def counted(count: Count, success: bool) -> Count:
    """The count after one more result."""
    return Count(success, count.times + 1 if count.success == success else 1)


def verdict(probe: objects.Probe, count: Count) -> Optional[bool]:
    """True or false once the threshold is reached, None while the last verdict stands."""
    threshold = probe.success_threshold if count.success else probe.failure_threshold
    return count.success if count.times >= threshold else None
