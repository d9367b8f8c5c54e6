"""A week of a real HPC centre against the closed form of its energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest

from greensched.accounting.usage import usage_edges
from greensched.engine.simulate import simulate
from greensched.power import Linear
from greensched.readers import opendc
from greensched.readers.options import ReadOptions
from greensched.readers.resolve import import_cached
from tests.engine.worlds import machines, setting

if TYPE_CHECKING:
    from pathlib import Path

MACHINES, WEEK_S, IDLE_W, SPAN_W, CAPACITY_MHZ = 279, 604_800, 32.0, 148.0, 33_600.0


@pytest.mark.data
def test_surf_week_takes_its_closed_form(data_folder: Path) -> None:
    """E = 279 x 604,800 s x 32 W + the sum over fragments of 148 W x use / 33,600 MHz x time."""
    # Every task takes one whole machine, so power is linear in the sum of all use.
    folder = data_folder / "workload" / "opendc" / "surf_week"
    table = import_cached([folder], opendc.read, ReadOptions()).jobs
    assert table is not None
    window_ms = WEEK_S * 1000
    run = simulate(
        setting(
            machines(
                role="batch",
                count=MACHINES,
                cpu_m=16_000,
                memory_mib=1 << 17,
                power=Linear(idle_w=IDLE_W, peak_w=IDLE_W + SPAN_W),
            ),
            window_ms=window_ms,
            edges_ms=usage_edges(window_ms, [np.arange(0, window_ms, 3_600_000)]),
            jobs=table,
            discipline="fifo",
            weigher="first-fit",
            end="cut",
        )
    )
    assert table.submit_ms.tolist() == run.jobs.start_ms.tolist()  # nobody waits
    assert len(table) == run.counts["completed"]
    rows = duckdb.read_parquet(str(folder / "fragments.parquet"))
    mhz_ms = rows.aggregate("sum(cpu_usage * duration)").fetchall()[0][0]
    used_j = SPAN_W * mhz_ms / CAPACITY_MHZ / 1000
    expected_j = MACHINES * WEEK_S * IDLE_W + used_j
    assert expected_j == pytest.approx(run.usage.energy_j.sum(), rel=1e-9)
