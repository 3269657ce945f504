"""What one workload asks of the fleet, and what it is told.

Plain frozen data between `core/rules` (which writes demands) and `core/placement` (which answers them). Nothing
here decides. Resources are integers under Kubernetes' names: `cpu` in millicores, all else in its base unit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec

from suanli_controller.api import names

UNKNOWN: Final = ("", names.UNKNOWN)  # values that say nothing
NODE_NAME: Final = "field:metadata.name"  # no label has such a key
INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")  # what Gt and Lt compare; Kubernetes takes 64 bits


class Kind(StrEnum):
    """What the target will run; decides how replicas are counted."""

    DEPLOYMENT = "Deployment"
    JOB = "Job"  # `replicas` is its parallelism; whole to one target unless `divide` is given
    DAEMON_SET = "DaemonSet"  # one on each node that fits; `replicas` is ignored


class Divide(StrEnum):
    """How replicas are shared out among the targets of one group (Karmada's words: replica scheduling)."""

    CAPACITY = "Capacity"  # in proportion to the room that each has
    WEIGHTED = "Weighted"  # in proportion to `Demand.weights`; targets without a weight take none
    AGGREGATED = "Aggregated"  # in as few targets as possible
    DUPLICATED = "Duplicated"  # `replicas` in each target


class Strategy(StrEnum):
    """Which of the nodes that can take a replica gets it."""

    BIN_PACK = "BinPack"  # the fullest
    SPREAD = "Spread"  # the emptiest
    FRAGMENTATION = "Fragmentation"  # where accelerators are fragmented least (FGD, Weng et al., ATC 2023)


class Unsatisfiable(StrEnum):
    DO_NOT_PLACE = "DoNotPlace"
    PLACE_ANYWAY = "PlaceAnyway"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A placement's condition on a place: all of a list must hold.

    `key` is one of cloud, site, tier, district, provider, zone (of the target; zone falls back on the node's
    `topology.kubernetes.io/zone`), architecture, family, os (of the node), or else a label (the target's; where it
    has none by that name, the node's). `operator` is In, NotIn or Exists; NotIn holds where the key is absent.
    """

    key: str
    operator: str = "In"
    values: tuple[str, ...] = ()

    def holds(self, value: str) -> bool:
        """Whether it holds where the key has this value; empty or unknown: where it has none."""
        known = value not in UNKNOWN
        return holds(self.operator, listed=known and value in self.values, present=known)


def holds(operator: str, *, listed: bool, present: bool) -> bool:
    """What a selector's operator says; an unknown one holds nowhere."""
    said = {"In": listed, "NotIn": not listed, "Exists": present, "DoesNotExist": not present}
    return said.get(operator, False)


@dataclass(frozen=True, slots=True)
class Group:
    """One step of ordered overflow: what does not fit the first group goes to the next."""

    name: str
    require: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Preference:
    weight: int  # 1..100 as in Kubernetes
    require: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """Over all targets together. Skew and minimum as in kube-scheduler's topology spread.

    A node that is in no domain of this kind (`by: cloud` on a box of a site) takes nothing under DoNotPlace.
    """

    by: str  # node, cloud, site, district, provider, zone
    max_skew: int = 0  # 0: not limited
    min_domains: int = 0  # while fewer domains are eligible, the least filled counts as empty
    max_per_domain: int = 0  # 0: not limited
    when_unsatisfiable: Unsatisfiable = Unsatisfiable.DO_NOT_PLACE


@dataclass(frozen=True, slots=True)
class TopologySpread:
    """The template's own: the target's scheduler applies it within that target, over values of a node label."""

    topology_key: str
    max_skew: int = 1
    min_domains: int = 0
    honor_affinity: bool = True  # nodeAffinityPolicy: Honor
    honor_taints: bool = False  # nodeTaintsPolicy: Ignore


@dataclass(frozen=True, slots=True)
class Expression:
    """A NodeSelectorRequirement: In, NotIn, Exists, DoesNotExist, Gt, Lt. Key NODE_NAME is that of matchFields."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Toleration:
    """As in a pod: empty `key` with Exists tolerates all, empty `effect` matches every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """One build: what it requests and the hardware that it runs on. Empty collections allow anything."""

    name: str = names.DEFAULT_VARIANT
    requests: Mapping[str, int] = field(default_factory=dict)  # effective; `pods: 1` is added where absent
    architectures: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    oses: tuple[str, ...] = ()
    min_isa_level: str = ""
    page_sizes_kib: tuple[int, ...] = ()
    accelerator: str = ""  # resource that the node must have, whatever is requested
    accelerator_models: tuple[str, ...] = ()
    share_milli: int = 0  # of each of `requests[share_resource]` devices; 0: whole devices
    share_resource: str = ""
    quota: int | None = None  # at most so many replicas, kept ones included; None: no quota


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """All of a demand that does not change from one decision to the next.

    A fleet keeps what it learns about an Ask under its identity: make it once for each generation of a workload
    and pass the same object again. Equal content made twice is right too, only slower the first time.
    """

    variants: tuple[Variant, ...]
    kind: Kind = Kind.DEPLOYMENT
    grade: str = "Core"  # data grade; a target's clearance must reach it
    node_selector: tuple[tuple[str, str], ...] = ()
    node_terms: tuple[tuple[Expression, ...], ...] | None = None  # required affinity: alternatives; None: any node
    tolerations: tuple[Toleration, ...] = ()
    topology_spread: tuple[
        TopologySpread, ...
    ] = ()  # those with DoNotSchedule; the others are the scheduler's affair
    anti_affinity: tuple[str, ...] = ()  # topology keys of the workload's required anti-affinity against itself
    policy: tuple[Requirement, ...] = ()  # what fails it is PolicyExcluded
    require: tuple[Requirement, ...] = ()
    groups: tuple[Group, ...] = ()
    prefer: tuple[Preference, ...] = ()
    family_order: tuple[str, ...] = ()  # families that are not in it come last, all alike
    spread: tuple[Spread, ...] = ()
    divide: Divide | None = None  # None: Capacity, and one target for a Job
    weights: tuple[tuple[str, int], ...] = ()  # (target, weight)
    max_rtt_microseconds: int = 0  # 0: any; a target whose link was never measured is too slow for a bound
    strategy: Strategy = Strategy.BIN_PACK
    notes: tuple[str, ...] = ()  # what of the template is not modelled; handed through to the decision


class Demand(
    msgspec.Struct, frozen=True, gc=False
):  # a struct: made for every decision, five times faster than a dataclass
    """One workload, now."""

    key: str  # workload uid
    ask: Ask
    replicas: int = 1
    priority: int = 0
    current: Mapping[tuple[str, str], int] = {}
    """Replicas that (target, variant) has been given already, whether bound or still assumed. They stay unless a
    hard constraint rules the place out, its target drains, or there are too many."""
    full: frozenset[str] = frozenset()  # targets whose scheduler calls this shape Unschedulable: nothing new there
    excluded: frozenset[str] = frozenset()  # draining: nothing new, and what is there is placed elsewhere
    held: frozenset[str] = frozenset()  # out of reach: nothing new, what is there stays and counts
    closed: frozenset[str] = frozenset()  # not for what is new of this demand; what is there stays


class Placement(msgspec.Struct, frozen=True, order=True, gc=False):
    """What one (target, variant) should have."""

    target: str
    variant: str
    replicas: int  # all, kept ones included
    nodes: tuple[tuple[str, int], ...] = ()  # where the new ones are assumed: (node, replicas)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why nodes did not take more: `names.NODE_REASONS`, in that order; each node is counted once."""

    reason: str
    nodes: int
    detail: str = ""  # InsufficientResource: the resources' names


@dataclass(frozen=True, slots=True)
class RuledOut:
    """Nodes of one hardware class in one target that take no more, under one reason."""

    target: str
    class_name: str
    reason: str
    nodes: int
    detail: str = ""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The answer for one demand.

    `placements` is the whole wished state, sorted by target and variant; a (target, variant) that is not in it
    should have none. A demand that cannot be understood (negative replicas, requests below zero, an unknown
    operator) is answered with `invalid` and keeps `current` as it is.
    """

    key: str
    placements: tuple[Placement, ...] = ()
    unplaced: int = 0
    reasons: tuple[Reason, ...] = ()  # filled where something is unplaced, or when asked to explain
    notes: tuple[str, ...] = ()
    invalid: str = ""  # names the field, the value and the mend
    ruled_out: tuple[RuledOut, ...] = ()  # `reasons` by target and class; filled when asked to explain

    def counts(self) -> dict[tuple[str, str], int]:
        """Replicas by (target, variant): what to pass as `Demand.current` next time."""
        return {(each.target, each.variant): each.replicas for each in self.placements}
