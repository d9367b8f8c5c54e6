"""Many files at once, exports of Electricity Maps, and files that say what their values are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.carbon import Fill, Labels
from greensched.errors import DataError, UsageError
from greensched.providers import file_all, files
from greensched.providers.file_all import read_all
from greensched.providers.file_rows import samples
from tests.effort import examples

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.carbon import CarbonIntensity

WIDE = "datetime_utc,CN-EAST,DE\n2023-01-01 00:00:00,500,300\n2023-01-01 01:00:00,510,290\n"
LONG = (
    "zone,timestamp,carbon_intensity_g_per_kwh,signal,basis,vintage,synthetic\n"
    "DE,2023-01-01T00:00:00Z,300,marginal,direct,2024-02-01,true\n"
    "DE,2023-01-01T01:00:00Z,290,marginal,direct,2024-02-01,true\n"
)
EXPORT = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Data estimated\n"
    "2024-01-01 00:00:00,Germany,Germany,DE,250.5,300.25,false\n"
    "2024-01-01 01:00:00,Germany,Germany,DE,260.5,310.25,false\n"
)


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def same(first: CarbonIntensity, second: CarbonIntensity) -> bool:
    """Tell whether two series have the same steps and values, bit for bit."""
    return bool(
        first.edges_ms.tobytes() == second.edges_ms.tobytes()
        and first.values_g_per_kwh.tobytes() == second.values_g_per_kwh.tobytes()
    )


@pytest.mark.parametrize("name", ["timestamp_utc", "time_utc", "Datetime (UTC)"])
def test_a_time_column_may_say_that_it_is_utc(tmp_path: Path, name: str) -> None:
    """Whichever of its names it has, no clock need be told; prices call it `time_utc`."""
    first = files.read(write(tmp_path, "a.csv", WIDE), "DE")
    other = files.read(write(tmp_path, "b.csv", WIDE.replace("datetime_utc", name)), "DE")
    assert same(first, other)


def test_gaps_of_a_wide_file_name_the_zone(tmp_path: Path) -> None:
    """Where a file has several zones, a gap is told with the zone that has it."""
    wide = write(tmp_path, "wide.csv", WIDE.replace("510,290", "510,"))
    with pytest.raises(DataError, match=r"wide\.csv zone DE 2023-01-01T01:00"):
        files.read(wide, "DE", time_zone="UTC")


def test_export_of_electricity_maps(tmp_path: Path) -> None:
    """An export is read by its zone id in UTC: life cycle, or direct where that is asked for."""
    path = write(tmp_path, "DE_2024_hourly.csv", EXPORT)
    series = files.read(path, "DE")
    assert ([300.25, 310.25], "lifecycle") == (
        series.values_g_per_kwh.tolist(),
        series.labels.basis,
    )
    series = files.read(path, "DE", labels=Labels(basis="direct"))
    assert ([250.5, 260.5], "direct") == (series.values_g_per_kwh.tolist(), series.labels.basis)
    assert same(files.read(path, "DE"), read_all([path])["DE"])


def test_files_say_what_their_values_are(tmp_path: Path) -> None:
    """Columns of labels are taken for the series, so that what is marginal or made up stays so."""
    labels = files.read(write(tmp_path, "a.csv", LONG), "DE").labels
    assert ("marginal", "direct", "2024-02-01", True) == (
        labels.signal,
        labels.basis,
        labels.vintage,
        labels.synthetic,
    )
    bad = write(tmp_path, "b.csv", LONG.replace("marginal", "mean"))
    with pytest.raises(DataError, match="states a signal or basis that is none"):
        files.read(bad, "DE")


def test_zone_is_the_name_up_to_the_first_mark(tmp_path: Path) -> None:
    """In a folder a file's zone is its name up to the first `_` or `.`; a lone file's is said."""
    single = "timestamp,carbon_intensity\n2023-01-01T00:00Z,300\n2023-01-01T01:00Z,290\n"
    for name in ("US-TEX-ERCO_2021_x.csv", "DE.2024.csv", "FR.csv"):
        write(tmp_path, name, single)
    assert ["DE", "FR", "US-TEX-ERCO"] == list(read_all([tmp_path]))
    assert ["DE", "FR"] == list(read_all([tmp_path / "DE.2024.csv", tmp_path / "FR.csv"]))
    assert ["GB"] == list(read_all([tmp_path / "FR.csv"], wanted=["GB"]))
    for wanted in ([], ["GB", "DE"]):
        with pytest.raises(
            UsageError, match="do not say which zone they are; name it with --zone"
        ):
            read_all([tmp_path / "FR.csv"], wanted=wanted)


def test_all_findings_of_all_files(tmp_path: Path) -> None:
    """Bad rows of two files are told together; so are zones that are not there, or there twice."""
    head = "timestamp,carbon_intensity\n"
    a = write(tmp_path, "A.csv", f"{head}2023-01-01T00:00Z,x\n")
    b = write(tmp_path, "B.csv", f"{head}2023-01-01T00:00,1\n")
    with pytest.raises(DataError) as caught:
        read_all([a, b])
    assert ["A.csv row 1: 'x' is no number", "B.csv row 1: '2023-01-01T00:00' has no offset"] == [
        f"{f.where}: {f.what}" for f in caught.value.findings
    ]
    with pytest.raises(DataError, match="zone 'C' has no rows"):
        read_all([a, b], wanted=["C"])
    write(tmp_path, "A_2.csv", f"{head}2023-01-01T00:00Z,5\n")
    with pytest.raises(DataError, match=r"zone 'A' is also in A\.csv; give one of them"):
        read_all([tmp_path])
    with pytest.raises(DataError, match="no time column"):
        read_all([write(tmp_path, "D.csv", "a,b\n1,2\n"), a])


def test_empty_folder(tmp_path: Path) -> None:
    """A folder without a file of intensity is an error that says what is looked for."""
    with pytest.raises(DataError, match=r"holds no \.csv and no \.parquet"):
        read_all([tmp_path])


CELLS = st.sampled_from(
    ["300", "290.5", "", " ", " 280 ", "1e2", "nan", "x", "-1", "0", "2001", "1e400", '"3', "3,4"]
)
TIMES = st.sampled_from(
    [
        "2023-01-01T00:00:00Z",
        "2023-01-01T01:00Z",
        "2023-01-01 02:00:00",
        "2023-01-01T04:00:00+01:00",
        "2023-01-01 06:00:00.000+0130",
        "2023-01-01T02:00:00-03",
        "2023-01-01",
        "2023-01-01T25:00:00Z",
        "01.01.2023",
        "",
    ]
)


@settings(max_examples=examples(150))
@given(rows=st.lists(st.tuples(TIMES, CELLS), min_size=1, max_size=4), utc=st.booleans())
def test_bulk_reads_what_single_rows_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], utc: bool
) -> None:
    """Whatever is read together is, bit for bit, what reading cell by cell gives."""
    folder = tmp_path_factory.mktemp("bulk")
    text = "timestamp,carbon_intensity\n" + "".join(f"{t},{v}\n" for t, v in rows)
    path = write(folder, "A.csv", text)
    time_zone = "UTC" if utc else None
    layouts = file_all._layouts([path])
    together = file_all._bulk_rows(layouts, {"A": path}, time_zone)
    if "A" in together:
        times_ms, values, _ = samples(path, "A", time_zone)
        assert times_ms.tolist() == together["A"][0].tolist()
        assert np.array_equal(values, together["A"][1], equal_nan=True)


def test_bulk_is_taken_where_it_can_be(tmp_path: Path) -> None:
    """Ordinary files, wide ones and Parquet ones, are read together, with the same values."""
    rows = "".join(f"2023-01-01T{h:02}:00:00,{100 + h}.5\n" for h in range(24))
    for zone in "AB":
        write(tmp_path, f"{zone}_x.csv", "timestamp,carbon_intensity\n" + rows)
    with duckdb.connect(":memory:") as connection:
        connection.read_csv(str(tmp_path / "A_x.csv")).write_parquet(str(tmp_path / "C_x.parquet"))
    wide = write(tmp_path, "wide.csv", WIDE)
    listed = [*sorted(tmp_path.glob("?_x.*")), wide]
    layouts = file_all._layouts(listed)
    places = file_all._places(layouts, None)
    assert {"A", "B", "C", "CN-EAST", "DE"} == set(file_all._bulk_rows(layouts, places, "UTC"))
    for zone, series in read_all(listed, time_zone="UTC").items():
        assert same(series, files.read(places[zone], zone, time_zone="UTC"))
    with pytest.raises(DataError, match="has no offset"):
        read_all([tmp_path / "C_x.parquet"], wanted=["C"])


def test_gaps_are_filled_alike(tmp_path: Path) -> None:
    """Read together or alone, a gap is an error until a fill is named, and then recorded."""
    rows = "2023-01-01T00:00Z,1\n2023-01-01T01:00Z,\n2023-01-01T02:00Z,3\n"
    text = f"timestamp,carbon_intensity\n{rows}"
    for zone in "AB":
        write(tmp_path, f"{zone}.csv", text)
    with pytest.raises(DataError, match="no value for 1 h"):
        read_all([tmp_path])
    series = read_all([tmp_path], fill=Fill(kind="interpolate"))["A"]
    assert [1.0, 2.0, 3.0] == series.values_g_per_kwh.tolist()
    assert [False, True, False] == series.filled.tolist()


@pytest.mark.data
def test_real_folder_read_together(data_folder: Path) -> None:
    """The 24 zones of four years read together are what each is read alone."""
    folder = data_folder / "carbon" / "electricitymaps_2021-2024"
    found = read_all([folder], time_zone="UTC")
    assert (24, 35_064) == (len(found), len(found["DE"].values_g_per_kwh))
    assert same(found["US-NY-NYIS"], files.read(folder, "US-NY-NYIS", time_zone="UTC"))
