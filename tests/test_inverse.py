"""The test of scale: which fleet saves 29,591 t, whether a rise fits, what does not add up."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from greensched.cli.main import main
from tests.conftest import ROOT
from tests.simulations import differences

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SCENARIO = ROOT / "simulations" / "reported-saving.yaml"
EXPECTED = ROOT / "simulations" / "reported-saving.expected.json"


def inverse(path: Path, *more: str) -> Result:
    """Run `inverse`."""
    return CliRunner().invoke(main, ["inverse", str(path), *more])


def edited(folder: Path, *edits: tuple[str, str]) -> Path:
    """Return a copy of the scenario with texts replaced."""
    text = SCENARIO.read_text("utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path = folder / "scenario.yaml"
    path.write_text(text, "utf-8")
    return path


def answer(path: Path = SCENARIO) -> dict[str, Any]:
    """Return the answer as values."""
    found: dict[str, Any] = json.loads(inverse(path, "-o", "json").stdout)
    return found


def test_the_answer_is_as_expected() -> None:
    """The answer to the reported saving equals the one kept beside it."""
    assert [] == differences(json.loads(EXPECTED.read_text("utf-8")), answer())


def test_the_middle_fleet_by_hand() -> None:
    """86 W x 22/30 x 1.25 x 8,760 h x 556.8 g/kWh are 384.5 kg a machine: 76,958 of them."""
    one_kg = 0.086 * 22 / 30 * 1.25 * 8_760 * 0.5568
    assert 384.5 == pytest.approx(one_kg, abs=0.05)
    found = answer()["fleet"]["mid"]
    assert 29_591_480 / one_kg == pytest.approx(found["machines"])
    assert 76_958 == round(found["machines"])


def test_implied_energy_of_the_published_intensity() -> None:
    """At 0.6157 t/MWh the published saving is 48,062 MWh, 5.49 MW on average."""
    found = answer()["fleet"]["high"]
    assert (48_062, 5.49) == (round(found["saved_mwh_year"]), round(found["saved_mw_mean"], 2))


def test_figures_that_do_not_reconcile_are_quoted() -> None:
    """No sum of the published parts gives the published total: told, not made to fit."""
    text = inverse(SCENARIO).stdout
    assert "no sum of the others gives 37,909.87 t: quoted, not reconciled" in text
    for quoted in ("29,591.48", "23,159.54", "21,883.63", "1,668.60"):
        assert quoted in text
    assert not answer()["quoted"]["reconciles"]


def test_figures_that_reconcile_are_told(tmp_path: Path) -> None:
    """Parts that add up to the total are told with their sum."""
    path = edited(tmp_path, ("total: 37909.87 t", "total: 24828.14 t"))
    assert "1,668.60 t + 23,159.54 t = 24,828.14 t" in inverse(path).stdout


def test_the_answer_in_every_form() -> None:
    """Markdown and CSV hold the same fleets as JSON."""
    fleets = answer()["fleet"]
    rows = list(csv.DictReader(io.StringIO(inverse(SCENARIO, "-o", "csv").stdout)))
    assert {at: fleet["machines"] for at, fleet in fleets.items()} == {
        row["factors"]: float(row["machines"]) for row in rows
    }
    assert "| 50,000 | never | never | 14.2 % |" in inverse(SCENARIO, "-o", "md").stdout


def test_without_fleets_and_quotes(tmp_path: Path) -> None:
    """An inverse without fleets and quoted figures answers what is left."""
    text = SCENARIO.read_text("utf-8")
    path = tmp_path / "s.yaml"
    path.write_text(text[: text.index("fleets:")], "utf-8")
    found = answer(path)
    assert ([], None) == (found["by_fleet"], found["quoted"])
    assert "published figures" not in inverse(path).stdout


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("after: 0.30", "after: 30", "utilisation.after: 30 is above 1.0"),
        ("after: 0.30", "after: 0.05", "utilisation: 0.08 -> 0.05 is no rise within 0 .. 1"),
        ("saved: 29591.48 t", "saved: 29591.48", "reported.saved: 29591.5 has no unit"),
        ("pue: [1.10, 1.25, 1.50]", "pue: [1.25, 1.10, 1.50]", "do not rise from above 0"),
        ("idle: [53 W, 86 W, 167 W]", "idle: [53 W, 86 W, 300 W]", "may idle above its peak"),
        ("kind: Inverse", "kind: Scenario", "kind: unknown value 'Scenario'"),
    ],
)
def test_what_cannot_be_inverted_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    """Percent for a share, no rise, no unit and ranges that fall are refused, with exit code 2."""
    result = inverse(edited(tmp_path, (old, new)))
    assert 2 == result.exit_code
    assert what in result.stderr
