"""A browser, and pages that keep what they asked for and what they complained of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from greensched.report.evidence import Evidence
from greensched.report.page import page as page_of
from tests.browser.chromium import program
from tests.report_cases import MANIFEST, series, summary, write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Dialog, Page

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "results" / "browser"
DRAWN = "html[data-drawn]"
WAIT_MS = 30_000
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}},
    "narrow-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
SERIOUS = ("serious", "critical")

expect.set_options(timeout=WAIT_MS)  # of Playwright's 5 s a busy machine takes more


@dataclass(kw_only=True)
class Visit:
    """A page that was opened, what it asked for, and what it complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: it needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once for all tests."""
    with sync_playwright() as playwright:
        # The sandbox needs rights that a container's root does not have; pages are our own.
        found = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Return what opens a file in a context of its own and waits until its charts are drawn."""
    opened = []

    def visited(path: Path, *, wait: str | None = DRAWN, **options: Any) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        opened.append(context)
        made = Visit(page=context.new_page())
        made.page.on("request", lambda request: made.asked.append(request.url))
        made.page.on("console", lambda told: made.complaints.append(f"{told.type}: {told.text}"))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on("dialog", lambda dialog: _dismissed(made, dialog))
        made.page.goto(path.as_uri())
        if wait is not None:
            made.page.wait_for_selector(wait, timeout=WAIT_MS, state="attached")
        return made

    yield visited
    for context in opened:
        context.close()


def cut(page: Page) -> list[str]:
    """Return the words of charts of which a part lies outside of their picture."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.plot')].flatMap(plot => {"
        "const box = plot.getBoundingClientRect();"
        "return [...plot.querySelectorAll('svg text')].filter(e => {"
        "const own = e.getBoundingClientRect();"
        "return own.width && (own.right > box.right + 1 || own.left < box.left - 1);"
        "}).map(e => `${plot.id}: ${e.textContent}`); })"
    )
    return found


def _dismissed(seen: Visit, dialog: Dialog) -> None:
    """Note that a page opened a dialogue, at whatever time, and close it."""
    seen.complaints.append(f"dialogue: {dialog.message}")
    dialog.dismiss()


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the small scenario's result."""
    folder = tmp_path_factory.mktemp("browser")
    told = call("run", write_scenario(folder), "--out", folder / "small", "-q")
    assert 0 == told.exit_code, told.stderr
    return folder / "small"


@pytest.fixture(scope="session")
def report(result: Path) -> Path:
    """Return the page of the small scenario's result."""
    return result / "report.html"


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page with as many intervals as nine days of five minutes have, and a bad name."""
    made = summary(factor=1.2)
    name = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    made["name"] = name
    made["scenario"]["service"]["violation_min_by_service"] = {name: 9.0}
    rows = series(2592)
    given = Evidence(summary=made, manifest=MANIFEST, series=rows)
    path = tmp_path_factory.mktemp("large") / "report.html"
    path.write_text(page_of(given), encoding="utf-8")
    return path
