"""What is remembered of one workload beside its object. All of it can be read again after a restart."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from suanli_controller.api import algorithm, names, workload
from suanli_controller.core import (
    catalogue,
    convergence,
    demand,
    intent,
    objects,
    rules,
    standing,
    workload_status,
)

Basis = tuple[object, ...]
"""Generations: of the workload, and of the algorithm that it takes its builds from."""

Made = tuple[object, object, str]
"""What the part of a manifest that a target adds was made from: the target, the sorts of its nodes, the priority."""


@dataclass(slots=True)
class Record:
    """One workload, from its first look to its end."""

    key: str  # namespace/name
    item: workload.ComputeWorkload  # the newest that was seen or written
    given: intent.Intent | None = None  # none before the first look
    answer: standing.Answer | None = None  # the newest of the placement
    ask: demand.Ask | None = None
    asked: bytes = b""  # the same as content, by which alike workloads know each other
    builds: tuple[workload.Variant, ...] = ()  # its own variants, or those of its algorithm
    basis: Basis = ()  # what `ask` was made from
    checked: Basis = ()  # what an API server was asked about
    invalid: str = ""  # why the template cannot be used
    ask_again: float = math.inf  # when an API server that refused it is to be asked anew, monotonic seconds
    full: dict[str, float] = field(default_factory=dict)  # target -> until when, monotonic seconds
    moving: float | None = None  # since when the status is behind by counts that still move, monotonic seconds
    placed: dict[workload_status.Place, tuple[Made, objects.Placed]] = field(default_factory=dict)
    made: dict[workload_status.Place, tuple[tuple[objects.Share, objects.Placed], convergence.Want]] = field(
        default_factory=dict
    )

    @property
    def uid(self) -> str:
        """The workload's uid, which survives neither deletion nor recreation under the same name."""
        return self.item.metadata.uid

    @property
    def decision(self) -> demand.Decision | None:
        """Where the placement would have it, None before it was asked."""
        return self.answer.decision if self.answer is not None else None

    @property
    def built(self) -> workload.ComputeWorkload:
        """The workload with the builds that it runs as its variants."""
        if self.item.spec.algorithm_ref is None:
            return self.item
        return msgspec.structs.replace(
            self.item, spec=msgspec.structs.replace(self.item.spec, variants=list(self.builds))
        )

    @property
    def is_deleting(self) -> bool:
        """Deletion was asked for."""
        return self.item.metadata.deletion_timestamp is not None

    @property
    def is_job(self) -> bool:
        """It runs to completion: where it has begun, there it stays."""
        return self.item.spec.type == "Job"

    @property
    def has_finalizer(self) -> bool:
        """It has our finalizer, and cannot go behind our back."""
        return names.WORKLOAD_FINALIZER in self.item.metadata.finalizers

    @property
    def is_prepared(self) -> bool:
        """It has our finalizer, and its template was checked."""
        return self.checked == self.basis and self.has_finalizer

    @property
    def is_live(self) -> bool:
        """Whether it is to run now, placed or not."""
        if self.is_deleting or not self.is_prepared or self.ask is None or self.invalid or self.item.spec.suspend:
            return False
        return not (self.is_job and workload_status.is_finished(self.item))

    @property
    def is_placeable(self) -> bool:
        """Whether a decision may be taken now."""
        return self.is_live and not (self.is_job and self._is_whole)

    @property
    def _is_whole(self) -> bool:
        """Whether all of a Job has its place, and runs as many pods at a time as it should."""
        wished = self.given.wished if self.given else {}
        if not wished or self.unplaced_completions or (self.decision is not None and self.decision.unplaced):
            return False
        duplicated = self.ask is not None and self.ask.divide is demand.Divide.DUPLICATED
        wanted = intent.pods_wanted(wished, rules.replicas_of(self.item), duplicated=duplicated)
        return sum(wished.values()) == wanted

    @property
    def completions(self) -> Mapping[workload_status.Place, int]:
        """A Job's, by place: those on record stay as they are, for an object's cannot be changed; the rest is shared
        out by pods at a time.
        """
        job, wished = self.item.spec.job, self.given.wished if self.given else {}
        if job is None:
            return {}
        written = {(each.target, each.variant): each.completions for each in self.item.status.placements}
        fixed = {place: written[place] for place in wished if written.get(place)}
        new = sorted(wished.keys() - fixed.keys())
        rest = max(0, job.completions - sum(fixed.values()))
        return fixed | dict(zip(new, objects.completions_of(rest, [wished[place] for place in new]), strict=True))

    @property
    def unplaced_completions(self) -> int:
        """Those of a Job that no place is to run."""
        job = self.item.spec.job
        return max(0, job.completions - sum(self.completions.values())) if job else 0

    @property
    def is_written(self) -> bool:
        """Every target that may get something of it is in its status."""
        written = {(each.target, each.variant) for each in self.item.status.placements}
        return (
            self.given is None or len(self.given.standing.keys() - written) <= self.item.status.omitted_placements
        )

    def share(self, place: workload_status.Place) -> objects.Share:
        """What the workload has in one place, of all that stands."""
        standing: Mapping[workload_status.Place, int] = self.given.standing if self.given else {}
        replicas = standing.get(place, 0)
        if self.item.spec.type == "DaemonSet":
            replicas = 0
        return objects.Share(*place, replicas, self.completions.get(place, 0))

    def has_ended(self, place: workload_status.Place) -> bool:
        """Whether a Job's share is on record as done, or nothing: it is not made again, though others still run."""
        if workload_status.is_finished(self.item):
            return True
        done = {(each.target, each.variant): each.succeeded for each in self.item.status.placements}
        return done.get(place, 0) >= self.completions.get(place, 0)

    def knows(self, item: workload.ComputeWorkload) -> bool:
        """Whether an object is what we wrote ourselves or know already: there is nothing in it to look at."""
        return self.uid == item.metadata.uid and _version(item) <= _version(self.item)

    def take(
        self,
        item: workload.ComputeWorkload,
        algorithms: Callable[[str], algorithm.Algorithm | None],
        strategy: demand.Strategy | None,
    ) -> None:
        """Take in an object from the cache, which may be older than what we wrote."""
        if _version(item) >= _version(self.item):
            if item.status.placements != self.item.status.placements:
                self.given = None  # another wrote them: the leader before us, in its last moment
            self.item = item
        reference = self.item.spec.algorithm_ref
        entry = algorithms(reference.name) if reference else None
        basis = (
            self.item.metadata.generation,
            *((entry.metadata.uid, entry.metadata.generation) if entry else ()),
        )
        if self.basis == basis:
            return
        self.basis, self.invalid, self.ask, self.ask_again = (), "", None, math.inf
        self.made.clear()
        self.placed.clear()
        try:
            self.builds = catalogue.builds_of(self.item.spec, entry)
            self.ask = rules.ask_of(self.built, strategy)
            self.asked = msgspec.json.encode(self.ask)
        except rules.InvalidTemplate as error:
            self.invalid = str(error)
        self.basis = basis  # not before all of it is made


def _version(item: workload.ComputeWorkload) -> int:
    """ResourceVersions of one kind in one API server can be compared as numbers (Kubernetes 1.35, KEP-5504)."""
    version = item.metadata.resource_version
    return int(version) if version.isdigit() else 0
