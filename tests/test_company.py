"""Company files: what is read, and what is refused with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest
from click.testing import CliRunner

from greensched.cli.main import main
from greensched.errors import ScenarioError
from greensched.scenario.company_file import company_schema, load_company
from greensched.scenario.source import read_text
from tests.company import COMPANY

if TYPE_CHECKING:
    from pathlib import Path


def _refused(folder: Path, *edits: tuple[str, str]) -> str:
    """Return why the example with texts replaced is refused."""
    text = COMPANY.read_text("utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "company.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ScenarioError) as refused:
        load_company(path)
    return str(refused.value)


def test_the_example_is_read() -> None:
    """The worked example's file holds its sites, contracts and targets, converted."""
    spec = load_company(COMPANY).spec
    assert ["hz", "bj"] == [site.name for site in spec.sites]
    assert 24_000_000 * 10**6 == spec.contracts[0].amount
    assert ["absolute", "share", "net_zero"] == [target.method for target in spec.targets]


def test_a_year_is_where_the_company_is() -> None:
    """2025 in Shanghai begins at 16:00 UTC of the day before; leap years have 8,784 hours."""
    company = load_company(COMPANY)
    assert 1_735_660_800_000 == company.calendar(2025).start_ms
    assert (8_760, 8_784) == (company.calendar(2025).hours, company.calendar(2024).hours)


AGAIN = """contracts:
  - {name: x, market: CN, year: 2024, factor: carbon-free, amount: 1 GWh,
     retirement: GEC-2025-0001}
"""


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("kind: Company", "kind: Compny", "company.yaml:5:1  kind: unknown value 'Compny'"),
        ("gwp: AR6", "gwp: AR7", "gwp: unknown value 'AR7'"),
        ("Asia/Shanghai", "Asia/Shangha", "time_zone: unknown time zone 'Asia/Shangha'"),
        ("amount: 24 GWh", "amount: 24", "contracts[0].amount: 24 has no unit"),
        ("amount: 24 GWh", "amount: -24 GWh", "'-24 GWh' is below zero"),
        ("year: 2030", "year: 2020", "target 'net zero by 2030' is not after the base year"),
        ("method: net_zero", "method: share", "method 'share' of target 'net zero by 2030'"),
        ("name: bj", "name: hz", "site 'hz' is given twice"),
        ("contracts:\n", AGAIN, "retirement 'GEC-2025-0001' is of two contracts: one can count"),
        ("pue_target: 1.25", "pue_target: 0.9", "sites[0].pue_target: 0.9 is below 1.0"),
        ("boundary:", "bondary:", "unknown key 'bondary'; did you mean 'boundary'?"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    """Unknown words, missing units, targets without time and repeated names have their place."""
    assert what in _refused(tmp_path, (old, new))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes of a file are told together."""
    told = _refused(tmp_path, ("gwp: AR6", "gwp: AR7"), ("matching: annual", "matching: x"))
    assert 2 == len(told.splitlines())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file that is not there, or no text, is refused with what to do."""
    with pytest.raises(ScenarioError, match=r"cannot be read.*--company names the file"):
        load_company(tmp_path / "company.yaml")
    path = tmp_path / "company.yaml"
    path.write_bytes(b"\xff")
    with pytest.raises(ScenarioError, match="not UTF-8 text"):
        load_company(path)


def test_files_stay_inside_the_folder(tmp_path: Path) -> None:
    """A file outside the company's folder is refused unless it is allowed."""
    (tmp_path / "inner").mkdir()
    inner = tmp_path / "inner" / "company.yaml"
    inner.write_text(COMPANY.read_text("utf-8"), "utf-8")
    outside = tmp_path / "factors.csv"
    outside.write_text("x", "utf-8")
    with pytest.raises(ScenarioError, match=r"factors\[0\].*is outside the company's folder"):
        load_company(inner).file("../factors.csv", "factors", 0)
    allowed = load_company(inner, allow_outside=True)
    assert outside.resolve() == allowed.file("../factors.csv", "factors", 0)


def test_the_schema_describes_the_example() -> None:
    """`schema company` prints a JSON Schema that the worked example satisfies."""
    result = CliRunner().invoke(main, ["schema", "company"])
    schema = json.loads(result.stdout)
    assert company_schema() == schema
    source = read_text(COMPANY.read_text("utf-8"), "company.yaml")
    jsonschema.Draft202012Validator(schema).validate(source.tree)
