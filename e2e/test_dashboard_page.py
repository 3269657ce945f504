"""The page in a real Chromium, over the real dashboard, stream and hub, and a generated city."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    ViewportSize,
    expect,
    sync_playwright,
)

from suanli_centre import browser, stage
from suanli_clusters import KWOK, SCHEDULER, Clusters, Options, until
from suanli_controller.view import board, model

AXE = Path(__file__).parents[1] / "controller" / "page" / "node_modules" / "axe-core" / "axe.min.js"
PATHS = (
    "/", "/clouds", "/clouds/jining-core", "/sites", "/sites/weishan-ferries", "/nodes", "/workloads",
    "/workloads/llm/nightly-train", "/algorithms", "/alerts", "/wall", "/no-such-page",
)  # fmt: skip
HEADINGS = {
    "en": {"/clouds": "Clouds", "/nodes": "Nodes", "/workloads": "Workloads", "/algorithms": "Algorithms"},
    "zh": {"/clouds": "云", "/nodes": "节点", "/workloads": "工作负载", "/algorithms": "算法"},
}
DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SECONDS = 1000.0  # Playwright counts in milliseconds
PATIENCE = 90 * SECONDS  # on a busy machine; what must be quick is measured in benchmarks/
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def city(clusters: Clusters) -> Iterator[stage.City]:
    options = Options(without=frozenset({KWOK, SCHEDULER}))
    with clusters.running("centre", options) as hub, stage.city(hub, clusters.folder) as shown:
        yield shown


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = _launch(playwright)
        yield opened
        opened.close()


def _launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=browser.chromium(), args=["--no-sandbox"])


class Troubles:
    """What pages said of errors: scripts that fail and policies that are broken."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _console(self, message: ConsoleMessage) -> None:
        # A refused request and a lost connection are what some tests are about.
        expected = "Failed to load resource" in message.text or "WebSocket" in message.text
        if message.type == "error" and not expected:
            self.said.append(message.text)


Open = Callable[..., Page]


@contextlib.contextmanager
def _opener(chromium: Browser, city: stage.City) -> Iterator[Open]:
    """`open_page(account, path, language=, **context)`: a page of a fresh browser that has signed in."""
    contexts: list[BrowserContext] = []
    troubles = Troubles()

    def start(account: str = "suanli-operator", path: str = "/", *, language: str = "en", **options: Any) -> Page:
        options = {"viewport": DESK, **options}
        contexts.append(chromium.new_context(locale={"en": "en-GB", "zh": "zh-CN"}[language], **options))
        if account:
            contexts[-1].add_cookies([city.cookie(account)])  # type: ignore[list-item]
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        troubles.watch(page)
        page.goto(city.dashboard.url + path)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not troubles.said


@pytest.fixture
def open_page(chromium: Browser, city: stage.City) -> Iterator[Open]:
    with _opener(chromium, city) as start:
        yield start


@pytest.fixture(scope="module")
def tabs(chromium: Browser, city: stage.City) -> Iterator[dict[str, Page]]:
    """An operator's page in each language, by which one goes from address to address."""
    with _opener(chromium, city) as start:
        yield {
            "en": start(language="en", color_scheme="light"),
            "zh": start(language="zh", color_scheme="dark"),
        }


@dataclass(frozen=True)
class View:
    path: str
    language: str
    page: Page


@pytest.fixture(scope="module", params=[f"{path} {language}" for path in PATHS for language in ("en", "zh")])
def view(request: pytest.FixtureRequest, tabs: dict[str, Page], city: stage.City) -> View:
    """Every address, light in English and dark in Chinese, loaded once for all that is asked of it."""
    path, language = request.param.split()
    page = tabs[language]
    page.goto(city.dashboard.url + path)
    expect(page.locator("main")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    return View(path, language, page)


# --- signing in


def test_a_link_with_a_token_signs_in_and_leaves_the_address(open_page: Open, city: stage.City) -> None:
    page = open_page("")
    page.goto(city.link("suanli-operator", "/"))
    page.reload()
    expect(page.locator(".top .who")).to_have_text("suanli-system:suanli-operator")
    assert "token" not in page.url


def test_nobody_is_shown_anything_without_signing_in(open_page: Open) -> None:
    page = open_page("", "/nodes")
    expect(page.get_by_role("heading", name="Sign in to the centre")).to_be_visible()
    assert "jining" not in page.content()


def test_a_wrong_token_is_refused_in_words(open_page: Open) -> None:
    page = open_page("", "/")
    page.get_by_label("Token").fill("not-a-token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("does not know this token")


def test_an_account_without_rights_is_told_which_it_needs(open_page: Open, city: stage.City) -> None:
    page = open_page("", "/")
    page.get_by_label("Token").fill(city.accounts.tokens["centre-stranger"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("computecentres")


def test_signing_in_by_hand_and_out_again(open_page: Open, city: stage.City) -> None:
    page = open_page("", "/clouds")
    page.get_by_label("Token").fill(city.accounts.tokens["suanli-operator"])
    page.get_by_label("Token").press("Enter")
    expect(page.get_by_role("heading", name="Clouds 10")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to the centre")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in to the centre")).to_be_visible()


def test_no_script_can_read_the_session(open_page: Open) -> None:
    page = open_page()
    assert page.evaluate("document.cookie") == ""
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


# --- what is shown, and to whom


def test_every_page_in_both_languages(view: View) -> None:
    page = view.page
    if heading := HEADINGS[view.language].get(view.path):
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[view.language]
    assert not re.search(r"\{\w+\}|undefined|NaN|\[object", page.locator("body").inner_text())
    if view.language == "en":
        assert not re.search("[\u4e00-\u9fff]", page.locator("main").inner_text())


def test_axe_finds_nothing_serious(view: View) -> None:
    assert _serious(view.page) == []


def _serious(page: Page) -> list[tuple[str, list[str]]]:
    page.evaluate(AXE.read_text())  # by the debugger, which the page's own policy does not bind
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        (each["id"], [node["html"][:160] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def test_every_page_but_the_wall_shows_its_kubectl_command(view: View) -> None:
    if view.path not in ("/wall", "/no-such-page"):
        expect(view.page.locator(".kubectl code").last).to_contain_text("kubectl ")


def test_a_phone_needs_no_sideways_scrolling(view: View) -> None:
    view.page.set_viewport_size(PHONE)
    try:
        view.page.wait_for_function(f"document.documentElement.scrollWidth <= {PHONE['width']}")
    finally:
        view.page.set_viewport_size(DESK)


def test_the_sign_in_page_passes_axe_and_stays_in_its_card(open_page: Open) -> None:
    page = open_page("", "/")
    expect(page.get_by_label("Token")).to_be_visible()
    assert _serious(page) == []
    assert page.evaluate("(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(document.forms[0])") <= 0


def test_two_accounts_see_different_things(open_page: Open) -> None:
    operator = open_page(path="/workloads")
    expect(operator.get_by_role("heading", name="Workloads 11")).to_be_visible()
    team = open_page("centre-team", "/workloads")
    expect(team.get_by_role("heading", name="Workloads 3")).to_be_visible()
    expect(team.get_by_role("link", name="Clouds")).to_have_count(0)
    assert "gov-portal" not in team.content()


def test_the_walls_account_sees_totals_and_no_names(open_page: Open) -> None:
    page = open_page("suanli-wall", "/wall", viewport={"width": 1920, "height": 1080})
    expect(page.locator(".wall .hero .big").first).to_be_visible()
    text = page.locator("body").inner_text()
    assert "30,8" in text  # general compute units of the whole city
    assert not re.search("jining-core|liangshan|face-detect", text)


@pytest.fixture(scope="module", params=["en", "zh"])
def wall(request: pytest.FixtureRequest, chromium: Browser, city: stage.City) -> Iterator[Page]:
    with _opener(chromium, city) as start:
        page = start("suanli-wall", "/wall", language=request.param)
        expect(page.locator(".wall .strata li").first).to_be_visible()
        yield page


CUT = """[...document.querySelectorAll('.wall .panel, .wall .hero, .wall .column')]
    .filter(e => e.scrollHeight > e.clientHeight + 2 || e.getBoundingClientRect().bottom > innerHeight + 1)
    .map(e => e.className)"""


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (2560, 1440), (3840, 2160)])
def test_a_wall_screen_shows_everything_without_scrolling(wall: Page, width: int, height: int) -> None:
    wall.set_viewport_size({"width": width, "height": height})
    wall.wait_for_function(
        f"document.documentElement.scrollWidth == {width} && document.documentElement.scrollHeight == {height}"
    )
    wall.wait_for_function(f"({CUT}).length == 0")


# --- filter, sort, address, keyboard


def test_filters_and_order_stand_in_the_address_and_come_back_with_it(open_page: Open) -> None:
    page = open_page(path="/nodes")
    page.get_by_label("Processor").select_option("phytium-s2500")
    expect(page.get_by_role("heading", name="Nodes 50")).to_be_visible()
    page.get_by_role("button", name="CPU").click()
    expect(page).to_have_url(re.compile("family=phytium-s2500.*sort=cpuFree"))
    again = page.context.new_page()
    again.goto(page.url)
    expect(again.get_by_role("heading", name="Nodes 50")).to_be_visible()
    expect(again.get_by_label("Processor")).to_have_value("phytium-s2500")
    expect(again.locator("th", has_text="CPU")).to_have_attribute("aria-sort", "ascending")


def test_search_narrows_and_clearing_brings_all_back(open_page: Open) -> None:
    page = open_page(path="/nodes")
    page.get_by_label("Search").fill("north-gate")
    expect(page.get_by_role("heading", name="Nodes 14")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("heading", name="Nodes 479")).to_be_visible()


def test_nothing_found_is_said(open_page: Open) -> None:
    page = open_page(path="/nodes?q=there-is-no-such-node")
    expect(page.get_by_text("No row matches these filters.")).to_be_visible()


def test_what_cannot_be_read_is_said_and_tried_again(open_page: Open) -> None:
    page = open_page()
    page.route("**/api/v1/nodes?*", lambda route: route.abort())
    page.get_by_role("link", name="Nodes", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    page.unroute("**/api/v1/nodes?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Nodes 479")).to_be_visible()


def test_pages_turn(open_page: Open) -> None:
    page = open_page(path="/nodes")
    expect(page.get_by_text("1–50 of 479")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("51–100 of 479")).to_be_visible()
    expect(page).to_have_url(re.compile("offset=50"))


def test_clouds_sort_by_use_both_ways(open_page: Open) -> None:
    page = open_page(path="/clouds")
    head = page.get_by_role("button", name="Nodes")
    names = page.locator("tbody tr td:first-child")
    head.click()
    first = names.first.inner_text()
    head.click()
    expect(names.last).to_have_text(first)


def test_the_keyboard_reaches_everything(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Nodes", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/nodes$"))
    page.go_back()
    page.get_by_role("link", name=re.compile("^Qufu")).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/nodes.district=370881$"))


def test_a_workload_says_where_it_runs_and_why_not_elsewhere(open_page: Open) -> None:
    page = open_page(path="/workloads/llm/nightly-train")
    why = page.locator(".reasons")
    expect(why).to_contain_text("Clearance too low")
    expect(why).to_contain_text("186 nodes")
    expect(page.locator(".kubectl code")).to_contain_text("kubectl get computeworkload -n llm nightly-train")


def test_a_cloud_that_is_not_there_is_said(open_page: Open) -> None:
    page = open_page(path="/clouds/nowhere")
    expect(page.get_by_text("nowhere was not found")).to_be_visible()


def test_csv_is_what_is_filtered(open_page: Open) -> None:
    page = open_page(path="/nodes?target=EdgeSite/north-gate")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 15
    assert all(line.startswith("EdgeSite/north-gate,") for line in lines[1:])


def test_the_apis_documentation_loads_from_nowhere_else(open_page: Open, city: stage.City) -> None:
    page = open_page(path="/docs/index.html")
    expect(page.get_by_text("/api/v1/nodes", exact=True)).to_be_visible()
    names = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith((city.dashboard.url, "data:")) for name in names)


# --- live


def _recordon(city: stage.City, name: str, cordoned: bool) -> None:
    def change(leader: board.Board) -> None:
        node: model.Node = leader.tables["nodes"][f"Cloud/zoucheng/{name}"]
        leader.put(msgspec.structs.replace(node, cordoned=cordoned, ready=True))

    city.leader.change(change)


def test_a_drained_node_is_seen_without_reloading(open_page: Open, city: stage.City) -> None:
    name = "zoucheng-kunpeng-02"
    _recordon(city, name, cordoned=False)
    page = open_page(path=f"/nodes?q={name}")
    row = page.locator("tbody tr", has_text=name)
    expect(row).to_contain_text("Ready")
    _recordon(city, name, cordoned=True)
    expect(row).to_contain_text("Cordoned")


def test_a_cloud_that_falls_silent_raises_an_alert_on_the_open_page(open_page: Open, city: stage.City) -> None:
    page = open_page(path="/alerts")
    expect(page.get_by_role("heading", name="Alerts 5")).to_be_visible()

    def silence(leader: board.Board) -> None:
        cloud: model.Cloud = leader.tables["clouds"]["yanzhou"]
        gone = model.Condition(type="Ready", status="Unknown", reason="Unreachable", since=1)
        leader.put(msgspec.structs.replace(cloud, ready=gone))

    def answer(leader: board.Board) -> None:
        cloud: model.Cloud = leader.tables["clouds"]["yanzhou"]
        leader.put(
            msgspec.structs.replace(cloud, ready=model.Condition(type="Ready", status="True", reason="Connected"))
        )

    city.leader.change(silence)
    expect(page.locator(".alert-list")).to_contain_text("yanzhou")
    city.leader.change(answer)
    expect(page.locator(".alert-list")).not_to_contain_text("yanzhou")


def test_a_leader_that_is_gone_is_shown_as_old_data_and_is_followed_when_it_is_back(
    open_page: Open, city: stage.City
) -> None:
    page = open_page()
    city.leader.stop()
    expect(page.locator(".banner")).to_contain_text("The controller has been silent")
    expect(page.locator(".hero")).to_be_visible()
    city.replace_leader()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(".fresh.good")).to_be_visible()


def test_a_dashboard_that_restarts_keeps_session_page_and_filters(open_page: Open, city: stage.City) -> None:
    page = open_page(path="/nodes?family=hygon")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nodes 102")
    city.dashboard.stop()
    expect(page.locator(".banner")).to_contain_text("The connection is lost")
    city.dashboard.start()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page).to_have_url(re.compile("family=hygon"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nodes 102")


def test_a_dashboard_that_has_heard_no_controller_says_so_and_waits(open_page: Open, city: stage.City) -> None:
    city.cookie("centre-team")  # signed in before: what a team may see depends on what there is
    city.leader.stop()
    city.dashboard.stop()
    city.dashboard.start(ready=False)
    page = open_page("centre-team", "/workloads")
    expect(page.locator("main")).to_contain_text("The controller has not told anything yet")
    expect(page.locator(".fresh")).to_have_text("Waiting for data")
    city.replace_leader()
    expect(page.get_by_role("heading", name="Workloads 3")).to_be_visible()


def test_a_hub_that_hangs_keeps_open_pages_and_is_named_at_sign_in(open_page: Open, city: stage.City) -> None:
    seen = open_page(path="/clouds")
    expect(seen.get_by_role("heading", name="Clouds 10")).to_be_visible()
    signing_in = open_page("", "/")
    signing_in.get_by_label("Token").fill(city.accounts.tokens["suanli-operator"])
    city.hub.pause()
    try:
        signing_in.get_by_role("button", name="Sign in").click()
        expect(signing_in.get_by_role("alert")).to_contain_text("The hub does not answer")
        seen.get_by_role("link", name="Nodes", exact=True).click()
        expect(seen.get_by_role("heading", name="Nodes 479")).to_be_visible()
    finally:
        city.hub.resume()
    until(lambda: city.hub.api.text("/readyz") == "ok", "the hub again")
    signing_in.get_by_role("button", name="Sign in").click()
    expect(signing_in.locator(".top .who")).to_have_text("suanli-system:suanli-operator")


def test_an_empty_hub_says_how_to_begin(open_page: Open, city: stage.City) -> None:
    rows = city.leader.board
    city.replace_leader(board.Board("empty"))
    page = open_page()
    expect(page.locator("main")).to_contain_text("Nothing is connected yet.")
    page.get_by_role("link", name="Clouds", exact=True).click()
    expect(page.locator("main")).to_contain_text("suanli-controller cloud join")
    city.replace_leader(rows)
    expect(page.get_by_role("heading", name="Clouds 10")).to_be_visible()


def test_a_right_that_is_taken_away_ends_what_is_seen(open_page: Open, city: stage.City) -> None:
    """The dashboard asks the hub again and again, for pages that are open too."""
    page = open_page("centre-team", "/workloads")
    expect(page.get_by_role("heading", name="Workloads 3")).to_be_visible()
    city.hub.kubectl("delete", "rolebinding", "-n", stage.TEAM_NAMESPACE, stage.TEAM)
    expect(page.get_by_role("alert")).to_contain_text("may see nothing")
