"""The wait before a dead container is started again: 10 s, doubled up to 5 minutes, forgotten after 10 good
minutes.

kubelet's own numbers (pkg/kubelet/kubelet.go: MaxContainerBackOff, client-go's flowcontrol.Backoff).
"""

from __future__ import annotations

import dataclasses
from typing import Optional

FIRST_SECONDS = 10.0
LIMIT_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Backoff:
    """The wait that applies since the last start (seconds since the epoch); spec_hash is of the spec that
    failed.
    """

    seconds: float
    since: float
    spec_hash: str = ""


def until(entry: Optional[Backoff], finished: float, spec_hash: str) -> float:
    """When a container that died at finished may start again: finished itself when nothing holds it back.

    A changed spec starts at once: the new image may be the cure.
    """
    if entry is None or entry.spec_hash != spec_hash or entry.since >= finished or _expired(entry, finished):
        return finished  # since is this very death: the start that it waits for was granted already
    return finished + entry.seconds


def after_start(entry: Optional[Backoff], finished: float, spec_hash: str) -> Backoff:
    """The entry for a container that died at finished and is now started again."""
    if entry is None or entry.spec_hash != spec_hash or _expired(entry, finished):
        return Backoff(FIRST_SECONDS, finished, spec_hash)
    if entry.since >= finished:
        return entry
    return Backoff(min(entry.seconds * 2, LIMIT_SECONDS), finished, spec_hash)


def _expired(entry: Backoff, finished: float) -> bool:
    return finished - entry.since > 2 * LIMIT_SECONDS
