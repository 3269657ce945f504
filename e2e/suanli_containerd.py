"""A containerd of one's own for tests: sockets, roots, bridge and images apart from every other on this machine.

Needs root and Debian's containerd, runc, containernetworking-plugins and busybox-static; `missing()` names what
is not there. No registry is asked: images are made here, from busybox or from any static program.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import io
import ipaddress
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from suanli_agent import cni, forwarding
from suanli_agent.runtime import client, errors

PAUSE = "suanli.test/pause:1"
BUSYBOX = "suanli.test/busybox:1"
CNI_BIN = Path("/usr/lib/cni")
CAP_SYS_RESOURCE = 24

RUNC_WITHOUT_SYS_RESOURCE = """#!/bin/sh
# This machine lacks CAP_SYS_RESOURCE, which privileged containers ask for: take it out of what runc will read.
for word in "$@"; do
  case $before in
    --bundle) spec=$word/config.json ;;
    --process) spec=$word ;;
    *) spec= ;;
  esac
  if [ -f "$spec" ]; then sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$spec"; fi
  before=$word
done
exec runc "$@"
"""


def missing() -> list[str]:
    """What this machine lacks to run the tests, as words for a skip or an error; empty when all is there."""
    lacks = [tool for tool in ("containerd", "runc", "ctr", "busybox") if shutil.which(tool) is None]
    if not (CNI_BIN / "bridge").exists():
        lacks.append("containernetworking-plugins")
    if os.geteuid() != 0:
        lacks.append("root")
    return lacks


@dataclasses.dataclass(frozen=True)
class Image:
    """What goes into an image: files as path -> (content, mode), and the fields of its configuration."""

    files: Mapping[str, tuple[bytes, int]]
    links: Mapping[str, str] = dataclasses.field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    user: str = ""
    architecture: str = ""


def busybox_image(program: Path = Path("/bin/busybox"), **fields: object) -> Image:
    """An image with busybox and every applet of it."""
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    accounts = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
    files = {
        "bin/busybox": (program.read_bytes(), 0o755),
        "etc/passwd": (accounts, 0o644),
        "etc/group": (b"root:x:0:\nnogroup:x:65534:\n", 0o644),
        "tmp/": (b"", 0o1777),
    }
    return Image(files=files, links=links, **{"command": ("sh",), **fields})  # type: ignore[arg-type]


class Containerd:
    """A running containerd; `socket` is its address, `start` and `stop` may be called again and again.

    privileged: privileged containers start, too, where the machine cannot run them as they are. systemd_cgroup: its
    control groups are to be made by systemd, as many distributions have it; without one no container starts.
    """

    def __init__(
        self,
        root: Path,
        handlers: Sequence[str] = ("runc",),
        pause: str = PAUSE,
        *,
        privileged: bool = True,
        systemd_cgroup: bool = False,
    ) -> None:
        self.root = root
        self.socket = str(root / "c.sock")
        self.bridge = "sl" + hashlib.sha256(str(root).encode()).hexdigest()[:8]
        self.subnet = ipaddress.IPv4Network(free_subnet())
        self._handlers = handlers
        self._pause = pause
        self._privileged = privileged
        self._systemd_cgroup = systemd_cgroup
        self._process: subprocess.Popen[bytes] | None = None
        root.mkdir(parents=True, exist_ok=True)
        self._write_configuration()

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start the daemon and wait until it answers. Raises RuntimeError with its log when it does not."""
        forwarding.ensure(self.subnet, self.bridge)
        with (self.root / "log").open("ab") as log:
            command = ["containerd", "--config", str(self.root / "config.toml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("containerd does not answer: " + (self.root / "log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End the daemon alone; the containers go on under their shims."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def reboot(self) -> None:
        """What a power loss does: daemon, shims and containers die at once, what is on disk stays."""
        self.kill()
        self._kill_shims()
        for mount in self._mounts(str(self.root / "state")):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.root / "state", ignore_errors=True)

    def stop(self) -> None:
        """End everything that runs under it, and take its bridge and mounts away."""
        if self._process is not None:
            # A thread of its own: a test that runs in an event loop may stop it too.
            thread = threading.Thread(target=lambda: asyncio.run(self._clear()))
            thread.start()
            thread.join()
        self.kill()
        self._kill_shims()
        for mount in self._mounts(str(self.root)):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        forwarding.delete_bridge(self.bridge)
        forwarding.remove(self.subnet, self.bridge)

    def load(self, name: str, image: Image) -> None:
        """Make an image known under a name, without a registry."""
        archive = self.root / "image.tar"
        archive.write_bytes(image_archive(name, image))
        self.ctr("images", "import", "--all-platforms", str(archive))
        archive.unlink()

    def load_basics(self) -> None:
        """The sandbox image and a busybox."""
        self.load(self._pause, busybox_image(entrypoint=("/bin/busybox", "sleep", "2147483647"), command=()))
        self.load(BUSYBOX, busybox_image())

    def ctr(self, *arguments: str) -> str:
        """containerd's own client, in CRI's namespace. Raises RuntimeError with what it said."""
        command = ["ctr", "--address", self.socket, "--namespace", "k8s.io", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def _answers(self) -> bool:
        """Whether it serves CRI. It runs on without where that cannot be loaded: for want of inotify instances, say."""
        try:
            rows = [line.split() for line in self.ctr("plugins", "list").splitlines()]
        except RuntimeError:
            return False  # not up yet
        if ["ok"] in [row[3:] for row in rows if row[:2] == ["io.containerd.grpc.v1", "cri"]]:
            return True
        raise RuntimeError("containerd without CRI: " + (self.root / "log").read_text()[-2000:])

    async def _clear(self) -> None:
        runtime = client.Runtime(self.socket)
        with contextlib.suppress(errors.RuntimeFault):
            for sandbox in await runtime.list_sandboxes():
                await runtime.stop_sandbox(sandbox.id)
                await runtime.remove_sandbox(sandbox.id)
        runtime.close()

    def _kill_shims(self) -> None:
        """Only shims whose command line names our own socket, and what runs under them."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if self.socket.encode() in words and b"containerd-shim" in words[0]:
                    self._kill_children(int(entry.name))
                    os.kill(int(entry.name), signal.SIGKILL)

    @staticmethod
    def _kill_children(pid: int) -> None:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(child), signal.SIGKILL)

    @staticmethod
    def _mounts(prefix: str) -> list[str]:
        places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        return sorted((place for place in places if place.startswith(prefix + "/")), reverse=True)

    def _write_configuration(self) -> None:
        (self.root / "cni").mkdir(exist_ok=True)
        (self.root / "config.toml").write_text(self._containerd_toml())
        (self.root / "cni" / "10-suanli.conflist").write_text(json.dumps(self._network()))

    def _containerd_toml(self) -> str:
        binary = self._runc()
        tables = "".join(
            f'[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{handler}]\n'
            'runtime_type = "io.containerd.runc.v2"\n'
            f'[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{handler}.options]\n'
            f'BinaryName = "{binary}"\nSystemdCgroup = {str(self._systemd_cgroup).lower()}\n'
            for handler in self._handlers
        )
        return (
            f'version = 2\nroot = "{self.root}/root"\nstate = "{self.root}/state"\n'
            f'[grpc]\naddress = "{self.socket}"\n'
            f'[plugins."io.containerd.internal.v1.opt"]\npath = "{self.root}/opt"\n'
            '[plugins."io.containerd.grpc.v1.cri"]\n'
            f'sandbox_image = "{self._pause}"\nrestrict_oom_score_adj = true\n'
            '[plugins."io.containerd.grpc.v1.cri".cni]\n'
            f'bin_dir = "{CNI_BIN}"\nconf_dir = "{self.root}/cni"\n' + tables
        )

    def _runc(self) -> str:
        """The program that runs containers: a wrapper where a capability is missing, else runc itself."""
        bounding = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("CapBnd"))
        if int(bounding.split()[1], 16) >> CAP_SYS_RESOURCE & 1 or not self._privileged:
            return "runc"
        wrapper = self.root / "runc"
        wrapper.write_text(RUNC_WITHOUT_SYS_RESOURCE)
        wrapper.chmod(0o755)
        return str(wrapper)

    def _network(self) -> dict[str, object]:
        """The network that the agent writes at join, with a bridge and addresses of its own."""
        made = cni.network(self.subnet, per_pod=False, bridge=self.bridge)
        made["plugins"][0]["ipam"]["dataDir"] = str(self.root / "addresses")
        return {**made, "name": self.bridge}


@contextlib.contextmanager
def running(root: Path, *, privileged: bool = True, systemd_cgroup: bool = False) -> Iterator[Containerd]:
    """A started containerd with the basic images, until the block ends. The options: see Containerd.

    Raises RuntimeError naming what is missing.
    """
    lacks = missing()
    if lacks:
        raise RuntimeError(f"needed for containers: {', '.join(lacks)}")
    daemon = Containerd(root, privileged=privileged, systemd_cgroup=systemd_cgroup)
    try:
        daemon.start()
        daemon.load_basics()
        yield daemon
    finally:
        daemon.stop()


def free_subnet() -> str:
    """A /24 of 10.128.0.0/9 that no route of this machine covers yet."""
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    while True:
        prefix = f"10.{random.randrange(128, 256)}.{random.randrange(256)}."
        if prefix not in routes:
            return prefix + "0/24"


def image_archive(name: str, image: Image) -> bytes:
    """An OCI image layout in a tar file, as `ctr images import` reads it."""
    layer = _layer(image)
    architecture = image.architecture or {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")
    configuration = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": list(image.entrypoint) or None,
            "Cmd": list(image.command) or None,
            "User": image.user,
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs = {_digest(layer): layer}
    config = _described(blobs, "application/vnd.oci.image.config.v1+json", configuration)
    layers = [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)]
    manifest = _described(
        blobs,
        "application/vnd.oci.image.manifest.v1+json",
        {"schemaVersion": 2, "config": config, "layers": layers},
    )
    manifest["annotations"] = {"io.containerd.image.name": name}
    manifest["platform"] = {"architecture": architecture, "os": "linux"}
    index = {"schemaVersion": 2, "manifests": [manifest]}
    files = {f"blobs/sha256/{digest.split(':')[1]}": (blob, 0o644) for digest, blob in blobs.items()}
    files["index.json"] = (json.dumps(index).encode(), 0o644)
    files["oci-layout"] = (b'{"imageLayoutVersion": "1.0.0"}', 0o644)
    return _layer(Image(files=files))


def _described(blobs: dict[str, bytes], media: str, content: object) -> dict[str, object]:
    blob = json.dumps(content).encode()
    blobs[_digest(blob)] = blob
    return _descriptor(media, blob)


def _descriptor(media: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _layer(image: Image) -> bytes:
    """A tar of an image's files; a path that ends in / is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (content, mode) in image.files.items():
            entry = tarfile.TarInfo(path.rstrip("/"))
            entry.mode, entry.size = mode, len(content)
            entry.type = tarfile.DIRTYPE if path.endswith("/") else tarfile.REGTYPE
            archive.addfile(entry, io.BytesIO(content))
        for path, target in image.links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()
