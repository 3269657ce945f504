"""The life of a workload in a hub's own nodes and a second cloud, on simulated nodes and on kind alike."""

from collections.abc import Iterator
from typing import Any

import pytest

from suanli_clusters import Member
from suanli_clusters.backend import Backend
from suanli_operator import City, Json, Namespace, Work, architectures, build, template

BOTH = [build("amd64"), build("arm64")]


@pytest.fixture
def space(city: City, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    with city.namespace("life") as made:
        yield made


def web(backend: Backend, replicas: int = 2, **spec: Any) -> Json:
    return {"replicas": replicas, "template": template(backend.container), **spec}


def members(backend: Backend) -> dict[str, Member]:
    return {"Cloud/local": backend.hub, "Cloud/cloud": backend.cloud}


def assert_bound_to_its_builds(backend: Backend, work: Work) -> int:
    """Pod by pod: bound, to a node of its build's architecture, as many as the status says. Returns how many."""
    for (target, variant), replicas in (placed := work.placements()).items():
        pods = [
            pod
            for pod in work.pods(members(backend)[target])
            if pod["metadata"]["labels"]["suanli.io/variant"] == variant
        ]
        assert len(pods) == replicas, (target, variant)
        assert set(architectures(members(backend)[target], pods).values()) == {variant}, (target, variant)
    return sum(placed.values())


def test_twelve_replicas_of_two_builds_are_split_by_capacity(
    city: City, backend: Backend, space: Namespace
) -> None:
    """Both clouds get their part, every pod is bound to a node that its build runs on, none is left Pending."""
    work = space.workload("split", web(backend, 12, variants=BOTH))
    work.until_ready()
    assert assert_bound_to_its_builds(backend, work) == 12
    assert {target for target, _ in work.placements()} == {"Cloud/local", "Cloud/cloud"}
    assert len(work.pods(backend.hub)) + len(work.pods(backend.cloud)) == 12
    assert work.status()["readyReplicas"] == 12


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_build_of_one_architecture_runs_on_no_other(
    city: City, backend: Backend, space: Namespace, architecture: str
) -> None:
    work = space.workload("one", web(backend, 5, variants=[build(architecture)]))
    work.until_ready()
    assert assert_bound_to_its_builds(backend, work) == 5
