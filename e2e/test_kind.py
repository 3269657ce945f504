"""What `make test-kind` does around kind itself: it says at once what is missing, and leaves no cluster behind.

kind and docker are stand-ins here, which write down what they are asked to do; the real ones run in `make test-kind`.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from suanli_clusters import ToolsError, kind, until

E2E = Path(__file__).parent
RECORDS = """
import sys, time
from suanli_clusters import kind
kind.record(sys.argv[1])
print("made", flush=True)
time.sleep(600)
"""
CLEANS_UP = """
import subprocess, sys, time
from suanli_clusters import run
with run.orderly_end(), run.cleanup() as cleanup:
    cleanup.callback(subprocess.run, ["/bin/sh", "-c", sys.argv[1]], check=True)
    print("made", flush=True)
    time.sleep(600)
"""
Program = Callable[[str, str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes a shell script of a name, first in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    for variable in ("KIND_BIN", "KUBECTL_BIN", "KIND_NODE_IMAGE", "SUANLI_KUBECTL", "DOCKER_HOST"):
        monkeypatch.delenv(variable, raising=False)

    def make(name: str, body: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TMPDIR of one's own: nobody else's records."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def installed(program: Program, home: Path) -> Program:
    """As `program`, with a kind and a kubectl there, which nothing is to start yet."""
    for name in ("kind", "kubectl"):
        program(name, "exit 1")
    return program


def started(script: str, *arguments: str) -> "subprocess.Popen[str]":
    """A process group of its own, as a shell makes one for what is typed, that has come to its middle."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(E2E)}, stdout=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    return process


def swept(program: Program, home: Path) -> list[str]:
    """The clusters that a sweep deletes."""
    log = home / "kind.log"
    log.unlink(missing_ok=True)
    kind.sweep(program("kind", f'echo "$@" >> {log}'), home)
    lines = log.read_text().splitlines() if log.exists() else []
    assert all(line.startswith("delete cluster --name=") for line in lines)
    return [line.split()[2].partition("=")[2] for line in lines]


def test_a_cluster_of_a_run_that_was_killed_is_deleted_by_the_next(program: Program, home: Path) -> None:
    process = started(RECORDS, "suanli-hub-1")
    assert swept(program, home) == []
    process.kill()
    process.wait()
    assert swept(program, home) == ["suanli-hub-1"]
    assert swept(program, home) == []


def test_a_cluster_of_another_docker_is_left_to_a_run_there(
    program: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = started(RECORDS, "suanli-hub-1")
    process.kill()
    process.wait()
    monkeypatch.setenv("DOCKER_HOST", "unix:///elsewhere.sock")
    assert swept(program, home) == []
    monkeypatch.delenv("DOCKER_HOST")
    assert swept(program, home) == ["suanli-hub-1"]


def test_a_second_ctrl_c_does_not_break_off_the_deletion(tmp_path: Path) -> None:
    """Ctrl-C reaches the program that deletes, too."""
    begun, go, done = (tmp_path / name for name in ("begun", "go", "done"))
    process = started(CLEANS_UP, f"touch {begun}; until [ -e {go} ]; do sleep 0.05; done; touch {done}")
    os.killpg(process.pid, signal.SIGINT)
    until(begun.exists, "the deletion has begun")
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGTERM)
    go.touch()
    process.communicate(timeout=60)
    assert done.exists()


def test_too_old_a_node_image_is_told_before_anything_starts(
    installed: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("docker", "echo v1.35.8")
    monkeypatch.setenv("KIND_NODE_IMAGE", "kindest/node:v1.35.8")
    with pytest.raises(
        ToolsError, match=r"KIND_NODE_IMAGE=kindest/node:v1\.35\.8 runs Kubernetes 1\.35, and 1\.36"
    ):
        kind.choose()


def test_a_node_image_of_1_36_or_later_is_taken_and_the_default_is_one(
    installed: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("docker", 'case "$*" in *:local*) echo v1.37.0;; *:v1.36.*@sha256:*) echo v1.36.4;; esac')
    assert kind.choose().node_image == kind.NODE_IMAGE
    monkeypatch.setenv("KIND_NODE_IMAGE", "kindest/node:local")
    assert kind.choose().node_image == "kindest/node:local"


def test_a_node_image_that_cannot_be_looked_into_is_named(installed: Program) -> None:
    installed("docker", "echo no such image >&2; exit 125")
    with pytest.raises(ToolsError, match=r"KIND_NODE_IMAGE=.*: no such image; name a kind node image"):
        kind.choose()


def test_a_missing_kubectl_is_told_by_the_variable_of_these_tests(
    program: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program("kind", "exit 1").parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    with pytest.raises(ToolsError, match="run `make tools`, or set KUBECTL_BIN"):
        kind.choose()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("variable", ["KIND_BIN", "KUBECTL_BIN"])
def test_a_program_that_is_not_where_the_environment_says_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/nowhere/it")
    with pytest.raises(ToolsError, match=f"{variable}=/nowhere/it: no such program"):
        kind.choose()
