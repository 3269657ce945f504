"""What a drain still waits for."""

from suanli_controller.api.meta import ObjectMeta
from suanli_controller.api.workload import ComputeWorkload, ComputeWorkloadStatus, TargetPlacement
from suanli_controller.cli import cloud_drain


def workload(name: str, **replicas: int) -> ComputeWorkload:
    places = [
        TargetPlacement(target=f"Cloud/{cloud}", variant="v", replicas=count) for cloud, count in replicas.items()
    ]
    meta = ObjectMeta(name=name, namespace="ns")
    return ComputeWorkload(metadata=meta, status=ComputeWorkloadStatus(placements=places))


def test_only_workloads_with_replicas_in_the_target_remain() -> None:
    found = {
        one.metadata.name: one
        for one in (workload("a", here=2, there=1), workload("b", there=3), workload("c", here=0))
    }
    assert cloud_drain.remaining(found, "Cloud/here") == {"ns/a": 2}
