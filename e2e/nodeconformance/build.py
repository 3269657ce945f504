"""The programs that the specs need, built from the pinned Go module next to this file and kept outside the
repository.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from suanli_clusters import tools, tools_build

HERE = Path(__file__).parent
PACKAGES = {
    "agnhost": "k8s.io/kubernetes/test/images/agnhost",
    "nnp": "k8s.io/kubernetes/test/images/nonewprivs",
    "ginkgo": "github.com/onsi/ginkgo/v2/ginkgo",
}
GIVEN = "SUANLI_NODE_CONFORMANCE_PROGRAMS"
"""Names a directory where the programs are already."""


def programs() -> Path:
    """The directory with nodeconf.test, agnhost, nnp, ginkgo and pause, built if need be (10 minutes, 6 GB of
    disk).
    """
    if os.environ.get(GIVEN):
        return Path(os.environ[GIVEN])
    target = _cached("node-conformance", HERE / "go.mod", HERE / "nodeconf" / "nodeconf_test.go")
    if not (target / "complete").exists():
        target.mkdir(parents=True, exist_ok=True)
        _build(target)
        (target / "complete").touch()
    return target


def kubelet() -> Path:
    """The kubelet of the same Kubernetes, for benchmarks/agent.py; built if need be (8 minutes)."""
    program = _cached("kubelet", HERE / "go.mod", HERE / "go.sum") / "kubelet"
    if not program.exists():
        tools.say("building the kubelet")
        unfinished = program.with_suffix(".new")
        _go(
            "build",
            "-trimpath",
            "-ldflags",
            tools_build.linker_flags(),
            "-o",
            str(unfinished),
            "k8s.io/kubernetes/cmd/kubelet",
        )
        unfinished.replace(program)
    return program


def _cached(what: str, *pinned: Path) -> Path:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in pinned)).hexdigest()[:12]
    return tools.cache() / f"{what}-{digest}"


def module() -> Path:
    """The source of the Kubernetes module."""
    return Path(_go("list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes").strip())


def _build(target: Path) -> None:
    version, flags = tools.kubernetes_version(), tools_build.linker_flags()
    for name, package in PACKAGES.items():
        tools.say(f"node conformance: building {name}")
        _go("build", "-mod=mod", "-trimpath", "-ldflags", flags, "-o", str(target / name), package)
    tools.say("node conformance: building the specs")
    output = str(target / "nodeconf.test")
    _go("test", "-mod=mod", "-c", "-vet=off", "-trimpath", "-ldflags", flags, "-o", output, "./nodeconf")
    source = module() / "build/pause/linux/pause.c"
    subprocess.run(
        ["gcc", "-Os", "-static", f"-DVERSION={version}", "-o", str(target / "pause"), str(source)], check=True
    )


def _go(*words: str) -> str:
    """Run go in the module. Raises RuntimeError with what it said."""
    program = shutil.which("go")
    if program is None:
        raise RuntimeError("Go 1.26 or later is needed to build the specs: https://go.dev/dl/")
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(
        [program, *words], cwd=HERE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"go {' '.join(words)}: {done.stderr.strip()[-2000:]}")
    return done.stdout
