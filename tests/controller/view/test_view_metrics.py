"""What Prometheus is told, and that the Grafana dashboards ask for nothing else."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import CollectorRegistry
from tests.controller.dashboard import centre_rows

from suanli_controller.dashboard import metrics as dashboard_metrics
from suanli_controller.kube import metrics as kube_metrics
from suanli_controller.view import metrics, model

CHARTS = Path(__file__).parents[3] / "charts" / "grafana"


@pytest.fixture
def registry() -> CollectorRegistry:
    fleet = [
        model.Node(
            target="Cloud/a", name=f"n{i}", class_key=centre_rows.CLASSES[0], ready=i > 0,
            allocatable={"cpu": 4000, "huawei.com/Ascend910": 2}, capacity={"cpu": 4000}, requested={"cpu": 1000},
        )
        for i in range(3)
    ]  # fmt: skip
    found = CollectorRegistry()
    metrics.Fleet(centre_rows.leader_with(fleet)).register(found)
    return found


LABELS = {
    "tier": "Municipal",
    "district": "370811",
    "architecture": "arm64",
    "family": "kunpeng-920",
    "os": "openeuler",
    "accelerator": "ascend910b",
}


def test_units_are_told_by_kind_and_hardware(registry: CollectorRegistry) -> None:
    """Two ready nodes of 4 cores at 1 unit each, and 2 accelerators of 500 units each."""
    assert registry.get_sample_value("suanli_compute_units", {**LABELS, "kind": "general"}) == 8
    assert registry.get_sample_value("suanli_compute_units", {**LABELS, "kind": "intelligent"}) == 2000
    assert registry.get_sample_value("suanli_compute_units_requested", {**LABELS, "kind": "general"}) == 3
    assert registry.get_sample_value("suanli_nodes", LABELS) == 3
    assert registry.get_sample_value("suanli_nodes_ready", LABELS) == 2


def test_no_label_names_a_cloud_a_node_or_a_person(registry: CollectorRegistry) -> None:
    labels = {name for family in registry.collect() for sample in family.samples for name in sample.labels}
    assert labels <= {*LABELS, "kind"}


def test_the_grafana_dashboards_ask_for_metrics_that_exist(registry: CollectorRegistry) -> None:
    known = {sample.name for family in registry.collect() for sample in family.samples}
    for module in (kube_metrics, dashboard_metrics, metrics):
        for metric in vars(module).values():
            if isinstance(metric, MetricWrapperBase):
                known |= _sample_names(metric)
    for path in CHARTS.glob("*.json"):
        queries = [t["expr"] for panel in json.loads(path.read_text())["panels"] for t in panel["targets"]]
        asked = {name for query in queries for name in re.findall(r"suanli_\w+", query)}
        assert queries
        assert asked <= known, path.name


def _sample_names(metric: MetricWrapperBase) -> set[str]:
    names = set()
    for family in metric.describe():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names
