"""Forecasts that are made here, what they are worth, and forecasts that err on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.carbon import FORECAST, CarbonIntensity, Labels, hourly_means
from greensched.errors import DataError
from greensched.forecast import Calendar
from greensched.forecast.error_model import ErrorModel
from greensched.forecast.intensity import foresee
from greensched.providers.file_all import read_all

if TYPE_CHECKING:
    from pathlib import Path

HOUR_MS = 3_600_000
START_MS = 1_772_409_600_000  # Monday 2026-03-02T00:00Z


def series(values: np.ndarray, step_ms: int = HOUR_MS) -> CarbonIntensity:
    """Return even steps from `START_MS` on."""
    edges = START_MS + step_ms * np.arange(len(values) + 1, dtype=np.int64)
    return CarbonIntensity(
        zone="Z", edges_ms=edges, values_g_per_kwh=values, labels=Labels(source="feed")
    )


def weather(hours: int, seed: int = 0) -> np.ndarray:
    """Return hours of the week whose level wanders as weather does: 20 %, over a day."""
    model = ErrorModel(spread_share=0.2, memory_h=24.0)
    plain = series(np.full(hours, 1.0))
    wander = model.drawn(plain, np.random.default_rng(seed)).state
    values: np.ndarray = week(hours) * np.exp(wander)
    return values


def week(hours: int, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return hours of a week that repeats, Sundays low, with noise."""
    hour = np.arange(hours)
    base = 400.0 + 100.0 * np.cos(2 * np.pi * hour / 24) - 80.0 * (hour // 24 % 7 == 6)
    values: np.ndarray = base * np.exp(noise * np.random.default_rng(seed).standard_normal(hours))
    return values


def test_what_repeats_is_foretold() -> None:
    """Days that repeat are foretold, hour by hour, for two days."""
    days = 300.0 + np.tile(np.arange(24.0), 30)
    found = foresee(series(days[: 28 * 24]), START_MS + 30 * 24 * HOUR_MS)
    assert ("hour-of-week", 48) == (found.method, len(found.expected.values_g_per_kwh))
    # Hours are linear between their centres, hence not exact at midnight.
    assert days[28 * 24 :] == pytest.approx(found.expected.values_g_per_kwh, rel=1e-3)
    assert [FORECAST] * 48 == found.expected.status.tolist()
    assert "hour-of-week forecast of feed" == found.expected.labels.source
    assert START_MS + 28 * 24 * HOUR_MS == found.expected.labels.issued_at_ms


@pytest.mark.slow
def test_bands_hold_what_they_promise() -> None:
    """On days that were not fitted, 90 % bands hold 85 to 97 % of values on either day ahead."""
    inside = []
    for seed in range(70):
        end = (42 + seed % 7) * 24  # any day of the week: what is promised is a mean over them
        values = weather(end + 48, seed=seed)
        found = foresee(series(values[:end]), START_MS + (end + 48) * HOUR_MS)
        came = values[end:]
        inside.append((came >= found.low_g_per_kwh) & (came <= found.high_g_per_kwh))
    assert 0.9 == found.coverage_share
    by_day = np.mean(inside, axis=0).reshape(2, 24).mean(axis=1)
    assert (by_day > 0.85).all()
    assert (by_day < 0.97).all()
    assert (found.low_g_per_kwh <= found.expected.values_g_per_kwh).all()


def test_skill_is_told_against_the_best_persistence() -> None:
    """Each lead tells its error, the best persistence and its error, and the skill between."""
    found = foresee(series(weather(42 * 24)), START_MS + 43 * 24 * HOUR_MS)
    assert [1, 4, 8, 24, 48] == [skill.lead_h for skill in found.skill]
    for skill in found.skill:
        assert skill.rival in {"last-value", "yesterday", "last-week"}
        assert skill.skill_share is not None
        assert 1.0 - skill.error_share / skill.rival_error_share == pytest.approx(
            skill.skill_share
        )
        assert -0.1 < skill.skill_share < 0.6
    assert sum(skill.skill_share or 0.0 for skill in found.skill) > 0.3


def test_history_decides_the_method() -> None:
    """From 14 days on the hour of the week, from 2 the hour of the day, else nothing."""
    until = START_MS + 100 * 24 * HOUR_MS
    assert "hour-of-week" == foresee(series(week(14 * 24)), until).method
    assert "hour-of-day" == foresee(series(week(13 * 24)), until).method
    assert foresee(series(week(2 * 24)), until).coverage_share is None
    with pytest.raises(DataError, match="47 hours of history, a forecast needs 48"):
        foresee(series(week(47)), until)


def test_only_the_past_counts() -> None:
    """Of history older than six weeks nothing counts, and half hours count by their means."""
    values = week(50 * 24, noise=0.1)
    until = START_MS + 51 * 24 * HOUR_MS
    other = values.copy()
    other[: 8 * 24] = 1_900.0
    first, second = (foresee(series(v), until) for v in (values, other))
    assert first.expected.values_g_per_kwh.tobytes() == second.expected.values_g_per_kwh.tobytes()
    halves = np.repeat(values, 2) + np.tile([5.0, -5.0], len(values))
    third = foresee(series(halves, HOUR_MS // 2), until)
    assert first.expected.values_g_per_kwh == pytest.approx(third.expected.values_g_per_kwh)


def test_local_time_counts() -> None:
    """The clock of the zone decides which hours are alike."""
    values = week(28 * 24)
    until = START_MS + 29 * 24 * HOUR_MS
    utc = foresee(series(values), until)
    local = foresee(series(values), until, calendar=Calendar(time_zone="Europe/Berlin"))
    assert utc.expected.values_g_per_kwh.tolist() != local.expected.values_g_per_kwh.tolist()


def test_hourly_means() -> None:
    """Means of hours weigh each step by its length."""
    found = hourly_means(
        series(np.array([1.0, 3.0, 5.0, 5.0]), HOUR_MS // 2), START_MS, START_MS + 2 * HOUR_MS
    )
    assert [2.0, 5.0] == found.tolist()


@pytest.mark.data
@pytest.mark.slow
def test_real_skill(data_folder: Path) -> None:
    """On 16 real zones of 2023 the mean error of the next day is below yesterday's, bands hold."""
    zones = read_all([data_folder / "carbon" / "electricitymaps_2023_hourly.csv"])
    ratios, inside = [], []
    for one in (z for z in zones.values() if not z.is_constant):
        values = one.values_g_per_kwh
        errors = np.zeros(2)
        for at in range(60 * 24, 8_700, 48 * 24 + 5):
            history = CarbonIntensity(
                zone=one.zone, edges_ms=one.edges_ms[: at + 1], values_g_per_kwh=values[:at]
            )
            found = foresee(history, int(one.edges_ms[at + 24]))
            came = values[at : at + 24]
            errors += [
                np.abs(found.expected.values_g_per_kwh - came).mean(),
                np.abs(values[at - 24 : at] - came).mean(),
            ]
            inside.append(((came >= found.low_g_per_kwh) & (came <= found.high_g_per_kwh)).mean())
        ratios.append(errors[0] / errors[1])
    assert 16 == len(ratios)
    assert np.mean(ratios) < 0.95
    assert 0.85 < np.mean(inside) < 0.97


def errors_at(model: ErrorModel, lead: int, gap: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return log errors of forecasts `lead` hours ahead, and `gap` hours further, many times."""
    actual = series(np.full(4_000, 300.0))
    first, second = [], []
    for seed in range(3):
        forecasts = model.drawn(actual, np.random.default_rng(seed))
        for at in range(0, 3_800, 37):
            values = forecasts.issued(START_MS + at * HOUR_MS).values_g_per_kwh
            first.append(np.log(values[at + lead] / 300.0))
            second.append(np.log(values[at + lead + gap] / 300.0))
    return np.array(first), np.array(second)


def test_errors_grow_with_the_lead() -> None:
    """The spread of errors is that of the model's formula at leads of 1, 12 and 72 hours."""
    model = ErrorModel(spread_share=0.2, memory_h=24.0)
    for lead in (1, 12, 72):
        expected = float(model.spread_at(np.array([float(lead)]))[0])
        assert expected == pytest.approx(errors_at(model, lead)[0].std(), rel=0.2)
    assert 0.2 * np.sqrt(1 - np.exp(-1.0)) == pytest.approx(model.spread_at(np.array([12.0]))[0])


def test_errors_are_alike_in_neighbouring_hours() -> None:
    """Errors an hour apart correlate as the model says: they are no white noise."""
    first, second = errors_at(ErrorModel(spread_share=0.2, memory_h=24.0), 48, gap=1)
    assert float(np.corrcoef(first, second)[0, 1]) > 0.9


def test_forecasts_are_right_on_average_and_true_now() -> None:
    """The mean forecast is the true value; the step that holds now, and all before, are true."""
    model = ErrorModel(spread_share=0.3, memory_h=12.0)
    actual = series(week(48, noise=0.1))
    issued = [
        model.drawn(actual, np.random.default_rng(s)).issued(START_MS + 5 * HOUR_MS)
        for s in range(4_000)
    ]
    mean = np.mean([one.values_g_per_kwh for one in issued], axis=0)
    assert actual.values_g_per_kwh == pytest.approx(mean, rel=0.03)
    assert actual.values_g_per_kwh[:6].tolist() == issued[0].values_g_per_kwh[:6].tolist()
    assert ([0] * 6 + [FORECAST] * 42) == issued[0].status.tolist()
    assert issued[0].labels.synthetic


def test_later_forecasts_correct_earlier_ones() -> None:
    """A forecast made later errs less, and in the same direction more often than not."""
    model = ErrorModel(spread_share=0.2, memory_h=24.0)
    actual = series(np.full(200, 300.0))
    early, late = [], []
    for seed in range(400):
        forecasts = model.drawn(actual, np.random.default_rng(seed))
        early.append(np.log(forecasts.issued(START_MS).values_g_per_kwh[48] / 300.0))
        late.append(np.log(forecasts.issued(START_MS + 42 * HOUR_MS).values_g_per_kwh[48] / 300.0))
    assert np.std(late) < 0.75 * np.std(early)
    assert np.corrcoef(early, late)[0, 1] > 0.3


def test_same_seed_same_errors() -> None:
    """The same generator gives the same forecasts, bit for bit; no spread gives the truth."""
    actual = series(week(100))
    for spread in (0.0, 0.2):
        model = ErrorModel(spread_share=spread, memory_h=24.0)
        first, second = (
            model.drawn(actual, np.random.default_rng(7)).issued(START_MS).values_g_per_kwh
            for _ in range(2)
        )
        assert first.tobytes() == second.tobytes()
        assert (spread == 0.0) == bool((first == actual.values_g_per_kwh).all())
