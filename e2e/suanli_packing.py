"""A kube-scheduler of our own choosing beside a simulated cluster, and what is bound there against what was planned."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from suanli_clusters import Cluster, tools, until
from suanli_controller.api import core_v1
from suanli_controller.core import fleet, hardware

PROFILE = Path(__file__).parents[1] / "policies" / "kube-scheduler-accelerators.yaml"
DEFAULT: Mapping[str, Any] = {
    "apiVersion": "kubescheduler.config.k8s.io/v1",
    "kind": "KubeSchedulerConfiguration",
    "profiles": [{"schedulerName": "default-scheduler"}],
}


@dataclass(frozen=True, slots=True)
class Scheduler:
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def scheduler(cluster: Cluster, folder: Path, config: Path | None = None, **client: Any) -> Iterator[Scheduler]:
    """A kube-scheduler with the profiles of `config` (None: its defaults) until the block ends.

    The cluster must have been started without one. `client` is added to clientConnection (qps, burst).
    """
    content = dict(yaml.safe_load(config.read_text()) if config else DEFAULT)
    content["clientConnection"] = {"kubeconfig": str(cluster.kubeconfig), **client}
    content["leaderElection"] = {"leaderElect": False}
    path = folder / "scheduler.yaml"
    path.write_text(yaml.safe_dump(content))
    with (folder / "scheduler.log").open("wb") as log:
        process = subprocess.Popen(
            [str(tools.find("kube-scheduler")), "--config", str(path), "--secure-port=0"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        )
        try:
            yield Scheduler(process)
        finally:
            process.terminate()
            process.wait(20)


def fleet_of(cluster: Cluster, target: fleet.Target) -> fleet.Fleet:
    """The cluster's nodes as the controller would see them."""
    where = fleet.Fleet()
    where.upsert_target(target)
    reader = hardware.Reader(target.ref)
    for item in cluster.api.items("/api/v1/nodes"):
        where.upsert_node(reader.read(msgspec.convert(item, core_v1.Node)))
    return where


def deployment(name: str, replicas: int, requests: Mapping[str, str]) -> dict[str, Any]:
    labels = {"app": name}
    resources = {
        "requests": dict(requests),
        "limits": {key: amount for key, amount in requests.items() if "/" in key},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "app:1", "resources": resources}]},
            },
        },
    }


def bound(cluster: Cluster, name: str) -> list[str]:
    """The nodes of a Deployment's bound pods, one entry a pod."""
    pods = cluster.api.items(f"/api/v1/namespaces/default/pods?labelSelector=app%3D{name}")
    return [pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName")]


def wait_bound(cluster: Cluster, name: str, replicas: int, seconds: float = 90) -> list[str]:
    until(lambda: len(bound(cluster, name)) >= replicas, f"{replicas} pods of {name} bound", seconds, every=0.3)
    return bound(cluster, name)
