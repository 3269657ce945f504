"""A Job runs once, where it has begun: it is placed anew only where nothing of it ran, or nothing of it is left."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from tests import bare_city, works

from suanli_controller.api import core_v1, names, workload
from suanli_controller.core import conditions, fleet, workload_status
from suanli_controller.kube import informer, kinds
from suanli_controller.reconcile import carrier, city, cluster, dry_run, observation
from suanli_controller.reconcile import workload as workloads

KEY = "office/sum"
A, B, C = (("Cloud/a", "default"), ("Cloud/b", "default"), ("Cloud/c", "default"))
SITE = ("EdgeSite/s", "default")
OURS = {names.WORKLOAD_UID_LABEL: "uid-1", names.VARIANT_LABEL: "default", names.HUB_UID_LABEL: "hub"}
NOW = dt.datetime.now(dt.UTC)


class Stage:
    """An operator without a hub, and clouds of one node each; one workload, a Job of half cores."""

    def __init__(self, *clouds: str, cores: int = 8) -> None:
        self.city = bare_city.made()
        hub: Any = bare_city.Judge()
        self.city.hub = hub
        for name in clouds:
            self.add_target(f"Cloud/{name}", cores)
        priorities = cluster.Cluster(city.HUB, hub, "hub", self.city).priority_classes
        self.all = workloads.Workloads(
            self.city,
            informer.Informer(hub, kinds.WORKLOADS),
            priorities,
            informer.Informer(hub, kinds.ALGORITHMS),
        )
        self.all.checks = dry_run.Checks(hub, "hub")
        self.version = 7
        self.said: list[str] = []
        recorder: Any = self
        self.city.recorder = recorder

    def record(self, _about: Any, _kind: str, reason: str, _message: str) -> None:
        """Stands in for events.Recorder."""
        self.said.append(reason)

    def add_target(self, ref: str, cores: int = 8) -> None:
        """A Cloud with a cluster of its own, or an EdgeSite in the hub's."""
        at, labels = (city.HUB, {names.SITE_LABEL: "s"}) if ref == SITE[0] else (ref, {})
        there = cluster.Cluster(at, self.city.hub, "hub", self.city)
        none: Any = lambda *_: None  # noqa: E731
        self.city.carriers[at] = carrier.Carrier(there, self.city.sources, "hub", none, none)
        self.city.set_target(fleet.Target(ref, clearance="Core"), at)
        amounts = {"cpu": str(cores), "memory": "64Gi", "pods": "100"}
        status = {"allocatable": amounts, "capacity": amounts, "conditions": [{"type": "Ready", "status": "True"}]}
        node = {"metadata": {"name": "n", "resourceVersion": "1", "labels": labels}, "status": status}
        there.nodes._put(msgspec.convert(node, core_v1.Node))
        for each in there.informers:
            each.synced.set()
        there.link.asked = True

    def there(self, place: workload_status.Place) -> cluster.Cluster:
        return self.city.carriers[city.HUB if place == SITE else place[0]].there

    async def apply(self, divide: str = "", **job: int) -> None:
        """The Job is made or changed, decided and written down."""
        self.version += 1
        before = self.all.records[KEY].item if KEY in self.all.records else None
        spec: dict[str, Any] = {"placement": {"divide": divide}} if divide else {}
        made = works.work("sum", type="Job", job={"completions": 8, "parallelism": 4, **job}, **spec)
        head = msgspec.structs.replace(
            made.metadata,
            generation=self.version,
            resource_version=str(self.version),
            finalizers=[names.WORKLOAD_FINALIZER],
        )
        status = before.status if before else made.status
        self.all.items._put(msgspec.structs.replace(made, metadata=head, status=status))
        self.all._observe(KEY)
        await self.all._prepare(self.all.records[KEY])
        self.look()

    def look(self) -> workload.ComputeWorkloadStatus:
        """Decide, and write the status down."""
        assert self.all._decided([KEY]) == [KEY]
        record = self.all.records[KEY]
        report = observation.report(self.city, record)
        status = workload_status.status_of(record.built, report, NOW)
        self.version += 1
        head = msgspec.structs.replace(record.item.metadata, resource_version=str(self.version))
        record.item = msgspec.structs.replace(record.item, metadata=head, status=status)
        self.all.items._put(record.item)
        return status

    def restart(self) -> None:
        """What is not in a status is forgotten."""
        record = self.all.records[KEY]
        record.given = record.answer = None

    def run(self, place: workload_status.Place, **status: int) -> None:
        """The Job is in its place."""
        self.version += 1
        labels = OURS | ({names.PLACED_SITE_LABEL: "s"} if place == SITE else {})
        made = msgspec.convert({"spec": {"parallelism": 1}}, core_v1.Job)
        head = msgspec.structs.replace(
            made.metadata,
            name="sum-default",
            namespace="office",
            labels=labels,
            resource_version=str(self.version),
        )
        told = msgspec.convert(status, core_v1.JobStatus)
        self.there(place).owned["Job"]._put(msgspec.structs.replace(made, metadata=head, status=told))

    def pod(self, place: workload_status.Place, name: str, *, bound: bool) -> None:
        """A pod of the Job, on its node or without one for long enough."""
        since = (NOW - dt.timedelta(minutes=5)).isoformat()
        said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since}
        whole = {
            "metadata": {"name": name, "namespace": "office", "uid": name, "labels": OURS, "resourceVersion": "1"},
            "spec": {"nodeName": "n"} if bound else {},
            "status": {} if bound else {"conditions": [said]},
        }
        self.there(place).pods._put(msgspec.convert(whole, core_v1.Pod))

    async def remove(self, place: workload_status.Place, *, emptied: bool) -> None:
        """The Cloud goes, as its deletionPolicy says."""
        del self.city.carriers[place[0]]
        self.city.remove_target(place[0])
        if emptied:
            self.city.cleared.add(place[0])

    @property
    def placed(self) -> dict[workload_status.Place, tuple[int, int]]:
        """By place: pods at a time, and completions."""
        status = self.all.records[KEY].item.status
        return {(each.target, each.variant): (each.replicas, each.completions) for each in status.placements}


def ready(status: workload.ComputeWorkloadStatus) -> tuple[str, str]:
    found = conditions.get(status.conditions, names.READY)
    assert found is not None
    return found.status, found.reason


async def test_a_job_that_runs_takes_another_number_of_pods_at_a_time() -> None:
    stage = Stage("a", "b")
    await stage.apply()
    stage.run(A)
    for parallelism in (6, 2, 8):
        await stage.apply(parallelism=parallelism)
        assert stage.placed == {A: (parallelism, 8)}


async def test_a_job_grows_only_where_it_is_and_as_far_as_there_is_room() -> None:
    stage = Stage("a", "b", cores=3)
    await stage.apply()
    await stage.apply(parallelism=8)
    assert stage.placed == {A: (6, 8)}
    status = stage.look()
    assert status.unplaced is not None
    reasons = {each.reason for each in status.unplaced.reasons}
    assert (status.unplaced.replicas, reasons) == (2, {"TargetExcluded", "InsufficientCpu"})
    stage.restart()
    assert stage.look() == status


async def test_the_shares_of_a_divided_job_are_fixed_and_its_pods_at_a_time_follow_in_proportion() -> None:
    stage = Stage("a", "b")
    await stage.apply("Capacity", parallelism=8)
    assert stage.placed == {A: (4, 4), B: (4, 4)}
    for parallelism, each in ((4, 2), (1, 1), (6, 3)):
        await stage.apply("Capacity", parallelism=parallelism)
        stage.restart()
        stage.look()
        assert stage.placed == {A: (each, 4), B: (each, 4)}


async def test_a_duplicated_job_follows_its_parallelism_in_each_target() -> None:
    stage = Stage("a", "b")
    for parallelism in (4, 2, 3):
        await stage.apply("Duplicated", parallelism=parallelism)
        assert stage.placed == {A: (parallelism, 4), B: (parallelism, 4)}


async def test_a_place_with_no_part_of_the_completions_makes_no_job() -> None:
    """An object of a Job without a share would run all of it."""
    stage = Stage("a", "b")
    await stage.apply("Duplicated", completions=1, parallelism=1)
    assert stage.placed == {A: (1, 1), B: (1, 0)}
    assert [stage.all.records[KEY].has_ended(place) for place in (A, B)] == [False, True]


async def test_a_job_that_went_with_its_cloud_begins_anew() -> None:
    stage = Stage("a", "b")
    await stage.apply()
    stage.run(A, succeeded=3)
    await stage.remove(A, emptied=True)
    stage.look()
    assert stage.placed == {B: (4, 8)}


async def test_a_job_that_a_removed_cloud_keeps_is_not_run_twice_and_says_so() -> None:
    """deletionPolicy: Orphan leaves it there, where it may run to its end."""
    stage = Stage("a", "b")
    await stage.apply()
    stage.run(A)
    stage.look()
    await stage.remove(A, emptied=False)
    for _ in range(2):
        assert ready(stage.look()) == ("Unknown", "TargetRemoved")
        assert stage.placed == {A: (4, 8)}
        stage.restart()
    stage.add_target("Cloud/a")
    assert ready(stage.look()) == ("False", "JobRunning")


@pytest.mark.parametrize("place", [A, SITE])
async def test_a_job_begins_anew_when_it_is_gone_from_the_cloud_or_site_that_goes(
    place: workload_status.Place,
) -> None:
    """What is at a site is the hub's to delete."""
    stage = Stage()
    stage.add_target(place[0])
    await stage.apply()
    stage.run(place)
    stage.add_target(B[0])
    stage.city.remove_target(place[0])
    stage.city.cleared |= {place[0]} - {SITE[0]}
    stage.look()
    assert stage.placed == {place: (4, 8)}
    stage.there(place).owned["Job"]._remove("office/sum-default")
    stage.look()
    assert stage.placed == {B: (4, 8)}


@pytest.mark.parametrize(("succeeded", "expected"), [(3, {B: (4, 4), C: (4, 4)}), (4, {A: (4, 4), B: (4, 4)})])
async def test_the_lost_share_of_a_divided_job_goes_where_none_of_it_is(
    succeeded: int, expected: dict[workload_status.Place, tuple[int, int]]
) -> None:
    """Unless it is on record as done: then it is not run again."""
    stage = Stage("a", "b")
    await stage.apply("Capacity", parallelism=8)
    stage.add_target("Cloud/c")
    stage.run(A, succeeded=succeeded)
    stage.run(B)
    stage.look()
    await stage.remove(A, emptied=True)
    stage.look()
    assert stage.placed == expected


async def test_a_job_of_which_no_pod_was_ever_bound_is_placed_anew_when_it_is_gone_there() -> None:
    """Not before: the scheduler there could bind its pods still, and it would run twice."""
    stage = Stage("a", "b")
    await stage.apply()
    stage.run(A)
    stage.pod(A, "one", bound=False)
    stage.look()
    assert not any(replicas for replicas, _ in stage.placed.values())
    stage.there(A).owned["Job"]._remove("office/sum-default")
    status = stage.look()
    assert stage.placed == {B: (4, 8)}
    assert ready(status) == ("False", "JobRunning")
    assert stage.all.records[KEY].is_written


@pytest.mark.parametrize(("bound", "counts"), [(True, {}), (False, {"failed": 1}), (False, {"succeeded": 1})])
async def test_a_job_that_has_begun_stays_in_a_full_cloud_and_says_so(bound: bool, counts: dict[str, int]) -> None:
    stage = Stage("a", "b")
    await stage.apply()
    stage.run(A, **counts)
    stage.pod(A, "one", bound=False)
    if bound:
        stage.pod(A, "two", bound=True)
    assert ready(stage.look()) == ("False", "TargetFull")
    assert stage.placed == {A: (4, 8)}
