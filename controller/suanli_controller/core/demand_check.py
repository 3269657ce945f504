"""Whether a demand can be understood at all; what is wrong is told by field, value and mend."""

from collections.abc import Iterable, Iterator
from typing import Final

from suanli_controller.core import demand, fleet

LARGEST_COUNT: Final = 10_000_000  # replicas of one workload
_LARGEST_AMOUNT: Final = 2**62
_TARGET_OPERATORS: Final = ("In", "NotIn", "Exists")
_NODE_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_SPREAD_BY: Final = ("node", "cloud", "site", "district", "provider", "zone")


def of_ask(ask: demand.Ask) -> str:
    """The first thing that is wrong with an Ask; empty where all is well."""
    return next(_of_ask(ask), "")


def of_demand(one: demand.Demand) -> str:
    """The first thing that is wrong with the numbers of a demand."""
    if not 0 <= one.replicas <= LARGEST_COUNT:
        return f"replicas: {one.replicas}: must be 0 to {LARGEST_COUNT}"
    for place, count in one.current.items():
        if count < 0:
            return f"current[{place}]: {count}: must not be below 0"
    return ""


def _of_ask(ask: demand.Ask) -> Iterator[str]:
    if not ask.variants:
        yield "variants: none: give at least one"
    names = [each.name for each in ask.variants]
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield f"variants: {name!r} is there twice: rename one"
    for variant in ask.variants:
        yield from _of_variant(variant)
    if ask.grade not in fleet.GRADES:
        yield f"dataGrade: {ask.grade!r}: must be one of {', '.join(fleet.GRADES)}"
    yield from _of_requirements("policy", ask.policy)
    yield from _of_requirements("placement.require", ask.require)
    for group in ask.groups:
        yield from _of_requirements(f"placement.groups[{group.name}].require", group.require)
    for preference in ask.prefer:
        yield from _of_requirements("placement.prefer.require", preference.require)
    for spread in ask.spread:
        yield from _of_spread(spread)
    yield from _of_numbers(ask)
    yield from _of_terms(ask)


def _of_numbers(ask: demand.Ask) -> Iterator[str]:
    for each in ask.topology_spread:
        if each.max_skew < 1:
            yield f"topologySpreadConstraints.maxSkew: {each.max_skew}: must be 1 or more"
    for target, weight in ask.weights:
        if weight < 0:
            yield f"placement.weights[{target}]: {weight}: must not be below 0"
    if ask.max_rtt_microseconds < 0:
        yield f"placement.maxRttMicroseconds: {ask.max_rtt_microseconds}: must not be below 0"


def _of_variant(variant: demand.Variant) -> Iterator[str]:
    for name, amount in variant.requests.items():
        if amount < 0:
            yield f"variants[{variant.name}].requests.{name}: {amount}: must not be below 0"
        if amount > _LARGEST_AMOUNT:
            yield f"variants[{variant.name}].requests.{name}: {amount}: no node can have more than 2^62"
    if not 0 <= variant.share_milli <= 1000:
        yield f"variants[{variant.name}].share_milli: {variant.share_milli}: must be 0 to 1000"
    if variant.share_milli and not variant.share_resource:
        yield f"variants[{variant.name}].share_resource: empty: name the resource that share_milli is a share of"
    if variant.quota is not None and variant.quota < 0:
        yield f"variants[{variant.name}].quota: {variant.quota}: must not be below 0"


def _of_requirements(field: str, wishes: Iterable[demand.Requirement]) -> Iterator[str]:
    for wish in wishes:
        if wish.operator not in _TARGET_OPERATORS:
            yield f"{field}[{wish.key}].operator: {wish.operator!r}: must be In, NotIn or Exists"


def _of_spread(spread: demand.Spread) -> Iterator[str]:
    if spread.by not in _SPREAD_BY:
        yield f"placement.spread.by: {spread.by!r}: must be one of {', '.join(_SPREAD_BY)}"
    for field, value in (
        ("maxSkew", spread.max_skew),
        ("minDomains", spread.min_domains),
        ("maxPerDomain", spread.max_per_domain),
    ):
        if value < 0:
            yield f"placement.spread[{spread.by}].{field}: {value}: must not be below 0"


def _of_terms(ask: demand.Ask) -> Iterator[str]:
    for term in ask.node_terms or ():
        for each in term:
            if each.operator not in _NODE_OPERATORS:
                known = ", ".join(_NODE_OPERATORS)
                yield f"nodeAffinity[{each.key}].operator: {each.operator!r}: must be one of {known}"
            elif each.operator in ("Gt", "Lt") and not _is_integer(each.values):
                yield f"nodeAffinity[{each.key}].values: {list(each.values)}: {each.operator} needs one integer"


def _is_integer(values: tuple[str, ...]) -> bool:
    return len(values) == 1 and demand.INTEGER.fullmatch(values[0]) is not None
