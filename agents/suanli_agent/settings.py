"""The agent's settings: environment variables SUANLI_AGENT_*, which the systemd unit reads from a file, or flags.

Read once at start. Everything has a default that suits a box with containerd.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any, Dict, Mapping

PREFIX = "SUANLI_AGENT_"


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names it and the mend."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One field per variable, e.g. `state` is SUANLI_AGENT_STATE."""

    state: str = "/var/lib/suanli-agent"
    """Identity, desired state, volumes. On a disk that survives a reboot; some 10 MiB and what volumes hold."""

    run: str = "/run/suanli-agent"
    """The socket for `suanli-agent status` and its like, and secrets of pods: in memory on every systemd box."""

    host_root: str = "/"
    """Where the box's own /proc, /sys and /etc are, for an agent in a container."""

    runtime: str = "unix:///run/containerd/containerd.sock"
    """The runtime's CRI v1 socket: containerd, CRI-O (unix:///run/crio/crio.sock), iSulad
    (unix:///run/isulad.sock)."""

    cgroup_parent: str = ""
    """Control group of all pods; its use is told apart from what else runs on the box. Empty: /suanli, or suanli.slice
    where the runtime leaves control groups to systemd, which it is asked at start."""

    cni_dir: str = "/etc/cni/net.d"
    """Where the runtime looks for pod networks; `join` writes a bridge there where nothing is. Empty: never."""

    pod_cidr: str = ""
    """IPv4 subnet of that bridge. Empty: a /24 of 10.128.0.0/9 that no route of the box covers."""

    node_ip: str = ""
    """Address that the hub and other nodes reach this box by. Empty: the one that it reaches the hub from."""

    listen: str = "10250"
    """[ADDRESS:]PORT of the kubelet's endpoints (logs, exec); kubelet's own port. 0: none."""

    max_pods: int = 110
    """Pods that the box takes; kubelet's default."""

    heartbeat_seconds: int = 10
    """Between two Lease renewals; the hub calls a box silent after 40 s."""

    status_seconds: int = 300
    """Longest time between two Node status writes; changes are written at once."""

    certificate_seconds: int = 604800
    """Lifetime to ask for; half of it again where the site allows less."""

    log_level: str = "info"
    """debug, info, warning or error."""

    @property
    def state_path(self) -> pathlib.Path:
        return pathlib.Path(self.state)

    @property
    def socket(self) -> pathlib.Path:
        """Where the daemon answers the box's own commands."""
        return pathlib.Path(self.run) / "agent.sock"


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment. Raises SettingsError, also for a variable that does not exist."""
    known = {field.name: field for field in dataclasses.fields(Settings)}
    values: Dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable[len(PREFIX) :].lower()
        if name not in known:
            raise SettingsError(f"{variable}: there is no such setting; there are {', '.join(sorted(known))}")
        values[name] = _value(variable, text, known[name].type)
    return checked(Settings(**values))


def _value(variable: str, text: str, kind: object) -> "str | int":
    if kind not in (int, "int"):
        return text
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{variable}={text!r}: must be a whole number") from None


_RANGES = {
    "max_pods": (1, 1000),
    "heartbeat_seconds": (1, 30),
    "status_seconds": (10, 3600),
    "certificate_seconds": (600, 31_536_000),
}


def checked(settings: Settings) -> Settings:
    """The settings, when every value can be used. Raises SettingsError."""
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise SettingsError(f"{PREFIX}{name.upper()}={value}: must be between {low} and {high}")
    if not settings.runtime.startswith("unix:///"):
        raise SettingsError(f"{PREFIX}RUNTIME={settings.runtime!r}: must be unix:///PATH of the runtime's socket")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingsError(f"{PREFIX}LOG_LEVEL={settings.log_level!r}: must be debug, info, warning or error")
    address(settings.listen)
    return settings


def address(listen: str) -> "tuple[str, int]":
    """(address, port) of [ADDRESS:]PORT; an empty address means all. Raises SettingsError."""
    host, _, port = listen.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"{PREFIX}LISTEN={listen!r}: must be PORT or ADDRESS:PORT, IPv6 as [::1]:10250")
    return host.strip("[]"), int(port)
