"""Images on this box: pulled when a container needs them, collected when their disk fills up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterable
from typing import Optional

from suanli_agent.core import backoff, imaging, life, objects, observed
from suanli_agent.hardware import root
from suanli_agent.pods import context, needs, ports, settings
from suanli_agent.runtime import cri_pb2 as cri
from suanli_agent.runtime import errors

log = logging.getLogger(__name__)

SEEN_SECONDS = 2.0
"""How long what the runtime said of an image answers for other pods, too: 30 that start at once ask as one."""

BACKOFF_TOLD_SECONDS = 1.0
"""After a pull failed the container asks again so soon, to be told how long it must wait: first ErrImagePull is shown,
then ImagePullBackOff, as with a kubelet.
"""


class ImageError(Exception):
    """The image is not to be had; waiting says why, retry_at when to ask again (seconds since the epoch)."""

    def __init__(self, waiting: life.Waiting, retry_at: float) -> None:
        super().__init__(waiting.message)
        self.waiting = waiting
        self.retry_at = retry_at


class Images:
    """One pull of an image at a time, with a wait after each failure."""

    def __init__(self, ctx: context.Context, wants: needs.Needs) -> None:
        self._ctx, self._needs = ctx, wants
        self._locks: dict[str, asyncio.Lock] = {}
        self._backoffs: dict[str, backoff.Backoff] = {}
        self._failures: dict[str, str] = {}
        self._used: dict[str, float] = {}
        self._seen: dict[str, tuple[float, observed.ImageRecord]] = {}

    async def foresee(self, pod: objects.Pod, since: float) -> None:
        """Ask for a pod's images while its sandbox is made. What is wrong shows when they are needed."""
        names = dict.fromkeys(container.image for container in [*pod.spec.init_containers, *pod.spec.containers])
        for name in names:
            with contextlib.suppress(errors.RuntimeFault):
                await self._look(name, since)

    async def ensure(
        self, pod: objects.Pod, container: objects.Container, config: cri.PodSandboxConfig, since: float
    ) -> observed.ImageRecord:
        """The image of a container as it is now or was since (seconds since the epoch), pulled when its policy says
        so.

        Raises ImageError, errors.RuntimeFault.
        """
        lock = self._locks.setdefault(container.image, asyncio.Lock())
        async with lock:
            present = await self._present(container, since)
            wanted = imaging.policy(container)
            if present is None and wanted == "Never":
                message = f'Container image "{container.image}" is not present with pull policy of Never'
                raise self._failed(pod, container, "ErrImageNeverPull", message)
            if present is not None and wanted != "Always":
                self._tell(
                    pod, container, "Pulled", f'Container image "{container.image}" already present on machine'
                )
                return self._mark(present)
            return self._mark(await self._pull(pod, container, config, present))

    async def _look(self, name: str, since: float) -> Optional[observed.ImageRecord]:
        now = self._ctx.now()
        at, known = self._seen.get(name, (0.0, None))
        if known is not None and since <= at <= now <= at + SEEN_SECONDS:
            return known
        found = await self._ctx.runtime.image(name)
        if found is not None:
            self._seen[name] = now, found
        return found

    async def _present(self, container: objects.Container, since: float) -> Optional[observed.ImageRecord]:
        try:
            return await self._look(container.image, since)
        except errors.UnavailableFault:
            raise
        except errors.RuntimeFault as problem:
            message = f'Failed to apply default image tag "{container.image}": {problem}'
            raise ImageError(life.Waiting("InvalidImageName", message), self._ctx.now() + 60) from problem

    async def _pull(
        self,
        pod: objects.Pod,
        container: objects.Container,
        config: cri.PodSandboxConfig,
        present: Optional[observed.ImageRecord],
    ) -> observed.ImageRecord:
        image, now = container.image, self._ctx.now()
        entry = self._backoffs.get(image)
        if entry is not None and now < entry.since + entry.seconds:
            message = f'Back-off pulling image "{image}"'
            self._tell(pod, container, "BackOff", message)
            waiting = life.Waiting("ImagePullBackOff", f"{message}: {self._failures.get(image, '')}")
            raise ImageError(waiting, entry.since + entry.seconds)
        self._tell(pod, container, "Pulling", f'Pulling image "{image}"')
        try:
            await self._pull_as_any(pod, image, config)
            found = await self._ctx.runtime.image(image)
        except errors.UnavailableFault:
            raise
        except (errors.RuntimeFault, ports.HubError) as problem:
            return self._after_failure(pod, container, present, problem)
        if found is None:
            raise self._failed(pod, container, "ErrImagePull", "the runtime pulled it and does not have it")
        self._backoffs.pop(image, None)
        self._seen[image] = self._ctx.now(), found
        self._tell(pod, container, "Pulled", f'Successfully pulled image "{image}"')
        return found

    def _after_failure(
        self,
        pod: objects.Pod,
        container: objects.Container,
        present: Optional[observed.ImageRecord],
        problem: Exception,
    ) -> observed.ImageRecord:
        """With policy Always an edge box whose registry is out of reach goes on with the image that it has.

        Not so when the registry answered no: the image may be here for another pod, whose credentials this one lacks.
        """
        if present is not None and not _refused(problem):
            message = f"registry not reached, going on with the image that is present: {problem}"
            self._tell(pod, container, "ImageNotRefreshed", message, "Warning")
            return present
        now, image = self._ctx.now(), container.image
        self._backoffs[image] = backoff.after_start(self._backoffs.get(image), now, "")
        self._failures[image] = str(problem)
        message = f'Failed to pull image "{image}": {problem}'
        raise self._failed(pod, container, "ErrImagePull", message, BACKOFF_TOLD_SECONDS)

    async def _pull_as_any(self, pod: objects.Pod, image: str, config: cri.PodSandboxConfig) -> None:
        sources = await self._needs.sources(pod)
        named = [sources.secrets.get(ref.name) for ref in pod.spec.image_pull_secrets]
        known = imaging.credentials(image, [secret for secret in named if secret is not None])
        last: Optional[errors.RuntimeFault] = None
        auths: list[Optional[cri.AuthConfig]] = [
            cri.AuthConfig(username=user.username, password=user.password) for user in known
        ]
        for auth in auths or [None]:
            try:
                await self._ctx.runtime.pull_image(image, auth, config)
            except errors.RuntimeFault as problem:
                last = problem
            else:
                return
        if last is not None:
            raise last

    def _failed(
        self,
        pod: objects.Pod,
        container: objects.Container,
        reason: str,
        message: str,
        wait: float = backoff.FIRST_SECONDS,
    ) -> ImageError:
        self._tell(pod, container, "Failed", message, "Warning")
        return ImageError(life.Waiting(reason, message), self._ctx.now() + wait)

    def _tell(
        self, pod: objects.Pod, container: objects.Container, reason: str, message: str, kind: str = "Normal"
    ) -> None:
        self._ctx.event(pod, kind, reason, message, context.container_path(pod, container.name))

    def _mark(self, image: observed.ImageRecord) -> observed.ImageRecord:
        self._used[image.id] = self._ctx.now()
        return image

    async def collect(self, needed: Iterable[str], in_use: Iterable[str]) -> list[str]:
        """Remove unused images when their disk is too full; the ids removed. Raises errors.RuntimeFault.

        needed has the image names of all desired pods, in_use the references that containers were made from.
        """
        place = await self._ctx.runtime.image_filesystem()
        knobs, now = self._ctx.settings, self._ctx.now()
        to_free = _bytes_over(place[0], knobs) if place else 0
        if not to_free:
            return []
        names = set(in_use)
        for name in [*needed, await self._ctx.runtime.sandbox_image()]:
            found = await self._ctx.runtime.image(name) if name else None
            names.update([name, found.id] if found else [name])
        images = await self._ctx.runtime.list_images()
        for image in images:
            self._used.setdefault(image.id, now)
        chosen = imaging.to_remove(images, names, self._used, to_free, now - knobs.image_min_age_seconds)
        for image in chosen:
            log.info("removing unused image %s (%s), %d bytes", image.id, ", ".join(image.tags), image.size_bytes)
            await self._ctx.runtime.remove_image(image.id)
        return [image.id for image in chosen]


def _refused(problem: Exception) -> bool:
    """Whether the registry said no; what the hub says of a pull Secret is not the registry's word."""
    told = isinstance(problem, errors.RuntimeFault)
    return told and (isinstance(problem, errors.NotFoundFault) or imaging.refused(str(problem)))


def _bytes_over(place: str, knobs: settings.Settings) -> int:
    """How much must go so that the disk is at image_low_percent again, 0 while it is below image_high_percent."""
    high_percent, low_percent = knobs.image_high_percent, knobs.image_low_percent
    try:
        disk = os.statvfs(root.Root(knobs.host_root).resolve(place))
    except OSError:
        return 0
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    used = total - free
    return max(0, used - total * low_percent // 100) if used * 100 > total * high_percent else 0
