"""What the measurements run against: a hub, three clouds of 20 simulated nodes each, and our operator."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.multicloud import meters

from suanli_clusters import KWOK, SCHEDULER, Cluster, Clusters, Options, SimulatedNode, controller, fleet, until

HUB = Options(
    without=frozenset({KWOK, SCHEDULER}),
    # What a hub needs whose Deployments stay templates; the same list as in the published run.
    controller_manager={
        "controllers": "namespace,garbagecollector,serviceaccount-token,serviceaccount,ttl-after-finished,"
        "bootstrapsigner,tokencleaner,csrcleaner,csrsigning,clusterrole-aggregation"
    },
)

REST_SECONDS = 5
CAPACITY = {"cpu": "96", "memory": "512Gi", "pods": "1000"}


@dataclass(frozen=True, slots=True)
class City:
    clusters: Clusters
    hub: Cluster
    clouds: Mapping[str, Cluster]
    operator: controller.Operator

    def groups(self) -> dict[str, Sequence[int]]:
        """The processes whose time is measured, by whom they serve."""
        return {
            "operator": [self.operator.process.pid],
            "hub": list(self.hub.pids().values()),
            "clouds": [pid for cloud in self.clouds.values() for pid in cloud.pids().values()],
        }


def nodes(cloud: str, architectures: Sequence[str], count: int) -> list[SimulatedNode]:
    """`count` nodes, of the architectures in turn."""
    share = count // len(architectures)
    return [
        node
        for architecture in architectures
        for node in fleet(
            f"{cloud}-{architecture}", share, SimulatedNode(name="", architecture=architecture, capacity=CAPACITY)
        )
    ]


LAYOUT = {"m1": ("amd64",), "m2": ("arm64",), "m3": ("amd64", "arm64")}


@contextlib.contextmanager
def running() -> Iterator[City]:
    with Clusters("bench") as clusters:
        hub = clusters.start("hub", HUB)
        clouds = {name: clusters.start(name) for name in LAYOUT}
        for name, cloud in clouds.items():
            cloud.create_nodes(nodes(name, LAYOUT[name], 20))
        controller.install(hub)
        for cloud in clouds.values():
            controller.join(hub, cloud)
        with controller.finalizers_given(hub), controller.Operator(clusters, hub) as operator:
            wait_connected(hub)
            yield City(clusters, hub, clouds, operator)


def wait_connected(hub: Cluster) -> None:
    hub.kubectl("wait", "--for=condition=Ready", "clouds", "--all", "--timeout=60s")


def add_cloud(city: City, name: str, count: int) -> Cluster:
    """One more cloud, of `count` arm64 nodes whose heartbeats are rare enough not to cost a core."""
    cloud = city.clusters.start(name, Options(heartbeat_factor=50))
    cloud.create_nodes(nodes(name, ("arm64",), count), ready=False)
    controller.join(city.hub, cloud)
    wait_connected(city.hub)
    return cloud


def wait_at_rest(cluster: Cluster) -> None:
    """Until a cluster's own processes use less than a third of a core: thousands of nodes take minutes to start."""

    def at_rest() -> bool:
        pids = list(cluster.pids().values())
        before = meters.cpu_seconds(pids)
        time.sleep(REST_SECONDS)
        return meters.cpu_seconds(pids) - before < REST_SECONDS / 3

    until(at_rest, f"{cluster.name} at rest", seconds=600)
