"""Laws of outages: nothing is lost but what is counted, nothing runs on what is out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.engine.simulate import simulate
from greensched.model import OUT, Setting, merged
from tests.effort import examples
from tests.engine.check import Checked
from tests.engine.outage_worlds import outages_of, with_outages
from tests.engine.random_worlds import full_worlds
from tests.properties.test_laws_engine import SWITCHES, parts, tide

if TYPE_CHECKING:
    from greensched.engine.result import RunResult

SEEDS = st.integers(0, 2**32 - 1)
switches = pytest.mark.parametrize("names", SWITCHES, ids="+".join)


def struck(seed: int, names: tuple[str, ...]) -> Setting:
    """Return ten hours of services and batch under policies, machines failing now and then."""
    told = replace(tide(seed, names), end="drain")
    return with_outages(told, seed)


@switches
@settings(max_examples=examples(10))
@given(seed=SEEDS)
def test_i01_work_is_conserved_under_outages(names: tuple[str, ...], seed: int) -> None:
    """All jobs end, however often machines fail, and each took its work and what it repeated."""
    told = struck(seed, names)
    run, jobs = simulate(told), told.jobs
    assert jobs is not None
    assert len(jobs) == run.counts["completed"]
    assert 0 == run.jobs.left_ms.sum()
    span_ms = (run.jobs.end_ms - run.jobs.start_ms) * jobs.tasks
    assert (span_ms >= jobs.duration_ms + run.jobs.wasted_ms / jobs.tasks).all()
    wasted = float((run.jobs.wasted_ms * jobs.cpu_m).sum()) / 1e6
    assert 0 <= run.outages.lost_core_s <= wasted * (1 + 1e-12)
    assert run.outages.jobs_lost <= run.jobs.evictions.sum()


class Looked(Checked):
    """A run that looks at what is out whenever the control plane looks at it."""

    found = 0

    def _advance(self, until_ms: int, *, closing: bool = False) -> None:
        """Advance, then look."""
        super()._advance(until_ms, closing=closing)
        world: Any = self.world
        out = world.mach[world.mach["state"] == OUT]
        for name in ("n_jobs", "n_reps", "n_standby", "batch_use_m", "online_use_m"):
            assert (out[name] == 0).all()
        assert out["watts"].tolist() == out["off_w"].tolist()
        self.found += len(out)

    def _replicas_within_limits(self, _setting: Setting) -> None:
        """Leave out: with machines out a service may lack its least replicas."""


@settings(max_examples=examples(60))
@given(full_worlds(), SEEDS)
def test_i02_nothing_runs_on_a_machine_that_is_out(told: Setting, seed: int) -> None:
    """A machine that is out holds nothing, uses nothing and draws what it draws when off."""
    Looked(with_outages(told, seed)).finish()


@switches
def test_policies_meet_machines_that_are_out(names: tuple[str, ...]) -> None:
    """The registered policies run with machines out, which some look finds."""
    looked = Looked(struck(3, names))
    looked.finish()
    assert looked.found > 0


@settings(max_examples=examples(15))
@given(seed=SEEDS)
def test_i27_paired_runs_see_the_same_outages(seed: int) -> None:
    """Whatever the policies, as many machines fail, are out as long, and at once."""
    drawn = outages_of(11, tide(seed, ()).window_ms, seed)
    failures = replace(drawn, leave_ms=drawn.from_ms)  # what rests is out once it is announced
    runs = [
        simulate(replace(tide(seed, names), outages=failures, end="cut"))
        for names in ((), SWITCHES[3])
    ]
    seen = [(r.outages.outages, r.outages.machines_peak, _out_ms(r)) for r in runs]
    assert seen[0] == seen[1]
    assert seen[0][2] > 0


def _out_ms(run: RunResult) -> int:
    """Return the machine-milliseconds out of service."""
    own = [g.role == "out" for g in run.usage.groups]
    return int(run.usage.machine_ms[:, own].sum())


@settings(max_examples=examples(10))
@given(seed=SEEDS)
def test_i26_runs_with_outages_repeat_to_the_byte(seed: int) -> None:
    """The same setting gives the same bytes, outages included."""
    told = struck(seed, SWITCHES[4])
    assert parts(simulate(told)) == parts(simulate(told))


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_the_future_is_not_seen(seed: int) -> None:
    """What is to fail later changes nothing before: policies see outages only as they happen."""
    told = replace(tide(seed, SWITCHES[4]), end="cut")
    half_ms = told.window_ms // 2
    late = outages_of(11, half_ms, seed)
    later = replace(
        told,
        outages=merged(
            late.machine, late.leave_ms + half_ms, late.from_ms + half_ms, late.until_ms + half_ms
        ),
    )
    k = int(np.searchsorted(told.edges_ms, half_ms))
    before, after = simulate(told), simulate(later)
    assert _until(before, k) == _until(after, k)
    assert 0 < after.outages.outages


def _until(run: RunResult, k: int) -> dict[str, bytes]:
    """Return the energy of the first k intervals, by group."""
    return {
        f"{g.machine_type} {g.role}": run.usage.energy_j[:k, i].tobytes()
        for i, g in enumerate(run.usage.groups)
        if run.usage.energy_j[:k, i].any()
    }


@settings(max_examples=examples(100))
@given(seed=SEEDS)
def test_merged_outages_cover_what_was_given(seed: int) -> None:
    """An instant is in a merged outage exactly when it is in one of those given; none touch."""
    rng = np.random.default_rng(seed)
    machine = rng.integers(0, 3, 12)
    leave = rng.integers(0, 60, 12)
    begin = leave + rng.integers(0, 8, 12)
    until = begin + rng.integers(1, 12, 12)
    found = merged(machine, leave, begin, until)
    for m in range(3):
        own, all_own = found.machine == m, machine == m
        for t in range(90):
            given_one = bool(((leave <= t) & (t < until))[all_own].any())
            assert given_one == bool(((found.leave_ms <= t) & (t < found.until_ms))[own].any())
        assert (found.leave_ms[own][1:] > found.until_ms[own][:-1]).all()
    assert (found.leave_ms <= found.from_ms).all()
    assert (found.from_ms < found.until_ms).all()
