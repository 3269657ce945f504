"""Fetch the clusters' programs as the projects' release binaries: quicker than a build, with the internet at hand.

Kubernetes and etcd publish SHA-256 sums beside their files, and a file that does not match is refused. kwok's
files are trusted to TLS alone. `SUANLI_MIRROR_KUBERNETES`, `SUANLI_MIRROR_ETCD` and `SUANLI_MIRROR_KWOK` name
other places with the same folders.
"""

import hashlib
import io
import os
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from suanli_clusters import tools
from suanli_clusters.tools import Tool, ToolsError

KUBERNETES = "https://dl.k8s.io/release"
ETCD = "https://github.com/etcd-io/etcd/releases/download"
KWOK = "https://github.com/kubernetes-sigs/kwok/releases/download"

TIMEOUT_SECONDS = 60


def make(wanted: Iterable[Tool], target: Path) -> Iterator[tuple[Tool, float]]:
    """Fetch one program after another into `target`; yields each when it is there, with its seconds."""
    for tool in wanted:
        started = time.monotonic()
        content = _fetch_tool(tool)
        with tempfile.TemporaryDirectory(dir=target, prefix=".download-") as scratch:
            path = Path(scratch, tool.name)
            path.write_bytes(content)
            path.chmod(0o755)
            path.replace(target / tool.name)
        yield tool, time.monotonic() - started


def _fetch_tool(tool: Tool) -> bytes:
    version = tools.version(tool.module)
    if tool.module == "sigs.k8s.io/kwok":
        return _fetch(f"{_mirror('KWOK', KWOK)}/{version}/{tool.name}-linux-{tools.machine()}")
    if tool.name == "etcd":
        return _fetch_etcd(version)
    url = f"{_mirror('KUBERNETES', KUBERNETES)}/{version}/bin/linux/{tools.machine()}/{tool.name}"
    return _verified(url, _fetch(url), _fetch(url + ".sha256").decode())


def _fetch_etcd(version: str) -> bytes:
    folder = f"{_mirror('ETCD', ETCD)}/{version}"
    archive = f"etcd-{version}-linux-{tools.machine()}"
    sums = {
        name: digest
        for digest, name in (line.split() for line in _fetch(f"{folder}/SHA256SUMS").decode().splitlines())
    }
    url = f"{folder}/{archive}.tar.gz"
    content = _verified(url, _fetch(url), sums.get(f"{archive}.tar.gz", ""))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        member = tar.extractfile(f"{archive}/etcd")
        if member is None:
            raise ToolsError(f"{url}: holds no etcd")
        return member.read()


def _mirror(name: str, default: str) -> str:
    return (os.environ.get(f"SUANLI_MIRROR_{name}") or default).rstrip("/")


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read()
    except (urllib.error.URLError, TimeoutError) as error:
        raise ToolsError(f"{url}: {error}; unset SUANLI_TOOLS to build with Go instead") from error
    return content


def _verified(url: str, content: bytes, expected: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != expected.strip():
        raise ToolsError(
            f"{url}: has SHA-256 {found}, and the release says {expected.strip() or 'nothing'}; not used"
        )
    return content
