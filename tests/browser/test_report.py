"""The report in a browser: what it shows, asks for, answers to, and lets a keyboard do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import LOOKS, PICTURES, SERIOUS, cut

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.conftest import Visit

SECTIONS = (
    *("Difference", "Where the saving comes from", "The next purchase"),
    *("The tide: machines by what they do", "Power, carbon intensity, and what was moved"),
    *("Utilisation, before and after", "Service levels and the worst services"),
    *("Batch: waits and deadlines", "Emissions by scope", "How sure: sensitivity"),
    *("Bounds, and the share that was captured", "What to know of the data"),
    *("Assumptions and their sources", "Balance checks", "Provenance"),
)
FIRST_PAINT_MS = 1000
PAGE_MAX_BYTES = 2_000_000


def test_every_section_is_there_and_every_chart_drawn(
    visit: Callable[..., Visit], report: Path
) -> None:
    """A run's page has each section once, a picture in each plot, and its console is silent."""
    seen = visit(report)
    assert list(SECTIONS) == seen.page.locator("h2").all_text_contents()
    plots = seen.page.locator(".plot").count()
    assert plots >= 9
    assert plots == seen.page.locator(".plot svg").count()
    assert [] == seen.complaints


def test_nothing_is_asked_of_the_network(visit: Callable[..., Visit], report: Path) -> None:
    """The page is the only thing that it loads, also while charts are used."""
    seen = visit(report)
    seen.page.get_by_role("radio", name="before: autoscaled").check()
    seen.page.select_option("#days", index=2)
    assert [report.as_uri()] == seen.asked


def _drawn(page: Page, name: str) -> str:
    """Return what a chart shows, as markup."""
    return page.locator(f"#plot-{name} svg").inner_html()


def _labels(page: Page, name: str) -> list[str]:
    return sorted(page.locator(f"#plot-{name} svg text").all_text_contents())


def _until(page: Page, condition: str) -> None:
    """Wait until a condition holds and what follows from it is drawn.

    Playwright's own waiting compiles code in the page, which the page's policy forbids.
    """
    _true(page, lambda: page.evaluate(condition))
    page.wait_for_timeout(300)


def _true(page: Page, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, as long as a busy machine may take to draw."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(100)
    assert condition()


def test_brush_zooms_every_chart_over_time(visit: Callable[..., Visit], report: Path) -> None:
    """A drag over the strip changes the days that tide and power show; a click gives all back."""
    page = visit(report).page
    before = {name: _labels(page, name) for name in ("tide", "power", "intensity")}
    strip = page.locator("#plot-overview svg")
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box is not None
    middle = box["y"] + 25
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], middle, steps=4)
    page.mouse.up()
    _until(page, "document.getElementById('days').value === 'brush'")
    _true(page, lambda: all(before[name] != _labels(page, name) for name in before))
    page.mouse.click(box["x"] + 0.9 * box["width"], middle)
    _until(page, "document.getElementById('days').value === 'all'")
    _true(page, lambda: before == {name: _labels(page, name) for name in before})


def test_days_are_chosen_by_keyboard(visit: Callable[..., Visit], report: Path) -> None:
    """The list of days does by keyboard what the brush does by pointer."""
    page = visit(report).page
    before = _labels(page, "tide")
    page.locator("#days").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    _true(page, lambda: page.locator("#days").input_value() not in ("all", "brush"))
    _true(page, lambda: before != _labels(page, "tide"))


def test_before_and_after(visit: Callable[..., Visit], report: Path) -> None:
    """The tide shows the baseline's machines when asked, and the scenario's again."""
    page = visit(report).page
    after = _drawn(page, "tide")
    page.get_by_role("radio", name="before: autoscaled").check()
    _true(page, lambda: after != _drawn(page, "tide"))
    page.get_by_role("radio", name="after: scenario").check()
    _true(page, lambda: after == _drawn(page, "tide"))


def test_choices_outlive_another_width(visit: Callable[..., Visit], report: Path) -> None:
    """After a change of the window's width charts fit it, and what was chosen stays chosen."""
    page = visit(report).page
    page.get_by_role("radio", name="before: autoscaled").check()
    page.set_viewport_size({"width": 700, "height": 900})
    _until(page, "document.querySelector('#plot-tide svg').clientWidth < 700")
    assert page.get_by_role("radio", name="before: autoscaled").is_checked()
    _until(page, "document.documentElement.scrollWidth <= innerWidth")


def test_hovering_tells_values_with_units(visit: Callable[..., Visit], report: Path) -> None:
    """A pointer over the power chart is told the local time and kW of both runs."""
    page = visit(report).page
    plot = page.locator("#plot-power svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    tip = page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert re.search(r"from\s+[A-Z][a-z]{2} +\d+ [A-Z][a-z]{2} \d\d:\d\d", tip.inner_text())
    assert "scenario, kW" in tip.inner_text()
    assert "autoscaled, kW" in tip.inner_text()


def test_keyboard_reaches_everything_in_order(visit: Callable[..., Visit], report: Path) -> None:
    """Tab begins at the skip link, follows the page downwards, and shows where it is."""
    page = visit(report).page
    page.keyboard.press("Tab")
    assert "Skip to the report" == page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    assert "main" == page.evaluate("document.activeElement.id")
    reached: list[dict[str, Any]] = []
    for _ in range(120):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
            "return {tag: e.tagName, id: e.id, outline: s.outlineStyle,"
            "top: e.getBoundingClientRect().top + scrollY}; })()"
        )
        if at["tag"] == "BODY":
            break
        reached.append(at)
    tops = [at["top"] for at in reached]
    assert tops == sorted(tops)
    assert {"A", "SELECT", "INPUT", "SUMMARY", "DIV"} <= {at["tag"] for at in reached}
    assert {"days", "csv-tide", "csv-tornado"} <= {at["id"] for at in reached}
    assert all(at["outline"] != "none" for at in reached)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(visit: Callable[..., Visit], report: Path, look: str) -> None:
    """axe-core has no serious finding, in light and dark, wide and narrow; pictures are kept."""
    seen = visit(report, **LOOKS[look])
    for summary in seen.page.locator("details > summary").all():
        summary.click()
    found = Axe().run(seen.page).response["violations"]
    PICTURES.mkdir(parents=True, exist_ok=True)
    seen.page.screenshot(path=PICTURES / f"report-{look}.png", full_page=True)
    assert [] == [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in SERIOUS]
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [] == cut(seen.page)


def test_saving_is_seen_without_scrolling(visit: Callable[..., Visit], report: Path) -> None:
    """On a narrow screen the table of differences shows the difference, not its baseline alone."""
    page = visit(report, **LOOKS["narrow"]).page
    head = page.locator("section[aria-labelledby=difference] thead th", has_text="Δ")
    box = head.bounding_box()
    assert box is not None
    assert 390 >= box["x"] + box["width"]


def test_page_prints(visit: Callable[..., Visit], report: Path) -> None:
    """On paper there is ink on white even in a dark room, no control, and nothing cut at right."""
    page = visit(report, color_scheme="dark", viewport={"width": 1280, "height": 900}).page
    page.emulate_media(media="print")
    assert "rgb(255, 255, 255)" == page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.locator("#days").is_hidden()
    page.set_viewport_size({"width": 720, "height": 1000})
    _until(
        page,
        "[...document.querySelectorAll('.plot svg')].every("
        "e => e.getBoundingClientRect().right <= innerWidth)",
    )
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.pdf(path=PICTURES / "report-print.pdf", format="A4")
    assert (PICTURES / "report-print.pdf").stat().st_size > 20_000


def test_first_paint_and_size(visit: Callable[..., Visit], large: Path) -> None:
    """A page of nine days of five minutes is below 2 MB and painted within a second."""
    assert PAGE_MAX_BYTES > large.stat().st_size
    told = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    paints = [visit(large).page.evaluate(told) for _ in range(3)]  # other work may slow one
    assert FIRST_PAINT_MS > min(paints)


def test_hostile_names_are_text(visit: Callable[..., Visit], large: Path) -> None:
    """A name made of markup is shown as it is: no dialogue opens, no element is born of it."""
    seen = visit(large, wait=None)
    seen.page.wait_for_selector("html[data-drawn]", state="attached")
    seen.page.locator("#plot-services svg").hover()
    assert 0 == seen.page.locator("img").count()
    assert "<img src=x" in (seen.page.locator("h1").text_content() or "")
    assert [] == seen.complaints


def test_data_are_downloaded(visit: Callable[..., Visit], report: Path) -> None:
    """The link below a chart gives its CSV, units in the head."""
    page = visit(report, accept_downloads=True).page
    with page.expect_download() as downloaded:
        page.locator("#csv-power").click()
    text = downloaded.value.path().read_text(encoding="utf-8")
    assert "power.csv" == downloaded.value.suggested_filename
    assert text.startswith("time_local,power_baseline_kw,power_scenario_kw\n")


def test_words_stay_without_scripts(visit: Callable[..., Visit], report: Path) -> None:
    """With scripts off every sentence and table is there all the same."""
    page = visit(report, java_script_enabled=False, wait=None).page
    said = page.locator(".sees")
    assert said.count() >= 9
    assert all(one.is_visible() for one in said.all())
    assert page.locator("table").first.is_visible()
