"""The control centre in a browser: what it shows, follows, asks for, and lets a keyboard do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.batch.cases import new_place
from tests.browser.conftest import PICTURES, WAIT_MS
from tests.serve.cases import ledger_of, settlement
from tests.serve.served import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.ledger.cases import Case

SECTIONS = (
    *("Alarms", "Today", "Intensity, now and next", "What waits, why, and until when"),
    *("Saved by day", "Results", "Watched places"),
)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}},
    "narrow-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
HOSTILE = "<script>document.title=1</script><img src=x onerror=document.title=2>"

SCALE = "(svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"
OVERLAPPING = """svg => {
  const words = [...svg.querySelectorAll("text")]
    .filter((one) => one.textContent.trim() && one.getAttribute("opacity") !== "0");
  const boxes = words.map((one) => [one.textContent, one.getBoundingClientRect()]);
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 5
    && b.top < a.bottom - 5;  // a box is higher than its letters
  return boxes.flatMap(([word, box], i) => boxes.slice(0, i)
    .filter(([, other]) => meet(box, other)).map(([other]) => [other, word]));
}"""


@pytest.fixture(scope="module")
def centre(result: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Case]]:
    """Yield the address of a control centre over a queue, a ledger and a result; the ledger."""
    folder = tmp_path_factory.mktemp("centre")
    with pytest.MonkeyPatch.context() as patched:
        place = iter(new_place(folder, patched))
        queue = next(place)
        queue.intensity([(1_800, 3_600)], step_s=60)
        queue.submit(f"echo '{HOSTILE}'", max_delay_s=2_000.0, duration_s=600.0)
        case = ledger_of(folder / "l", settlement(1, 120_000, 1_000 * _now_s()))
        places = (str(folder / "state/greensched/batch"), str(case.ledger), str(result))
        with served(folder, *places, "--target", "200g") as (_, address):
            yield address, case
        next(place, None)


def _now_s() -> int:
    return int(time.time())


@pytest.fixture
def page(
    request: pytest.FixtureRequest, browser: Browser, centre: tuple[str, Case]
) -> Iterator[Page]:
    """Yield the page as it is seen on a screen, once it is live; it must not have complained."""
    context = browser.new_context(**LOOKS[getattr(request, "param", "light")])
    opened = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda one: asked.append(one.url))
    opened.on("console", lambda told: complaints.append(told.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(centre[0])
    expect(opened.locator("#link")).to_have_text("live", timeout=WAIT_MS)
    yield opened
    context.close()
    assert [] == [url for url in asked if not url.startswith((centre[0], "data:"))]
    assert [] == complaints


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_page_shows_what_there_is(page: Page, request: pytest.FixtureRequest) -> None:
    """Every section is there, the hostile name is text, nothing is wider than the screen."""
    assert list(SECTIONS) == page.locator("h2").all_text_contents()
    expect(page.locator("#waits tbody")).to_contain_text(HOSTILE)
    expect(page).to_have_title("greensched control centre")
    expect(page.locator("#today")).to_contain_text("of 200 g aimed at")
    expect(page.locator("figure svg:visible")).to_have_count(3)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("window.innerWidth")
    PICTURES.mkdir(parents=True, exist_ok=True)
    look = request.node.callspec.params["page"]
    page.screenshot(path=PICTURES / f"serve-{look}.png", full_page=True)


@pytest.mark.parametrize("page", ["light", "narrow"], indirect=True)
def test_words_in_charts_keep_apart(page: Page) -> None:
    """No two words of a chart's axes and legend lie upon each other, all can be read."""
    charts = page.locator("figure svg:visible")
    expect(charts).to_have_count(3)
    for chart in charts.all():
        assert [] == chart.evaluate(OVERLAPPING)
        assert 10.0 <= chart.evaluate(f"svg => 12 * {SCALE}(svg)")


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_no_serious_finding_of_axe(page: Page) -> None:
    """Contrast, names, landmarks and tables are as readers of screens need them."""
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [] == [(v["id"], [n["target"] for n in v["nodes"]]) for v in serious]


def test_page_follows_the_ledger(page: Page, centre: tuple[str, Case]) -> None:
    """A settlement appears by itself, and what the reader unfolded stays unfolded."""
    page.locator("#saved summary").click()
    rows = page.locator("#places dt:text-is('rows') + dd")
    before = int(rows.inner_text())
    centre[1].append(settlement(before, 10_000, 1_000 * _now_s()))
    expect(rows).to_have_text(str(before + 1), timeout=WAIT_MS)
    assert page.locator("#saved details").evaluate("one => one.open")


def test_keyboard_reaches_everything(page: Page) -> None:
    """The first stop leads to the content; tables, tables of charts and links follow."""
    page.keyboard.press("Tab")
    assert "Skip to the content" == page.evaluate("document.activeElement.textContent")
    stops = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        stops.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 20)"))
    assert {"As a table", "The whole report", "Difference, as a tab", "JSON"} <= stops


def test_report_opens_from_there(page: Page) -> None:
    """The whole report is a page of the same address, its charts drawn under its own policy."""
    page.get_by_role("link", name="The whole report").click()
    page.wait_for_selector("html[data-drawn]", timeout=WAIT_MS, state="attached")
    assert page.locator(".plot svg").count() >= 9
