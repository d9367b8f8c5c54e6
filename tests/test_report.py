"""The difference table: its numbers, its words, its forms."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.report import heading
from greensched.report.difference import lines, result_columns, why_nothing
from greensched.report.heading import captured
from greensched.report.marked import result_csv, result_markdown
from greensched.report.schema import summary_schema
from greensched.report.tables import FORMULA, csv_text, read_parquet, write_parquet
from greensched.report.terminal import comparison_text, result_text
from greensched.report.words import number, signed, span
from tests.report_cases import series, summary

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.report.difference_rows import Line


def _row(key: str, **given_summary: Any) -> Line:
    """Return one row of the table of a summary."""
    made = summary(**given_summary)
    _, outcomes = result_columns(made)
    return next(r for r in lines(outcomes, currency="EUR") if r.key == key)


@pytest.mark.parametrize(
    ("key", "cells", "delta", "percent"),
    [
        ("machines_on_mean", ("331.0", "400.0", "268.0"), "-63.0", "-19.0"),
        ("energy_facility_kwh", ("12.71", "14.62", "11.03"), "-1.68", "-13.2"),
        ("scope2_location_kg", ("6.99", "8.04", "6.07"), "-0.92", "-13.2"),
        ("cost", ("1,525.2", "1,754.4", "1,323.6"), "-201.6", "-13.2"),
        ("batch.deadline_miss_share", ("0.40", "0.40", "0.40"), "0 pt", ""),
        ("batch.wait_p95_s", ("8.00", "8.00", "8.00"), "0", "0.0"),
    ],
)
def test_rows_show_the_difference(
    key: str, cells: tuple[str, ...], delta: str, percent: str
) -> None:
    """A row shows each run, and the scenario less the baseline, in a unit that fits."""
    row = _row(key)
    assert (cells, delta, percent) == (row.cells, row.delta, row.percent)


@pytest.mark.parametrize(
    ("factor", "verdict", "ok"),
    [(1.06, "limit 1.10 ok", True), (1.16, "limit 1.10 VIOLATED", False)],
)
def test_objectives_are_judged(factor: float, verdict: str, ok: bool) -> None:
    """An objective shows its limit and, in words, whether the scenario holds it."""
    row = _row("service.latency_factor_p99", factor=factor)
    assert (verdict, ok) == (row.verdict, row.ok)


def test_unknown_latency_is_a_dash() -> None:
    """A latency factor that is not known is a dash without difference, never a zero."""
    made = summary()
    made["scenario"]["service"] |= {"latency_factor_p99": None, "latency_factor_p99_ok": None}
    _, outcomes = result_columns(made)
    (row,) = (r for r in lines(outcomes) if r.key == "service.latency_factor_p99")
    assert ("–", "", "limit 1.10 not judged") == (row.cells[-1], row.delta, row.verdict)


def test_cost_is_left_out_without_prices() -> None:
    """Without prices there is no row of cost."""
    made = summary()
    _, outcomes = result_columns(made)
    for one in outcomes:
        one["cost"] = None  # type: ignore[index]  # our own copy
    assert "cost" not in {r.key for r in lines(outcomes)}


def test_static_peak_stands_once_as_baseline() -> None:
    """Where static-peak is the baseline it has one column, not two."""
    made = summary()
    made["baseline"]["kind"] = "static-peak"
    assert ("static-peak", "scenario") == result_columns(made)[0]


@pytest.mark.parametrize(
    ("policies", "energy_kwh", "expected"),
    [
        ([], 12_710.0, "no switch is on"),
        (["tidal-timetable"], 12_710.0, "tidal-timetable took no action"),
        (["tidal-timetable"], 13_000.0, "0.29 MWh more facility energy than autoscaled"),
        (["tidal-timetable"], 11_000.0, ""),
    ],
)
def test_no_saving_says_why(policies: list[str], energy_kwh: float, expected: str) -> None:
    """A scenario that saves nothing says so and why; one that saves says nothing."""
    made = summary(energy_kwh=energy_kwh)
    made["scenario"]["policies"] = policies
    told = why_nothing(made)
    assert expected in told
    assert bool(expected) == bool(told)


@pytest.mark.parametrize(
    ("kind", "policies", "told"),
    [
        ("autoscaled", ["tidal"], True),
        ("autoscaled", ["elastic-reactive", "tidal"], False),
        ("static-peak", ["tidal"], False),
    ],
)
def test_rules_that_no_switch_takes_over_are_told(
    kind: str, policies: list[str], told: bool
) -> None:
    """A loss against the baseline that scales names its rules where no switch scales."""
    made = summary(energy_kwh=13_000.0)
    made["baseline"]["kind"], made["scenario"]["policies"] = kind, policies
    assert told == ("own rules are off, and no switch changes replicas" in why_nothing(made))


def test_a_saving_of_carbon_alone_is_told() -> None:
    """More energy and less scope 2 is no "nothing"; what is shown as 0.0 is told as less."""
    made = summary(energy_kwh=13_000.0)
    made["savings"]["scope2_location_kg"] = 0.0
    assert why_nothing(made).startswith("saves nothing: the scenario takes 0.29 MWh more")
    made["savings"]["scope2_location_kg"] = 120.0
    told = why_nothing(made)
    assert told.startswith("saves no energy: the scenario takes 0.29 MWh more facility energy")
    assert "autoscaled and 0.12 tCO2e less scope 2" in told
    made["savings"]["energy_facility_kwh"] = -0.004
    assert "takes less than 0.01 MWh more" in why_nothing(made)


def test_sentence_names_broken_objectives() -> None:
    """The sentence of a saving that breaks an objective says so in the same breath."""
    assert heading.sentence(summary()).endswith("with its stated objectives held.")
    assert "but breaks the latency objective" in heading.sentence(summary(factor=1.2))
    made = summary(factor=1.2)
    made["scenario"]["batch"]["deadline_miss_ok"] = None
    told = heading.sentence(made)
    assert told.endswith("breaks the latency objective, with the deadline objective not judged.")
    made["baseline"]["batch"]["deadline_miss_ok"] = None  # no job has a deadline
    assert heading.sentence(made).endswith("but breaks the latency objective.")


def test_question_names_the_local_weekday() -> None:
    """The week begins on the scenario's own Monday, which is still Sunday in UTC."""
    assert "this fleet, from Monday" == heading.question(summary())
    assert 8 * 3_600_000 == heading.start_offset_ms(summary())


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_table_fits_the_terminal(columns: int) -> None:
    """No line is longer than the terminal is wide, and from 80 columns on nothing is cut."""
    text = result_text(summary(factor=1.2), columns=columns)
    assert max(map(len, text.splitlines())) <= columns
    assert (columns < 80) == ("…" in text)


@pytest.mark.parametrize(("columns", "blocks"), [(80, 2), (100, 1)])
def test_narrow_table_drops_to_a_second_block(columns: int, blocks: int) -> None:
    """At 80 columns static-peak stands in a block of its own, at 100 beside the baseline."""
    text = result_text(summary(), columns=columns)
    assert blocks == text.count("machines on, mean")
    assert "static-peak" in text


def test_stamp_ends_the_first_line() -> None:
    """The stamp stands at the right end of the first line."""
    made = summary()
    made["window"]["end_s"] = made["window"]["length_s"]
    first = result_text(made, columns=100).splitlines()[0]
    assert 100 == len(first)
    assert first.startswith("tidal-week: 7 days, 40 services, 20,153 jobs, 400 machines ")
    assert first.endswith(" synthetic · modelled · uncalibrated")


def test_databases_are_told_where_there_are_any() -> None:
    """Databases have rows of their own, the worst are named, and who found no machine is told."""
    assert "databases" not in result_text(summary(), columns=100)
    given = summary()
    given["demand"]["databases"] = 9
    minutes = {f"db-{i}": 10.0 - i for i in range(5)}
    for run in ("baseline", "static_peak", "scenario"):
        given[run]["databases"] |= {
            "databases": 9,
            "machines_on_mean": 3.5,
            "unplaced": 1,
            "violation_min_by_database": minutes,
        }
    text = result_text(given, columns=100)
    assert "20,153 jobs, 9 databases, 400 machines" in " ".join(text.split())
    assert "violation, replica-min" in text
    assert (
        "worst databases: db-0 10.0 min, db-1 9.0 min, db-2 8.0 min, 2 more, 1 replica found no"
        in " ".join(text.split())
    )


def test_violated_objective_is_red_only_in_colour() -> None:
    """A violated objective is red on a terminal, and plain text where it is piped."""
    red = "\x1b[31m"
    broken = summary(factor=1.2)
    assert red in result_text(broken, columns=100, colour=True)
    assert red not in result_text(summary(), columns=100, colour=True)
    assert "\x1b" not in result_text(broken, columns=100)


def test_names_cannot_steer_the_terminal() -> None:
    """Control characters in a name are escaped, and markup is not interpreted."""
    made = summary()
    made["demand"]["findings"] = ["a\x1b[31mb [red]c[/red]"]
    text = result_text(made, columns=100)
    assert "a\\x1b[31mb [red]c[/red]" in text


def test_table_tells_service_beside_saving() -> None:
    """No saving is printed without waits, misses, evictions, lost work, shortage, violations."""
    text = result_text(summary(), columns=100)
    for label in (
        *(
            "wait for room, mean",
            "wait for room, p95",
            "missed deadlines",
            "evictions",
            "work lost",
        ),
        *("work short of CPU", "violation", "worst services: shop.eu 8.0 min, web 4.0 min"),
        *("data quality", "3 rows dropped", "20 machines beyond", "3 actions of the switches"),
    ):
        assert label in text
    assert "time to start" not in text


def test_time_to_start_is_told_where_jobs_are_held() -> None:
    """Where jobs are held by choice, the wait for room is not all: time to start is told too."""
    made = summary()
    made["scenario"]["batch"] |= {"held": 5, "held_mean_s": 60.0, "start_p95_s": 7_200.0}
    assert "time to start, p95, h" in result_text(made, columns=100)


def test_comparison_has_both_scenarios() -> None:
    """Two results are shown by their scenarios alone, second less first."""
    a, b = summary(), summary(energy_kwh=9_030.0)
    text = comparison_text(a, b, ("A", "B"), columns=100)
    assert "autoscaled" not in text
    (line,) = (x for x in text.splitlines() if x.startswith("energy, MWh (facility)"))
    assert ["11.03", "9.03", "-2.00", "-18.1"] == line.split()[3:]


def test_markdown_shows_names_as_they_are() -> None:
    """Markdown has one row for each line of the table, and names cannot break it."""
    made = summary()
    made["demand"]["findings"] = ["a|b *c*"]
    text = result_markdown(made)
    assert "| energy, MWh (facility) | 12.71 | 14.62 | 11.03 | -1.68 | -13.2 |  |" in text
    assert "a\\|b \\*c\\*" in text


def test_markdown_has_the_groups_of_the_table() -> None:
    """Headings part machines of the fleet from those of services and batch, in every column."""
    made = summary()
    rows = [x for x in result_markdown(made).splitlines() if x.startswith("| ")]
    cells = rows[0].count("|") - 1
    for group in ("services", "batch"):
        assert f"| **{group}** |" + "  |" * (cells - 1) in rows
        assert f"\n{group}\n" in result_text(made, columns=100)


def test_a_share_that_rounds_to_nothing_has_no_sign() -> None:
    """-0.2 % of what the bound leaves is printed as 0 %, -3 % with its sign."""
    shares = {"machines_on_mean": -0.002, "energy_facility_kwh": -0.03}
    text = captured({"bounds": {"captured": shares}})
    assert "leaves to save: 0 % of machines on, -3 % of energy (" in text


def test_csv_keeps_numbers_as_they_are() -> None:
    """CSV has the summary's own numbers under the summary's own keys."""
    rows = list(csv.DictReader(io.StringIO(result_csv(summary()))))
    (energy,) = (r for r in rows if r["key"] == "energy_facility_kwh")
    assert 12_710.0 == float(energy["autoscaled"])
    assert -1_680.0 == float(energy["difference"])
    (short,) = (r for r in rows if r["key"] == "service.shortage_share")
    assert ("0.001", "ok") == (short["limit"], short["objective"])
    assert ("", "") == (energy["limit"], energy["objective"])


@given(st.text(max_size=20))
def test_csv_text_is_never_a_formula(text: str) -> None:
    """Whatever a name is, a spreadsheet does not take its cell for a formula, nor lose it."""
    written = io.StringIO(csv_text(["first", text], []), newline="")
    _, cell = next(csv.reader(written))
    assert not cell.startswith(FORMULA)
    assert cell in (text, f"'{text}")


@given(st.floats(-1e9, 1e9), st.integers(0, 3))
def test_no_negative_zero(value: float, digits: int) -> None:
    """A number never shows as -0, and its sign says which way it went."""
    text, with_sign = number(value, digits), signed(value, digits)
    assert math.isclose(float(text.replace(",", "")), value, abs_tol=10**-digits)
    if float(text.replace(",", "")) == 0:
        assert not text.startswith("-")
        assert "0" == with_sign
    else:
        assert with_sign[0] == ("-" if value < 0 else "+")


@pytest.mark.parametrize(
    ("length_s", "expected"),
    [(604_800, "7 days"), (86_400, "1 day"), (79_200, "22 hours"), (129_600, "1.5 days")],
)
def test_span_in_words(length_s: float, expected: str) -> None:
    """A window's length is told as people say it."""
    assert expected == span(length_s)


def test_parquet_keeps_the_table(tmp_path: Path) -> None:
    """A table survives being written, and the same table gives the same bytes."""
    frame = series()
    write_parquet(frame, tmp_path / "a.parquet")
    write_parquet(frame, tmp_path / "b.parquet")
    back = read_parquet(tmp_path / "a.parquet")
    assert list(frame.columns) == list(back.columns)
    assert frame["power_it_w"].tolist() == back["power_it_w"].tolist()
    assert frame["run"].tolist() == back["run"].tolist()
    assert frame["time_utc"].tolist() == back["time_utc"].tolist()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_schema_takes_a_summary_and_refuses_what_is_none() -> None:
    """The schema that ships takes the form of a summary, not one that lacks or adds a key."""
    from jsonschema import Draft202012Validator

    schema = summary_schema()
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    assert [] == [e.message for e in check.iter_errors(summary())]
    for part, key in (("scenario", "energy_it_kwh"), ("savings", "embodied_kg")):
        made = summary()
        del made[part][key]
        assert not check.is_valid(made)
    assert not check.is_valid({**summary(), "surprise": 1})
