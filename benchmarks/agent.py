"""What the edge agent costs: memory, CPU while idle, time from bind to Running, writes to disk. One run, one
machine.

    python benchmarks/agent.py [--seconds 300] [--pods 10] [--starts 30] [--kubelet PROGRAM]

With --kubelet (a kubelet of the hub's version) the same is measured with the real kubelet on a containerd of its
own, one after the other, so that both meet the same machine.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import suanli_boxes as boxes
import suanli_containerd as sc
from suanli_clusters import Cluster, Clusters, until

NODE = "bench"
PODS = "/api/v1/namespaces/default/pods"
TICKS = os.sysconf("SC_CLK_TCK")


def pod(name: str, *, probe: bool) -> dict[str, Any]:
    """A busybox that serves HTTP; with an HTTP probe every 10 s."""
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
        "nodeName": NODE,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"bench": "1"}}, "spec": spec}


# --- what a process costs


def memory(pid: int) -> dict[str, float]:
    """RSS and PSS in MiB."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount, *_ = line.split()
        fields[name.rstrip(":")] = int(amount) / 1024
    return {"rss_mib": round(fields["Rss"], 1), "pss_mib": round(fields["Pss"], 1)}


def ticks(pid: int) -> int:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def idle(pid: int, seconds: float) -> dict[str, float]:
    """CPU in percent of one core and bytes written per hour, over so many seconds of nothing to do."""
    before, bytes_before, begin = ticks(pid), written(pid), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begin
    cpu = 100 * (ticks(pid) - before) / TICKS / took
    return {
        **memory(pid),
        "cpu_percent": round(cpu, 3),
        "written_kib_per_hour": round((written(pid) - bytes_before) / 1024 / took * 3600, 1),
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
        self._connection.request("GET", f"{PODS}?watch=1&labelSelector=bench%3D1&resourceVersion={version}")
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


def starts(hub: Cluster, count: int, *, at_once: bool) -> dict[str, Any]:
    """Milliseconds from the bind (the pod is made with its node) to Running as a watch sees it."""
    watch, made = Watch(hub), {}
    names = [f"start-{'b' if at_once else 's'}{number}" for number in range(count)]
    for name in names:
        made[name] = time.monotonic()
        hub.api.post(PODS, pod(name, probe=False))
        if not at_once:
            until(functools.partial(watch.running.get, name), f"{name} to run", seconds=60)
            hub.kubectl("delete", "pod", name, "--wait=false")
            until(functools.partial(watch.gone.get, name), f"{name} to go", seconds=60)
    until(lambda: len(watch.running) >= count, "all to run", seconds=120)
    took = sorted(1000 * (watch.running[name] - made[name]) for name in names)
    if at_once:
        hub.kubectl("delete", "pods", "-l", "bench=1", "--wait=true")
    return {"p50_ms": round(took[count // 2]), "p99_ms": round(took[-1]), "n": count}


# --- the two agents


@contextlib.contextmanager
def our_agent(hub: Cluster, containerd: sc.Containerd, folder: Path) -> Iterator[int]:
    """A joined box; the daemon's pid."""
    with boxes.controllers(hub):
        boxes.make_site(hub, "bench", district="370811", taints=[])
        box = boxes.Box(folder / "box", NODE, containerd.socket, listen=_free_port())
        box.join(boxes.token_line(hub, "bench"), "--ca-file", str(boxes.ca_file(hub, folder)))
        with box.running():
            assert box.process is not None
            yield box.process.pid
    hub.kubectl("delete", "node", NODE, "--ignore-not-found")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def measure(hub: Cluster, pid: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Everything about one agent."""
    hub.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=120s")
    time.sleep(20)  # until what starting costs is over
    figures: dict[str, Any] = {"idle_0_pods": idle(pid, chosen.seconds)}
    for number in range(chosen.pods):
        hub.api.post(PODS, pod(f"idle-{number}", probe=True))
    hub.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s")
    time.sleep(10)
    figures[f"idle_{chosen.pods}_pods"] = idle(pid, chosen.seconds)
    hub.kubectl("delete", "pods", "--all", "--wait=true")
    figures["start_one_at_a_time"] = starts(hub, chosen.starts, at_once=False)
    figures["start_all_at_once"] = starts(hub, chosen.starts, at_once=True)
    figures["after_all"] = memory(pid)
    return figures


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="of idleness to measure over (default 300)")
    parser.add_argument("--pods", type=int, default=10, help="idle pods (default 10)")
    parser.add_argument("--starts", type=int, default=30, help="pods to start (default 30)")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="agent-bench-"))
    containerd = sc.Containerd(folder / "c")
    try:
        containerd.start()
        containerd.load_basics()
        with Clusters("agent-bench") as clusters:
            hub = clusters.start("hub")
            with our_agent(hub, containerd, folder) as pid:
                print(json.dumps({"suanli-agent": measure(hub, pid, chosen)}, indent=1))
    finally:
        containerd.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
