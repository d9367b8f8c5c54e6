"""What is simulated is what is deployed: one history, through `run` and through the controller."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest

from greensched.carbon import CarbonIntensity
from greensched.controller.snapshot import HYSTERESIS
from greensched.engine.simulate import simulate
from greensched.model import NONE, JobClass
from greensched.policies.shifting.plan import Plan
from greensched.policies.shifting.switch import CarbonShifting
from greensched.providers.points import instant_ms
from greensched.ticks import TickIntensity, TickJobs, on_ticks
from greensched.units import CPU_M_PER_CORE, MS_PER_H, MS_PER_MIN
from tests.controller.cases import START_MS, job_body
from tests.controller.grid import HOURS
from tests.controller.test_controller_loop import JOBS, Small
from tests.engine import worlds
from tests.engine.worlds import machines, setting

COUNT = 12
JOB_M = 2 * CPU_M_PER_CORE
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
    arrival = sorted(random.randrange(1, 8 * 60) for _ in range(COUNT))
    return History(
        arrival=tuple(arrival),
        length=tuple(random.choice((30, 60, 90, 150)) for _ in arrival),
        wait=tuple(random.choice((45, 4 * 60, 12 * 60)) for _ in arrival),
        hours=tuple(random.uniform(100, 500) for _ in range(24)),
    )


def planned(history: History, cpu_m: int) -> list[int]:
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
        cpu_m=np.full(COUNT, JOB_M),
        interruptible=np.zeros(COUNT, np.bool_),
    )
    on_minutes = on_ticks(series, zero_ms=START_MS, tick_ms=MS_PER_MIN)
    starts: list[int] = Plan(cpu_m=cpu_m).plan(jobs, on_minutes).begins().tolist()
    return starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a run's policies know of intensity: the value of each hour to come."""

    values: tuple[float, ...]
    tick_ms: int = MS_PER_MIN

    def issued(self, now_ms: int, *, truth: bool) -> TickIntensity:  # noqa: ARG002 - either
        """Return the hours from now on, in minutes."""
        left, lead = np.array(self.values[now_ms // MS_PER_H :]), now_ms % MS_PER_H // MS_PER_MIN
        return TickIntensity(
            values_g_per_kwh=left,
            width=60,
            lead=lead,
            length=60 * len(left) - lead,
            tick_ms=self.tick_ms,
        )


def simulated(history: History, cpu_m: int) -> list[int]:
    """Return when each Job starts in a run of machines under the switch `shifting`."""
    waits = sorted(set(history.wait))
    classes = tuple(
        JobClass(name=f"{w} min", deferrable=True, max_delay_ms=w * MS_PER_MIN + 1) for w in waits
    )
    rows = (
        {
            # What comes or ends does so just before a wake, which sees it then.
            "submit_ms": arrival * MS_PER_MIN - 1,
            "duration_ms": length * MS_PER_MIN - 1,
            "estimate_ms": length * MS_PER_MIN,
            "cpu_m": JOB_M,
            "job_class": waits.index(wait),
        }
        for arrival, length, wait in zip(
            history.arrival, history.length, history.wait, strict=True
        )
    )
    switch = CarbonShifting(
        period_ms=MS_PER_MIN, cpu_m=None if cpu_m == NONE else cpu_m, hysteresis=HYSTERESIS
    )
    run = simulate(
        setting(
            machines(cpu_m=10 * COUNT * JOB_M),
            window_ms=SPAN_H * MS_PER_H,
            jobs=worlds.jobs(*rows, classes=classes),
            policies=(switch,),
            carbon=Known(values=tuple(history.hours[(23 + h) % 24] for h in range(HOURS))),
        )
    )
    starts: list[int] = (run.jobs.start_ms // MS_PER_MIN).tolist()
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
    """Without a cap every Job starts in the minute in which a run with the switch starts it."""
    history = drawn(seed)
    expected = simulated(history, NONE)
    assert any(start > arrival for start, arrival in zip(expected, history.arrival, strict=True))
    assert expected == controlled(history, NONE)


CAP_M = 8 * CPU_M_PER_CORE


def _binding() -> list[int]:
    """Return seeds in which the cap moves somebody, by the policy alone, and makes nobody late.

    Who would be late is let run by the controller all the same, beside the cap.
    """
    found = []
    for seed in range(60):
        history = drawn(seed)
        starts = planned(history, CAP_M)
        ends = zip(starts, history.arrival, history.wait, strict=True)
        if starts != planned(history, NONE) and all(s <= a + w for s, a, w in ends):
            found.append(seed)
    return found[:4]


@pytest.mark.slow
def test_under_a_cap_it_decides_as_the_simulation_too() -> None:
    """Under a cap that moves Jobs each starts in the minute in which a run starts it, too."""
    seeds = _binding()
    assert 4 == len(seeds)
    for seed in seeds:
        assert simulated(drawn(seed), CAP_M) == controlled(drawn(seed), CAP_M)
