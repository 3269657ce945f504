"""The benchmark's arithmetic: what it counts, when it stops its clocks, and how it compares."""

import pytest
from benchmarks.multicloud import meters, published
from benchmarks.multicloud.tracker import Tracker, quantile

KEY = ("office", "portal")

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",group="suanli.io",resource="computeworkloads",subresource="",verb="POST"} 500
apiserver_request_total{code="200",group="suanli.io",resource="computeworkloads",subresource="status",verb="PATCH"} 900
apiserver_request_total{code="409",group="suanli.io",resource="computeworkloads",subresource="status",verb="PATCH"} 100
apiserver_request_total{code="200",group="suanli.io",resource="computeworkloads",subresource="",verb="WATCH"} 7
apiserver_request_total{code="200",group="coordination.k8s.io",resource="leases",subresource="",verb="PUT"} 60
"""


def deployment(replicas: int, ready: int = 0, name: str = "portal-arm64") -> dict[str, object]:
    metadata = {"name": name, "annotations": {"suanli.io/workload": "office/portal"}}
    return {"metadata": metadata, "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}}


def tracked(replicas: int) -> Tracker:
    tracker = Tracker()
    tracker.expect(KEY, replicas).sent = 10.0
    return tracker


def test_refused_writes_count_and_reads_do_not() -> None:
    written = meters.writes(METRICS)
    assert written["PATCH computeworkloads/status"] == 1000
    assert not any(key.startswith("WATCH") for key in written)


def test_heartbeats_are_counted_apart() -> None:
    assert meters.counted(meters.writes(METRICS)) == 1500


def test_a_workload_is_spread_when_the_clouds_together_have_its_replicas() -> None:
    tracker = tracked(3)
    tracker.cloud_event("m1", "ADDED", deployment(2), 11.0)
    assert tracker.latencies("first") == [1.0]
    assert tracker.latencies("spread") == []
    tracker.cloud_event("m2", "ADDED", deployment(1), 12.0)
    assert tracker.latencies("spread") == [2.0]


def test_only_the_first_time_of_a_stage_counts() -> None:
    tracker = tracked(2)
    for moment in (11.0, 15.0):
        tracker.cloud_event("m1", "MODIFIED", deployment(2, ready=2), moment)
    assert tracker.latencies("ready") == [1.0]


def test_what_was_deleted_no_longer_counts() -> None:
    tracker = tracked(2)
    tracker.cloud_event("m1", "ADDED", deployment(1), 11.0)
    tracker.cloud_event("m1", "DELETED", deployment(1), 12.0)
    tracker.cloud_event("m2", "ADDED", deployment(1), 13.0)
    assert tracker.latencies("spread") == []


def test_other_peoples_deployments_are_not_ours() -> None:
    tracker = tracked(1)
    tracker.cloud_event("m1", "ADDED", {"metadata": {"name": "coredns"}, "spec": {"replicas": 1}}, 11.0)
    assert tracker.latencies("first") == []


def test_the_hub_has_told_when_its_status_has_all_replicas_ready() -> None:
    tracker = tracked(2)
    workload = {"metadata": {"namespace": "office", "name": "portal"}, "spec": {"replicas": 2}}
    tracker.hub_event("MODIFIED", {**workload, "status": {"readyReplicas": 1, "placements": [{}]}}, 11.0)
    assert tracker.latencies("placed") == [1.0]
    assert not tracker.all("told")
    tracker.hub_event("MODIFIED", {**workload, "status": {"readyReplicas": 2}}, 13.0)
    assert tracker.all("told")


def test_p99_of_few_values_is_the_largest() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0


def test_nothing_measured_is_an_error_and_not_a_figure() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_ratio_above_one_is_better_whichever_way_the_figure_runs() -> None:
    table = published.table({"cpu": 8.0, "rate": 35.0, "pending": 0.0})
    assert [line.split()[-2] for line in table.splitlines()[1:]] == ["10.0x", "10.0x", "all"]
