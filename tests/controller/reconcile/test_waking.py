"""What of an object that comes by watch is worth another look."""

import datetime as dt
from typing import Any

import pytest

from suanli_controller.api import core_v1, meta, names, workload
from suanli_controller.reconcile import cluster
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
        self.heard: list[bool] = []

    def object_changed(self, _there: Any, uid: str, *, status_alone: bool) -> None:
        assert uid == "u"
        self.heard.append(status_alone)


def deployment(ready: int = 0, **other: Any) -> core_v1.Deployment:
    found: dict[str, Any] = {"name": "d", "labels": {names.WORKLOAD_UID_LABEL: "u"}, "generation": 1} | other
    return core_v1.Deployment(
        metadata=meta.ObjectMeta(**found), status=core_v1.DeploymentStatus(ready_replicas=ready)
    )


def heard(old: Any, new: Any) -> bool:
    ears: Any = Ears()
    there: Any = cluster.Cluster("Cloud/c", Any, "hub", ears)  # type: ignore[arg-type]  # nothing is asked of it
    there.owned["Deployment"]._tell(old, new)
    (found,) = ears.heard
    return bool(found)


def test_a_status_that_moves_asks_for_no_steps_in_its_cloud() -> None:
    assert heard(deployment(), deployment(ready=2))


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"annotations": {names.CONTENT_ANNOTATION: "other"}},
        {"labels": {names.WORKLOAD_UID_LABEL: "u", "more": ""}},
        {"deletion_timestamp": dt.datetime.now(dt.UTC)},
    ],
)
def test_anything_else_is_looked_at(change: dict[str, Any]) -> None:
    assert not heard(deployment(), deployment(ready=2, **change))
    assert not heard(None, deployment(**change))
    assert not heard(deployment(**change), None)
