"""Laws of shifting by the ids of the formal list, over every registered policy untold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched import registry
from greensched.bounds.shifting import best_starts, cheapest_ticks, least_emissions
from greensched.bounds.transport import Transport, least_contiguous
from greensched.model import NONE
from greensched.policies.shifting.greedy import best_free_start, greedy
from greensched.policies.shifting.plan import Plan
from greensched.policies.shifting.room import Room
from greensched.policies.shifting.suspended import tick_quantile
from greensched.shift.account import carbon_g, peak_cpu_m, running, waits
from greensched.shift.replay import beside_reserved, capped
from greensched.ticks import Schedule, TickIntensity, TickJobs, contiguous
from greensched.units import MS_PER_H
from tests.effort import examples
from tests.shifting_cases import TWINS, each, intensity_of, per_tick, studies, ticks_of

few = settings(max_examples=examples(30))
every_policy = pytest.mark.parametrize("name", registry.names("shifting policy"))
Study = tuple[TickJobs, TickIntensity]


def planned(name: str, study: Study) -> Schedule:
    """Return the schedule of a registered policy with its default settings."""
    schedule: Schedule = registry.load("shifting policy", name)().plan(*study)
    return schedule


def allowed(name: str, study: Study) -> TickJobs:
    """Return the jobs with the latest starts and pauses that the policy has."""
    jobs: TickJobs = registry.load("shifting policy", name)().window(*study)
    return jobs


def emitted(schedule: Schedule, study: Study) -> float:
    """Return the emissions of a schedule [g]."""
    return carbon_g(schedule, study[0], study[1], 1.0)


@every_policy
@few
@given(study=studies())
def test_i01_exactly_the_work(name: str, study: Study) -> None:
    """I-01: each job runs for exactly its length, also where intensities tie."""
    np.testing.assert_array_equal(study[0].length, planned(name, study).ticks())


@every_policy
@few
@given(study=studies())
def test_i02_in_the_window(name: str, study: Study) -> None:
    """I-02: no job runs before its arrival, after its latest end, or outside the data."""
    schedule, jobs = planned(name, study), allowed(name, study)
    assert np.all(schedule.begins() >= jobs.arrival)
    assert np.all(schedule.ends() <= jobs.latest + jobs.length)
    assert schedule.stop.max() <= study[1].length


@every_policy
@few
@given(study=studies())
def test_pieces_are_in_order(name: str, study: Study) -> None:
    """The pieces of a job neither touch nor overlap, and come in order of job and time."""
    s = planned(name, study)
    same = s.job[1:] == s.job[:-1]
    assert np.all(np.diff(s.job) >= 0)
    assert np.all(s.start < s.stop)
    assert np.all(s.start[1:][same] > s.stop[:-1][same])


@every_policy
@few
@given(study=studies(), cpu_m=st.integers(2_000, 6_000))
def test_i03_cap_is_kept(name: str, study: Study, cpu_m: int) -> None:
    """I-03: under a cap no more runs than there is, all work is done, none before its plan."""
    schedule = planned(name, study)
    ran = capped(schedule, study[0], cpu_m)
    assert peak_cpu_m(ran, study[0].cpu_m) <= cpu_m
    np.testing.assert_array_equal(study[0].length, ran.ticks())
    for j in range(len(study[0])):
        assert np.all(np.subtract(ticks_of(ran, j), ticks_of(schedule, j)) >= 0)
    joins = (ran.job[1:] == ran.job[:-1]) & (ran.start[1:] <= ran.stop[:-1])
    assert not joins.any()


@every_policy
@few
@given(study=studies(), cpu_m=st.integers(100_000, 200_000))
def test_i18_a_cap_that_holds_all_changes_nothing(name: str, study: Study, cpu_m: int) -> None:
    """I-18: under a cap above the peak every piece keeps its ticks."""
    schedule = planned(name, study)
    np.testing.assert_array_equal(schedule.start, capped(schedule, study[0], cpu_m).start)


@every_policy
@few
@given(study=studies(flat=True))
def test_i15_flat_intensity_saves_nothing(name: str, study: Study) -> None:
    """I-15: under one constant intensity every policy emits the same as no-wait, to the bit."""
    assert emitted(planned("no-wait", study), study) == emitted(planned(name, study), study)


@pytest.mark.parametrize("name", [n for n in registry.names("shifting policy") if n != "ecovisor"])
@few
@given(study=studies(flat=True))
def test_ties_go_to_the_earliest(name: str, study: Study) -> None:
    """Under one constant intensity nothing waits; only ecovisor does, which knows no minimum."""
    np.testing.assert_array_equal(study[0].arrival, planned(name, study).start)


@every_policy
@few
@given(study=studies())
def test_i16_no_policy_beats_its_bound(name: str, study: Study) -> None:
    """I-16: no policy emits less than its windows' bound, contiguous or divisible as it is."""
    jobs, series = allowed(name, study), study[1]
    bound = emitted(least_emissions(jobs, series), study)
    assert bound <= emitted(planned(name, study), study) * (1 + 1e-12)


@every_policy
@settings(max_examples=examples(120))
@given(study=studies())
def test_policies_are_their_definitions(name: str, study: Study) -> None:
    """Each policy runs the very ticks that its definition gives when every tick is tried."""
    jobs, series = study
    schedule = planned(name, study)
    for j, job in enumerate(each(jobs)):
        assert TWINS[name](job, per_tick(series), 1) == ticks_of(schedule, j)


@pytest.mark.parametrize("name", ["lowest-window", "carbon-time"])
@pytest.mark.parametrize("step", [1, 2, 3, 5])
@settings(max_examples=examples(40))
@given(study=studies(), width=st.sampled_from([1, 8, 12, 24]))
def test_grids_of_starts_are_their_definitions(
    name: str, step: int, study: Study, width: int
) -> None:
    """On any grid of starts, also one finer than a slot, the chosen start is the defined one."""
    jobs, given_series = study
    values = np.repeat(given_series.values_g_per_kwh, -(-40 // (width * 3)))
    series = intensity_of(*values, width=width)
    policy = registry.load("shifting policy", name)(step_ms=step * MS_PER_H)
    schedule = policy.plan(jobs, series)
    for j, job in enumerate(each(jobs)):
        assert TWINS[name](job, per_tick(series), step) == ticks_of(schedule, j)


@every_policy
@few
@given(study=studies(), k=st.sampled_from([2.0, 0.5, 4.0]))
def test_i09_unit_scaling(name: str, study: Study, k: float) -> None:
    """I-09: k times the intensity is the same schedule and k times the emissions."""
    jobs, series = study
    scaled = replace(series, values_g_per_kwh=series.values_g_per_kwh * k)
    schedule, other = planned(name, study), planned(name, (jobs, scaled))
    np.testing.assert_array_equal(schedule.start, other.start)
    assert pytest.approx(k * emitted(schedule, study), rel=1e-12) == emitted(other, (jobs, scaled))


@pytest.mark.parametrize("name", sorted(set(TWINS) - {"next-workday", "semi-weekly"}))
@few
@given(study=studies(), delta=st.integers(1, 7))
def test_i10_time_shift(name: str, study: Study, delta: int) -> None:
    """I-10: demand and intensity that both come later give the same schedule, later."""
    jobs, series = study
    later = replace(jobs, arrival=jobs.arrival + delta, latest=jobs.latest + delta)
    lead = (series.lead - delta) % series.width
    before = -(-(delta - series.lead) // series.width) if delta > series.lead else 0
    values = np.concatenate((np.full(before, 500.0), series.values_g_per_kwh))
    moved = replace(series, values_g_per_kwh=values, lead=lead, length=series.length + delta)
    np.testing.assert_array_equal(
        planned(name, study).start + delta, planned(name, (later, moved)).start
    )


@every_policy
@few
@given(study=studies(), seed=st.integers(0, 1_000))
def test_i07_permutation(name: str, study: Study, seed: int) -> None:
    """I-07: another order of jobs that arrive together changes no job's ticks."""
    jobs, series = study
    order = np.random.default_rng(seed).permutation(len(jobs))
    together = replace(
        jobs,
        latest=jobs.latest - jobs.arrival,
        arrival=np.zeros_like(jobs.arrival),
    )
    columns = ("arrival", "length", "latest", "expected", "cpu_m", "interruptible")
    shuffled = replace(together, **{c: getattr(together, c)[order] for c in columns})
    first, other = planned(name, (together, series)), planned(name, (shuffled, series))
    for j, k in enumerate(order.tolist()):
        assert ticks_of(first, k) == ticks_of(other, j)


@few
@given(study=studies())
def test_i18_more_slack_never_raises_the_bound(study: Study) -> None:
    """I-18: jobs that may wait a tick longer have a bound that is no higher."""
    jobs, series = study
    latest = np.minimum(jobs.latest + 1, series.length - jobs.length)
    more = replace(jobs, latest=np.maximum(latest, jobs.latest))
    assert emitted(least_emissions(more, series), study) <= emitted(
        least_emissions(jobs, series), study
    ) * (1 + 1e-12)


@few
@given(study=studies())
def test_i17_the_future_never_hurts_the_optimal_planner(study: Study) -> None:
    """I-17: planned on the truth, the optimal planner emits no more than on another forecast."""
    jobs, series = study
    wrong = replace(series, values_g_per_kwh=series.values_g_per_kwh[::-1].copy())
    oracle, other = Plan().plan(jobs, series), Plan().plan(jobs, wrong)
    assert emitted(oracle, study) <= emitted(other, study) * (1 + 1e-12)


@few
@given(study=studies(), cut=st.integers(1, 39))
def test_greedy_sees_no_later_jobs(study: Study, cut: int) -> None:
    """Under a cap, what the greedy plan does with a job does not depend on later arrivals."""
    jobs, series = study
    keep = jobs.arrival <= cut
    if not keep.any():
        return
    columns = ("arrival", "length", "latest", "expected", "cpu_m", "interruptible")
    first = replace(jobs, **{c: getattr(jobs, c)[keep] for c in columns})
    whole, part = greedy(jobs, series, 2_500), greedy(first, series, 2_500)
    for j in range(len(first)):
        assert ticks_of(part, j) == ticks_of(whole, j)


@few
@given(study=studies(), cpu_m=st.integers(1_000, 6_000), held=st.lists(st.integers(-1, 40)))
def test_greedy_starts_are_those_of_all_corners(study: Study, cpu_m: int, held: list[int]) -> None:
    """Whoever takes its best start of all, or that of a like job, would be given the same."""
    jobs = replace(study[0], interruptible=np.zeros(len(study[0]), np.bool_))
    jobs = replace(jobs, cpu_m=np.minimum(jobs.cpu_m, cpu_m))
    was = np.array([*held, *[-1] * len(jobs)][: len(jobs)])
    plan, room = greedy(jobs, study[1], cpu_m, held=was, hysteresis=0.1), Room(cpu_m, 0)
    for j in range(len(jobs)):
        first, last, length, need = (
            int(c[j]) for c in (jobs.arrival, jobs.latest, jobs.length, jobs.cpu_m)
        )
        keeps = (int(was[j]) if first <= was[j] <= last else NONE, 0.1)
        start = best_free_start(room, study[1], (first, last), length, need, None, keeps)
        assert start == plan.start[plan.job == j][0]
        room.take(start, start + length, need)


@pytest.mark.parametrize("solver", ["greedy", "exact"])
@few
@given(study=studies(), cpu_m=st.integers(2_000, 6_000), pauses=st.booleans())
def test_i03_plan_keeps_its_cap(solver: Any, study: Study, cpu_m: int, pauses: bool) -> None:
    """I-03: what is planned under a cap keeps it, so that replaying it moves nothing."""
    jobs = replace(study[0], interruptible=np.full(len(study[0]), pauses))
    schedule = Plan(solver=solver, cpu_m=cpu_m).plan(jobs, study[1])
    assert peak_cpu_m(schedule, jobs.cpu_m) <= cpu_m
    np.testing.assert_array_equal(jobs.length, schedule.ticks())
    assert np.all(schedule.begins() >= jobs.arrival)


@few
@given(study=studies(), cpu_m=st.integers(2_000, 6_000))
def test_i16_no_plan_beats_the_transport_bound(study: Study, cpu_m: int) -> None:
    """I-16: with all in time, neither solver emits less than the linear program under the cap."""
    jobs = replace(study[0], interruptible=np.ones(len(study[0]), np.bool_))
    flow = Transport(jobs, study[1], cpu_m).solve(study[1])
    if flow.late.sum() > 1e-6:
        return
    for solver in ("greedy", "exact"):
        schedule = Plan(solver=solver, cpu_m=cpu_m).plan(jobs, study[1])
        if np.all(waits(schedule, jobs) <= jobs.latest - jobs.arrival):
            assert flow.least * 1e-6 <= emitted(schedule, study) * (1 + 1e-9)


@few
@given(study=studies(), cpu_m=st.integers(2_000, 4_000))
def test_i16_exact_is_never_worse_than_greedy(study: Study, cpu_m: int) -> None:
    """I-16: the exact plan has no more jobs late than the greedy one, nor as many and more g."""
    jobs, series = study

    def badness(solver: Any) -> tuple[int, float]:
        schedule = Plan(solver=solver, cpu_m=cpu_m).plan(jobs, series)
        held = series.held_until(int(schedule.stop.max()))
        late = int((waits(schedule, jobs) > jobs.latest - jobs.arrival).sum())
        return late, carbon_g(schedule, jobs, held, 1.0)

    (late, found_g), (greedy_late, greedy_g) = badness("exact"), badness("greedy")
    assert (late, found_g) <= (greedy_late, greedy_g * (1 + 1e-9))


@settings(max_examples=examples(40))
@given(study=studies(), cpu_m=st.integers(2_000, 4_000))
def test_i16_bounds_are_in_order(study: Study, cpu_m: int) -> None:
    """I-16: divisible LP <= contiguous MILP <= greedy plan, where all of them are in time."""
    jobs = replace(study[0], interruptible=np.zeros(len(study[0]), np.bool_))
    starts = least_contiguous(jobs, study[1], cpu_m)
    flow = Transport(jobs, study[1], cpu_m).solve(study[1])
    plan = greedy(jobs, study[1], cpu_m)
    if starts is None:
        assert not np.all(plan.start <= jobs.latest)
        return
    exact = emitted(contiguous(jobs, starts), study)
    assert flow.least * 1e-6 <= exact * (1 + 1e-9)
    if np.all(plan.start <= jobs.latest):
        assert exact <= emitted(plan, study) * (1 + 1e-9)


@few
@given(study=studies(), cpu_m=st.integers(0, 6_000))
def test_reserved_cores_are_never_overbooked(study: Study, cpu_m: int) -> None:
    """Reserved cores hold what runs on them, and only what runs there starts before its plan."""
    jobs = allowed("lowest-window", study)
    schedule = planned("lowest-window", study)
    ran = beside_reserved(schedule, jobs, cpu_m)
    held = Schedule(
        job=np.flatnonzero(ran.reserved),
        start=ran.schedule.start[ran.reserved],
        stop=ran.schedule.stop[ran.reserved] + 1,
    )
    assert running(held, jobs.cpu_m)[1].max(initial=0) <= cpu_m
    assert np.all(ran.schedule.start <= schedule.start)
    assert np.all(ran.schedule.start >= jobs.arrival)
    assert np.all(ran.reserved[ran.schedule.start < schedule.start])


@settings(max_examples=examples(100))
@given(study=studies(), quantile=st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]))
def test_quantile_is_numpys(study: Study, quantile: float) -> None:
    """The quantile of a window of slots is that of its ticks, to the bit."""
    jobs, series = study
    stop = jobs.latest + jobs.length
    found = tick_quantile(series, jobs.arrival, stop, quantile)
    values = per_tick(series)
    expected = [
        np.quantile(values[a:b], quantile) for a, b in zip(jobs.arrival, stop, strict=True)
    ]
    np.testing.assert_array_equal(expected, found)


@few
@given(study=studies())
def test_sliding_minimum_and_cheapest_ticks_agree_on_one_tick(study: Study) -> None:
    """For jobs of one tick the best contiguous start is the cheapest tick."""
    jobs, series = study
    one = np.ones_like(jobs.length)
    start = best_starts(series, jobs.arrival, jobs.latest, one)
    np.testing.assert_array_equal(
        start, cheapest_ticks(series, jobs.arrival, jobs.latest + 1, one).start
    )
