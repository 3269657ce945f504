"""A Job that ended and is gone from its cluster is known as ended, and is not made again."""

from typing import Any

import pytest

from suanli_controller.api import core_v1, meta, names
from suanli_controller.core import workload_status
from suanli_controller.reconcile import cluster

KEY = ("Job", "a", "sum-default")
LABELS = {names.WORKLOAD_UID_LABEL: "u", names.VARIANT_LABEL: "default"}


class Ears:
    """Stands in for city.City, and remembers what was known as ended when it heard of a change."""

    def __init__(self) -> None:
        self.known: list[set[Any]] = []

    def object_changed(self, there: cluster.Cluster, uid: str, **_: bool) -> None:
        self.known.append(set(there.ended(uid)))


def job(version: str, *ends: str, succeeded: int = 0) -> core_v1.Job:
    conditions = [core_v1.StatusCondition(type=kind, status="True") for kind in ends]
    return core_v1.Job(
        metadata=meta.ObjectMeta(name="sum-default", namespace="a", resource_version=version, labels=LABELS),
        status=core_v1.JobStatus(succeeded=succeeded, conditions=conditions),
    )


@pytest.fixture
def there() -> cluster.Cluster:
    ears: Any = Ears()
    return cluster.Cluster("Cloud/c", Any, "hub", ears)  # type: ignore[arg-type]  # nothing is asked of it


@pytest.mark.parametrize("end", ["Complete", "Failed"])
def test_the_end_of_a_job_that_is_gone_is_known(there: cluster.Cluster, end: str) -> None:
    """Before anyone hears that it is gone, and with the counts that its deletion shows."""
    jobs = there.owned["Job"]
    jobs._put(job("1"))
    jobs._remove("a/sum-default", job("2", end, succeeded=4))
    assert there.ears.known == [set(), {KEY}]  # type: ignore[attr-defined]
    assert list(there.seen("u")) == [("", "default", workload_status.Seen(succeeded=4, finished=end))]
    there.forget("u")
    assert list(there.seen("u")) == []


def test_a_job_that_goes_before_its_end_has_not_ended(there: cluster.Cluster) -> None:
    jobs = there.owned["Job"]
    jobs._put(job("1"))
    jobs._remove("a/sum-default", job("2", succeeded=1))
    assert (list(there.ended("u")), list(there.seen("u"))) == ([], [])


def test_a_job_that_is_there_again_counts_for_more(there: cluster.Cluster) -> None:
    jobs = there.owned["Job"]
    jobs._put(job("1", "Complete", succeeded=4))
    jobs._remove("a/sum-default")
    jobs._put(job("3", succeeded=1))
    by_place = {(site, variant): one for site, variant, one in there.seen("u")}
    assert by_place == {("", "default"): workload_status.Seen(succeeded=1)}
