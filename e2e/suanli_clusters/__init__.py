"""Real Kubernetes clusters on this machine, for tests, the demo and benchmarks.

    from suanli_clusters import Clusters, Options, SimulatedNode, fleet, until

    with Clusters("mytest") as clusters:
        hub = clusters.start("hub")                 # etcd, API server, controllers, scheduler, kwok: 4 s
        cloud = clusters.start("jining", Options(heartbeat_factor=50))
        kunpeng = SimulatedNode(
            name="", architecture="arm64", os_image="openEuler 22.03 (LTS-SP3)",
            labels={"suanli.io/cpu-family": "kunpeng-920"},
            capacity={"cpu": "96", "memory": "512Gi", "pods": "110", "huawei.com/Ascend910": "8"})
        cloud.create_nodes(fleet("kunpeng", 20, kunpeng))
        hub.kubectl("apply", "-f", "crds/")
        hub.api.post("/api/v1/namespaces", {...})   # JSON in, JSON out; ApiError has .status and .message
        cloud.pause()                               # its API hangs; resume() lets it go on
        cloud.kill(); cloud.restart()               # the API server alone: connections refused, then back
        cloud.stop(); cloud.start()                 # the whole cluster, data kept
        viewer = cloud.service_account("default", "viewer", cluster_role="view")   # a kubeconfig
        until(lambda: cloud.api.items("/api/v1/pods"), "pods in the cloud", seconds=60)

Names are free within one `Clusters`; two of them, in one process or in two checkouts, never collide: each has its
own folder and its own ports. At the end of the block, on failure, Ctrl-C and SIGTERM every process and file is
removed; what SIGKILL leaves behind is cleared by the next run. Linux only: the processes are found by /proc.

`python -m suanli_clusters` makes the programs (`make tools`); suanli_clusters.tools tells where they are.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from suanli_clusters import ports, processes, run
from suanli_clusters.api import Api, ApiError
from suanli_clusters.cluster import API_SERVER, Cluster, ClusterError, KubectlError, Member
from suanli_clusters.config import CONTROLLER_MANAGER, KWOK, SCHEDULER, Options
from suanli_clusters.nodes import SimulatedNode, fleet, node_object
from suanli_clusters.ports import free_port
from suanli_clusters.tools import ToolsError
from suanli_clusters.waiting import until

__all__ = [
    "API_SERVER", "CONTROLLER_MANAGER", "KWOK", "SCHEDULER", "Api", "ApiError", "Cluster", "ClusterError",
    "Clusters", "KubectlError", "Member", "Options", "SimulatedNode", "ToolsError", "fleet", "free_port",
    "node_object", "until",
]  # fmt: skip


class Clusters:
    """Named clusters that live as long as the `with` block. Use it in the main thread: it listens to signals."""

    def __init__(self, name: str = "run") -> None:
        self._name = name
        self._signals = contextlib.ExitStack()
        self._clusters: dict[str, Cluster] = {}

    def __enter__(self) -> Self:
        self._signals.enter_context(run.orderly_end())
        self._run = run.Run(self._name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._signals, run.uninterrupted():
            self._run.close()
            for cluster in self._clusters.values():
                cluster.remove()

    def start(self, name: str, options: Options | None = None) -> Cluster:
        """Start a cluster and return it when pods can be made in it; `name` must be new in this block.

        Raises ClusterError when it does not come up, ToolsError when `make tools` has not run.
        """
        if name in self._clusters:
            raise ValueError(f"a cluster {name} runs already in this run")
        cluster = Cluster(name, self._run.folder, options or Options(), ports.claim(run.home() / "ports"))
        self._clusters[name] = cluster
        cluster.create()
        return cluster

    @contextlib.contextmanager
    def running(self, name: str, options: Options | None = None) -> Iterator[Cluster]:
        """A cluster for the length of an inner block. Raises as `start`."""
        cluster = self.start(name, options)
        try:
            yield cluster
        finally:
            self.remove(name)

    def remove(self, name: str) -> None:
        """End one cluster before the block ends."""
        self._clusters.pop(name).remove()

    @property
    def folder(self) -> Path:
        """For files that should go with the clusters."""
        return self._run.folder

    def environment(self) -> dict[str, str]:
        """An environment for other processes that are to end with the clusters, an operator say, if all else fails."""
        return {**os.environ, processes.MARK: str(self._run.folder)}
