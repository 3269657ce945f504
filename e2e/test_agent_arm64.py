"""An arm64 box, emulated: the agent in an arm64 Python joins a hub and reports that architecture.

The programs are Debian's own packages, downloaded beside the machine's package state and never installed: an arm64
Python with its libraries, and QEMU's user-mode emulator. CPU families cannot be emulated: they come from fixtures.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import suanli_boxes as boxes
from suanli_boxes import Box
from suanli_clusters import Cluster, Clusters, until

pytestmark = pytest.mark.long

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "suanli/arm64"
AGENTS = Path(__file__).parent.parent / "agents"
PACKAGES = [
    "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libgcc-s1", "libssl3", "zlib1g",
    "libexpat1", "libffi8", "libsqlite3-0", "libbz2-1.0", "liblzma5", "libcrypt1", "libuuid1",
]  # fmt: skip
NEEDS = ("msgspec", "grpclib", "protobuf<7", "cryptography", "h11")


def run(*command: str, where: Path) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"


def _packages(folder: Path) -> None:
    """An arm64 root with Python, and the emulator, unpacked from Debian's packages."""
    for each in ("lists/partial", "cache/archives/partial", "debs", "root", "qemu"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    apart = {
        "APT::Architecture": "arm64", "APT::Architectures": "arm64", "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(folder / "status"), "Dir::Cache": str(folder / "cache"), "APT::Sandbox::User": "root",
    }  # fmt: skip
    options = [word for name, value in apart.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "-qq", "update", where=folder)
    run("apt-get", *options, "-qq", "download", *PACKAGES, where=folder / "debs")
    run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "qemu-user-static", where=folder / "debs")
    for deb in (folder / "debs").glob("*.deb"):
        place = "qemu" if deb.name.startswith("qemu") else "root"
        run("dpkg-deb", "-x", str(deb), str(folder / place), where=folder)


def _dependencies(folder: Path) -> None:
    """The agent's dependencies as arm64 wheels."""
    platforms = ["--platform", "manylinux2014_aarch64", "--platform", "manylinux_2_28_aarch64"]
    wheels = [*platforms, "--python-version", "311", "--implementation", "cp", "--only-binary=:all:"]
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--target",
        str(folder / "site"),
        *wheels,
        *NEEDS,
        where=folder,
    )


@pytest.fixture(scope="module")
def arm64() -> str:
    """A Python that believes itself on an arm64 machine, and starts itself again as such."""
    assert platform.machine() == "x86_64", "this emulation is for x86_64 machines"
    python = CACHE / "python"
    if not python.exists():
        _packages(CACHE)
        _dependencies(CACHE)
        root = CACHE / "root"
        script = (
            f"#!/bin/sh\nexport PYTHONHOME=/usr PYTHONPATH={CACHE / 'site'}:{AGENTS}\n"
            f'exec {CACHE}/qemu/usr/bin/qemu-aarch64-static -0 {python} -L {root} {root}/usr/bin/python3.11 "$@"\n'
        )
        python.write_text(script)
        python.chmod(0o755)
    return str(python)


@pytest.fixture(scope="module")
def hub(clusters: Clusters) -> Iterator[Cluster]:
    with clusters.running("arm64") as cluster, boxes.controllers(cluster):
        boxes.make_site(cluster, "harbour")
        yield cluster


@pytest.mark.timeout(900)
def test_an_arm64_box_joins_and_says_what_it_is(hub: Cluster, arm64: str, tmp_path: Path) -> None:
    """Key, request, certificate and daemon all run as arm64 code."""
    box = Box(tmp_path, "kunpeng-1", heartbeat_seconds="5")
    box.python = arm64
    box.join(boxes.token_line(hub, "harbour"), "--ca-file", str(boxes.ca_file(hub, tmp_path)), "--timeout", "300")
    with box.running():
        path = "/api/v1/nodes/kunpeng-1"
        until(lambda: hub.api.get(path)["status"]["nodeInfo"]["architecture"] == "arm64", "the Node", seconds=300)
        labels = hub.api.get(path)["metadata"]["labels"]
        assert labels["kubernetes.io/arch"] == "arm64"
        # The emulator shows the real machine's /proc/cpuinfo: no family and no level are made up from it.
        assert "suanli.io/cpu-family" not in labels
        assert "suanli.io/isa-level" not in labels
