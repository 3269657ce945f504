"""What a Cloud's status says, from what was seen of it."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from tests import engine_fleets

from suanli_controller.api import cloud, fields
from suanli_controller.core import cloud_status, conditions
from suanli_controller.core.cloud_status import Finding, View

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
CLASSES = (fields.ClassCapacity(class_="amd64.intel.openeuler.none", nodes=2, ready_nodes=1),)
NODES = (engine_fleets.node("n1"), engine_fleets.node("n2", ready=False))
SILENT = Finding("Unknown", "Unreachable", "connection refused")


def item(status: cloud.CloudStatus | None = None) -> cloud.Cloud:
    whole: dict[str, Any] = {"metadata": {"name": "core", "generation": 2}, "spec": {"access": {"local": {}}}}
    made = msgspec.convert(whole, cloud.Cloud)
    return msgspec.structs.replace(made, status=status) if status else made


def known(**more: Any) -> View:
    return View(version="v1.36.3", nodes=NODES, classes=CLASSES, rtt_microseconds=900, **more)


def ready(status: cloud.CloudStatus) -> tuple[str, str]:
    condition = conditions.get(status.conditions, "Ready")
    assert condition is not None
    return condition.status, condition.reason


def test_a_cloud_that_answers_is_connected_and_counted() -> None:
    found = cloud_status.status_of(item(), known(), NOW)
    assert ready(found) == ("True", "Connected")
    assert (found.version, found.nodes, found.ready_nodes) == ("v1.36.3", 2, 1)
    assert (found.classes, found.observed_generation) == (list(CLASSES), 2)


def test_of_a_cloud_that_fell_silent_all_but_the_condition_stays() -> None:
    before = cloud_status.status_of(item(), known(), NOW)
    found = cloud_status.status_of(item(before), View(finding=SILENT), NOW)
    assert ready(found) == ("Unknown", "Unreachable")
    assert msgspec.structs.replace(found, conditions=before.conditions) == before


def test_a_second_look_at_the_same_writes_nothing() -> None:
    once = cloud_status.status_of(item(), known(), NOW)
    assert cloud_status.status_of(item(once), known(), NOW + dt.timedelta(hours=1)) == once


def test_nodes_under_profiles_that_differ_are_named_and_the_first_few_shown() -> None:
    nodes = [engine_fleets.node(f"n{number}", conflicts=("family a and b",)) for number in range(7)]
    found = cloud_status.status_of(item(), View(nodes=nodes, classes=()), NOW)
    assert ready(found) == ("True", "ProfilesConflict")
    (condition,) = found.conditions
    assert "n0: family a and b" in condition.message
    assert condition.message.endswith("and 2 more")


@pytest.mark.parametrize(("measured", "written"), [(1000, 900), (1079, 900), (1080, 1080), (720, 720), (721, 900)])
def test_a_round_trip_is_written_when_it_changed_by_a_fifth(measured: int, written: int) -> None:
    before = cloud_status.status_of(item(), known(), NOW)
    after = cloud_status.status_of(
        item(before), View(nodes=NODES, classes=CLASSES, rtt_microseconds=measured), NOW
    )
    assert after.network is not None
    assert after.network.rtt_microseconds == written


@pytest.mark.parametrize(
    ("version", "old"), [((1, 21), "1.22"), ((1, 22), ""), ((1, 36), ""), ((2, 0), ""), ((0, 0), "")]
)
def test_a_cloud_needs_server_side_apply(version: tuple[int, int], old: str) -> None:
    assert cloud_status.too_old(version) == old


@pytest.mark.parametrize(("version", "old"), [((1, 29), "1.30"), ((1, 30), ""), ((0, 0), "")])
def test_the_hub_needs_what_our_kinds_and_policies_are_made_of(version: tuple[int, int], old: str) -> None:
    assert cloud_status.too_old(version, is_hub=True) == old
