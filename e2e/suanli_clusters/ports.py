"""Ports for clusters: blocks below the range that the system hands out by itself, each claimed by a lock file.

kwokctl looks for free ports by itself, but two clusters that start at once choose the same ones, and a stopped
cluster can lose its own to another. A block that is claimed here stays claimed until its holder ends, in any way.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from suanli_clusters import locks

FIRST, LAST = 20000, 29990
"""Above well-known services, below NodePorts (30000) and Linux's ephemeral ports (32768)."""

BLOCK = 10


@dataclass(frozen=True, slots=True)
class Ports:
    first: int
    lock: int
    """The open lock file: while this process lives and has not released it, nobody else gets the block."""

    @property
    def api_server(self) -> int:
        return self.first

    def options(self) -> dict[str, int]:
        """kwokctl's options for all components' ports."""
        names = ("kubeApiserverPort", "etcdPort", "etcdPeerPort", "kubeControllerManagerPort", "kubeSchedulerPort")
        return {name: self.first + offset for offset, name in enumerate((*names, "kwokControllerPort"))}

    def release(self) -> None:
        os.close(self.lock)


def claim(directory: Path) -> Ports:
    """Claim a block of free ports; `directory` holds the lock files and is common to all who share the machine.

    Raises OSError when every block is taken.
    """
    for first in range(FIRST, LAST, BLOCK):
        lock = locks.try_lock(directory / f"{first}.lock")
        if lock is None:
            continue
        if all(_free(port) for port in range(first, first + BLOCK)):
            return Ports(first, lock)
        os.close(lock)
    raise OSError(f"no block of {BLOCK} free ports between {FIRST} and {LAST}; are old clusters running?")


def free_port() -> int:
    """For one server that is no cluster's: a port that nobody listened at a moment ago, on any address."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError:
            return False
    return True
