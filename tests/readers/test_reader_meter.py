"""Meters: units, steps, places, and one refusal for each class of bad row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.readers.meter import read_meters
from greensched.readers.options import ReadOptions

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "from,until,energy_kwh,site,machine_type,rack,machine,machines,boundary"
NOON = "2024-01-01T12:00Z,2024-01-01T13:00Z"


def _read(folder: Path, text: str, **options: object) -> object:
    path = folder / "meter.csv"
    path.write_text(text + "\n", encoding="utf-8")
    return read_meters(path, ReadOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "value"),
    [("energy_kwh", 0.25), ("energy_wh", 250.0), ("energy_j", 900_000.0), ("power_w", 1000.0)],
)
def test_units(tmp_path: Path, column: str, value: float) -> None:
    """A quarter of a kWh in a quarter of an hour is 900 kJ, in whichever unit it is told."""
    text = f"from,{column},machine_type\n2024-01-01T12:00Z,{value},gen8"
    (meter,) = _read(tmp_path, text, step_ms=900_000).meters  # type: ignore[attr-defined]
    assert [900_000.0] == meter.energy_j.tolist()
    assert [900_000] == (meter.until_ms - meter.from_ms).tolist()
    assert meter.of_utc


def test_places(tmp_path: Path) -> None:
    """A site's meter is before cooling, a machine's is one machine's, a rack says how many."""
    rows = [f"{NOON},1,hz,,,,,", f"{NOON},1,,gen8,,m7,,", f"{NOON},1,,gen8,r1,,20,"]
    found = _read(tmp_path, "\n".join([HEAD, *rows, f"{NOON},1,hz,,,,,it"]))
    points = {m.point.label: m.point.machines for m in found.meters}  # type: ignore[attr-defined]
    expected = {"gen8, machine m7 (it)": 1, "gen8, rack r1 (it)": 20}
    assert {**expected, "site hz (facility)": 0, "site hz (it)": 0} == points


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (f"{NOON},1,,,,,,", "either a site or a machine_type"),
        (f"{NOON},1,hz,gen8,,,,", "either a site or a machine_type"),
        (f"{NOON},1,hz,,r1,,,", "without its machine_type"),
        (f"{NOON},1,,gen8,r1,,,", "without its number of machines"),
        (f"{NOON},1,hz,,,,,roof", "neither it nor facility"),
        ("2024-01-01T13:00Z,2024-01-01T13:00Z,1,hz,,,,,", "until is not after from"),
        (f"{NOON},-1,hz,,,,,", "negative"),
        (f"{NOON},much,hz,,,,,", "text where a number belongs"),
        ("2024-01-01T12:00,2024-01-01T13:00,1,hz,,,,,", "a time without a zone"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, expected: str) -> None:
    """Each class of bad reading is refused in words of its own."""
    with pytest.raises(DataError, match=expected):
        _read(tmp_path, f"{HEAD}\n{row}")


def test_overlap(tmp_path: Path) -> None:
    """Readings of one meter that overlap would count energy twice."""
    rows = (NOON, "2024-01-01T12:30Z,2024-01-01T13:30Z")
    with pytest.raises(DataError, match=r"1 readings of site hz .* overlap"):
        _read(tmp_path, "\n".join([HEAD, *(f"{times},1,hz,,,,," for times in rows)]))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("from,energy_kwh,site", "neither a column 'until' nor a time step"),
        ("from,until,kilowatts,site", "no column 'energy_kwh or"),
        ("from,until,energy_kwh,power_w,site", "several columns of energy"),
    ],
)
def test_columns(tmp_path: Path, head: str, expected: str) -> None:
    """Steps and units are never guessed."""
    row = {"from": "2024-01-01T12:00Z", "until": "2024-01-01T13:00Z", "site": "hz"}
    cells = ",".join(row.get(name, "1") for name in head.split(","))
    with pytest.raises(DataError, match=expected):
        _read(tmp_path, f"{head}\n{cells}")


def test_a_counter_is_no_reading(tmp_path: Path) -> None:
    """Joules since boot, which only rise, are refused: what each step adds is asked for."""
    counted = [f"{900 * i},{900 * i + 900},{5 + i // 2},gen8" for i in range(40)]
    text = "\n".join(["from_s,until_s,energy_j,machine_type", *counted])
    with pytest.raises(DataError, match=r"gen8 \(it\) only rise, as those of a counter"):
        _read(tmp_path, text)
