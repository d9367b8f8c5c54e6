"""What a scenario does not give is told as not known, never as zero."""

from __future__ import annotations

import json
from html import unescape
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from greensched.report.difference import by_key
from greensched.report.marked import result_markdown
from greensched.report.schema import summary_schema
from tests.sweep_cases import write_tiny
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

EMBODIED = "    embodied: {kgco2e: 1000, range: [800, 1300], lifetime: 5 y}\n"
SECOND = """\
  - {name: bare, site: here, count: 1, cores: 16, memory: 64 GiB, power: {idle: 9 W, peak: 30 W}}
"""


def _written(folder: Path, before: str, after: str) -> tuple[Path, str]:
    """Run the tiny scenario with a part of it replaced; return its folder and its table."""
    path = write_tiny(folder)
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    told = call("run", path, "--no-attribution", "--no-sizing", "--out", folder / "r")
    assert 0 == told.exit_code, told.stderr
    return folder / "r", told.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the result of a fleet whose only machine type has no `embodied`."""
    return _written(tmp_path_factory.mktemp("bare"), EMBODIED, "")


def _summary(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return told


def test_embodied_that_is_not_given_is_a_dash(bare: tuple[Path, str]) -> None:
    """Null in the summary, a dash in table and Markdown, and a finding that names the type."""
    told = _summary(bare[0])
    jsonschema.validate(told, summary_schema())
    for part in ("baseline", "static_peak", "scenario", "savings"):
        assert {None} == {told[part][f"embodied{k}_kg"] for k in ("", "_low", "_high")}
    assert ("–", "–", "–") == by_key(told)["embodied_kg"].cells
    finding = "embodied not given for server: not counted"
    assert finding in told["demand"]["findings"]
    assert finding in bare[1]
    assert "| kgCO2e, embodied share | – | – | – |" in result_markdown(told)


def test_the_page_counts_no_embodied_that_is_not_given(bare: tuple[Path, str]) -> None:
    """The table of scopes has a dash and says why, as the chart; no range is made of it."""
    page = unescape((bare[0] / "report.html").read_text(encoding="utf-8"))
    assert "not counted: the scenario gives it for no machine type" in page
    assert "embodied share is not known, and not counted" in page
    assert "embodied share, kgCO2e" not in page


def test_explain_says_that_embodied_is_not_given(bare: tuple[Path, str]) -> None:
    """There is no figure to explain, and the reason is told."""
    told = call("explain", bare[0], "scenario.embodied_kg")
    assert 0 == told.exit_code, told.stderr
    assert "the scenario gives 'embodied' for no machine type" in told.stdout


def test_embodied_of_some_types_is_counted(tmp_path: Path) -> None:
    """Of two types one has it: it is counted, and the other named."""
    folder, _ = _written(tmp_path, EMBODIED, EMBODIED + SECOND)
    told = _summary(folder)
    assert told["scenario"]["embodied_kg"] > 0
    assert "embodied not given for bare: not counted" in told["demand"]["findings"]


def test_a_pue_that_no_account_takes_is_told_before_the_run(tmp_path: Path) -> None:
    """Above 3, the limit of the account, a PUE is refused with its place; 3 is not."""
    path = write_tiny(tmp_path)
    told = call("validate", path, "--set", "sites.0.pue=7")
    assert 2 == told.exit_code
    assert "--set sites.0.pue: 7 is above 3; PUE is facility energy / IT energy" in told.stderr
    assert 0 == call("validate", path, "--set", "sites.0.pue=3").exit_code
