"""Calibration: energy at any watts, hidden watts found, what cannot be told apart refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import greensched as gs
from greensched.errors import DataError
from greensched.experiment.calibrate import Calibration, calibrate
from greensched.experiment.calibrate_basis import recorded
from greensched.experiment.calibrate_fit import bounded
from greensched.experiment.calibrate_overlay import overlay_of
from greensched.experiment.world import shared
from greensched.power import Linear, Mse, Piecewise, Sqrt
from greensched.readers.meter import read_meters
from greensched.readers.options import ReadOptions
from greensched.scenario.calibration import stamp_of
from tests.metered_cases import (
    IDLE_W,
    PEAK_W,
    PUE,
    hourly_kwh,
    true_watts,
    write_days,
    write_meters,
)
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import FloatArray, PowerModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """The small week, what its meters read and where both are."""

    scenario: Path
    folder: Path
    kwh: FloatArray

    def meters(self, name: str, *places: tuple[str, str, float]) -> Path:
        """Return a file of meters."""
        return write_meters(self.folder / name, self.kwh, *places)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Metered:
    """Return the week with hidden watts."""
    folder = tmp_path_factory.mktemp("metered")
    path = write_days(folder)
    return Metered(scenario=path, folder=folder, kwh=hourly_kwh(true_watts(path)))


@pytest.fixture(scope="module")
def both(week: Metered) -> Calibration:
    """Return the calibration by an IT meter and the site's beside it."""
    path = week.meters("both.csv", ("machine_type", "server", 1.0), ("site", "here", PUE))
    return calibrate(gs.load(week.scenario), read_meters(path, ReadOptions()))


@pytest.mark.parametrize(
    "power",
    [
        Linear(idle_w=77.0, peak_w=333.0),
        Sqrt(idle_w=77.0, peak_w=333.0),
        Mse(idle_w=77.0, peak_w=333.0, r=1.3),
        Piecewise(watts_w=(60, 90, 110, 130, 150, 165, 180, 200, 215, 230, 240)),
    ],
    ids=lambda p: type(p).__name__,
)
def test_energy_is_a_line_in_idle_and_peak_power(week: Metered, power: PowerModel) -> None:
    """The basis of one run gives, at other watts, what the engine integrates at these watts."""
    world = shared(gs.load(week.scenario, {"window.days": 1}))
    own = replace(world, fleet=(replace(world.fleet[0], power=power),))
    half = tuple(0.5 * power.watts(i / 10) for i in range(11))
    small = Piecewise(watts_w=half) if isinstance(power, Piecewise) else None
    less = small or replace(power, idle_w=38.5, peak_w=166.5)  # type: ignore[type-var]
    other = recorded(replace(world, fleet=(replace(world.fleet[0], power=less),)))
    true = recorded(own)
    (basis,), (given_w,) = other.types, true.given
    exact = true.types[0].energy_j(given_w)
    np.testing.assert_allclose(exact, basis.energy_j(given_w), rtol=1e-9)


def test_hidden_watts_and_pue_are_found(both: Calibration) -> None:
    """120 W, 260 W and 1.33 are found behind 100 W, 300 W and 1.2, within three errors."""
    found = {p.quantity: p for p in both.parameters}
    for quantity, true in (("idle", IDLE_W), ("peak", PEAK_W), ("pue", PUE)):
        one = found[quantity]  # type: ignore[index]
        assert true == pytest.approx(one.fitted, abs=3 * one.standard_error)
        assert one.standard_error < 0.01 * true
    assert both.is_fitted
    assert not any(p.is_at_limit for p in both.parameters)


def test_error_is_of_days_that_were_not_fitted(both: Calibration) -> None:
    """Two of six days are held out; there the error falls from over 10 % to the meters' noise."""
    assert (4, 2) == (both.days_fitted, both.days_held_out)
    held_out = both.hours["held_out"]
    assert 2 * 2 * 24 == held_out.sum() == both.total.periods
    assert both.total.mape_before_share > 0.1
    assert both.total.mape_share < 0.012
    assert abs(both.total.bias_share) < 0.005
    own = both.hours["calibrated_kwh"][held_out] / both.hours["measured_kwh"][held_out]
    assert both.total.mape_share == pytest.approx(np.abs(own - 1).mean())


def test_days_held_out_do_not_move_the_fit(week: Metered) -> None:
    """Readings of a held-out day that are doubled change the error, and no fitted value."""
    path = week.meters("kept.csv", ("machine_type", "server", 1.0))
    metered = read_meters(path, ReadOptions())
    (meter,) = metered.meters
    third = (np.arange(len(meter.energy_j)) // 24) == 2
    other = replace(meter, energy_j=np.where(third, 2.0, 1.0) * meter.energy_j)
    scenario = gs.load(week.scenario)
    one, two = (
        calibrate(scenario, replace(metered, meters=(m,)), hold=["pue"]) for m in (meter, other)
    )
    # Each meter counts relative to its mean, which the doubled day moves: the last digits differ.
    fitted = [[p.fitted for p in found.parameters] for found in (one, two)]
    assert fitted[0] == pytest.approx(fitted[1], rel=1e-9)
    assert two.total.mape_share > one.total.mape_share + 0.2


def test_days_that_an_invoice_joins_are_held_out_together(week: Metered) -> None:
    """Invoices of two days each beside hourly readings: the third is held out with its hours."""
    hourly = week.meters("hourly.csv", ("machine_type", "server", 1.0), ("site", "here", PUE))
    rows = [row.split(",") for row in hourly.read_text(encoding="utf-8").splitlines()]
    site = [row for row in rows[1:] if row[4]]
    invoices = [
        [own[0][0], own[-1][1], f"{sum(float(row[2]) for row in own):.6f}", "", "here"]
        for own in (site[i : i + 48] for i in range(0, len(site), 48))
    ]
    part = [rows[0], *(row for row in rows[1:] if row[3]), *invoices]
    path = hourly.with_name("invoices.csv")
    path.write_text("".join(",".join(row) + "\n" for row in part), encoding="utf-8")
    found = calibrate(gs.load(week.scenario), read_meters(path, ReadOptions()))
    assert (2, 1) == (found.days_fitted, found.days_held_out)
    assert {"server (it)": 48, "site here (facility)": 1} == {
        group.label: group.periods for group in found.groups
    }
    pue = next(p.fitted for p in found.parameters if p.quantity == "pue")
    assert PUE == pytest.approx(pue, rel=0.01)


def test_an_invoice_over_all_days_leaves_nothing_to_hold_out(week: Metered) -> None:
    """One reading that spans every other one is refused: what it tells would be judged on."""
    hourly = week.meters("it.csv", ("machine_type", "server", 1.0))
    rows = hourly.read_text(encoding="utf-8").splitlines()
    begin, end = rows[1].split(",")[0], rows[-1].split(",")[1]
    text = [f"{rows[0]},site", *(f"{row}," for row in rows[1:]), f"{begin},{end},9,,here"]
    path = hourly.with_name("over.csv")
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="leave out what spans all of them"):
        calibrate(gs.load(week.scenario), read_meters(path, ReadOptions()))


def test_one_site_meter_cannot_tell_watts_from_pue(week: Metered) -> None:
    """With one facility meter idle, peak and PUE are refused together, and nothing is fitted."""
    path = week.meters("site.csv", ("site", "here", PUE))
    told = call("calibrate", week.scenario, "--meter", path, "--out", week.folder / "no.yaml")
    assert 3 == told.exit_code
    expected = "cannot tell apart idle watts of server, peak watts of server and PUE of here"
    assert expected in told.stderr
    assert "--hold pue" in told.stderr
    assert "nothing was fitted" in told.stdout
    assert not (week.folder / "no.yaml").exists()


def test_what_is_held_is_not_fitted(week: Metered) -> None:
    """With its PUE held, one facility meter fits watts that carry the PUE's error."""
    path = week.meters("held.csv", ("site", "here", PUE))
    metered = read_meters(path, ReadOptions())
    found = calibrate(gs.load(week.scenario), metered, hold=["pue"])
    by_name = {p.quantity: p for p in found.parameters}
    assert not by_name["pue"].is_fitted
    assert IDLE_W * PUE / 1.2 == pytest.approx(by_name["idle"].fitted, rel=0.02)


def test_limits_are_kept_and_told(week: Metered) -> None:
    """Watts that would go beyond a limit stop there, and the table says so."""
    path = week.meters("far.csv", ("machine_type", "server", 1.0))
    out = week.folder / "far.yaml"
    words = ("calibrate", week.scenario, "--meter", path, "--within", "1.1", "--out", out)
    told = call(*words)
    assert 0 == told.exit_code
    text = (week.folder / "far.html").read_text(encoding="utf-8")
    assert "AT ITS LIMIT" in text
    assert "small: is the model right?" in text
    assert "AT ITS LIMIT" in told.stdout
    assert "110.0 W" in told.stdout


@pytest.mark.slow
def test_overlay_makes_a_result_calibrated(week: Metered) -> None:
    """`run --overlay` says the error it was judged by, and loses it where watts are changed."""
    path = week.meters("it.csv", ("machine_type", "server", 1.0))
    out = week.folder / "fitted.yaml"
    fitted = call("calibrate", week.scenario, "--meter", path, "--out", out, "-o", "json")
    stamp = f"calibrated, MAPE {100 * json.loads(fitted.stdout)['total']['mape_share']:.1f} %"
    words = ("run", week.scenario, "--overlay", out, "--no-attribution", "--no-sizing")
    short = ("--set", "window.days=1", "--out", week.folder / "result")
    told = call(*words, *short)
    assert 0 == told.exit_code
    assert f"modelled · {stamp}" in told.stdout
    summary = json.loads((week.folder / "result" / "summary.json").read_text())
    assert stamp == summary["stamp"]["calibration"]
    report = (week.folder / "result" / "report.html").read_text(encoding="utf-8")
    assert 'href="calibration.html"' in report
    assert (week.folder / "fitted.html").read_text() == (
        week.folder / "result" / "calibration.html"
    ).read_text()
    changed = call(*words, *short, "--set", "fleet.server.power.idle=90 W")
    assert "modelled · uncalibrated" in changed.stdout
    assert "watts or PUE are not those" in changed.stdout
    assert not (week.folder / "result" / "calibration.html").exists()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("2024-01-01T00:00Z,2024-01-01T01:00Z,1,shop,", "which the scenario does not have"),
        ("2030-01-01T00:00Z,2030-01-01T01:00Z,1,server,", "covers a whole hour"),
        ("2024-01-01T00:00Z,2024-01-01T01:00Z,1,server,9", "9 machines of server under meters"),
        ("2024-01-01T00:00Z,2024-01-01T01:00Z,1,server,", "readings of one day"),
    ],
)
def test_meters_that_do_not_fit_the_scenario(week: Metered, rows: str, expected: str) -> None:
    """Unknown places, other times, too many machines and too few days are refused in words."""
    path = week.folder / "bad.csv"
    path.write_text(f"from,until,energy_kwh,machine_type,machines\n{rows}\n", encoding="utf-8")
    told = call("calibrate", week.scenario, "--meter", path)
    assert 3 == told.exit_code
    assert expected in told.stderr


@given(
    st.lists(st.floats(-5, 5), min_size=12, max_size=12),
    st.lists(st.floats(-5, 5), min_size=4, max_size=4),
)
def test_bounded_least_squares_has_no_better_neighbour(
    cells: list[float], target: list[float]
) -> None:
    """The answer is within limits, and no step along a coordinate makes the sum smaller."""
    lines = np.array(cells).reshape(4, 3) + 6 * np.eye(4, 3)
    low, high = np.full(3, 0.2), np.full(3, 0.9)
    found = bounded(lines, np.array(target), low, high)
    assert np.all((low - 1e-12 <= found) & (found <= high + 1e-12))
    best = float(np.square(lines @ found - target).sum())
    for i in range(3):
        for step in (-1e-3, 1e-3):
            near = np.clip(found + step * np.eye(3)[i], low, high)
            assert best <= float(np.square(lines @ near - target).sum()) + 1e-9


def test_a_published_type_is_fitted_on_its_own_points(week: Metered) -> None:
    """A type's eleven points keep their shape and get new ends, and the result is calibrated."""
    text = week.scenario.read_text(encoding="utf-8")
    at = text.index("  - name: server")
    typed = "  - {name: server, site: here, count: 8, type: m6i.4xlarge}\n"
    scenario = week.folder / "typed.yaml"
    scenario.write_text(text[:at] + typed + text[text.index("traces:") :], encoding="utf-8")
    world = shared(gs.load(scenario))
    path = week.meters("typed.csv", ("machine_type", "server", 1.0))
    found = calibrate(gs.load(scenario), read_meters(path, ReadOptions()), within=10.0)
    values = overlay_of(found)["set"]
    (idle_w, *_, peak_w) = values["fleet.server.power"]["watts"]
    fitted = {p.quantity: p.fitted for p in found.parameters}
    assert (idle_w, peak_w) == pytest.approx((fitted["idle"], fitted["peak"]), abs=1e-3)
    assert "calibrated, MAPE" in stamp_of(gs.load(scenario, values).spec)
    assert world.fleet[0].power.watts(0.0) != pytest.approx(idle_w)
