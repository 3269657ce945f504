"""The processes of clusters: finding them, and stopping, pausing and restarting them by signals. Linux only."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "KWOK_WORKDIR"
"""Every process of a cluster has this in its environment, as kwokctl hands its own on: the folder of the run."""


@dataclass(frozen=True, slots=True)
class Command:
    """What it takes to start a process again."""

    arguments: tuple[str, ...]
    directory: str
    environment: tuple[tuple[str, str], ...]


def of_run(folder: Path) -> list[int]:
    """The process ids that belong to the run whose clusters live in `folder`."""
    mark = f"{MARK}={folder}".encode()
    return [pid for pid in _all() if mark in _read(pid, "environ").split(b"\0")]


def alive(pid: int) -> bool:
    """True while the process runs or is stopped; a zombie that nobody has collected counts as gone."""
    state = _read(pid, "stat").rpartition(b")")[2].split()
    return bool(state) and state[0] != b"Z"


def command(pid: int) -> Command:
    """Raises ProcessLookupError for a process that is gone."""
    if not alive(pid):
        raise ProcessLookupError(f"no process {pid}")
    arguments = _read(pid, "cmdline").decode().split("\0")[:-1]
    pairs = (entry.partition("=") for entry in _read(pid, "environ").decode().split("\0") if entry)
    return Command(
        tuple(arguments), str(Path(f"/proc/{pid}/cwd").readlink()), tuple((key, value) for key, _, value in pairs)
    )


def start(wanted: Command, log: Path) -> int:
    """Start it, detached, its output appended to `log`; returns its process id.

    A shell in between gives the process to init, which collects it when it ends; our child would stay a zombie.
    """
    line = f"{shlex.join(wanted.arguments)} >>{shlex.quote(str(log))} 2>&1 </dev/null & echo $!"
    answer = subprocess.run(
        ["/bin/sh", "-c", line], cwd=wanted.directory, env=dict(wanted.environment), start_new_session=True,
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return int(answer.stdout)


def send(pids: list[int], what: signal.Signals) -> None:
    """Signal every process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def kill(pids: list[int], seconds: float = 30) -> None:
    """End the processes at once and wait until they are gone. Raises TimeoutError."""
    send(pids, signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if alive(pid)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {left} do not end")
        time.sleep(0.01)


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    """A file of /proc; empty for a process that is gone or another user's."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
