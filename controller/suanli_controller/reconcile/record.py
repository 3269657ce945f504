"""What is remembered of one workload beside its object. All of it can be read again after a restart."""

from dataclasses import dataclass, field

from suanli_controller.api import names, workload
from suanli_controller.core import convergence, demand, intent, objects, rules, workload_status


@dataclass(slots=True)
class Record:
    """One workload, from its first look to its end."""

    key: str  # namespace/name
    item: workload.ComputeWorkload  # the newest that was seen or written
    given: intent.Intent | None = None  # none before the first look
    decision: demand.Decision | None = None
    ask: demand.Ask | None = None
    ask_generation: int = -1
    checked_generation: int = -1  # whose template an API server was asked about
    invalid: str = ""  # why the template cannot be used
    full: dict[str, float] = field(default_factory=dict)  # target -> until when, monotonic seconds
    reported: float = float("-inf")  # monotonic seconds of the last write of the status
    made: dict[tuple[objects.Share, objects.Placed], convergence.Want] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """The workload's uid, which survives neither deletion nor recreation under the same name."""
        return self.item.metadata.uid

    @property
    def is_deleting(self) -> bool:
        """Deletion was asked for."""
        return self.item.metadata.deletion_timestamp is not None

    @property
    def is_job(self) -> bool:
        """It runs to completion: where it has begun, there it stays."""
        return self.item.spec.type == "Job"

    @property
    def is_prepared(self) -> bool:
        """It has our finalizer, and its template was checked."""
        return (
            self.checked_generation == self.item.metadata.generation
            and names.WORKLOAD_FINALIZER in self.item.metadata.finalizers
        )

    @property
    def is_placeable(self) -> bool:
        """Whether a decision may be taken now."""
        if self.is_deleting or not self.is_prepared or self.ask is None or self.invalid or self.item.spec.suspend:
            return False
        return not (self.is_job and (workload_status.is_finished(self.item) or self._has_begun))

    @property
    def _has_begun(self) -> bool:
        return self.given is not None and bool(self.given.wished)

    @property
    def is_written(self) -> bool:
        """Every target that may get something of it is in its status."""
        written = {(each.target, each.variant) for each in self.item.status.placements}
        return self.given is None or written.issuperset(self.given.standing)

    def take(self, item: workload.ComputeWorkload, strategy: demand.Strategy | None) -> None:
        """Take in an object from the cache, which may be older than what we wrote."""
        if _version(item) >= _version(self.item):
            self.item = item
        generation = self.item.metadata.generation
        if self.ask_generation == generation:
            return
        self.ask_generation, self.invalid = generation, ""
        self.made.clear()
        try:
            self.ask = rules.ask_of(self.item, strategy)
        except rules.InvalidTemplate as error:
            self.ask, self.invalid = None, str(error)


def _version(item: workload.ComputeWorkload) -> int:
    """ResourceVersions of one kind in one API server can be compared as numbers (Kubernetes 1.35, KEP-5504)."""
    version = item.metadata.resource_version
    return int(version) if version.isdigit() else 0
