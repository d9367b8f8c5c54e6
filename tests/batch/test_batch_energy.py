"""Energy of a job, from counters as Linux shows them and from a curve."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from greensched.batch.energy import MEASURED, MODELLED, Machine, Meter, Reading, package_j
from greensched.policies.shifting.times import expected_ms, latest_start_ms

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = Machine(cores=4, idle_w=40.0, peak_w=140.0, is_assumed=False)
MINUTE_MS = 60_000


def test_modelled() -> None:
    """A core for 10 s with 5 s of work takes a quarter of idle power and of the span's work."""
    assert 100.0 + 125.0 == MACHINE.energy_j(10.0, 5.0, 1_000)


def test_a_counter_that_wraps() -> None:
    """A counter that began anew at its range counts on, package by package."""
    before = Reading(counters_uj=((900, 999), (5, 999)), busy_s=0.0, at_s=0.0)
    after = Reading(counters_uj=((100, 999), (25, 999)), busy_s=0.0, at_s=1.0)
    assert pytest.approx(220e-6) == package_j(before, after)


def test_without_counters_it_is_modelled(tmp_path: Path) -> None:
    """Where no counter can be read the energy is the curve's, and says so."""
    meter = Meter(MACHINE, tmp_path)
    meter.sample(was_running=True, at_once=True)
    assert (225.0, MODELLED) == meter.result(10.0, 5.0, 1_000)


def test_measured(tmp_path: Path) -> None:
    """What packages take is read from their own zones, not from those inside them."""
    for name, value in (("intel-rapl:0", 1_000_000), ("intel-rapl:0:0", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{value}\n", encoding="ascii")
        (tmp_path / name / "max_energy_range_uj").write_text("262143328850\n", encoding="ascii")
    meter = Meter(MACHINE, tmp_path)
    until_s = time.process_time() + 0.1
    while time.process_time() < until_s:
        pass  # so that the machine is seen to have worked
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3000000\n", encoding="ascii")
    meter.sample(was_running=True, at_once=True)
    energy_j, quality = meter.result(1.0, 0.5, 1_000)
    assert MEASURED == quality
    assert 10.0 <= energy_j <= 10.0 + 2.0  # idle of one core, and 2 J of the package at most


def test_latest_start() -> None:
    """The latest start is the earlier of the longest wait and of deadline - D - margin."""
    hour = 60 * MINUTE_MS
    assert 12 * hour - 2 * hour - 12 * MINUTE_MS == latest_start_ms(
        0, 2 * hour, deadline_ms=12 * hour
    )
    assert hour - 10 * MINUTE_MS - 5 * MINUTE_MS == latest_start_ms(
        0, 10 * MINUTE_MS, deadline_ms=hour, max_delay_ms=hour
    )
    assert 7 == latest_start_ms(2, hour, deadline_ms=90 * hour, max_delay_ms=5)


def test_expected_from_past_runs() -> None:
    """Of five runs on the 95th percentile is expected, of fewer nothing."""
    assert expected_ms([10, 20, 30, 40]) is None
    assert 48 == expected_ms([10, 20, 30, 40, 50])
