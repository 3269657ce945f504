"""How much of the box's disk a pod uses; core/storage.py says whether that is too much."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from suanli_agent.core import objects, observed, storage
from suanli_agent.pods import configs, context, volumes

PERIOD_SECONDS = 10.0
"""Between two looks: kubelet's evictionMonitoringPeriod."""

_BLOCK = 512


async def measure(
    ctx: context.Context, pod: objects.Pod, containers: Sequence[observed.ContainerRecord]
) -> storage.Usage:
    """What a pod uses now. The runtime's figure for a writable layer may be some seconds old.

    Raises errors.RuntimeFault.
    """
    own, logs = volumes.Volumes(ctx.settings, pod), configs.log_directory(ctx.settings, pod)
    layers = {record.name: await ctx.runtime.writable_bytes(record.id) for record in containers if record.running}
    # A walk of many files must not hold the loop up.
    loop = asyncio.get_running_loop()
    found = {
        volume.name: await loop.run_in_executor(None, disk_bytes, own.path(volume))
        for volume in storage.disk_volumes(pod.spec)
    }
    written = {name: await loop.run_in_executor(None, disk_bytes, logs / name) for name in layers}
    return storage.Usage(found, {name: layers[name] + written[name] for name in layers})


async def use(ctx: context.Context, pods: Sequence[objects.Pod]) -> dict[str, int]:
    """What images and these pods take: directory -> bytes in it. Raises errors.RuntimeFault."""
    images = await ctx.runtime.image_filesystem()
    own = [
        volumes.Volumes(ctx.settings, pod).path(volume)
        for pod in pods
        for volume in storage.disk_volumes(pod.spec)
    ]
    logs = [configs.log_directory(ctx.settings, pod) for pod in pods]

    def walk() -> dict[str, int]:
        found = {ctx.settings.root: own, ctx.settings.log_root: logs}
        return {str(home): sum(map(disk_bytes, folders)) for home, folders in found.items()}

    return {**(dict([images]) if images else {}), **await asyncio.get_running_loop().run_in_executor(None, walk)}


def disk_bytes(folder: Path) -> int:
    """What the files and folders below take on the disk; what vanishes meanwhile, and links, count nothing."""
    total, places = 0, [str(folder)]
    while places:
        with (
            contextlib.suppress(OSError),
            os.scandir(places.pop()) as entries,
        ):  # one by one: a million take no memory
            for entry in entries:
                blocks, is_folder = _looked_at(entry)
                total += blocks * _BLOCK
                if is_folder:
                    places.append(entry.path)
    return total


def _looked_at(entry: os.DirEntry[str]) -> tuple[int, bool]:
    try:
        return entry.stat(follow_symlinks=False).st_blocks, entry.is_dir(follow_symlinks=False)
    except OSError:
        return 0, False
