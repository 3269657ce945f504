"""What each cluster is told to have of a workload."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from suanli_controller.api import meta, workload
from suanli_controller.core import intent
from suanli_controller.core.workload_status import Seen
from suanli_controller.reconcile import carrier, city, observation, wishes
from suanli_controller.reconcile.record import Record


@dataclasses.dataclass
class There:
    """Stands in for cluster.Cluster: one of our Deployments, on ordinary nodes or at a site."""

    site: str = ""

    def seen(self, _uid: str) -> Iterator[tuple[str, str, Seen]]:
        yield self.site, "default", Seen(replicas=3, ready=3)


@dataclasses.dataclass
class Carrier:
    """Stands in for carrier.Carrier: remembers what it was told."""

    there: There
    told: carrier.Wants | None = None

    def concerns(self, _uid: str) -> bool:
        return True

    def want(self, _uid: str, wants: carrier.Wants) -> None:
        self.told = wants


@dataclasses.dataclass
class City:
    """Stands in for city.City: the hub and no target."""

    carriers: dict[str, Carrier]
    local: str = ""
    targets: dict[str, Any] = dataclasses.field(default_factory=dict)
    references: dict[str, Any] = dataclasses.field(default_factory=dict)


def handed_out(here: Any) -> frozenset[Any]:
    """The keys that the hub's carrier leaves alone, of a workload that has a place nowhere."""
    spec = workload.ComputeWorkloadSpec(type="Deployment", template={})
    item = workload.ComputeWorkload(metadata=meta.ObjectMeta(name="app", namespace="a", uid="u"), spec=spec)
    wishes.hand_out(here, Record("a/app", item, given=intent.Intent()))
    told: carrier.Wants | None = here.carriers[city.HUB].told
    assert told is not None
    assert told.objects == ()
    return told.kept


def test_what_an_orphaning_local_cloud_left_on_the_hub_stays() -> None:
    here: Any = City({city.HUB: Carrier(There())})
    assert handed_out(here) == {("Deployment", "a", "app-default")}
    assert observation.seen(here, "u") == {}


def test_what_a_local_cloud_has_too_much_goes() -> None:
    assert handed_out(City({city.HUB: Carrier(There())}, local="Cloud/here")) == frozenset()


def test_what_stands_at_a_site_that_is_gone_goes() -> None:
    assert handed_out(City({city.HUB: Carrier(There(site="north"))})) == frozenset()
