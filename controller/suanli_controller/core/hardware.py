"""From a Node to facts about its hardware: architecture, CPU family, system, instruction set, pages, accelerators.

A fact is worth placing by only when the cloud's own scheduler can be told to keep to it: so each fact carries the
node affinity terms that select it in that cloud. What only nodeInfo says is shown and never placed by.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from suanli_controller.api import cloud, core_v1, names
from suanli_controller.core import quantity, sources, vocabulary
from suanli_controller.core.demand import Expression
from suanli_controller.core.sources import (
    ACCELERATOR_MODEL,
    ARCHITECTURE,
    FAMILY,
    ISA_LEVEL,
    OS,
    PAGE_SIZE_KIB,
    Claim,
    Term,
    Terms,
)
from suanli_controller.core.vocabulary import isa_reaches

__all__ = [
    "ACCELERATOR_MODEL", "ARCHITECTURE", "FAMILY", "ISA_LEVEL", "OS", "PAGE_SIZE_KIB", "Expression", "Hardware",
    "NodeFacts", "Reader", "Term", "Terms", "isa_reaches", "node_facts",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a node is; "unknown", 0 or "" where nothing tells."""

    architecture: str = names.UNKNOWN
    family: str = names.UNKNOWN
    os: str = names.UNKNOWN
    isa_level: str = ""  # the highest that is certain
    page_size_kib: int = 0
    accelerator: str = ""  # resource of the accelerator that the node counts under: the first by name
    accelerator_model: str = ""
    accelerators: tuple[str, ...] = ()  # every extended resource that the node has, by name


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as the placement sees it.

    `target` is `Cloud/NAME` or `EdgeSite/NAME`. `allocatable` and `capacity` are in core units (cpu in millicores,
    all else in its base unit). `hardware` is what is shown, `placeable` the part of it that node affinity can say
    in that cloud, by `selectors` (fact name -> terms). Nodes that are alike share these objects.
    """

    name: str
    target: str
    labels: Mapping[str, str]
    taints: tuple[core_v1.Taint, ...]
    allocatable: Mapping[str, int]
    capacity: Mapping[str, int]
    ready: bool
    cordoned: bool
    hardware: Hardware
    placeable: Hardware
    class_name: str
    selectors: Mapping[str, Terms]
    conflicts: tuple[str, ...] = ()  # profiles that differ, in words


@dataclass(frozen=True, slots=True)
class _Sort:
    """All that nodes with the same labels and nodeInfo have in common."""

    hardware: Hardware
    placeable: Hardware
    class_name: str
    selectors: Mapping[str, Terms]
    conflicts: tuple[str, ...]


_MOST_RESOURCES: Final = (
    64  # of one node, as many as a class shows; a box may name thousands, each held fleet-wide
)
_KEPT: Final = 4096  # sorts; above it, the labels that a profile reads differ from node to node


class Reader:
    """Reads the nodes of one target; nodes that are alike are looked into once."""

    def __init__(self, target: str, profiles: Sequence[cloud.NodeProfile] = ()) -> None:
        self.target = target
        self._profiles = tuple(profiles)
        self._keys = {
            expression.key for each in profiles for expression in sources.expressions(each.selector)
        }  # labels that profiles read
        self._sorts: dict[object, _Sort] = {}

    def read(self, node: core_v1.Node) -> NodeFacts:
        """Raises QuantityError, with the node's name, where an amount is no quantity."""
        status = node.status
        capacity = _amounts(node, status.capacity or status.allocatable)
        sort = self._sort(node, _extended(capacity))
        return NodeFacts(
            name=node.metadata.name,
            target=self.target,
            labels=node.metadata.labels,
            taints=tuple(node.spec.taints),
            allocatable=_amounts(node, status.allocatable)
            if status.allocatable
            else capacity,  # the API's default
            capacity=capacity,
            ready=any(each.type == "Ready" and each.status == "True" for each in status.conditions),
            cordoned=node.spec.unschedulable,
            hardware=sort.hardware,
            placeable=sort.placeable,
            class_name=sort.class_name,
            selectors=sort.selectors,
            conflicts=sort.conflicts,
        )

    def _sort(self, node: core_v1.Node, extended: tuple[str, ...]) -> _Sort:
        labels = {
            key: value
            for key, value in node.metadata.labels.items()
            if key.startswith(sources.READ_PREFIXES) or key in self._keys
        }
        info = node.status.node_info
        key = (frozenset(labels.items()), info.architecture, info.os_image, info.kernel_version, extended)
        if key not in self._sorts:
            if len(self._sorts) >= _KEPT:
                self._sorts.clear()
            self._sorts[key] = _sort(labels, info, extended, self._profiles)
        return self._sorts[key]


def node_facts(node: core_v1.Node, target: str, profiles: Sequence[cloud.NodeProfile] = ()) -> NodeFacts:
    """The facts of one node. Raises QuantityError, with the node's name, where an amount is no quantity."""
    return Reader(target, profiles).read(node)


def _amounts(node: core_v1.Node, resources: Mapping[str, quantity.Raw]) -> dict[str, int]:
    """Of at most _MOST_RESOURCES, Kubernetes' own first."""
    if len(resources) > _MOST_RESOURCES:
        kept = sorted(resources, key=lambda resource: ("/" in resource, resource))[:_MOST_RESOURCES]
        resources = {resource: resources[resource] for resource in kept}
    try:
        return quantity.amounts(resources)
    except quantity.QuantityError as error:
        raise quantity.QuantityError(f"node {node.metadata.name}: {error}") from error


def _extended(capacity: Mapping[str, int]) -> tuple[str, ...]:
    """Extended resources that the node has: of a domain that is not Kubernetes' own."""
    return tuple(
        sorted(
            resource
            for resource, value in capacity.items()
            if value and "/" in resource and not resource.partition("/")[0].endswith("kubernetes.io")
        )
    )


def _sort(
    labels: Mapping[str, str],
    info: core_v1.NodeSystemInfo,
    extended: tuple[str, ...],
    profiles: Sequence[cloud.NodeProfile],
) -> _Sort:
    accelerator = next((each for each in extended if vocabulary.is_accelerator(each)), "")
    claims, conflicts = _claims(labels, info, accelerator, profiles)
    shown = {fact: given[0].value for fact, given in claims.items()}
    selectors = {fact: (term,) for fact, given in claims.items() if (term := _best(given).term)}
    hardware = _hardware(shown, accelerator, extended)
    placeable = {fact: value for fact, value in shown.items() if fact in selectors}
    return _Sort(
        hardware=hardware,
        placeable=_hardware(placeable, accelerator, extended),
        class_name=_class_name(hardware),
        selectors=selectors,
        conflicts=conflicts,
    )


def _claims(
    labels: Mapping[str, str],
    info: core_v1.NodeSystemInfo,
    accelerator: str,
    profiles: Sequence[cloud.NodeProfile],
) -> tuple[dict[str, list[Claim]], tuple[str, ...]]:
    """What is said of each fact, the source that goes first at the front; and where profiles differ, in words."""
    own, reported = list(sources.own_labels(labels)), list(sources.node_info(info))
    architecture = next((each.value for each in (*own, *reported) if each.fact == ARCHITECTURE), "")
    discovered = (*sources.nfd(labels, architecture), *sources.accelerator_labels(labels, accelerator))
    told = [each for each in (*own, *discovered) if _suits(each, architecture)]
    vouched, conflicts = _profile_claims(labels, profiles, architecture)
    certain = [_within_architecture(each, labels) for each in (*told, *vouched)]
    claims: dict[str, list[Claim]] = {}
    _file(claims, (*certain, *reported))

    def following(implied: Iterable[Claim]) -> Iterator[Claim]:
        """What profiles differ about stays unknown; the lowest level is certain all the same."""
        for each in implied:
            if each.fact not in conflicts or each.value in vocabulary.LOWEST_LEVELS:
                yield _unless_told(each, labels, profiles)

    if FAMILY in claims:
        _file(claims, following(sources.implied_by_family(_best(claims[FAMILY]))))
    _file(claims, sources.nfd_isa_level(labels, architecture))
    if ARCHITECTURE in claims:
        _file(claims, following(sources.implied_by_architecture(_best(claims[ARCHITECTURE]))))
    if not accelerator:
        claims.pop(ACCELERATOR_MODEL, None)
    return claims, (*conflicts.values(), *_contradicted(vouched, discovered))


def _file(claims: dict[str, list[Claim]], more: Iterable[Claim]) -> None:
    for each in more:
        claims.setdefault(each.fact, []).append(each)


def _best(given: Sequence[Claim]) -> Claim:
    """The claim that is shown, by the source that can select it where one can."""
    return next((each for each in given if each.term and each.value == given[0].value), given[0])


def _suits(claim: Claim, architecture: str) -> bool:
    """Whether a family or level can be of this architecture; what cannot is a label left over or a slip."""
    belongs = {FAMILY: vocabulary.architecture_of, ISA_LEVEL: vocabulary.architecture_of_isa}.get(claim.fact)
    return not belongs or not architecture or belongs(claim.value) in ("", architecture)


def _within_architecture(claim: Claim, labels: Mapping[str, str]) -> Claim:
    """Families and levels are believed only where they suit the architecture, so it is part of what selects them."""
    if claim.fact not in (FAMILY, ISA_LEVEL) or claim.term is None:
        return claim
    return replace(claim, term=(*claim.term, _as_labelled(names.ARCH_LABEL, labels)))


def _as_labelled(key: str, labels: Mapping[str, str]) -> Expression:
    return sources.is_in(key, labels[key]) if key in labels else Expression(key, "DoesNotExist")


def _profile_claims(
    labels: Mapping[str, str], profiles: Sequence[cloud.NodeProfile], architecture: str
) -> tuple[list[Claim], dict[str, str]]:
    """What the owner's profiles say of a node with these labels; facts of which they differ, with how, in words."""
    claims: list[Claim] = []
    conflicts: dict[str, str] = {}
    for fact in sources.OWN_LABELS:
        said = [
            (index, value)
            for index, profile in enumerate(profiles)
            if (value := sources.profile_facts(profile).get(fact)) and sources.selects(profile.selector, labels)
        ]
        if not said:
            continue
        claim = Claim(fact, said[0][1], _profile_term(labels, profiles, fact, said[0][0]))
        if len({value for _, value in said}) > 1:
            conflicts[fact] = _in_words(fact, said)
        elif not _suits(claim, architecture):
            conflicts[fact] = f"{_in_words(fact, said)} but the node is {architecture}"
        else:
            claims.append(claim)
    return claims, conflicts


def _contradicted(vouched: Iterable[Claim], discovered: Iterable[Claim]) -> Iterator[str]:
    """Where the cloud's own discovery says otherwise than a profile; what is discovered holds."""
    for claim, found in itertools.product(vouched, discovered):
        if claim.fact == found.fact and claim.fact in (FAMILY, OS) and claim.value != found.value:
            yield f"nodeProfiles say {claim.fact} {claim.value}, but the node's discovery labels {found.value}"


def _in_words(fact: str, said: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"nodeProfiles[{index}] says {fact} {value}" for index, value in said)


def _profile_term(labels: Mapping[str, str], profiles: Sequence[cloud.NodeProfile], fact: str, index: int) -> Term:
    """The nodes for which this profile decides `fact`: under it, under none that differs, without our own label."""
    selected = sources.expressions(profiles[index].selector)
    value = sources.profile_facts(profiles[index])[fact]
    return _apart(Claim(fact, value, selected), labels, profiles)


def _unless_told(claim: Claim, labels: Mapping[str, str], profiles: Sequence[cloud.NodeProfile]) -> Claim:
    """What follows from another fact, selected where neither a profile nor our own label says otherwise.

    An architecture's lowest level needs no such care, as whatever else is said is higher; nor does an architecture,
    which its label has told where there is one.
    """
    if claim.term is None or claim.fact == ARCHITECTURE or claim.value in vocabulary.LOWEST_LEVELS:
        return claim
    return replace(claim, term=_apart(claim, labels, profiles))


def _apart(claim: Claim, labels: Mapping[str, str], profiles: Sequence[cloud.NodeProfile]) -> Term:
    """The claim's term, off nodes under a profile that says otherwise, and off those that our own label tells."""
    fact, value, selected = claim.fact, claim.value, claim.term or ()
    others = (
        sources.outside(each.selector, labels)
        for each in profiles
        if sources.profile_facts(each).get(fact, value) != value
    )
    apart = {each for each in others if each and not _follows(each, selected)}
    return (*selected, *sorted(apart, key=repr), _as_labelled(sources.OWN_LABELS[fact], labels))


def _follows(expression: Expression, selected: Term) -> bool:
    """Whether `expression`, a NotIn, holds for all that `selected` means already."""
    return expression.operator == "NotIn" and any(
        each.key == expression.key and each.operator == "In" and not {*each.values} & {*expression.values}
        for each in selected
    )


def _hardware(facts: Mapping[str, str], accelerator: str, extended: tuple[str, ...]) -> Hardware:
    return Hardware(
        architecture=facts.get(ARCHITECTURE, names.UNKNOWN),
        family=facts.get(FAMILY, names.UNKNOWN),
        os=facts.get(OS, names.UNKNOWN),
        isa_level=facts.get(ISA_LEVEL, ""),
        page_size_kib=int(facts.get(PAGE_SIZE_KIB, 0)),
        accelerator=accelerator,
        accelerator_model=facts.get(ACCELERATOR_MODEL, ""),
        accelerators=extended,
    )


def _class_name(hardware: Hardware) -> str:
    accelerator = hardware.accelerator_model or hardware.accelerator.replace("/", "_") or names.NO_ACCELERATOR
    return f"{hardware.architecture}.{hardware.family}.{hardware.os}.{accelerator}"
