"""Samples: bounded, thinned to what a chart shows, and lost without harm."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.controller.dashboard import centre_rows

from suanli_controller.dashboard import answers, history, prometheus
from suanli_controller.view import model

NOW = 1_800_000_000


def _sample(at: int, key: str = "") -> answers.Sample:
    return answers.Sample(
        at=at, key=key, general_milli=at, general_requested_milli=1, intelligent_milli=2,
        intelligent_requested_milli=3, nodes=4, ready_nodes=5,
    )  # fmt: skip


def _fill(store: history.Store, since: int, until: int) -> None:
    for at in range(since, until, 30):
        store.add({"total": [_sample(at)]}, at)


def test_a_chart_gets_no_more_points_than_it_can_show() -> None:
    store = history.Store(None)
    _fill(store, NOW - 86_400, NOW)
    answer = store.read("total", NOW - 86_400, NOW)
    assert 200 <= len(answer.items) <= 301
    assert {b.at - a.at for a, b in zip(answer.items, answer.items[1:], strict=False)} == {answer.step_seconds}


def test_the_last_hour_comes_in_the_finest_step() -> None:
    store = history.Store(None)
    _fill(store, NOW - 3600, NOW)
    assert store.read("total", NOW - 3600, NOW).step_seconds == 30


def test_what_is_older_than_its_step_is_kept_goes() -> None:
    store = history.Store(None)
    store.add({"total": [_sample(NOW - 90_000)]}, NOW - 90_000)
    store.add({"total": [_sample(NOW)]}, NOW)
    assert len(store.read("total", NOW - 86_400, NOW).items) == 1
    coarse = store.read("total", NOW - 7 * 86_400, NOW).items
    assert len(coarse) == 2


def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"this is no database, and far longer than a header" * 20)
    store = history.Store(path)
    store.add({"total": [_sample(NOW)]}, NOW)
    assert len(store.read("total", NOW - 60, NOW).items) == 1
    assert len(list(tmp_path.glob("history.broken-*"))) == 1


def test_history_survives_a_restart(tmp_path: Path) -> None:
    store = history.Store(tmp_path / "history.sqlite")
    store.add({"tier": [_sample(NOW, "Edge")]}, NOW)
    store.close()
    assert history.Store(tmp_path / "history.sqlite").read("tier", NOW - 60, NOW).items[0].key == "Edge"


def test_one_sample_is_taken_of_each_value_of_each_dimension() -> None:
    fleet = [
        model.Node(target="Cloud/a", name="n", class_key=centre_rows.CLASSES[0], ready=True),
        model.Node(target="EdgeSite/s", name="n", class_key=centre_rows.CLASSES[1], ready=True),
    ]
    held = centre_rows.replica_of(centre_rows.leader_with(fleet))
    samples = history.samples_of(held, NOW)
    assert {by: sorted(s.key for s in found) for by, found in samples.items()} == {
        "total": [""],
        "tier": ["Edge", "Municipal"],
        "architecture": ["arm64"],
        "family": ["kunpeng-920", "phytium-s2500"],
        "accelerator": ["ascend910b", "none"],
        "district": ["370811"],
    }


async def test_a_prometheus_that_is_not_there_is_an_error_that_says_so() -> None:
    with pytest.raises(prometheus.PrometheusError, match=r"http://127.0.0.1:1/api/v1/query_range"):
        await prometheus.Prometheus("http://127.0.0.1:1").read("total", NOW - 60, NOW)


async def test_a_sample_that_cannot_be_kept_does_not_end_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    store, held = history.Store(None), centre_rows.replica_of(centre_rows.leader_with([]))
    tried, again = 0, asyncio.Event()

    def samples_of(*_: object) -> dict[str, list[answers.Sample]]:
        nonlocal tried
        tried += 1
        if tried > 1:
            again.set()
        return {"total": [msgspec.structs.replace(_sample(NOW), general_milli=2**64)]}  # beyond SQLite's integers

    monkeypatch.setattr(history, "samples_of", samples_of)
    recording = asyncio.create_task(history.record(store, held, lambda: NOW - 0.01))
    async with asyncio.timeout(10):
        await again.wait()
    recording.cancel()
    assert store.read("total", 0, NOW).items == []
