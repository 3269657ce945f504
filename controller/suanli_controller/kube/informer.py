"""A typed, live copy of the objects of one kind: list once, then watch.

It decides nothing: it keeps the copy right whatever the API server does, says how it stands, and calls handlers.

    begin -> fill (a list, page by page) -> watch -> watch -> watch ...
               ^                              |
               +-- resourceVersion too old ---+

A broken watch goes on from where it was: the resourceVersion of the last event or bookmark. Only 410 begins anew,
and then handlers hear of the differences alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog

from suanli_controller.kube import backoff, client, errors, metrics, paging, resources, transport, watch
from suanli_controller.kube.index import Index
from suanli_controller.kube.resources import KubeObject, Resource

T = TypeVar("T", bound=KubeObject)
T_contra = TypeVar("T_contra", contravariant=True)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How an informer keeps in touch. Times in seconds."""

    watch_seconds: tuple[float, float] = (
        300,
        600,
    )  # the server ends a watch after a random time of these; client-go's
    # A watch that is silent beyond its own end is half-open. Sooner says nothing: bookmarks of a quiet kind come with
    # etcd's progress, every 2 to 10 minutes. Dead peers are found by the kernel's probes and by `link` long before.
    silence_seconds: float = 660
    # For which a busy watch is left to gather events, at first and at most: below what people notice. What comes
    # after a silence of twice the first comes at once.
    gather_seconds: tuple[float, float] = (0.02, 0.1)
    # A watch that lasted so long was a success: the next one starts at once and with a fresh backoff.
    settled_seconds: float = 5
    retry: backoff.Backoff = field(default=backoff.Backoff(first=0.5, longest=30))
    resync_seconds: float = 0  # hand every object to the handlers again so often; 0: never


class Handler(Protocol[T_contra]):
    """Hears of a change: (None, new) added, (old, new) updated, (old, None) deleted. Quick; never awaits."""

    def __call__(self, old: T_contra | None, new: T_contra | None, /) -> None: ...


class Informer(Generic[T]):
    """A cache of `resource` in one API server, by `namespace/name` (or `name`); keep it current with `run()`.

    `synced` is set once the first fill is complete, and stays set. `error` is what keeps the cache from being
    current, None while a watch is open; `last_contact` is the `time.monotonic` of the last bytes from the server,
    None before any. `skipped` counts objects that could not be decoded. `on_state`, where given, is called when
    `synced` is set, and when `error` comes or goes.
    """

    def __init__(
        self,
        api: client.Client,
        resource: Resource[T],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        settings: Settings | None = None,
        on_state: Callable[[], None] | None = None,
    ) -> None:
        self.api = api
        self.resource = resource
        self.namespace = namespace
        self.settings = settings or Settings()
        self.synced = asyncio.Event()
        self.error: errors.KubeError | None = None
        self.last_contact: float | None = None
        self.skipped = 0
        self._on_state = on_state
        self._query = client.selectors(labels, fields)
        self._objects: dict[str, T] = {}
        self._handlers: list[Handler[T]] = []
        self._version = ""
        self._hurry = asyncio.Event()
        self._counted = 0
        self._decoder = watch.Decoder(resource)
        self._events = metrics.WATCH_EVENTS.labels(resource.plural)
        self._cached = metrics.CACHED.labels(resource.plural)

    # --- reading

    def get(self, name: str, namespace: str = "") -> T | None:
        """The object as last seen, None where there is none."""
        return self._objects.get(resources.key(namespace, name))

    @property
    def objects(self) -> Mapping[str, T]:
        """All objects by key: the live cache, to be read before the next await, or copied."""
        return self._objects

    def __len__(self) -> int:
        return len(self._objects)

    def subscribe(self, handler: Handler[T]) -> None:
        """Call `handler` on every change from now on, and at once for everything that is already here."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler(None, obj)

    def index(self, words: Callable[[T], Iterable[str]]) -> Index[T]:
        """Keep an index of the cache: `words` gives what an object is to be found under."""
        made = Index(words)
        self.subscribe(made.update)
        return made

    def drop(self) -> None:
        """Forget everything and everyone. For a cache that is no longer kept current, nor asked."""
        self._handlers.clear()
        self._objects.clear()

    # --- keeping current

    async def run(self) -> None:
        """Keep the cache current until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                if self.settings.resync_seconds:
                    tasks.create_task(self._resync())
        finally:
            self._cached.dec(self._counted)
            self._counted = 0

    async def _follow(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            error = await self._cycle()
            if time.monotonic() - began >= self.settings.settled_seconds:
                failures = 0
            if error is not None or time.monotonic() - began < self.settings.settled_seconds:
                failures += 1
            self._ended(error)
            if failures:
                await self._rest(self._pause(failures, error))

    def hurry(self) -> None:
        """Try again now instead of at the end of the backoff: the server answers others."""
        self._hurry.set()

    async def _rest(self, seconds: float) -> None:
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    def _pause(self, failures: int, error: errors.KubeError | None) -> float:
        asked = error.retry_after if isinstance(error, errors.ApiError) else 0.0
        return max(asked, self.settings.retry.delay(failures))

    async def _cycle(self) -> errors.KubeError | None:
        """Fill where needed, then watch once; returns why the watch ended, None for an orderly end."""
        try:
            if not self._version:
                await self._fill()
            await self._watch()
        except errors.Gone as error:
            self._version = ""
            return error
        except errors.KubeError as error:
            return error
        return None

    def _ended(self, error: errors.KubeError | None) -> None:
        metrics.WATCH_ENDS.labels(self.resource.plural, error.reason if error else "closed").inc()
        if error is not None and not isinstance(error, errors.Gone):
            if type(error) is not type(self.error):  # said once, however long it lasts
                where = self.api.connection.server
                log.warning("watch broke", resource=str(self.resource), server=where, error=str(error))
            self._set_error(error)

    def _set_error(self, error: errors.KubeError | None) -> None:
        changed = (error is None) != (self.error is None)
        self.error = error
        if changed and self._on_state is not None:
            self._on_state()

    async def _fill(self) -> None:
        seen: set[str] = set()
        version = ""
        pages = paging.bodies(self.api, self.resource, self.namespace, self._query)
        async with contextlib.aclosing(pages) as bodies:
            async for body in bodies:
                self.last_contact = time.monotonic()
                with _uncollected():
                    page, skipped = self._decoder.page(body)
                    seen.update(self._put(obj) for obj in page.items)
                seen.update(self._skip(one) for one in skipped)
                self._count()
                version = page.metadata.resource_version
        for gone in self._objects.keys() - seen:
            self._remove(gone)
        self._count()
        self._version = version
        metrics.LISTS.labels(self.resource.plural).inc()
        if not self.synced.is_set():
            self.synced.set()
            if self._on_state is not None:
                self._on_state()

    async def _watch(self) -> None:
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(random.uniform(*self.settings.watch_seconds))),  # noqa: S311
        }
        accept = client.accept(self.resource)
        path = self.resource.path(self.namespace)
        async with self.api.stream(
            path,
            query,
            accept=accept,
            read_seconds=self.settings.silence_seconds,
            gather_seconds=self.settings.gather_seconds,
        ) as stream:
            self.last_contact = time.monotonic()
            self._set_error(None)
            await self._read(stream)

    async def _read(self, stream: transport.Stream) -> None:
        rest = b""
        async for chunk in stream:
            self.last_contact = time.monotonic()
            lines, newline, tail = chunk.rpartition(b"\n")
            if newline:
                self._take(self._decoder.events(rest + lines))
                rest = tail
            else:
                rest += chunk

    def _take(self, events: list[watch.Event[T]]) -> None:
        self._events.inc(len(events))
        for event in events:
            if isinstance(event, (watch.Modified, watch.Added)):
                self._put(event.object)
                self._version = event.object.metadata.resource_version
            else:
                self._take_rare(event)
        self._count()

    def _count(self) -> None:
        """Tell the gauge, which all informers of the resource share."""
        if len(self._objects) != self._counted:
            self._cached.inc(len(self._objects) - self._counted)
            self._counted = len(self._objects)

    def _take_rare(self, event: watch.Event[T]) -> None:
        if isinstance(event, watch.Deleted):
            self._remove(resources.key_of(event.object), event.object)
            self._version = event.object.metadata.resource_version
        elif isinstance(event, watch.Bookmark):
            self._version = event.object.metadata.resource_version
        elif isinstance(event, watch.Failure):
            raise errors.from_status(event.object)
        elif isinstance(event, watch.Skipped):
            self._skip(event)
            if event.type == "DELETED":
                self._remove(event.key)
            self._version = event.version or self._version

    def _put(self, obj: T) -> str:
        key = resources.key_of(obj)
        old = self._objects.get(key)
        if old is None or old.metadata.resource_version != obj.metadata.resource_version:
            if old is not None and old.metadata.uid != obj.metadata.uid:
                self._remove(key)  # a list shows its namesake: nobody told us that it went
                old = None
            self._objects[key] = obj
            self._tell(old, obj)
        return key

    def _remove(self, key: str, last: T | None = None) -> None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._tell(last or old, None)

    def _skip(self, skipped: watch.Skipped) -> str:
        """An object that cannot be read keeps its last readable state: we know no better."""
        self.skipped += 1
        metrics.UNDECODABLE.labels(self.resource.plural).inc()
        log.warning("object skipped: it cannot be decoded", resource=str(self.resource), key=skipped.key)
        return skipped.key

    def _tell(self, old: T | None, new: T | None) -> None:
        for handler in self._handlers:
            try:
                handler(old, new)
            except Exception:
                log.exception("handler failed", resource=str(self.resource))

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self.settings.resync_seconds)
            for obj in list(self._objects.values()):
                self._tell(obj, obj)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector out: it would look through a page of new objects a hundred times, to find none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
