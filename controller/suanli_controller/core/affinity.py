"""The node affinity that binds a variant's pods to the nodes that the placement counted for it.

The target's own scheduler picks the node; these terms tell it the variant's whole constraint in that cluster's own
words: one term for each matching class of hardware, from the labels and profiles that say so there.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from suanli_controller.api import names
from suanli_controller.core import demand, fleet, hardware
from suanli_controller.core.fleet_facts import PLACE_KEYS


@dataclass(frozen=True, slots=True)
class Sort:
    """Nodes of one target that are alike in all that can be selected."""

    facts: hardware.Hardware  # the placeable part
    selectors: tuple[tuple[str, hardware.Terms], ...]  # fact -> the terms that select it, by name


class Sorts:
    """The distinct sorts among nodes that come, go and change."""

    def __init__(self) -> None:
        self._nodes: Counter[Sort] = Counter()
        self._all: tuple[Sort, ...] | None = ()

    @property
    def all(self) -> tuple[Sort, ...]:
        """In a stable order; the very same tuple while they stay the same."""
        if self._all is None:
            self._all = tuple(sorted(self._nodes, key=repr))
        return self._all

    def change(self, before: hardware.NodeFacts | None, after: hardware.NodeFacts | None) -> None:
        """A node came, is gone, or changed."""
        if before is not None and after is not None and _share_a_sort(before, after):
            return
        old, new = _sort(before), _sort(after)
        if new is not None:
            self._nodes[new] += 1
            self._all = None if self._nodes[new] == 1 else self._all
        if old is not None:
            self._nodes[old] -= 1
            if not self._nodes[old]:
                del self._nodes[old]
                self._all = None


def _share_a_sort(one: hardware.NodeFacts, other: hardware.NodeFacts) -> bool:
    """Nodes that are alike share these objects."""
    return one.placeable is other.placeable and one.selectors is other.selectors


def _sort(node: hardware.NodeFacts | None) -> Sort | None:
    return Sort(node.placeable, tuple(sorted(node.selectors.items()))) if node is not None else None


def node_terms(ask: demand.Ask, build: str, target: fleet.Target, sorts: Iterable[Sort]) -> hardware.Terms:
    """The node affinity terms for `ask`'s variant `build` in `target`; none where nothing has to be said.

    A DaemonSet's nodes are shared out: a sort that an earlier variant runs on is left to that one.
    """
    index = next(i for i, each in enumerate(ask.variants) if each.name == build)
    earlier = ask.variants[:index] if ask.kind is demand.Kind.DAEMON_SET else ()
    # what parts it from the earlier ones must be said, though it asks for less itself
    facts = _constrained_facts(ask.variants[index]).union(*map(_constrained_facts, earlier))
    own = _own_nodes(target)
    terms = {
        tuple(sorted({*own, *expressions}, key=repr)): None
        for sort in sorts
        if runs_on(ask.variants[index], sort.facts) and not any(runs_on(each, sort.facts) for each in earlier)
        for wish in _wishes(ask)
        for expressions in _alternatives(facts, wish, target, sort)
    }
    if () in terms:
        return ()
    return tuple(sorted(terms, key=repr))


def _wishes(ask: demand.Ask) -> Iterator[tuple[demand.Requirement, ...]]:
    """Each way to satisfy the placement: all of `require`, and all of one group."""
    for group in ask.groups or (demand.Group(""),):
        yield (*ask.policy, *ask.require, *group.require)


def _alternatives(
    constrained: frozenset[str], wish: tuple[demand.Requirement, ...], target: fleet.Target, sort: Sort
) -> Iterator[hardware.Term]:
    facts = set(constrained)
    labels: list[hardware.Expression] = []
    for each in wish:
        if each.key in _HARDWARE_KEYS:
            if not each.holds(_HARDWARE_KEYS[each.key](sort.facts)):
                return
            facts.add(each.key)
        elif each.key in PLACE_KEYS and (value := target.value(each.key)):
            if not each.holds(value):
                return
        elif each.key not in target.labels:
            labels.append(_label_expression(each))
        elif not each.holds(target.labels[each.key]):
            return
    known = dict(sort.selectors)
    # a fact that nothing selects cannot be asked for; the placement never counted on it either
    for chosen in itertools.product(*(known[fact] for fact in sorted(facts) if known.get(fact))):
        yield (*labels, *itertools.chain.from_iterable(chosen))


_HARDWARE_KEYS: Mapping[str, Any] = {
    hardware.ARCHITECTURE: lambda facts: facts.architecture,
    hardware.FAMILY: lambda facts: facts.family,
    hardware.OS: lambda facts: facts.os,
}


def _label_expression(wish: demand.Requirement) -> hardware.Expression:
    key = names.ZONE_LABEL if wish.key == "zone" else wish.key
    return hardware.Expression(key, wish.operator, wish.values)


def runs_on(build: demand.Variant, facts: hardware.Hardware) -> bool:
    """Whether hardware meets a build's requirements, amounts aside."""
    return (
        _allows(build.architectures, facts.architecture)
        and _allows(build.families, facts.family)
        and _allows(build.oses, facts.os)
        and _allows(build.page_sizes_kib, facts.page_size_kib)
        and (not build.min_isa_level or hardware.isa_reaches(facts.isa_level, build.min_isa_level))
        and (not build.accelerator or build.accelerator in facts.accelerators)
        and _allows(build.accelerator_models, facts.accelerator_model)
    )


def _allows(allowed: tuple[Any, ...], value: object) -> bool:
    return not allowed or value in allowed


def _constrained_facts(build: demand.Variant) -> frozenset[str]:
    asked = {
        hardware.ARCHITECTURE: build.architectures,
        hardware.FAMILY: build.families,
        hardware.OS: build.oses,
        hardware.ISA_LEVEL: build.min_isa_level,
        hardware.PAGE_SIZE_KIB: build.page_sizes_kib,
        hardware.ACCELERATOR_MODEL: build.accelerator_models,
    }
    return frozenset(fact for fact, value in asked.items() if value)


def _own_nodes(target: fleet.Target) -> hardware.Term:
    """In the hub's own cluster a site's boxes and ordinary nodes stand side by side."""
    kind, _, name = target.ref.partition("/")
    if kind == names.SITE_KIND:
        return (hardware.Expression(names.SITE_LABEL, "In", (name,)),)
    return (hardware.Expression(names.SITE_LABEL, "DoesNotExist"),) if target.local else ()
