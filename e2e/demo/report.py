"""What the demo shows: where each workload went, on which processors its pods run, and what kept the rest out. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]


def lines(workload: Object, pods: Iterable[Object]) -> list[str]:
    """A workload's story in a few lines; `pods` are the cloud's pods that belong to it."""
    status = workload.get("status", {})
    said = [f"{workload['metadata']['name']}: {_wanted(workload)}"]
    said += [f"    {_placement(placement)}" for placement in status.get("placements", ())]
    said += [f"    its pods run on {_makes(pods)}"] if (pods := list(pods)) else []
    if unplaced := status.get("unplaced"):
        reasons = ", ".join(f"{reason['reason']} on {reason['nodes']}" for reason in unplaced.get("reasons", ()))
        said.append(f"    {unplaced['replicas']} not placed; nodes ruled out: {reasons}")
    return said


def _wanted(workload: Object) -> str:
    spec = workload["spec"]
    builds = ", ".join(variant["name"] for variant in spec.get("variants", ()))
    if spec.get("type") == "Job":
        return f"a Job of {spec['job']['completions']} completions; builds: {builds}"
    return f"{spec.get('replicas', 1)} replicas; builds: {builds}"


def _placement(placement: Object) -> str:
    done = placement.get("succeeded", 0)
    state = f"{done} succeeded" if done else f"{placement.get('readyReplicas', 0)} ready"
    return f"{placement.get('replicas', 0)} of build {placement['variant']} to {placement['target']}, {state}"


def _makes(pods: Iterable[Object]) -> str:
    """Counts by the make of the node; nodes are named after it, kunpeng-003 say."""
    nodes = (pod["spec"].get("nodeName", "no node yet-") for pod in pods)
    counts = Counter(node.rpartition("-")[0] for node in nodes)
    return ", ".join(f"{make} ({count})" for make, count in sorted(counts.items()))
