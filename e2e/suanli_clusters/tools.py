"""The programs that real clusters are made of: which, which versions, and where they are.

`e2e/tools/go.mod` pins the versions. The binaries lie outside the repository, under
`${XDG_CACHE_HOME:-~/.cache}/suanli/tools/<key>/`, where the key names the versions, so that checkouts share them
and a changed pin never meets an old binary. Nothing here makes a program (`make tools` does) or runs one.

Environment:

    SUANLI_KUBE_APISERVER, SUANLI_KUBE_CONTROLLER_MANAGER, SUANLI_KUBE_SCHEDULER, SUANLI_KUBECTL, SUANLI_ETCD,
    SUANLI_KWOK, SUANLI_KWOKCTL     path of a binary to use in place of the one in the cache
    SUANLI_TOOLS                    build (default): with Go, from the Go module proxy
                                    download: the projects' release binaries, where the internet is at hand
"""

import hashlib
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).parents[1] / "tools"
"""The Go module whose `tool` directives name the programs."""


class ToolsError(Exception):
    """A program of the clusters cannot be found or made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    package: str
    module: str
    """The Go module that it is released with: its version in go.mod is the version of the program."""

    @property
    def variable(self) -> str:
        """The environment variable that names another binary to use."""
        return "SUANLI_" + self.name.upper().replace("-", "_")


TOOLS = (
    Tool("kwokctl", "sigs.k8s.io/kwok/cmd/kwokctl", "sigs.k8s.io/kwok"),
    Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"),
    Tool("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    Tool("kubectl", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes"),
    Tool("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes"),
    Tool("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "k8s.io/kubernetes"),
    Tool("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "k8s.io/kubernetes"),
)


def cache() -> Path:
    """Where this project keeps what is slow to make and may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "suanli"


def version(module: str) -> str:
    """A module's version as go.mod pins it, `v1.36.3` say."""
    found = re.search(rf"^\t{re.escape(module)} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ToolsError(f"{MODULE / 'go.mod'}: does not require {module}")
    return found[1]


def kubernetes_version() -> str:
    return version("k8s.io/kubernetes")


def machine() -> str:
    """This machine's architecture in Go's words."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def directory() -> Path:
    """The folder of the pinned binaries: readable versions, and a hash over every pinned module."""
    pins = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()[:8]
    etcd, kwok = version("go.etcd.io/etcd/server/v3"), version("sigs.k8s.io/kwok")
    return cache() / "tools" / f"kubernetes-{kubernetes_version()}-etcd-{etcd}-kwok-{kwok}-{machine()}-{pins}"


def _chosen(tool: Tool) -> Path | None:
    """The binary that the environment names, when it names one."""
    value = os.environ.get(tool.variable)
    if not value:
        return None
    if not os.access(value, os.X_OK):
        raise ToolsError(
            f"{tool.variable}={value}: not an executable file; correct the path or unset the variable"
        )
    return Path(value).absolute()


def find(name: str) -> Path:
    """The binary of a program: the environment's choice, or the cached one.

    Raises ToolsError where there is neither.
    """
    tool = next(tool for tool in TOOLS if tool.name == name)
    path = _chosen(tool) or directory() / name
    if not path.exists():
        raise ToolsError(f"{path} is missing: run `make tools`, or set {tool.variable} to a {name} binary")
    return path


def missing() -> list[Tool]:
    return [tool for tool in TOOLS if _chosen(tool) is None and not (directory() / tool.name).exists()]


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
