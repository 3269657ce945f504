"""When each workload reached which stage, by the driver's own clock. Pure: events in, times out.

The stages are those that other systems were measured by: the first object in a cloud, the right number of replicas
over all clouds, as many ready, and the hub's own status saying so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str]
"""Namespace and name of a workload on the hub."""

Object = Mapping[str, Any]
WORKLOAD_ANNOTATION = "suanli.io/workload"


@dataclass(slots=True)
class Progress:
    """One workload's times, in seconds of the driver's clock; None until it happens."""

    wanted: int
    sent: float | None = None
    placed: float | None = None
    first: float | None = None
    spread: float | None = None
    ready: float | None = None
    told: float | None = None
    replicas: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Wanted and ready replicas of each Deployment, by cloud and name."""

    def total(self) -> tuple[int, int]:
        return sum(count for count, _ in self.replicas.values()), sum(ready for _, ready in self.replicas.values())


class Tracker:
    def __init__(self) -> None:
        self.workloads: dict[Key, Progress] = {}

    def expect(self, key: Key, replicas: int) -> Progress:
        self.workloads[key] = Progress(wanted=replicas)
        return self.workloads[key]

    def cloud_event(self, cloud: str, kind: str, deployment: Object, now: float) -> None:
        """A Deployment was seen in a cloud; `kind` is the watch's ADDED, MODIFIED or DELETED."""
        metadata = deployment["metadata"]
        namespace, _, name = metadata.get("annotations", {}).get(WORKLOAD_ANNOTATION, "/").partition("/")
        progress = self.workloads.get((namespace, name))
        if progress is None:
            return
        place = (cloud, metadata["name"])
        progress.replicas.pop(place, None)
        if kind != "DELETED":
            ready = deployment.get("status", {}).get("readyReplicas", 0)
            progress.replicas[place] = (deployment["spec"].get("replicas", 1), ready)
            progress.first = progress.first or now
        _mark(progress, now)

    def hub_event(self, kind: str, workload: Object, now: float) -> None:
        metadata = workload["metadata"]
        progress = self.workloads.get((metadata["namespace"], metadata["name"]))
        if progress is None or kind == "DELETED":
            return
        status = workload.get("status", {})
        if status.get("placements"):
            progress.placed = progress.placed or now
        if status.get("readyReplicas", 0) == workload["spec"].get("replicas", 1) == progress.wanted:
            progress.told = progress.told or now

    def all(self, stage: str) -> bool:
        return all(getattr(progress, stage) is not None for progress in self.workloads.values())

    def latencies(self, stage: str) -> list[float]:
        """Seconds from each workload's own POST to the stage, of those that reached it."""
        times = ((getattr(progress, stage), progress.sent) for progress in self.workloads.values())
        return [reached - sent for reached, sent in times if reached is not None and sent is not None]

    def last(self, stage: str) -> float:
        """When the last one reached the stage; all must have."""
        times: list[float] = [getattr(progress, stage) for progress in self.workloads.values()]
        return max(times)


def _mark(progress: Progress, now: float) -> None:
    wanted, ready = progress.total()
    if wanted == progress.wanted:
        progress.spread = progress.spread or now
        if ready == wanted:
            progress.ready = progress.ready or now


def quantile(values: Iterable[float], share: float) -> float:
    """The value that `share` of them do not exceed; of few values, p99 is the largest. Raises ValueError for none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values were measured")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
