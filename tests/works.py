"""ComputeWorkloads for tests of `core`, written as people write them."""

from typing import Any

import msgspec

from suanli_controller.api import workload
from suanli_controller.core import hardware

CONTAINER = {
    "name": "app",
    "image": "registry/app:1",
    "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
}
LABELS = {"app": "web"}


def template(**pod: Any) -> dict[str, Any]:
    """A pod template of one container, unless `containers` says otherwise."""
    return {"metadata": {"labels": dict(LABELS)}, "spec": {"containers": [CONTAINER], **pod}}


def work(
    name: str = "web", pod: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **spec: Any
) -> workload.ComputeWorkload:
    whole = {
        "metadata": {"name": name, "namespace": "office", "uid": "uid-1", "generation": 3, "resourceVersion": "7"},
        "spec": {"template": template(**(pod or {})), **spec},
        "status": status or {},
    }
    return msgspec.convert(whole, workload.ComputeWorkload)


def job(pod: dict[str, Any] | None = None, **job: Any) -> workload.ComputeWorkload:
    return work("sum", pod, type="Job", job={"completions": 8, "parallelism": 4, **job})


def build(name: str, **requires: Any) -> dict[str, Any]:
    return {"name": name, "requires": requires}


def term(**labels: str) -> hardware.Term:
    """A node affinity term: each label has this value."""
    return tuple(hardware.Expression(key.replace("__", "/"), "In", (value,)) for key, value in labels.items())
