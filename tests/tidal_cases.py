"""Worlds for tidal scheduling by forecast: machines of one service, and forecasts as told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from greensched.model import LENT, OWN, Snapshot
from greensched.units import MS_PER_MIN
from tests.snapshots import machine, service, snapshot, waiting

WORK = waiting(1_000_000)  # enough for any number of machines


@dataclass(frozen=True)
class Recently:
    """What is recent: which rows to trust."""

    good: tuple[bool, ...]

    def trusted(self, least_share: float) -> Any:
        """Trust them or not."""
        assert least_share == 0.9
        return np.array(self.good)


@dataclass(frozen=True)
class Told:
    """A forecaster that was told: loads [millicores] of its rows from each time [ms] on."""

    steps: dict[int, tuple[float, ...]]
    good: tuple[bool, ...] = (True, True, True)
    predicts: bool = True
    seen_ms: list[int] = field(default_factory=list)

    @property
    def begin(self) -> Recently:
        """Return what was recent at first."""
        return Recently(self.good)

    @property
    def with_sums(self) -> Any:
        """Return itself, as its rows are told with their sums."""
        return self

    def observe(self, recent: Any, now_ms: int, load_cpu_m: Any, **_: Any) -> Any:
        """Learn nothing but the time."""
        del load_cpu_m
        self.seen_ms.append(now_ms)
        return recent

    def upper(
        self, recent: Any, from_ms: int, until_ms: int, quantile: float, *, whole: bool = False
    ) -> Any:
        """Return the largest loads told of within the time."""
        del recent, quantile
        assert whole
        times = [max(t for t in self.steps if t <= from_ms)]
        times += [t for t in self.steps if from_ms < t < until_ms]
        return np.max([self.steps[t] for t in times], axis=0)

    def upto(self, recent: Any, ends_ms: Any, quantile: float, *, whole: bool = False) -> Any:
        """Return it from the last observation until each of `ends_ms`."""
        now_ms = self.seen_ms[-1] if self.seen_ms else 0
        told = [self.upper(recent, now_ms, end, quantile, whole=whole) for end in ends_ms]
        return np.array(told)


def flat(load: float, **told: Any) -> Told:
    """Return the forecast of one service's steady load, and of the two pools' sums."""
    return Told({0: (load, load, 0.0)}, **told)


def told(*loads: tuple[int, float]) -> Told:
    """Return the forecast of one service without GPUs: loads from each minute on."""
    return Told({minute * MS_PER_MIN: (load, load, 0.0) for minute, load in loads})


def world(
    forecast: Any, minute: int = 15, *, load: float = 1_000.0, lent: int = 0, **more: Any
) -> Snapshot:
    """Return twenty machines with a replica of one core each, the last `lent` of them lent."""
    states = ["online"] * (20 - lent) + ["standby"] * lent
    machines = [
        machine(lending=OWN if s == "online" else LENT, rack=i) for i, s in enumerate(states)
    ]
    for row, having in more.pop("machines", {}).items():
        machines[row] |= having
    made = snapshot(
        machines + more.pop("others", []),
        [service(load_cpu_m=load, service_time_ms=1.0) | more.pop("service", {})],
        [(0, m, state) for m, state in enumerate(states)],
        now_ms=minute * MS_PER_MIN,
        queue=more.pop("queue", WORK),
        **more,
    )
    return replace(made, forecast=forecast)
