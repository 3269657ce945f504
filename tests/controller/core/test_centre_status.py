"""What ComputeCentre and Algorithm say of the city."""

import datetime as dt

import pytest

from suanli_controller.api import algorithm, centre, cloud, fields, meta, site, workload
from suanli_controller.core import algorithm_status, centre_status

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
READY = meta.Condition(type="Ready", status="True", reason="Connected")
SPEC = centre.ComputeCentreSpec(
    unit_table=centre.UnitTable(
        version="1",
        families=[centre.FamilyUnits("kunpeng-920", 1000)],
        accelerators=[
            centre.AcceleratorUnits("huawei.com/Ascend910", milli_units=500_000, gigaflops_fp16=256_000)
        ],
    ),
    domestic=centre.Domestic(["kunpeng-920"], ["openeuler"]),
)


def _centre() -> centre.ComputeCentre:
    return centre.ComputeCentre(metadata=meta.ObjectMeta(name="centre", generation=3), spec=SPEC)


def _class(key: str, cpu: str, **more: str) -> fields.ClassCapacity:
    amounts = {"cpu": cpu, **more}
    return fields.ClassCapacity(key, 1, 1, allocatable=amounts, capacity=amounts)


def _cloud(
    name: str, tier: fields.Tier, district: str, *classes: fields.ClassCapacity, ready: bool = True
) -> cloud.Cloud:
    return cloud.Cloud(
        metadata=meta.ObjectMeta(name=name),
        spec=cloud.CloudSpec(tier=tier, district=district),
        status=cloud.CloudStatus(conditions=[READY] if ready else [], classes=list(classes)),
    )


def _site(name: str, *classes: fields.ClassCapacity) -> site.EdgeSite:
    return site.EdgeSite(
        metadata=meta.ObjectMeta(name=name),
        spec=site.EdgeSiteSpec(district="370811"),
        status=site.EdgeSiteStatus(boxes=2, classes=list(classes)),
    )


CLOUDS = [
    _cloud("core", "Municipal", "370811", _class("arm64.kunpeng-920.openeuler.none", "96")),
    _cloud("far", "District", "370812", _class("amd64.intel.ubuntu.none", "32"), ready=False),
]
SITES = [_site("gate", _class("arm64.kunpeng-920.openeuler.none", "4", **{"huawei.com/Ascend910": "1"}))]


def test_totals_by_tier_and_district_are_of_clouds_and_sites() -> None:
    status = centre_status.status_of(_centre(), CLOUDS, SITES, NOW)
    assert {each.tier: each.milli_units for each in status.tiers} == {
        "Municipal": 96_000,
        "District": 0,
        "Edge": 504_000,
    }
    assert {each.code: each.milli_units for each in status.districts} == {"370811": 600_000, "370812": 0}
    assert (status.clouds, status.ready_clouds, status.sites, status.boxes) == (2, 1, 1, 2)


def test_classes_of_all_places_are_summed() -> None:
    status = centre_status.status_of(_centre(), CLOUDS, SITES, NOW)
    kunpeng = next(each for each in status.classes if each.class_.startswith("arm64"))
    assert (kunpeng.nodes, kunpeng.allocatable["cpu"], kunpeng.milli_units) == (2, "100", 600_000)


def test_domestic_share_is_by_compute_units() -> None:
    """Only what the table counts has weight; here all of it is domestic."""
    assert centre_status.status_of(_centre(), CLOUDS, SITES, NOW).domestic_permille == 1000


def test_the_same_places_give_the_same_status_and_no_write() -> None:
    item = _centre()
    first = centre_status.status_of(item, CLOUDS, SITES, NOW)
    item = centre.ComputeCentre(metadata=item.metadata, spec=item.spec, status=first)
    assert centre_status.status_of(item, CLOUDS[::-1], SITES, NOW + dt.timedelta(hours=1)) == first


def test_a_status_that_cannot_be_read_is_named_and_the_rest_is_counted() -> None:
    broken = _cloud("odd", "District", "370812", _class("amd64.intel.ubuntu.none", "many"))
    status = centre_status.status_of(_centre(), [*CLOUDS, broken], SITES, NOW)
    assert status.conditions[0].status == "False"
    assert "Cloud/odd" in status.conditions[0].message
    assert status.tiers


def _algorithm(*versions: algorithm.AlgorithmVersion) -> algorithm.Algorithm:
    return algorithm.Algorithm(
        metadata=meta.ObjectMeta(name="face"), spec=algorithm.AlgorithmSpec(versions=list(versions))
    )


def test_an_algorithm_counts_workloads_and_their_replicas() -> None:
    users = [
        workload.ComputeWorkload(
            metadata=meta.ObjectMeta(name=str(n)), status=workload.ComputeWorkloadStatus(replicas=n)
        )
        for n in (3, 4)
    ]
    status = algorithm_status.status_of(_algorithm(algorithm.AlgorithmVersion("1")), users, NOW)
    assert (status.workloads, status.replicas, status.conditions[0].status) == (2, 7, "True")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (_algorithm(), "NoVersions"),
        (
            _algorithm(
                algorithm.AlgorithmVersion(
                    "1", throughput=[algorithm.Throughput(class_="arm64", per_replica=1, unit="images/s")]
                )
            ),
            "UnknownClass",
        ),
    ],
)
def test_an_algorithm_that_cannot_be_used_says_why(item: algorithm.Algorithm, reason: str) -> None:
    ready = algorithm_status.status_of(item, [], NOW).conditions[0]
    assert (ready.status, ready.reason) == ("False", reason)
    assert "spec.versions" in ready.message
