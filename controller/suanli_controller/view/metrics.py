"""What the stream counts of itself, and what the fleet holds, for Prometheus.

Labels are tiers, districts and hardware words, of which a city has few; never clouds, nodes or workloads.
"""

from collections.abc import Iterator

from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from suanli_controller.core import centre
from suanli_controller.view import board, model, rows

SUBSCRIBERS = Gauge("suanli_view_subscribers", "Dashboards that listen to the stream now.")
BYTES = Counter("suanli_view_sent_bytes", "Bytes of deltas and beats that were handed to subscribers.")

_LABELS = ("tier", "district", "architecture", "family", "os", "accelerator")


class Fleet(Collector):
    """The fleet's totals, added up when Prometheus asks; only while this replica leads."""

    def __init__(self, source: board.Board) -> None:
        self._board = source

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Be asked from now on."""
        registry.register(self)

    def unregister(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Be asked no more: a replica that no longer leads has nothing to say."""
        registry.unregister(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, each with one sample for each kind of hardware in each tier and district."""
        totals = centre.group(rows.holdings(self._places()), _LABELS)
        units = _family("compute_units", "Compute units of ready, schedulable nodes.", "kind")
        requested = _family("compute_units_requested", "Compute units that pods request.", "kind")
        nodes = _family("nodes", "Nodes, edge boxes included.")
        ready = _family("nodes_ready", "Nodes that are Ready.")
        for labels, amounts in totals.items():
            for family, found in ((units, amounts.units), (requested, amounts.requested_units)):
                family.add_metric([*labels, "general"], found.general_milli / 1000)
                family.add_metric([*labels, "intelligent"], found.intelligent_milli / 1000)
            nodes.add_metric(labels, amounts.nodes)
            ready.add_metric(labels, amounts.ready_nodes)
        yield from (units, requested, nodes, ready)
        yield from self._counts()

    def _counts(self) -> Iterator[GaugeMetricFamily]:
        tables = self._board.tables
        workloads = list(tables["workloads"].values())
        for name, text, value in (
            ("clouds", "Clouds.", len(tables["clouds"])),
            ("clouds_ready", "Clouds that are Ready.", sum(map(_is_ready, list(tables["clouds"].values())))),
            ("edge_sites", "Edge sites.", len(tables["sites"])),
            ("workloads", "ComputeWorkloads.", len(workloads)),
            ("workload_replicas", "Replicas that have a place.", sum(w.replicas for w in workloads)),
            ("workload_replicas_ready", "Replicas that are ready.", sum(w.ready_replicas for w in workloads)),
            (
                "workload_replicas_unplaced",
                "Replicas without a place.",
                sum(w.unplaced_replicas for w in workloads),
            ),
        ):
            yield GaugeMetricFamily(f"suanli_{name}", text, value=value)

    def _places(self) -> Iterator[model.Cloud | model.Site]:
        yield from list(self._board.tables["clouds"].values())  # copied: the loop goes on meanwhile
        yield from list(self._board.tables["sites"].values())


def _is_ready(cloud: model.Cloud) -> bool:
    return cloud.ready is not None and cloud.ready.status == "True"


def _family(name: str, text: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"suanli_{name}", text, labels=[*_LABELS, *more])
