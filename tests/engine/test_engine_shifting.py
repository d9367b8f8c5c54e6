"""Jobs that policies hold, pause and let go, worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from greensched import registry
from greensched.engine.shifting import latest_starts
from greensched.engine.simulate import simulate
from greensched.model import (
    NONE,
    Hold,
    JobClass,
    Release,
    Resume,
    Setting,
    Snapshot,
    Suspend,
    WaitingView,
)
from greensched.policies.shifting.switch import CarbonShifting
from greensched.ticks import TickIntensity
from tests.engine.check import Checked
from tests.engine.worlds import jobs, machines, numbers, setting

H_MS, MIN_MS = 3_600_000, 60_000
WAITS = JobClass(name="waits", deferrable=True, max_delay_ms=5 * H_MS)
PAUSES = replace(WAITS, interruptible=True, checkpoint_cost_ms=MIN_MS)
SPENT = (Hold(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A policy that holds all, does at its wakes what it was told, and keeps what it saw."""

    script: dict[int, tuple[Any, ...]]
    seen: list[WaitingView]
    period_ms: int = H_MS
    max_delay_ms: int = 24 * H_MS
    kind: str = "told"
    shifts: bool = True

    def first_memory(self) -> None:
        """Return the memory before the first wake: none."""

    def decide(self, snapshot: Snapshot, memory: None) -> tuple[tuple[Any, ...], None]:
        """Return what it was told for now, and that jobs to come are held."""
        assert snapshot.waiting is not None
        self.seen.append(snapshot.waiting)
        return (*SPENT, *self.script.get(snapshot.now_ms, ())), memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Intensity that is known: a value an hour, from the start of the run on."""

    values: tuple[float, ...]
    tick_ms: int = 5 * MIN_MS

    def issued(self, now_ms: int, *, truth: bool) -> TickIntensity:  # noqa: ARG002
        """Return what is left of the values, in ticks from now on."""
        left = np.array(self.values[now_ms // H_MS :] or self.values[-1:])
        lead = now_ms % H_MS // self.tick_ms
        return TickIntensity(
            values_g_per_kwh=left,
            width=12,
            lead=lead,
            length=12 * len(left) - lead,
            tick_ms=self.tick_ms,
        )


def release(job: int, at_ms: int) -> Release:
    """Return the start of one job."""
    return Release(jobs=numbers(job), at_ms=numbers(at_ms), site=numbers(NONE))


def told(script: dict[int, tuple[Any, ...]], *rows: dict[str, Any], **having: Any) -> Setting:
    """Return half a day of one machine on which a policy does what it was told."""
    values: dict[str, Any] = {
        "window_ms": 12 * H_MS,
        "jobs": jobs(*rows, classes=(WAITS, PAUSES, JobClass(name="never"))),
        "policies": (Told(script=script, seen=[]),),
    }
    return setting(machines(), **(values | having))


def test_a_held_job_starts_when_it_is_released() -> None:
    """A job held at arrival starts at the instant of its release, between two wakes."""
    row = {"submit_ms": 10 * MIN_MS, "duration_ms": H_MS}
    at_ms = 2 * H_MS + 20 * MIN_MS
    run = simulate(told({2 * H_MS: (release(0, at_ms),)}, row))
    assert [at_ms] == run.jobs.start_ms.tolist()
    assert [at_ms + H_MS] == run.jobs.end_ms.tolist()


def test_a_running_job_is_seen_as_far_as_it_is_now() -> None:
    """Of a job of 3 h that was let go at 1 h, two hours are seen to be left at 2 h, one at 3 h."""
    policy = Told(script={H_MS: (release(0, H_MS),)}, seen=[])
    row = {"submit_ms": 0, "duration_ms": 3 * H_MS, "job_class": 1}
    simulate(told({}, row, policies=(policy,)))
    assert [[2 * H_MS], [H_MS]] == [seen.left_ms.tolist() for seen in policy.seen[2:4]]


def test_latest_start_holds_though_nobody_releases() -> None:
    """A job that no policy lets go starts on the last tick that its class and deadline allow."""
    rows = (
        {"submit_ms": 7 * MIN_MS, "duration_ms": H_MS},
        {"submit_ms": 7 * MIN_MS, "duration_ms": H_MS, "deadline_ms": 4 * H_MS},
        {"submit_ms": 7 * MIN_MS, "duration_ms": H_MS, "job_class": 2},
    )
    run = simulate(told({}, *rows, window_ms=24 * H_MS))
    margin_ms = 6 * MIN_MS  # 10 % of an hour
    latest_ms = [5 * H_MS + 7 * MIN_MS, 3 * H_MS - margin_ms, 7 * MIN_MS]
    assert [t // MIN_MS * MIN_MS for t in latest_ms] == run.jobs.start_ms.tolist()


def test_jobs_that_cannot_wait_until_the_next_wake_are_not_held() -> None:
    """A job whose latest start lies before the next wake starts at arrival."""
    short = replace(WAITS, max_delay_ms=20 * MIN_MS)
    row = {"submit_ms": 10 * MIN_MS, "duration_ms": H_MS}
    run = simulate(told({}, row, jobs=jobs(row, classes=(short,))))
    assert [10 * MIN_MS] == run.jobs.start_ms.tolist()


def test_a_deadline_without_an_estimate_leaves_no_time_to_wait() -> None:
    """Where nobody can say how long a job runs before its deadline, it is not held."""
    row = {"submit_ms": 0, "duration_ms": H_MS, "deadline_ms": 9 * H_MS}
    run = simulate(told({}, row, jobs=jobs(row, classes=(WAITS,), estimated=False)))
    assert [0] == run.jobs.start_ms.tolist()


def paused(*resumes: Any, job_class: int = 1) -> Any:
    """Return the jobs of a run in which a job of 3 h is started at 1 h and paused at 2 h 30."""
    stop = Suspend(jobs=numbers(0), at_ms=numbers(2 * H_MS + 30 * MIN_MS))
    script = {H_MS: (release(0, H_MS),), 2 * H_MS: (stop,), 4 * H_MS: resumes}
    row = {"submit_ms": 0, "duration_ms": 3 * H_MS, "job_class": job_class}
    return simulate(told(script, row)).jobs


def test_a_suspended_job_keeps_its_work_but_for_the_checkpoint() -> None:
    """A job paused after 90 of 180 min goes on at 4 h with 89 of them done, and says so."""
    run = paused(Resume(jobs=numbers(0), at_ms=numbers(4 * H_MS + 10 * MIN_MS)))
    assert [H_MS] == run.start_ms.tolist()
    assert [4 * H_MS + (10 + 180 - 89) * MIN_MS] == run.end_ms.tolist()
    assert [MIN_MS] == run.wasted_ms.tolist()
    assert [0] == run.evictions.tolist()


def test_what_a_policy_chose_is_told_apart_from_the_queue() -> None:
    """A job held from 10 min to 2 h that then queues for an hour was held for 110 min of 170."""
    rows = (
        {"submit_ms": 0, "duration_ms": 3 * H_MS, "cpu_m": 4_000, "job_class": 2},
        {"submit_ms": 10 * MIN_MS, "duration_ms": H_MS},
    )
    jobs_ran = simulate(told({2 * H_MS: (release(1, 2 * H_MS),)}, *rows)).jobs
    assert [0, 110 * MIN_MS] == jobs_ran.held_ms.tolist()
    assert [0, 3 * H_MS] == jobs_ran.start_ms.tolist()
    assert [0, 0] == jobs_ran.pauses.tolist()
    assert [1] == paused(Resume(jobs=numbers(0), at_ms=numbers(4 * H_MS))).pauses.tolist()


def test_what_is_held_when_a_run_is_cut_is_left_to_do() -> None:
    """At the cut a held job has all its work left, a paused one what its checkpoint lacks."""
    stop = Suspend(jobs=numbers(0), at_ms=numbers(2 * H_MS))
    rows = (
        {"submit_ms": 0, "duration_ms": 3 * H_MS, "job_class": 1},
        {"submit_ms": 2 * H_MS + MIN_MS, "duration_ms": H_MS},
    )
    script = {H_MS: (release(0, H_MS),), 2 * H_MS: (stop,)}
    given = told(script, *rows, window_ms=2 * H_MS + 30 * MIN_MS, end="cut")
    run = Checked(given).finish().result()
    assert [(180 - 59) * MIN_MS, H_MS] == run.jobs.left_ms.tolist()
    assert [H_MS, 29 * MIN_MS] == run.jobs.held_ms.tolist()
    assert {"completed": 0, "waiting": 0, "running": 0} == {
        name: run.counts[name] for name in ("completed", "waiting", "running")
    }


def test_durations_are_learnt_from_jobs_that_have_ended() -> None:
    """A job without an estimate is thought to run an hour, then as long as its like has run."""
    rows = (
        {"submit_ms": 0, "duration_ms": 20 * MIN_MS},
        {"submit_ms": 10 * MIN_MS, "duration_ms": 90 * MIN_MS},
    )
    given = told({H_MS: (release(0, H_MS),)}, jobs=jobs(*rows, classes=(WAITS,), estimated=False))
    policy: Any = given.policies[0]
    simulate(given)
    assert [[], [H_MS, H_MS], [20 * MIN_MS]] == [v.left_ms.tolist() for v in policy.seen[:3]]


def test_policies_see_what_a_pause_costs() -> None:
    """The view tells each job's checkpoint cost, that of its class."""
    rows = ({"submit_ms": 0, "job_class": 0}, {"submit_ms": 0, "job_class": 1})
    given = told({}, *rows)
    policy: Any = given.policies[0]
    simulate(given)
    assert [0, MIN_MS] == policy.seen[1].checkpoint_ms.tolist()


def test_a_paused_job_goes_on_in_time_though_nobody_resumes_it() -> None:
    """What is paused goes on when the rest of its work would have to begin, cut to a tick."""
    latest_ms = 5 * H_MS + 89 * MIN_MS
    goes_on_ms = latest_ms - latest_ms % (5 * MIN_MS)
    run = simulate(
        told(
            {
                H_MS: (release(0, H_MS),),
                2 * H_MS: (Suspend(jobs=numbers(0), at_ms=numbers(2 * H_MS + 30 * MIN_MS)),),
            },
            {"submit_ms": 0, "duration_ms": 3 * H_MS, "job_class": 1},
            carbon=Known(values=(1.0,)),
        )
    ).jobs
    assert [goes_on_ms + 91 * MIN_MS] == run.end_ms.tolist()


def test_only_interruptible_jobs_are_paused() -> None:
    """A job whose class is not interruptible runs on, whatever a policy says."""
    assert [4 * H_MS] == paused(job_class=0).end_ms.tolist()


def test_flat_intensity_changes_nothing_at_all() -> None:
    """Under flat intensity a run with the switch is the run without, bit for bit (HK)."""
    rows = [{"submit_ms": k * 7 * MIN_MS, "duration_ms": H_MS} for k in range(20)]
    flat = told({}, *rows, policies=(CarbonShifting(),), carbon=Known(values=(400.0,) * 48))
    with_it, without = simulate(flat), simulate(replace(flat, policies=(), carbon=None))
    for name in ("start_ms", "end_ms", "energy_j", "machine"):
        before, after = getattr(without.jobs, name), getattr(with_it.jobs, name)
        assert before.tobytes() == after.tobytes()
    assert without.usage.energy_j.sum() == pytest.approx(with_it.usage.energy_j.sum(), rel=1e-12)


def test_jobs_move_to_the_cleanest_hour() -> None:
    """`plan` and `lowest-window` start a job of an hour in the one clean hour ahead."""
    row = {"submit_ms": 10 * MIN_MS, "duration_ms": H_MS}
    carbon = Known(values=(400.0, 300.0, 300.0, 50.0, *(300.0,) * 44))
    for policy in ("plan", "lowest-window"):
        switch = CarbonShifting(policy=policy)
        run = simulate(told({}, row, policies=(switch,), carbon=carbon))
        assert [3 * H_MS] == run.jobs.start_ms.tolist()


@pytest.mark.parametrize("name", registry.names("shifting policy"))
def test_every_policy_keeps_latest_starts_and_saves_nothing_when_flat(name: str) -> None:
    """Whatever policy plans, no job joins the queue late, and flat intensity moves none (HK)."""
    switch: Any = CarbonShifting
    rng = np.random.default_rng(3)
    rows = [
        {
            "submit_ms": int(t),
            "duration_ms": int(rng.integers(1, 200)) * MIN_MS,
            "cpu_m": 100,
            "job_class": int(rng.integers(0, 3)),
        }
        for t in np.sort(rng.integers(0, 10 * H_MS, 30))
    ]
    varied = Known(values=tuple(rng.uniform(50.0, 500.0, 72).tolist()))
    moved = told({}, *rows, policies=(switch(policy=name),), carbon=varied)
    latest, run = latest_starts(moved), simulate(moved)
    may = latest >= 0
    assert len(rows) == run.counts["completed"]
    assert (run.jobs.start_ms[may] <= latest[may]).all()
    flat = simulate(replace(moved, carbon=Known(values=(70.0,) * 72)))
    alone = simulate(replace(moved, policies=(), carbon=None))
    assert alone.jobs.end_ms.tolist() == flat.jobs.end_ms.tolist()
    assert (name == "no-wait") == (alone.jobs.end_ms.tolist() == run.jobs.end_ms.tolist())
