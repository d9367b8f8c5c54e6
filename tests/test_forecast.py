"""Forecasts: which method, local time, holidays, degenerate series, errors, round trips."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.errors import DataError, InternalError
from greensched.forecast import (
    LEADS_MS,
    fit,
    forecast_from_plain,
    recent_from_plain,
    score,
    to_plain,
)
from greensched.forecast.level import levels
from greensched.units import MS_PER_DAY, MS_PER_H
from tests.forecast_cases import DAY, STEP_MS, WEEK, calendar, fitted, usual, weeks

if TYPE_CHECKING:
    from greensched.model import IntArray


@pytest.mark.parametrize(
    ("days", "method"),
    [
        (28.0, "hour-of-week"),
        (14.0, "hour-of-week"),
        (13.9, "hour-of-day"),
        (2.0, "hour-of-day"),
        (1.9, "reactive"),
        (0.0, "reactive"),
    ],
)
def test_history_decides_the_method(days: float, method: str) -> None:
    """From 14 days on the week is known, from 2 days the day, before that nothing."""
    forecast = fitted(weeks()[:, : int(days * DAY)])
    assert method == forecast.method
    assert (method != "reactive") == forecast.predicts
    assert f"{int(days * DAY) / DAY:.1f} days of history" in forecast.reason


@pytest.mark.parametrize(("days", "half"), [(28, 14), (27, 7), (14, 7), (13, 6), (3, 1)])
def test_the_later_half_calibrates(days: int, half: int) -> None:
    """Of whole weeks, or days where there is no fortnight, the later half gives the scores."""
    assert half * DAY == fitted(weeks(days=days)).scores[0]


def test_without_bands_the_forecast_is_the_same() -> None:
    """Who asks for no bands gets the same expectation, and bands of no width."""
    load, hour = weeks(days=15), [15 * MS_PER_DAY]
    both = [
        fit(
            load,
            start_ms=0,
            step_ms=STEP_MS,
            calendar=calendar(),
            until_ms=16 * MS_PER_DAY,
            banded=banded,
        )
        for banded in (True, False)
    ]
    expected, same = (one.expected_at(one.begin, hour) for one in both)
    np.testing.assert_array_equal(expected, same)
    assert both[0].excess.any()
    assert not both[1].excess.any()
    assert both[1].predicts


def test_without_a_forecast_none_is_given() -> None:
    """A reactive forecast refuses to be asked, and its score has no leads."""
    load = weeks()[:, :DAY]
    forecast = fitted(load)
    with pytest.raises(InternalError, match="less than 2"):
        forecast.upper(forecast.begin, DAY * STEP_MS, DAY * STEP_MS, 0.95)
    scored = score(forecast, weeks()[:, :WEEK], start_ms=0, step_ms=STEP_MS, from_ms=MS_PER_DAY)
    assert ("reactive", ()) == (scored.method, scored.leads)


def test_steps_longer_than_an_hour_have_no_hours() -> None:
    """Four weeks of six-hour means give no hour of the week, and the reason says so."""
    forecast = fit(
        np.ones((1, 112), np.int64),
        start_ms=0,
        step_ms=6 * MS_PER_H,
        calendar=calendar(),
        until_ms=40 * MS_PER_DAY,
    )
    assert "reactive" == forecast.method
    assert "longer than an hour" in forecast.reason


def test_table_is_the_mean_of_each_hour_of_the_week() -> None:
    """A slot is the mean of its hours over all weeks of history, by hand for Tuesday 10:00."""
    load = weeks()
    hours = [load[0, w * WEEK + DAY + 40 : w * WEEK + DAY + 44].mean() for w in range(4)]
    assert np.mean(hours) == pytest.approx(usual(fitted(load), 29)[10, 0], rel=1e-12)


def test_hour_of_day_takes_all_days_for_alike() -> None:
    """With 13 days of history Sunday is forecast like Wednesday."""
    forecast = fitted(weeks()[:, : 13 * DAY])
    np.testing.assert_array_equal(usual(forecast, 13), usual(forecast, 16))


def test_one_step_an_hour() -> None:
    """Hourly means of a fortnight, one value for each hour when bands are made, suffice."""
    forecast = fit(
        np.full((1, 14 * 24), 700, np.int64),
        start_ms=0,
        step_ms=MS_PER_H,
        calendar=calendar(),
        until_ms=20 * MS_PER_DAY,
    )
    now = forecast.begin.at_ms
    assert [700.0] == pytest.approx(
        forecast.upper(forecast.begin, now, now + MS_PER_DAY, 0.99).tolist(), rel=1e-9
    )


@pytest.mark.parametrize("load", [0, 1, 40_000])
def test_a_constant_load_is_its_own_band(load: int) -> None:
    """A load that never changes is forecast exactly, at every quantile and lead."""
    forecast = fitted(np.full((1, 4 * WEEK), load, np.int64))
    now = forecast.begin.at_ms
    for quantile in (0.5, 0.95, 0.999):
        upper = forecast.upper(forecast.begin, now, now + MS_PER_DAY, quantile, whole=True)
        assert [load] == pytest.approx(upper.tolist(), rel=1e-9, abs=1e-9)


def test_no_services() -> None:
    """A fleet without services has an empty forecast."""
    forecast = fitted(np.zeros((0, 4 * WEEK), np.int64))
    now = forecast.begin.at_ms
    recent = forecast.observe(
        forecast.begin, now + STEP_MS, np.zeros(0), quantile=0.95, period_ms=STEP_MS
    )
    assert 0 == len(forecast)
    assert (0,) == forecast.upper(recent, recent.at_ms, recent.at_ms, 0.95).shape
    assert (0,) == recent.coverage().shape


def test_a_service_that_wakes_up_after_history() -> None:
    """A service that history saw idle is not trusted once it has load."""
    forecast = fitted(np.zeros((1, 4 * WEEK), np.int64))
    recent = forecast.begin
    assert [True] == recent.trusted().tolist()
    for step in range(1, 16):
        recent = forecast.observe(
            recent,
            forecast.fitted_until_ms + step * STEP_MS,
            np.array([5_000.0]),
            quantile=0.95,
            period_ms=STEP_MS,
        )
    assert [0.0] == recent.coverage().tolist()
    assert [False] == recent.trusted().tolist()


def test_a_steady_load_keeps_what_was_promised() -> None:
    """Rounding breaks no promise of a band without width, whatever the load and the period."""
    load = np.array([1, 4_321, 7_777, 12_345, 99_999, 1_234_567])
    forecast = fitted(np.repeat(load[:, np.newaxis], 2 * WEEK + DAY, axis=1))
    for period_ms in (STEP_MS, 7 * STEP_MS // 5):
        recent = forecast.begin
        for step in range(1, 80):
            recent = forecast.observe(
                recent,
                forecast.fitted_until_ms + step * period_ms,
                load.astype(np.float64),
                quantile=0.95,
                period_ms=period_ms,
            )
        assert {1.0} == set(recent.coverage().tolist())


def test_recent_coverage_forgets_after_a_day() -> None:
    """Broken promises count for 24 hours and no longer."""
    load = weeks(services=1)
    forecast = fitted(load[:, : 3 * WEEK])
    recent, now = forecast.begin, 3 * WEEK * STEP_MS
    for step in range(3 * WEEK, 3 * WEEK + 2 * DAY):
        now += STEP_MS
        seen = load[:, step].astype(np.float64)
        seen *= (0.2, 3.0)[step % 2] if step < 3 * WEEK + 20 else 1.0
        recent = forecast.observe(recent, now, seen, quantile=0.99, period_ms=STEP_MS)
        if step == 3 * WEEK + 20:
            assert recent.coverage()[0] < 0.9
            assert [False] == recent.trusted().tolist()
    assert 92 <= int(recent.tries.sum()) <= 96
    assert [True] == recent.trusted().tolist()


def test_who_has_seen_nothing_is_at_the_usual_level() -> None:
    """Without any observation both levels are 1, and no observation takes them out of bounds."""
    assert [[1.0], [1.0]] == levels(np.zeros((4, 1))).tolist()
    assert [[10.0], [0.1]] == levels(np.array([[1e9], [1.0], [0.0], [1.0]])).tolist()


def test_first_promise_needs_no_load() -> None:
    """Before any time has passed a promise is made and none is checked."""
    forecast = fitted(weeks())
    recent = forecast.observe(
        forecast.begin, forecast.begin.at_ms, np.zeros(2), quantile=0.95, period_ms=STEP_MS
    )
    assert recent.promised
    recent = forecast.observe(recent, recent.at_ms, np.zeros(2), quantile=0.95, period_ms=STEP_MS)
    assert 0 == int(recent.tries.sum())
    np.testing.assert_array_equal(forecast.begin.sums_cpu_m, recent.sums_cpu_m)


def test_round_trip_through_json() -> None:
    """A forecast and a recent past that went through JSON answer bit for bit the same."""
    forecast = replace(fitted(weeks()), with_sums=fitted(weeks(services=4)))
    now = forecast.begin.at_ms + STEP_MS
    recent = forecast.observe(
        forecast.begin, now, np.array([9e3, 2e4]), quantile=0.95, period_ms=STEP_MS
    )
    twin = forecast_from_plain(json.loads(json.dumps(to_plain(forecast))))
    again = recent_from_plain(json.loads(json.dumps(to_plain(recent))))
    np.testing.assert_array_equal(
        forecast.upper(recent, now, now + MS_PER_DAY, 0.99),
        twin.upper(again, now, now + MS_PER_DAY, 0.99),
    )
    assert to_plain(forecast) == to_plain(twin)
    assert to_plain(recent) == to_plain(again)


def test_some_rows_are_forecast_as_before() -> None:
    """A forecast of some rows alone answers as the whole one does of them."""
    whole = fitted(weeks(services=3))
    part, now = whole.only(np.array([0, 2])), whole.begin.at_ms
    expected = whole.upper(whole.begin, now, now + MS_PER_DAY, 0.99)
    np.testing.assert_array_equal(
        expected[[0, 2]], part.upper(part.begin, now, now + MS_PER_DAY, 0.99)
    )
    assert 2 == len(part)


def test_nothing_of_it_can_be_changed() -> None:
    """All columns of a forecast and of a recent past are read-only."""
    forecast = fitted(weeks())
    recent = forecast.observe(
        forecast.begin, forecast.begin.at_ms + 1, np.ones(2), quantile=0.9, period_ms=STEP_MS
    )
    for value in (forecast, forecast.begin, recent):
        for name in type(value).__slots__:
            column = getattr(value, name)
            if isinstance(column, np.ndarray):
                assert not column.flags.writeable, name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda plain: plain.pop("excess"), "has the fields"),
        (lambda plain: plain.update(week_cpu_m=[[1.0, 2.0]]), "shape"),
        (lambda plain: plain.update(mean_cpu_m=["x"]), "no array"),
        (lambda plain: plain["begin"].pop("hits"), "has the fields"),
        (lambda plain: plain["begin"].update(hits=[[1, 2]]), "shape"),
    ],
)
def test_what_was_tampered_with_is_refused(change: object, words: str) -> None:
    """A stored forecast that lacks a field or has another shape is an error of data."""
    plain = to_plain(fitted(weeks()))
    assert callable(change)
    change(plain)
    with pytest.raises(DataError, match=words):
        forecast_from_plain(plain)


@pytest.mark.parametrize(
    ("load", "step_ms", "words"),
    [
        (np.array([[1, -2]]), STEP_MS, "load -2 of service 0 at step 1.*0 millicores or more"),
        (np.array([[1.0, np.nan]]), STEP_MS, "no number.*fill gaps"),
        (np.array([1, 2]), STEP_MS, "1 dimensions.*services, steps"),
        (np.array([[1, 2]]), 0, "step of 0 ms.*positive"),
    ],
)
def test_bad_history_is_refused(load: IntArray, step_ms: int, words: str) -> None:
    """History that is negative, not a number or of no shape is refused with its remedy."""
    with pytest.raises(DataError, match=words):
        fit(load, start_ms=0, step_ms=step_ms, calendar=calendar(), until_ms=0)


def test_questions_beyond_the_fit_are_refused() -> None:
    """Times that no hour was made for, and quantiles that were not calibrated, are errors."""
    forecast = fitted(weeks(), more_days=1)
    now = forecast.begin.at_ms
    with pytest.raises(InternalError, match="fitted for"):
        forecast.upper(forecast.begin, now, now + 5 * MS_PER_DAY, 0.95)
    for quantile in (0.3, 0.9999):
        with pytest.raises(InternalError, match="a quantile of"):
            forecast.upper(forecast.begin, now, now, quantile)


def test_score_of_a_perfect_week() -> None:
    """Without noise last week is perfect, so there is no skill, and hardly any error."""
    load = weeks(days=35, noise_share=0.0)
    scored = score(
        fitted(load[:, : 4 * WEEK]),
        load,
        start_ms=0,
        step_ms=STEP_MS,
        from_ms=28 * MS_PER_DAY,
        quantile=0.95,
    )
    # Leads of 5 and 15 minutes are the same step of 15 minutes.
    assert list(LEADS_MS) == [lead.lead_ms for lead in scored.leads]
    assert {"last-week"} == {lead.rival for lead in scored.leads}
    for lead in scored.leads:
        assert lead.error_share < 0.02
        assert 0.0 == lead.rival_error_share
        assert lead.skill_share is None
        assert 0.94 <= lead.coverage_worst_share <= lead.coverage_share <= 1.0


def test_score_of_a_short_window() -> None:
    """Six hours of window score the leads that fit into them, and no load scores none."""
    load = weeks(days=35)
    forecast = fitted(load[:, : 4 * WEEK])
    window = {"start_ms": 0, "step_ms": STEP_MS, "from_ms": 28 * MS_PER_DAY}
    short = score(forecast, load[:, : 4 * WEEK + 24], **window)
    assert list(LEADS_MS[:4]) == [lead.lead_ms for lead in short.leads]
    assert [24, 24, 21, 9] == [lead.origins for lead in short.leads]
    load[:, 4 * WEEK :] = 0
    assert () == score(forecast, load, **window).leads
