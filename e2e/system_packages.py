"""What the tests need of the system beyond Python: say what is missing, and install it where that is ours to do.

    system_packages.py SET...      SET: python (what `make setup` needs), tests (what `make test` needs),
                               conformance (what `make test-node-conformance` needs beside those of tests)

As root on Debian, Ubuntu and others with apt, missing packages are installed, each named with its reason.
Elsewhere they are named, and the tests that need them are skipped; where CI is set in the environment that ends
the run. Needs nothing but Python, as it runs before anything else is installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

Check = Callable[[], bool]


def program(*names: str) -> Check:
    """A check: one of these programs is in PATH, or where root's programs are."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return lambda: any(shutil.which(name, path=path) for name in names)


def file(path: str) -> Check:
    return lambda: os.path.exists(path)  # noqa: PTH110 - a check like the others


def module(name: str) -> Check:
    return lambda: importlib.util.find_spec(name) is not None


PACKAGES = {
    "python": [
        ("python3-venv", module("ensurepip"), "makes .venv"),
    ],
    "tests": [
        ("containerd", program("containerd"), "runs the pods of edge boxes"),
        ("runc", program("runc"), "runs containerd's containers"),
        ("containernetworking-plugins", file("/usr/lib/cni/bridge"), "gives pods their network"),
        ("iptables", program("iptables"), "is called by the network plugins"),
        ("iproute2", program("ip"), "makes and removes the tests' network links"),
        ("busybox-static", program("busybox"), "is what the tests' images are made of"),
        ("chromium", program("chromium", "chromium-browser", "google-chrome"), "shows the dashboard"),
        ("prometheus", program("prometheus"), "keeps the dashboard's history"),
        (
            "fonts-noto-cjk",
            file("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
            "has the page's Chinese",
        ),
        ("procps", program("ps"), "lists processes"),
    ],
    "conformance": [
        ("bash-static", file("/bin/bash-static"), "is the shell of upstream's stand-in images"),
        ("curl", program("curl"), "is called in their containers"),
        ("dnsutils", program("dig"), "is called in their containers"),
        ("iperf", program("iperf"), "is called in their containers"),
        ("netcat-openbsd", program("nc.openbsd"), "is called in their containers"),
        ("gcc", program("gcc"), "builds the program that sandboxes run"),
        ("libc6-dev", file("/usr/include/stdio.h"), "builds the program that sandboxes run"),
    ],
}


def main(sets: list[str]) -> str | None:
    """Returns None when the run can go on, else the message that ends it."""
    unknown = sorted(set(sets) - set(PACKAGES))
    if unknown or not sets:
        return f"system-packages: choose from {', '.join(PACKAGES)}; not {', '.join(unknown) or 'nothing'}"
    missing = [(name, why) for chosen in sets for name, there, why in PACKAGES[chosen] if not there()]
    if not missing:
        return None
    for name, why in missing:
        print(f"system-packages: {name} is missing; it {why}", file=sys.stderr)
    return install([name for name, _ in missing]) if can_install() else refuse([name for name, _ in missing])


def can_install() -> bool:
    return os.geteuid() == 0 and bool(shutil.which("apt-get"))


def install(names: list[str]) -> str | None:
    """Returns None when all went well, else the message that ends the run."""
    print(f"system-packages: installing {' '.join(names)} with apt-get", file=sys.stderr, flush=True)
    # RUNLEVEL: a package's service is not started; the tests start what they need, apart from everything else.
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
    subprocess.call([*apt, "update"], env=environment, stdout=subprocess.DEVNULL)
    command = [*apt, "install", "-y", "--no-install-recommends", *names]
    if subprocess.call(command, env=environment, stdout=subprocess.DEVNULL):
        return f"system-packages: `{' '.join(command)}` failed; install them by hand"
    return None


def refuse(names: list[str]) -> str | None:
    """Returns None where the tests can go on without, else the message that ends the run."""
    print(f"system-packages: as root: apt-get install {' '.join(names)} (or your system's names)", file=sys.stderr)
    if "python3-venv" in names or os.environ.get("CI"):
        return "system-packages: cannot go on without them"
    print("system-packages: the tests that need them will be skipped", file=sys.stderr)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
