"""Backend on kind: two clusters of three nodes each, by pytest-kind, with real containers.

A kind config gives every cluster a worker of each architecture, and an admission policy lets one pose as arm64.

Environment:

    KIND_BIN          kind; default: from PATH, else pytest-kind downloads it
    KUBECTL_BIN       kubectl; default: from PATH, else the one that `make tools` makes
    KIND_NODE_IMAGE   image of the nodes; default: kind's own
    KIND_TEST_IMAGE   image of the tests' containers, with a `sleep`; default: busybox
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_kind import KindCluster  # type: ignore[import-untyped]  # ships no types

from suanli_clusters import run, tools
from suanli_clusters.backend import Backend, Need, NodesMissing, serving
from suanli_clusters.cluster import Member
from suanli_clusters.waiting import until

FILES = Path(__file__).parents[1] / "kind"

POSE = "e2e.suanli.io/architecture"
"""The label that says which architecture a node poses as; see e2e/kind/architecture.yaml."""

READY_SECONDS = 300


class Kind(Backend):
    """On kind: the nodes are what the kind config says."""

    def _serve(self, member: Member, need: Need) -> list[str]:
        found = serving(member, need)
        if len(found) < need.count:
            raise NodesMissing(f"kind cluster {member.name} has {len(found)} of {need}: see e2e/kind/cluster.yaml")
        return found[: need.count]


def why_not() -> str:
    """Why kind cannot run here; "" when it can."""
    if not shutil.which("docker"):
        return "there is no docker command in PATH"
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if answer.returncode:
        return f"Docker does not answer: {answer.stderr.strip()}"
    return ""


@contextlib.contextmanager
def clusters() -> Iterator[Backend]:
    """Two kind clusters, made for the block and deleted after it, also on failure and SIGTERM."""
    image = os.environ.get("KIND_TEST_IMAGE") or "busybox"
    with run.orderly_end(), contextlib.ExitStack() as cleanup:
        folder = run.Run("kind")
        cleanup.callback(folder.close)
        # pytest-kind keeps what it downloads here; a kubeconfig is ours to place.
        cleanup.callback(shutil.rmtree, ".pytest-kind", ignore_errors=True)
        hub, cloud = (_start(name, image, folder.folder, cleanup) for name in ("hub", "cloud"))
        yield Kind(hub, cloud, image)


def _start(name: str, image: str, folder: Path, cleanup: contextlib.ExitStack) -> Member:
    kubectl = _program("KUBECTL_BIN", "kubectl") or tools.find("kubectl")
    cluster = KindCluster(
        f"suanli-{name}-{os.getpid()}",
        folder / f"{name}.kubeconfig",
        image=os.environ.get("KIND_NODE_IMAGE") or None,
        kind_path=_program("KIND_BIN", "kind"),
        kubectl_path=kubectl,
    )
    cleanup.callback(cluster.delete)
    cluster.create(FILES / "cluster.yaml")
    if _docker_has(image):
        cluster.load_docker_image(image)
    member = Member(name, cluster.kubeconfig_path, kubectl)
    _pose(member)
    member.kubectl(
        "wait", "--for=condition=Ready", "node", "--all", f"--timeout={READY_SECONDS}s", seconds=READY_SECONDS
    )
    return member


def _pose(member: Member) -> None:
    """Let the labelled nodes pose, and wait until they say so by label and by what their kubelets report."""
    member.kubectl("apply", "-f", str(FILES / "architecture.yaml"))

    def posing() -> bool:
        # Any write makes the label take effect; the next report of the kubelet, every 10 s, what it reports.
        member.kubectl(
            "annotate", "node", "--selector", POSE, "--overwrite", f"e2e.suanli.io/touched={time.time_ns()}"
        )
        return all(_poses(node) for node in member.api.items(f"/api/v1/nodes?labelSelector={POSE}"))

    until(posing, f"nodes of {member.name} pose as their architecture", READY_SECONDS, every=1)


def _poses(node: Mapping[str, Any]) -> bool:
    labels = node["metadata"]["labels"]
    return bool(labels[POSE] == labels["kubernetes.io/arch"] == node["status"]["nodeInfo"]["architecture"])


def _program(variable: str, name: str) -> Path | None:
    """The program that the environment names, or the one in PATH."""
    found = shutil.which(os.environ.get(variable) or name)
    if os.environ.get(variable) and not found:
        raise FileNotFoundError(f"{variable}={os.environ[variable]}: no such program")
    return Path(found) if found else None


def _docker_has(image: str) -> bool:
    return not subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode
