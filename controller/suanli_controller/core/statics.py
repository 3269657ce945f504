"""What of an Ask does not depend on what is free: which nodes may run which variant, and which are preferred.

Evaluated for all nodes at once over the fleet's columns, and again only when facts change. A node's code is the index
in `names.NODE_REASONS` of the first reason that rules it out, OK where there is none. Whether target and node are ready
or cordoned changes often and is not part of it.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suanli_controller.api import names
from suanli_controller.core import columns, demand, fleet, hardware, ranking
from suanli_controller.core.fleet_facts import PLACE_KEYS

OK: Final = len(names.NODE_REASONS)
CODE: Final = {reason: code for code, reason in enumerate(names.NODE_REASONS)}

TIER_SHIFT: Final = ranking.RANK_BITS + 1  # the bit between says that a node's accelerators are not wasted
TIERS: Final = 1 << 8  # tiers that are told apart; the rest count as the last

_FACT_KEYS: Final = ("architecture", "family", "os")

Codes = NDArray[np.uint8]
Tiers = NDArray[np.uint8]


class Statics:
    """`codes[v]` and `usable[v]` by variant and row; `tiers` by row, 0 the best."""

    __slots__ = (
        "accelerated",
        "by_name",
        "codes",
        "known_targets",
        "reached",
        "reached_by",
        "shut",
        "tier_count",
        "tiers",
        "usable",
    )

    def __init__(self, where: fleet.Fleet, ask: demand.Ask) -> None:
        # targets in the order of their names, which decides between equal claims
        self.by_name: list[int] = sorted(range(len(where.targets)), key=lambda index: where.targets[index].ref)
        # by target: takes nothing new, whoever asks
        self.shut = np.array([not target.ready or target.cordoned for target in where.targets], np.bool_)
        common = _common_codes(where, ask)
        self.tiers, outside = _tiers(where, ask)
        self.tier_count = int(self.tiers.max(initial=0)) + 1
        common[outside] = np.minimum(common[outside], CODE[names.TARGET_EXCLUDED])
        selected, tolerated = _selected(where, ask), _tolerated(where, ask.tolerations)
        self.codes: list[Codes] = [
            np.minimum(common, _variant_codes(where, variant, selected, tolerated)) for variant in ask.variants
        ]
        homeless = _homeless(where, ask)
        self.usable: list[columns.Mask] = [(codes == OK) & ~homeless for codes in self.codes]
        self.accelerated = [_accelerated(variant) for variant in ask.variants]
        targets = where.target_of[: where.rows]
        self.known_targets: set[int] = set(np.unique(targets[where.present[: where.rows]]).tolist())
        # by variant, targets with a node that may run it, whatever is free there
        self.reached_by: list[set[int]] = [set(np.unique(targets[codes == OK]).tolist()) for codes in self.codes]
        self.reached = sorted(set[int]().union(*self.reached_by))

    def bytes(self) -> int:
        """About how much memory they take."""
        return self.tiers.nbytes + sum(each.nbytes for each in (*self.codes, *self.usable))

    def runnable(self) -> columns.Mask:
        """Rows that some variant may run on, whatever is free there."""
        return np.asarray(np.logical_or.reduce([codes == OK for codes in self.codes]))


def content(ask: demand.Ask) -> Hashable:
    """Asks with equal content have equal Statics."""
    builds = tuple(
        (
            each.architectures,
            each.families,
            each.oses,
            each.min_isa_level,
            each.page_sizes_kib,
            each.accelerator,
            each.accelerator_models,
            _accelerated(each),
        )
        for each in ask.variants
    )
    return (
        builds,
        ask.grade,
        ask.node_selector,
        ask.node_terms,
        ask.tolerations,
        ask.policy,
        ask.require,
        ask.groups,
        ask.prefer,
        ask.family_order,
        ask.max_rtt_microseconds,
        ask.weights if ask.divide is demand.Divide.WEIGHTED else None,
        tuple((each.by, each.when_unsatisfiable) for each in ask.spread),
        tuple(each.topology_key for each in ask.topology_spread),
    )


def _accelerated(variant: demand.Variant) -> bool:
    """Whether the build uses accelerators: extended resources have a slash in their name."""
    return any("/" in name and amount for name, amount in variant.requests.items())


def _common_codes(where: fleet.Fleet, ask: demand.Ask) -> Codes:
    """Reasons that are the same for every variant, but those of selectors and taints."""
    rows = where.rows
    codes = np.full(rows, OK, np.uint8)
    by_target = np.fromiter((_target_code(each, ask) for each in where.targets), np.uint8, len(where.targets))
    if rows:
        codes = by_target[where.target_of[:rows]]
    for wishes, reason in ((ask.policy, names.POLICY_EXCLUDED), (ask.require, names.TARGET_EXCLUDED)):
        code = CODE[reason]
        outside = ~holds_all(where, wishes) & (codes > code)
        codes[outside] = code
    codes[~where.present[:rows]] = 0
    return codes


def _target_code(target: fleet.Target, ask: demand.Ask) -> int:
    """Excluded by weights, clearance or link; what `require` says is asked of nodes."""
    if ask.divide is demand.Divide.WEIGHTED and not dict(ask.weights).get(target.ref):
        return CODE[names.TARGET_EXCLUDED]
    if fleet.GRADES.get(target.clearance, 0) < fleet.GRADES.get(ask.grade, max(fleet.GRADES.values())):
        return CODE[names.CLEARANCE_TOO_LOW]
    rtt, bound = target.rtt_microseconds, ask.max_rtt_microseconds
    if bound and (rtt is None or rtt > bound):
        return CODE[names.LINK_TOO_SLOW]
    return OK


def holds_all(where: fleet.Fleet, wishes: Iterable[demand.Requirement]) -> columns.Mask:
    """Rows for which every requirement holds."""
    mask = np.ones(where.rows, np.bool_)
    for wish in wishes:
        mask &= _holds(where, wish)
    return mask


def _holds(where: fleet.Fleet, wish: demand.Requirement) -> columns.Mask:
    values = [each for each in wish.values if each not in demand.UNKNOWN]
    if wish.key in _FACT_KEYS:
        column = where.facts[wish.key]
        return _compare(column, wish.operator, values, where.rows, silent=demand.UNKNOWN)
    said = [_said(target, wish.key) for target in where.targets]
    if wish.key in PLACE_KEYS and wish.key != "zone":
        return _over_targets(where, [wish.holds(value or "") for value in said])
    own = _over_targets(where, [value is not None and wish.holds(value) for value in said])
    silent = _over_targets(where, [value is None for value in said])
    label = where.labels.column(names.ZONE_LABEL if wish.key == "zone" else wish.key)
    return np.asarray(np.where(silent, _compare(label, wish.operator, values, where.rows), own))


def _said(target: fleet.Target, key: str) -> str | None:
    """What a target says to a placement's key; None where the node's label is to be asked."""
    if key in PLACE_KEYS:
        return target.value(key) or None
    return target.labels.get(key)


def _compare(
    column: columns.Column, operator: str, values: Sequence[str], rows: int, silent: Sequence[str] = ()
) -> columns.Mask:
    """Rows for which In, NotIn, Exists or DoesNotExist holds; a value that is `silent` counts as none."""
    if operator in ("In", "NotIn"):
        mask = column.among(values, rows)
    else:
        mask = column.present(rows) & ~column.among(silent, rows)
    return ~mask if operator in ("NotIn", "DoesNotExist") else mask


def _over_targets(where: fleet.Fleet, answers: Sequence[bool]) -> columns.Mask:
    return np.asarray(np.array([*answers, False])[where.target_of[: where.rows]])


def _tiers(where: fleet.Fleet, ask: demand.Ask) -> tuple[Tiers, columns.Mask]:
    """Preference by row: first the group, then the place in familyOrder, then the weights of what is preferred.

    And the rows that are in no group.
    """
    rows = where.rows
    group = np.zeros(rows, np.int64)
    outside = np.zeros(rows, np.bool_)
    if ask.groups:
        group[:] = len(ask.groups)
        for place in range(len(ask.groups) - 1, -1, -1):
            group[holds_all(where, ask.groups[place].require)] = place
        outside = group == len(ask.groups)
    family = np.full(rows, len(ask.family_order), np.int64)
    for place in range(len(ask.family_order) - 1, -1, -1):
        family[where.facts["family"].among([ask.family_order[place]], rows)] = place
    wish = np.zeros(rows, np.int64)
    for each in ask.prefer:
        wish += each.weight * holds_all(where, each.require)
    if not (ask.groups or ask.family_order or ask.prefer):
        return np.zeros(rows, np.uint8), outside
    mixed = (group << 40) + (family << 20) + (int(wish.max(initial=0)) - wish)
    _, dense = np.unique(mixed, return_inverse=True)
    return np.minimum(dense, TIERS - 1).astype(np.uint8), outside


def _homeless(where: fleet.Fleet, ask: demand.Ask) -> columns.Mask:
    """Rows that are in no domain of a bound on spread: they take nothing, though nothing else rules them out."""
    rows = where.rows
    homeless = np.zeros(rows, np.bool_)
    for wish in ask.spread:
        if wish.by == "node" or wish.when_unsatisfiable is demand.Unsatisfiable.PLACE_ANYWAY:
            continue
        known = _over_targets(where, [bool(target.value(wish.by)) for target in where.targets])
        homeless |= ~(known | where.labels.column(names.ZONE_LABEL).present(rows)) if wish.by == "zone" else ~known
    for each in ask.topology_spread:
        homeless |= ~where.labels.column(each.topology_key).present(rows)
    return homeless


def _variant_codes(
    where: fleet.Fleet, variant: demand.Variant, selected: columns.Mask, tolerated: columns.Mask
) -> Codes:
    rows, facts = where.rows, where.facts
    codes = np.full(rows, OK, np.uint8)
    level, model = variant.min_isa_level, variant.accelerator_models
    checks: list[tuple[str, columns.Mask]] = [
        (names.TAINT_NOT_TOLERATED, tolerated),
        (names.NODE_SELECTOR_MISMATCH, selected),
    ]
    if model:
        checks.append((names.ACCELERATOR_MISMATCH, facts["acceleratorModel"].among(model, rows)))
    if variant.accelerator:
        has = facts["accelerators"].where(lambda held: variant.accelerator in _as_set(held), rows)
        checks.append((names.ACCELERATOR_MISMATCH, has))
    if variant.page_sizes_kib:
        checks.append((names.PAGE_SIZE_MISMATCH, facts["pageSizeKiB"].among(variant.page_sizes_kib, rows)))
    if level:
        reached = facts["isaLevel"].where(lambda held: hardware.isa_reaches(str(held), level), rows)
        checks.append((names.ISA_LEVEL_TOO_LOW, reached))
    for reason, key, allowed in (
        (names.OS_MISMATCH, "os", variant.oses),
        (names.FAMILY_MISMATCH, "family", variant.families),
        (names.ARCHITECTURE_MISMATCH, "architecture", variant.architectures),
    ):
        if allowed:
            checks.append((reason, facts[key].among(allowed, rows)))
    for reason, mask in checks:  # the last that fails is the first in order
        codes[~mask] = CODE[reason]
    return codes


def _as_set(value: Hashable) -> frozenset[str]:
    assert isinstance(value, frozenset)  # noqa: S101 - for the type checker: the column holds nothing else
    return value


def _selected(where: fleet.Fleet, ask: demand.Ask) -> columns.Mask:
    """Rows that the template's nodeSelector and required node affinity allow."""
    mask = np.ones(where.rows, np.bool_)
    for key, value in ask.node_selector:
        mask &= where.labels.column(key).among([value], where.rows)
    if ask.node_terms is not None:
        either = np.zeros(where.rows, np.bool_)
        for term in ask.node_terms:
            if term:  # an empty term matches nothing, as in Kubernetes
                either |= np.logical_and.reduce([_expression(where, each) for each in term])
        mask &= either
    return mask


def _expression(where: fleet.Fleet, one: demand.Expression) -> columns.Mask:
    rows = where.rows
    if one.key == demand.NODE_NAME:
        wanted = set(one.values)
        listed = np.fromiter((name in wanted for name in where.names), np.bool_, rows)
        return ~listed if one.operator == "NotIn" else listed
    column = where.labels.column(one.key)
    if one.operator not in ("Gt", "Lt"):
        return _compare(column, one.operator, one.values, rows)
    bound = int(one.values[0])
    return column.where(lambda held: _integer_beyond(str(held), one.operator, bound), rows)


def _integer_beyond(held: str, operator: str, bound: int) -> bool:
    if not demand.INTEGER.fullmatch(held):  # no match, as in Kubernetes
        return False
    return int(held) > bound if operator == "Gt" else int(held) < bound


def _tolerated(where: fleet.Fleet, tolerations: Sequence[demand.Toleration]) -> columns.Mask:
    """Rows without an untolerated taint of effect NoSchedule or NoExecute."""

    def bears(taints: Hashable) -> bool:
        assert isinstance(taints, tuple)  # noqa: S101 - for the type checker: the column holds nothing else
        hard = [each for each in taints if each[2] in ("NoSchedule", "NoExecute")]
        return all(any(_tolerates(one, *taint) for one in tolerations) for taint in hard)

    return where.facts["taints"].where(bears, where.rows)


def _tolerates(one: demand.Toleration, key: str, value: str, effect: str) -> bool:
    if (one.effect and one.effect != effect) or (one.key and one.key != key):
        return False
    if one.operator == "Exists":
        return True
    return bool(one.key) and one.operator in ("", "Equal") and one.value == value
