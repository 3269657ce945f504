"""Backend on kind: two clusters of three nodes each, by pytest-kind, with real containers.

A kind config gives every cluster a worker of each architecture, and an admission policy lets one pose as arm64: a
MutatingAdmissionPolicy of v1, so the nodes must run Kubernetes 1.36 or later.

Environment:

    KIND_BIN          kind; default: from PATH, else pytest-kind downloads the release below
    KUBECTL_BIN       kubectl; default: from PATH, else the one that `make tools` makes
    KIND_NODE_IMAGE   image of the nodes; default: the one for Kubernetes 1.36 that the kind release below names
    KIND_TEST_IMAGE   image of the tests' containers, with a `sleep`; default: busybox
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_kind import KindCluster  # type: ignore[import-untyped]  # ships no types

from suanli_clusters import locks, run, tools
from suanli_clusters.backend import Backend, Need, NodesMissing, serving
from suanli_clusters.cluster import Member
from suanli_clusters.waiting import until

FILES = Path(__file__).parents[1] / "kind"

VERSION = "v0.33.0"
NODE_IMAGE = "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"
"""From the notes of that kind release: an image serves the release that it was built for."""
OLDEST = (1, 36)

POSE = "e2e.suanli.io/architecture"
"""The label that says which architecture a node poses as; see e2e/kind/architecture.yaml."""

READY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the clusters are made with."""

    kind: Path
    kubectl: Path
    node_image: str
    test_image: str


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


def choose() -> Chosen:
    """What the environment names, or the defaults; starts no cluster.

    Raises ToolsError where a program is missing, or the node image runs too old a Kubernetes: it says what to set.
    """
    node_image = os.environ.get("KIND_NODE_IMAGE") or NODE_IMAGE
    chosen = Chosen(_kind(), _kubectl(), node_image, os.environ.get("KIND_TEST_IMAGE") or "busybox")
    found = _kubernetes_of(node_image)
    if found < OLDEST:
        raise tools.ToolsError(
            f"KIND_NODE_IMAGE={node_image} runs Kubernetes {found[0]}.{found[1]}, and {OLDEST[0]}.{OLDEST[1]} or later "
            f"is needed (e2e/kind/architecture.yaml): name another, or unset it for {NODE_IMAGE}"
        )
    return chosen


def _kind() -> Path:
    """Where there is none, the release that is downloaded, once for all checkouts."""
    found = _program("KIND_BIN", "kind")
    if found is None:
        name = f"kind-linux-{tools.machine()}"
        found = tools.cache() / "kind" / f"{name}-{VERSION}"
        found.parent.mkdir(parents=True, exist_ok=True)
        releases = "https://github.com/kubernetes-sigs/kind/releases/download"
        os.environ.setdefault("KIND_DOWNLOAD_URL", f"{releases}/{VERSION}/{name}")  # where pytest-kind looks
        try:
            KindCluster("download", kind_path=found).ensure_kind()
        except OSError as error:
            raise tools.ToolsError(
                f"kind {VERSION} cannot be downloaded: {error}; set KIND_BIN to a kind of that release"
            ) from error
    return found


def _kubectl() -> Path:
    try:
        return _program("KUBECTL_BIN", "kubectl") or tools.find("kubectl")
    except tools.ToolsError as error:
        raise tools.ToolsError(
            f"there is no kubectl: run `make tools`, or set KUBECTL_BIN to one ({error})"
        ) from error


def _kubernetes_of(image: str) -> tuple[int, int]:
    """The Kubernetes that a node image runs, by the file that kind itself reads."""
    command = ["docker", "run", "--rm", "--entrypoint", "cat", image, "/kind/version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.match(r"v?(\d+)\.(\d+)\.", answer.stdout)
    if answer.returncode or found is None:
        why = answer.stderr.strip() or f"its /kind/version says {answer.stdout!r}"
        raise tools.ToolsError(
            f"KIND_NODE_IMAGE={image}: {why}; name a kind node image of Kubernetes 1.36 or later"
        )
    return int(found[1]), int(found[2])


@contextlib.contextmanager
def clusters(chosen: Chosen) -> Iterator[Backend]:
    """Two kind clusters, made for the block and deleted after it, also on failure, Ctrl-C and SIGTERM."""
    with run.orderly_end(), run.cleanup() as cleanup:
        folder = run.Run("kind")
        cleanup.callback(folder.close)
        # pytest-kind keeps what it downloads here; a kubeconfig is ours to place.
        cleanup.callback(shutil.rmtree, ".pytest-kind", ignore_errors=True)
        sweep(chosen.kind, folder.folder)
        hub, cloud = (_start(name, chosen, folder.folder, cleanup) for name in ("hub", "cloud"))
        yield Kind(hub, cloud, chosen.test_image)


def _start(name: str, chosen: Chosen, folder: Path, cleanup: contextlib.ExitStack) -> Member:
    cluster = KindCluster(
        f"suanli-{name}-{os.getpid()}",
        folder / f"{name}.kubeconfig",
        image=chosen.node_image,
        kind_path=chosen.kind,
        kubectl_path=chosen.kubectl,
    )
    cleanup.callback(forget, record(cluster.name))
    cleanup.callback(cluster.delete)
    cluster.create(FILES / "cluster.yaml")
    if _docker_has(chosen.test_image):
        cluster.load_docker_image(chosen.test_image)
    member = Member(name, cluster.kubeconfig_path, chosen.kubectl)
    _pose(member)
    member.kubectl(
        "wait", "--for=condition=Ready", "node", "--all", f"--timeout={READY_SECONDS}s", seconds=READY_SECONDS
    )
    return member


# --- what a run that was killed has left


@dataclass(frozen=True, slots=True)
class Record:
    """A cluster's name on record, which its process holds; what nobody holds has been left behind."""

    path: Path
    lock: int


def record(name: str) -> Record:
    """Put a cluster on record before it is made, with the Docker that it is made in."""
    path = _records() / name
    lock = locks.try_lock(path)
    if lock is None:
        raise RuntimeError(f"{path} is held by another process: two runs with one process id?")
    path.write_text(_docker())
    return Record(path, lock)


def forget(one: Record) -> None:
    """The cluster is deleted."""
    one.path.unlink()
    os.close(one.lock)


def sweep(kind: Path, folder: Path) -> None:
    """Delete the clusters of this Docker whose run has ended without doing so; `folder` is for a passing file."""
    for path in _records().iterdir():
        lock = locks.try_lock(path)
        if lock is None:
            continue
        left = Record(path, lock)
        if path.read_text() != _docker():
            os.close(lock)
            continue
        command = [str(kind), "delete", "cluster", f"--name={path.name}", f"--kubeconfig={folder / 'swept'}"]
        subprocess.run(command, check=True)
        forget(left)


def _records() -> Path:
    path = run.home() / "kind"
    path.mkdir(exist_ok=True)
    return path


def _docker() -> str:
    return os.environ.get("DOCKER_HOST", "")


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
        raise tools.ToolsError(f"{variable}={os.environ[variable]}: no such program")
    return Path(found) if found else None


def _docker_has(image: str) -> bool:
    return not subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode
