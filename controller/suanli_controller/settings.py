"""What can be set from outside, one frozen dataclass an area. No file is read here."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Run:
    """Of `suanli-controller run`."""

    kubeconfig: str = ""  # the hub; empty: the pod's own account, else the default file
    context: str = ""
    namespace: str = "suanli-system"  # where the Lease and the clouds' Secrets are
    identity: str = ""  # of this replica in the Lease; empty: host name and a random part
    strategy: str = ""  # BinPack, Spread or Fragmentation; empty: Fragmentation for accelerators, else BinPack
    metrics: tuple[str, int] | None = ("127.0.0.1", 9480)  # where /metrics and /healthz are served; none: nowhere
    view: tuple[str, int] | None = ("127.0.0.1", 0)  # where the leader streams what it knows; 0: any free port
    view_advertise: str = ""  # the host by which the dashboard reaches it; empty: where it listens
    log_format: str = field(default="auto")  # json, console, or auto: console on a terminal
    log_level: str = "info"
