"""The API over a real hub: every answer as documented, and to each what they may see."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi import checks

from suanli_centre import stage
from suanli_clusters import KWOK, SCHEDULER, Clusters, Options
from suanli_controller.view import board, model

CASES = 25  # for each route; the whole of it takes half a minute
PATIENCE = 120.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def city(clusters: Clusters) -> Iterator[stage.City]:
    options = Options(without=frozenset({KWOK, SCHEDULER}))
    with clusters.running("centre-api", options) as hub, stage.city(hub, clusters.folder) as shown:
        yield shown


def _get(city: stage.City, account: str, path: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {city.accounts.tokens[account]}"} if account else {}
    request = urllib.request.Request(f"{city.dashboard.url}/api/v1{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_every_answer_is_as_documented_whatever_is_asked(city: stage.City) -> None:
    """schemathesis: no 5xx, no undocumented code, type or field, for valid and for broken questions."""
    headers = {"Authorization": f"Bearer {city.accounts.tokens['suanli-operator']}"}
    schema = schemathesis.openapi.from_url(f"{city.dashboard.url}/api/v1/openapi.json", headers=headers)
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]  # a document of ours is valid
    # Signing in with made-up tokens is refused for a minute after ten of them: it has a test of its own.
    asked = [each for each in operations if each.path != "/api/v1/session"]
    for operation in asked:
        _ask(operation, headers)
    assert len(asked) > 15


def _ask(operation: Any, headers: dict[str, str]) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def one(case: Any) -> None:
        # It makes up a cookie beside our token, which is right to be answered; without either a test below asks.
        case.call_and_validate(headers=headers, excluded_checks=[checks.ignored_auth])

    one()


@pytest.mark.parametrize(
    "path",
    ["/centre", "/counts", "/capacity", "/clouds", "/sites", "/nodes", "/workloads", "/algorithms", "/alerts",
     "/history", "/export/nodes.csv", "/openapi.json"],
)  # fmt: skip
def test_nothing_is_answered_without_signing_in(city: stage.City, path: str) -> None:
    code, body = _get(city, "", path)
    assert (code, body["reason"]) == (401, "NotSignedIn")


# What each account gets of each path.
SEEN = [
    ("suanli-operator", "/clouds", 200), ("suanli-operator", "/nodes", 200), ("suanli-operator", "/history", 200),
    ("suanli-wall", "/capacity?by=class&by=tier&by=district", 200), ("suanli-wall", "/counts", 200),
    ("suanli-wall", "/history", 200), ("suanli-wall", "/alerts", 200), ("suanli-wall", "/clouds", 403),
    ("suanli-wall", "/clouds/jining-core", 403), ("suanli-wall", "/nodes", 403), ("suanli-wall", "/workloads", 403),
    ("suanli-wall", "/capacity?by=target", 403), ("suanli-wall", "/capacity?provider=huawei", 403),
    ("suanli-wall", "/capacity?q=jining", 403), ("suanli-wall", "/export/nodes.csv", 403),
    ("centre-team", "/workloads", 200), ("centre-team", "/workloads/city-vision/face-detect", 200),
    ("centre-team", "/workloads/llm/embedding", 403), ("centre-team", "/clouds", 403),
    ("centre-team", "/history", 403), ("centre-stranger", "/counts", 403),
]  # fmt: skip


@pytest.mark.parametrize(("account", "path", "code"), SEEN)
def test_what_one_may_see_is_what_one_may_read_on_the_hub(
    city: stage.City, account: str, path: str, code: int
) -> None:
    assert _get(city, account, path)[0] == code


def test_a_team_sees_its_namespace_alone(city: stage.City) -> None:
    _, body = _get(city, "centre-team", "/workloads")
    assert {row["namespace"] for row in body["items"]} == {"city-vision"}


def test_wrong_tokens_from_one_address_are_slowed_down(city: stage.City) -> None:
    codes = []
    for _ in range(12):
        request = urllib.request.Request(
            f"{city.dashboard.url}/api/v1/session", b'{"token":"wrong"}', {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=PATIENCE)
        codes.append(caught.value.code)
    assert (codes[0], codes[-1]) == (401, 429)


async def _first_frames(city: stage.City, account: str, count: int) -> list[dict[str, Any]]:
    """The first frames of one connection; a busy dashboard or hub is asked again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        frames = [frame async for frame in _frames(city, account, count)]
        if len(frames) == count:
            return frames
        assert time.monotonic() < deadline, f"{len(frames)} of {count} frames"
        await asyncio.sleep(1)


async def _frames(city: stage.City, account: str, count: int) -> AsyncIterator[dict[str, Any]]:
    """Up to `count` frames, fewer where the connection ends before."""
    async with aiohttp.ClientSession() as session, _live(session, city, account) as socket:
        for number in range(count):
            if number:
                _touch(city)
            message = await socket.receive(PATIENCE)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            yield json.loads(message.data)


def _touch(city: stage.City) -> None:
    """Change something, so that nobody has to wait for a beat."""

    def change(leader: board.Board) -> None:
        algorithm: model.Algorithm = leader.tables["algorithms"]["face-detect"]
        leader.put(msgspec.structs.replace(algorithm, replicas=algorithm.replicas + 1))

    city.leader.change(change)


def _live(session: aiohttp.ClientSession, city: stage.City, account: str, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {city.accounts.tokens[account]}", **headers}
    return session.ws_connect(city.dashboard.url.replace("http", "ws") + "/api/v1/live", headers=sent)


async def test_live_updates_begin_with_a_snapshot_and_go_on_by_number(city: stage.City) -> None:
    first, second = await _first_frames(city, "suanli-operator", 2)
    assert first["kind"] == "snapshot"
    assert second["sequence"] - first["sequence"] == (0 if second["kind"] == "beat" else 1)
    assert len(first["clouds"]) == 10


async def test_another_sites_page_gets_no_live_updates(city: stage.City) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await _live(session, city, "suanli-operator", Origin="https://evil.example")
    assert refused.value.status == 403


def test_the_totals_of_the_stage_are_the_sums_over_its_nodes(city: stage.City) -> None:
    _, totals = _get(city, "suanli-operator", "/capacity")
    nodes: list[Any] = []
    while len(nodes) < totals["items"][0]["nodes"]:
        nodes += _get(city, "suanli-operator", f"/nodes?limit=500&offset={len(nodes)}")[1]["items"]
    (whole,) = totals["items"]
    assert whole["readyNodes"] == sum(node["ready"] for node in nodes)
    assert whole["requested"]["cpu"] == sum(node["requested"].get("cpu", 0) for node in nodes)
    assert whole["allocatable"]["memory"] == sum(
        node["allocatable"]["memory"] for node in nodes if node["ready"] and not node["cordoned"]
    )
