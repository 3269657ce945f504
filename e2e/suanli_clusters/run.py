"""A run: one process's clusters, in one folder of their own, that go when the process goes.

Folders of runs lie together, in `$TMPDIR/suanli-clusters-<uid>/`. Each has a lock that its process holds; whoever
starts a run first clears away the runs whose process ended without doing so, by SIGKILL say.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from suanli_clusters import locks, processes


def home() -> Path:
    """The folder of all runs of this user. Raises PermissionError when someone else has made it."""
    path = Path(tempfile.gettempdir()) / f"suanli-clusters-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user; set TMPDIR to a folder of your own")
    return path


class Run:
    """The folder, and the lock that says that it is in use."""

    def __init__(self, name: str) -> None:
        with locks.locked(home() / "runs.lock", lambda: None):
            sweep()
            self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home()))
            lock = locks.try_lock(_lock_file(self.folder))
        assert lock is not None, "a folder that was made a moment ago is nobody else's"
        self._lock = lock

    def close(self) -> None:
        """End every process of the run and remove its folder."""
        clear(self.folder)
        os.close(self._lock)


def sweep() -> None:
    """Clear away what runs have left whose process is gone. The caller holds the lock over all runs."""
    for folder in home().iterdir():
        if not _lock_file(folder).exists():
            continue
        lock = locks.try_lock(_lock_file(folder))
        if lock is not None:
            clear(folder)
            os.close(lock)


def clear(folder: Path) -> None:
    # Twice: a process that was just starting others may have started one more while the first round looked.
    for _ in range(2):
        processes.kill(processes.of_run(folder))
    shutil.rmtree(folder, ignore_errors=True)


def _lock_file(folder: Path) -> Path:
    return folder / "run.lock"


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """For the block, SIGTERM and SIGHUP end the process as Ctrl-C does: by an exception, so that it cleans up."""
    previous = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """For the block, a second and third Ctrl-C are not heard: cleaning up takes a second and must be whole."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def cleanup() -> Iterator[contextlib.ExitStack]:
    """A stack of what is to be done at the end of the block, all of it, whatever signals come meanwhile."""
    stack = contextlib.ExitStack()
    try:
        yield stack
    finally:
        with uninterrupted():
            stack.close()
