"""Laws of forecasts: coverage, monotone bands, shifts, scales, and no look ahead."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.forecast import LEADS_MS, QUANTILES, fit, kernels, score
from greensched.forecast.bands import EACH, WHOLE, Replay, rank, tried
from greensched.forecast.fitted import along
from greensched.forecast.level import kept, levels, over_time
from greensched.units import MS_PER_DAY, MS_PER_MIN
from tests.effort import examples
from tests.forecast_cases import DAY, STEP_MS, WEEK, calendar, fitted, weeks

SEEDS = st.integers(0, 10_000)
QUANTILE = st.sampled_from(QUANTILES)
FEW = settings(max_examples=examples(15))


@given(
    scores=st.lists(st.integers(-1000, 1000), min_size=1, max_size=60),
    quantile=st.floats(0.05, 0.999),
)
def test_rank_covers_exchangeable_scores(scores: list[int], quantile: float) -> None:
    """Whichever of n + 1 scores comes last, at least q of those (or n) are within their band."""
    below = 0
    for last in range(len(scores)):
        rest = sorted(scores[:last] + scores[last + 1 :])
        below += not rest or scores[last] <= rest[rank(len(rest), quantile) - 1]
    n = len(scores) - 1
    assert min(quantile, n / (n + 1)) <= below / len(scores) + 1e-9


def test_rank_by_hand() -> None:
    """Of 19 scores the largest is the band at 95 %, of 99 the fifth largest, of 10 the last."""
    assert (19, 95, 10, 6) == (rank(19, 0.95), rank(99, 0.95), rank(10, 0.95), rank(10, 0.5))


@FEW
@given(seed=SEEDS, quantile=st.sampled_from((0.8, 0.9, 0.95, 0.99)))
def test_coverage_of_independent_noise(seed: int, quantile: float) -> None:
    """Loads of independent noise stay below their band as often as promised, within 4 sigma."""
    load = weeks(seed, services=4, days=42)
    scored = score(
        fitted(load[:, : 4 * WEEK]),
        load,
        start_ms=0,
        step_ms=STEP_MS,
        from_ms=28 * MS_PER_DAY,
        quantile=quantile,
    )
    for lead in scored.leads:
        # A fortnight calibrates and one is scored: both have their chance errors.
        sigma = math.sqrt(2 * quantile * (1 - quantile) / lead.origins)
        assert quantile - 4 * sigma <= lead.coverage_worst_share
        assert lead.coverage_share <= quantile + 4 * sigma + 0.02
        assert quantile - 0.1 <= lead.coverage_whole_share


@FEW
@given(seed=SEEDS, ahead=st.integers(0, 3 * DAY), noise=st.floats(0.0, 0.5))
def test_upper_is_monotone_in_the_quantile(seed: int, ahead: int, noise: float) -> None:
    """A larger quantile never gives a lower band, and no band lies below what is expected."""
    forecast = fitted(weeks(seed, noise_share=noise))
    now = forecast.begin.at_ms
    span = (now, now + ahead * STEP_MS)
    for whole in (False, True):
        bands = [forecast.upper(forecast.begin, *span, q, whole=whole) for q in QUANTILES]
        assert (np.diff(bands, axis=0) >= 0.0).all()
        assert (bands[0] >= forecast.expected(forecast.begin, *span) * (1 - 1e-12)).all()


@FEW
@given(seed=SEEDS)
def test_excess_is_monotone_in_the_lead(seed: int) -> None:
    """Further ahead the band is never narrower, and for the whole way never than for each."""
    excess = fitted(weeks(seed)).excess
    assert (np.diff(excess, axis=2) >= 0.0).all()
    assert (np.diff(excess, axis=1) >= 0.0).all()
    assert (excess[WHOLE] >= excess[EACH]).all()


@FEW
@given(seed=SEEDS, first=st.integers(0, DAY), more=st.integers(0, 2 * DAY), q=QUANTILE)
def test_upper_of_a_longer_interval_is_no_lower(
    seed: int, first: int, more: int, q: float
) -> None:
    """What covers an interval covers, within the 1 % that is documented, every part of it."""
    forecast = fitted(weeks(seed))
    now = forecast.begin.at_ms
    parts = [now + k * STEP_MS for k in (first, first + more // 2, first + more)]
    longest = forecast.upper(forecast.begin, parts[0], parts[2], q)
    for part in (parts[:2], parts[1:]):
        assert (longest >= 0.99 * forecast.upper(forecast.begin, part[0], part[1], q)).all()


@FEW
@given(seed=SEEDS, steps=st.lists(st.integers(0, DAY), min_size=1, max_size=5), q=QUANTILE)
def test_bands_upto_rising_ends_are_the_highest_so_far(
    seed: int, steps: list[int], q: float
) -> None:
    """What load stays below until each of some ends is the highest of the parts before it."""
    forecast = fitted(weeks(seed))
    ends = [forecast.begin.at_ms + int(k) * STEP_MS for k in np.cumsum(steps)]
    for whole in (False, True):
        parts = [
            forecast.upper(forecast.begin, *part, q, whole=whole)
            for part in pairwise((forecast.begin.at_ms, *ends))
        ]
        found = forecast.upto(forecast.begin, ends, q, whole=whole)
        np.testing.assert_array_equal(np.maximum.accumulate(parts), found)


@FEW
@given(seed=SEEDS, q=QUANTILE, shift=st.integers(-60, 60), ahead=st.integers(0, DAY))
def test_a_shift_by_weeks_changes_nothing(seed: int, q: float, shift: int, ahead: int) -> None:
    """The same load some weeks earlier or later gives the same bands at the same hours."""
    load, moved_ms = weeks(seed), shift * 7 * MS_PER_DAY
    here = fitted(load)
    there = fitted(load, start_ms=moved_ms)
    now, until = here.begin.at_ms, here.begin.at_ms + ahead * STEP_MS
    np.testing.assert_array_equal(
        here.upper(here.begin, now, until, q),
        there.upper(there.begin, now + moved_ms, until + moved_ms, q),
    )


@FEW
@given(seed=SEEDS, q=QUANTILE, factor=st.integers(2, 1000), ahead=st.integers(0, DAY))
def test_scaling_the_unit_scales_the_band(seed: int, q: float, factor: int, ahead: int) -> None:
    """A load of k times the millicores has a band of k times the millicores."""
    load = weeks(seed)
    small, large = fitted(load), fitted(load * factor)
    span = (small.begin.at_ms, small.begin.at_ms + ahead * STEP_MS)
    np.testing.assert_allclose(
        small.upper(small.begin, *span, q) * factor,
        large.upper(large.begin, *span, q),
        rtol=1e-9,
    )


@FEW
@given(seed=SEEDS, q=QUANTILE, order=st.permutations(range(4)))
def test_order_of_services_changes_nothing(seed: int, q: float, order: list[int]) -> None:
    """Each service has the band it would have in any other row."""
    load = weeks(seed, services=4)
    one, other = fitted(load), fitted(load[order])
    span = (one.begin.at_ms, one.begin.at_ms + DAY * STEP_MS)
    np.testing.assert_allclose(
        one.upper(one.begin, *span, q)[order], other.upper(other.begin, *span, q), rtol=1e-12
    )


@FEW
@given(seed=SEEDS, cut=st.integers(14 * DAY, 28 * DAY))
def test_the_fit_never_sees_what_comes_after_its_end(seed: int, cut: int) -> None:
    """History that is cut gives the same forecast whatever the load did afterwards."""
    load = weeks(seed)
    later = load.copy()
    later[:, cut:] = 7
    one, other = (
        fit(
            x[:, :cut],
            start_ms=0,
            step_ms=STEP_MS,
            calendar=calendar(),
            until_ms=40 * MS_PER_DAY,
        )
        for x in (load, later)
    )
    assert cut * STEP_MS == one.fitted_until_ms == one.begin.at_ms
    np.testing.assert_array_equal(one.week_cpu_m, other.week_cpu_m)
    np.testing.assert_array_equal(one.excess, other.excess)


@FEW
@given(seed=SEEDS, cut=st.integers(DAY, 6 * DAY))
def test_no_origin_looks_ahead(seed: int, cut: int) -> None:
    """Forecasts that are scored do not change when loads after their origin do."""
    load = weeks(seed, days=35).astype(np.float64)
    forecast = fitted(load[:, : 4 * WEEK].astype(np.int64))
    later = load.copy()
    later[:, 4 * WEEK + cut :] *= 5.0
    one, other = (list(tried(_replay(forecast, x), 4 * WEEK)) for x in (load, later))
    for before, changed in zip(one, other, strict=True):
        known = before.origins <= 4 * WEEK + cut
        np.testing.assert_array_equal(
            before.forecast_cpu_m[:, known], changed.forecast_cpu_m[:, known]
        )
        assert (before.forecast_cpu_m[:, ~known] != changed.forecast_cpu_m[:, ~known]).any()


def _replay(forecast: object, load: object) -> Replay:
    """Return the replay of `load` from time 0 under `forecast`."""
    from greensched.forecast import Forecast

    assert isinstance(forecast, Forecast)
    lifted = np.asarray(load, np.float64) + forecast.floor_cpu_m[:, np.newaxis]
    middles = [k * STEP_MS + STEP_MS // 2 for k in range(lifted.shape[1])]
    usual = along(forecast.week_cpu_m, forecast.hours, middles).T
    factor = over_time(lifted, usual, STEP_MS)[0]
    return Replay(lifted, usual, factor, forecast.mean_cpu_m, STEP_MS)


@FEW
@given(seed=SEEDS, steps=st.integers(1, 2 * DAY))
def test_what_is_scored_is_what_a_policy_is_told(seed: int, steps: int) -> None:
    """A policy that observes step by step expects what the replay says, at every lead."""
    load = weeks(seed, days=35)
    forecast = fitted(load[:, : 4 * WEEK])
    recent, now = forecast.begin, 4 * WEEK * STEP_MS
    for step in range(steps):
        now += STEP_MS
        seen = load[:, 4 * WEEK + step].astype(np.float64)
        recent = forecast.observe(recent, now, seen, quantile=0.95, period_ms=STEP_MS)
    for row, result in enumerate(tried(_replay(forecast, load), 4 * WEEK)):
        column = int(np.flatnonzero(result.origins == 4 * WEEK + steps)[0])
        target = now + result.steps * STEP_MS - STEP_MS // 2
        told = forecast.expected_at(recent, [target])[0]
        scored = result.forecast_cpu_m[:, column] - forecast.floor_cpu_m
        np.testing.assert_allclose(np.maximum(scored, 0.0), told, rtol=1e-9)
        # A load just below its band has a score just below the excess.
        band = forecast.upper_at(recent, [target], 0.95)[0] + forecast.floor_cpu_m
        lifted = result.forecast_cpu_m[:, column]
        reached = (band - lifted) / np.sqrt(lifted * forecast.mean_cpu_m)
        lead = int(np.searchsorted(LEADS_MS, target - now))
        expected = forecast.excess[EACH, QUANTILES.index(0.95), lead]
        assert lead <= row or lead == row + 1
        np.testing.assert_allclose(expected, reached, rtol=1e-6, atol=1e-9)


@FEW
@given(
    seed=SEEDS,
    step_min=st.sampled_from((1, 5, 15, 60)),
    steps=st.integers(0, 700),
)
def test_levels_all_at_once_are_levels_step_by_step(seed: int, step_min: int, steps: int) -> None:
    """The levels over a series equal those of one observation after the other."""
    rng = np.random.default_rng(seed)
    step_ms = step_min * MS_PER_MIN
    load, usual = rng.uniform(0.0, 2.0, (2, 3, steps)) + 1e-3
    factor, last = over_time(load, usual, step_ms)
    sums, keep = np.zeros((4, 3)), kept(step_ms)
    learn = getattr(kernels.learn, "py_func", kernels.learn)
    for step in range(steps):
        level, new = levels(sums), np.empty((4, 3))
        np.testing.assert_allclose(level, factor[:, :, step], rtol=1e-9)
        now = np.ascontiguousarray(load[:, step])
        week = np.ascontiguousarray(usual[:, step])[np.newaxis]
        told = np.empty((2, 3))
        learn(week, 0, 0, 0.0, now, np.zeros(3), level[0], keep, sums, new, told)
        np.testing.assert_array_equal(levels(new), told)
        sums = new
    np.testing.assert_allclose(sums, last, rtol=1e-9)
