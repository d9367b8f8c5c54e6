"""Files of the books: what is read, and every class of bad row, told with its place."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.accounting.books import gwp_of
from greensched.errors import DataError
from greensched.readers.books import (
    bundled_factors,
    read_activities,
    read_avoided,
    read_cooling,
    read_factors,
    read_hours,
    read_offsets,
)
from greensched.readers.books import rows as rows_module
from greensched.units import MS_PER_DAY, MS_PER_H
from tests.conftest import ROOT
from tests.readers.builders import refusal, write

if TYPE_CHECKING:
    from pathlib import Path

FACTORS = "id,year,gas,unit,value,low,high,source,licence"
ACTIVITIES = "year,site,kind,quantity,unit,factor_id,quality,note"
OFFSETS = "registry,serial,kind,vintage,owner,mass_t,retired_for,note"
AVOIDED = "year,technology,baseline,signal,saved_t,low_t,high_t,note"


def test_a_factor_file(tmp_path: Path) -> None:
    """A factor has its range, unit, source, licence and the checksum of its file."""
    path = write(tmp_path, "f.csv", FACTORS, "grid,2023,CO2,g/kWh,530.6,500,,MEE,facts")
    factor = read_factors([path]).at("grid", 2023)[0]
    assert [Fraction(1, 2), Fraction("0.5306"), Fraction("0.5306")] == [
        factor.low_kg,
        factor.mid_kg,
        factor.high_kg,
    ]
    assert ("MEE", "facts", "unstated", 64) == (
        factor.source,
        factor.licence,
        factor.gwp,
        len(factor.sha256),
    )


def test_factors_of_several_files_are_one_table(tmp_path: Path) -> None:
    """Two factor files make one table, and a row that both have is refused."""
    row = "grid,2023,CO2,kg/kWh,1,,,MEE,facts"
    first, second = (write(tmp_path, n, FACTORS, row) for n in ("a.csv", "b.csv"))
    assert ("grid",) == read_factors([first]).ids
    assert "two rows of CO2" in refusal(lambda: read_factors([first, second]), DataError)


def test_every_bad_factor_is_told(tmp_path: Path) -> None:
    """Wrong units, gases and ranges of a file are told together, each with its row."""
    path = write(
        tmp_path,
        "f.csv",
        FACTORS,
        "a,2023,CO2,kWh/kg,1,,,s,l",
        "b,2023,CO3,kg/kWh,1,,,s,l",
        "c,2023,CO2,kg/kWh,1,2,,s,l",
    )
    told = refusal(lambda: read_factors([path]), DataError)
    assert [
        "f.csv row 1, unit: 'kWh/kg' is no mass for one of something",
        "f.csv row 2, factor b 2023: unknown gas 'CO3'",
        "f.csv row 3, factor c 2023: 2 .. 1 .. 1 kg do not rise from 0",
    ] == [line.split(";")[0] for line in told.splitlines()]


@pytest.mark.parametrize(
    ("factor_id", "year", "value"),
    [
        ("cn-grid", 2022, "0.5366"),
        ("cn-grid", 2023, "0.5306"),
        ("cn-grid-north", 2023, "0.6361"),
        ("cn-grid-southwest", 2023, "0.2472"),
        ("cn-grid-residual", 2023, "0.6096"),
        ("cn-grid-zhejiang", 2022, "0.5153"),
        ("eu-grid", 2018, "0.281"),
    ],
)
def test_bundled_factors_are_the_published_ones(factor_id: str, year: int, value: str) -> None:
    """A bundled grid factor is the number that its source published, in kg/kWh."""
    assert [Fraction(value)] == [f.mid_kg for f in bundled_factors().at(factor_id, year)]


def test_bundled_factors_all_have_a_source() -> None:
    """Every bundled factor has a source and a licence, and refrigerants add up to a kilogram."""
    table = bundled_factors()
    assert all(f.source and f.licence for f in table.factors)
    for blend, gwp in (("r410a", 2_256), ("r404a", 4_728)):  # by AR6, as UNEP's RTOC 2022 has it
        assert 1 == sum(f.mid_kg for f in table.at(blend, 2023))
        assert gwp == round(sum(f.mid_kg * gwp_of(f.gas, "AR6") for f in table.at(blend, 2023)))
    # 40 CFR Part 98: 10.206 kg CO2 a gallon of distillate No. 2
    assert 2.6963 == pytest.approx(
        float(table.at("diesel", 2023)[1].mid_kg / Fraction("3.785411784")), abs=1e-4
    )


def test_activities(tmp_path: Path) -> None:
    """An activity has its year, site, quantity, factor and the row that it was read from."""
    path = write(
        tmp_path,
        "activities.csv",
        ACTIVITIES,
        "2023,hz,genset,1.5e3,l,diesel,,two tests",
        "",
        "2023,,commuting,12,km,car,assumed,",
    )
    (first, second), sha256 = read_activities(path)
    assert (2023, "hz", Fraction(1_500), "measured", "activities.csv row 1") == (
        first.year,
        first.site,
        first.quantity,
        first.quality,
        first.origin,
    )
    assert ("", "assumed", "activities.csv row 3") == (
        second.site,
        second.quality,
        second.origin,
    )
    assert 64 == len(sha256)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2023,hz,genset,NaN,l,diesel,,", "row 1, quantity: 'NaN' is no finite number"),
        ("2023,hz,genset,1e999,l,diesel,,", "row 1, quantity: '1e999' is no finite number"),
        ("2023,hz,genset,0x10,l,diesel,,", "row 1, quantity: '0x10' is no finite number"),
        ("2023,hz,genset,,l,diesel,,", "row 1, quantity: empty"),
        ("23,hz,genset,1,l,diesel,,", "row 1, year: '23' is no year from 1990 to 2100"),
        ("2023.5,hz,genset,1,l,diesel,,", "row 1, year: '2023.5' is no year"),
        ("2023,hz,rocket,1,l,diesel,,", "row 1, kind: 'rocket' is none of genset"),
        ("2023,hz,genset,-1,l,diesel,,", "row 1: -1 l is below zero"),
        ("2023,hz,genset,1,l,,,", "row 1: genset without a factor"),
        ("2023,hz,genset,1,l", "row 1: 5 cells for 8 columns"),
        ("2023,hz,genset,1,l,diesel,,,,", "row 1: 10 cells for 8 columns"),
        ("2023,h\x1bz,genset,1,l,diesel,,", "row 1, site: 'h\\x1bz'... is longer than 253"),
        (f"2023,{'x' * 254},genset,1,l,diesel,,", "is longer than 253 bytes"),
        ('2023,"hz,genset,1,l,diesel,,', "line 2: is not CSV: unexpected end of data"),
    ],
)
def test_a_bad_row_of_activities(tmp_path: Path, row: str, what: str) -> None:
    """Every class of bad row is refused with its place and what is wrong."""
    path = write(tmp_path, "a.csv", ACTIVITIES, row)
    told = refusal(lambda: read_activities(path), DataError)
    assert what in told.replace("\\\\", "\\")


def test_a_row_that_is_there_twice(tmp_path: Path) -> None:
    """Two equal rows may be one counted twice: they are refused, and a note tells them apart."""
    row = "2023,hz,genset,1,l,diesel,,"
    path = write(tmp_path, "a.csv", ACTIVITIES, row, row)
    told = refusal(lambda: read_activities(path), DataError)
    assert "a.csv row 2: the same as row 1; keep one, or tell them apart in a note" == told
    write(tmp_path, "a.csv", ACTIVITIES, row, f"{row}second test")
    assert 2 == len(read_activities(path)[0])


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("year,site,kind,quantity,unit,factor", "'factor'; did you mean 'factor_id'?"),
        ("year,year,kind,quantity,unit", "two columns 'year'"),
        ("year,kind,quantity", "no column 'unit'"),
        ("year,kind,quantity,unit,zzz", "unknown column 'zzz'; columns are year"),
        ("", "no column 'year'"),
    ],
)
def test_a_bad_header(tmp_path: Path, header: str, what: str) -> None:
    """Unknown, missing and repeated columns are told, with the nearest name."""
    path = write(tmp_path, "a.csv", header)
    assert what in refusal(lambda: read_activities(path), DataError)


def test_files_that_are_no_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing, empty or too large file and bytes that are no text are refused."""
    path = tmp_path / "a.csv"
    assert "no such file" in refusal(lambda: read_activities(path), DataError)
    path.write_bytes(b"")
    assert "the file is empty" in refusal(lambda: read_activities(path), DataError)
    path.write_bytes(b"year\xff\n")
    assert "is not UTF-8" in refusal(lambda: read_activities(path), DataError)
    monkeypatch.setattr(rows_module, "BYTES_MAX", 3)
    assert "has 6 bytes, more than 3" in refusal(lambda: read_activities(path), DataError)


def test_of_very_many_findings_the_first_are_told(tmp_path: Path) -> None:
    """Of 30 bad rows 20 are told, and how many more there are."""
    path = write(tmp_path, "a.csv", ACTIVITIES, *(f"2023,s{i},genset,x,l,d,," for i in range(30)))
    told = refusal(lambda: read_activities(path), DataError).splitlines()
    assert (21, "a.csv: and 10 more") == (len(told), told[-1])


def test_offsets(tmp_path: Path) -> None:
    """An offset has registry, serial, kind, vintage, owner, mass and its year of retirement."""
    path = write(
        tmp_path, "o.csv", OFFSETS, "CCER,7-1,forest,2022,acme,1.5,2023,", "VCS,2,CCUS,2023,u,2,,"
    )
    (first, second), _ = read_offsets(path)
    assert ("CCER", "7-1", "forest", 2022, "acme", 1_500_000_000, 2023) == (
        first.registry,
        first.serial,
        first.kind,
        first.vintage,
        first.owner,
        first.mass_mg,
        first.retired,
    )
    assert None is second.retired
    write(tmp_path, "o.csv", OFFSETS, "CCER,1,forest,2022,acme,-1,,")
    assert "o.csv row 1, mass_t: is below zero" in refusal(lambda: read_offsets(path), DataError)


def test_avoided(tmp_path: Path) -> None:
    """A saving has technology, baseline, signal and range, and may be negative."""
    path = write(
        tmp_path,
        "s.csv",
        AVOIDED,
        "2023,tidal,autoscaled,average,-2,-3,,",
        "2023,x,y,marginal,1,,,",
    )
    (first, second), _ = read_avoided(path)
    assert (-3 * 10**9, -2 * 10**9, -2 * 10**9) == (first.low_mg, first.mid_mg, first.high_mg)
    assert ("marginal", "s.csv row 2") == (second.signal, second.origin)
    write(tmp_path, "s.csv", AVOIDED, "2023,tidal,autoscaled,average,2,3,,")
    assert "saved_t: the range does not rise" in refusal(lambda: read_avoided(path), DataError)


def test_cooling(tmp_path: Path) -> None:
    """A cooling's table has a PUE for every temperature and load, in any order of rows."""
    head = "temperature_c,load_share,pue"
    path = write(tmp_path, "c.csv", head, "20,1,1.2", "-10,0.5,1.15", "-10,1,1.1", "20,0.5,1.3")
    cooling, _ = read_cooling(path, "free")
    assert [[1.15, 1.1], [1.3, 1.2]] == cooling.pue.tolist()
    write(tmp_path, "c.csv", head, "20,1,1.2", "-10,0.5,1.15")
    assert "no PUE at -10 C and 1, 20 C and 0.5" in refusal(
        lambda: read_cooling(path, "free"), DataError
    )
    write(tmp_path, "c.csv", head, "20,1,1.2", "20,1.0,1.3")
    assert "two rows of one temperature" in refusal(lambda: read_cooling(path, "f"), DataError)


def test_hours_of_a_year(tmp_path: Path) -> None:
    """Hours are put in their place whatever their order or offset; other years are passed over."""
    path = write(
        tmp_path,
        "pv.csv",
        "time,energy_kwh",
        "2023-01-01T01:00+08:00,2",
        "2023-01-01T00:00+08:00,1",
        "2022-12-31T18:00Z,3",
        "2020-01-01T00:00+08:00,9",
    )
    start_ms = int(np.datetime64("2022-12-31T16:00", "ms").astype(np.int64))
    values, _ = read_hours(path, "energy_kwh", start_ms, 3)
    assert [1, 2, 3] == values.tolist()


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (("time,t_c", "1970-01-01T00:00,1"), "states no offset"),
        (("time_utc,t_c", "1970-01-01T00:30,1"), "does not begin an hour of the year"),
        (("time_utc,t_c", "noon,1"), "Invalid isoformat string"),
        (("t_c", "1"), "no time: give time_utc"),
        (("time_utc,t_c", "1970-01-01T00,1", "1970-01-01T00:00Z,2"), "a second row of this hour"),
        (
            ("time_utc,t_c", "1970-01-01T01,1"),
            "no row for 23 of 24 hours, the first 1970-01-01T00",
        ),
    ],
)
def test_hours_that_cannot_be(tmp_path: Path, lines: tuple[str, ...], what: str) -> None:
    """Times without an offset or between hours, repeated and missing hours are refused."""
    path = write(tmp_path, "h.csv", *lines)
    hours = MS_PER_DAY // MS_PER_H
    assert what in refusal(lambda: read_hours(path, "t_c", 0, hours), DataError)


def test_the_page_of_factors_is_as_made() -> None:
    """The reference of factors holds what ships, with sources; see CONTRIBUTING to make it."""
    from greensched.report.factors_page import factors_page

    page = (ROOT / "docs" / "reference" / "factors.md").read_text("utf-8")
    assert factors_page() == page
