"""What keeps a box clean: big logs rotated, orphans removed, images named for the collector and for the Node."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Callable, Optional

from suanli_agent.core import objects, observed
from suanli_agent.pods import context, logs, ports, view
from suanli_agent.runtime import errors

log = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0
NODE_IMAGES = 50
"""kubelet's --node-status-max-images."""


async def rotate_logs(ctx: context.Context, seen: view.View) -> None:
    """Rotate the logs of running containers that are too big. Raises OSError.

    A log that is missing was set aside by an agent that died before the runtime had opened a new one.
    """
    for record in [record for record in seen.containers.values() if record.running and record.log_path]:
        path = Path(record.log_path)
        if logs.needs_rotation(path, ctx.settings.log_max_bytes):
            await _reopened(ctx, record, logs.set_aside(path))
            logs.prune(path, ctx.settings.log_max_files)
        elif logs.is_missing(path):
            await _reopened(ctx, record, None)


async def _reopened(ctx: context.Context, record: observed.ContainerRecord, aside: Optional[Path]) -> None:
    """Let the runtime write a new log; where it does not, the old one goes on under its name."""
    try:
        await ctx.runtime.reopen_log(record.id)
    except errors.RuntimeFault as problem:
        log.warning("log of container %s is not opened anew: %s", record.id, problem)
        if aside is not None:
            logs.put_back(Path(record.log_path), aside)


async def remove_orphans(ctx: context.Context, seen: view.View, known: Callable[[], AbstractSet[str]]) -> None:
    """Stop and remove what carries our label and belongs to no pod that we know. Raises errors.RuntimeFault.

    known is asked again after each call: a pod may come while the runtime answers.
    """
    for record in list(seen.sandboxes.values()):
        if record.pod_uid not in known():
            await _remove_sandbox(ctx, seen, record, known)
    for container in list(seen.containers.values()):
        if container.pod_uid not in known():
            await ctx.runtime.remove_container(container.id)
            seen.forget(container.id)
    _remove_directories(ctx, known() | seen.uids())


async def _remove_sandbox(
    ctx: context.Context, seen: view.View, record: observed.SandboxRecord, known: Callable[[], AbstractSet[str]]
) -> None:
    log.info("removing orphaned sandbox %s of pod %s/%s", record.id, record.pod_namespace, record.pod_name)
    await ctx.runtime.stop_sandbox(record.id)
    if record.pod_uid in known():
        await seen.look_at_sandbox(record.id)  # its pod makes the next one
        return
    await ctx.runtime.remove_sandbox(record.id)
    seen.forget(record.id)


def _remove_directories(ctx: context.Context, known: AbstractSet[str]) -> None:
    """Directories of pods that are no more; one that still has mounts in it is left alone."""
    mounts = Path("/proc/self/mounts").read_text()
    for home in (ctx.settings.root / "pods", ctx.settings.run_root / "pods"):
        for place in home.iterdir() if home.is_dir() else ():
            if place.name not in known and f" {place}/" not in mounts:
                shutil.rmtree(place, ignore_errors=True)


def image_names(pods: Sequence[objects.Pod]) -> set[str]:
    """Every image that desired state names."""
    specs = [pod.spec for pod in pods]
    return {c.image for s in specs for c in [*s.init_containers, *s.containers, *s.ephemeral_containers]}


def images_in_use(seen: view.View) -> set[str]:
    """The references that containers, dead ones too, were made from."""
    return {name for record in seen.containers.values() for name in (record.image, record.image_ref) if name}


def node_images(images: Sequence[observed.ImageRecord]) -> list[ports.NodeImage]:
    """As Node.status.images has them: the largest first."""
    ordered = sorted(images, key=lambda image: -image.size_bytes)[:NODE_IMAGES]
    return [ports.NodeImage((*image.digests, *image.tags), image.size_bytes) for image in ordered]
