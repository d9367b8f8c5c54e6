"""The engine against a second, slow model: same times to the millisecond, same energy."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings

from greensched.engine.simulate import simulate
from greensched.model import Setting  # noqa: TC001  (hypothesis reads annotations)
from tests.effort import examples
from tests.engine.crowded_worlds import crowded, together
from tests.engine.random_worlds import batch_worlds, full_worlds
from tests.engine.shifted_worlds import shifted_worlds
from tests.twin_world import World

REL, ABS = 1e-9, 1e-9
ROOT = Path(__file__).resolve().parents[2]


def agree(setting: Setting) -> None:
    """Assert that the engine and the twin tell the same of one setting."""
    twin, run = World(setting).run(), simulate(setting)
    assert twin.end_ms == run.end_ms
    for name in ("start_ms", "end_ms", "wasted_ms", "evictions", "held_ms", "pauses"):
        assert [getattr(j, name) for j in twin.jobs] == getattr(run.jobs, name).tolist(), name
    assert twin.machine_ms == {
        (g.machine_type, g.role): int(ms)
        for g, ms in zip(run.usage.groups, run.usage.machine_ms.sum(axis=0), strict=True)
    }
    energy_j = {
        (g.machine_type, g.role): float(joules)
        for g, joules in zip(run.usage.groups, run.usage.energy_j.sum(axis=0), strict=True)
    }
    assert twin.energy_j == pytest.approx(energy_j, rel=REL, abs=ABS)
    assert [j.energy_j for j in twin.jobs] == pytest.approx(
        run.jobs.energy_j.tolist(), rel=REL, abs=ABS
    )
    for name, measured in (
        ("energy_j", run.services.energy_j),
        ("online_ms", run.services.online_ms.sum(axis=0)),
        ("cutoff_ms", run.services.cutoff_ms),
        ("standby_ms", run.services.standby_ms),
        ("short_ms", run.services.short_ms.sum(axis=0)),
        ("pressed_ms", run.services.pressed_ms.sum(axis=0)),
        ("smt_ms", run.services.smt_ms.sum(axis=0)),
        ("work", run.services.work_core_s),
        ("shortage", run.services.shortage_core_s),
    ):
        expected = [getattr(s, name) for s in twin.services]
        assert expected == pytest.approx(measured.tolist(), rel=REL, abs=ABS), name
    counts = twin.counts | {"evictions": twin.total_evictions}
    assert counts == {name: run.counts[name] for name in counts}
    assert twin.on_peak == run.machines_on_peak
    lost = twin.lost | {"machines_peak": twin.out_peak}
    assert lost == {name: getattr(run.outages, name) for name in lost}
    assert twin.lost_work == pytest.approx(1e6 * run.outages.lost_core_s)


@settings(max_examples=examples(100))
@given(batch_worlds(rich=False))
def test_twin_agrees_on_first_come_first_served(setting: Setting) -> None:
    """Engine and twin agree on queues of one-task jobs, first come first served, first fit."""
    agree(setting)


@settings(max_examples=examples(200))
@given(batch_worlds())
def test_twin_agrees_on_batch(setting: Setting) -> None:
    """Engine and twin agree on all disciplines, weighers, gangs, GPUs and use steps."""
    agree(setting)


@settings(max_examples=examples(200))
@given(full_worlds())
def test_twin_agrees_on_services_beside_batch(setting: Setting) -> None:
    """Engine and twin agree where policies scale, switch, lend, recall and limit."""
    agree(setting)


@pytest.mark.slow
@settings(max_examples=examples(200))
@given(shifted_worlds())
def test_twin_agrees_where_jobs_are_held_and_paused(setting: Setting) -> None:
    """Engine and twin agree where a policy holds jobs, pauses them and lets them go."""
    agree(setting)


@pytest.mark.parametrize("hundred", range(4))
def test_twin_agrees_where_much_happens_at_once(hundred: int) -> None:
    """Engine and twin agree on worlds crowded with gangs, devices, priorities and actions."""
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        try:
            agree(crowded(seed))
        except AssertionError as error:
            error.add_note(f"the world is crowded({seed})")
            raise


@pytest.mark.parametrize("hundred", range(3))
def test_twin_agrees_where_many_end_at_one_instant(hundred: int) -> None:
    """Engine and twin agree where several machines are freed before jobs behind a head try."""
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        world = together(seed)
        try:
            agree(world)
        except AssertionError as error:
            error.add_note(f"the world is together({seed})")
            raise


def test_twin_is_no_copy() -> None:
    """The twin imports nothing of the engine."""
    import tests.twin
    import tests.twin_batch
    import tests.twin_build
    import tests.twin_interference
    import tests.twin_outages
    import tests.twin_replicas
    import tests.twin_services
    import tests.twin_shares
    import tests.twin_shifting
    import tests.twin_standby
    import tests.twin_world

    for module in (
        tests.twin,
        tests.twin_batch,
        tests.twin_build,
        tests.twin_interference,
        tests.twin_shares,
        tests.twin_outages,
        tests.twin_replicas,
        tests.twin_services,
        tests.twin_shifting,
        tests.twin_standby,
        tests.twin_world,
    ):
        assert not [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "").startswith("greensched.engine")
        ]


def whole_seconds(setting: Setting) -> Setting:
    """Return the setting with all times that move an event rounded up to whole seconds."""
    table = setting.jobs
    assert table is not None
    up = {
        name: -(-getattr(table, name) // 1000) * 1000
        for name in ("submit_ms", "duration_ms", "estimate_ms")
    }
    fleet = tuple(replace(kind, boot_ms=2_000, wake_ms=1_000) for kind in setting.fleet)
    return replace(
        setting,
        jobs=replace(
            table,
            **up,
            use_until_ms=table.use_until_ms[:0],
            use_offsets=table.use_offsets[:0],
            use_cpu_m=table.use_cpu_m[:0],
        ),
        fleet=fleet,
    )


@settings(max_examples=examples(60))
@given(batch_worlds())
def test_energy_is_the_integral_by_seconds(drawn: Setting) -> None:
    """I-05: energy equals a brute-force sum over seconds where breakpoints are whole seconds."""
    # Power in a second follows from the outcomes: who ran on which machine. Jobs of one task that
    # were never evicted say so; use is the request.
    setting = whole_seconds(drawn)
    table = setting.jobs
    assert table is not None
    table = replace(table, tasks=np.ones_like(table.tasks), gpu_m=np.zeros_like(table.gpu_m))
    setting = replace(setting, jobs=table, discipline="easy-backfill")
    run = simulate(setting)
    kinds = [kind for kind in setting.fleet for _ in range(kind.count)]
    expected_j = 0.0
    for second in range(setting.window_ms // 1000):
        at_ms = second * 1000 + 500
        runs = (run.jobs.start_ms <= at_ms) & (run.jobs.start_ms >= 0)
        runs &= (run.jobs.end_ms > at_ms) | (run.jobs.end_ms < 0)
        for number, kind in enumerate(kinds):
            here = runs & (run.jobs.machine == number)
            use = int(table.cpu_m[here].sum()) / kind.cpu_m
            expected_j += kind.power.watts(use) + kind.gpus * kind.gpu_idle_w
    done = run.jobs.end_ms >= 0
    assume(bool(done[run.jobs.start_ms >= 0].all()))  # a running job's machine is not told
    assert expected_j == pytest.approx(run.usage.energy_j.sum(), rel=1e-9)


PLAIN = """
import hashlib, json, pickle, sys
from greensched import compiling
from greensched.engine import simulate as engine
assert compiling.COMPILED == (sys.argv[2] == "compiled"), compiling.COMPILED
if not compiling.COMPILED:
    from tests.engine.upwards import upwards
    engine.book = upwards
digest = hashlib.sha256()
with open(sys.argv[1], "rb") as file:
    settings = pickle.load(file)
for setting in settings:
    run = engine.simulate(setting)
    digest.update(repr([(g.machine_type, g.role) for g in run.usage.groups]).encode())
    for part in (run.usage, run.jobs, run.services):
        for name in part.__dataclass_fields__:
            value = getattr(part, name)
            digest.update(value.tobytes() if hasattr(value, "tobytes") else b"")
    digest.update(json.dumps(run.counts, sort_keys=True).encode())
print(digest.hexdigest())
"""


def told(path: Path, mode: str, hash_seed: str = "0") -> str:
    """Return the hash of all outcomes of the settings in `path`, from a process of its own."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    environment["NUMBA_DISABLE_JIT"] = "0" if mode == "compiled" else "1"
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(path), mode],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of random worlds."""
    found: list[Setting] = []

    @settings(max_examples=examples(40), phases=[Phase.generate], database=None)
    @given(full_worlds())
    def collect(setting: Setting) -> None:
        found.append(setting)

    collect()
    path = tmp_path_factory.mktemp("worlds") / "settings.pickle"
    path.write_bytes(pickle.dumps(found))
    return path


def test_kernels_without_the_compiler_tell_the_same_bytes(settings_file: Path) -> None:
    """With the compiler off the same sources give the same bytes, by no index below zero."""
    assert told(settings_file, "compiled") == told(settings_file, "plain")


def test_hash_seed_changes_nothing(settings_file: Path) -> None:
    """I-26: processes with other hash seeds give the same bytes of every outcome."""
    assert told(settings_file, "compiled") == told(settings_file, "compiled", "4711")
