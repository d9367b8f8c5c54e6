"""Laws of the engine, by the ids of the formal list: conservation, capacity, invariances."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from greensched import registry
from greensched.accounting.usage import usage_edges
from greensched.engine.simulate import simulate
from greensched.model import NO_INTERFERENCE, JobClass, Jobs, Setting
from greensched.power import Linear
from tests.effort import examples
from tests.engine.check import Checked
from tests.engine.random_worlds import batch_worlds, full_worlds
from tests.engine.worlds import jobs, machines, services, setting

if TYPE_CHECKING:
    from greensched.engine.result import RunResult

H_MS = 3_600_000
W_PER_CORE = 25.0
SWITCHES = (
    ("autoscaled",),
    ("elastic",),
    ("elastic", "tidal"),
    ("elastic", "colocation"),
    ("elastic", "tidal", "colocation"),
)


def night(rng: np.random.Generator) -> Jobs:
    """Return eighty jobs of three classes in nine hours."""
    submit = np.sort(rng.integers(0, 9 * H_MS, 80))
    return jobs(
        *[
            {
                "submit_ms": int(at),
                "duration_ms": int(rng.integers(60_000, 2 * H_MS)),
                "cpu_m": int(rng.choice([500, 1_000, 4_000])),
                "tasks": int(rng.choice([1, 1, 3])),
                "memory_mib": int(rng.choice([0, 1_024])),
                "job_class": int(rng.integers(0, 3)),
            }
            for at in submit
        ],
        classes=(
            JobClass(name="low", checkpoint_interval_ms=600_000),
            JobClass(name="none"),
            JobClass(name="fixed", evictable=False),
        ),
        estimated=bool(rng.integers(2)),
    )


def tide(seed: int, names: tuple[str, ...]) -> Setting:
    """Return ten hours of services with a tide beside batch under registered policies."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    steps = np.arange(60)
    rows = [
        {
            "replica_cpu_m": int(rng.choice([1_000, 2_000, 4_000])),
            "replica_memory_mib": int(rng.choice([512, 2_048])),
            "replicas": int(rng.integers(2, 9)),
            "replicas_min": 1,
            "replicas_max": 24,
            "startup_ms": int(rng.choice([0, 45_000])),
            "load_cpu_m": (
                4_000 + 3_500 * np.sin(steps / 9.5 + rng.random()) + rng.integers(0, 500, 60)
            )
            .astype(int)
            .tolist(),
        }
        for _ in range(n)
    ]
    window_ms = 10 * H_MS
    return setting(
        machines(
            name="serve",
            role=str(rng.choice(["online", "any"])),
            count=8,
            cpu_m=16_000,
            memory_mib=32_768,
        ),
        machines(name="work", role="batch", count=3, cpu_m=8_000, memory_mib=16_384),
        window_ms=window_ms,
        edges_ms=usage_edges(window_ms, []),
        jobs=night(rng),
        end="cut",
        services=services(*rows, step_ms=600_000),
        policies=tuple(registry.load("policy", name)() for name in names),
        discipline=str(rng.choice(["easy-backfill", "fifo", "priority", "shortest-first"])),
    )


def parts(run: RunResult) -> list[bytes]:
    """Return all that a run tells, as bytes."""
    return [
        np.asarray(getattr(part, field.name)).tobytes()
        for part in (run.usage, run.jobs, run.services)
        for field in fields(part)
        if field.name not in {"groups", "names"}
    ]


def demand(told: Setting) -> str:
    """Return the hash of all demand."""
    digest = hashlib.sha256()
    for table in (told.services, told.jobs):
        for field in fields(table) if table is not None else ():
            digest.update(np.asarray(getattr(table, field.name)).astype(str).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("names", SWITCHES, ids="+".join)
@settings(max_examples=2)
@given(st.integers(0, 2**32 - 1))
def test_i03_i23_i24_worlds_hold_under_policies(names: tuple[str, ...], seed: int) -> None:
    """I-02, I-03, I-23, I-24: sums, capacity, index and limits hold at every wake of a policy."""
    run = Checked(tide(seed, names))
    run.tidal = "tidal" in names
    result = run.finish().result()
    assert run.checks > 600
    per_interval = result.usage.machine_ms.sum(axis=1)
    assert (np.diff(result.usage.edges_ms) * 11).tolist() == per_interval.tolist()


@settings(max_examples=2)
@given(st.integers(0, 2**32 - 1))
def test_i03_worlds_hold_with_replicas_without_traffic(seed: int) -> None:
    """I-03, I-24: they hold where replicas are cut off and stand by before they are deleted."""
    told = tide(seed, ("elastic", "tidal"))
    keeps = {"cutoff_ms": 600_000, "standby_ms": 1_800_000}
    elastic: Any = registry.load("policy", "elastic")(**keeps)
    run = Checked(replace(told, policies=(elastic, *told.policies[1:])))
    run.tidal = True
    services = run.finish().result().services
    assert services.cutoff_ms.sum() > 0
    assert services.standby_ms.sum() > 0


@settings(max_examples=examples(40))
@given(full_worlds())
def test_i03_worlds_hold_under_any_action(drawn: Setting) -> None:
    """I-02, I-03: sums, capacity and index hold whatever is done to machines and replicas."""
    run = Checked(
        replace(
            drawn,
            services=drawn.services
            and replace(drawn.services, replicas_min=np.zeros(len(drawn.services), np.int64)),
        )
    )
    run.finish()
    assert run.checks > 80


@settings(max_examples=examples(60))
@given(full_worlds())
def test_i01_work_is_conserved(drawn: Setting) -> None:
    """I-01: energy at one constant a core-second is that of the work done, lost and served."""
    # Machines take nothing but 25 W a core in use, so energy measures executed work: what jobs
    # asked for, what they lost to evictions, and load less shortage. A task's last millisecond
    # may be used in part, and one of progress is cut at an eviction.
    table = drawn.jobs
    assert table is not None
    assert drawn.services is not None
    fleet = tuple(
        replace(
            kind,
            power=Linear(idle_w=0.0, peak_w=W_PER_CORE * kind.cpu_m / 1000),
            boot_w=0.0,
            sleep_w=0.0,
            off_w=0.0,
            gpu_idle_w=0.0,
            gpu_peak_w=0.0,
            smt_factor=1.0,  # a job that is slowed holds its CPU for longer
        )
        for kind in drawn.fleet
    )
    table = replace(
        table,
        use_offsets=table.use_offsets[:0],
        use_until_ms=table.use_until_ms[:0],
        use_cpu_m=table.use_cpu_m[:0],
    )
    run = simulate(
        replace(
            drawn,
            fleet=fleet,
            jobs=table,
            window_ms=80_000,
            edges_ms=np.array([0, 80_000]),
            interference=NO_INTERFERENCE,  # for the same reason
        )
    )
    assume(run.counts["running"] == 0)  # what a running job has done is not told
    done_ms = np.where(run.jobs.end_ms >= 0, table.duration_ms * table.tasks, 0)
    kept = (run.jobs.end_ms < 0) & (run.jobs.evictions > 0)
    assume(not kept.any())  # nor what the checkpoints of a waiting job have kept
    core_s = float((table.cpu_m * (done_ms + run.jobs.wasted_ms)).sum()) / 1e6
    core_s += float((run.services.work_core_s - run.services.shortage_core_s).sum())
    slack_core_s = float((table.cpu_m * table.tasks * (run.jobs.evictions + 1)).sum()) / 1e6
    got_core_s = (run.usage.energy_j.sum() - run.move_energy_j) / W_PER_CORE
    assert core_s == pytest.approx(got_core_s, rel=1e-9, abs=slack_core_s)


@settings(max_examples=examples(60))
@given(full_worlds())
def test_i02_no_work_before_its_submission(drawn: Setting) -> None:
    """I-02: jobs start at or after they were submitted, and run at least their duration."""
    run, table = simulate(drawn), drawn.jobs
    assert table is not None
    started, ended = run.jobs.start_ms >= 0, run.jobs.end_ms >= 0
    assert (run.jobs.start_ms >= table.submit_ms)[started].all()
    assert (run.jobs.end_ms - run.jobs.start_ms >= table.duration_ms)[ended].all()
    assert started[ended].all()
    assert (run.jobs.end_ms <= run.end_ms).all()


@settings(max_examples=examples(60))
@given(full_worlds())
def test_parts_of_energy_sum_to_the_machines(drawn: Setting) -> None:
    """Energy of services and jobs is at most that of the machines; the rest is unallocated."""
    run = simulate(drawn)
    total_j = float(run.usage.energy_j.sum())
    assert (run.services.energy_j >= 0.0).all()
    assert (run.jobs.energy_j >= 0.0).all()
    unallocated_j = total_j - float(run.services.energy_j.sum() + run.jobs.energy_j.sum())
    assert unallocated_j >= -1e-9 * total_j


@settings(max_examples=examples(30))
@given(st.integers(0, 4_000), st.integers(1, 4))
def test_one_tenant_of_everything_takes_all_energy(load_cpu_m: int, count: int) -> None:
    """A service that reserves all machines takes all their energy: nothing is unallocated."""
    run = simulate(
        setting(
            machines(role="online", count=count),
            services=services(
                {"replica_cpu_m": 4_000, "replicas": count, "load_cpu_m": [load_cpu_m]}
            ),
        )
    )
    assert run.usage.energy_j.sum() == pytest.approx(run.services.energy_j.sum(), rel=1e-9)


@settings(max_examples=examples(30))
@given(st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_i07_order_of_services_changes_nothing(order: list[int], seed: int) -> None:
    """I-07: services of distinct sizes in another order take the same energy each."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = [
        {
            "replica_cpu_m": size,
            "replicas": int(rng.integers(1, 5)),
            "load_cpu_m": rng.integers(0, 8_000, 6).tolist(),
        }
        for size in (700, 1_100, 1_900, 3_100)
    ]
    fleet = machines(role="online", count=10)
    first = simulate(setting(fleet, window_ms=360_000, services=services(*rows)))
    other = simulate(
        setting(fleet, window_ms=360_000, services=services(*[rows[i] for i in order]))
    )
    assert first.services.energy_j[order].tolist() == pytest.approx(
        other.services.energy_j.tolist(), rel=1e-9
    )
    assert first.usage.energy_j.sum() == pytest.approx(other.usage.energy_j.sum(), rel=1e-12)


@settings(max_examples=examples(40))
@given(full_worlds())
def test_i08_renaming_changes_nothing(drawn: Setting) -> None:
    """I-08: other names in the same order give the same bytes."""
    names = {kind.name: f"renamed-{kind.name}" for kind in drawn.fleet}
    fleet = tuple(replace(kind, name=names[kind.name]) for kind in drawn.fleet)
    table = drawn.services
    assert table is not None
    renamed = replace(table, names=tuple(f"renamed-{name}" for name in table.names))
    assert parts(simulate(drawn)) == parts(simulate(replace(drawn, fleet=fleet, services=renamed)))


@settings(max_examples=examples(40))
@given(batch_worlds(), st.integers(1, 10**6))
def test_i10_time_shift_adds_idle_time_only(drawn: Setting, shift_ms: int) -> None:
    """I-10: all jobs later by one shift end later by it, and idle machines take the rest."""
    table = drawn.jobs
    assert table is not None
    window_ms = drawn.window_ms + shift_ms
    later = replace(
        drawn,
        window_ms=window_ms,
        edges_ms=np.array([0, window_ms]),
        jobs=replace(table, submit_ms=table.submit_ms + shift_ms),
    )
    first, second = simulate(drawn), simulate(later)
    for name in ("start_ms", "end_ms"):
        before = getattr(first.jobs, name)
        moved = np.where(before >= 0, before + shift_ms, before)
        assert moved.tolist() == getattr(second.jobs, name).tolist()
    idle_w = sum(
        kind.count * (kind.power.watts(0.0) + kind.gpus * kind.gpu_idle_w) for kind in drawn.fleet
    )
    expected_j = first.usage.energy_j.sum() + idle_w * shift_ms / 1000
    assert expected_j == pytest.approx(second.usage.energy_j.sum(), rel=1e-9)


@settings(max_examples=examples(40))
@given(full_worlds())
def test_i24_lost_requests_are_counted(drawn: Setting) -> None:
    """I-24: work wanted is what the load says, and shortage never exceeds it."""
    run, table = simulate(drawn), drawn.services
    assert table is not None
    wanted = table.load_cpu_m.sum(axis=1) * table.step_ms / 1e6
    assert wanted.tolist() == pytest.approx(run.services.work_core_s.tolist(), rel=1e-12)
    assert (run.services.shortage_core_s <= run.services.work_core_s * (1 + 1e-12)).all()
    assert ((run.services.shortage_core_s > 0) == (run.services.short_ms.sum(axis=0) > 0)).all()


@pytest.mark.parametrize("names", SWITCHES[1:], ids="+".join)
def test_i26_i27_same_bytes_and_same_demand(names: tuple[str, ...]) -> None:
    """I-26, I-27: a run repeats to the byte, and leaves the demand of a paired run untouched."""
    told = tide(7, names)
    before = demand(told)
    first, again = simulate(told), simulate(tide(7, names))
    plain = simulate(replace(told, policies=()))
    assert parts(first) == parts(again)
    assert before == demand(told)
    assert first.services.work_core_s.tolist() == plain.services.work_core_s.tolist()
