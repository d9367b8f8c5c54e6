"""Small worlds in which much happens at once, drawn from a seed: the twin's second opponent.

Hypothesis draws simple values often, so rare meetings (a gang behind a reservation, a device
freed while limits change) are few in its worlds. These are crowded on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from greensched.model import (
    NONE,
    ROLE_CODES,
    Action,
    BatchLimit,
    Discipline,
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
    from collections.abc import Sequence

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
    JobClass(name="top", priority=2),
    JobClass(name="first", machine_types=("m0",)),
)
LOAD_M = 240  # loads are multiples: shares among up to six replicas are whole numbers
WINDOW_MS, WAKE_MS, LOAD_STEPS = 40_000, 500, 4
EASY_MACHINES, MACHINES = 4, 9  # EASY looks at four machines for its reservation, the twin at all
FINE_MACHINES = 10


class Dice:
    """Draws of one seed."""

    def __init__(self, seed: int) -> None:
        """Begin with this seed."""
        self.rng = np.random.default_rng(seed)

    def pick(self, *values: Any) -> Any:
        """Return one of the values."""
        return values[int(self.rng.integers(len(values)))]

    def number(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """Say yes so often."""
        return bool(self.rng.random() < share)


def _fleet(dice: Dice, most: int, roles: Sequence[str]) -> list[MachineType]:
    """Return one to three machine types, `most` machines in all."""
    kinds, fleet = dice.number(1, 3), []
    for i in range(kinds):
        count = min(most - (kinds - 1 - i), dice.number(1, 4))
        most -= count
        fleet.append(
            machines(
                name=f"m{i}",
                count=count,
                role=dice.pick(*roles),
                cpu_m=dice.pick(4_000, 2_000, 8_000, 6_000),
                power=dice.pick(*CURVES),
                memory_mib=dice.pick(1_000, 2_500, 4_000),
                reserved_cpu_m=dice.pick(0, 400),
                gpus=dice.pick(0, 2, 3, 4),
                gpu_idle_w=30.0,
                gpu_peak_w=250.0,
                pods_max=dice.pick(0, 0, 0, 3, 6),
                boot_ms=dice.pick(0, 1_300, 4_000),
                wake_ms=dice.pick(0, 300),
                boot_w=90.0,
            )
        )
    return fleet


def _jobs(dice: Dice, fleet: list[MachineType]) -> Jobs:
    """Return five to forty jobs, many at one instant, in some worlds mostly gangs."""
    widest_m = max(kind.cpu_m - kind.reserved_cpu_m for kind in fleet)
    devices = max(kind.gpus for kind in fleet)
    sizes = [g for g in (250, 300, 500, 700, 1_000, 2_000) if g <= 1_000 * devices]
    gangs, gap_ms = 0.6 * dice.rng.random(), dice.pick(200, 800, 2_500)
    rows, uses, at_ms = [], [], 0
    for _ in range(dice.number(5, 40)):
        at_ms += dice.number(0, gap_ms) if dice.chance(0.7) else 0
        duration_ms = dice.number(1, dice.pick(500, 6_000, 15_000))
        cpu_m = min(widest_m, dice.pick(250, 500, 1_000, 2_000, 4_000, 0))
        rows.append(
            {
                "submit_ms": at_ms,
                "duration_ms": duration_ms,
                "cpu_m": cpu_m,
                "memory_mib": dice.pick(0, 200, 400, 900),
                "tasks": dice.pick(2, 3, 4, 6, 8, 12) if dice.chance(gangs) else 1,
                "job_class": dice.number(0, len(CLASSES) - 1),
                "gpu_m": dice.pick(*sizes) if sizes and dice.chance(0.5) else 0,
                "estimate_ms": dice.pick(duration_ms, NONE, 1_000, 2 * duration_ms),
            }
        )
        steps = [(duration_ms, cpu_m)]
        if duration_ms >= LOAD_STEPS and dice.chance(0.4):
            first = (duration_ms // 4, dice.pick(cpu_m // 2, cpu_m // 4, 0, 1))
            steps = [first, (duration_ms // 2, cpu_m // 3), *steps]
        uses.append(steps)
    return jobs(*rows, classes=CLASSES, uses=uses)


def _services(dice: Dice, fleet: list[MachineType]) -> Services:
    """Return one to three services."""
    least_m = min(kind.cpu_m - kind.reserved_cpu_m for kind in fleet)
    gpus = all(kind.gpus for kind in fleet)
    rows = [
        {
            "replica_cpu_m": min(least_m, dice.pick(1_200, 960, 1_600, 480)),
            "replica_memory_mib": dice.pick(0, 300, 600),
            "replica_gpu_m": dice.pick(0, 0, 500, 1_000) if gpus else 0,
            "replicas": dice.number(1, 4),
            "startup_ms": dice.pick(0, 900, 3_000),
            "load_cpu_m": [LOAD_M * dice.number(0, 16) for _ in range(LOAD_STEPS)],
        }
        for _ in range(dice.number(1, 3))
    ]
    return services(*rows, step_ms=WINDOW_MS // LOAD_STEPS)


def _action(dice: Dice, terms: Dice, count: int, services_count: int) -> Action:
    """Return any action on any machines; `terms` draws how replicas are given up."""
    some = dice.rng.permutation(count)[: dice.number(1, count)]
    kind = dice.pick("limit", "limit", "scale", "scale", "sleep", "on", "off", "lend", "recall")
    match kind:
        case "scale":
            who = numbers(dice.number(0, services_count - 1))
            return Scale(
                services=who,
                replicas=numbers(dice.number(1, 6)),
                cutoff_ms=terms.pick(0, 1_530, 8_010),
                standby_ms=terms.pick(0, 2_570, 9_010),
                warm_ms=terms.pick(0, 610),
            )
        case "lend":
            until_ms = dice.pick(NONE, 9_000, 20_000)
            return Lend(machines=some, drain_ms=dice.pick(400, 0, 1_500), until_ms=until_ms)
        case "recall":
            grace_ms, warm_ms = dice.pick(300, 2_000, 0), dice.pick(700, 0)
            return Recall(machines=some, grace_ms=grace_ms, warm_ms=warm_ms)
        case "limit":
            return BatchLimit(
                machines=some,
                cpu_m=np.full(len(some), dice.pick(8_000, 0, 1_500, 3_000)),
                memory_mib=np.full(len(some), dice.pick(2_500, 0, 500)),
                use_share=dice.pick(1.0, 0.5, 0.75),
                evict=dice.chance(0.5),
                job_ms_max=dice.pick(NONE, 3_000),
            )
    return Power(machines=some, to=kind, moves_max=dice.number(0, 3))


def _fine_services(dice: Dice) -> Services:
    """Return two services of small replicas."""
    return services(
        *(
            {
                "replica_cpu_m": dice.pick(16, 40, 80),
                "replica_memory_mib": dice.pick(50, 300),
                "replicas": dice.number(1, 4),
                "startup_ms": 900,
                "load_cpu_m": [LOAD_M * dice.number(0, 2) for _ in range(LOAD_STEPS)],
            }
            for _ in range(2)
        ),
        step_ms=WINDOW_MS // LOAD_STEPS,
    )


def fine(seed: int) -> Setting:
    """Return a world of ten equal machines whose free CPU differs by little, memory by much."""
    dice, terms = Dice(seed), Dice(1_000_000 + seed)
    kind = machines(
        count=FINE_MACHINES,
        role=dice.pick("any", "online", "batch"),
        cpu_m=8_000,
        memory_mib=dice.pick(1_000, 2_500),
        power=CURVES[0],
    )
    submit_ms = np.cumsum(dice.rng.integers(0, 200, 150)).tolist()
    table = jobs(
        *(
            {
                "submit_ms": at_ms,
                "duration_ms": dice.number(1, 8_000),
                "cpu_m": dice.pick(8, 16, 24, 40, 80, 120),
                "memory_mib": dice.pick(0, 100, 400, 700, 900),
                "tasks": dice.pick(1, 1, 1, 3, 6),
                "job_class": dice.number(0, 4),
            }
            for at_ms in submit_ms
        ),
        classes=CLASSES[:5],
    )
    script = tuple(
        (int(k) * WAKE_MS, tuple(_action(dice, terms, FINE_MACHINES, 2) for _ in range(2)))
        for k in np.sort(dice.rng.permutation(WINDOW_MS // WAKE_MS)[:20])
    )
    return setting(
        kind,
        window_ms=WINDOW_MS,
        jobs=table,
        services=_fine_services(dice),
        policies=(Scripted(script=script, period_ms=WAKE_MS),),
        end="cut",
        discipline=dice.pick(*get_args(Discipline)),
        weigher=dice.pick(*get_args(Weigher)),
    )


def crowded(seed: int) -> Setting:
    """Return the world of this seed; two of five have batch alone."""
    dice, terms = Dice(seed), Dice(1_000_000 + seed)
    full = dice.chance(0.6)
    discipline = dice.pick(*get_args(Discipline), "priority", "easy-backfill")
    most = EASY_MACHINES if discipline == "easy-backfill" else MACHINES
    fleet = _fleet(dice, most, ("online", "any", "batch") if full else ("batch",))
    told: dict[str, Any] = {"discipline": discipline, "weigher": dice.pick(*get_args(Weigher))}
    if full:
        load = _services(dice, fleet)
        count = sum(kind.count for kind in fleet)
        wakes = np.sort(dice.rng.permutation(WINDOW_MS // WAKE_MS)[: dice.number(0, 24)])
        script = tuple(
            (
                int(k) * WAKE_MS,
                tuple(_action(dice, terms, count, len(load)) for _ in range(dice.number(1, 3))),
            )
            for k in wakes
        )
        told |= {"services": load, "policies": (Scripted(script=script, period_ms=WAKE_MS),)}
        if dice.chance(0.4):
            codes = [ROLE_CODES[kind.role] for kind in fleet for _ in range(kind.count)]
            told["roles"] = np.array([dice.pick(c, c, c, NONE) for c in codes], np.int8)
    return setting(*fleet, window_ms=WINDOW_MS, jobs=_jobs(dice, fleet), end="cut", **told)


def together(seed: int) -> Setting:
    """Return a world of four machines where jobs overtake a head, and many end at one instant."""
    dice = Dice(seed)
    tick_ms, rows, at_ms = dice.pick(500, 1_000), [], 0
    for _ in range(dice.number(20, 60)):
        at_ms += tick_ms * dice.number(0, 2)
        duration_ms = tick_ms * dice.number(1, 12)
        rows.append(
            {
                "submit_ms": at_ms,
                "duration_ms": duration_ms,
                "cpu_m": dice.pick(500, 1_000, 2_000, 4_000, 0),
                "memory_mib": dice.pick(0, 200, 400, 900),
                "tasks": dice.pick(1, 1, 1, 1, 3, 6),
                "job_class": dice.number(0, len(CLASSES) - 2),
                "estimate_ms": dice.pick(duration_ms, 2 * duration_ms, tick_ms),
            }
        )
    fleet = [
        machines(
            name=f"m{i}",
            count=EASY_MACHINES // 2,
            role="batch",
            cpu_m=dice.pick(4_000, 6_000),
            power=CURVES[0],
            memory_mib=dice.pick(1_000, 2_500),
        )
        for i in range(2)
    ]
    return setting(
        *fleet,
        window_ms=WINDOW_MS,
        jobs=jobs(*rows, classes=CLASSES[:-1]),
        end="cut",
        discipline="easy-backfill",
        weigher=dice.pick(*get_args(Weigher)),
    )
