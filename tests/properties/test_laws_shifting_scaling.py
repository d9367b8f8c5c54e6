"""Laws of lists of jobs that scale, by the ids of the formal list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched import registry
from greensched.policies.shifting.carbon_scaler import Workers, scaled_jobs, scaled_under_cap
from greensched.policies.shifting.elastic import Slots, widths_of
from greensched.shift.account import carbon_g, peak_cpu_m
from greensched.shift.scaling import workers_g
from greensched.ticks import TickIntensity, TickJobs, contiguous
from tests.shifting_cases import per_tick, studies

few = settings(max_examples=40)
Study = tuple[TickJobs, TickIntensity]
concave = st.lists(st.sampled_from([1.0, 0.9, 0.5, 0.25, 0.0]), max_size=3).map(
    lambda more: np.cumsum([1.0, *sorted(more, reverse=True)])
)


def work_of(workers: Workers, jobs: TickJobs, throughput: np.ndarray) -> np.ndarray:
    """Return the work that each job does."""
    gains = np.diff(throughput, prepend=0.0)
    done: np.ndarray = np.bincount(
        workers.job, weights=workers.ticks * gains[workers.worker], minlength=len(jobs)
    )
    return done


@few
@given(study=studies(), throughput=concave)
def test_i01_i02_exactly_the_work_in_the_window(study: Study, throughput: np.ndarray) -> None:
    """I-01, I-02: workers do the job's work, no more, from its arrival to its latest end."""
    jobs = study[0]
    workers = scaled_jobs(*study, throughput)
    assert pytest.approx(jobs.length) == work_of(workers, jobs, throughput)
    assert np.all(workers.start >= jobs.arrival[workers.job])
    assert np.all(workers.stop() <= (jobs.latest + jobs.length)[workers.job])
    assert np.all(workers.waited(jobs) >= 0)


@few
@given(study=studies(), throughput=concave)
def test_i16_all_at_once_is_each_by_milp(study: Study, throughput: np.ndarray) -> None:
    """I-16: each job of a list emits what the MILP over its own ticks does."""
    jobs, series = study
    workers = scaled_jobs(jobs, series, throughput)
    values = per_tick(series)
    for j in range(min(2, len(jobs))):
        window = values[int(jobs.arrival[j]) : int(jobs.latest[j] + jobs.length[j])]
        slots = Slots(
            values_g_per_kwh=np.array(window),
            ticks=np.ones(len(window)),
            widest=np.full(len(window), len(throughput)),
        )
        optimum = widths_of(slots, throughput, float(jobs.length[j]), exact=True).emitted
        mine = workers.job == j
        emitted = workers.ticks[mine] * series.values_g_per_kwh[series.slot(workers.start[mine])]
        assert pytest.approx(optimum, rel=1e-6) == emitted.sum()


@few
@given(study=studies(), throughput=concave, cpu_m=st.integers(2_000, 6_000))
def test_i03_cap_is_kept(study: Study, throughput: np.ndarray, cpu_m: int) -> None:
    """I-03: under a cap no more runs than there is, and all work is done, late if need be."""
    jobs = study[0]
    workers = scaled_under_cap(*study, throughput, cpu_m)
    assert peak_cpu_m(workers.pieces(), jobs.cpu_m) <= cpu_m
    assert pytest.approx(jobs.length) == work_of(workers, jobs, throughput)
    assert np.all(workers.start >= jobs.arrival[workers.job])


@few
@given(study=studies(flat=True), throughput=concave)
def test_i15_flat_intensity_saves_nothing(study: Study, throughput: np.ndarray) -> None:
    """I-15: under one constant intensity scaling emits what no-wait does, to the bit."""
    jobs, series = study
    base = carbon_g(contiguous(jobs, jobs.arrival), jobs, series, 1.0)
    assert base == workers_g(scaled_jobs(jobs, series, throughput), jobs, series, 1.0)


@few
@given(study=studies(), cpu_m=st.one_of(st.none(), st.just(10**6)))
def test_one_worker_is_wait_awhile(study: Study, cpu_m: int | None) -> None:
    """With one worker a job takes its cheapest ticks, also under a cap that holds all."""
    jobs, series = study
    one = np.ones(1)
    workers = (
        scaled_jobs(jobs, series, one)
        if cpu_m is None
        else scaled_under_cap(jobs, series, one, cpu_m)
    )
    plan = registry.load("shifting policy", "wait-awhile")().plan(jobs, series)
    assert pytest.approx(carbon_g(plan, jobs, series, 1.0)) == workers_g(
        workers, jobs, series, 1.0
    )
    assert plan.ends().tolist() == [
        int(workers.stop()[workers.job == j].max()) for j in range(len(jobs))
    ]


@few
@given(study=studies(), throughput=concave)
def test_i18_more_workers_never_raise_the_optimum(study: Study, throughput: np.ndarray) -> None:
    """I-18: another worker, however little it adds, raises no job's emissions."""
    jobs, series = study
    more = np.append(throughput, throughput[-1] + 0.1 * np.diff(throughput, prepend=0.0)[-1])
    less_g, more_g = (
        workers_g(scaled_jobs(jobs, series, t), jobs, series, 1.0) for t in (throughput, more)
    )
    assert more_g <= less_g * (1 + 1e-9)


@settings(max_examples=10)
@given(study=studies())
def test_profiles_that_gain_speed_are_solved_one_by_one(study: Study) -> None:
    """Where two workers do three times the work, the list is solved by the MILP, not by greed."""
    jobs, series = study
    few_jobs = replace(
        jobs,
        **{
            c: getattr(jobs, c)[:2]
            for c in ("arrival", "length", "latest", "expected", "cpu_m", "interruptible")
        },
    )
    steep = np.array([1.0, 3.0])
    workers = scaled_jobs(few_jobs, series, steep)
    assert pytest.approx(few_jobs.length, rel=1e-6) == work_of(workers, few_jobs, steep)
    wide_g = workers_g(workers, few_jobs, series, 1.0)
    narrow_g = workers_g(scaled_jobs(few_jobs, series, np.ones(1)), few_jobs, series, 1.0)
    assert wide_g <= narrow_g * (2 / 3 + 1e-6)
