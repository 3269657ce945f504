"""What the edge agent costs beside the real kubelet: memory, CPU while idle, time from bind to Running, writes to
disk.

    python benchmarks/agent.py [--minutes 5] [--pods 10] [--starts 30] [--only suanli-agent|kubelet]

Both run at once on one hub, each with a containerd and a Node of its own, and pods are started on one and on the other
in turn: a machine's speed changes from minute to minute. Thirty at once are started on one after the other. The pod
network of both is the one that `suanli-agent join` writes.
The kubelet is built from e2e/nodeconformance's Go module, or KUBELET names a program. Needs root and what
e2e/suanli_containerd.py names.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import suanli_boxes as boxes
import suanli_containerd as sc
from nodeconformance import build
from suanli_clusters import Cluster, Clusters, free_port, until

PODS = "/api/v1/namespaces/default/pods"
TICKS = os.sysconf("SC_CLK_TCK")
REST_SECONDS = 2.0


def pod(name: str, node: str, *, probe: bool) -> dict[str, Any]:
    """A busybox that serves HTTP on a node; with an HTTP probe every 10 s."""
    script = "echo ok > /tmp/index.html; httpd -p 8080 -h /tmp; trap 'exit 0' TERM; sleep 1000000 & wait"
    container: dict[str, Any] = {
        "name": "c",
        "image": sc.BUSYBOX,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
    }
    if probe:
        container["livenessProbe"] = {"httpGet": {"path": "/index.html", "port": 8080}, "periodSeconds": 10}
    spec = {
        "nodeName": node,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
    }
    metadata = {"name": name, "labels": {"bench": node}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


# --- what a process costs


def memory(pid: int) -> dict[str, float]:
    """RSS and PSS in MiB."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount, *_ = line.split()
        fields[name.rstrip(":")] = int(amount) / 1024
    return {"RSS MiB": round(fields["Rss"], 1), "PSS MiB": round(fields["Pss"], 1)}


def ticks(pid: int) -> int:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


Figures = dict[str, dict[str, Any]]
"""By the agent's name: each figure by its own."""


def idle(pids: dict[str, int], seconds: float) -> Figures:
    """Of each process CPU in percent of one core and bytes written per hour, over so many seconds of nothing to do."""
    before = {name: (ticks(pid), written(pid)) for name, pid in pids.items()}
    begin = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begin
    return {name: _spent(pid, *before[name], took) for name, pid in pids.items()}


def _spent(pid: int, ticks_before: int, bytes_before: int, took: float) -> dict[str, float]:
    cpu = 100 * (ticks(pid) - ticks_before) / TICKS / took
    return {
        **memory(pid),
        "CPU %": round(cpu, 3),
        "written KiB/hour": round((written(pid) - bytes_before) / 1024 / took * 3600, 1),
    }


# --- how long a pod takes


class Watch:
    """When each pod was first seen Running and when it was gone, by one watch on the hub."""

    def __init__(self, hub: Cluster) -> None:
        self.running: dict[str, float] = {}
        self.gone: dict[str, float] = {}
        version = hub.api.get(PODS)["metadata"]["resourceVersion"]
        parts, context = _way(hub)
        self._connection = http.client.HTTPSConnection(parts[0], parts[1], context=context)
        self._connection.request("GET", f"{PODS}?watch=1&labelSelector=bench&resourceVersion={version}")
        self._answer = self._connection.getresponse()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            while line := self._answer.readline():
                event, now = json.loads(line), time.monotonic()
                found = event["object"]
                name = found["metadata"]["name"]
                states = [entry["state"] for entry in found["status"].get("containerStatuses", [])]
                if states and all("running" in state for state in states):
                    self.running.setdefault(name, now)
                if event["type"] == "DELETED":
                    self.gone[name] = now


def _way(hub: Cluster) -> tuple[tuple[str, int], ssl.SSLContext]:
    context = ssl.create_default_context(cafile=str(hub.pki / "ca.crt"))
    context.load_cert_chain(hub.pki / "admin.crt", hub.pki / "admin.key")
    parts = urlsplit(boxes.server(hub))
    return (parts.hostname or "", parts.port or 443), context


def one_at_a_time(hub: Cluster, nodes: Sequence[str], count: int) -> dict[str, list[int]]:
    """By node sorted milliseconds from the bind (a pod is made with its node) to Running as a watch sees it.

    On each node in turn, the one before being gone with all that its agent still takes away after that.
    """
    watch, took = Watch(hub), {node: list[int]() for node in nodes}
    for number in range(count):
        for node in nodes:
            name = f"{node}-{number}"
            begin = time.monotonic()
            hub.api.post(PODS, pod(name, node, probe=False))
            until(functools.partial(watch.running.get, name), f"{name} to run", seconds=60)
            took[node].append(round(1000 * (watch.running[name] - begin)))
            hub.kubectl("delete", "pod", name, "--wait=false")
            until(functools.partial(watch.gone.get, name), f"{name} to go", seconds=60)
            time.sleep(REST_SECONDS)
    return {node: sorted(found) for node, found in took.items()}


def all_at_once(hub: Cluster, node: str, count: int) -> list[int]:
    """Sorted milliseconds from the bind to Running of pods that are made without waiting for one another."""
    watch, made = Watch(hub), {}
    for number in range(count):
        name = f"{node}-b{number}"
        made[name] = time.monotonic()
        hub.api.post(PODS, pod(name, node, probe=False))
    until(lambda: len(watch.running) >= count, "all to run", seconds=120)
    hub.kubectl("delete", "pods", "-l", f"bench={node}", "--wait=true")
    return sorted(round(1000 * (watch.running[name] - made[name])) for name in made)


# --- the two agents


@contextlib.contextmanager
def our_agent(hub: Cluster, box: boxes.Box, containerd: sc.Containerd, folder: Path) -> Iterator[int]:  # noqa: ARG001
    """The daemon's pid."""
    with box.running():
        assert box.process is not None
        yield box.process.pid


@contextlib.contextmanager
def kubelet(hub: Cluster, box: boxes.Box, containerd: sc.Containerd, folder: Path) -> Iterator[int]:
    """The pid of the real kubelet under the certificate that the box was given."""
    program = Path(os.environ.get("KUBELET") or build.kubelet())
    settings = folder / "kubelet.json"
    settings.write_text(json.dumps(kubelet_settings(hub, containerd, folder)))
    command = [str(program), "--config", str(settings), "--kubeconfig", str(box.state / "kubeconfig")]
    command += ["--hostname-override", box.name, "--root-dir", str(folder / "kubelet"), "--v", "1"]
    command += ["--cert-dir", str(folder / "kubelet-pki"), "--node-ip", "127.0.0.1"]
    with (folder / "kubelet.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process.pid
    except BaseException:
        sys.stderr.write((folder / "kubelet.log").read_text(errors="replace")[-3000:])
        raise
    finally:
        process.terminate()
        process.wait(60)
        # it mounts its folder on itself, and leaves it so
        subprocess.run(["umount", "--quiet", folder / "kubelet"], check=False)


def kubelet_settings(hub: Cluster, containerd: sc.Containerd, folder: Path) -> dict[str, Any]:
    """As kubeadm leaves it, but for what lets it live beside other things on a machine of any kind: folders and ports
    of its own, cgroup v1, swap, and no images or pods thrown away for a full disk.
    """
    (folder / "logs").mkdir()
    authority = str(hub.pki / "ca.crt")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "port": free_port(),
        "healthzPort": 0,
        "podLogsDir": str(folder / "logs"),
        "containerRuntimeEndpoint": f"unix://{containerd.socket}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "featureGates": {"KubeletInUserNamespace": True},
        "clusterDomain": "cluster.local",
        "clusterDNS": ["10.0.0.10"],
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "makeIPTablesUtilChains": False,
    }


AGENTS = {"suanli-agent": our_agent, "kubelet": kubelet}
"""By name, which their Nodes bear too."""


@contextlib.contextmanager
def running(hub: Cluster, name: str) -> Iterator[int]:
    """The pid of one of AGENTS on a joined box and a containerd of its own, with runc as it is: no pod of ours is
    privileged.
    """
    folder = Path(tempfile.mkdtemp(prefix="agent-bench-"))
    try:
        with sc.running(folder / "c", privileged=False) as containerd:
            box = boxes.Box(folder / "box", name, containerd.socket, listen=free_port())
            box.join(boxes.token_line(hub, "bench"), "--ca-file", str(boxes.ca_file(hub, folder)))
            with AGENTS[name](hub, box, containerd, folder) as pid:
                yield pid
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(hub: Cluster, pids: dict[str, int], chosen: argparse.Namespace) -> Figures:
    """Everything about the agents, by the names of TARGETS."""
    figures: Figures = {name: {} for name in pids}
    hub.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
    time.sleep(20)  # until what starting costs is over
    _add(figures, idle(pids, chosen.minutes * 60), ", 0 pods")
    for name in pids:
        for number in range(chosen.pods):
            hub.api.post(PODS, pod(f"{name}-idle-{number}", name, probe=True))
    hub.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s")
    time.sleep(10)
    _add(figures, idle(pids, chosen.minutes * 60), f", {chosen.pods} pods")
    hub.kubectl("delete", "pods", "--all", "--wait=true")
    _add_starts(figures, one_at_a_time(hub, list(pids), chosen.starts), "one at a time")
    _add_starts(figures, {name: all_at_once(hub, name, chosen.starts) for name in pids}, "all at once")
    time.sleep(70)  # the agent tidies up once a minute
    _add(figures, {name: memory(pid) for name, pid in pids.items()}, ", after all")
    return figures


def _add(figures: Figures, found: Figures, when: str) -> None:
    for name, values in found.items():
        figures[name] |= {f"{what}{when}": value for what, value in values.items()}


def _add_starts(figures: Figures, took: dict[str, list[int]], how: str) -> None:
    """Of so few the last hundredth is the longest."""
    for name, found in took.items():
        figures[name] |= {f"start p50 ms, {how}": statistics.median(found), f"start p99 ms, {how}": found[-1]}


TARGETS = {
    "RSS MiB, 0 pods": 40,
    "RSS MiB, 10 pods": 40,
    "RSS MiB, after all": 40,
    "CPU %, 0 pods": 0.5,
    "CPU %, 10 pods": 0.5,
    "start p50 ms, one at a time": 200,
    "start p99 ms, one at a time": 300,
    "start p99 ms, all at once": 4000,
}
"""What the agent is to stay below."""


def table(figures: Figures) -> str:
    """One row a figure: each agent, ours divided by the kubelet's, our target."""
    ours, real = figures.get("suanli-agent", {}), figures.get("kubelet", {})
    rows = [f"{'':32}{'suanli-agent':>14}{'kubelet':>10}{'ratio':>8}{'target':>8}"]
    for name in ours or real:
        both = name in ours and real.get(name)
        ratio = f"{ours[name] / real[name]:.2f}" if both else ""
        cells = (ours.get(name, ""), real.get(name, ""), ratio, TARGETS.get(name, ""))
        rows.append(f"{name:32}{cells[0]:>14}{cells[1]:>10}{cells[2]:>8}{cells[3]:>8}")
    return "\n".join(rows)


def main() -> None:
    """Print the figures as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5, help="of idleness to measure over (default 5)")
    parser.add_argument("--pods", type=int, default=10, help="idle pods (default 10)")
    parser.add_argument("--starts", type=int, default=30, help="pods to start (default 30)")
    parser.add_argument("--only", choices=AGENTS, help="one of the two alone")
    chosen = parser.parse_args()
    with Clusters("agent-bench") as clusters, contextlib.ExitStack() as stack:
        hub = clusters.start("hub")
        stack.enter_context(boxes.controllers(hub))
        boxes.make_site(hub, "bench", district="370811", taints=[])
        names = [name for name in AGENTS if chosen.only in (None, name)]
        pids = {name: stack.enter_context(running(hub, name)) for name in names}
        print(table(measure(hub, pids, chosen)), flush=True)


if __name__ == "__main__":
    main()
