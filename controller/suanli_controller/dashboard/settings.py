"""The dashboard's settings, by area. Times in seconds."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from suanli_controller.dashboard import access, live, subscriber


class InvalidSettingError(ValueError):
    """A setting that cannot be used; the message names it, its value and the mend."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the dashboard serves. Without a certificate it speaks HTTP, for loopback or behind an ingress with
    TLS.
    """

    host: str = "127.0.0.1"
    port: int = 8480
    certificate: Path | None = None
    key: Path | None = None
    metrics_port: int = 0  # 0: no metrics; on the same address, without sign-in
    # The page's own address where a proxy stands before us, for checking Origin; "" means what Host says.
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them. `cookie_key` signs sessions; one of our own making ends every session at a restart."""

    listen: Listen = Listen()
    sessions: access.Settings = field(default_factory=access.Settings)
    updates: live.Settings = field(default_factory=live.Settings)
    stream: subscriber.Settings = field(default_factory=subscriber.Settings)
    cookie_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    history: Path | None = None  # None: in memory, lost at a restart
    prometheus_url: str = ""
    namespace: str = "suanli-system"  # where the leader publishes its stream
    view_url: str = ""  # instead of what the leader publishes
    view_certificate: Path | None = None


def read_cookie_key(path: Path) -> bytes:
    """The key in a file, made there when there is none, readable by its owner alone.

    Raises InvalidSettingError.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(32))
        key = path.read_bytes()
    except OSError as error:
        raise InvalidSettingError(f"--cookie-key-file {path}: {error.strerror}") from error
    if len(key) < 32:
        raise InvalidSettingError(f"--cookie-key-file {path}: has {len(key)} bytes; 32 random ones are needed")
    return key
