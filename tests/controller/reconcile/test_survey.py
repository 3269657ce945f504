"""What `explain` counts of a Cloud, by what the controller has found of it."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from suanli_controller.api import cloud, core_v1
from suanli_controller.reconcile import survey

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
AMOUNTS = {"cpu": "8", "memory": "8Gi", "pods": "110"}
NODE = {"metadata": {"name": "n0"}, "status": {"allocatable": AMOUNTS, "capacity": AMOUNTS}}
LABELS = {"suanli.io/workload-uid": "w", "suanli.io/variant": "default"}
POD = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "p", "labels": LABELS},
    "spec": {"nodeName": "n0", "containers": [{"name": "app", "resources": {"requests": {"cpu": "1"}}}]},
}


def ready(status: str, reason: str) -> list[dict[str, Any]]:
    return [{"type": "Ready", "status": status, "reason": reason}]


@pytest.mark.parametrize(
    ("conditions", "pods"),
    [
        ([], 1),
        (ready("True", "Connected"), 1),
        (ready("Unknown", "Unreachable"), 1),
        (ready("False", "Forbidden"), 1),
        (ready("False", "InvalidKubeconfig"), 0),
        (ready("False", "ClaimedByOtherHub"), 0),
    ],
)
def test_pods_of_a_cluster_that_is_refused_are_not_replicas_there(
    conditions: list[dict[str, Any]], pods: int
) -> None:
    """They are another Cloud's, or another hub's. Its nodes are told, as of a target that is not ready."""
    whole = {"metadata": {"name": "a"}, "spec": {"tier": "District"}, "status": {"conditions": conditions}}
    item = msgspec.convert(whole, cloud.Cloud)
    found = survey.Survey()
    found.builder.inventory.clouds = {"a": item}
    found.builder.add_targets()
    read = [msgspec.convert(NODE, core_v1.Node)], [msgspec.convert(POD, core_v1.Pod)]
    survey.take_cloud(found, item, read, NOW)
    counted = sum(lot.count for lot in found.builder.fleet.bound.places("w").values())
    assert (counted, found.builder.fleet.rows) == (pods, 1)
