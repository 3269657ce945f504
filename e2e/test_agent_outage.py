"""Minutes without a link and without a hub: what a workload has on a box goes on as if nothing were."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

import suanli_boxes as boxes
import suanli_containerd as sc
from suanli_boxes import Box
from suanli_clusters import Cluster, Clusters, free_port, until
from suanli_operator import City, Namespace, Work, condition
from suanli_relay import Relay

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

NODE = "mast-1"
CUT_SECONDS = 420
"""More than the 300 s after which Kubernetes evicts what does not tolerate a silent node, and the 40 s before."""
STOPPED_SECONDS = 180

Running = dict[str, tuple[str, int]]


@pytest.fixture(scope="module")
def city(clusters: Clusters) -> Iterator[City]:
    with boxes.operated(clusters, "outage", "mast") as made:
        yield made


@pytest.fixture(scope="module")
def hub(city: City) -> Cluster:
    assert isinstance(city.hub, Cluster)
    return city.hub


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sc.Containerd]:
    with sc.running(tmp_path_factory.mktemp("ctd")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def link(hub: Cluster) -> Iterator[Relay]:
    with Relay(boxes.server(hub)) as relay:
        yield relay


@pytest.fixture(scope="module")
def box(
    hub: Cluster, runtime: sc.Containerd, link: Relay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("mast")
    made = Box(folder, NODE, runtime=runtime.socket, listen=free_port())
    line = boxes.token_line(hub, "mast")
    line[line.index("--hub") + 1] = link.url
    made.join(line, "--ca-file", str(boxes.ca_file(hub, folder)))
    with made.running():
        hub.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=90s")
        yield made


@pytest.fixture
def space(city: City) -> Iterator[Namespace]:
    with city.namespace("outage") as made:
        yield made


@pytest.fixture
def work(space: Namespace, box: Box) -> Iterator[Work]:
    """Two replicas on the box, with a probe each."""
    script = "echo up > /tmp/index.html; httpd -p 8080 -h /tmp; trap 'exit 0' TERM; sleep 1000000 & wait"
    container = {
        "name": "web",
        "image": sc.BUSYBOX,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "livenessProbe": {"httpGet": {"path": "/index.html", "port": 8080}, "periodSeconds": 10},
    }
    spec = {
        "replicas": 2,
        "template": {"spec": {"containers": [container], "terminationGracePeriodSeconds": 2}},
        "placement": {"require": [{"key": "site", "operator": "In", "values": ["mast"]}]},
    }
    made = space.workload("cam", spec)
    made.until_ready(seconds=120)
    yield made
    made.delete()
    made.until_gone()


def running(hub: Cluster, work: Work) -> Running:
    """Pod uid -> (container id, restarts): equal before and after means that nothing was touched."""
    found = {}
    for pod in work.pods(hub):
        status = pod["status"]["containerStatuses"][0]
        found[pod["metadata"]["uid"]] = (status["containerID"], status["restartCount"])
    return found


def readiness(hub: Cluster) -> Any:
    return condition(hub.api.get(f"/api/v1/nodes/{NODE}")["status"], "Ready")["status"]


def pass_by(seconds: float) -> None:
    """The outage itself: nothing is waited for but its length."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, "the outage to last", seconds + 60, every=1)


def test_a_box_that_is_cut_off_for_seven_minutes_keeps_a_workloads_pods(
    hub: Cluster, box: Box, link: Relay, work: Work
) -> None:
    """The hub is up all the time and calls the Node Unknown: 0 pods deleted, 0 restarted."""
    before = running(hub, work)
    assert len(before) == 2
    link.cut()
    try:
        pass_by(CUT_SECONDS)
        assert readiness(hub) == "Unknown"
        assert running(hub, work) == before
    finally:
        link.mend()
    until(lambda: readiness(hub) == "True", "the box to be back", seconds=120)
    work.until_ready(seconds=120)
    assert running(hub, work) == before


def test_a_hub_that_is_stopped_for_minutes_costs_no_container(
    city: City, hub: Cluster, box: Box, work: Work, runtime: sc.Containerd
) -> None:
    before, tasks = running(hub, work), sorted(runtime.ctr("tasks", "ls", "-q").split())
    hub.stop()
    try:
        pass_by(STOPPED_SECONDS)
        assert sorted(runtime.ctr("tasks", "ls", "-q").split()) == tasks
    finally:
        hub.start()
        assert city.operator is not None
        city.operator.restart()  # it ends where it cannot renew its Lease, and whoever runs it starts it again
    until(lambda: readiness(hub) == "True", "the box to be back", seconds=120)
    work.until_ready(seconds=120)
    assert running(hub, work) == before
    assert sorted(runtime.ctr("tasks", "ls", "-q").split()) == tasks
