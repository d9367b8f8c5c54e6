"""What the names of columns say: their unit, and which of several is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched import registry
from greensched.carbon import Labels
from greensched.errors import DataError
from greensched.providers import files
from greensched.providers.file_all import read_all
from greensched.providers.file_layout import layout_of, unit_in
from greensched.providers.points import Settings
from greensched.providers.web import Web
from tests.carbon.worlds import World
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

LB_PER_MWH = 500.0
G_PER_KWH = 226.796185  # 500 lb/MWh x 453.59237 g/lb / 1,000


def written(folder: Path, column: str, value: float = LB_PER_MWH) -> Path:
    """Write twelve hours of one value and another, and return the file."""
    rows = [f"2026-02-28T{20 + i}:00Z,{value + i}\n" for i in range(4)]
    rows += [f"2026-03-01T0{i}:00Z,{value + i}\n" for i in range(8)]
    path = folder / "GB_x.csv"
    path.write_text(f"timestamp,{column}\n{''.join(rows)}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("carbon_intensity", ""),
        ("carbon_intensity_avg", ""),
        ("carbon_intensity_g_per_kwh", "g/kWh"),
        ("Carbon intensity gCO₂eq/kWh (direct)", "g/kWh"),
        ("carbon-intensity-g-co2-eq-per-kwh", "g/kWh"),
        ("carbon_intensity_lb_per_mwh", "lb/MWh"),
        ("Carbon Intensity (lb/MWh)", "lb/MWh"),
        ("carbon_intensity_lbs_co2_per_mwh", "lb/MWh"),
        ("carbon intensity [tonnes CO2/GWh]", "t/GWh"),
        ("carbon_intensity_kg_kwh", "kg/kWh"),
    ],
)
def test_units_in_names(column: str, unit: str) -> None:
    """A unit is found in a column's name however it is spelt, and none where there is none."""
    assert unit == unit_in(column)


@pytest.mark.parametrize("column", ["carbon_intensity", "carbon_intensity_lb_per_mwh"])
def test_values_are_converted(tmp_path: Path, column: str) -> None:
    """Values in lb/MWh, as the user says, become g/kWh for who reads and who asks."""
    path = written(tmp_path, column)
    series = files.read(path, "GB", unit="lb/MWh")
    assert G_PER_KWH == pytest.approx(series.values_g_per_kwh[0], rel=1e-12)
    source = registry.source(str(path), Settings(unit="lb/MWh"))
    with Web.open() as web:
        points = source.actual(World(values=(1.0,) * 12, past_h=4).query, web)
    assert G_PER_KWH == pytest.approx(points.values_g_per_kwh[0], rel=1e-12)


def test_another_unit_than_stated(tmp_path: Path) -> None:
    """A column that states another unit than the one asked for is refused with what converts."""
    path = written(tmp_path, "carbon_intensity_lb_per_mwh")
    says = r"column 'carbon_intensity_lb_per_mwh' is in lb/MWh, not in g/kWh; .*--unit lb/MWh"
    with pytest.raises(DataError, match=says):
        files.read(path, "GB")
    with pytest.raises(DataError, match=says):
        read_all([tmp_path])
    for stated, unit in (("g_per_kwh", "lb/MWh"), ("mg_per_kwh", "g/kWh")):
        with pytest.raises(DataError, match=r"is in m?g/kWh, not in"):
            files.read(written(tmp_path, f"carbon_intensity_{stated}"), "GB", unit=unit)
    same = files.read(written(tmp_path, "carbon_intensity_kg_per_mwh"), "GB")
    assert LB_PER_MWH == same.values_g_per_kwh[0]


def test_imported_unit(tmp_path: Path) -> None:
    """An import of lb/MWh holds g/kWh; a unit that is none and a query of a file are refused."""
    path, out = written(tmp_path, "carbon_intensity"), tmp_path / "out.csv"
    given = ("carbon", "import", "--intensity", path, "--zone", "GB", "--out", out)
    assert 0 == call(*given, "--unit", "lb/MWh").exit_code
    assert G_PER_KWH == pytest.approx(files.read(out, "GB").values_g_per_kwh[0], rel=1e-12)
    told = call("carbon", "show", "--zone", "GB", "--intensity", path, "--unit", "furlong")
    assert "--unit: the unit 'furlong' is not known; known: g/kwh" in told.stderr
    told = call("carbon", "show", "--zone", "GB", "--intensity", path, "--query", "foo")
    assert 2 == told.exit_code
    assert "--query foo: no source takes one; name prometheus:URL" in told.stderr


def test_several_columns_of_intensity() -> None:
    """Of several columns none is picked in silence; life cycle and direct are told apart."""
    with pytest.raises(DataError, match="2 columns of intensity: 'carbon_intensity', 'carbon_in"):
        layout_of("x", ["timestamp", "carbon_intensity", "carbon_intensity_old"])
    header = ["timestamp", "carbon_intensity_life", "carbon_intensity_direct"]
    assert "carbon_intensity_life" == layout_of("x", header).value_column
    direct = layout_of("x", header, "direct")
    assert ("carbon_intensity_direct", "direct") == (direct.value_column, direct.basis)
    with pytest.raises(DataError, match="2 columns of intensity"):
        layout_of("x", ["timestamp", "carbon_intensity_direct", "carbon_intensity"])
    with pytest.raises(DataError, match="2 columns of intensity"):
        layout_of("x", ["timestamp", *["carbon_intensity_direct"] * 2], "direct")
    assert Labels().basis == layout_of("x", ["timestamp", "carbon_intensity"]).basis
