"""Pods that no scheduler binds are taken back only where they are seen as they are."""

import dataclasses
import datetime as dt
from typing import Any

import msgspec
import pytest

from suanli_controller.api import core_v1, names
from suanli_controller.kube import errors
from suanli_controller.reconcile import observation

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
PLACE = ("Cloud/c", "default")


def waiting(seconds: float) -> core_v1.Pod:
    since = (NOW - dt.timedelta(seconds=seconds)).isoformat()
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since}
    meta = {"name": "p", "labels": {names.VARIANT_LABEL: "default"}}
    return msgspec.convert({"metadata": meta, "status": {"conditions": [said]}}, core_v1.Pod)


@dataclasses.dataclass
class There:
    """Stands in for cluster.Cluster, and for its informer of pods."""

    waited: tuple[float, ...]
    ready: bool = True
    error: errors.KubeError | None = None
    ref: str = "Cloud/c"

    @property
    def pods(self) -> "There":
        return self

    def pods_of(self, _uid: str) -> list[core_v1.Pod]:
        return [waiting(seconds) for seconds in self.waited]


@dataclasses.dataclass
class Carrier:
    there: There


@dataclasses.dataclass
class City:
    carriers: dict[str, Carrier]


def stuck(**there: Any) -> tuple[dict[Any, int], float | None]:
    here: Any = City({"Cloud/c": Carrier(There(**there))})
    return observation.stuck(here, "u", NOW)


def test_pods_count_as_stuck_after_a_minute() -> None:
    assert stuck(waited=(70.0, 61.0, 20.0)) == ({PLACE: 2}, 40.0)
    assert stuck(waited=()) == ({}, None)


def test_nothing_is_taken_back_from_a_cloud_that_does_not_answer() -> None:
    """Its scheduler may have bound them since, and they run."""
    assert stuck(waited=(70.0,), ready=False) == ({}, observation.SILENT_SECONDS)
    assert stuck(waited=(), ready=False) == ({}, None)


@pytest.mark.parametrize("waited", [70.0, 20.0])
def test_pods_are_looked_at_again_when_the_watch_is_back(waited: float) -> None:
    found, next_in = stuck(waited=(waited,), error=errors.Unreachable("refused"))
    assert (found, next_in) == ({}, observation.LOOK_AGAIN_SECONDS)
