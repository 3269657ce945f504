"""What a person is told to look at."""

import msgspec
from tests.controller.dashboard import centre_rows

from suanli_controller.dashboard import alerts, rights
from suanli_controller.view import model

ALL = rights.Rights(totals=True, clouds=True, sites=True, algorithms=True, workloads=True)
DAY = 86_400
NOW = 1_800_000_000


def _found(*rows: model.Row, mine: rights.Rights = ALL) -> list[tuple[str, str, str]]:
    leader = centre_rows.leader_with([])
    for row in rows:
        leader.put(row)
    return [(a.severity, a.reason, a.subject) for a in alerts.of(centre_rows.replica_of(leader), mine, NOW)]


SILENT = model.Cloud(
    name="far",
    tier="District",
    ready=model.Condition(type="Ready", status="Unknown", reason="Unreachable", since=9),
)


def test_a_cloud_that_does_not_answer_is_critical() -> None:
    assert _found(SILENT) == [("critical", "CloudNotReady", "Cloud/far")]


def test_a_wall_screen_hears_of_it_without_the_name() -> None:
    assert _found(SILENT, mine=rights.Rights(totals=True)) == [("critical", "CloudNotReady", "")]


def test_credentials_warn_a_month_ahead_and_are_critical_for_the_last_three_days() -> None:
    cloud = model.Cloud(name="c", tier="District", credential_expires=NOW + 31 * DAY)
    soon = msgspec.structs.replace(cloud, credential_expires=NOW + 29 * DAY)
    last = msgspec.structs.replace(cloud, credential_expires=NOW + 2 * DAY)
    assert _found(cloud) == []
    assert _found(soon) == [("warning", "CredentialExpires", "Cloud/c")]
    assert _found(last) == [("critical", "CredentialExpires", "Cloud/c")]


def test_silent_boxes_are_counted_once_and_the_site_is_not_named_twice() -> None:
    ready = model.Condition(type="Ready", status="False", reason="BoxesNotReady")
    assert _found(model.Site(name="gate", boxes=5, ready_boxes=3, ready=ready)) == [
        ("warning", "BoxesNotReady", "EdgeSite/gate")
    ]


def test_a_class_is_full_at_95_percent_of_any_resource() -> None:
    def cloud(requested: int) -> model.Cloud:
        key = centre_rows.CLASSES[0]
        full = model.Capacity(key=key, nodes=1, allocatable={"cpu": 1000}, requested={"cpu": requested})
        return model.Cloud(name="c", tier="District", classes=(full,))

    assert _found(cloud(949)) == []
    assert _found(cloud(950)) == [("warning", "ClassFull", centre_rows.CLASSES[0])]


def test_replicas_without_a_place_are_told_to_those_who_may_see_the_workload() -> None:
    waiting = centre_rows.workload("team-b", "web", unplaced=2)
    assert _found(waiting) == [("warning", "ReplicasUnplaced", "ComputeWorkload/team-b/web")]
    assert _found(waiting, mine=rights.Rights(namespaces=frozenset({"team-a"}))) == []


def test_the_critical_come_first() -> None:
    expiring = model.Cloud(name="a1", tier="District", credential_expires=NOW + DAY * 20)
    assert [severity for severity, _, _ in _found(expiring, SILENT)] == ["critical", "warning"]
