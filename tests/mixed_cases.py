"""The small scenario on a fleet of several machine types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import greensched as gs
from greensched.experiment.filling import kinds
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment.world import Shared
    from greensched.model import IntArray
    from greensched.scenario import Scenario

LARGE = "{name: large, count: 8, cores: 16, memory: 64 GiB"
SMALL = "{name: small, count: 12, cores: 4, memory: 16 GiB"
GPUS = "{name: gpus, count: 6, cores: 16, memory: 64 GiB, gpus: 4, gpu_model: T4"
GPU_POWER = "gpu_power: {idle: 10 W, peak: 70 W}"
POWER = "site: here, power: {idle: 100 W, peak: 300 W}"


def mixed(folder: Path, *types: str, gpu_jobs: bool = False, slo: str = "") -> Scenario:
    """Return the small scenario with machines of `types`, and with `slo` where that is given."""
    path = write_scenario(folder)
    text = path.read_text(encoding="utf-8")
    fleet = "".join(f"  - {one}, {POWER}{_gpu_power(one)}}}\n" for one in types)
    first, last = text.index("  - name: server"), text.index("traces:")
    kept = text[last:].replace("deadline_miss: 0.5", slo or "deadline_miss: 0.5")
    path.write_text(text[:first] + fleet + kept, encoding="utf-8")
    if gpu_jobs:
        rows = (folder / "jobs.csv").read_text(encoding="utf-8").split()
        made = [f"{rows[0]},gpu_m", *(f"{row},2000" for row in rows[1:])]
        (folder / "jobs.csv").write_text("\n".join(made) + "\n", encoding="utf-8")
    return gs.load(path)


def _gpu_power(one: str) -> str:
    return f", {GPU_POWER}" if "gpus:" in one else ""


def by_type(world: Shared, machines: IntArray) -> list[int]:
    """Return how many of `machines` each type has."""
    found: list[int] = np.bincount(
        kinds(world.fleet)[machines], minlength=len(world.fleet)
    ).tolist()
    return found
