"""Prices by the hour and by machine type, bills, and a year of weeks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import greensched as gs
from greensched.accounting import total
from greensched.accounting.factors import PriceSteps
from greensched.errors import DataError, ScenarioError
from greensched.experiment.per_year import WEEK_MS, per_year, weeks
from greensched.experiment.world import shared
from greensched.readers.focus import read_bill
from greensched.readers.options import ReadOptions
from greensched.readers.prices import read_prices
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment.result import Result

HEAD = (
    "ChargePeriodStart,ChargePeriodEnd,EffectiveCost,BilledCost,BillingCurrency,ChargeCategory,"
    "ConsumedQuantity,ConsumedUnit,SkuPriceDetails"
)
DAY = "2024-01-01T00:00:00Z,2024-01-02T00:00:00Z"
DETAILS = '"{""CoreCount"": 16, ""InstanceType"": ""server""}"'


def write_prices(path: Path, prices: list[float], start: str = "2023-12-31T23:00") -> Path:
    """Write prices [EUR/MWh] by the hour."""
    times = np.datetime64(start) + np.arange(len(prices)).astype("timedelta64[h]")
    rows = [f"{time},{price}" for time, price in zip(times, prices, strict=True)]
    path.write_text("\n".join(["time_utc,price", *rows]) + "\n", encoding="utf-8")
    return path


def write_bill(path: Path, *rows: str) -> Path:
    """Write a bill."""
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the small scenario, its prices and a bill."""
    made = tmp_path_factory.mktemp("priced")
    write_scenario(made)
    write_prices(made / "prices.csv", [100.0] * 12 + [-20.0] * 12)
    write_bill(
        made / "bill.csv",
        f"{DAY},36,40,EUR,Usage,48,Hours,{DETAILS}",
        f"{DAY},5,5,EUR,Usage,100,GB-Month,",
        f"{DAY},1,1,EUR,Tax,1,Hours,{DETAILS}",
    )
    return made


def test_hourly_prices_are_paid_hour_by_hour(folder: Path) -> None:
    """0.10 EUR/kWh in the morning and -0.02 after noon are what each hour's energy is times."""
    prices = {"energy": {"source": "prices.csv", "unit": "EUR/MWh"}}
    scenario = gs.load(folder / "small.yaml").with_(prices=prices, end="cut")
    result = gs.run(scenario)
    one = result.outcome.entries
    kwh = one.energy_facility_mwh.sum(axis=1) / 1e6
    noon = 12 * 3_600_000
    early = one.edges_ms[:-1] < noon
    expected = 0.1 * kwh[early].sum() - 0.02 * kwh[~early].sum()
    assert expected == pytest.approx(result.summary["scenario"]["cost"], abs=1e-5)
    assert "EUR" == result.summary["currency"]
    entries = result.entries
    micro = entries[entries["run"] == "scenario"]["cost_micro"].sum()
    assert result.summary["scenario"]["cost"] == pytest.approx(micro / 1e6)
    steps = result.factors[result.factors["quantity"] == "price_per_kwh"]
    assert {0.1, -0.02} == set(steps["value"])


def test_a_constant_price_by_the_hour_is_the_constant(folder: Path) -> None:
    """24 equal hours cost what the constant does, to the last unit."""
    write_prices(folder / "flat.csv", [120.0] * 24)
    scenario = gs.load(folder / "small.yaml").with_(end="cut")
    costs = []
    for energy in ("0.12 EUR/kWh", {"source": "flat.csv", "unit": "EUR/MWh"}):
        world = shared(scenario.with_(prices={"energy": energy}))
        run = gs.run(world.scenario, bounds=False)
        costs.append(total(run.outcome.entries).cost_energy_micro)
    assert costs[0] == costs[1] is not None


def test_prices_by_machine_type(folder: Path) -> None:
    """Machines on cost their type's price an hour; a type without one is told."""
    scenario = gs.load(folder / "small.yaml")
    told = gs.run(scenario.with_(prices={"machine_hour": {"server": "0.5 EUR/h"}}))
    sums = total(told.outcome.entries)
    assert round(sums.machine_on_ms / 3.6e6 * 0.5 * 1e6) == pytest.approx(
        sums.cost_machines_micro, abs=1
    )
    world = shared(scenario.with_(prices={"machine_hour": {"server": "0.5 EUR/h"}}))
    assert 0.5 == world.prices.machine_h("server")
    assert world.prices.machine_h("other") is None


def test_a_bill_prices_machines(folder: Path) -> None:
    """36 EUR for 48 h are 0.75 EUR an hour, and other rows are counted, not used."""
    bill = read_bill(folder / "bill.csv")
    assert {"server": (48.0, 36.0)} == bill.by_type
    assert (2, 6.0, "EUR") == (bill.passed_over, bill.amount_passed_over, bill.currency)
    scenario = gs.load(folder / "small.yaml").with_(prices={"machine_hour": {"focus": "bill.csv"}})
    world = shared(scenario)
    assert 0.75 == world.prices.machine_h("server")
    assert "EUR" == world.prices.currency
    assert any("priced by a bill" in finding for finding in world.workload.findings)


def test_a_bill_and_a_price_in_two_currencies(folder: Path) -> None:
    """Money is never converted: a bill in EUR beside electricity in USD is refused."""
    prices = {"energy": "0.12 USD/kWh", "machine_hour": {"focus": "bill.csv"}}
    with pytest.raises(DataError, match="never converted"):
        shared(gs.load(folder / "small.yaml").with_(prices=prices))
    with pytest.raises(ScenarioError, match="two currencies, EUR and USD"):
        gs.load(folder / "small.yaml").with_(
            prices={"energy": "0.12 USD/kWh", "machine_hour": "1 EUR/h"}
        )


def test_a_bill_without_machines(tmp_path: Path) -> None:
    """A bill in which no row is of a machine's hours says so, and one without types how to."""
    path = write_bill(tmp_path / "bill.csv", f"{DAY},5,5,EUR,Usage,100,GB-Month,")
    with pytest.raises(DataError, match="no row is of a machine's hours"):
        read_bill(path)
    text = path.read_text(encoding="utf-8").replace("SkuPriceDetails", "x_Type")
    path.write_text(text.replace("GB-Month,", "Hours,m5.large"), encoding="utf-8")
    with pytest.raises(DataError, match="--map machine_type=COLUMN"):
        read_bill(path)
    found = read_bill(path, ReadOptions(map=(("machine_type", "x_Type"),)))
    assert {"m5.large": (100.0, 5.0)} == found.by_type


def test_what_other_services_charge_is_no_machine_again(tmp_path: Path) -> None:
    """A managed service that charges by the hour of a machine does not count it twice."""
    rows = [
        f"{DAY},{cost},1,EUR,Usage,24,Hours,{DETAILS},{service}"
        for cost, service in ((12, "Compute"), (3, "Analytics"))
    ]
    path = tmp_path / "bill.csv"
    path.write_text("\n".join([f"{HEAD},ServiceCategory", *rows]) + "\n", encoding="utf-8")
    found = read_bill(path)
    assert {"server": (24.0, 12.0)} == found.by_type
    assert (1, 3.0) == (found.passed_over, found.amount_passed_over)


@pytest.mark.parametrize("column", ["ConsumedQuantity", "ConsumedUnit", "BillingCurrency"])
def test_columns_that_a_bill_needs(column: str, tmp_path: Path) -> None:
    """A bill without quantity, unit or currency is refused by the name of the column."""
    path = write_bill(tmp_path / "bill.csv", f"{DAY},5,5,EUR,Usage,24,Hours,{DETAILS}")
    text = path.read_text(encoding="utf-8").replace(column, "x_Other")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=f"no column '{column}'"):
        read_bill(path)


def test_hours_within_no_time_are_refused(tmp_path: Path) -> None:
    """A row of machine-hours whose period ends where it begins is a bad row."""
    when = "2024-01-01T00:00:00Z,2024-01-01T00:00:00Z"
    path = write_bill(tmp_path / "bill.csv", f"{when},5,5,EUR,Usage,24,Hours,{DETAILS}")
    with pytest.raises(DataError, match="ChargePeriodEnd is not after ChargePeriodStart"):
        read_bill(path)


def test_gaps_in_prices_are_told(tmp_path: Path) -> None:
    """A missing hour is an error that names it, never a filled one."""
    path = write_prices(tmp_path / "p.csv", [1.0] * 5)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:3] + lines[4:]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="first after 2024-01-01T00:00:00Z"):
        read_prices(path)


def test_prices_have_to_cover_the_window(folder: Path) -> None:
    """Half a day of prices for a day is refused with its place."""
    write_prices(folder / "half.csv", [1.0] * 12)
    prices = {"energy": {"source": "half.csv", "unit": "EUR/kWh"}}
    with pytest.raises(DataError, match="do not cover the window"):
        shared(gs.load(folder / "small.yaml").with_(prices=prices))


def test_the_last_price_is_held() -> None:
    """A drain beyond the prices pays the last of them."""
    steps = PriceSteps(edges_ms=np.array([0, 10, 20]), per_kwh=np.array([1.0, 2.0]))
    assert [0, 10, 50] == steps.until(50).edges_ms.tolist()
    assert steps is steps.until(20)


def test_the_command_shows_a_bill(folder: Path) -> None:
    """`bill` prints hours, cost and the price of an hour."""
    told = call("bill", folder / "bill.csv")
    assert 0 == told.exit_code
    assert "0.7500" in told.stdout
    document = json.loads(call("bill", folder / "bill.csv", "-o", "json").stdout)
    assert [{"machine_type": "server", "machine_h": 48.0, "cost": 36.0}] == document[
        "machine_types"
    ]


@pytest.fixture(scope="module")
def yearly(folder: Path) -> Result:
    """Return the small day on a grid whose intensity rises by 10 g/kWh a week."""
    hours = np.arange(24 * 7 * 30)
    times = np.datetime64("2023-11-01T00:00") + hours.astype("timedelta64[h]")
    values = 300 + 10 * (hours // 168)
    rows = [f"{t}Z,{v}" for t, v in zip(times, values, strict=True)]
    (folder / "grid.csv").write_text(
        "\n".join(["time,carbon_intensity_g_per_kwh", *rows]) + "\n", encoding="utf-8"
    )
    scenario = gs.load(folder / "small.yaml")
    return gs.run(scenario.with_(**{"sites.here.intensity": {"source": "grid.csv"}}))


def test_a_year_prices_the_same_usage(yearly: Result) -> None:
    """The week at offset 0 is the result itself, and each week later emits more in proportion."""
    found = per_year(yearly)
    offsets = weeks(yearly.shared, yearly.outcome.run.end_ms)
    own = offsets.index(0)
    summary = yearly.summary
    assert summary["scenario"]["scope2_location_kg"] == found.scenario_kg[own]
    assert summary["baseline"]["scope2_location_kg"] == found.baseline_kg[own]
    assert all(offset % WEEK_MS == 0 for offset in offsets)
    assert np.all(np.diff(found.scenario_kg) > 0)
    told = found.document
    assert "extrapolated" == told["result"]
    assert float(np.median(found.saved_kg)) == told["savings_scope2_kg"]["median"]


def test_a_week_later_is_priced_by_its_own_hours(yearly: Result) -> None:
    """One week later costs what the account says with that week's intensity."""
    world, end_ms = yearly.shared, yearly.outcome.run.end_ms
    found = per_year(yearly)
    offsets = weeks(world, end_ms)
    kwh = yearly.outcome.entries.energy_facility_mwh.sum(axis=1) / 1e6
    middle = world.scenario.start_utc_ms + yearly.outcome.entries.edges_ms[:-1]
    series = world.intensity["here"]
    for i in (0, len(offsets) - 1):
        at = np.searchsorted(series.edges_ms, middle + offsets[i], side="right") - 1
        kg = float((kwh * series.values_g_per_kwh[at]).sum()) / 1000
        assert kg == pytest.approx(found.scenario_kg[i], rel=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(100, 200, (0, 51)), (100, 10, (-41, 10)), (3, 4, (-3, 4)), (0, 51, (0, 51))],
)
def test_the_year_is_the_window_s_own(
    yearly: Result, before: int, after: int, expected: tuple[int, int]
) -> None:
    """Of a series of many years the year begins with the window, or as late as it is known."""
    world, end_ms = yearly.shared, yearly.outcome.run.end_ms
    start_ms, week_ms = world.scenario.start_utc_ms, 7 * 86_400_000
    steps = np.arange(-before, after + 1) * week_ms
    edges = start_ms + np.append(steps, steps[-1] + end_ms)
    series = replace(
        world.intensity["here"],
        edges_ms=edges,
        values_g_per_kwh=np.arange(1, len(edges)).astype(np.float64),
        filled=np.zeros(0, np.bool_),
        status=np.zeros(0, np.int8),
    )
    found = [
        offset // week_ms for offset in weeks(replace(world, intensity={"x": series}), end_ms)
    ]
    assert list(range(expected[0], expected[1] + 1)) == found


def test_a_constant_grid_has_no_year(folder: Path) -> None:
    """Where every week is the same the option says so."""
    result = gs.run(gs.load(folder / "small.yaml"), bounds=False)
    with pytest.raises(DataError, match="one constant"):
        per_year(result)


def test_that_there_is_no_year_is_told_before_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant grid, hourly or not, and one of too few weeks are refused before a run."""

    def run(*_: object, **__: object) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr("greensched.experiment.run", run)
    hours = [np.datetime64("2024-01-01T00", "h") + i - 24 for i in range(24 * 16)]
    for name, value in (("flat", "100"), ("short", "")):
        rows = [f"{hour}:00Z,{value or 100 + i}" for i, hour in enumerate(hours)]
        text = "\n".join(["timestamp,carbon_intensity", *rows])
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    for grid, said in (
        ("500 g/kWh", "intensity is one constant"),
        ("{source: flat.csv}", "intensity is one constant"),
        ("{source: short.csv}", "intensity is known for 3 such weeks"),
    ):
        path = folder / "no-year.yaml"
        text = (folder / "small.yaml").read_text(encoding="utf-8").replace("500 g/kWh", grid)
        path.write_text(text, encoding="utf-8")
        told = call("run", path, "--per-year", "--out", folder / "no-year")
        assert (3, True) == (told.exit_code, said in told.stderr), told.output


def test_the_run_prints_a_year(folder: Path) -> None:
    """`run --per-year` prints median and range below its table and keeps them as JSON."""
    text = (folder / "small.yaml").read_text(encoding="utf-8")
    path = folder / "year.yaml"
    path.write_text(text.replace("500 g/kWh", "{source: grid.csv}"), encoding="utf-8")
    words = ("--no-attribution", "--no-sizing", "--per-year", "--out", folder / "year")
    told = call("run", path, *words)
    assert 0 == told.exit_code, told.output
    assert "extrapolated: this usage at" in told.stdout
    document = json.loads((folder / "year" / "per-year.json").read_text(encoding="utf-8"))
    assert len(document["by_week"]) == document["weeks"]
