"""The pictures of docs/centre.md, as Chromium draws the generated city."""

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from suanli_centre import browser, stage

_QUALITY = 78  # of JPEG: below it rods and thin letters blur; each picture stays under 200 KB


@dataclass(frozen=True)
class Picture:
    name: str
    path: str
    account: str
    language: str
    shade: str
    size: tuple[int, int]


PICTURES = (
    Picture("centre-wall-zh.jpg", "/wall", stage.WALL, "zh-CN", "dark", (1920, 1080)),
    Picture("centre-overview-en.jpg", "/", stage.OPERATOR, "en-GB", "light", (1440, 1190)),
    Picture(
        "centre-workload-zh.jpg", "/workloads/llm/nightly-train", stage.OPERATOR, "zh-CN", "dark", (1440, 1000)
    ),
)


def take(shown: stage.City, folder: Path) -> None:
    """Write every picture into `folder`."""
    with sync_playwright() as playwright:
        # Without hinting letters keep their shapes at every size, as on the screens that pictures are seen on.
        arguments = ["--no-sandbox", "--font-render-hinting=none"]
        opened = playwright.chromium.launch(executable_path=browser.chromium(), args=arguments)
        for each in PICTURES:
            _take(opened, shown, each, folder)
        opened.close()


def _take(opened: Browser, shown: stage.City, each: Picture, folder: Path) -> None:
    width, height = each.size
    context = opened.new_context(
        locale=each.language,
        color_scheme="dark" if each.shade == "dark" else "light",
        viewport={"width": width, "height": height},
        timezone_id="Asia/Shanghai",
    )
    context.add_cookies([shown.cookie(each.account)])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(shown.dashboard.url + each.path)
    page.locator("main h1, main .hero").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.locator(".skeleton").first.wait_for(state="detached")
    page.screenshot(path=folder / each.name, type="jpeg", quality=_QUALITY)
    context.close()
