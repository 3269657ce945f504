"""The typed cache against a real API server, with every kind of trouble between the two."""

import asyncio
import contextlib
import dataclasses
import json
import re
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from suanli_clusters import CONTROLLER_MANAGER, KWOK, SCHEDULER, Cluster, Clusters, Options
from suanli_controller.api.core_v1 import ConfigMap
from suanli_controller.kube import client, connection, errors, informer, kubeconfig, transport
from suanli_controller.kube.backoff import Backoff
from suanli_controller.kube.resources import CONFIG_MAPS
from suanli_proxy import Proxy

QUICK = informer.Settings(retry=Backoff(first=0.05, longest=0.4), settled_seconds=0.2, silence_seconds=30)


@pytest.fixture(scope="module")
def cluster(clusters: Clusters) -> Iterator[Cluster]:
    options = Options(without=frozenset({CONTROLLER_MANAGER, SCHEDULER, KWOK}))
    with clusters.running("kube-informer", options) as made:
        yield made


@pytest.fixture(scope="module")
def way(cluster: Cluster) -> connection.Connection:
    return kubeconfig.from_operator(str(cluster.kubeconfig))


@pytest.fixture
async def api(way: connection.Connection) -> AsyncIterator[client.Client]:
    """The API server itself, with nothing between."""
    async with client.Client(way) as made:
        yield made


@pytest.fixture
async def proxy(way: connection.Connection) -> AsyncIterator[Proxy]:
    async with Proxy(way) as made:
        yield made


class Told:
    """What a handler heard, as (old data, new data)."""

    def __init__(self) -> None:
        self.changes: list[tuple[dict[str, str] | None, dict[str, str] | None]] = []

    def __call__(self, old: ConfigMap | None, new: ConfigMap | None, /) -> None:
        self.changes.append((old.data if old else None, new.data if new else None))


@dataclasses.dataclass
class Cache:
    """A running informer of one namespace's ConfigMaps, behind the proxy."""

    informer: informer.Informer[ConfigMap]
    told: Told

    async def until(self, check: Callable[[], Any], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not check():  # noqa: ASYNC110 - the condition is in the cache, which has no event for it
                await asyncio.sleep(0.01)

    async def holds(self, **wanted: str) -> None:
        """Wait until the cache holds exactly these: name=value."""
        await self.until(
            lambda: {one.metadata.name: one.data["v"] for one in self.informer.objects.values()} == wanted
        )


@contextlib.asynccontextmanager
async def caching(
    way: connection.Connection,
    namespace: str,
    settings: informer.Settings = QUICK,
    labels: str = "",
    fields: str = "",
) -> AsyncIterator[Cache]:
    async with client.Client(way, transport.Settings(page_size=3)) as api:
        made = informer.Informer(
            api, CONFIG_MAPS, namespace=namespace, settings=settings, labels=labels, fields=fields
        )
        cache = Cache(made, Told())
        made.subscribe(cache.told)
        task = asyncio.create_task(made.run())
        try:
            await asyncio.wait_for(made.synced.wait(), 20)
            yield cache
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def put(api: client.Client, namespace: str, name: str, value: str, **labels: str) -> None:
    meta = {"name": name, "namespace": namespace, "labels": labels}
    await api.apply(CONFIG_MAPS, {"metadata": meta, "data": {"v": value}})


async def watching(cache: Cache, proxy: Proxy) -> None:
    await cache.until(lambda: proxy.watches == 1 and cache.informer.error is None)


async def test_what_is_there_is_listed_page_by_page(api: client.Client, proxy: Proxy, namespace: str) -> None:
    wanted = {f"c{n}": str(n) for n in range(8)}
    for name, value in wanted.items():
        await put(api, namespace, name, value)
    async with caching(proxy.way, namespace) as cache:
        await cache.holds(**wanted)
        assert proxy.count(watch=False) == 3  # 3 + 3 + 2


async def test_handlers_hear_of_every_change_with_old_and_new(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    await put(api, namespace, "a", "1")
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        await put(api, namespace, "a", "2")
        await put(api, namespace, "b", "1")
        await api.delete(CONFIG_MAPS, "a", namespace)
        await cache.holds(b="1")
        assert cache.told.changes == [
            (None, {"v": "1"}),
            ({"v": "1"}, {"v": "2"}),
            (None, {"v": "1"}),
            ({"v": "2"}, None),
        ]


async def test_a_late_handler_hears_of_what_is_there(api: client.Client, proxy: Proxy, namespace: str) -> None:
    await put(api, namespace, "a", "1")
    async with caching(proxy.way, namespace) as cache:
        late = Told()
        cache.informer.subscribe(late)
        assert late.changes == [(None, {"v": "1"})]


async def test_a_failing_handler_stops_neither_the_cache_nor_other_handlers(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)

        def fail(old: object, new: object, /) -> None:
            raise ValueError("on purpose")

        after = Told()
        cache.informer.subscribe(fail)
        cache.informer.subscribe(after)
        await put(api, namespace, "a", "1")
        await put(api, namespace, "b", "1")
        await cache.holds(a="1", b="1")
        assert len(after.changes) == 2


async def test_refused_connections_are_told_and_then_made_good_without_a_new_list(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    await put(api, namespace, "a", "1")
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        lists = proxy.count(watch=False)
        await proxy.refuse()
        await cache.until(lambda: isinstance(cache.informer.error, errors.Unreachable))
        await put(api, namespace, "b", "1")
        await api.delete(CONFIG_MAPS, "a", namespace)
        assert set(cache.informer.objects) == {f"{namespace}/a"}, "nothing is forgotten because it cannot be seen"
        await proxy.accept()
        await cache.holds(b="1")
        await watching(cache, proxy)
        assert proxy.count(watch=False) == lists


async def test_a_backoff_is_cut_short_for_a_server_that_answers_again(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    patient = dataclasses.replace(QUICK, retry=Backoff(first=600, longest=600))
    async with caching(proxy.way, namespace, patient) as cache:
        await watching(cache, proxy)
        await proxy.refuse()
        await cache.until(lambda: cache.informer.error)
        await put(api, namespace, "a", "1")
        await proxy.accept()
        cache.informer.hurry()
        await cache.holds(a="1")


async def test_a_client_that_is_closed_under_its_cache_is_an_error_like_others(
    proxy: Proxy, namespace: str
) -> None:
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        await cache.informer.api.close()
        await cache.until(lambda: isinstance(cache.informer.error, errors.Unreachable))
        assert "closed" in str(cache.informer.error)


@pytest.mark.parametrize(("code", "kind"), [(500, errors.ServerError), (403, errors.Forbidden)])
async def test_an_error_answer_is_told_and_outlived(
    api: client.Client, proxy: Proxy, namespace: str, code: int, kind: type[errors.ApiError]
) -> None:
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        proxy.answer(code)
        proxy.close_watches()
        await cache.until(lambda: isinstance(cache.informer.error, kind))
        await put(api, namespace, "a", "1")
        proxy.answer(0)
        await cache.holds(a="1")
        await watching(cache, proxy)


async def test_retries_are_spread_out(proxy: Proxy, namespace: str) -> None:
    """No more tries than the backoff allows: 0.05 s doubling to 0.4 s, at least half of it."""
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        proxy.answer(500)
        before = len(proxy.requests)
        proxy.close_watches()
        await cache.until(lambda: len(proxy.requests) >= before + 3)
        tried = len(proxy.requests)
        await asyncio.sleep(1)
        assert len(proxy.requests) - tried <= 1 / 0.1 + 1


async def test_an_expired_version_lists_again_and_tells_the_differences_alone(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    """One that was made anew under its name is another: the former is told as gone."""
    for name in ("gone", "same", "changed", "remade"):
        await put(api, namespace, name, "1")
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        before, lists = len(cache.told.changes), proxy.count(watch=False)
        proxy.answer(410)
        proxy.close_watches()
        await cache.until(lambda: proxy.count(watch=False) > lists)
        for name in ("gone", "remade"):
            await api.delete(CONFIG_MAPS, name, namespace)
        await put(api, namespace, "changed", "2")
        await put(api, namespace, "new", "1")
        await put(api, namespace, "remade", "3")
        proxy.answer(0)
        await cache.holds(same="1", changed="2", new="1", remade="3")
        one, two, three = ({"v": value} for value in "123")
        wanted = [(one, None), (one, two), (None, one), (one, None), (None, three)]
        assert sorted(cache.told.changes[before:], key=str) == sorted(wanted, key=str)


async def test_a_compacted_history_is_outlived(
    cluster: Cluster, api: client.Client, proxy: Proxy, namespace: str
) -> None:
    """The API server's own 410: a watch from a version that it never kept."""
    await put(api, namespace, "a", "1")
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        await proxy.refuse()
        await cache.until(lambda: cache.informer.error is not None)
        await put(api, namespace, "b", "1")
        cluster.kill()  # the watch cache goes; a version before it is answered with 410 once etcd is compacted
        compact(cluster)
        await asyncio.to_thread(cluster.restart)
        await put(api, namespace, "a", "2")
        lists = proxy.count(watch=False)
        await proxy.accept()
        await cache.holds(a="2", b="1")
        assert proxy.count(watch=False) > lists


def compact(cluster: Cluster) -> None:
    """Have etcd forget all history up to now, by its HTTP gateway."""
    arguments = Path(f"/proc/{cluster.pid('etcd')}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    found = re.search(r"--listen-client-urls[= ](http://\S+?)[, ]", arguments)
    assert found, arguments

    def post(path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(found[1] + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    revision = post("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
    post("/v3/kv/compaction", {"revision": revision, "physical": True})


async def test_a_watch_that_ends_in_good_order_goes_on_where_it_was(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        lists = proxy.count(watch=False)
        for number in range(5):
            proxy.close_watches()
            await put(api, namespace, f"c{number}", "1")
        await cache.holds(**{f"c{number}": "1" for number in range(5)})
        assert cache.informer.error is None
        assert proxy.count(watch=False) == lists
        assert len(cache.told.changes) == 5


async def test_a_silent_watch_is_given_up_and_begun_anew(api: client.Client, proxy: Proxy, namespace: str) -> None:
    """Half-open: the connection stands, and nothing comes through it any more."""
    settings = dataclasses.replace(QUICK, silence_seconds=1.5)
    async with caching(proxy.way, namespace, settings) as cache:
        await watching(cache, proxy)
        proxy.freeze()
        await put(api, namespace, "a", "1")
        await cache.holds(a="1")


async def test_an_api_that_hangs_is_told(proxy: Proxy, namespace: str) -> None:
    settings = dataclasses.replace(QUICK, silence_seconds=1)
    async with caching(proxy.way, namespace, settings) as cache:
        await watching(cache, proxy)
        proxy.hang()
        proxy.freeze()
        await cache.until(lambda: isinstance(cache.informer.error, errors.Unreachable))
        proxy.resume()
        await watching(cache, proxy)


def spoil(body: bytes) -> bytes:
    """Make `data` of whatever bears the word SPOILT a list, which no ConfigMap has."""
    return body.replace(b'{"v":"SPOILT"}', b"[1,2]")


async def test_an_undecodable_object_is_skipped_and_counted_in_lists_and_watches(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    proxy.rewrite = spoil
    await put(api, namespace, "bad-listed", "SPOILT")
    await put(api, namespace, "good", "1")
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        assert cache.informer.skipped == 1
        await put(api, namespace, "bad-watched", "SPOILT")
        await put(api, namespace, "good", "2")
        await cache.holds(good="2")
        assert cache.informer.skipped == 2


async def test_an_object_that_turns_undecodable_keeps_its_last_state_until_it_is_deleted(
    api: client.Client, proxy: Proxy, namespace: str
) -> None:
    proxy.rewrite = spoil
    await put(api, namespace, "a", "1")
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        await put(api, namespace, "a", "SPOILT")
        await put(api, namespace, "b", "1")
        await cache.holds(a="1", b="1")
        await api.delete(CONFIG_MAPS, "a", namespace)
        await cache.holds(b="1")


async def test_garbage_between_events_is_skipped(api: client.Client, proxy: Proxy, namespace: str) -> None:
    proxy.rewrite = lambda body: body.replace(b'{"type"', b'\x00 not json\n{"type"')
    async with caching(proxy.way, namespace) as cache:
        await watching(cache, proxy)
        await put(api, namespace, "a", "1")
        await cache.holds(a="1")
        assert cache.informer.skipped >= 1


async def test_selectors_narrow_what_is_cached(api: client.Client, proxy: Proxy, namespace: str) -> None:
    await put(api, namespace, "a", "1", app=["x", "y", "z"][0])
    await put(api, namespace, "b", "1", app="y")
    async with caching(proxy.way, namespace, labels="app in (x,z)") as cache:
        await cache.holds(a="1")
        await watching(cache, proxy)
        await put(api, namespace, "b", "2", app="z")
        await cache.holds(a="1", b="2")
        await put(api, namespace, "a", "2", app="y")
        await cache.holds(b="2")
    async with caching(proxy.way, namespace, fields="metadata.name=a") as cache:
        await cache.holds(a="2")


async def test_of_metadata_only_nothing_else_is_sent(api: client.Client, proxy: Proxy, namespace: str) -> None:
    await put(api, namespace, "a", "1", app="x")
    seen: list[bytes] = []
    proxy.rewrite = lambda body: seen.append(body) or body  # type: ignore[func-returns-value]
    async with client.Client(proxy.way) as through:
        made = informer.Informer(through, CONFIG_MAPS.metadata_only, namespace=namespace, settings=QUICK)
        task = asyncio.create_task(made.run())
        await asyncio.wait_for(made.synced.wait(), 20)
        await Cache(made, Told()).until(lambda: proxy.watches)  # type: ignore[arg-type]
        await put(api, namespace, "b", "1")
        await Cache(made, Told()).until(lambda: len(made) == 2)  # type: ignore[arg-type]
        task.cancel()
    found = made.get("a", namespace)
    assert found is not None
    assert found.metadata.labels == {"app": "x"}
    assert b'"v":"1"' not in b"".join(seen).replace(b"fieldsV1", b"")


async def test_a_resync_hands_every_object_out_again(api: client.Client, proxy: Proxy, namespace: str) -> None:
    await put(api, namespace, "a", "1")
    settings = dataclasses.replace(QUICK, resync_seconds=0.05)
    async with caching(proxy.way, namespace, settings) as cache:
        await cache.until(lambda: ({"v": "1"}, {"v": "1"}) in cache.told.changes)


async def test_its_state_is_told_when_it_changes(proxy: Proxy, namespace: str) -> None:
    states: list[tuple[bool, bool]] = []
    async with client.Client(proxy.way) as through:
        made: informer.Informer[ConfigMap] = informer.Informer(
            through,
            CONFIG_MAPS,
            namespace=namespace,
            settings=QUICK,
            on_state=lambda: states.append((made.synced.is_set(), made.error is None)),
        )
        proxy.answer(500)
        task = asyncio.create_task(made.run())
        cache = Cache(made, Told())
        await cache.until(lambda: states == [(False, False)])
        proxy.answer(0)
        await cache.until(lambda: states == [(False, False), (True, False), (True, True)])
        task.cancel()
