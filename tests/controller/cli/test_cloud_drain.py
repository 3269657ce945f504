"""What a drain still waits for."""

from suanli_controller.api.meta import ObjectMeta
from suanli_controller.api.workload import (
    ComputeWorkload,
    ComputeWorkloadSpec,
    ComputeWorkloadStatus,
    TargetPlacement,
)
from suanli_controller.cli import cloud_drain
from suanli_controller.core import conditions


def workload(
    name: str, *, ready: int = 0, end: str = "", suspend: bool = False, **replicas: int
) -> ComputeWorkload:
    places = [
        TargetPlacement(target=f"Cloud/{cloud}", variant="v", replicas=count, ready_replicas=ready)
        for cloud, count in replicas.items()
    ]
    meta = ObjectMeta(name=name, namespace="ns")
    status = ComputeWorkloadStatus(
        placements=places, conditions=[conditions.make(end, "True", "x", "")] if end else []
    )
    return ComputeWorkload(metadata=meta, spec=ComputeWorkloadSpec(suspend=suspend), status=status)


def by_name(*all_of_them: ComputeWorkload) -> dict[str, ComputeWorkload]:
    return {one.metadata.name: one for one in all_of_them}


def test_only_workloads_with_replicas_in_the_target_remain() -> None:
    found = by_name(workload("a", here=2, there=1), workload("b", there=3), workload("c", here=0))
    assert cloud_drain.remaining(found, "Cloud/here") == {"ns/a": 2}


def test_what_has_ended_and_what_is_suspended_is_named_and_not_waited_for() -> None:
    """Its place stays on record for good: as that of the Job, and as the one where it resumes."""
    found = by_name(
        workload("done", end="Complete", here=2), workload("lost", end="Failed", here=2),
        workload("paused", suspend=True, here=1), workload("busy", here=1), workload("away", suspend=True, there=1),
    )  # fmt: skip
    assert cloud_drain.remaining(found, "Cloud/here") == {"ns/busy": 1}
    assert cloud_drain.resting(found, "Cloud/here") == {
        "ns/done": "finished", "ns/lost": "finished", "ns/paused": "suspended"
    }  # fmt: skip


def test_what_was_suspended_just_now_is_waited_for_while_it_runs() -> None:
    found = by_name(workload("paused", suspend=True, ready=1, here=2))
    assert cloud_drain.remaining(found, "Cloud/here") == {"ns/paused": 1}
