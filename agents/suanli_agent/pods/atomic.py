"""Write a volume's files so that a reader sees all of the old or all of the new: kubelet's ..data symlink.

Layout: `..2026_01_31.123/key` holds the content, `..data` points to that directory, `key` points to `..data/key`.
Replacing `..data` by rename is the one atomic step. Containers get such volumes read-only; should one be able to write
all the same, a link that it puts there leads nowhere: every name is taken in the volume's own directory.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Optional

from suanli_agent.core import payload
from suanli_agent.pods import beneath

DATA = "..data"
_NEXT = "..data_tmp"

Owner = tuple[Optional[int], Optional[int]]


def write(volume: Path, files: Mapping[str, payload.File], owner: Owner) -> bool:
    """Make volume show exactly these files; false when it did already. owner: (uid, gid), None leaves root's.

    Raises OSError.
    """
    wanted = {posixpath.normpath(path): file for path, file in files.items()}
    with beneath.opened(volume) as place:
        old = _current(place)
        shown = {path.split("/")[0] for path in wanted}
        if old is not None and _shows(place, old, wanted, owner):
            _publish(place, shown)  # power may have gone just before it was done
            return False
        fresh = f"..{os.urandom(8).hex()}"
        try:
            _fill(place, fresh, wanted, owner)
        except OSError:
            shutil.rmtree(volume / fresh, ignore_errors=True)  # a full disk is not to get fuller at each try
            raise
        _link(fresh, _NEXT, place)
        os.replace(_NEXT, DATA, src_dir_fd=place, dst_dir_fd=place)
        _publish(place, shown)
    if old is not None:
        shutil.rmtree(volume / old, ignore_errors=True)  # itself follows no links
    return True


def _fill(place: int, name: str, files: Mapping[str, payload.File], owner: Owner) -> None:
    with beneath.made(name, place, 0o755) as folder:
        for path, file in files.items():
            _write_file(folder, path.split("/"), file, owner)


def _current(place: int) -> Optional[str]:
    """The directory that ..data points to, None unless it is a name such as we give."""
    target = _target(DATA, place)
    ours = target.startswith("..") and "/" not in target and target not in {"..", DATA, _NEXT}
    return target if ours else None


def _target(name: str, place: int) -> str:
    """Where a link points; empty where there is no link of that name."""
    try:
        return os.readlink(name, dir_fd=place)
    except OSError:
        return ""


def _link(target: str, name: str, place: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place)
    os.symlink(target, name, dir_fd=place)


def _shows(place: int, old: str, wanted: Mapping[str, payload.File], owner: Owner) -> bool:
    try:
        with beneath.opened(old, place) as folder:
            present = set(_paths(folder))
            return present == set(wanted) and all(_same(folder, path, wanted[path], owner) for path in present)
    except OSError:
        return False


def _paths(folder: int, prefix: str = "") -> Iterator[str]:
    with os.scandir(folder) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in names:
        if not is_directory:
            yield prefix + name
            continue
        with beneath.opened(name, folder) as inner:
            yield from _paths(inner, f"{prefix}{name}/")


def _same(folder: int, path: str, file: payload.File, owner: Owner) -> bool:
    head, _, rest = path.partition("/")
    if rest:
        with beneath.opened(head, folder) as inner:
            return _same(inner, rest, file, owner)
    # Not blocking: something else than a file in its place would keep us waiting
    with open(os.open(head, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as there:  # noqa: PTH123
        found = os.fstat(there.fileno())
        owned = owner[0] in {None, found.st_uid} and owner[1] in {None, found.st_gid}
        plain = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == _mode(file, owner[1])
        return owned and plain and there.read() == file.content


def _mode(file: payload.File, group: Optional[int]) -> int:
    return file.mode if group is None else file.mode | 0o440


def _write_file(folder: int, parts: Sequence[str], file: payload.File, owner: Owner) -> None:
    if len(parts) > 1:
        with beneath.made(parts[0], folder, 0o755) as inner:
            _write_file(inner, parts[1:], file, owner)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(parts[0], flags, 0o600, dir_fd=folder), "wb") as there:  # noqa: PTH123
        there.write(file.content)
        uid, gid = (-1 if part is None else part for part in owner)
        os.fchown(there.fileno(), uid, gid)
        os.fchmod(there.fileno(), _mode(file, owner[1]))


def _publish(place: int, names: set[str]) -> None:
    """The visible names: links through ..data; those that are gone go after it was replaced."""
    for name in names:
        if _target(name, place) != f"{DATA}/{name}":
            _link(f"{DATA}/{name}", name, place)
    for name in os.listdir(place):
        if not name.startswith("..") and name not in names:
            os.unlink(name, dir_fd=place)
