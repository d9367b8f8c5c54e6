"""Power models against hand-computed and published points."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import UsageError
from greensched.power import (
    Asymptotic,
    Cubic,
    Linear,
    Mse,
    Piecewise,
    Sqrt,
    Square,
    curve_watts,
)

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import PowerModel

# SPECpower_ssj2008, IBM System x3400 M3 (Xeon X5670): watts at active idle, 10, .. 100 %
X3400_W = (69.2, 119.0, 133.0, 140.0, 155.0, 170.0, 189.0, 209.0, 227.0, 241.0, 258.0)

MODELS: tuple[PowerModel, ...] = (
    Piecewise(watts_w=X3400_W),
    Linear(idle_w=32.0, peak_w=180.0),
    Sqrt(idle_w=32.0, peak_w=180.0),
    Square(idle_w=32.0, peak_w=180.0),
    Cubic(idle_w=32.0, peak_w=180.0),
    Mse(idle_w=32.0, peak_w=180.0),
    Asymptotic(idle_w=32.0, peak_w=180.0),
)


def _name(model: PowerModel) -> str:
    return type(model).__name__


@pytest.mark.parametrize("percent", range(0, 101, 10))
def test_piecewise_meets_its_points(percent: int) -> None:
    """A piecewise curve passes through every measured point."""
    model = Piecewise(watts_w=X3400_W)
    assert X3400_W[percent // 10] == pytest.approx(model.watts(percent / 100), rel=1e-12)


def test_piecewise_is_linear_between_points() -> None:
    """A quarter of the way from 20 % to 30 % load costs a quarter of the watts between them."""
    assert 134.75 == pytest.approx(Piecewise(watts_w=X3400_W).watts(0.225))


@pytest.mark.parametrize(
    ("model", "watts"),
    [
        (Linear(idle_w=32.0, peak_w=180.0), 69.0),
        (Sqrt(idle_w=32.0, peak_w=180.0), 106.0),
        (Square(idle_w=32.0, peak_w=180.0), 41.25),
        (Cubic(idle_w=32.0, peak_w=180.0), 34.3125),
        (Mse(idle_w=32.0, peak_w=180.0, r=1.5), 87.5),
        (Asymptotic(idle_w=32.0, peak_w=180.0, alpha=0.25), 32 + 74 * (1.25 - math.exp(-1))),
    ],
    ids=_name,
)
def test_quarter_load(model: PowerModel, watts: float) -> None:
    """At a quarter of full load each curve gives the watts of its formula, computed by hand."""
    assert watts == pytest.approx(model.watts(0.25), rel=1e-14)


@pytest.mark.parametrize("model", MODELS, ids=_name)
def test_idle_power_at_zero_load(model: PowerModel) -> None:
    """A machine that is on and idle draws its idle power, never nothing."""
    assert model.curve[1][0] == model.watts(0.0)
    assert model.watts(0.0) > 0.0


@pytest.mark.parametrize("model", MODELS[:-1], ids=_name)
def test_peak_power_at_full_load(model: PowerModel) -> None:
    """Every curve but the asymptotic one ends exactly at peak power."""
    peak_w = 258.0 if isinstance(model, Piecewise) else 180.0
    assert peak_w == model.watts(1.0)


@pytest.mark.parametrize("model", MODELS, ids=_name)
@given(u=st.floats(0.0, 1.0), v=st.floats(0.0, 1.0))
def test_more_load_never_less_power(model: PowerModel, u: float, v: float) -> None:
    """Power does not fall as load rises, in any of the models."""
    low, high = sorted((u, v))
    assert model.watts(low) <= model.watts(high) * (1 + 1e-12)


@pytest.mark.parametrize("model", MODELS, ids=_name)
@pytest.mark.parametrize("utilisation", [-1e-6, 1.0 + 1e-6, 65.0, math.nan])
def test_impossible_load_is_refused(model: PowerModel, utilisation: float) -> None:
    """A utilisation outside 0 .. 1, such as a percentage, is an error and not clamped."""
    with pytest.raises(UsageError, match=r"outside 0 \.\. 1"):
        model.watts(utilisation)
    assert math.isnan(curve_watts(*model.curve, utilisation))


@pytest.mark.parametrize("model", MODELS, ids=_name)
def test_rounding_beyond_full_load_is_forgiven(model: PowerModel) -> None:
    """A sum of shares that exceeds 1 by rounding only counts as full load."""
    assert model.watts(1.0) == model.watts(1.0 + 5e-10)
    assert model.watts(0.0) == model.watts(-5e-10)


def test_compiled_curve_equals_plain() -> None:
    """The curve compiles unchanged and gives the same bits, NaN included."""
    compiled: Any = numba.njit(curve_watts)
    for model in MODELS:
        kind, parameters = model.curve
        for u in (0.0, 0.05, 0.1, 1 / 3, 0.999, 1.0):
            assert curve_watts(kind, parameters, u) == pytest.approx(
                compiled(kind, parameters, u), rel=1e-15
            )
        assert math.isnan(compiled(kind, parameters, 1.1))


def test_bad_parameters_are_all_named() -> None:
    """A model with two wrong parameters names both."""
    with pytest.raises(UsageError) as caught:
        Mse(idle_w=-1.0, peak_w=180.0, r=3.0)
    assert ["idle_w", "r"] == [finding.where for finding in caught.value.findings]


@pytest.mark.parametrize("watts", [X3400_W[:10], (math.nan, *X3400_W[1:]), (-1.0, *X3400_W[1:])])
def test_bad_points_are_refused(watts: tuple[float, ...]) -> None:
    """Ten points, a point that is no number and a negative point are refused."""
    with pytest.raises(UsageError):
        Piecewise(watts_w=watts)


@pytest.mark.parametrize("idle_w", [math.inf, math.nan, 181.0])
def test_bad_idle_power_is_refused(idle_w: float) -> None:
    """Idle power that is not finite or above peak power is refused."""
    with pytest.raises(UsageError, match="idle"):
        Linear(idle_w=idle_w, peak_w=180.0)


def test_bad_shapes_are_refused() -> None:
    """An alpha of 0 and a peak power of kilowatts taken for watts are refused."""
    with pytest.raises(UsageError, match="alpha"):
        Asymptotic(idle_w=1.0, peak_w=2.0, alpha=0.0)
    with pytest.raises(UsageError, match="peak_w"):
        Linear(idle_w=100_000.0, peak_w=200_000.0)


@pytest.mark.data
def test_published_servers_fit(data_folder: Path) -> None:
    """All 619 published SPECpower results are valid piecewise models."""
    with (data_folder / "power" / "specpower_11point_watts.csv").open(newline="") as lines:
        points = [
            [float(row[f"w{p}"]) for p in range(0, 101, 10)] for row in csv.DictReader(lines)
        ]
    assert 619 == sum(Piecewise(watts_w=tuple(w)).watts(1.0) == w[10] for w in points)
