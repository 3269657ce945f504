"""Directories that a container may write in, entered by descriptor: no link in them is ever followed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextlib.contextmanager
def opened(name: Union[str, Path], above: Optional[int] = None) -> Iterator[int]:
    """A descriptor of the directory `name` in the directory `above`, closed at the end.

    Raises OSError, also where a link is in its place.
    """
    descriptor = os.open(name, DIRECTORY, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def made(name: str, above: int, mode: int, owner: tuple[int, int] = (-1, -1)) -> Iterator[int]:
    """The same, with a directory that is made first where there is none; one that is there is left as it is.

    owner: (uid, gid), -1 leaves the agent's own.
    """
    try:
        os.mkdir(name, 0o700, dir_fd=above)
    except FileExistsError:
        fresh = False
    else:
        fresh = True
    with opened(name, above) as descriptor:
        if fresh:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)  # last: a change of owner takes setgid away
        yield descriptor
