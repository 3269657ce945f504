"""CSV, the page's files, and the page's own types against the API's."""

import re
from pathlib import Path

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import FileResponse

from suanli_controller.dashboard import answers, export, static
from suanli_controller.view import model

PAGE = Path(__file__).parents[3] / "controller" / "page" / "src"


async def _csv(columns: tuple[str, ...], *parts: list[tuple[object, ...]]) -> list[str]:
    return [chunk async for chunk in export.lines(columns, parts)]


async def test_csv_comes_in_chunks_with_its_header_once() -> None:
    chunks = await _csv(("name", "nodes"), [("n0", 0), ("n1", 1)], [("n2", 2)])
    assert chunks == ["\ufeffname,nodes\r\n", "n0,0\r\nn1,1\r\n", "n2,2\r\n"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1"])
async def test_a_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    """An OS image comes from the box itself."""
    assert (await _csv(("os",), [(text,)]))[-1] == f"'{text}\r\n"


def test_a_node_has_a_value_for_every_column() -> None:
    row = export.node_row(model.Node(target="Cloud/a", name="n", class_key="arm64.kunpeng-920.openeuler.none"))
    assert len(row) == len(export.NODE_COLUMNS)


def _request(**headers: str) -> Request:
    return Request({"type": "http", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]})


@pytest.fixture
def site(tmp_path: Path) -> static.Site:
    (tmp_path / "assets").mkdir()
    for name in ("index.html", "assets/app-1.js", "assets/app-1.js.br", "assets/app-1.js.gz"):
        (tmp_path / name).write_text(name)
    (tmp_path.parent / "secret.txt").write_text("secret")
    return static.Site(tmp_path)


@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None)]
)
def test_the_best_encoding_is_sent(site: static.Site, accepted: str, encoding: str | None) -> None:
    answer = site.answer(_request(**{"accept-encoding": accepted}), "assets/app-1.js")
    assert answer.headers.get("content-encoding") == encoding
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("path", ["", "nodes", "workloads/a/b", "../secret.txt", "assets/../../secret.txt"])
def test_every_other_path_is_the_page_itself_and_never_a_file_outside(site: static.Site, path: str) -> None:
    answer = site.answer(_request(), path)
    assert isinstance(answer, FileResponse)
    assert str(answer.path).endswith("index.html")
    assert answer.headers["cache-control"] == "no-cache"


def test_a_page_that_was_not_built_is_said_plainly(tmp_path: Path) -> None:
    answer = static.Site(tmp_path).answer(_request(), "")
    assert (answer.status_code, answer.body) == (503, b"the page has not been built: run `make page`\n")


def test_the_policy_allows_no_eval_and_nothing_inline() -> None:
    assert "unsafe" not in static.CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in static.CONTENT_SECURITY_POLICY


def _page_types() -> dict[str, set[str]]:
    text = (PAGE / "model.ts").read_text()
    found = re.findall(r"export interface (\w+)[^{]*\{([^}]*)\}", text)
    return {name: set(re.findall(r"^\s+(\w+)\??:", body, re.MULTILINE)) for name, body in found}


def _api_types() -> dict[str, set[str]]:
    types = [answers.LiveSnapshot, answers.LiveDelta, answers.LiveBeat, answers.Session, answers.History,
             answers.Nodes, answers.Workloads, answers.Problem]  # fmt: skip
    _, schemas = msgspec.json.schema_components(types)
    return {name: set(schema.get("properties", ())) for name, schema in schemas.items()}


def test_the_pages_types_are_the_apis_field_by_field() -> None:
    page, api = _page_types(), _api_types()
    shared = sorted(page.keys() & api.keys())
    assert len(shared) > 25
    assert {name: page[name] for name in shared} == {name: api[name] for name in shared}


def test_every_reason_that_the_hub_gives_is_translated() -> None:
    from suanli_controller.api import names  # noqa: PLC0415

    words = set(re.findall(r"^\s+(\w+):", (PAGE / "text" / "zh.ts").read_text(), re.MULTILINE))
    assert set(names.NODE_REASONS) <= words
