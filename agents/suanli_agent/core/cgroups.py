"""The control group that all pods of the box live in: how it is called depends on who makes control groups."""

from __future__ import annotations

from typing import Dict, Tuple

SYSTEMD, CGROUPFS = "systemd", "cgroupfs"

_PARENTS: Dict[str, str] = {CGROUPFS: "/suanli", SYSTEMD: "suanli.slice"}


def parent(driver: str, runtime: str) -> str:
    """The parent to hand to the runtime, which takes a slice from systemd's hands and a path otherwise, nothing else.

    `driver` as the runtime tells it, empty where it does not: CRI-O's default is systemd, everyone else's is not.
    """
    return _PARENTS[driver or (SYSTEMD if runtime == "cri-o" else CGROUPFS)]


def directories(chosen: str) -> Tuple[str, ...]:
    """Where that group is below a hierarchy of /sys/fs/cgroup; of an empty parent, each place where it may be."""
    return tuple(_directory(name) for name in ([chosen] if chosen else _PARENTS.values()))


def _directory(name: str) -> str:
    """A slice lies in those that its name is made of (systemd.slice(5)): a-b.slice is a.slice/a-b.slice."""
    *_, last = name.split("/")
    if not last.endswith(".slice"):
        return "/" + name.strip("/")
    words = last[: -len(".slice")].split("-")
    return "".join(f"/{'-'.join(words[: end + 1])}.slice" for end in range(len(words)))
