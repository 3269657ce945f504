"""Pods and records for the tests of core: only what a test is about is named there."""

from __future__ import annotations

import json
from typing import Any

from suanli_agent.core import life, objects, observed

NOW = 1_000_000.0


def make_pod(*containers: dict[str, Any], meta: dict[str, Any] | None = None, **spec: Any) -> objects.Pod:
    """A pod from Kubernetes' JSON; one container named c when none is given."""
    whole = {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "generation": 1, **(meta or {})},
        "spec": {"containers": list(containers) or [{"name": "c", "image": "img"}], **spec},
    }
    return objects.decode_pod(json.dumps(whole).encode())


def sandbox(identity: str = "s0", *, ready: bool = True, attempt: int = 0) -> observed.SandboxRecord:
    return observed.SandboxRecord(
        identity, "u", "p", "default", attempt, ready, NOW - 100 + attempt, ("10.1.1.2",)
    )


def record(
    name: str = "c", state: str = "RUNNING", attempt: int = 0, code: int = 0, sandbox_id: str = "s0", **more: Any
) -> observed.ContainerRecord:
    """A container of that name; exited ones died 5 s ago."""
    chosen = observed.ContainerState[state]
    finished = NOW - 5 if chosen is observed.ContainerState.EXITED else 0.0
    fields = {"image": "img", "image_ref": "sha256:1", "spec_hash": "img", "finished_at": finished, **more}
    return observed.ContainerRecord(
        f"{name}-{attempt}",
        sandbox_id,
        "u",
        name,
        attempt,
        chosen,
        NOW - 50,
        started_at=NOW - 50,
        exit_code=code,
        **fields,
    )


def seen(pod: objects.Pod | None = None, *records: observed.ContainerRecord, **more: Any) -> life.Observation:
    """An observation with a ready sandbox; running containers count as started and ready unless told otherwise."""
    probes = {r.id: life.ProbeView(started=True, ready=True) for r in records if r.running}
    fields = {"sandboxes": (sandbox(),), "probes": probes, "host_ips": ("10.0.0.1",), **more}
    newest = tuple(sorted(records, key=lambda r: -r.attempt))
    return life.Observation(pod=pod or make_pod(), containers=newest, **fields)


def fresh(**more: Any) -> life.PodState:
    return life.PodState(start_time=NOW - 100, **more)
