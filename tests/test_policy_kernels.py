"""Compiled loops of policies and forecasts: compiled ahead, and once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CASE = """
from greensched import load, registry
from greensched.compiling import COMPILED
from greensched.engine.kernels import warm
from greensched.engine.simulate import simulate
from greensched.experiment.world import shared
from greensched.forecast import kernels as forecasts
from greensched.policies.kernels import (
    colocation,
    lending,
    machines,
    packing,
    peaks,
    resting,
    services,
    shifting,
    waking,
)
warm.compile_control()
warm.compile_loops()
parts = (forecasts, colocation, lending, machines, packing, peaks, resting, services, shifting)
parts += (waking,)
named = [one for part in parts for one in vars(part).items()]
compiled = [v for _, v in named if hasattr(v, "signatures")]
entries = [v for v in compiled if not v.targetoptions.get("no_cpython_wrapper")]  # no inner ones
counts = [len(v.signatures) for v in entries]
scenario = load("simulations/tidal-week.yaml").with_(**{"window.days": 1})
world = shared(scenario)
simulate(world.setting("all", policies=tuple(scenario.policies)))
simulate(world.setting("auto", policies=(registry.load("policy", "autoscaled")(),)))
print(COMPILED, set(counts), {len(v.signatures) for v in entries}, len(entries) > 8)
"""


def test_no_wake_compiles_a_loop() -> None:
    """Snapshots and memories hold just the arrays that the loops were compiled for."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", CASE],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ["True", "{1}", "{1}", "True"] == done.stdout.split()
