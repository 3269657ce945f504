"""Fixtures for tests against real API servers; suanli_clusters tells what a cluster can do.

clusters          starts named clusters; they live until the tests end
hub               a cluster that tests share: make namespaces of your own in it, and leave the cluster as it was
cloud_factory     starts clusters for one test, for those that stop or flood them
backend           a hub and a second cloud, on kwok or, with --clusters=kind, on kind
city              the operator over `backend`: its hub is the Cloud `local`, its second cloud the Cloud `cloud`
namespace         one of its own for a test, made with the `api` of its module
lone_city         the operator over a hub without clouds: tests bring theirs, and take them along when they go
containerd        a containerd of one's own for the tests of a file
box               the pods of one agent on it, told by a hub in memory
"""

import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

import suanli_containerd as sc
from suanli_clusters import KWOK, SCHEDULER, Cluster, Clusters, Options, ToolsError, controller, kind
from suanli_clusters.backend import Backend, Need, Simulated
from suanli_controller.kube import client, resources
from suanli_operator import City
from suanli_pods import Box


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--clusters",
        choices=("kwok", "kind"),
        default="kwok",
        help="what the tests that use `backend` run on; kind: only those",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--clusters") != "kind":
        return
    chosen = [item for item in items if "backend" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    with Clusters("tests") as started:
        yield started


@pytest.fixture(scope="session")
def hub(clusters: Clusters) -> Cluster:
    return clusters.start("shared")


_numbers = itertools.count(1)


@pytest.fixture
def cloud_factory(clusters: Clusters) -> Iterator[Callable[..., Cluster]]:
    """`cloud_factory(name="cloud", options=None)`: a cluster that goes when the test ends."""
    names: list[str] = []

    def start(name: str = "cloud", options: Options | None = None) -> Cluster:
        names.append(f"{name}-{next(_numbers)}")
        return clusters.start(names[-1], options)

    yield start
    for name in names:
        clusters.remove(name)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.config.getoption("--clusters") == "kwok":
        clusters: Clusters = request.getfixturevalue("clusters")
        yield Simulated(clusters.start("hub"), clusters.start("cloud"), image="busybox")
        return
    if reason := kind.why_not():
        pytest.skip(f"kind: {reason}")
    try:
        chosen = kind.choose()
    except ToolsError as error:
        pytest.exit(f"kind: {error}", returncode=1)  # once, not for each test
    with kind.clusters(chosen) as started:
        yield started


@pytest.fixture(scope="session")
def city(backend: Backend, clusters: Clusters) -> Iterator[City]:
    """A node of each architecture in both clouds, and the operator, which runs until the tests end."""
    for member in (backend.hub, backend.cloud):
        backend.need(member, Need("amd64"), Need("arm64"))
    made = City(backend.hub)
    made.register_local("local", tier="Municipal", district="370800")
    made.join(backend.cloud, "cloud", district="370811")
    with controller.Operator(clusters, backend.hub) as operator:
        made.operator = operator
        for name in ("local", "cloud"):
            made.until_cloud(name, "True", "Connected", seconds=90)
        yield made


@pytest.fixture(scope="session")
def lone_city(clusters: Clusters) -> Iterator[City]:
    hub = clusters.start("lone", Options(without=frozenset({KWOK, SCHEDULER})))
    made = City(hub)
    with controller.Operator(clusters, hub) as operator:
        made.operator = operator
        yield made


@pytest.fixture
async def namespace(api: client.Client) -> str:
    name = f"t-{secrets.token_hex(4)}"
    await api.create(resources.NAMESPACES, {"metadata": {"name": name}})
    return name


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sc.Containerd]:
    with sc.running(tmp_path_factory.mktemp("ctd")) as daemon:
        yield daemon


@pytest.fixture
async def box(containerd: sc.Containerd, tmp_path: Path) -> AsyncIterator[Box]:
    async with Box(containerd, tmp_path) as made:
        yield made
