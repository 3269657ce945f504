"""What of an object that comes by watch is worth another look."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import core_v1, meta, names, workload
from suanli_controller.reconcile import city, cluster
from suanli_controller.reconcile.record import Record


def item(version: str, uid: str = "u") -> workload.ComputeWorkload:
    spec = workload.ComputeWorkloadSpec(type="Deployment", template={})
    return workload.ComputeWorkload(
        metadata=meta.ObjectMeta(name="app", namespace="a", uid=uid, resource_version=version), spec=spec
    )


def test_what_we_wrote_ourselves_is_known_when_it_comes_back() -> None:
    record = Record("a/app", item("7"))
    assert record.knows(item("7"))
    assert record.knows(item("6"))
    assert not record.knows(item("8"))
    assert not record.knows(item("7", uid="made anew"))


class Ears:
    """Stands in for city.City."""

    def __init__(self) -> None:
        self.heard: list[tuple[bool, bool]] = []

    def object_changed(self, _there: Any, uid: str, *, status_alone: bool, told: bool) -> None:
        assert uid == "u"
        self.heard.append((status_alone, told))


def deployment(ready: int = 0, observed: int = 0, **other: Any) -> core_v1.Deployment:
    """Of one replica."""
    found: dict[str, Any] = {"name": "d", "labels": {names.WORKLOAD_UID_LABEL: "u"}, "generation": 1} | other
    status = core_v1.DeploymentStatus(
        observed_generation=observed, replicas=observed, updated_replicas=observed, ready_replicas=ready
    )
    return core_v1.Deployment(metadata=meta.ObjectMeta(**found), spec=core_v1.ScaleSpec(replicas=1), status=status)


def heard(old: Any, new: Any) -> list[tuple[bool, bool]]:
    """(whether the status alone changed, whether that is told) of what was heard."""
    ears: Any = Ears()
    there: Any = cluster.Cluster("Cloud/c", Any, "hub", ears)  # type: ignore[arg-type]  # nothing is asked of it
    there.owned["Deployment"]._tell(old, new)
    return ears.heard  # type: ignore[no-any-return]


def test_a_status_that_moves_asks_for_no_steps_in_its_cloud() -> None:
    assert heard(deployment(), deployment(ready=1)) == [(True, True)]
    assert heard(deployment(ready=1), deployment(ready=1, observed=1)) == [(True, True)]


def test_of_an_object_that_runs_nothing_yet_nothing_is_told() -> None:
    assert heard(deployment(), deployment(observed=1)) == []
    assert heard(None, deployment()) == [(False, False)]
    assert heard(None, deployment(ready=1)) == [(False, True)]
    assert heard(deployment(), None) == [(False, True)]


def test_what_its_own_controller_notes_on_an_object_asks_for_nothing() -> None:
    assert heard(deployment(), deployment(annotations={"deployment.kubernetes.io/revision": "1"})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"annotations": {names.CONTENT_ANNOTATION: "other"}},
        {"labels": {names.WORKLOAD_UID_LABEL: "u", "more": ""}},
        {"deletion_timestamp": dt.datetime.now(dt.UTC)},
    ],
)
def test_anything_else_is_looked_at_and_told(change: dict[str, Any]) -> None:
    assert heard(deployment(), deployment(**change)) == [(False, True)]
    assert heard(deployment(**change), None) == [(False, True)]


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_what_is_reported_waits_for_the_next_round_with_all_else(now: float, later: float) -> None:
    first, second = city._next_round(now), city._next_round(now + later)
    assert city.REPORT_SECONDS <= first <= city.REPORT_SECONDS + city.ROUND_SECONDS
    rounds = (now + later + second - now - first) / city.ROUND_SECONDS
    assert abs(rounds - round(rounds)) < 1e-6
