"""The steps from what one cluster has of a workload to what it should have. Second pass, no steps.

Nothing here knows why something is wanted. A rollout costs the users of a workload something, so it is asked for
only where the content of the pods has changed, never because nodes came or went.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

Key = tuple[str, str, str]  # kind, namespace, name


@dataclass(frozen=True, slots=True)
class Want:
    """An object that should be there."""

    manifest: Mapping[str, Any]
    replicas: int | None  # None: a DaemonSet, whose number follows from its nodes
    content: str  # digest of the pods' content
    terms: str  # digest of the node affinity
    target: str
    create: bool = True  # false: a Job that has ended, which is not made again

    @property
    def key(self) -> Key:
        """Which object."""
        meta = self.manifest["metadata"]
        return self.manifest["kind"], meta["namespace"], meta["name"]


class Have(msgspec.Struct, frozen=True, gc=False):  # made at each look at each object
    """One of our objects as the cluster shows it."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    replicas: int | None
    content: str
    terms: str
    labels: Mapping[str, str] = {}
    suspended: bool = False
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply the whole manifest; `known` says that the object is ours, so that drift may be overridden by force."""

    want: Want
    known: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Change counts alone: the rest of the object stays as it is."""

    want: Want
    have: Have


@dataclass(frozen=True, slots=True)
class Delete:
    have: Have


Step = Apply | Scale | Delete


def steps(wants: Iterable[Want], haves: Iterable[Have], applied: Mapping[Key, int]) -> list[Step]:
    """What to do, deletions last.

    `applied` maps an object to its `metadata.generation` after our last write to it in this process; an object
    that is not in it is brought in line once.
    """
    have_by_key = {each.key: each for each in haves}
    wanted = {each.key: each for each in wants}
    found: list[Step] = []
    for key, want in sorted(wanted.items()):
        found.extend(_step(want, have_by_key.get(key), applied.get(key)))
    leftover = sorted(have_by_key.keys() - wanted.keys())
    return [*found, *(Delete(have_by_key[key]) for key in leftover if not have_by_key[key].deleting)]


def _step(want: Want, have: Have | None, generation: int | None) -> Iterator[Step]:
    if have is None:
        if want.create:
            yield Apply(want, known=False)
    elif have.deleting:
        return  # made anew when it is gone
    elif want.key[0] == "Job":
        if _job_counts(want) != (have.replicas, have.suspended):
            yield Scale(want, have)
    elif have.content != want.content or _needs_new_nodes(want, have):
        yield Apply(want, known=True)
    elif have.replicas != want.replicas:
        yield Apply(want, known=True) if have.terms == want.terms else Scale(want, have)
    elif _was_changed(want, have, generation) or _lost_labels(want, have):
        yield Apply(want, known=True)


def _was_changed(want: Want, have: Have, generation: int | None) -> bool:
    """Whether somebody wrote over it. Where its nodes are to be others too, a restart alone must not roll its pods."""
    if have.terms == want.terms:
        return generation != have.generation
    return generation is not None and generation < have.generation


def _lost_labels(want: Want, have: Have) -> bool:
    """Whether labels that we gave it are others now: they raise no generation."""
    given = want.manifest["metadata"].get("labels", {})
    return any(have.labels.get(key) != value for key, value in given.items())


def _needs_new_nodes(want: Want, have: Have) -> bool:
    """Other hardware has come or gone: a DaemonSet must follow; a Deployment only to grow onto it."""
    if have.terms == want.terms:
        return False
    return want.replicas is None or want.replicas > (have.replicas or 0)


def _job_counts(want: Want) -> tuple[int, bool]:
    """A Job that runs may change its parallelism and be suspended; its template is fixed."""
    spec = want.manifest["spec"]
    return spec["parallelism"], spec["suspend"]


def scale_patch(want: Want, have: Have) -> dict[str, Any]:
    """The merge patch of a Scale; the uid has an API server refuse it for another object of that name."""
    spec: dict[str, Any] = {"replicas": want.replicas}
    if want.key[0] == "Job":
        parallelism, suspend = _job_counts(want)
        spec = {"parallelism": parallelism, "suspend": suspend}
    return {"metadata": {"uid": have.uid}, "spec": spec}
