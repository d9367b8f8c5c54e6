"""Ranges: factors priced anew, what needs runs, digits, and what the command prints."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import greensched as gs
from greensched.experiment.sensitivity import Sensitivity, Spreads, priced_only, sensitivity
from greensched.experiment.utilisation import WORKING, utilisation_share
from greensched.forecast.erring import erring
from greensched.forecast.error_model import ErrorModel
from greensched.report.sensitivity import sensitivity_csv, sensitivity_text
from greensched.report.words import digits_within, ranged
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greensched.model import FloatArray


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Sensitivity:
    """Return the sensitivity of the small scenario, one seed beside its own."""
    path = write_scenario(tmp_path_factory.mktemp("sure"))
    return sensitivity(gs.load(path), Spreads(seeds=1))


def test_prices_are_proportional(found: Sensitivity) -> None:
    """10 % more intensity is 10 % more scope 2; 20 % of a PUE of 1.2 is 0.04 / 1.2 of energy."""
    mid = found.mid["scenario.scope2_location_kg"]
    by_name = {axis.name: axis for axis in found.axes}
    intensity = by_name["carbon intensity"]
    assert 1.1 * mid == pytest.approx(intensity.high.values["scenario.scope2_location_kg"])
    assert 0.9 * mid == pytest.approx(intensity.low.values["scenario.scope2_location_kg"])
    energy = found.mid["scenario.energy_facility_kwh"]
    pue = by_name["PUE"].high.values["scenario.energy_facility_kwh"]
    assert energy * 1.24 / 1.2 == pytest.approx(pue, rel=1e-6)
    assert energy == intensity.high.values["scenario.energy_facility_kwh"]


def test_all_factors_together_are_priced_not_added(found: Sensitivity) -> None:
    """All high is the product of the factors, which is more than the sum of their shares."""
    mid = found.mid["scenario.scope2_location_kg"]
    high = found.high["scenario.scope2_location_kg"]
    assert mid * 1.1 * 1.24 / 1.2 == pytest.approx(high, rel=1e-6)
    assert high > mid * (1 + 0.1 + 0.04 / 1.2)


def test_embodied_has_the_range_of_the_scenario(found: Sensitivity) -> None:
    """800 .. 1,000 .. 1,300 kg a machine, and no saving of any of it by switching off."""
    mid = found.mid["scenario.embodied_kg"]
    low, high = found.range_of("scenario.embodied_kg")
    assert (0.8 * mid, 1.3 * mid) == pytest.approx((low, high), rel=1e-6)
    assert (0.0, 0.0) == found.range_of("savings.embodied_kg")


def test_idle_power_is_run_with_its_peak_kept(found: Sensitivity) -> None:
    """15 % of idle power moves energy by less than 15 %, and no machine."""
    axis = next(a for a in found.axes if a.name == "idle power")
    mid = found.mid["scenario.energy_facility_kwh"]
    for side, sign in ((axis.low, -1), (axis.high, 1)):
        change = side.values["scenario.energy_facility_kwh"] / mid - 1
        assert 0.02 < sign * change < 0.15
        assert found.mid["scenario.machines_on_mean"] == side.values["scenario.machines_on_mean"]


def test_seed_of_what_is_not_drawn_moves_nothing(found: Sensitivity) -> None:
    """The small scenario draws nothing: another seed is the same result."""
    axis = next(a for a in found.axes if a.name == "seed")
    assert axis.low.values == axis.high.values == found.mid


def test_the_largest_swing_is_first(found: Sensitivity) -> None:
    """A tornado begins with the input that moves the figure most."""
    figure = "savings.scope2_and_embodied_kg"
    swings = [axis.swing(figure) for axis in found.by_swing(figure)]
    assert sorted(swings, reverse=True) == swings
    assert found.by_swing(figure)[0].name == "idle power"


class _Given:
    """A forecast that always says 1,000 for two services."""

    begin = None
    predicts = True
    with_sums = None

    def observe(self, recent: object, *_: object, **__: object) -> object:
        return recent

    def upper(self, *_: object, **__: object) -> FloatArray:
        return np.full(2, 1_000.0)

    def upto(
        self, recent: Any, ends_ms: Sequence[int], quantile: float, *, whole: bool = False
    ) -> FloatArray:
        del recent, quantile, whole
        return np.full((len(ends_ms), 2), 1_000.0)


class _At:
    """What was recent at an instant."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms


def test_errors_of_forecasts_grow_with_the_lead_and_are_alike() -> None:
    """No error at no lead, the promised spread at a long one, right on average, autocorrelated."""
    model = ErrorModel(spread_share=0.1, memory_h=12.0)
    wrong = erring(_Given(), 2, 20_000, model, np.random.default_rng(1))
    hour = 3_600_000
    assert [1_000.0] * 2 == wrong.upper(_At(5 * hour), 5 * hour, 5 * hour, 0.95).tolist()

    at, ends = _At(5 * hour), [9 * hour, 30 * hour]
    parts = [wrong.upper(at, a, b, 0.95) for a, b in ((5 * hour, ends[0]), ends)]
    assert np.maximum.accumulate(parts).tolist() == wrong.upto(at, ends, 0.95).tolist()

    def drawn(lead_h: int, step_h: int) -> FloatArray:
        return np.array(
            [
                wrong.upper(_At(h * hour), (h + lead_h) * hour, (h + lead_h) * hour, 0.95)[0]
                for h in range(0, 19_000, step_h)
            ]
        )

    far, near = drawn(72, 48), drawn(1, 48)
    assert 1_000 == pytest.approx(far.mean(), rel=0.02)
    assert 0.1 == pytest.approx(np.log(far).std(), rel=0.15)
    assert np.log(near).std() < 0.5 * np.log(far).std()
    next_to = np.log(drawn(72, 1)[:-1]), np.log(drawn(72, 1)[1:])
    assert 0.8 < float(np.corrcoef(*next_to)[0, 1])


@pytest.mark.parametrize(
    ("low", "high", "digits"),
    [(1.8, 4.1, 1), (12_400.0, 15_900.0, -2), (0.5, 0.53, 3), (7.0, 7.0, 6), (90.0, 110.0, 0)],
)
def test_digits_that_a_range_allows(low: float, high: float, digits: int) -> None:
    """The last digit is the second of the range's width."""
    assert digits == digits_within(low, high)


def test_a_figure_is_rounded_to_its_range() -> None:
    """14,317 between 12,400 and 15,900 is 14,300; without a value a dash; no range, all digits."""
    assert "14,300" == ranged(14_317.2, 12_400.0, 15_900.0)
    assert "2.5" == ranged(2.53, 1.8, 4.1)
    assert "–" == ranged(None, 0.0, 1.0)
    assert "2.53" == ranged(2.53, 2.53, 2.53, 2)


def test_text_and_csv(found: Sensitivity) -> None:
    """Ranges, the tornado with its bars, each width's source; a row an input, end and figure."""
    text = sensitivity_text(found)
    assert "saved over autoscaled" in text
    assert "█" in text
    assert "share of idle watts, assumed" in text
    rows = sensitivity_csv(found).splitlines()
    assert 1 + 10 * (3 + 2 * len(found.axes)) == len(rows)


def test_command_prints_json(tmp_path: Path) -> None:
    """`sensitivity -o json` has figures with least and most, and the inputs."""
    path = write_scenario(tmp_path)
    told = call("sensitivity", path, "-o", "json", "-q", "--seeds", "0", "--idle", "0")
    assert 0 == told.exit_code, told.stderr
    document = json.loads(told.stdout)
    assert "greensched/sensitivity/v1" == document["schema"]
    for figure in document["figures"].values():
        assert figure["least"] <= figure["mid"] <= figure["most"]
    assert ["PUE", "carbon intensity", "embodied", "idle power"] == [
        axis["name"] for axis in document["axes"]
    ]


def with_history(folder: Path) -> Path:
    """Write the small scenario with three days of load before its window, each a bit other."""
    path = write_scenario(folder)
    head, *_ = (folder / "services.csv").read_text(encoding="utf-8").splitlines()
    rows = [
        f"{name},{3600 * h},{4000 + 12000 * (8 <= h % 24 < 20) + 37 * (h * h % 23)},2000,2048"
        for name in ("shop", "web")
        for h in range(-72, 24)
    ]
    (folder / "services.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_worse_forecast_is_run(tmp_path: Path) -> None:
    """Where a forecast predicts, more error is an axis: as forecast, to a figure that moved."""
    spreads = Spreads(pue_overhead_share=0, idle_share=0, intensity_share=0, seeds=0)
    found = sensitivity(gs.load(with_history(tmp_path)), replace(spreads, forecast_share=0.5))
    (axis,) = (a for a in found.axes if a.name == "forecast error")
    assert ("as forecast", "50% more error") == (axis.low.setting, axis.high.setting)
    assert axis.low.values == found.mid
    assert axis.swing("scenario.energy_facility_kwh") > 0
    assert axis.basis == "AR(1) in time, 12 h, growing with the lead; assumed"


def test_spreads_of_nothing_move_nothing(found: Sensitivity) -> None:
    """A width of 0 gives the middle at both ends, to the milligram."""
    none = Spreads(pue_overhead_share=0, idle_share=0, intensity_share=0, seeds=0)
    same = sensitivity(found.result.scenario, replace(none, forecast_share=0))
    for axis in same.axes:
        if axis.name != "embodied":
            assert axis.low.values == pytest.approx(same.mid, abs=1e-6)


def test_prices_alone_take_no_run(found: Sensitivity) -> None:
    """What `run` keeps has the three inputs of prices, with the figures that `sensitivity` has."""
    priced = priced_only(found.result)
    names = ["PUE", "carbon intensity", "embodied"]
    assert names == [axis.name for axis in priced.axes]
    assert (found.mid, found.low, found.high) == (priced.mid, priced.low, priced.high)
    assert [axis.high.values for axis in found.axes[:3]] == [a.high.values for a in priced.axes]


def test_ranges_are_kept_beside_a_result(tmp_path: Path) -> None:
    """`--out RESULT` writes the ranges and the report anew; another scenario's is refused."""
    path = write_scenario(tmp_path)
    skipped = ("--no-sizing", "--no-attribution", "-q")
    assert 0 == call("run", path, "--out", tmp_path / "r", *skipped).exit_code
    options = ("--seeds", "0", "--out", tmp_path / "r", "-q")
    told = call("sensitivity", path, *options)
    assert 0 == told.exit_code, told.stderr
    kept = json.loads((tmp_path / "r" / "sensitivity.json").read_text(encoding="utf-8"))
    assert "idle power" in [axis["name"] for axis in kept["axes"]]
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text(encoding="utf-8"))
    for name, digest in manifest["outputs"].items():
        assert digest == hashlib.sha256((tmp_path / "r" / name).read_bytes()).hexdigest()
    assert "idle power" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    told = call("sensitivity", path, "--seed", "4", *options)
    assert 2 == told.exit_code
    assert "another scenario" in told.stderr


def test_charts_of_a_result_are_had_by_name(found: Sensitivity) -> None:
    """In a notebook `result.charts.tide()` is an altair chart, and an unknown name is told."""
    charts = found.result.charts
    assert "LayerChart" == type(charts.tide()).__name__
    assert {"tide", "power", "utilisation"} <= set(dir(charts))
    with pytest.raises(AttributeError, match="no chart 'tyde'; there are waterfall"):
        charts.tyde()
    with pytest.raises(AttributeError, match="'waterfall' has nothing to show"):
        charts.waterfall()


def test_utilisation_is_read_from_power(found: Sensitivity) -> None:
    """Of machines with a straight curve, mean power between idle and peak tells their use."""
    result = found.result
    usage = result.outcome.run.usage
    read = utilisation_share(usage, result.shared.fleet)
    on = [i for i, g in enumerate(usage.groups) if g.role in WORKING]
    time_s = usage.machine_ms[:, on].sum(axis=1) / 1000
    known = time_s > 0
    mean_w = usage.energy_j[:, on].sum(axis=1)[known] / time_s[known]
    assert (mean_w - 100.0) / 200.0 == pytest.approx(read[known], abs=1e-9)
    assert np.isnan(read[~known]).all()
