"""A real API server that is refused, frozen or broken: who notices, how soon, and who stops leading."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from suanli_clusters import CONTROLLER_MANAGER, KWOK, SCHEDULER, Cluster, Clusters, Options
from suanli_controller.kube import client, connection, elector, errors, kubeconfig, link, transport
from suanli_controller.kube.resources import LEASES
from suanli_proxy import Proxy

QUICK = elector.Settings(lease_seconds=4, renew_seconds=2, retry_seconds=0.2, release_seconds=2)
PATIENT = elector.Settings(lease_seconds=40, renew_seconds=20, retry_seconds=0.2, release_seconds=20)
"""For what must not depend on how slow the machine is."""


@pytest.fixture(scope="module")
def cluster(clusters: Clusters) -> Iterator[Cluster]:
    options = Options(without=frozenset({CONTROLLER_MANAGER, SCHEDULER, KWOK}))
    with clusters.running("kube-outage", options) as made:
        yield made


@pytest.fixture(scope="module")
def way(cluster: Cluster) -> connection.Connection:
    return kubeconfig.from_operator(str(cluster.kubeconfig))


@pytest.fixture
async def proxy(way: connection.Connection) -> AsyncIterator[Proxy]:
    async with Proxy(way) as made:
        yield made


@pytest.fixture
def lease() -> str:
    return f"t-{secrets.token_hex(4)}"


async def until(check: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 - clocks and flags have no event
            await asyncio.sleep(0.01)


# --- the link


@contextlib.asynccontextmanager
async def linked(way: connection.Connection) -> AsyncIterator[tuple[link.Link, list[str]]]:
    told: list[str] = []
    async with client.Client(way) as api:
        made = link.Link(
            api,
            settings=link.Settings(interval_seconds=0.2, timeout_seconds=5),
            on_change=lambda: told.append(made.error.reason if made.error else "up"),
        )
        task = asyncio.create_task(made.run())
        try:
            await until(lambda: made.rtt_microseconds)
            yield made, told
        finally:
            task.cancel()


async def test_an_api_that_answers_has_a_version_and_a_round_trip(way: connection.Connection) -> None:
    async with linked(way) as (made, told):
        assert made.version.number >= (1, 30)
        assert (made.rtt_microseconds or 0) > 0
        assert told == ["up"]


async def test_a_frozen_api_is_told_and_so_is_its_return(cluster: Cluster, way: connection.Connection) -> None:
    async with linked(way) as (made, told):
        cluster.pause()
        try:
            await until(lambda: made.error)
        finally:
            cluster.resume()
        await until(lambda: not made.error)
        assert told == ["up", "Unreachable", "up"]


async def test_a_dead_api_is_told_and_so_is_its_return(cluster: Cluster, way: connection.Connection) -> None:
    async with linked(way) as (made, told):
        cluster.kill()
        try:
            await until(lambda: made.error)
            last = made.last_contact
            await until(lambda: time.monotonic() > (last or 0) + 0.5)
            assert made.last_contact == last
        finally:
            await asyncio.to_thread(cluster.restart)
        await until(lambda: not made.error)
        assert told == ["up", "Unreachable", "up"]


async def test_one_failure_alone_turns_nothing(proxy: Proxy) -> None:
    async with client.Client(proxy.way) as api:
        made = link.Link(api)
        for code in (0, 500, 0, 500, 0):
            proxy.answer(code)
            await made.ask()
            assert made.error is None
        proxy.answer(500)
        await made.ask()
        await made.ask()
        assert isinstance(made.error, errors.ServerError)


async def test_a_slower_link_shows_in_the_round_trip(proxy: Proxy) -> None:
    async with client.Client(proxy.way) as api:
        made = link.Link(api)
        for _ in range(7):
            await made.ask()
        quick = made.rtt_microseconds or 0
        proxy.delay = 0.5
        for _ in range(5):
            await made.ask()
        assert quick < 490_000 <= (made.rtt_microseconds or 0)


# --- leadership


class Replica:
    """One candidate, with a client of its own, that notes when it leads."""

    def __init__(self, way: connection.Connection, lease: str, name: str, settings: elector.Settings) -> None:
        self.api = client.Client(way, transport.Settings(request_seconds=10))
        self.elector = elector.Elector(self.api, lease, "kube-system", name, settings=settings)
        self.began = asyncio.Event()
        self.ended = 0.0
        self.end = asyncio.Event()
        self.task = asyncio.create_task(self.elector.run(self.lead))

    async def lead(self) -> None:
        self.began.set()
        try:
            await self.end.wait()
        finally:
            self.ended = time.monotonic()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.api.close()

    @property
    def leading(self) -> bool:
        return self.elector.leading


@contextlib.asynccontextmanager
async def replicas(
    lease: str, *ways: connection.Connection, settings: elector.Settings = QUICK
) -> AsyncIterator[list[Replica]]:
    """Candidates in turn: the first has the lease before the second asks."""
    made: list[Replica] = []
    for number, way in enumerate(ways):
        made.append(Replica(way, lease, f"replica-{number}", settings))
        await asyncio.wait_for(made[0].began.wait(), 30)
    try:
        yield made
    finally:
        for replica in made:
            await replica.close()


async def test_one_leads_and_the_other_takes_over_at_once_when_it_ends(
    way: connection.Connection, lease: str
) -> None:
    async with replicas(lease, way, way, settings=PATIENT) as (first, second):
        assert first.leading
        assert not second.leading
        began = time.monotonic()
        first.end.set()
        await asyncio.wait_for(first.task, 30)
        await asyncio.wait_for(second.began.wait(), 30)
        assert not first.leading
        assert time.monotonic() - began < PATIENT.lease_seconds, "the lease was released, not waited out"


@pytest.mark.parametrize("trouble", ["refuses", "hangs", "errors"])
async def test_a_leader_that_cannot_renew_stops_before_its_lease_ends(
    way: connection.Connection, proxy: Proxy, lease: str, trouble: str
) -> None:
    async with replicas(lease, proxy.way, way) as (first, second), client.Client(way) as api:
        if trouble == "refuses":
            await proxy.refuse()
        elif trouble == "hangs":
            proxy.hang()
        else:
            proxy.answer(500)
        renewed = (await api.get(LEASES, lease, "kube-system")).spec.renew_time
        last_seen = time.monotonic()
        with pytest.raises(errors.NotLeader):
            await asyncio.wait_for(first.task, 30)
        assert first.ended - last_seen < QUICK.lease_seconds
        assert renewed is not None
        await asyncio.wait_for(second.began.wait(), 30)
        assert first.ended < time.monotonic()
        assert not first.leading


async def test_a_frozen_api_server_ends_leadership_in_time(
    cluster: Cluster, way: connection.Connection, lease: str
) -> None:
    async with replicas(lease, way) as (first,):
        cluster.pause()
        frozen = time.monotonic()
        try:
            with pytest.raises(errors.NotLeader):
                await asyncio.wait_for(first.task, 30)
        finally:
            cluster.resume()
        assert first.ended - frozen < QUICK.lease_seconds


async def test_there_are_never_two_leaders_through_all_troubles(
    way: connection.Connection, proxy: Proxy, lease: str
) -> None:
    """Sampled without pause while the first loses its API server and gets it back, over and over."""
    leaders: list[int] = []
    async with replicas(lease, proxy.way, way) as (first, second):

        async def sample() -> None:
            while True:
                leaders.append(first.leading + second.leading)
                await asyncio.sleep(0.005)

        sampling = asyncio.create_task(sample())
        proxy.hang()
        await asyncio.wait_for(second.began.wait(), 30)
        proxy.resume()
        third = Replica(proxy.way, lease, "replica-0", QUICK)
        second.end.set()
        await asyncio.wait_for(third.began.wait(), 30)
        sampling.cancel()
        await third.close()
    assert max(leaders) == 1


async def test_a_crashed_leaders_lease_is_waited_out(way: connection.Connection, proxy: Proxy, lease: str) -> None:
    async with replicas(lease, proxy.way) as (first,):
        await proxy.refuse()
        first.task.cancel()
        await asyncio.gather(first.task, return_exceptions=True)
        began = time.monotonic()
        second = Replica(way, lease, "other", QUICK)
        await asyncio.wait_for(second.began.wait(), 30)
        assert time.monotonic() - began >= QUICK.lease_seconds - QUICK.retry_seconds
        await second.close()


async def test_a_lease_that_another_took_ends_leadership(way: connection.Connection, lease: str) -> None:
    async with replicas(lease, way) as (first,), client.Client(way) as api:
        await api.patch(LEASES, lease, "kube-system", {"spec": {"holderIdentity": "usurper"}})
        with pytest.raises(errors.NotLeader):
            await asyncio.wait_for(first.task, 30)
        assert (await api.get(LEASES, lease, "kube-system")).spec.holder_identity == "usurper"


async def test_work_that_fails_ends_leadership_with_its_error_and_frees_the_lease(
    way: connection.Connection, lease: str
) -> None:
    async def fail() -> None:
        raise ValueError("on purpose")

    async with client.Client(way) as api:
        with pytest.raises(ValueError, match="on purpose"):
            await elector.Elector(api, lease, "kube-system", "a", settings=PATIENT).run(fail)
        assert (await api.get(LEASES, lease, "kube-system")).spec.holder_identity == ""


async def test_a_process_that_slept_through_its_lease_knows_at_once(
    way: connection.Connection, lease: str
) -> None:
    """As after SIGSTOP and SIGCONT: the clock has leapt, and no task has run yet."""
    leap = 0.0
    async with client.Client(way) as api:
        made = elector.Elector(
            api, lease, "kube-system", "a", settings=PATIENT, clock=lambda: time.monotonic() + leap
        )

        async def lead() -> None:
            nonlocal leap
            made.guard()
            leap = 60
            with pytest.raises(errors.NotLeader):
                made.guard()

        await made.run(lead)


async def test_transitions_are_counted_as_others_do(way: connection.Connection, lease: str) -> None:
    async with client.Client(way) as api:
        seen = []

        async def lead() -> None:
            seen.append((await api.get(LEASES, lease, "kube-system")).spec)

        for name in ("a", "b"):
            await elector.Elector(api, lease, "kube-system", name, settings=PATIENT).run(lead)
    assert [(spec.holder_identity, spec.lease_transitions) for spec in seen] == [("a", 0), ("b", 1)]
