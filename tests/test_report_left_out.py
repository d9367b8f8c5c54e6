"""What no objective limits and what a figure leaves out is said where the figure stands."""

from __future__ import annotations

from html import unescape
from typing import Any

import pandas as pd
import pytest

from greensched.report import heading
from greensched.report.charts.bounds import bounds
from greensched.report.charts.service import judged, objectives_sentence
from greensched.report.difference import by_key
from greensched.report.evidence import Evidence
from greensched.report.page import page
from tests.report_cases import MANIFEST, series, summary

LATENCY = "service.latency_factor_p99"
NONE = {
    "model": "none",
    "slowdown_mean": 1.0,
    "break_even_slope": 0.844,
    "break_even_factor": None,
    "limited_by": "web",
}
RISK = '<div class="card{}"><dt>At what risk</dt>'


def _page(told: dict[str, Any], factors: pd.DataFrame | None = None) -> str:
    given = Evidence(summary=told, manifest=MANIFEST, series=series(), factors=factors)
    return unescape(page(given))


def _calm() -> dict[str, Any]:
    """Return a summary all of whose risks an objective limits."""
    told = summary()
    told["scenario"]["batch"] |= {"evictions": 0, "wasted_core_h": 0.0}
    told["scenario"]["batch"] |= {"wait_p95_limit_s": 1800.0, "wait_p95_ok": True}
    return told


@pytest.mark.parametrize(
    ("told", "label", "assumed"),
    [
        (NONE, "p99 latency (no batch)", "The scenario models no interference: what batch does"),
        (NONE | {"model": "linear"}, "p99 latency (modelled)", "Batch slows services as far as"),
        (NONE | {"slowdown_mean": 1.05}, "p99 latency (modelled)", "Batch slows services as far"),
    ],
)
def test_latency_says_that_batch_is_left_out(
    told: dict[str, Any], label: str, assumed: str
) -> None:
    """Without any interference the row of latency and the assumption say that batch is not in."""
    made = summary() | {"interference": told}
    assert label == by_key(made)[LATENCY].label
    assert (label == "p99 latency (no batch)") == (judged(made)[0]["objective"] == label)
    text = _page(made)
    assert assumed in text
    assert (label == "p99 latency (no batch)") == ("Batch slows services" not in text)


def test_without_jobs_nothing_is_left_out() -> None:
    """Where there is no batch, latency has its own name."""
    made = summary() | {"interference": NONE}
    made["scenario"]["batch"]["jobs"] = 0
    assert "p99 latency (modelled)" == by_key(made)[LATENCY].label


def test_risk_that_no_objective_limits_is_named() -> None:
    """Time to start, evictions, lost work and power cycles that grew are named, with no green."""
    told = summary()
    told["scenario"]["power_cycles"] = 198
    text = _page(told)
    assert "198 power cycles (99 under autoscaled)." in text
    assert "No objective limits: time to start, evictions, lost work, power cycles." in text
    assert RISK.format("") in text


def test_risk_that_objectives_limit_is_green() -> None:
    """Where every risk has its objective and all are held, the card has a green edge."""
    text = _page(_calm())
    assert "No objective limits" not in text
    assert "power cycles (" not in text
    assert RISK.format(" good") in text


def test_held_jobs_are_limited_by_no_wait() -> None:
    """An objective of waiting leaves out what is held by choice: time to start has no limit."""
    told = _calm()
    told["scenario"]["batch"] |= {"held": 10, "held_mean_s": 60.0, "held_p95_s": 90.0}
    assert "No objective limits: time to start." in _page(told)


def test_broken_objective_stays_red() -> None:
    """A broken objective is told by the card's edge, whatever else is not limited."""
    assert RISK.format(" bad") in _page(summary(factor=1.2))


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1.0, "the limit is 0.1 %: 20 % of that limit is used."),
        (1.09, "the limit is 1.1 x: 90 % of what lies between 1 and that limit is used."),
    ],
)
def test_use_of_a_limit_says_of_which(factor: float, expected: str) -> None:
    """A share is of the limit, or, of a latency factor, of what lies between 1 and its limit."""
    made = summary(factor=factor)
    made["scenario"]["batch"]["deadline_miss_limit"] = 0.1
    assert objectives_sentence(made).endswith(expected)


def test_bounds_name_quantities_and_units_apart() -> None:
    """On an axis of percent no label has another unit; values have theirs beside them."""
    best = {"machines_on_mean": 200.0, "energy_facility_kwh": 9e3, "scope2_location_kg": 5e3}
    chart = bounds(summary() | {"bounds": best | {"captured": {}}})
    assert chart is not None
    found = chart.data.drop_duplicates("quantity")
    assert ["machines on, mean", "facility energy", "scope 2"] == found["quantity"].tolist()
    assert ["machines", "kWh", "kgCO2e"] == found["unit"].tolist()


def test_prices_have_their_currency() -> None:
    """The price of a kWh among the factors is in the scenario's currency."""
    row = dict.fromkeys(("factor_id", "factor_vintage", "quality", "machine_type"), "")
    rows = pd.DataFrame([row | {"quantity": "price_per_kwh", "site": "hz", "value": 0.12}])
    assert "price of a kWh, EUR" in _page(summary(), rows)


def test_interference_by_shared_cores_is_no_omission() -> None:
    """Where shared cores slow services, the sentence says how much and not that it is left out."""
    told = heading.interference(summary() | {"interference": NONE | {"slowdown_mean": 1.05}})
    assert "services slowed by 5.00 % by shared cores" in told
    assert "left out" not in told
