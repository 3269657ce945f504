"""Container logs in CRI's format: read as `kubectl logs` wants them, rotated by size.

A line is `TIME STREAM TAG TEXT`; TAG P says that the line goes on in the next one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO, Callable, Optional

from suanli_agent.pods import ports

BLOCK = 16 * 1024
FOLLOW_SECONDS = 0.2
"""How often a followed file is looked at: only while somebody follows it."""


def parsed(line: bytes) -> tuple[bytes, bytes]:
    """(time, text) of one line; the text has its newline unless the line goes on."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4:
        return (parts[0], b"\n") if len(parts) == 3 else (b"", line)
    return parts[0], parts[3] + (b"" if parts[2].startswith(b"P") else b"\n")


def last_lines(path: Path, count: int) -> list[bytes]:
    """The last lines of a file, read from its end. Raises OSError."""
    with path.open("rb") as file:
        file.seek(_tail_offset(file, count))
        return file.read().splitlines(keepends=True)


def _tail_offset(file: BinaryIO, count: int) -> int:
    """Where the last count lines begin."""
    end = position = file.seek(0, os.SEEK_END)
    missing = count + 1
    while position > 0 and missing > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        if position + size == end and not block.endswith(b"\n"):
            missing -= 1
        cut = len(block)
        while missing > 0 and cut > 0:
            cut = block.rfind(b"\n", 0, cut)
            if cut < 0:
                break
            missing -= 1
        if missing == 0:
            return position + cut + 1
    return 0


def _stamp(seconds: float) -> bytes:
    """Comparable with a line's time: both are RFC 3339 in UTC, compared up to the second and its fraction."""
    moment = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").encode()


async def read(path: Path, options: ports.LogOptions, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log in chunks. alive tells whether more may come: following ends with the container. Raises OSError."""
    left = options.limit_bytes
    since = _stamp(options.since) if options.since is not None else b""
    async for line in _lines(path, options, alive):
        stamp, text = parsed(line)
        if since and stamp < since:
            continue
        chunk = stamp + b" " + text if options.timestamps else text
        if left is not None:
            chunk = chunk[:left]
            left -= len(chunk)
        yield chunk
        if left == 0:
            return


async def _lines(path: Path, options: ports.LogOptions, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    file = _opened(path)
    try:
        if options.tail_lines is not None:
            file.seek(_tail_offset(file, options.tail_lines) if options.tail_lines else file.seek(0, os.SEEK_END))
        rest = b""
        while True:
            running = alive()
            for line in _complete(file, rest):
                rest = b"" if line.endswith(b"\n") else line
                if not rest:
                    yield line
            if not options.follow or not running:
                if rest:
                    yield rest
                return
            await asyncio.sleep(FOLLOW_SECONDS)
            file = _reopened(file, path)
    finally:
        file.close()


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _complete(file: BinaryIO, rest: bytes) -> Iterator[bytes]:
    """Lines up to the end of the file, the last one perhaps incomplete."""
    for line in file:
        yield rest + line
        rest = b""
    if rest:
        yield rest


def _reopened(file: BinaryIO, path: Path) -> BinaryIO:
    """The same file, or the new one after a rotation once the old one is read to its end."""
    try:
        rotated = path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except OSError:
        return file
    if not rotated or file.read(1):
        if rotated:
            file.seek(-1, os.SEEK_CUR)
        return file
    file.close()
    return _opened(path)


def needs_rotation(path: Path, max_bytes: int) -> bool:
    """True when a log is too big."""
    try:
        return path.stat().st_size > max_bytes
    except OSError:
        return False


def set_aside(path: Path, stamp: Optional[str] = None) -> Path:
    """Give the log another name, which is returned; the runtime must then reopen it. Raises OSError."""
    stamp = stamp or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.{stamp}")
    path.rename(aside)
    return aside


def put_back(path: Path, aside: Path) -> None:
    """Give a log that was set aside its name again, unless there is a new one. Raises OSError."""
    if is_missing(path):
        aside.rename(path)


def is_missing(path: Path) -> bool:
    """True when there is no log of that name."""
    return not path.exists()


def prune(path: Path, max_files: int) -> None:
    """Keep max_files - 1 of the logs that were set aside, the newest. Raises OSError."""
    old = sorted(path.parent.glob(path.name + ".*"), reverse=True)
    for surplus in old[max(max_files - 1, 0) :]:
        surplus.unlink(missing_ok=True)
