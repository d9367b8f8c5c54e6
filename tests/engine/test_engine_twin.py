"""The engine against a second, slow model: same times to the millisecond, same energy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from greensched.engine.simulate import simulate
from greensched.model import Setting
from tests.engine.random_worlds import batch_worlds, full_worlds
from tests.twin_world import World

REL, ABS = 1e-9, 1e-9


def agree(setting: Setting) -> None:
    """Assert that the engine and the twin tell the same of one setting."""
    twin, run = World(setting).run(), simulate(setting)
    assert twin.end_ms == run.end_ms
    for name in ("start_ms", "end_ms", "wasted_ms", "evictions"):
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
        run.jobs.energy_j.tolist(), rel=REL, abs=ABS)
    for name, measured in (
        ("energy_j", run.services.energy_j),
        ("online_ms", run.services.online_ms.sum(axis=0)),
        ("short_ms", run.services.short_ms.sum(axis=0)),
        ("work", run.services.work_core_s),
        ("shortage", run.services.shortage_core_s),
    ):
        expected = [getattr(s, name) for s in twin.services]
        assert expected == pytest.approx(measured.tolist(), rel=REL, abs=ABS), name
    counts = twin.counts | {"evictions": twin.total_evictions}
    assert counts == {name: run.counts[name] for name in counts}
    assert twin.on_peak == run.machines_on_peak


@settings(max_examples=100)
@given(batch_worlds(rich=False))
def test_twin_agrees_on_first_come_first_served(setting: Setting) -> None:
    """Engine and twin agree on queues of one-task jobs, first come first served, first fit."""
    agree(setting)


@settings(max_examples=300)
@given(batch_worlds())
def test_twin_agrees_on_batch(setting: Setting) -> None:
    """Engine and twin agree on all disciplines, weighers, gangs, GPUs and use steps."""
    agree(setting)


@settings(max_examples=400)
@given(full_worlds())
def test_twin_agrees_on_services_beside_batch(setting: Setting) -> None:
    """Engine and twin agree where policies scale, switch, lend, recall and limit."""
    agree(setting)


def test_twin_is_no_copy() -> None:
    """The twin imports nothing of the engine."""
    import tests.twin
    import tests.twin_batch
    import tests.twin_build
    import tests.twin_world

    for module in (tests.twin, tests.twin_batch, tests.twin_build, tests.twin_world):
        assert not [name for name, value in vars(module).items()
                    if getattr(value, "__module__", "").startswith("greensched.engine")]
    assert np.int64 is not None
