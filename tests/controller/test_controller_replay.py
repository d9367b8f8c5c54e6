"""What is simulated is what is deployed: one history, through a simulator and the controller."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest

from greensched.carbon import CarbonIntensity
from greensched.model import NONE
from greensched.policies.shifting.plan import Plan
from greensched.providers.points import instant_ms
from greensched.ticks import TickJobs, on_ticks
from greensched.units import CPU_M_PER_CORE, MS_PER_H, MS_PER_MIN
from tests.controller.cases import START_MS, job_body
from tests.controller.grid import HOURS
from tests.controller.test_controller_loop import JOBS, Small

COUNT = 12
SPAN_H = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Jobs of 2 cores in order of arrival, in minutes from the start, and intensity by hour."""

    arrival: tuple[int, ...]
    length: tuple[int, ...]
    wait: tuple[int, ...]
    hours: tuple[float, ...]


def drawn(seed: int) -> History:
    """Return a recorded day."""
    random = Random(seed)  # noqa: S311 - no secret
    arrival = sorted(random.randrange(8 * 60) for _ in range(COUNT))
    return History(
        arrival=tuple(arrival),
        length=tuple(random.choice((30, 60, 90, 150)) for _ in arrival),
        wait=tuple(random.choice((45, 4 * 60, 12 * 60)) for _ in arrival),
        hours=tuple(random.uniform(100, 500) for _ in range(24)),
    )


def simulated(history: History, cpu_m: int) -> list[int]:
    """Return when each Job starts by the policy object on the whole list, as `shift` asks it."""
    values = np.array([history.hours[(23 + h) % 24] for h in range(HOURS)])
    series = CarbonIntensity(
        zone="DE",
        edges_ms=START_MS + MS_PER_H * np.arange(HOURS + 1),
        values_g_per_kwh=values,
    )
    arrival, length = np.array(history.arrival), np.array(history.length)
    jobs = TickJobs(
        arrival=arrival,
        length=length,
        latest=arrival + np.array(history.wait),
        expected=length,
        cpu_m=np.full(COUNT, 2 * CPU_M_PER_CORE),
        interruptible=np.zeros(COUNT, np.bool_),
    )
    on_minutes = on_ticks(series, zero_ms=START_MS, tick_ms=MS_PER_MIN)
    starts: list[int] = Plan(cpu_m=cpu_m).plan(jobs, on_minutes).begins().tolist()
    return starts


def controlled(history: History, cpu_m: int) -> list[int]:
    """Return when each Job is let run by the controller, which sees them arrive."""
    spec = {} if cpu_m == NONE else {"capacity": {"cpu": f"{cpu_m}m"}}
    small = Small(history.hours, spec)
    rows = zip(history.arrival, history.length, history.wait, strict=True)
    for i, (arrival, length, wait) in enumerate(rows):
        small.go(START_MS + arrival * MS_PER_MIN - small.clock.time_ms)
        words: dict[str, Any] = {
            "actual_s": length * 60,
            "duration": f"{length}m",
            "max_delay": f"{wait}m",
        }
        small.make(JOBS, job_body(f"job-{i}", **words))
        small.go(0)
    small.go(SPAN_H * MS_PER_H)
    begun = [instant_ms(small.notes(f"job-{i}")["released-at"]) for i in range(COUNT)]
    return [(at_ms - START_MS) // MS_PER_MIN for at_ms in begun]


@pytest.mark.parametrize("seed", range(4))
def test_the_controller_decides_as_the_simulation(seed: int) -> None:
    """Without a cap every Job starts in the minute in which the simulated plan starts it."""
    history = drawn(seed)
    expected = simulated(history, NONE)
    assert any(start > arrival for start, arrival in zip(expected, history.arrival, strict=True))
    assert expected == controlled(history, NONE)


CAP_M = 8 * CPU_M_PER_CORE


def _binding() -> list[int]:
    """Return seeds in which the cap moves somebody and makes nobody late.

    Who would be late is let run by the controller all the same, beside the cap.
    """
    found = []
    for seed in range(60):
        history = drawn(seed)
        starts = simulated(history, CAP_M)
        ends = zip(starts, history.arrival, history.wait, strict=True)
        if starts != simulated(history, NONE) and all(s <= a + w for s, a, w in ends):
            found.append(seed)
    return found[:4]


def test_under_a_cap_it_decides_as_the_simulation_too() -> None:
    """Under a cap that moves Jobs each starts in the minute in which the simulated plan does."""
    seeds = _binding()
    assert 4 == len(seeds)
    for seed in seeds:
        assert simulated(drawn(seed), CAP_M) == controlled(drawn(seed), CAP_M)
