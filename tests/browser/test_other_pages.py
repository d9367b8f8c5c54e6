"""The pages of a sweep and of a comparison in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import LOOKS, PICTURES, SERIOUS, cut
from tests.sweep_cases import write_tiny
from tests.test_cli import call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.conftest import Visit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pages of a sweep (`sweep/`) and of a comparison (`two/`)."""
    made = tmp_path_factory.mktemp("pages")
    path = write_tiny(made)
    grid = ("--grid", "fleet.server.count=3:6:1", "--out", made / "sweep", "-q")
    assert 0 == call("sweep", path, *grid).exit_code
    fewer = ("--no-sizing", "--no-attribution", "-q")
    assert 0 == call("run", path, "--out", made / "a", *fewer).exit_code
    pue = ("--set", "sites.here.pue=1.5")
    assert 0 == call("run", path, "--out", made / "b", *pue, *fewer).exit_code
    assert 0 == call("compare", made / "a", made / "b", "--out", made / "two", "-q").exit_code
    return made


def test_point_of_a_sweep_is_chosen_and_copied(visit: Callable[..., Visit], folder: Path) -> None:
    """A click on a mark opens that point's scenario, and the button beside it copies it."""
    seen = visit(folder / "sweep" / "report.html", permissions=["clipboard-write"])
    page = seen.page
    marks = page.locator("#plot-pareto .mark-symbol.role-mark path")
    marks.last.click()
    folded = page.locator("details[open][id^=point-]")
    expect(folded).to_have_count(1)
    button = folded.get_by_role("button")
    expect(button).to_have_text("Copy")
    button.click()
    expect(button).to_have_text("Copied")
    assert "count:" in folded.locator("pre").inner_text()
    assert [] == seen.complaints


@pytest.mark.parametrize("name", ["sweep/report.html", "two/comparison.html"])
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(
    visit: Callable[..., Visit], folder: Path, name: str, look: str
) -> None:
    """axe-core finds nothing serious, the console is silent, nothing else is loaded or cut off."""
    seen = visit(folder / name, **LOOKS[look])
    PICTURES.mkdir(parents=True, exist_ok=True)
    kind = name.partition("/")[0]
    seen.page.screenshot(path=PICTURES / f"{kind}-{look}.png", full_page=True)
    found = Axe().run(seen.page).response["violations"]
    assert [] == [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in SERIOUS]
    assert [] == seen.complaints
    assert [(folder / name).as_uri()] == seen.asked
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [] == cut(seen.page)
