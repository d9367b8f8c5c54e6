"""Hypothesis strategies: small random worlds, from bare to everything at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from hypothesis import strategies as st

from greensched.model import (
    NO_INTERFERENCE,
    NONE,
    ROLE_CODES,
    Action,
    BatchLimit,
    Discipline,
    Interference,
    JobClass,
    Jobs,
    Lend,
    MachineType,
    Power,
    Recall,
    Scale,
    Services,
    Setting,
    Weigher,
)
from greensched.power import Linear, Sqrt
from tests.engine.worlds import Scripted, jobs, machines, numbers, services, setting

if TYPE_CHECKING:
    from greensched.model import PowerModel

CURVES: tuple[PowerModel, ...] = (
    Linear(idle_w=32.0, peak_w=180.0),
    Sqrt(idle_w=50.0, peak_w=333.0),
)
CLASSES = (
    JobClass(name="low"),
    JobClass(name="keeps", checkpoint_interval_ms=700, checkpoint_cost_ms=50),
    JobClass(name="high", priority=1, checkpoint_interval_ms=1_000),
    JobClass(name="fixed", priority=1, evictable=False),
)
HARMS = (
    NO_INTERFERENCE,
    Interference(model="linear", curve=((0.0, 0.0), (1.0, 0.4))),
    Interference(
        model="bubble",
        curve=((0.0, 0.0), (0.2, 0.05), (0.5, 0.6)),
        pressure=(("low", 0.5), ("high", 2.0)),
        batch_sensitivity=1.5,
    ),
)
LOAD_M = 240  # loads are multiples: shares among up to six replicas are whole numbers
WINDOW_MS = 40_000
WAKE_MS = 500


def _some(draw: st.DrawFn, *values: Any) -> Any:
    """Draw one of the values; the first is the simplest."""
    return draw(st.sampled_from(values))


def fleets(draw: st.DrawFn, *, gpus: bool, roles: tuple[str, ...]) -> list[MachineType]:
    """Draw one or two machine types with up to four machines in all."""
    return [
        machines(
            name=f"m{i}",
            count=draw(st.integers(1, 2)),
            role=_some(draw, *roles),
            cpu_m=_some(draw, 4_000, 2_000, 8_000),
            power=_some(draw, *CURVES),
            memory_mib=_some(draw, 1_000, 2_500),
            reserved_cpu_m=_some(draw, 0, 400),
            gpus=_some(draw, 0, 2) if gpus else 0,
            gpu_idle_w=30.0,
            gpu_peak_w=250.0,
            pods_max=_some(draw, 0, 0, 3),
            boot_ms=1_300,
            wake_ms=300,
            boot_w=90.0,
            smt_factor=_some(draw, 1.0, 1.0, 0.3) if roles != ("batch",) else 1.0,
        )
        for i in range(draw(st.integers(1, 2)))
    ]


def tables(draw: st.DrawFn, fleet: list[MachineType], *, rich: bool) -> Jobs:
    """Draw jobs that each fit some machine; `rich`: all columns vary, and many come at once."""
    widest = max(fleet, key=lambda kind: kind.cpu_m - kind.reserved_cpu_m)
    most_m = widest.cpu_m - widest.reserved_cpu_m
    devices = max(kind.gpus for kind in fleet)
    rows, uses, at_ms = [], [], 0
    gap_ms, most = _some(draw, (2_500, 12), (300, 30)) if rich else (2_500, 12)
    for _ in range(draw(st.integers(most // 4, most))):
        at_ms += draw(st.integers(0, gap_ms))
        duration_ms = draw(st.integers(1, 6_000))
        cpu_m = min(most_m, _some(draw, 1_000, 500, 2_000, 4_000))
        row = {"submit_ms": at_ms, "duration_ms": duration_ms, "cpu_m": cpu_m}
        steps = [(duration_ms, cpu_m)]
        if rich:
            row |= {
                "memory_mib": _some(draw, 0, 400, 900),
                "tasks": _some(draw, 1, 1, 1, 2, 3, 6),
                "job_class": draw(st.integers(0, len(CLASSES) - 1)),
                "gpu_m": _some(draw, *[0, 0, 500, 300, 700, 1_000, 2_000][: 3 + devices * 2])
                if devices
                else 0,
                "estimate_ms": _some(draw, duration_ms, NONE, 1_000, 2 * duration_ms),
            }
            if duration_ms > 2 and draw(st.booleans()):
                use = _some(draw, cpu_m // 2, cpu_m // 4)
                steps = [(duration_ms // 2, use), (duration_ms, cpu_m)]
        rows.append(row)
        uses.append(steps)
    rows.sort(key=lambda row: row["submit_ms"])
    return jobs(*rows, classes=CLASSES, uses=uses if rich else None)


def loads(draw: st.DrawFn, fleet: list[MachineType]) -> Services | None:
    """Draw up to three services of four load steps."""
    least_m = min(kind.cpu_m - kind.reserved_cpu_m for kind in fleet)
    gpus = all(kind.gpus for kind in fleet)
    rows = [
        {
            "replica_cpu_m": min(least_m, _some(draw, 1_200, 960, 1_600)),
            "replica_memory_mib": _some(draw, 0, 300, 600),
            "replica_gpu_m": _some(draw, 0, 500, 1_000) if gpus else 0,
            "replicas": draw(st.integers(1, 3)),
            "startup_ms": _some(draw, 0, 900),
            "load_cpu_m": [LOAD_M * draw(st.integers(0, 16)) for _ in range(4)],
        }
        for _ in range(draw(st.integers(1, 3)))
    ]
    return services(*rows, step_ms=10_000)


def scripts(draw: st.DrawFn, count: int, services_count: int) -> Scripted:
    """Draw up to eight actions at the wakes of one policy."""
    times = draw(st.lists(st.integers(0, WINDOW_MS // WAKE_MS - 1), max_size=8, unique=True))
    some = st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True)

    def action() -> Action:
        m = numbers(*draw(some))
        kind = _some(draw, "limit", "scale", "sleep", "on", "off", "lend", "recall")
        if kind == "scale" and services_count:
            return Scale(
                services=numbers(draw(st.integers(0, services_count - 1))),
                replicas=numbers(draw(st.integers(1, 6))),
                cutoff_ms=_some(draw, 0, 0, 1_530, 8_010),
                standby_ms=_some(draw, 0, 0, 2_570, 9_010),
                warm_ms=_some(draw, 610, 0),
            )
        if kind in {"sleep", "on", "off"}:
            return Power(machines=m, to=kind, moves_max=draw(st.integers(0, 3)))
        if kind == "lend":
            return Lend(
                machines=m, drain_ms=_some(draw, 400, 0, 1_500), until_ms=_some(draw, NONE, 9_000)
            )
        if kind == "recall":
            return Recall(machines=m, grace_ms=_some(draw, 300, 2_000), warm_ms=700)
        n = len(m)
        return BatchLimit(
            machines=m,
            cpu_m=np.full(n, _some(draw, 8_000, 0, 1_500, 3_000)),
            memory_mib=np.full(n, _some(draw, 2_500, 0, 500)),
            use_share=_some(draw, 1.0, 0.5, 0.75),
            evict=draw(st.booleans()),
            job_ms_max=_some(draw, NONE, 3_000),
        )

    script = [
        (t * WAKE_MS, tuple(action() for _ in range(draw(st.integers(1, 2)))))
        for t in sorted(times)
    ]
    return Scripted(script=tuple(script), period_ms=WAKE_MS)


@st.composite
def batch_worlds(draw: st.DrawFn, *, rich: bool = True) -> Setting:
    """Draw a world without services: every discipline and weigher."""
    fleet = fleets(draw, gpus=rich, roles=("batch",))
    return setting(
        *fleet,
        window_ms=WINDOW_MS,
        jobs=tables(draw, fleet, rich=rich),
        discipline=_some(draw, *(get_args(Discipline) if rich else ("fifo",))),
        weigher=_some(draw, *(get_args(Weigher) if rich else ("first-fit",))),
        end="cut" if rich else "drain",  # what never fits would be waited for a day
    )


@st.composite
def full_worlds(draw: st.DrawFn) -> Setting:
    """Draw a world with everything: services, batch, actions."""
    fleet = fleets(draw, gpus=True, roles=("online", "any", "batch"))
    count = sum(kind.count for kind in fleet)
    table = loads(draw, fleet)
    roles = None
    if draw(st.booleans()):
        code = [ROLE_CODES[kind.role] for kind in fleet for _ in range(kind.count)]
        roles = np.array([_some(draw, c, c, NONE) for c in code], np.int8)
    return setting(
        *fleet,
        window_ms=WINDOW_MS,
        jobs=tables(draw, fleet, rich=True),
        services=table,
        discipline=_some(draw, *get_args(Discipline)),
        weigher=_some(draw, *get_args(Weigher)),
        policies=(scripts(draw, count, len(table or ())),),
        roles=roles,
        end="cut",
        interference=_some(draw, *HARMS),
    )
