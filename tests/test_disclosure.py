"""The worked example's statement, made from an operated ledger, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from greensched.cli.ledger_checks import public_key
from greensched.cli.main import main
from greensched.report.disclosure import gather, operated, statement
from greensched.scenario.company_file import load_company
from tests.company import COMPANY, EXPECTED, FOLDER, hourly_files, kept, make_ledger
from tests.effort import examples
from tests.properties.test_laws_books import offset_books
from tests.simulations import differences

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from greensched.accounting.books import Offsets
    from greensched.report.disclosure import Operated
    from greensched.report.disclosure.gather import Gathered

T = 1e9  # milligrams in a tonne


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """The example's ledger with its public key, and the statement of 2025 that was written."""

    ledger: Path
    key: str
    out: Path

    @property
    def values(self) -> dict[str, Any]:
        """Return the statement."""
        found: dict[str, Any] = json.loads((self.out / "statement.json").read_text("utf-8"))
        return found

    def disclose(self, *more: str, company: Path = COMPANY, year: int = 2025) -> Result:
        """Run `disclose` on the example's ledger."""
        given = ["--company", str(company), "--ledger", str(self.ledger), "--key", self.key]
        return CliRunner().invoke(main, ["disclose", str(year), *given, *more])


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Return the example, disclosed once."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "ledger").mkdir()
    ledger, key = make_ledger(folder / "ledger")
    made = Example(ledger=ledger, key=key, out=folder / "out")
    result = made.disclose("--out", str(made.out), "-o", "csv")
    assert (0, "") == (result.exit_code, result.stderr if result.exit_code else "")
    return made


@pytest.fixture(scope="module")
def before(example: Example) -> tuple[Gathered, Operated, dict[str, Any]]:
    """Return what the example's statement is made of, and all of it but its offsets."""
    ledger = operated(example.ledger, public_key(example.key), [])
    gathered = gather(load_company(COMPANY), 2025, ledger)
    values = statement(gathered, ledger)
    assert values.pop("offsets")["counted_t"] > 0
    return gathered, ledger, values


def _copy(folder: Path) -> Path:
    """Return a copy of the example's company file, its files beside it."""
    shutil.copytree(FOLDER, folder / "company")
    return folder / "company" / "company.yaml"


def _edited(folder: Path, *edits: tuple[str, str]) -> Path:
    """Return a copy of the example's company file with texts replaced."""
    path = _copy(folder)
    text = path.read_text("utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.slow
def test_the_examples_statement_is_as_expected(example: Example) -> None:
    """The worked example's statement equals the one kept beside it, floats within 1e-9."""
    expected = json.loads(EXPECTED.read_text("utf-8"))
    assert [] == differences(expected, kept(example.values))


def test_the_hourly_files_are_as_made() -> None:
    """The example's files by the hour hold what their seeded generator makes."""
    import gzip

    for name, column, values in hourly_files():
        text = gzip.decompress((FOLDER / f"{name}.csv.gz").read_bytes()).decode()
        lines = text.splitlines()
        assert f"time_utc,{column}" == lines[0]
        assert values == [line.partition(",")[2] for line in lines[1:]]


def test_scope_two_by_hand(example: Example) -> None:
    """Site hz imports 46,189.5 MWh at 0.55 kg/kWh; wind covers its part, the residual the rest."""
    site = example.values["sites"][0]
    assert 46_189.5 == pytest.approx(site["import_kwh"] / 1_000, abs=0.05)
    assert site["import_kwh"] * 0.55 / 1_000 == pytest.approx(site["electricity_location_t"])
    imported = sum(s["import_kwh"] for s in example.values["sites"])
    wind = 24e6 * site["import_kwh"] / imported
    rest_t = (site["import_kwh"] - wind) * 0.6096 / 1_000
    assert rest_t == pytest.approx(site["electricity_market_t"], rel=1e-9)
    renewable = (wind + site["pv_used_kwh"]) / site["energy_facility_kwh"]
    assert renewable == pytest.approx(site["renewable_share"])


def test_parts_sum_to_totals(example: Example) -> None:
    """Lines sum to scopes and categories, parts of the change to the change, by both methods."""
    values = example.values
    for method in ("location", "market"):
        own = [ln for ln in values["lines"] if ln["method"] in {"", method}]
        total = values["inventory"][f"total_{method}"]["mid_t"]
        assert sum(ln["emissions_mg"] for ln in own) / T == total
        categories = sum(c[method]["mid_t"] for c in values["categories"])
        assert categories == pytest.approx(total, rel=1e-12)
        scopes = ["scope1", f"scope2_{method}", f"scope3_{method}"]
        assert sum(values["inventory"][s]["mid_t"] for s in scopes) == pytest.approx(total)
    change = dict(values["change"])
    assert 2020 == change.pop("from_year")
    assert change.pop("change_t") == pytest.approx(sum(change.values()))
    gases = sum(gas["mid_t"] for gas in values["gases_scope1"])
    assert gases == pytest.approx(values["inventory"]["scope1"]["mid_t"])


@pytest.mark.slow
def test_offsets_lower_no_figure(example: Example, tmp_path: Path) -> None:
    """Without its offsets the company's inventory and targets are the same."""
    company = _edited(tmp_path, ("offsets: offsets.csv\n", ""))
    result = example.disclose("-o", "json", "--out", str(tmp_path / "out"), company=company)
    found = json.loads(result.stdout)
    for key in ("inventory", "targets", "lines", "path"):
        assert example.values[key] == found[key]
    assert {"counted_t": 0.0, "listed": []} == found["offsets"]
    assert 3_000 == example.values["offsets"]["counted_t"]
    assert ["", "not retired", "owned by the users of the app"] == [
        one["reason"] for one in example.values["offsets"]["listed"]
    ]


@settings(max_examples=examples(30))
@given(book=offset_books())
def test_i14_no_offset_changes_a_figure(
    before: tuple[Gathered, Operated, dict[str, Any]], book: Offsets
) -> None:
    """I-14: whatever is offset, all of the statement but its offsets is as without any."""
    gathered, ledger, expected = before
    found = statement(replace(gathered, offsets=book), ledger)
    assert len(book.offsets) == len(found.pop("offsets")["listed"])
    assert expected == found


@pytest.mark.slow
def test_a_leased_site_moves_and_leaves_the_total(example: Example, tmp_path: Path) -> None:
    """Site bj run by the company itself: other scopes, the same totals."""
    company = _edited(tmp_path, ("control: leased_cat8", "control: operational"))
    result = example.disclose("-o", "json", "--out", str(tmp_path / "out"), company=company)
    before, after = example.values["inventory"], json.loads(result.stdout)["inventory"]
    for method in ("location", "market"):
        assert before[f"total_{method}"]["mid_t"] == after[f"total_{method}"]["mid_t"]
    assert before["scope2_location"]["mid_t"] < after["scope2_location"]["mid_t"]


@pytest.mark.slow
def test_the_statement_is_printed_in_every_form(example: Example, tmp_path: Path) -> None:
    """Text, Markdown, CSV and JSON are printed; the files hold the same."""
    out = str(tmp_path / "out")
    text = example.disclose("--out", out).stdout
    assert "scopes 1+2 -30 % by 2025" in text
    assert "note  contract hydro bundle is not counted: not retired" in text
    markdown = example.disclose("--out", out, "-o", "md").stdout
    assert (example.out / "statement.md").read_text("utf-8") == markdown
    assert "## Offsets, apart from every total above" in markdown
    table = example.disclose("--out", out, "-o", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [ln["emissions_mg"] for ln in example.values["lines"]] == [
        int(row["emissions_mg"]) for row in rows
    ]
    result = example.disclose("--out", out, "-o", "json")
    assert example.values == json.loads(result.stdout)
    assert "note  contract hydro bundle is not counted" in result.stderr


@pytest.mark.slow
def test_the_bundle_verifies(example: Example, tmp_path: Path) -> None:
    """Checksums hold, the rows give the signed root again, and the inputs the same statement."""
    for line in (example.out / "SHA256SUMS").read_text("utf-8").splitlines():
        sha256, name = line.split("  ")
        assert sha256 == hashlib.sha256((example.out / name).read_bytes()).hexdigest()
    runner, again = CliRunner(), tmp_path / "ledger" / "again.ledger"
    key_file = ["--key-file", str(tmp_path / "again.key")]
    init = ["ledger", "init", str(again), "--origin", "example.org/cloud", "--kind", "operated"]
    assert 0 == runner.invoke(main, [*init, *key_file]).exit_code
    rows = ["--from", str(example.out / "ledger.json")]
    assert 0 == runner.invoke(main, ["ledger", "append", str(again), *rows, *key_file]).exit_code
    anchor = runner.invoke(main, ["ledger", "anchor", str(again)]).stdout.split()
    assert example.values["ledger"]["root"] == anchor[2]
    result = example.disclose(
        *("-o", "json", "--out", str(tmp_path / "out")),
        company=example.out / "inputs" / "company.yaml",
    )
    assert (example.out / "statement.json").read_text("utf-8") == result.stdout


def test_a_statement_that_is_replaced_leaves_files_of_others(
    example: Example, tmp_path: Path
) -> None:
    """What a user put beside an earlier statement stays, in its folders too."""
    place = tmp_path / "s"
    shutil.copytree(example.out, place)
    mine = [place / "letter.txt", place / "inputs" / "why.txt"]
    for path in mine:
        path.write_text("mine", "utf-8")
    (place / "inputs" / "old.csv").write_text("", "utf-8")
    with (place / "SHA256SUMS").open("a", encoding="utf-8") as sums:
        sums.write(f"{'0' * 64}  inputs/old.csv\n")
    assert 0 == example.disclose("--out", str(place)).exit_code
    assert all(path.read_text("utf-8") == "mine" for path in mine)
    assert not (place / "inputs" / "old.csv").exists()


def test_a_simulated_ledger_is_refused(example: Example, tmp_path: Path) -> None:
    """A ledger of simulations discloses nothing: exit code 3, nothing written."""
    from greensched.ledger import init_ledger

    made = init_ledger(
        tmp_path / "l" / "sim.ledger", "example.org/sim", "simulated", tmp_path / "sim.key"
    )
    other = Example(ledger=made.ledger, key=made.verifier_key, out=tmp_path / "out")
    result = other.disclose("--out", str(other.out))
    assert 3 == result.exit_code
    assert "holds simulated entries: nothing of it was emitted" in result.stderr
    assert not other.out.exists()


def test_a_foreign_key_and_place_are_refused(example: Example, tmp_path: Path) -> None:
    """Another public key is refused, and so is a folder that holds something else."""
    wrong = example.disclose("--key", example.key[:-4] + "AAA=", "--out", str(tmp_path / "o"))
    assert wrong.exit_code in {2, 3}
    place = tmp_path / "mine"
    place.mkdir()
    (place / "letter.txt").write_text("mine", "utf-8")
    result = example.disclose("--out", str(place))
    assert 2 == result.exit_code
    assert "is there and is not a statement of greensched" in result.stderr
    assert ["letter.txt"] == [path.name for path in place.iterdir()]


@pytest.mark.parametrize(
    ("year", "what"),
    [
        (2019, "2019 is before the base year 2020"),
        (2026, "neither the ledger nor activities say anything of 2026"),
    ],
)
def test_a_year_of_which_nothing_is_known(
    example: Example, tmp_path: Path, year: int, what: str
) -> None:
    """A year before the base year, or without anything in it, is refused."""
    company = _edited(tmp_path, ("    on_site: {from: 2025, pv: pv-hz.csv.gz}\n", ""))
    text = company.read_text("utf-8")
    begin, end = text.index("    cooling:\n"), text.index("  - name: bj")
    company.write_text(text[:begin] + text[end:], "utf-8")
    result = example.disclose("--out", str(tmp_path / "o"), company=company, year=year)
    assert 2 == result.exit_code
    assert what in result.stderr


@pytest.mark.slow
def test_an_earlier_year_is_disclosed_from_bills(example: Example, tmp_path: Path) -> None:
    """2023 is known by bills alone: no hourly scores, and no residual mix before 2022."""
    company = _copy(tmp_path)
    out = tmp_path / "o"
    result = example.disclose("--out", str(out), "-o", "json", company=company, year=2023)
    found = json.loads(result.stdout)
    assert [None, None] == [site["cfe_hourly_share"] for site in found["sites"]]
    assert 6_000_000 / 63_100_000 == pytest.approx(found["indicators"]["renewable_share"])
    assert [2020, 2021, 2022, 2023] == [one["year"] for one in found["path"]]
    base = example.disclose("--out", str(out), "-o", "json", company=company, year=2020)
    for told in (
        "bj: no residual mix of 2020, the location factor stands in for it",
        "hz: no residual mix of 2020, the location factor stands in for it",
        "hz: ways of cooling are compared from 2025 on",
    ):
        assert told in base.stderr
    flagged = [line for line in json.loads(base.stdout)["lines"] if "no_residual" in line["note"]]
    assert {"bj", "hz"} == {line["site"] for line in flagged}
    assert None is json.loads(base.stdout)["change"]


def test_all_that_is_wrong_with_the_files_is_told(example: Example, tmp_path: Path) -> None:
    """Missing files, bad rows and amounts that do not agree are told together, each in place."""
    company = _edited(
        tmp_path,
        ("factors: [factors.csv]", "factors: [fctors.csv]"),
        ("amount: 24 GWh", "amount: 25 GWh"),
        ("file: cooling-free.csv", "file: ../outside.csv"),
    )
    folder = company.parent
    (folder / "activities.csv").write_text("year,kind,quantity,unit\n2025,rocket,x,l\n", "utf-8")
    result = example.disclose("--out", str(tmp_path / "o"), company=company)
    assert 2 == result.exit_code
    for what in (
        "factors[0]: 'fctors.csv' is not there",
        "activities.csv row 1, kind: 'rocket' is none of",
        "activities.csv row 1, quantity: 'x' is no finite number",
        "contracts[0].delivered: delivers 24,000,000.000 kWh, but its amount is 25,000,000.000",
        "'../outside.csv' is outside the company's folder",
    ):
        assert what in result.stderr


@pytest.mark.slow
def test_own_factors_replace_bundled_ones_by_id(example: Example, tmp_path: Path) -> None:
    """A factor file with an id that ships replaces it, and the statement says whose it is."""
    company = _copy(tmp_path)
    with (company.parent / "factors.csv").open("a", encoding="utf-8") as stream:
        stream.write("cn-grid-residual,2020,CO2,kg/kWh,1,,,,direct,CN,mine,own\n")
    result = example.disclose("-o", "json", "--out", str(tmp_path / "o"), company=company)
    found = json.loads(result.stdout)
    residual = [f for f in found["factors"] if f["id"] == "cn-grid-residual"]
    assert [(1.0, True, "mine")] == [(f["mid_kg"], f["own"], f["source"]) for f in residual]
    before = example.values["inventory"]["scope2_market"]["mid_t"]
    assert before < found["inventory"]["scope2_market"]["mid_t"]


def test_a_company_without_anything_optional(example: Example, tmp_path: Path) -> None:
    """Sites and a base year are enough: an inventory without targets, offsets or indicators."""
    path = tmp_path / "small.yaml"
    path.write_text(
        "apiVersion: greensched/v1\nkind: Company\nname: Small\ntime_zone: Asia/Shanghai\n"
        "boundary: operational control\ngwp: AR5\nmatching: hourly\n"
        "base_year: {year: 2025, recalculated: never}\nsites:\n"
        "  - {name: hz, market: CN}\n  - {name: bj, market: CN}\n",
        "utf-8",
    )
    out = tmp_path / "o"
    text = example.disclose("--out", str(out), company=path).stdout
    assert "Targets" not in text
    assert "Offsets" not in text
    found = json.loads((out / "statement.json").read_text("utf-8"))
    assert found["sites"][0]["electricity_location_t"] == pytest.approx(
        found["sites"][0]["import_kwh"] * 0.55 / 1_000, rel=1e-6
    )
    assert ("hz-meter", "no_residual") == (
        found["lines"][0]["factor_id"],
        found["lines"][1]["note"],
    )
    assert (None, None) == (found["benchmark"], found["sci_g_per_unit"])
