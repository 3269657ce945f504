"""When a cloud shows what a workload is now."""

import pytest

from suanli_controller.api import core_v1, meta
from suanli_controller.reconcile import cluster


@pytest.mark.parametrize(
    ("observed", "updated", "replicas", "current"),
    [
        (2, 3, 3, True),
        (1, 3, 3, False),  # its controller has not seen the newest template
        (2, 2, 3, False),  # a pod of the former template is to be replaced
        (2, 3, 4, False),  # all are new, and one of the former runs on
    ],
)
def test_a_rollout_is_over_when_every_pod_is_new_and_none_of_the_former_is_left(
    observed: int, updated: int, replicas: int, current: bool
) -> None:
    status = core_v1.DeploymentStatus(
        observed_generation=observed, updated_replicas=updated, replicas=replicas, ready_replicas=3
    )
    one = core_v1.Deployment(
        metadata=meta.ObjectMeta(name="d", generation=2), spec=core_v1.ScaleSpec(replicas=3), status=status
    )
    assert cluster._seen_deployment(one).current is current
