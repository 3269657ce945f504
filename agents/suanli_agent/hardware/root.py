"""Reading below one root directory, so that fixtures and a container's view of the host work alike."""

from __future__ import annotations

import pathlib
from typing import List, Optional


class Root:
    """Files of one machine; every path is given as the machine itself would write it.

    Absolute symbolic links are followed inside the root (`/sys/class/...` and `/etc/os-release` are such links).
    """

    def __init__(self, path: str = "/") -> None:
        self.path = pathlib.Path(path)

    def resolve(self, name: str) -> pathlib.Path:
        """Where `name` lies for this process."""
        path = self.path / name.lstrip("/")
        if self.path == pathlib.Path("/") or not path.is_symlink():
            return path
        target = str(path.readlink())
        return self.resolve(target) if target.startswith("/") else path

    def read(self, name: str) -> str:
        """The text of a file, stripped at its end; empty where there is none or it may not be read."""
        try:
            return self.resolve(name).read_text(errors="replace").rstrip()
        except OSError:
            return ""

    def read_bytes(self, name: str) -> bytes:
        """The raw content of a file; empty where there is none or it may not be read."""
        try:
            return self.resolve(name).read_bytes()
        except OSError:
            return b""

    def integer(self, name: str, base: int = 10) -> Optional[int]:
        """The number in a one-number file (`base` 0 takes 0x...); None where there is none."""
        try:
            return int(self.read(name), base)
        except ValueError:
            return None

    def exists(self, name: str) -> bool:
        """True where the file or directory is there."""
        return self.resolve(name).exists()

    def names(self, directory: str, pattern: str = "*") -> List[str]:
        """Sorted paths in a directory that match, again as the machine writes them."""
        found = self.resolve(directory).glob(pattern)
        return sorted(f"{directory.rstrip('/')}/{path.name}" for path in found)
