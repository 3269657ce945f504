"""The work queue: what is ready, what is being worked on, what is due later."""

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from suanli_controller.kube.backoff import Backoff, Bucket
from suanli_controller.kube.queue import Schedule, ShutDown, WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(schedule: Schedule[str], most: int = 99) -> list[str]:
    return [key for key, _ in schedule.take(most)]


def test_a_key_that_waits_is_ready_once() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0)
    schedule.add("a", 1)
    assert schedule.take(9) == [("a", 0)]


def test_keys_come_in_the_order_in_which_they_became_ready() -> None:
    schedule: Schedule[str] = Schedule()
    for key in "cab":
        schedule.add(key, 0)
    assert taken(schedule, 2) == ["c", "a"]
    assert taken(schedule) == ["b"]


def test_a_key_added_while_it_is_worked_on_is_ready_after_done_and_not_before() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0)
    schedule.take(1)
    schedule.add("a", 1)
    assert taken(schedule) == []
    schedule.done("a", 5)
    assert schedule.take(1) == [("a", 5)]


def test_of_several_delays_the_earliest_counts() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add_at("a", 9)
    schedule.add_at("a", 3)
    schedule.add_at("a", 7)
    assert schedule.ripen(2) == 3
    schedule.ripen(3)
    assert schedule.take(9) == [("a", 3)]
    schedule.done("a", 3)
    schedule.ripen(99)
    assert taken(schedule) == []


def test_only_a_delay_that_ends_before_all_others_is_worth_waking_a_worker_for() -> None:
    found: Schedule[str] = Schedule()
    assert found.add_at("a", 5.0)
    assert not found.add_at("b", 6.0)
    assert not found.add_at("a", 7.0)
    assert found.add_at("b", 4.0)


def test_adding_a_key_fulfils_its_delay() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add_at("a", 9)
    schedule.add("a", 1)
    taken(schedule)
    schedule.done("a", 2)
    assert schedule.ripen(99) is None
    assert taken(schedule) == []


def test_a_delay_that_ends_while_the_key_is_worked_on_waits_for_done() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0)
    schedule.take(1)
    schedule.add_at("a", 2)
    schedule.ripen(3)
    assert taken(schedule) == []
    schedule.done("a", 4)
    assert taken(schedule) == ["a"]


class ScheduleLaws(RuleBasedStateMachine):
    """No key in two hands, none twice in the queue, none before its time, none lost."""

    KEYS = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.schedule: Schedule[str] = Schedule()
        self.now = 0.0
        self.working: set[str] = set()
        self.wanted: dict[str, float] = {}  # from when each key has to be handed out

    def want(self, key: str, due: float) -> None:
        self.wanted[key] = min(due, self.wanted.get(key, due))

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.schedule.add(key, self.now)
        self.want(key, self.now)

    @rule(key=KEYS, seconds=st.integers(1, 5))
    def delay(self, key: str, seconds: int) -> None:
        self.schedule.add_at(key, self.now + seconds)
        self.want(key, self.now + seconds)

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(most=st.integers(1, 3))
    def take(self, most: int) -> None:
        due = self.schedule.ripen(self.now)
        ready = {key for key, at in self.wanted.items() if at <= self.now and key not in self.working}
        keys = taken(self.schedule, most)
        assert len(keys) == len(set(keys)) == min(most, len(ready))
        assert set(keys) <= ready
        assert due is None or due > self.now
        for key in keys:
            del self.wanted[key]
        self.working |= set(keys)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.working.remove(key)
        self.schedule.done(key, self.now)

    @invariant()
    def idle_means_that_nothing_is_ready_or_worked_on(self) -> None:
        if self.schedule.idle:
            assert not self.working


TestScheduleLaws = ScheduleLaws.TestCase


async def test_a_worker_that_waits_gets_a_key_as_soon_as_it_is_added() -> None:
    queue: WorkQueue[str] = WorkQueue("test")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await asyncio.wait_for(waiting, 5) == "a"


async def test_a_delayed_key_comes_when_its_time_has_come() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue("test", clock=clock)
    queue.add_after("late", 60)
    queue.add_after("soon", 30)
    clock.now += 31
    assert await queue.get_batch() == ["soon"]
    clock.now += 30
    assert await queue.get_batch() == ["late"]


async def test_a_sleeping_worker_wakes_for_a_delay() -> None:
    queue: WorkQueue[str] = WorkQueue("test")
    queue.add_after("a", 0.01)
    assert await asyncio.wait_for(queue.get(), 5) == "a"


async def test_a_batch_holds_every_ready_key() -> None:
    queue: WorkQueue[str] = WorkQueue("test")
    for key in "abc":
        queue.add(key)
    assert await queue.get_batch() == ["a", "b", "c"]


async def test_two_workers_never_hold_the_same_key() -> None:
    queue: WorkQueue[int] = WorkQueue("test")
    held: set[int] = set()
    worked = 0

    async def work() -> None:
        nonlocal worked
        while True:
            key = await queue.get()
            assert key not in held
            held.add(key)
            await asyncio.sleep(0)
            if worked < 500:
                queue.add((key + 1) % 7)
                queue.add(key)
            worked += 1
            held.remove(key)
            queue.done(key)

    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(work()) for _ in range(4)]
        queue.add(0)
        while worked < 500:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()


async def test_after_shut_down_what_is_ready_is_handed_out_and_nothing_else() -> None:
    queue: WorkQueue[str] = WorkQueue("test")
    queue.add("ready")
    queue.add_after("delayed", 1)
    queue.shut_down()
    queue.add("too late")
    assert await queue.get() == "ready"
    with pytest.raises(ShutDown):
        await queue.get()


async def test_shut_down_wakes_a_worker_that_waits() -> None:
    queue: WorkQueue[str] = WorkQueue("test")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.shut_down()
    with pytest.raises(ShutDown):
        await asyncio.wait_for(waiting, 5)


async def test_retries_of_a_key_come_later_and_later_until_it_is_forgotten() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue("test", backoff=Backoff(first=1, longest=100), clock=clock)
    delays = [queue.retry("a") for _ in range(5)]
    assert all(2**n / 2 <= delay <= 2**n for n, delay in enumerate(delays))
    assert queue.failures("a") == 5
    queue.forget("a")
    assert queue.retry("a") <= 1


async def test_a_retry_waits_as_long_as_the_server_asked_for() -> None:
    queue: WorkQueue[str] = WorkQueue("test", backoff=Backoff(first=1, longest=100), clock=Clock())
    assert queue.retry("a", at_least=42) == 42


async def test_many_failing_keys_together_stay_within_the_rate() -> None:
    queue: WorkQueue[int] = WorkQueue("test", backoff=Backoff(first=0.1, longest=1), rate=10, clock=Clock())
    delays = [queue.retry(key) for key in range(120)]
    assert max(delays[:20]) <= 0.1
    assert delays[-1] == pytest.approx(10)


def test_a_backoff_doubles_up_to_its_longest_and_leaves_half_to_chance() -> None:
    backoff = Backoff(first=1, longest=30)
    assert [backoff.delay(n, lambda: 1.0) for n in (1, 2, 3, 6, 9999)] == [1, 2, 4, 30, 30]
    assert backoff.delay(3, lambda: 0.0) == 2


def test_a_bucket_allows_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=2, burst=3)
    assert [bucket.allow(0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.allow(0.5) for _ in range(2)] == [True, False]


def test_reservations_of_a_bucket_queue_up() -> None:
    bucket = Bucket(rate=2, burst=1)
    assert [bucket.reserve(0) for _ in range(3)] == [0, 0.5, 1]
