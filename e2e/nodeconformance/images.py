"""Stand-ins for the images that upstream's NodeConformance specs use, made here: no registry is asked.

The names come from the test binary itself. busybox and bash are Debian's static ones, agnhost and the like are
built
from the Kubernetes module, a few programs are the machine's own with their libraries.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import suanli_containerd as sc

SH_SWITCH = r"""
#include <ctype.h>
#include <unistd.h>
extern char **environ;
/* ash drops environment names such as data-1, bash words its errors in another way: take bash only where it must
be. */ int main(int count, char **words) {
  int odd = 0;
  (void)count;
  for (char **entry = environ; *entry; entry++)
    for (char *letter = *entry; *letter && *letter != '='; letter++) odd |= !(isalnum((unsigned char)*letter) ||
    *letter == '_');
  return odd ? execv("/bin/bash-static", words) : execv("/bin/busybox", words);
}
"""

AGNHOST_TOOLS = ("curl", "bash", "ss", "ipcs", "dig", "nslookup", "host", "iperf", "nc.openbsd", "ip")
GLIBC_TOOLS = ("hostname", "bash", "dig", "getent")
DIRECTORIES = (
    "root",
    "home",
    "var/run",
    "var/log",
    "dev",
    "proc",
    "sys",
    "run",
    "usr/bin",
    "usr/local/bin",
    "uploads",
)

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    "www-data:x:33:33:www-data:/var/www:/bin/false\n"
    "nobody:x:65534:65534:nobody:/home:/bin/false\n"
)
GROUP = "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n"

Files = dict[str, tuple[bytes, int]]


def load(containerd: sc.Containerd, binaries: Path, module: Path) -> None:
    """Make every image known. binaries has nodeconf.test, agnhost, nnp, pause; module is the Kubernetes source."""
    listed = subprocess.run(
        [str(binaries / "nodeconf.test"), "--list-images"], check=True, capture_output=True, text=True
    ).stdout.split()
    switch = _compile(SH_SWITCH, binaries / "sh-switch")
    base = _base(switch)
    for name in listed:
        image = _image(name, base, binaries, module)
        if image is not None:
            containerd.load(name, image)


def pause_name(binaries: Path) -> str:
    """The sandbox image's name."""
    command = [str(binaries / "nodeconf.test"), "--list-images"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return next(name for name in listed if "/pause:" in name)


def _image(name: str, base: sc.Image, binaries: Path, module: Path) -> sc.Image | None:
    """The stand-in for an image by its short name, None for one that no spec on a node needs."""
    short = re.sub(r":.*", "", name.rsplit("/", 1)[-1])
    if short == "agnhost":
        return _agnhost(base, binaries, module)
    if short == "glibc-dns-testing":
        files, links = _with_programs(base, GLIBC_TOOLS)
        return sc.Image(files, {**links, "bin/sh": "/usr/bin/bash"}, command=("sh",))
    return _simple(base, binaries).get(short)


def _simple(base: sc.Image, binaries: Path) -> dict[str, sc.Image]:
    page = {"var/www/index.html": (b"<title>Welcome to nginx!</title>\n", 0o644)}
    nnp = {"usr/local/bin/nnp": ((binaries / "nnp").read_bytes(), 0o6755)}
    pause = {"pause": ((binaries / "pause").read_bytes(), 0o755)}
    return {
        "busybox": sc.Image(base.files, base.links, command=("sh",)),
        "nonroot": sc.Image(base.files, base.links, command=("sh",), user="1234"),
        "nginx": sc.Image(
            {**base.files, **page}, base.links, command=("httpd", "-f", "-p", "80", "-h", "/var/www")
        ),
        "nonewprivs": sc.Image({**base.files, **nnp}, base.links, command=("nnp",)),
        "pause": sc.Image(pause, entrypoint=("/pause",), user="65535:65535"),
    }


def _agnhost(base: sc.Image, binaries: Path, module: Path) -> sc.Image:
    """With bash as sh: ash prefers its own applets (nc without -u) to what is in PATH."""
    files, links = _with_programs(base, AGNHOST_TOOLS)
    porter = module / "test/images/agnhost/porter"
    files |= {
        "agnhost": ((binaries / "agnhost").read_bytes(), 0o755),
        "localhost.crt": ((porter / "localhost.crt").read_bytes(), 0o644),
        "localhost.key": ((porter / "localhost.key").read_bytes(), 0o644),
        "etc/passwd": (f"{PASSWD}user-defined-in-image:x:1000:1000::/home/user:/bin/sh\n".encode(), 0o644),
        "etc/group": (
            f"{GROUP}user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n".encode(),
            0o644,
        ),
    }
    links |= {"agnhost-2": "agnhost", "bin/sh": "/usr/bin/bash", "bin/bash": "/usr/bin/bash"}
    links |= {"bin/nc": "/usr/bin/nc.openbsd"}
    return sc.Image(files, links, entrypoint=("/agnhost",), command=("pause",))


def _base(switch: bytes) -> sc.Image:
    busybox = sc.busybox_image()
    files: Files = {directory + "/": (b"", 0o755) for directory in DIRECTORIES}
    files |= {"tmp/": (b"", 0o1777), "var/tmp/": (b"", 0o1777)}
    files |= {
        "bin/busybox": busybox.files["bin/busybox"],
        "bin/bash-static": (Path("/bin/bash-static").read_bytes(), 0o755),
        "bin/sh": (switch, 0o755),
        "etc/passwd": (PASSWD.encode(), 0o644),
        "etc/group": (GROUP.encode(), 0o644),
        "etc/nsswitch.conf": (b"passwd: files\ngroup: files\nhosts: files dns\n", 0o644),
    }
    links = {path: target for path, target in busybox.links.items() if path != "bin/sh"}
    return sc.Image(files, {**links, "usr/bin/env": "/bin/env"})


def _with_programs(base: sc.Image, names: Iterable[str]) -> tuple[Files, dict[str, str]]:
    """base with programs of this machine and the libraries that they need; busybox's applets of that name go."""
    files, links = dict(base.files), dict(base.links)
    del files["bin/sh"]
    for name in names:
        program = _find(name)
        if program is None:
            raise FileNotFoundError(f"{name} is needed for the stand-in images: apt-get install {PACKAGES}")
        links.pop(f"bin/{name}", None)
        files[f"usr/bin/{name}"] = (program.read_bytes(), 0o755)
        for library in _libraries(program):
            files[str(library).lstrip("/")] = (library.read_bytes(), 0o755)
    return files, links


PACKAGES = "busybox-static bash-static curl dnsutils iperf netcat-openbsd iproute2 gcc libc6-dev"


def _find(name: str) -> Path | None:
    places = (Path(folder) / name for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"))
    return next((place for place in places if place.exists()), None)


def _libraries(program: Path) -> list[Path]:
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    return [Path(found) for found in re.findall(r"(/\S+)", said)]


def _compile(source: str, target: Path) -> bytes:
    command = ["gcc", "-Os", "-static", "-o", str(target), "-x", "c", "-"]
    subprocess.run(command, input=source.encode(), check=True)
    return target.read_bytes()
