"""`suanli-agent image load`: for boxes without a registry.

CRI cannot take an archive: each runtime's own tool does, and it is asked which runtime this is.
"""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import shutil
import subprocess
from typing import Dict, List

from suanli_agent import settings as settings_module
from suanli_agent.cli.words import err, out, say
from suanli_agent.runtime import client, errors

# CRI's runtime name -> the command that takes {file} into the place where CRI looks. {socket} is the runtime's.
_LOADERS: Dict[str, List[str]] = {
    "containerd": ["ctr", "--address", "{socket}", "--namespace", "k8s.io", "images", "import", "{file}"],
    "cri-o": ["podman", "load", "--input", "{file}"],  # CRI-O and podman share one store
    "isulad": ["isula", "load", "--input", "{file}"],
}


async def _ask(socket: str) -> "tuple[str, set[str]]":
    """(runtime's name, names of its images). Raises errors.RuntimeFault."""
    runtime = client.Runtime(socket)
    try:
        name, _version = await runtime.version()
        images = await runtime.list_images()
    finally:
        runtime.close()
    return name.lower(), {tag for image in images for tag in image.tags}


def _load(socket: str, file: pathlib.Path) -> int:
    name, before = asyncio.run(_ask(socket))
    command = _LOADERS.get(name, [])
    if not command or shutil.which(command[0]) is None:
        err(say("error", say("no-loader", name, command[0] if command else name)))
        return 1
    words = [word.format(socket=socket, file=file) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        err(say("error", f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"))
        return 1
    _name, after = asyncio.run(_ask(socket))
    out(say("loaded", ", ".join(sorted(after - before)) or done.stdout.strip()))
    return 0


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """0 when the runtime has the images."""
    file = pathlib.Path(arguments.file).resolve()
    if not file.is_file():
        err(say("error", say("no-file", arguments.file)))
        return 1
    try:
        return _load(settings.runtime[len("unix://") :], file)
    except errors.RuntimeFault as error:
        err(say("error", error))
        return 1
