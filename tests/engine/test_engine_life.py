"""What is left of a run when nobody looks at it any more."""

from __future__ import annotations

import gc
import weakref

from greensched.engine.simulate import Simulation
from tests.engine.worlds import Scripted, jobs, machines, setting


def test_a_run_goes_with_its_last_reference() -> None:
    """A run's arrays are freed at once, not when cycles are collected: sweeps make many runs."""
    told = setting(machines(role="batch"), jobs=jobs({}), policies=(Scripted(script=()),))
    Simulation(told).finish().result()  # compiling keeps its callers' frames until cycles go
    gc.disable()
    try:
        run = Simulation(told)
        result, watched = run.finish().result(), weakref.ref(run)
        del run
        assert watched() is None
    finally:
        gc.enable()
    assert 1 == result.counts["completed"]
