"""Upstream's own [NodeConformance] specs against a real agent: real hub, joined box, real containerd.

    python e2e/nodeconformance/run.py [--selection quick|main|slow] [--focus REGEX] [--skip REGEX] [--out FOLDER]

Exit code 0: everything passed but what KNOWN names with its reason.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import suanli_boxes as boxes
import suanli_containerd as sc
from nodeconformance import build, images
from suanli_clusters import Cluster, Clusters, Options, free_port, until

SELECTIONS = {
    "quick": (r"\[NodeConformance\]", r"\[Serial\]|\[Disruptive\]|\[Slow\]|Probing|updates should|NodeLease"),
    "main": (r"\[NodeConformance\]", r"\[Serial\]|\[Disruptive\]|\[Slow\]"),
    "slow": (r"\[Slow\].*\[NodeConformance\]", "cap back-off"),
}

KNOWN = {
    "[sig-node] PrivilegedPod [NodeConformance] should enable privileged commands [LinuxOnly]": (
        "makes a network device of type dummy, which some kernels do not have"
    ),
}
"""Specs that may fail, each with the reason; docs/node-conformance.md has the same list."""

NODE = "conformance-box"


def main() -> int:
    """Run the chosen specs; 0 when all passed but the known ones."""
    chosen = _arguments()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    programs = build.programs()
    lacks = sc.missing()
    if lacks:
        sys.exit(f"needed for the specs: {', '.join(lacks)}")
    with Clusters("node-conformance") as clusters:
        hub = clusters.start("hub", Options(address="0.0.0.0"))
        with box(hub, out / "box", programs):
            _specs(hub, programs, out, chosen)
    return _judge(out / "report.json")


@contextlib.contextmanager
def box(hub: Cluster, folder: Path, programs: Path) -> Iterator[boxes.Box]:
    """A box that has joined, without taints, with every image that the specs use."""
    shutil.rmtree(folder, ignore_errors=True)
    containerd = sc.Containerd(folder / "c", handlers=("runc", "test-handler"), pause=images.pause_name(programs))
    containerd.start()
    try:
        images.load(containerd, programs, build.module())
        with boxes.controllers(hub):
            boxes.make_site(hub, "conformance", district="370811", taints=[])
            made = boxes.Box(
                folder / "agent",
                NODE,
                containerd.socket,
                listen=free_port(),
                node_ip=_address(),
                log_level="info",
            )
            made.join(boxes.token_line(hub, "conformance"), "--ca-file", str(boxes.ca_file(hub, folder)))
            with made.running():
                hub.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=60s")
                until((made.state / "pki/serving.pem").exists, "the serving certificate", seconds=60)
                yield made
    finally:
        containerd.stop()


def _specs(hub: Cluster, programs: Path, out: Path, chosen: argparse.Namespace) -> None:
    focus, skip = SELECTIONS[chosen.selection]
    command = [
        str(programs / "ginkgo"), f"--procs={chosen.procs}", "--no-color", f"--timeout={chosen.timeout}",
        "--keep-going", "--silence-skips", f"--focus={chosen.focus or focus}", f"--skip={chosen.skip or skip}",
        "--json-report=report.json", f"--output-dir={out}", str(programs / "nodeconf.test"), "--",
        "--provider=skeleton", f"--kubeconfig={hub.kubeconfig}", "--num-nodes=1", "--disable-log-dump",
        "--dump-logs-on-failure=false", "--minStartupPods=0", "--allowed-not-ready-nodes=-1",
    ]  # fmt: skip
    with (out / "specs.log").open("wb") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=hub.environment(), check=False)


def _judge(report: Path) -> int:
    """Print what did not pass and how many did; 1 when something failed that is not known to."""
    states: dict[str, str] = {}
    said: dict[str, str] = {}
    for suite in json.loads(report.read_text()):
        for spec in suite["SpecReports"] or []:
            name = " ".join([*(spec["ContainerHierarchyTexts"] or []), spec["LeafNodeText"]])
            if spec["LeafNodeType"] == "It" and spec["State"] != "skipped":
                states[name] = spec["State"]
                said[name] = spec.get("Failure", {}).get("Message", "")
    bad = sorted(name for name, state in states.items() if state != "passed")
    for name in bad:
        sys.stdout.write(f"{states[name]}: {name}\n    {KNOWN.get(name) or said[name][:600]}\n")
    sys.stdout.write(f"{len(states) - len(bad)} of {len(states)} specs passed\n")
    return int(not states or any(name not in KNOWN for name in bad))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selection", choices=SELECTIONS, default="quick", help="which specs (default quick)")
    parser.add_argument("--focus", help="only specs whose name matches, instead of the selection's own")
    parser.add_argument("--skip", help="no specs whose name matches, instead of the selection's own")
    parser.add_argument("--procs", type=int, default=max(4, os.cpu_count() or 1), help="specs at a time")
    parser.add_argument("--timeout", default="40m", help="of the whole run (default 40m)")
    parser.add_argument("--out", type=Path, default=Path("build/node-conformance"), help="reports and logs")
    return parser.parse_args()


def _address() -> str:
    """An address of this machine that pods and the API server both reach: that of the default route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


if __name__ == "__main__":
    sys.exit(main())
