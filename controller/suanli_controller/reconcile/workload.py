"""ComputeWorkload: decide where replicas go, hand that to the clusters' carriers, report what became of it.

    observe -> prepare -> place, all that wait in one pass -> write down -> hand out -> report

A decision is written to the status before anything is applied, so that whoever takes over knows every target that
may hold something. Places are decided in `core/`; objects are applied by `reconcile/carrier`.
"""

import asyncio
import datetime as dt
import math
import time
from collections.abc import Iterable

import msgspec
import structlog

from suanli_controller.api import algorithm, core_v1, names, template, workload
from suanli_controller.core import conditions, demand, intent, objects, placement, rules, standing, workload_status
from suanli_controller.kube import errors, events, informer, kinds, resources
from suanli_controller.reconcile import city, copies, dry_run, jobs, observation, wishes, writing
from suanli_controller.reconcile.record import Record

log = structlog.get_logger(__name__)

FULL_SECONDS = 300.0
"""How long a target whose scheduler could not bind a workload's pods takes no more of it; room may come back."""
ASK_AGAIN_SECONDS = 180.0
"""How long an API server's refusal of a template holds: a policy of the hub may have made it, and be lifted since."""
REPORT_SECONDS = 2.0
"""How long counts that still move are gathered before they are written; what is final is written at once."""
LOOK_AGAIN_SECONDS = 15.0
"""A deletion that waits for a cloud is looked at so often, beside what wakes it."""
IN_ONE_GO = 64
"""Workloads that are decided without a pause, at about a millisecond each."""
AT_ONCE = 16
"""Workloads whose writes are under way at the same time; more would open more connections, at a millisecond each."""


class Workloads:
    """The reconciler of all ComputeWorkloads. `strategy` None: see `rules.default_strategy`."""

    def __init__(
        self,
        here: city.City,
        items: informer.Informer[workload.ComputeWorkload],
        priorities: informer.Informer[core_v1.PriorityClass],
        algorithms: informer.Informer[algorithm.Algorithm],
        strategy: demand.Strategy | None = None,
    ) -> None:
        self.city = here
        self.items = items
        self.priorities = priorities
        self.algorithms = algorithms
        self.strategy = strategy
        self.records: dict[str, Record] = {}
        self.checks = dry_run.Checks(here.hub, here.hub_uid)
        self._writing = asyncio.Semaphore(AT_ONCE)
        items.subscribe(self._item_changed)
        algorithms.subscribe(self._algorithm_changed)

    def _item_changed(self, old: workload.ComputeWorkload | None, new: workload.ComputeWorkload | None) -> None:
        item = new or old
        assert item is not None  # noqa: S101  # one of them is given
        meta = item.metadata
        named = self.city.references.setdefault(meta.namespace, {})
        if new is None or meta.deletion_timestamp is not None:
            named.pop(meta.uid, None)
            if not named:
                del self.city.references[meta.namespace]
        elif old is None or old.metadata.generation != meta.generation or meta.uid not in named:
            named[meta.uid] = _references(item)
        key = resources.key_of(item)
        record = self.records.get(key)
        if new is None or record is None or not record.knows(new):
            self.city.workloads.add(key)

    def _algorithm_changed(self, old: algorithm.Algorithm | None, new: algorithm.Algorithm | None) -> None:
        if old is not None and new is not None and old.metadata.generation == new.metadata.generation:
            return
        changed = new or old
        for key, record in self.records.items():
            reference = record.item.spec.algorithm_ref
            if changed is not None and reference is not None and reference.name == changed.metadata.name:
                self.city.workloads.add(key)

    async def run(self) -> None:
        """Reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                keys = self._by_priority(await self.city.workloads.get_batch())
                for start in range(0, len(keys), IN_ONE_GO):
                    for key in self._decided(keys[start : start + IN_ONE_GO]):
                        tasks.create_task(self._carry_out(key))
                    await asyncio.sleep(0)  # others, the renewal of our Lease among them, have waited long enough

    def _by_priority(self, keys: list[str]) -> list[str]:
        """The highest first, and otherwise in the order given."""
        if len(keys) <= IN_ONE_GO:
            return keys  # `placement.place` sees to it

        def priority(key: str) -> int:
            namespace, name = resources.split_key(key)
            item = self.items.get(name, namespace)
            return self._priority(item.spec.priority_class_name) if item else 0

        return sorted(keys, key=lambda key: -priority(key))

    # --- deciding: all that wait in one pass

    def _decided(self, keys: list[str]) -> list[str]:
        """As `decide`; a workload that makes it fail is set aside, unless it is to go, and keeps nobody waiting."""
        try:
            return self.decide(keys)
        except Exception:
            log.exception("deciding failed", workloads=len(keys), first=keys[0])
        if len(keys) > 1:
            return [each for key in keys for each in self._decided([key])]
        record = self.records.get(keys[0])
        if record is not None and record.is_deleting:
            return keys  # what was to be decided is none of its leave's
        self.city.workloads.retry(keys[0])
        self.city.workloads.done(keys[0])
        return []

    def decide(self, keys: Iterable[str]) -> list[str]:
        """Observe every workload of a batch and place those that can be; returns the keys that remain."""
        batch = [key for key in keys if self._observe(key)]
        live = [record for record in map(self.records.__getitem__, batch) if record.is_live]
        for record in live:
            self._take_back(record)
        ripe = [record for record in live if record.is_placeable and not jobs.lingers(self.city, record)]
        fleet = self.city.fleet
        asked = [
            (record, one)
            for record, one in ((record, self._demand(record)) for record in ripe)
            if record.answer is None or not standing.stands(fleet, one, record.answer)
        ]
        decisions = placement.place(fleet, [one for _, one in asked]) if asked else []
        for (record, one), decision in zip(asked, decisions, strict=True):
            record.answer = standing.answer(fleet, one, decision)
            self._take_in(record, one, decision)
        return batch

    def _observe(self, key: str) -> bool:
        """Bring the record of a key up to the newest object; false where there is none."""
        namespace, name = resources.split_key(key)
        item = self.items.get(name, namespace)
        record = self.records.get(key)
        if record is not None and (item is None or record.uid != item.metadata.uid):
            self._forget(record)
            record = None
        if item is None:
            self.city.workloads.forget(key)
            self.city.workloads.done(key)
            return False
        if record is None:
            record = self.records[key] = Record(key, item)
            self.city.keys[record.uid] = key
        record.take(item, self.algorithms.get, self.strategy)
        if record.given is None:
            load = intent.load_job if record.is_job else intent.load
            record.given = load(item.status, observation.seen(self.city, record.uid))
        self._doubt_refusal(record)
        is_new = record.checked != record.basis and not (record.invalid or record.is_deleting)
        if is_new and self.checks.has_accepted(record.built):
            record.checked = record.basis
        return True

    def _doubt_refusal(self, record: Record) -> None:
        """Have an API server that refused the template asked anew, once it is long enough ago."""
        rest = record.ask_again - time.monotonic()
        if rest <= 0:
            record.checked, record.invalid, record.ask_again = (), "", math.inf
        elif record.invalid:
            self.city.workloads.add_after(record.key, rest)

    def _forget(self, record: Record) -> None:
        self.records.pop(record.key, None)
        self.city.waiting.discard(record.key)
        self.city.keys.pop(record.uid, None)
        self.city.fleet.withdraw(record.uid)
        for each in self.city.carriers.values():
            each.forget(record.uid)

    def _demand(self, record: Record) -> demand.Demand:
        assert record.ask is not None and record.given is not None  # noqa: S101, PT018  # is_placeable saw to it
        now = time.monotonic()
        if rest := [until - now for until in record.full.values() if until > now]:
            self.city.workloads.add_after(record.key, min(rest))  # room may have come back there
        one = demand.Demand(
            key=record.uid,
            ask=record.ask,
            replicas=rules.replicas_of(record.item),
            priority=self._priority(record.item.spec.priority_class_name),
            # a target that was removed holds nothing any more
            current={
                place: count for place, count in record.given.wished.items() if place[0] in self.city.targets
            },
            full=frozenset(target for target, until in record.full.items() if until > now),
            # a Job would begin again elsewhere: it finishes where it is
            excluded=frozenset() if record.is_job else observation.draining(self.city),
            held=observation.silent(self.city, record.given.wished),
        )
        return jobs.bounded(self.city, record, one) if record.is_job and record.given.wished else one

    def _priority(self, name: str) -> int:
        if name:
            found = self.priorities.get(name)
        else:
            found = next((each for each in self.priorities.objects.values() if each.global_default), None)
        return found.value if found else 0

    def _take_back(self, record: Record) -> None:
        """What its target cannot bind, and of a Job what is gone with its target, is placed anew."""
        assert record.given is not None  # noqa: S101  # `_observe` saw to it
        if record.is_job and (lost := jobs.lost(self.city, record)):
            record.given = intent.without(record.given, lost)
            for target, _ in lost:
                self._say(record, "Warning", names.TARGET_REMOVED, f"{target} is gone with its part of the Job")
        stuck, next_in = observation.stuck(self.city, record.uid, dt.datetime.now(dt.UTC))
        if next_in is not None:
            self.city.workloads.add_after(record.key, next_in)
        now = time.monotonic()
        fresh = {place: count for place, count in stuck.items() if record.full.get(place[0], 0.0) < now}
        if not fresh:
            return
        record.full |= {target: now + FULL_SECONDS for target, _ in fresh}
        if record.is_job:
            record.given = intent.without(record.given, jobs.never_began(self.city, record, fresh))
        else:
            record.given = intent.without_stuck(record.given, fresh)
        for (target, _), count in fresh.items():
            self._say(record, "Warning", names.TARGET_FULL, f"{target} cannot bind {count} pods")

    def _take_in(self, record: Record, one: demand.Demand, decision: demand.Decision) -> None:
        assert record.given is not None  # noqa: S101  # is_placeable saw to it
        if not decision.invalid and record.is_job:
            record.given = intent.revise_job(record.given, one.current, decision)
        elif not decision.invalid:
            record.given = intent.revise(record.given, decision)
        assert record.ask is not None  # noqa: S101  # is_placeable saw to it
        hopes = decision.unplaced or record.item.spec.type == "DaemonSet" or record.ask.max_rtt_microseconds
        (self.city.waiting.add if hopes else self.city.waiting.discard)(record.key)

    # --- carrying out

    async def _carry_out(self, key: str) -> None:
        record = self.records[key]
        try:
            async with self._writing:
                await (self._take_leave(record) if record.is_deleting else self._attend(record))
        except errors.Conflict:
            self.city.workloads.retry(key)  # somebody wrote it meanwhile: the watch brings the newer one
        except errors.NotFound:
            log.debug("gone while being reconciled", workload=key)
        except errors.KubeError as error:
            log.warning("not carried out", workload=key, error=str(error), retry_in=self.city.workloads.retry(key))
        except Exception:  # a fault of ours with one workload is not one of all
            log.exception("not carried out", workload=key, retry_in=self.city.workloads.retry(key))
        else:
            self.city.workloads.forget(key)
        finally:
            self.city.workloads.done(key)

    async def _attend(self, record: Record) -> None:
        """Prepare, write down, hand out, report."""
        if not record.is_prepared:
            await self._prepare(record)
            self.city.workloads.add(record.key)  # now it can be placed
            return
        assert record.given is not None  # noqa: S101  # `_observe` saw to it
        if record.given.leaving:
            silent = observation.silent(self.city, record.given.standing)
            seen = observation.last_told(record.item, silent) | observation.seen(self.city, record.uid)
            record.given = intent.settle(record.given, record.decision, seen, silent)
        if not record.is_written:
            await self._report(record, at_once=True)
            wishes.hand_out(self.city, record)
            return
        wishes.hand_out(self.city, record)
        if await self._report(record) and record.is_job:
            wishes.hand_out(self.city, record)  # what has ended is on record now, and is not made again

    async def _prepare(self, record: Record) -> None:
        """Before anything is placed: the finalizer, and a template that an API server accepts."""
        basis = record.basis
        await self._keep_finalizer(record, present=True)
        if not record.invalid:
            record.invalid = await self.checks.refusal(record.built)
            if record.invalid:
                record.ask_again = time.monotonic() + ASK_AGAIN_SECONDS
        record.checked = basis

    async def _take_leave(self, record: Record) -> None:
        """Have everything deleted everywhere; what does not answer is waited for, unless it is abandoned."""
        if not record.has_finalizer:
            return
        abandon = record.item.metadata.annotations.get(names.ABANDON_ANNOTATION) == "true"
        waits_for = wishes.withdraw(self.city, record)
        if any(not silent or not abandon for silent in waits_for.values()):
            self.city.workloads.add_after(record.key, LOOK_AGAIN_SECONDS)
            await self._report_leave(record, waits_for)
            return
        await self._keep_finalizer(record, present=False)

    async def _keep_finalizer(self, record: Record, *, present: bool) -> None:
        record.item = await writing.finalizers(
            self.city.hub, kinds.WORKLOADS, record.item, names.WORKLOAD_FINALIZER, present=present
        )

    async def _report_leave(self, record: Record, waits_for: dict[str, bool]) -> None:
        silent = sorted(target for target, is_silent in waits_for.items() if is_silent)
        if not silent:
            return
        message = (
            f"deletion waits for {', '.join(silent)}, which does not answer or is refused (its Ready says why); "
            f'annotate the workload {names.ABANDON_ANNOTATION}: "true" to leave behind what is there'
        )
        found = [conditions.make(names.READY, "Unknown", "TargetUnreachable", message)]
        item = record.item
        merged = conditions.merged(
            item.status.conditions, found, item.metadata.generation, dt.datetime.now(dt.UTC)
        )
        await self._write(record, msgspec.structs.replace(item.status, conditions=merged))

    # --- reporting

    async def _report(self, record: Record, *, at_once: bool = False) -> bool:
        """Write the status where it says something new; counts that still move are gathered. Whether it was written."""
        report = observation.report(self.city, record)
        status = workload_status.status_of(record.built, report, dt.datetime.now(dt.UTC))
        if status == record.item.status:
            record.moving = None
            return False
        if (
            not at_once
            and not workload_status.is_news(record.item.status, status, report)
            and self._waits_for_more(record)
        ):
            return False
        self._announce(record, status)
        await self._write(record, status)
        return True

    def _waits_for_more(self, record: Record) -> bool:
        """Whether what moves is left for a while: often all of it comes within moments."""
        now = time.monotonic()
        record.moving = record.moving or now
        rest = record.moving + REPORT_SECONDS - now
        if rest > 0:
            self.city.workloads.add_after(record.key, rest)
        return rest > 0

    async def _write(self, record: Record, status: workload.ComputeWorkloadStatus) -> None:
        if status == record.item.status:
            return
        record.item = await writing.status(
            self.city.hub,
            kinds.WORKLOADS,
            record.item,
            status,
            replicas=status.replicas,
            readyReplicas=status.ready_replicas,
        )
        record.moving = None

    def _announce(self, record: Record, status: workload.ComputeWorkloadStatus) -> None:
        """An Event for each decision that is new."""
        before = conditions.get(record.item.status.conditions, names.PLACED)
        after = conditions.get(status.conditions, names.PLACED)
        if after is not None and (before is None or before.message != after.message):
            self._say(record, "Normal" if after.status == "True" else "Warning", after.reason, after.message)

    def _say(self, record: Record, kind: events.Type, reason: str, message: str) -> None:
        self.city.recorder.record(events.reference(kinds.WORKLOADS, record.item), kind, reason, message)


def _references(item: workload.ComputeWorkload) -> dict[copies.Reference, bool]:
    try:
        return objects.references_of(item)
    except template.MalformedTemplate:
        return {}  # its status says so
