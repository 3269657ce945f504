"""Write a volume's files so that a reader sees all of the old or all of the new: kubelet's ..data symlink.

Layout: `..2026_01_31.123/key` holds the content, `..data` points to that directory, `key` points to `..data/key`.
Replacing `..data` by rename is the one atomic step.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from suanli_agent.core import payload

DATA = "..data"


def write(volume: Path, files: Mapping[str, payload.File], owner: tuple[Optional[int], Optional[int]]) -> bool:
    """Make volume show exactly these files; false when it did already. owner: (uid, gid), None leaves root's."""
    if (volume / DATA).is_symlink() and _shows(volume, files, owner):
        return False
    old = (volume / DATA).resolve() if (volume / DATA).is_symlink() else None
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=volume))
    fresh.chmod(0o755)
    for path, file in files.items():
        _write_file(fresh, path, file, owner)
    link = volume / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(volume / DATA)
    _publish(volume, {path.split("/")[0] for path in files})
    if old is not None and old != fresh:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _shows(volume: Path, files: Mapping[str, payload.File], owner: tuple[Optional[int], Optional[int]]) -> bool:
    base = volume / DATA
    present = {str(p.relative_to(base)) for p in base.rglob("*") if p.is_file()}
    return present == set(files) and all(_same(base / path, file, owner) for path, file in files.items())


def _same(path: Path, file: payload.File, owner: tuple[Optional[int], Optional[int]]) -> bool:
    stat = path.stat()
    owned = (owner[0] is None or stat.st_uid == owner[0]) and (owner[1] is None or stat.st_gid == owner[1])
    return owned and (stat.st_mode & 0o7777) == _mode(file, owner[1]) and path.read_bytes() == file.content


def _mode(file: payload.File, group: Optional[int]) -> int:
    return file.mode if group is None else file.mode | 0o440


def _write_file(base: Path, path: str, file: payload.File, owner: tuple[Optional[int], Optional[int]]) -> None:
    target = base / path
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    target.write_bytes(file.content)
    uid, gid = (-1 if part is None else part for part in owner)
    os.chown(target, uid, gid)
    target.chmod(_mode(file, owner[1]))


def _publish(volume: Path, names: set[str]) -> None:
    """The visible names: links through ..data; those that are gone go after it was replaced."""
    for name in names:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"{DATA}/{name}")
    for entry in volume.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
