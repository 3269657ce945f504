"""The programs of the clusters: found where they are said to be, made once, and refused where they are not genuine."""

import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from suanli_clusters import ToolsError, tools


def release_files() -> dict[str, bytes]:
    """A tree as the projects publish it, with tiny programs: URL path -> content."""
    kubernetes, etcd, kwok = (
        tools.version(module) for module in ("k8s.io/kubernetes", "go.etcd.io/etcd/server/v3", "sigs.k8s.io/kwok")
    )
    files = {}
    for tool in tools.TOOLS:
        program = f"#!/bin/sh\necho {tool.name}\n".encode()
        if tool.module == "k8s.io/kubernetes":
            path = f"/kubernetes/{kubernetes}/bin/linux/{tools.machine()}/{tool.name}"
            files[path] = program
            files[f"{path}.sha256"] = hashlib.sha256(program).hexdigest().encode()
        elif tool.module == "sigs.k8s.io/kwok":
            files[f"/kwok/{kwok}/{tool.name}-linux-{tools.machine()}"] = program
    name = f"etcd-{etcd}-linux-{tools.machine()}"
    packed = archive(f"{name}/etcd", b"#!/bin/sh\necho etcd\n")
    files[f"/etcd/{etcd}/{name}.tar.gz"] = packed
    files[f"/etcd/{etcd}/SHA256SUMS"] = f"{hashlib.sha256(packed).hexdigest()}  {name}.tar.gz\n".encode()
    return files


def archive(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a run that downloads from a server of our own into an empty cache."""
    folder = tmp_path / "mirror"
    for path, content in release_files().items():
        file = folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's word
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        mirrors = {f"SUANLI_MIRROR_{name.upper()}": f"{url}/{name}" for name in ("kubernetes", "etcd", "kwok")}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SUANLI_")}
        yield {
            **plain,
            **mirrors,
            "SUANLI_TOOLS": "download",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "PYTHONPATH": str(Path(__file__).parent),
        }
        server.shutdown()


def make(environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "suanli_clusters"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def made(environment: dict[str, str]) -> set[str]:
    """The programs that run from the cache; nothing else may lie there."""
    (folder,) = [path for path in Path(environment["XDG_CACHE_HOME"], "suanli/tools").iterdir() if path.is_dir()]
    outputs = {path.name: subprocess.check_output([str(path)], text=True).strip() for path in folder.iterdir()}
    assert all(name == output for name, output in outputs.items())
    return set(outputs)


def test_release_binaries_serve_in_place_of_a_build(mirror: dict[str, str]) -> None:
    process = make(mirror)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert made(mirror) == {tool.name for tool in tools.TOOLS}
    assert f"7/7 kube-scheduler {tools.kubernetes_version()}" in said


def test_two_runs_at_once_do_not_harm_each_other(mirror: dict[str, str]) -> None:
    pair = [make(mirror), make(mirror)]
    said = [process.communicate(timeout=60)[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    assert made(mirror) == {tool.name for tool in tools.TOOLS}


def test_what_does_not_match_its_checksum_is_refused(mirror: dict[str, str], tmp_path: Path) -> None:
    (kubectl,) = (tmp_path / "mirror/kubernetes").glob("*/bin/linux/*/kubectl")
    kubectl.write_bytes(b"#!/bin/sh\necho something else\n")
    process = make(mirror)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "kubectl: has SHA-256" in said
    assert "kubectl" not in made(mirror)


def test_a_later_run_makes_only_what_is_missing(mirror: dict[str, str]) -> None:
    make(mirror).communicate(timeout=60)
    (kwok,) = Path(mirror["XDG_CACHE_HOME"], "suanli/tools").glob("*/kwok")
    kwok.unlink()
    _, said = make(mirror).communicate(timeout=60)
    assert "1/1 kwok" in said


def test_the_environment_names_another_binary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = tmp_path / "etcd"
    mine.touch(mode=0o755)
    monkeypatch.setenv("SUANLI_ETCD", str(mine))
    assert tools.find("etcd") == mine
    assert "etcd" not in [tool.name for tool in tools.missing()]


def test_a_wrong_path_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANLI_KUBE_APISERVER", "/nowhere/kube-apiserver")
    with pytest.raises(ToolsError, match="SUANLI_KUBE_APISERVER=/nowhere/kube-apiserver: not an executable file"):
        tools.find("kube-apiserver")


def test_a_missing_program_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ToolsError, match=r"run `make tools`, or set SUANLI_KUBECTL to a kubectl binary"):
        tools.find("kubectl")


def test_an_unknown_way_to_make_them_is_refused(mirror: dict[str, str]) -> None:
    _, said = make({**mirror, "SUANLI_TOOLS": "steal"}).communicate(timeout=60)
    assert "SUANLI_TOOLS=steal: must be one of build, download" in said
