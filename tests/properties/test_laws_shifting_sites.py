"""Laws of shifting in space, by the ids of the formal list: flat intensity, leakage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.policies.shifting.sites import at_home, emitted_g, leakage, placed
from greensched.shift.account import peak_cpu_m
from tests.effort import examples
from tests.shifting_cases import best, each, per_tick, places, studies, total

if TYPE_CHECKING:
    from greensched.ticks import TickIntensity, TickJobs


@settings(max_examples=examples(40))
@given(study=studies(), seed=st.integers(0, 999), caps=st.booleans())
def test_i32_leakage_adds_up(study: tuple[TickJobs, TickIntensity], seed: int, caps: bool) -> None:
    """I-32: what sites save and gain, less what moving takes, is the change of all together."""
    jobs, series = study
    draw = np.random.default_rng(seed)
    other = replace(series, values_g_per_kwh=draw.permutation(series.values_g_per_kwh))
    given_places = places(
        jobs,
        series,
        other,
        home=draw.integers(0, 2, len(jobs)),
        data_gib=draw.uniform(0, 3, len(jobs)),
        kwh_per_gib=0.01,
        cpu_m=(60_000, 60_000) if caps else None,
    )
    found = placed(jobs, given_places)
    told = leakage(jobs, given_places, at_home(jobs, given_places), found)
    saved = told.before_g.sum() - told.after_g.sum() - told.moving_g
    emitted = emitted_g(jobs, given_places, found)
    assert pytest.approx(told.before_g.sum() - emitted.sum()) == saved
    assert saved >= -1e-9 * told.before_g.sum()
    assert np.all(found.start <= jobs.latest)


@settings(max_examples=examples(40))
@given(study=studies())
def test_i15_equal_sites_move_nothing(study: tuple[TickJobs, TickIntensity]) -> None:
    """I-15: between sites of one and the same intensity nobody moves."""
    jobs, series = study
    assert [0] * len(jobs) == placed(jobs, places(jobs, series, series)).site.tolist()


@settings(max_examples=60)
@given(study=studies(), seed=st.integers(0, 999))
def test_i16_each_job_is_where_trying_every_site_leads(
    study: tuple[TickJobs, TickIntensity], seed: int
) -> None:
    """I-16: without caps a job emits the least of all its sites, each tried tick by tick."""
    jobs, series = study
    draw = np.random.default_rng(seed)
    other = replace(series, values_g_per_kwh=draw.permutation(series.values_g_per_kwh) + 1.0)
    data_gib = draw.uniform(0, 3, len(jobs))
    where = places(
        jobs,
        series,
        other,
        allowed=np.stack((np.ones(len(jobs), np.bool_), draw.random(len(jobs)) < 0.7), axis=1),
        data_gib=data_gib,
        kwh_per_gib=0.05,
        ticks_per_gib=1.0,
    )
    emitted = emitted_g(jobs, where, placed(jobs, where))
    home, away = per_tick(series), per_tick(other)
    for j, job in enumerate(each(jobs)):
        core_kwh = float(jobs.cpu_m[j]) / 1_000
        sums = [total([home[t] for t in best(job, home, 1)]) * core_kwh]
        first = job.arrival + int(np.ceil(data_gib[j]))
        if where.allowed[j, 1] and first <= job.latest:
            moved = 0.05 * data_gib[j] * (home[job.arrival] + away[job.arrival]) / 2
            there = best(replace(job, arrival=first), away, 1)
            sums.append(total([away[t] for t in there]) * core_kwh + moved)
        assert pytest.approx(min(sums)) == emitted[j]


@settings(max_examples=40)
@given(study=studies(), cpu_m=st.integers(2_000, 4_000))
def test_i03_caps_of_sites_are_kept(study: tuple[TickJobs, TickIntensity], cpu_m: int) -> None:
    """I-03: at no site more runs than its cap, all work is done, and who moved is in time."""
    jobs, series = study
    other = replace(series, values_g_per_kwh=series.values_g_per_kwh[::-1].copy())
    found = placed(jobs, places(jobs, series, other, cpu_m=(cpu_m, cpu_m)))
    np.testing.assert_array_equal(jobs.length, found.schedule.ticks())
    for site in (0, 1):
        assert peak_cpu_m(found.at(site), jobs.cpu_m) <= cpu_m
    late = found.schedule.ends() > jobs.latest + jobs.length
    assert not np.any(late & (found.site == 1))
