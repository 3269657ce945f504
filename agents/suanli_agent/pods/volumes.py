"""A pod's volumes on disk: made before its sandbox, refreshed while it runs, removed when it is gone.

emptyDir and hostPath are real directories; configMap, secret, downwardAPI and projected volumes are written by
atomic.py, in memory (run_root) when they hold a Secret or a token. Never follows a link that a container could
have made.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import Optional

from suanli_agent.core import objects, payload, quantity
from suanli_agent.hardware import root
from suanli_agent.pods import atomic, beneath, settings

DIRECTORY_OR_CREATE_MODE = 0o755
FILE_OR_CREATE_MODE = 0o644


class VolumeError(Exception):
    """A volume that cannot be set up; the text names the volume and what is wrong."""


class Volumes:
    """The directories of one pod."""

    def __init__(self, knobs: settings.Settings, pod: objects.Pod) -> None:
        self._knobs = knobs
        self._uid = pod.metadata.uid
        self.home = knobs.root / "pods" / self._uid
        self.memory_home = knobs.run_root / "pods" / self._uid

    def path(self, volume: objects.Volume) -> Path:
        """Where the volume's content is."""
        if volume.host_path is not None:
            return Path(volume.host_path.path)
        home = self.memory_home if _secret(volume) else self.home
        return home / "volumes" / volume.name

    async def set_up(self, pod: objects.Pod, given: payload.Inputs) -> None:
        """Make every volume of a pod. Raises VolumeError, env.MissingError, ValueError."""
        for home in (self.home, self.memory_home):
            (home / "volumes").mkdir(parents=True, exist_ok=True, mode=0o750)
        for volume in pod.spec.volumes:
            try:
                await self._make(volume, pod)
            except OSError as problem:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}": {problem}') from problem
        self.refresh(pod, given)

    def refresh(self, pod: objects.Pod, given: payload.Inputs) -> bool:
        """Write the files anew where they differ; true when some did.

        Raises env.MissingError, ValueError, VolumeError.
        """
        changed = False
        for volume in pod.spec.volumes:
            source = payload.projected(volume)
            if source is not None:
                files = payload.files(source, given)
                changed |= self._write(volume, files, pod.spec)
        return changed

    def _write(self, volume: objects.Volume, files: dict[str, payload.File], spec: objects.PodSpec) -> bool:
        group = spec.security_context.fs_group
        try:
            path = self.path(volume)
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755 if group is None else 0o2775)
            if group is not None:
                os.chown(path, -1, group)
            return atomic.write(path, files, (_token_owner(volume, spec), group))
        except OSError as problem:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}": {problem}') from problem

    async def _make(self, volume: objects.Volume, pod: objects.Pod) -> None:
        if volume.host_path is not None:
            check_host_path(volume.host_path, self._knobs.host_root)
        elif volume.empty_dir is not None:
            await self._make_empty_dir(volume, volume.empty_dir, pod)

    async def _make_empty_dir(
        self, volume: objects.Volume, source: objects.EmptyDirVolumeSource, pod: objects.Pod
    ) -> None:
        path = self.path(volume)
        path.mkdir(parents=True, exist_ok=True)
        if source.medium == "Memory" and not path.is_mount():
            await mount("-t", "tmpfs", "-o", _tmpfs_options(source, pod.spec), "tmpfs", str(path))
        sticky = stat.S_ISVTX if source.medium == "Memory" else 0  # tmpfs is like /tmp
        group = pod.spec.security_context.fs_group
        if group is None:
            path.chmod(0o777 | sticky)
            return
        os.chown(path, -1, group)
        path.chmod(0o2777 | sticky)

    async def mount_path(self, volume: objects.Volume, sub_path: str, place: tuple[str, int]) -> str:
        """What a container mounts: the volume, or a place in it bound by descriptor so that no link can lead out
        of it.

        place is (container name, index of the mount). Raises VolumeError.
        """
        base = self.path(volume)
        if not sub_path:
            return str(base)
        try:
            payload.check_path(sub_path)
            real = _inside(base, sub_path)
            target = self.home / "subpaths" / place[0] / str(place[1])
            await _bind(base.resolve(), real, target)
        except (OSError, ValueError) as problem:
            text = f'failed to prepare subPath "{sub_path}" of volume "{volume.name}": {problem}'
            raise VolumeError(text) from problem
        return str(target)

    async def tear_down(self) -> None:
        """Unmount and remove everything of the pod."""
        for home in (self.home, self.memory_home):
            for place in _mounts_below(home):
                await mount(place, program="umount")
            shutil.rmtree(home, ignore_errors=True)


def _secret(volume: objects.Volume) -> bool:
    source = payload.projected(volume)
    return source is not None and any(part.secret or part.service_account_token for part in source.sources)


def _token_owner(volume: objects.Volume, spec: objects.PodSpec) -> Optional[int]:
    """A token belongs to the one user of the pod, everything else to root."""
    source = payload.projected(volume)
    has_token = source is not None and any(part.service_account_token for part in source.sources)
    return payload.shared_user(spec) if has_token else None


def _tmpfs_options(source: objects.EmptyDirVolumeSource, spec: objects.PodSpec) -> str:
    """No bigger than sizeLimit, nor than all memory limits of the pod together when every container has one."""
    limits = [container.resources.limits.get("memory") for container in spec.containers]
    sizes = [quantity.rounded_up(source.size_limit)] if source.size_limit else []
    if limits and all(limits):
        sizes.append(sum(quantity.rounded_up(limit) for limit in limits if limit))
    bounded = [size for size in sizes if size]
    return f"mode=1777,size={min(bounded)}" if bounded else "mode=1777"


def check_host_path(source: objects.HostPathVolumeSource, host_root: str = "/") -> None:
    """Make or check the path as its type says. Raises VolumeError.

    An agent in a container sees the box under host_root, read-only: there a missing directory is left to the runtime,
    which makes what it is to mount (mode 0755, too).
    """
    path = root.Root(host_root).resolve(source.path)
    if source.type in {"", "DirectoryOrCreate"} and not path.exists():
        if host_root == "/":
            path.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_OR_CREATE_MODE)
        return
    if source.type == "FileOrCreate" and not path.exists():
        path.touch(mode=FILE_OR_CREATE_MODE)
    tests = {
        "Directory": stat.S_ISDIR,
        "DirectoryOrCreate": stat.S_ISDIR,
        "File": stat.S_ISREG,
        "FileOrCreate": stat.S_ISREG,
        "Socket": stat.S_ISSOCK,
        "CharDevice": stat.S_ISCHR,
        "BlockDevice": stat.S_ISBLK,
    }
    if not source.type:
        return
    if source.type not in tests or not path.exists() or not tests[source.type](path.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {source.path} is not a {source.type}")


def _inside(base: Path, sub_path: str) -> Path:
    """The real path of sub_path, be it there or not. Raises ValueError when it leads out of base."""
    root = base.resolve()
    real = (root / sub_path).resolve()
    if root != real and root not in real.parents:
        raise ValueError("it leads out of the volume")
    return real


async def _bind(base: Path, real: Path, target: Path) -> None:
    """Bind real to target by a descriptor; it was a path without links when we looked, and links are not followed now.

    Directories that are missing are made. Raises OSError.
    """
    descriptor = os.open(base, os.O_PATH | os.O_DIRECTORY)
    try:
        for part in real.relative_to(base).parts:
            inner = _entered(part, descriptor)
            os.close(descriptor)
            descriptor = inner
        if str(target) in _mounts_below(target.parent):
            await mount(str(target), program="umount")
        _place(target, directory=stat.S_ISDIR(os.fstat(descriptor).st_mode))
        await mount("--bind", f"/proc/{os.getpid()}/fd/{descriptor}", str(target))
    finally:
        os.close(descriptor)


def _entered(name: str, above: int) -> int:
    """A descriptor of `name` in the directory `above`; where it is missing it is made like that one."""
    try:
        return _held(name, above)
    except FileNotFoundError:
        like = os.fstat(above)
        with beneath.made(name, above, stat.S_IMODE(like.st_mode), (like.st_uid, like.st_gid)):
            return _held(name, above)


def _held(name: str, above: int) -> int:
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=above)
    if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.ELOOP, "it became a link while it was looked at", name)


def _place(target: Path, *, directory: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    if directory:
        target.mkdir(exist_ok=True)
    else:
        target.touch()


def _mounts_below(path: Path) -> list[str]:
    """Mount points under a path, the deepest first."""
    with Path("/proc/self/mounts").open() as lines:
        places = [line.split()[1].replace("\\040", " ") for line in lines]
    return sorted((place for place in places if place.startswith(f"{path}/")), reverse=True)


async def mount(*words: str, program: str = "mount") -> None:
    """Run mount or umount. Raises OSError with what it said."""
    process = await asyncio.create_subprocess_exec(
        program, *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    said = (await process.communicate())[1]
    if process.returncode:
        raise OSError(f"{program} {' '.join(words)}: {said.decode(errors='replace').strip()}")
