"""What one person may see, and the rows cut down to it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from suanli_controller.dashboard import replica
from suanli_controller.view import model


@dataclass(frozen=True, slots=True)
class Rights:
    """`namespaces` are those whose workloads may be listed where `workloads`, all of them, is false."""

    totals: bool = False
    clouds: bool = False
    sites: bool = False
    algorithms: bool = False
    workloads: bool = False
    namespaces: frozenset[str] = frozenset()

    @property
    def totals_only(self) -> bool:
        """Sums by class, tier and district, and nothing that names a cloud, a site or a workload."""
        return not (self.clouds or self.sites or self.algorithms or self.workloads or self.namespaces)

    @property
    def everything(self) -> bool:
        return self.totals and self.clouds and self.sites and self.algorithms and self.workloads

    def may_see_target(self, target: str) -> bool:
        return self.clouds if target.startswith("Cloud/") else self.sites

    def may_see_namespace(self, namespace: str) -> bool:
        return self.workloads or namespace in self.namespaces


def clouds(held: replica.Replica, rights: Rights) -> list[model.Cloud]:
    return sorted(held.clouds.values(), key=lambda c: c.name) if rights.clouds else []


def sites(held: replica.Replica, rights: Rights) -> list[model.Site]:
    return sorted(held.sites.values(), key=lambda s: s.name) if rights.sites else []


def algorithms(held: replica.Replica, rights: Rights) -> list[model.Algorithm]:
    return sorted(held.algorithms.values(), key=lambda a: a.name) if rights.algorithms else []


def places(held: replica.Replica, rights: Rights) -> list[model.Cloud | model.Site]:
    return [*clouds(held, rights), *sites(held, rights)]


def workloads(held: replica.Replica, rights: Rights) -> Iterable[model.Workload]:
    """Whole, placements included: whoever may read the object reads them in its status too."""
    if rights.workloads:
        return held.workloads.values()
    return (w for w in held.workloads.values() if w.namespace in rights.namespaces)
