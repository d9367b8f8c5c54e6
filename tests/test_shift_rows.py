"""Rows of a study: figures without a cap and under it, costs, forecasts, what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError
from greensched.report.shifting import shifting_text
from greensched.shift import Terms, case, rows
from greensched.ticks import on_ticks
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.test_shift import hourly, study, trace_jobs

if TYPE_CHECKING:
    from greensched.ticks import TickIntensity


def test_rows_have_what_was_promised() -> None:
    """A row has emissions, waits, peak, cost and bound, without a cap and with one."""
    found = rows(study((0, 1, 2), (0, 1, 2), values=(4.0, 1.0, 2.0) * 8), ["no-wait", "plan"])
    base, plan = found
    assert (1.0, 0.0, 0.0) == (base["normalised"], base["share_captured"], base["mean_wait_h"])
    assert (0.25, 1.0, 1.0) == (plan["normalised"], plan["share_captured"], plan["mean_wait_h"])
    assert plan["bound_g"] == plan["carbon_g"] == plan["oracle_g"]
    assert plan["cost"] is None
    assert (4.0, 4.0, 0) == (plan["peak_cores"], plan["capacity"]["cores"], plan["late"])


def test_a_cap_makes_jobs_wait_and_be_late() -> None:
    """On two cores the second job takes the next hour; without room in the window it is late."""
    made = study((0, 1, 2), (0, 1, 2), values=(4.0, 1.0, 2.0) * 8, capacity_cpu_m=2_000)
    base, plan = (row["capacity"] for row in rows(made, ["no-wait", "plan"]))
    assert (2.0, 0.5, 0.0) == (base["peak_cores"], base["mean_wait_h"], base["late"])
    assert pytest.approx(3 / 5) == plan["normalised"]
    assert 1.5 == plan["mean_wait_h"]
    late = study(*[(0, 1, 2)] * 5, values=(1.0,) * 24, capacity_cpu_m=2_000)
    assert 1 == rows(late, ["no-wait"])[0]["capacity"]["late"]  # the fifth waits 4 of 3 hours


def test_late_is_against_the_longest_wait_not_the_end_of_the_data() -> None:
    """At the data's end a job that a cap delays beyond it is not late within its longest wait."""
    made = study((21, 2, 2), (21, 2, 2), capacity_cpu_m=2_000)
    (row,) = rows(made, ["no-wait"])
    assert (1.0, 0) == (row["capacity"]["mean_wait_h"], row["capacity"]["late"])
    calendar = rows(made, ["next-workday"])[0]["capacity"]
    assert (1.0, 0) == (calendar["mean_wait_h"], calendar["late"])


def test_bound_under_a_cap_knows_it() -> None:
    """Two jobs on one core cannot both have the clean hour: the bound under the cap is 1 + 2."""
    made = study((0, 1, 2), (0, 1, 2), values=(4.0, 1.0, 2.0) * 8, capacity_cpu_m=2_000)
    (row,) = rows(made, ["plan"])
    free, held = row["bound_g"], row["capacity"]["bound_g"]
    assert pytest.approx(3 / 2, rel=1e-6) == held / free
    assert pytest.approx(1.0, rel=1e-6) == row["capacity"]["share_captured"]


def test_bound_of_late_jobs_reaches_as_far_as_they() -> None:
    """The fifth of five in a row is late, in a clean hour of which its bound has to know."""
    values = (9.0, 9.0, 9.0, 9.0, 1.0) * 5
    (row,) = rows(study(*[(0, 1, 2)] * 5, values=values, capacity_cpu_m=2_000), ["no-wait"])
    found = row["capacity"]
    assert 1 == found["late"]
    assert pytest.approx([2e-3 * 37] * 2) == [found["carbon_g"], found["bound_g"]]


def test_bound_under_a_cap_is_never_below_that_without() -> None:
    """A job that may not pause needs 1 + 9, though divided work on its core needs 1 + 1."""
    made = study((0, 2, 1), values=(1.0, 9.0, 9.0) * 8, capacity_cpu_m=1_000)
    (row,) = rows(made, ["plan"])
    assert pytest.approx([10e-3, 10e-3]) == [row["capacity"]["bound_g"], row["bound_g"]]


def test_larger_than_the_cap_is_refused_and_counted() -> None:
    """A job of more cores than the cap is left out of the results under it, and counted."""
    (row,) = rows(study((0, 1, 8), (0, 1, 2), capacity_cpu_m=4_000), ["no-wait"])
    assert (1, 2.0) == (row["capacity"]["refused"], row["capacity"]["peak_cores"])
    assert 10.0 == row["peak_cores"]
    with pytest.raises(DataError, match="all jobs want more than 1 cores"):
        rows(study((0, 1, 8), capacity_cpu_m=1_000), ["no-wait"])


def test_nothing_to_nothing_is_no_ratio() -> None:
    """Where nothing can be saved the share captured is not known, rather than 0 or 1."""
    (row,) = rows(study((0, 1, 1)), ["plan"])
    assert (1.0, None) == (row["normalised"], row["share_captured"])


def test_where_nothing_is_emitted_no_ratio_is_known() -> None:
    """At 0 W a core nothing is emitted: dashes in place of ratios, and no gap to the program."""
    found = rows(study((0, 1, 1), core_w=0.0), ["no-wait", "plan"])
    assert [(0.0, None, None)] * 2 == [
        (row["carbon_g"], row["normalised"], row["share_captured"]) for row in found
    ]
    assert "linear program" not in shifting_text(found)


def test_going_on_after_a_pause_is_accounted() -> None:
    """Half an hour of work at each resumption: wait-awhile emits 1 + 1 + 0.5, plan stays whole."""
    given: dict[str, Any] = {"values": (9.0, 1.0, 1.2, 1.0) * 6, "interruptible": True}
    half: dict[str, Any] = {"checkpoint_ms": 30 * MS_PER_MIN}
    free = rows(study((0, 2, 1), **given), ["wait-awhile", "plan"])
    paid = rows(study((0, 2, 1), **given, **half), ["wait-awhile", "plan", "no-wait"])
    assert pytest.approx([2e-3, 2e-3]) == [row["carbon_g"] for row in free]
    assert pytest.approx([2.5e-3, 2.2e-3, 10e-3]) == [row["carbon_g"] for row in paid]
    assert pytest.approx([2e-3, 2e-3]) == [row["bound_g"] for row in paid[:2]]


def test_a_price_of_nothing_costs_nothing() -> None:
    """A price of 0 is a price: cost is 0, not unknown."""
    (row,) = rows(study((0, 2, 1), price_per_core_h=0.0), ["no-wait"])
    assert (0.0, 0.0) == (row["cost"], row["capacity"]["cost"])


def test_reserved_cores_are_paid_over_the_horizon() -> None:
    """One of two jobs on a reserved core: 5 h at 0.4 x 10 are paid, and 3 h on demand."""
    made = study(
        (0, 2, 1),
        (0, 3, 1),
        reserved_cpu_m=1_000,
        price_per_core_h=10.0,
        reserved_discount=0.6,
        horizon_ms=5 * MS_PER_H,
    )
    (row,) = rows(made, ["no-wait"])
    assert pytest.approx(10.0 * (3 + 0.4 * 5)) == row["cost"]


def test_forecast_and_marginal_stand_beside() -> None:
    """A policy that sees a wrong forecast has its oracle beside it, and its other account."""
    values = (4.0, 1.0, 2.0) * 8
    plain = study((0, 1, 1), values=values)
    wrong = on_ticks(hourly(*((2.0, 3.0, 1.0) * 8)), zero_ms=0, tick_ms=MS_PER_H)
    marginal = on_ticks(hourly(*((1.0, 9.0, 5.0) * 8)), zero_ms=0, tick_ms=MS_PER_H)
    (row,) = rows(replace(plain, signal=wrong, marginal=marginal), ["plan"])
    assert (0.5, 0.5) == (row["normalised"], row["oracle_g"] / row["carbon_g"])
    assert (5.0, True) == (row["marginal_normalised"], row["signs_differ"])


def test_a_constant_that_never_ends_fits_any_trace() -> None:
    """A constant intensity serves from any instant, and nothing can be saved under it."""
    from greensched.providers.constant import constant

    series: TickIntensity = on_ticks(constant("X", 400.0), zero_ms=10**12, tick_ms=5_000)
    made = case(trace_jobs((0, 1, 3), (0.3, 9, 7)), series, Terms())
    found = rows(made, ["no-wait", "ecovisor", "wait-awhile", "plan"])
    assert {1.0} == {row["normalised"] for row in found}


def test_waits_of_all_jobs_are_summed_up() -> None:
    """Waits of 0, 1 and 3 h: 4/3 h on average, 2.8 h at the 95th percentile (linear)."""
    (row,) = rows(study((0, 1, 2), (0, 2, 2), (0, 1, 2), capacity_cpu_m=2_000), ["no-wait"])
    assert pytest.approx((4 / 3, 2.8)) == (
        row["capacity"]["mean_wait_h"],
        row["capacity"]["p95_wait_h"],
    )


def test_who_saves_nothing_has_no_sign() -> None:
    """no-wait saves nothing by either signal, which are not two signs."""
    plain = study((0, 1, 1), values=(4.0, 1.0, 2.0) * 8)
    (row,) = rows(replace(plain, marginal=plain.intensity), ["no-wait"])
    assert (1.0, False) == (row["marginal_normalised"], row["signs_differ"])


def test_jobs_that_scale_are_late_after_their_window() -> None:
    """Of five on the cores of one the fifth ends after arrival + wait + length, no other."""
    values = (9.0, 9.0, 1.0, 1.0) * 6
    made = study(*[(0, 1, 2)] * 5, values=values, throughput=(1.0, 1.5), capacity_cpu_m=2_000)
    row = rows(made, [])[0]
    assert ("carbon-scaler", 0, 1) == (row["policy"], row["late"], row["capacity"]["late"])
    assert 2.0 == row["mean_wait_h"]


def test_emissions_are_in_the_largest_unit_that_shows_them() -> None:
    """What is below a kilogram is told in grams, below a gram in milligrams, in all tables."""
    made = study((0, 1, 2), values=(4.0, 1.0, 2.0) * 8)
    (row,) = rows(made, ["no-wait"])

    def shown(carbon_g: float) -> list[str]:
        told = row | {"carbon_g": carbon_g, "capacity": row["capacity"] | {"carbon_g": carbon_g}}
        return [line for line in shifting_text([told]).splitlines() if "no-wait " in line]

    assert 2 == sum(" 2.50 " in line for line in shown(2_500.0))
    assert 2 == sum(" 2.50 " in line for line in shown(2.5))
    assert 2 == sum(" 2.50 " in line for line in shown(0.0025))
    assert "mgCO2e" in shifting_text([row | {"carbon_g": 0.0025}])
