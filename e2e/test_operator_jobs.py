"""Jobs run once, to their end, whatever happens to the operator and to the Job's object in the cloud."""

from collections.abc import Iterator
from typing import Any

import pytest

from suanli_clusters import until
from suanli_clusters.backend import Backend
from suanli_operator import City, Json, Namespace, Work, has_condition, only, template


@pytest.fixture
def space(city: City) -> Iterator[Namespace]:
    with city.namespace("jobs") as made:
        yield made


def short(backend: Backend, **job: Any) -> Json:
    """A Job whose pods end at once: on kwok after a moment, with real containers because the command ends."""
    pod = template({**backend.container, "command": ["true"]}, restartPolicy="Never")
    return {"type": "Job", "template": pod, "job": {"completions": 2, "parallelism": 2, **job}}


def held(backend: Backend, **job: Any) -> Json:
    """A Job whose pods wait for a scheduler that does not come."""
    spec = short(backend, **job)
    spec["template"]["spec"]["schedulerName"] = "nobody"
    return spec


def jobs(backend: Backend, work: Work) -> list[Json]:
    return [job for member in (backend.hub, backend.cloud) for job in work.in_cloud(member, "Job")]


def test_a_job_goes_whole_to_one_cloud_and_completes(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("sum", short(backend))
    work.until("Complete", "True", "JobComplete")
    assert len(jobs(backend, work)) == 1
    placements = work.status()["placements"]
    assert [each["succeeded"] for each in placements] == [2]
    assert work.says("Ready") == ("True", "JobComplete")


def test_a_divided_job_shares_out_its_completions(city: City, backend: Backend, space: Namespace) -> None:
    spec = short(backend, completions=5, parallelism=4)
    spec["placement"] = {
        "divide": "Weighted",
        "weights": [{"target": "Cloud/local", "weight": 1}, {"target": "Cloud/cloud", "weight": 1}],
    }
    work = space.workload("shared", spec)
    work.until("Complete", "True", "JobComplete")
    assert sorted(job["spec"]["completions"] for job in jobs(backend, work)) == [2, 3]
    assert sum(each["succeeded"] for each in work.status()["placements"]) == 5


def test_a_finished_job_is_not_run_again_after_its_time_to_live(
    city: City, backend: Backend, space: Namespace
) -> None:
    """With a time to live of 0 the Job goes from the cloud at once; its end stays on record."""
    work = space.workload("once", short(backend, ttlSecondsAfterFinished=0))
    work.until("Complete", "True", "JobComplete")
    until(lambda: not jobs(backend, work), "the Job has gone")
    assert city.operator is not None
    city.operator.restart()
    later = space.workload("later", short(backend))
    later.until("Complete", "True", "JobComplete")  # the operator has been through all workloads by now
    assert jobs(backend, work) == []
    assert work.says("Complete") == ("True", "JobComplete")
    assert work.status()["placements"][0]["succeeded"] == 2


def test_a_finished_job_that_somebody_deletes_is_not_run_again(
    city: City, backend: Backend, space: Namespace
) -> None:
    work = space.workload("kept", short(backend))
    work.until("Complete", "True", "JobComplete")
    (job,) = jobs(backend, work)
    for member in (backend.hub, backend.cloud):
        name = job["metadata"]["name"]
        member.api.delete(f"/apis/batch/v1/namespaces/{space.name}/jobs/{name}?propagationPolicy=Background")
    until(lambda: not jobs(backend, work), "the Job has gone")
    later = space.workload("later", short(backend))
    later.until("Complete", "True", "JobComplete")
    assert jobs(backend, work) == []


def test_a_job_that_is_deleted_the_moment_it_ends_is_not_run_again(
    city: City, backend: Backend, space: Namespace
) -> None:
    """Before its end can be on record: that it is gone and that it ended come to the operator together."""
    work = space.workload("brief", short(backend))
    made: set[str] = set()

    def ended() -> list[Json]:
        found = jobs(backend, work)
        made.update(job["metadata"]["uid"] for job in found)
        return [job for job in found if has_condition(job.get("status", {}), "Complete")]

    (job,) = until(ended, "the Job ends", every=0.01)
    for member in (backend.hub, backend.cloud):
        for each in work.in_cloud(member, "Job"):
            path = f"/apis/batch/v1/namespaces/{space.name}/jobs/{each['metadata']['name']}"
            member.api.delete(f"{path}?propagationPolicy=Background")
    work.until("Complete", "True", "JobComplete")
    assert work.status()["placements"][0]["succeeded"] == 2
    later = space.workload("later", short(backend))
    later.until("Complete", "True", "JobComplete")
    assert jobs(backend, work) == []
    assert made == {job["metadata"]["uid"]}


def test_a_changed_job_template_changes_nothing_and_says_so(
    city: City, backend: Backend, space: Namespace
) -> None:
    work = space.workload("fixed", held(backend))
    until(lambda: jobs(backend, work), "the Job is there")
    (before,) = jobs(backend, work)
    changed = short(backend)["template"]
    changed["metadata"]["labels"]["round"] = "two"
    work.patch(template=changed)
    until(lambda: has_condition(work.status(), "TemplateImmutable"), "TemplateImmutable")
    (after,) = jobs(backend, work)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["template"] == before["spec"]["template"]


def test_a_suspended_job_runs_when_it_is_resumed(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("patient", {**short(backend), "suspend": True})
    work.until("Placed", "False", "Suspended")
    assert jobs(backend, work) == []
    work.patch(suspend=False)
    work.until("Complete", "True", "JobComplete")


def test_a_job_that_runs_can_be_suspended(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("stopped", held(backend))
    until(lambda: jobs(backend, work), "the Job is there")
    for suspend in (True, False):
        work.patch(suspend=suspend)
        until(lambda: jobs(backend, work)[0]["spec"]["suspend"] == suspend, f"suspend: {suspend}")  # noqa: B023


def test_a_job_that_runs_takes_another_parallelism(city: City, backend: Backend, space: Namespace) -> None:
    work = space.workload("wider", held(backend, completions=4))
    until(lambda: jobs(backend, work), "the Job is there")
    (before,) = jobs(backend, work)
    for parallelism in (3, 1):
        work.patch(job={"parallelism": parallelism})
        until(lambda: jobs(backend, work)[0]["spec"]["parallelism"] == parallelism, f"{parallelism}")  # noqa: B023
    (after,) = jobs(backend, work)
    assert (after["metadata"]["uid"], after["spec"]["completions"]) == (before["metadata"]["uid"], 4)


def test_a_job_that_fails_is_reported_as_failed(city: City, backend: Backend, space: Namespace) -> None:
    """By its deadline, which ends a Job on simulated nodes as on real ones."""
    spec = held(backend, activeDeadlineSeconds=1, backoffLimit=0)
    work = space.workload("late", {**spec, "placement": only("cloud")})
    work.until("Failed", "True", "JobFailed")
    assert work.says("Ready") == ("False", "JobFailed")
