"""Laws of intensity, over every registered provider, without naming one here.

I-07 permutation, I-09 unit scaling, I-10 time shift, I-15 flat intensity, I-18 relaxation, I-26
determinism, I-30 gaps: numbered as in the project's list of invariants.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched import registry
from greensched.bounds.limits import mean_limits, space_limit, time_limits
from greensched.bounds.window import best_window
from greensched.carbon import CarbonIntensity
from greensched.providers.cache import Cache
from greensched.providers.chain import ask
from greensched.providers.gates import judged
from tests.carbon.worlds import (
    FORESEES,
    HOUR_MS,
    HOURLY,
    TOLD,
    Told,
    World,
    moved,
    telling,
    values_of,
    with_secrets,
)
from tests.effort import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

few = settings(max_examples=examples(15))
grams = st.integers(1, 1_999).map(float)  # below the limit, which pounds would round over
known = st.lists(grams, min_size=3, max_size=10).map(tuple)
gappy = st.lists(st.one_of(grams, st.none()), min_size=3, max_size=10).map(tuple)


def opened(name: str, folder: pytest.TempPathFactory) -> Iterator[Told]:
    """Yield a provider of that name with its secrets set."""
    with pytest.MonkeyPatch.context() as patch:
        with_secrets(patch)
        yield from telling(name, World(values=(100.0,)), folder.mktemp("told"))


@pytest.fixture(scope="module", params=sorted(registry.names("provider")))
def any_provider(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """Yield every registered provider in turn."""
    yield from opened(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=HOURLY)
def hourly(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """Yield every provider that tells of hours in turn."""
    yield from opened(request.param, tmp_path_factory)


def points_of(told: Told, world: World) -> list[tuple[int, float | None]]:
    """Return what a provider tells of a world, by the hour: measured, then forecast."""
    told.world = world
    past = told.provider.actual(world.query, told.web) if world.past_h else None
    future = told.provider.forecast(world.query, told.web)
    rows = dict(values_of(future)) | (dict(values_of(past)) if past is not None else {})
    return sorted(rows.items())


def expected_of(told: Told, world: World) -> list[tuple[int, float | None]]:
    """Return what it ought to tell; a metric knows the past only, and has no nulls."""
    rows = world.rows(future=False)
    if told.name in FORESEES:
        rows = sorted(rows + world.rows(future=True))
    return [row for row in rows if told.name != "prometheus" or row[1] is not None]


def test_every_provider_is_told_of() -> None:
    """Each registered provider has somebody who answers for it in these laws."""
    assert set(registry.names("provider")) == set(TOLD)


@few
@given(values=gappy, past_h=st.integers(0, 10))
def test_i30_no_null_becomes_a_number(
    hourly: Told, values: tuple[float | None, ...], past_h: int
) -> None:
    """I-30: what a source tells is told again, hour by hour; a null stays unknown, never 0."""
    world = World(values=values, past_h=min(past_h, len(values)))
    expected = expected_of(hourly, world)
    found = points_of(hourly, world)
    assert [(t, v is None) for t, v in expected] == [(t, v is None) for t, v in found]
    assert [v for _, v in expected if v] == pytest.approx([v for _, v in found if v], rel=1e-12)


@few
@given(values=gappy, zeros=st.integers(0, 10))
def test_i30_unknown_stays_unknown(
    hourly: Told, values: tuple[float | None, ...], zeros: int
) -> None:
    """I-30: a chain with one source knows its window up to the first null or 0, and not beyond."""
    values = (*values, *(0.0,) * zeros)
    hourly.world = world = World(values=values)
    if hourly.name not in FORESEES:
        return
    good = [v is not None and v > 0.0 for v in values]
    first_bad = good.index(False) if False in good else len(good)
    answer = ask([hourly.provider], world.query, hourly.web, Cache(folder=None))
    assert world.now_ms + first_bad * HOUR_MS == answer.known_until_ms
    assert (first_bad == 0) == (answer.series is None)
    if first_bad < len(good):
        assert answer.steps[-1].source.startswith("unknown: run now")


@few
@given(values=known, past_h=st.integers(0, 3))
def test_i07_rows_in_any_order(hourly: Told, values: tuple[float, ...], past_h: int) -> None:
    """I-07: the order in which a source lists its rows changes nothing."""
    world = World(values=values, past_h=past_h)
    assert points_of(hourly, world) == points_of(hourly, replace(world, turned=True))


@few
@given(values=st.lists(st.integers(1, 200).map(float), min_size=3, max_size=8).map(tuple))
def test_i09_units_scale(hourly: Told, values: tuple[float, ...]) -> None:
    """I-09: ten times the grams give ten times the values, whatever the source's unit is."""
    world = World(values=values, past_h=2)
    tenfold = replace(world, values=tuple(10.0 * v for v in values))
    once = [v for _, v in points_of(hourly, world)]
    assert [10.0 * v for v in once if v] == pytest.approx(
        [v for _, v in points_of(hourly, tenfold)], rel=1e-12
    )


@few
@given(by_h=st.integers(1, 24 * 400), past_h=st.integers(0, 3))
def test_i10_time_shifts(hourly: Told, by_h: int, past_h: int) -> None:
    """I-10: the same hours later, over leap days and changes of clocks, give the same points."""
    world = World(values=(100.0, 200.0, 300.0, 400.0), past_h=past_h)
    later = points_of(hourly, moved(world, by_h))
    assert points_of(hourly, world) == [(t - by_h * HOUR_MS, v) for t, v in later]


def test_i26_same_answer(any_provider: Told) -> None:
    """I-26: asked twice, a source gives the same points, bit for bit."""
    any_provider.world = world = World(values=(100.0, None, 300.0), past_h=1)
    provider, web = any_provider.provider, any_provider.web
    first, second = (provider.forecast(world.query, web) for _ in range(2))
    assert first.start_ms.tobytes() == second.start_ms.tobytes()
    assert first.values_g_per_kwh.tobytes() == second.values_g_per_kwh.tobytes()
    assert (first.labels, first.notes) == (second.labels, second.notes)


def test_every_point_is_labelled(any_provider: Told) -> None:
    """Whatever a source tells has its name, a signal, a basis, and intervals that go forward."""
    any_provider.world = world = World(values=(100.0, 200.0, 300.0), past_h=1)
    provider, web = any_provider.provider, any_provider.web
    for points in (provider.actual(world.query, web), provider.forecast(world.query, web)):
        good, _ = judged(points, live=provider.live, now_ms=world.now_ms)
        assert points.labels.source
        assert points.labels.signal in {"average", "marginal"}
        assert (good.end_ms > good.start_ms).all()
        assert (good.start_ms[1:] >= good.end_ms[:-1]).all()


def series_of(values: list[float], zone: str = "Z") -> CarbonIntensity:
    """Return hours of intensity from 0 on."""
    return CarbonIntensity(
        zone=zone,
        edges_ms=HOUR_MS * np.arange(len(values) + 1, dtype=np.int64),
        values_g_per_kwh=np.array(values),
    )


@given(
    value=st.floats(0.1, 2_000.0),
    hours=st.integers(30, 60),
    length_h=st.integers(1, 20),
    slack_h=st.integers(0, 40),
    start=st.floats(0.0, 1.0),
)
def test_i15_flat_saves_nothing(
    value: float, hours: int, length_h: int, slack_h: int, start: float
) -> None:
    """I-15: on flat intensity no window and no limit saves anything, exactly."""
    (limit,) = time_limits({"Z": np.full(hours, value)}, [length_h], slack_h)["Z"]
    assert (0.0, 0.0) == (limit.saving_g_per_kwh, limit.saving_interruptible_g_per_kwh)
    from_ms = round(start * HOUR_MS)
    choice = best_window(series_of([value] * 60), from_ms, length_h * HOUR_MS, 39 * HOUR_MS)
    assert (0.0, from_ms) == (choice.saving_g_per_kwh, choice.best.start_ms)


hours_lists = st.lists(st.integers(1, 1_000).map(float), min_size=12, max_size=60)


@given(hours=hours_lists, length_h=st.integers(1, 11), slack_h=st.integers(0, 70))
def test_i18_more_slack_never_saves_less(hours: list[float], length_h: int, slack_h: int) -> None:
    """I-18: another hour of slack lowers no limit, and interrupting saves no less than not."""
    values = {"Z": np.array(hours)}
    (less,) = time_limits(values, [length_h], slack_h)["Z"]
    (more,) = time_limits(values, [length_h], slack_h + 1)["Z"]
    assert 0.0 <= less.saving_g_per_kwh <= more.saving_g_per_kwh
    assert less.saving_interruptible_g_per_kwh <= more.saving_interruptible_g_per_kwh
    assert less.saving_g_per_kwh <= less.saving_interruptible_g_per_kwh


@given(rows=st.lists(st.lists(grams, min_size=12, max_size=12), min_size=1, max_size=5))
def test_i32_following_saves_at_least_moving_once(rows: list[list[float]]) -> None:
    """I-32: moving once saves what home loses less what the target gains; following, no less."""
    zones = {f"Z{i}": np.array(row) for i, row in enumerate(rows)}
    limit = space_limit(zones)
    means = np.array([row.mean() for row in zones.values()])
    assert means.mean() - means.min() == pytest.approx(limit.one_migration_g_per_kwh, abs=1e-9)
    assert 0.0 <= limit.one_migration_g_per_kwh <= limit.follow_cleanest_g_per_kwh + 1e-9


@given(hours=hours_lists)
def test_i07_zones_in_any_order(hours: list[float]) -> None:
    """I-07: the order of zones changes no limit of any of them, nor the mean of all."""
    zones = {"A": np.array(hours), "B": np.array(hours[::-1]), "C": np.array(hours)[::-1] + 1.0}
    turned = dict(reversed(zones.items()))
    first, second = (time_limits(z, [1, 5], 7) for z in (zones, turned))
    assert first == {zone: second[zone] for zone in first}
    assert mean_limits(first)[0].saving_g_per_kwh == pytest.approx(
        mean_limits(second)[0].saving_g_per_kwh, rel=1e-12
    )
