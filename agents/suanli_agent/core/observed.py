"""What the runtime says of sandboxes and containers, as plain frozen records.

Times are seconds since the epoch.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Optional


class ContainerState(enum.Enum):
    """CRI's container states."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


@dataclasses.dataclass(frozen=True)
class SandboxRecord:
    """A pod sandbox; ips is empty until the network is set up and on the host's network."""

    id: str
    pod_uid: str
    pod_name: str
    pod_namespace: str
    attempt: int
    ready: bool
    created_at: float
    ips: tuple[str, ...] = ()
    pid: int = 0


@dataclasses.dataclass(frozen=True)
class ContainerRecord:
    """A container, running or dead; attempt counts restarts from 0, spec_hash and sizes (resources.sizes) are of the
    spec that it was made from.
    """

    id: str
    sandbox_id: str
    pod_uid: str
    name: str
    attempt: int
    state: ContainerState
    created_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_ref: str = ""
    spec_hash: str = ""
    log_path: str = ""
    pid: int = 0
    termination_message_path: str = ""
    termination_message_policy: str = ""
    grace_seconds: Optional[int] = None
    sizes: Optional[str] = None

    @property
    def running(self) -> bool:
        """True while its process lives."""
        return self.state is ContainerState.RUNNING

    @property
    def exited(self) -> bool:
        """True when it will never run again: also a container whose state the runtime has lost."""
        return self.state in (ContainerState.EXITED, ContainerState.UNKNOWN)


@dataclasses.dataclass(frozen=True)
class ImageRecord:
    """An image on this box. uid is its numeric user, None when the user is a name (username) or not given."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int = 0
    uid: Optional[int] = None
    username: str = ""
    pinned: bool = False

    def answers_to(self, image: str) -> bool:
        """True when image is one of its names or its id."""
        return image == self.id or image in self.tags or image in self.digests
