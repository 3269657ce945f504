"""What a Cloud's status says, from what was seen of it. Equal input gives an equal status."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from suanli_controller.api import cloud, fields, meta, names
from suanli_controller.core import conditions, hardware

OLDEST = (1, 22)
"""Server-side apply is stable since Kubernetes 1.22."""
OLDEST_HUB = (1, 30)
"""The CEL rules of our kinds are stable since Kubernetes 1.29, ValidatingAdmissionPolicy since 1.30."""
RTT_CHANGE_PERMILLE = 200
"""A round trip is written when it changed by a fifth: what trembles would be written all day."""
CONFLICTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a cloud is not Ready: `status` False for what its owner must mend, Unknown for silence."""

    status: meta.Status
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a cloud."""

    finding: Finding | None = None  # none: connected
    version: str = ""
    nodes: Sequence[hardware.NodeFacts] = ()
    classes: tuple[fields.ClassCapacity, ...] | None = None  # none: as they were, for what cannot be seen
    storage: tuple[cloud.StorageCapacity, ...] = ()
    rtt_microseconds: int | None = None
    credential_expires: dt.datetime | None = None


def too_old(version: tuple[int, int], *, is_hub: bool = False) -> str:
    """Which version a cluster must have at least, where its own is older; empty where it is not.

    One that is no number, (0, 0), is given the benefit of the doubt.
    """
    oldest = OLDEST_HUB if is_hub else OLDEST
    return ".".join(map(str, oldest)) if (0, 0) < version < oldest else ""


def status_of(item: cloud.Cloud, view: View, now: dt.datetime) -> cloud.CloudStatus:
    """The whole status. What a silent cloud held when it was seen last stays."""
    before = item.status
    known = view.classes is not None
    return cloud.CloudStatus(
        observed_generation=item.metadata.generation,
        conditions=conditions.merged(before.conditions, [_ready(view)], item.metadata.generation, now),
        version=view.version or before.version,
        nodes=len(view.nodes) if known else before.nodes,
        ready_nodes=sum(each.ready for each in view.nodes) if known else before.ready_nodes,
        classes=list(view.classes) if view.classes is not None else before.classes,
        storage=list(view.storage) if known else before.storage,
        network=_network(before.network, view.rtt_microseconds),
        credential_expires=view.credential_expires,
    )


def _ready(view: View) -> meta.Condition:
    if view.finding is not None:
        return conditions.make(names.READY, view.finding.status, view.finding.reason, view.finding.message)
    conflicts = sorted({f"{each.name}: {one}" for each in view.nodes for one in each.conflicts})
    if conflicts:
        shown = "; ".join(conflicts[:CONFLICTS_SHOWN])
        more = f" and {len(conflicts) - CONFLICTS_SHOWN} more" if len(conflicts) > CONFLICTS_SHOWN else ""
        message = f"nodes under nodeProfiles that differ count as unknown: {shown}{more}"
        return conditions.make(names.READY, "True", names.PROFILES_CONFLICT, message)
    return conditions.make(names.READY, "True", names.CONNECTED, "its API server answers")


def _network(before: cloud.NetworkStatus | None, measured: int | None) -> cloud.NetworkStatus | None:
    rtt = steady_rtt(before.rtt_microseconds if before is not None else None, measured)
    return None if rtt is None else cloud.NetworkStatus(rtt)


def steady_rtt(before: int | None, measured: int | None) -> int | None:
    """A round trip in microseconds as it is told: what trembles is what it was."""
    if before is None or measured is None:
        return before if measured is None else measured
    return before if abs(measured - before) * 1000 < before * RTT_CHANGE_PERMILLE else measured
