"""Carbon intensity from files: layouts, refusals, real series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from greensched.carbon import Fill
from greensched.errors import DataError
from greensched.providers import files
from greensched.units import MS_PER_DAY

if TYPE_CHECKING:
    from pathlib import Path

START_MS = 1_672_531_200_000  # 2023-01-01T00:00Z

WIDE = "datetime_utc,CN-EAST,DE\n2023-01-01 00:00:00,500,300\n2023-01-01 01:00:00,510,290\n"
LONG = (
    "zone,timestamp,carbon_intensity_g_per_kwh\n"
    "DE,2023-01-01T00:00:00Z,300\nDE,2023-01-01T01:00:00Z,290\n"
    "FR,2023-01-01T00:00:00Z,50\nFR,2023-01-01T01:00:00Z,55\n"
)
SINGLE = "Time,Carbon Intensity\n2023-01-01 01:00:00,300\n2023-01-01 02:00:00,290\n"


def write(folder: Path, text: str, name: str = "carbon.csv") -> Path:
    """Write `text` to a file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [WIDE, LONG])
def test_layouts_agree(tmp_path: Path, text: str) -> None:
    """The wide and the long layout give one and the same series."""
    series = files.read(write(tmp_path, text), "DE")
    assert [300.0, 290.0] == series.values_g_per_kwh.tolist()
    assert START_MS == series.edges_ms[0]
    assert ("DE", "carbon.csv", 64) == (
        series.zone,
        series.labels.source,
        len(series.labels.checksum),
    )


def test_single_column_takes_the_named_zone(tmp_path: Path) -> None:
    """A file of two columns is the zone that the caller says, in the time zone he says."""
    series = files.read(write(tmp_path, SINGLE), "DE", time_zone="Europe/Berlin")
    assert (START_MS, "DE") == (series.edges_ms[0], series.zone)


def test_folder_has_a_file_a_zone(tmp_path: Path) -> None:
    """In a folder the zone's file is found by its name, years after it left aside."""
    write(tmp_path, SINGLE, "DE_2021-2024.csv")
    write(tmp_path, SINGLE, "US-TEX-ERCO_2021-2024.csv")
    series = files.read(tmp_path, "US-TEX-ERCO", time_zone="UTC")
    assert "US-TEX-ERCO_2021-2024.csv" == series.labels.source
    assert ("DE", "US-TEX-ERCO") == files.zones(tmp_path)
    write(tmp_path, SINGLE, "DE_2025.csv")
    with pytest.raises(DataError, match="2 files"):
        files.read(tmp_path, "DE", time_zone="UTC")


def test_zones_are_listed(tmp_path: Path) -> None:
    """Zones are listed from a wide header or a long column, and not made up."""
    assert ("CN-EAST", "DE") == files.zones(write(tmp_path, WIDE))
    assert ("DE", "FR") == files.zones(write(tmp_path, LONG))
    assert () == files.zones(write(tmp_path, SINGLE))


@pytest.mark.parametrize("text", [WIDE, LONG.replace("FR", "CN-EAST")])
def test_unknown_zone_names_the_near_one(tmp_path: Path, text: str) -> None:
    """An unknown zone is an error that names the nearest; no other zone is taken."""
    with pytest.raises(DataError, match="zone 'CN-EST' has no rows; near: CN-EAST"):
        files.read(write(tmp_path, text), "CN-EST")


def test_unknown_zone_of_a_folder(tmp_path: Path) -> None:
    """An unknown zone of a folder is an error that lists the zones there are."""
    write(tmp_path, SINGLE, "DE_2021.csv")
    with pytest.raises(DataError, match="zones: DE"):
        files.read(tmp_path, "PL")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SINGLE, "row 1: '2023-01-01 01:00:00' has no offset; name the time zone"),
        (LONG.replace("290", "abc"), "row 2: 'abc' is no number"),
        (LONG.replace("290", "nan"), "row 2: 'nan' is not finite"),
        (LONG.replace("2023-01-01T01", "01.01.2023 01"), "row 2: .* is no ISO 8601 time"),
        (LONG.replace(",290", ""), "row 2: 2 cells where the header has 3"),
        (LONG.replace(",290", ",290,1"), "row 2: 4 cells where the header has 3"),
        (LONG.replace("timestamp", "when"), "no time column"),
        ("", "is empty"),
        (LONG.replace("290", '"290'), "is no CSV text"),
        (LONG.replace("290", ""), "no value for 1 h"),
        (LONG.replace("290", "-1"), "-1.0 g/kWh is not above 0"),
        (LONG.replace("290", "2001"), "2001.0 g/kWh is not above 0 and at most 2,000"),
        (LONG.replace("290", "1e400"), "row 2: '1e400' is not finite"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each class of bad file is refused with its row, its value and the remedy."""
    with pytest.raises(DataError, match=message):
        files.read(write(tmp_path, text), "DE")


def test_all_bad_rows_are_told_at_once(tmp_path: Path) -> None:
    """Two bad rows make one error with two findings; very many are counted."""
    with pytest.raises(DataError) as caught:
        files.read(write(tmp_path, LONG.replace("290", "x").replace("300", "y")), "DE")
    assert 2 == len(caught.value.findings)
    many = "timestamp,carbon_intensity\n" + "2023-01-01T00:00Z,x\n" * 50
    with pytest.raises(DataError, match="50 bad rows in all"):
        files.read(write(tmp_path, many), "DE")
    with pytest.raises(DataError, match="2 times without an offset in all"):
        files.read(write(tmp_path, SINGLE), "DE")


@pytest.mark.parametrize("time", ["2023-03-26 02:30:00", "2023-10-29 02:30:00"])
def test_local_times_of_clock_changes_are_refused(tmp_path: Path, time: str) -> None:
    """A local time that does not exist or exists twice is refused."""
    path = write(tmp_path, f"timestamp,carbon_intensity\n{time},300\n")
    with pytest.raises(DataError, match="does not exist or is ambiguous"):
        files.read(path, "DE", time_zone="Europe/Berlin")


def test_unknown_time_zone_and_missing_file(tmp_path: Path) -> None:
    """A time zone that does not exist and a file that does not are errors."""
    with pytest.raises(DataError, match="no time zone 'Mars'"):
        files.read(write(tmp_path, SINGLE), "DE", time_zone="Mars")
    with pytest.raises(DataError, match="cannot be read"):
        files.read(tmp_path / "none.csv", "DE")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    """Bytes that are no text, and a Parquet file that is none, are refused."""
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no CSV text"):
        files.read(tmp_path / "x.csv", "DE")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(DataError, match="is no Parquet"):
        files.read(tmp_path / "x.parquet", "DE")


@pytest.mark.parametrize("text", [WIDE, LONG])
def test_parquet_is_read_like_csv(tmp_path: Path, text: str) -> None:
    """A table gives the same series from Parquet as from CSV, and the same refusal."""
    csv_file = write(tmp_path, text)
    parquet = tmp_path / "carbon.parquet"
    with duckdb.connect(":memory:") as connection:
        connection.read_csv(str(csv_file), all_varchar=True).write_parquet(str(parquet))
    expected = files.read(csv_file, "DE")
    series = files.read(parquet, "DE")
    assert expected.edges_ms.tolist() == series.edges_ms.tolist()
    assert expected.values_g_per_kwh.tolist() == series.values_g_per_kwh.tolist()
    assert files.zones(csv_file) == files.zones(parquet)
    with pytest.raises(DataError, match="zone 'PL' has no rows"):
        files.read(parquet, "PL")


@pytest.mark.data
@pytest.mark.parametrize(("zone", "mean"), [("DE", 366.97153767123285), ("HK", 435.36)])
def test_real_wide_year(data_folder: Path, zone: str, mean: float) -> None:
    """The hourly year 2023 has 8,760 values a zone with the mean found independently."""
    series = files.read(data_folder / "carbon" / "electricitymaps_2023_hourly.csv", zone)
    assert 8_760 == len(series.values_g_per_kwh)
    assert mean == pytest.approx(series.mean(START_MS, START_MS + 365 * MS_PER_DAY), rel=1e-12)
    assert (zone == "HK") == bool(series.findings)


@pytest.mark.data
def test_real_folder_of_parquet(data_folder: Path) -> None:
    """Four years of a zone are read from Parquet when its naive times are said to be UTC."""
    folder = data_folder / "carbon" / "electricitymaps_2021-2024"
    series = files.read(folder, "DE", time_zone="UTC")
    assert 35_064 == len(series.values_g_per_kwh)
    with pytest.raises(DataError, match="has no offset"):
        files.read(folder, "DE")


@pytest.mark.data
def test_real_gaps(data_folder: Path) -> None:
    """The 23 blank hours of Virginia 2022 are an error until a fill is named, then recorded."""
    path = data_folder / "carbon" / "us_eia_2022_hourly.csv"
    with pytest.raises(DataError, match="2 gaps, 23 h in all"):
        files.read(path, "VA")
    series = files.read(path, "VA", fill=Fill(kind="interpolate", longest_ms=MS_PER_DAY))
    assert 23 == int(series.filled.sum())
    assert ("us_eia_2022_hourly.csv: 23 h in 2 gaps filled (interpolate), longest 22 h",) == (
        series.findings
    )


@pytest.mark.data
def test_real_half_hours(data_folder: Path) -> None:
    """A series of half-hours in two columns is read with its own step."""
    path = data_folder / "carbon" / "lets-wait-awhile" / "fr_ci.csv"
    series = files.read(path, "FR", time_zone="UTC")
    assert 1_800_000 == int(series.edges_ms[1] - series.edges_ms[0])
    assert 18_574 == len(series.values_g_per_kwh)
