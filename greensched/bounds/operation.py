"""The least machine-hours, energy or emissions with which a fleet does given work.

A relaxation of every schedule: work is a fluid that splits at will over machines and over the
hours from when it is submitted, machines switch at once and for nothing, replicas are as many as
their load needs at that instant, each resource is looked at alone, and nothing is ever evicted or
slowed. What is left is a linear program, small enough to be solved for every result, and its dual
values prove the bound (`linear.certified`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.bounds.linear import Program, certificate, certified, solve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greensched.model import FloatArray

W_PER_KW: Final = 1_000.0
RESOURCES: Final = ("cpu_core_h", "memory_gib_h", "gpu_h")
HULL_POINTS: Final = 11
FINE_POINTS: Final = 2_001  # at which a curve is compared with its hull
SAFETY: Final = 1.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Machines of one type: what one has, and its power at some loads on the lower hull.

    `points`: pairs of cores in use and watts, GPUs idle; between them power lies on or above
    the line. `rest_w` is the least that one draws off or asleep; `gpu_span_w` what one GPU draws
    in use beyond idle.
    """

    name: str
    count: int
    memory_gib: float
    gpus: float
    points: tuple[tuple[float, float], ...]
    rest_w: float = 0.0
    gpu_span_w: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Work by steps of `hours` [T], each resource [3, T] in the order of `RESOURCES`.

    `online` must be done in its step, but for `shed_core_h` in all, which frees `shed_per_core`
    of each resource; `submitted` may be done from its step on. `least_on` machines are on always.
    """

    hours: FloatArray
    online: FloatArray
    submitted: FloatArray
    shed_core_h: float = 0.0
    shed_per_core: tuple[float, float, float] = (1.0, 0.0, 0.0)
    least_on: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What is made least: so much a machine-hour on, and a kWh of each type in each step."""

    machine_h: float = 0.0
    kwh: FloatArray | None = None  # [types, T]; None: energy is not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """A bound, and what proves it: `certificate` for all but `constant`, which nothing changes."""

    value: float
    constant: float
    certificate: dict[str, Any]


def lower_hull(
    watts: Callable[[float], float], most_share: float, cores: float
) -> tuple[tuple[float, float], ...]:
    """Return points of the lower convex hull of a power curve: cores in use, watts.

    `watts` of a utilisation in [0, `most_share`], of `cores` in all. Where the curve bends between
    two points, all are lowered by as much as a fine grid shows, so that none of it lies below.
    """
    shares = np.linspace(0.0, most_share, HULL_POINTS)
    kept: list[tuple[float, float]] = []
    for x, y in ((float(u), watts(float(u))) for u in shares):
        while len(kept) > 1 and _above(kept[-2], kept[-1], (x, y)):
            kept.pop()
        kept.append((x, y))
    fine = np.linspace(0.0, most_share, FINE_POINTS)
    line = np.interp(fine, [x for x, _ in kept], [y for _, y in kept])
    over = max(0.0, float((line - [watts(float(u)) for u in fine]).max()))
    return tuple((x * cores, max(0.0, y - SAFETY * over)) for x, y in kept)


def _above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Say whether b lies on or above the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def least(plants: Sequence[Plant], load: Load, price: Price) -> Least | None:
    """Return the least cost of doing `load`; None where the plants cannot do it at all."""
    program = _Writer(plants=tuple(plants), load=load, price=price).program()
    _, _, dual = solve(program)
    if program.rows and not dual:
        return None
    proof, constant = certificate(program, dual), _at_rest(plants, load, price)
    value = float(certified(proof) + constant)
    return Least(value=value, constant=float(constant), certificate=proof)


def _at_rest(plants: Sequence[Plant], load: Load, price: Price) -> Fraction:
    """Return the cost of all machines at rest, from which being on is counted."""
    if price.kwh is None:
        return Fraction(0)
    parts = (
        Fraction(float(load.hours @ price.kwh[k])) * Fraction(p.count * p.rest_w / W_PER_KW)
        for k, p in enumerate(plants)
    )
    return sum(parts, Fraction(0))


@dataclass(slots=True)
class _Writer:
    """Writes the program step by step; hours, cores, GiB and GPUs are its units."""

    plants: tuple[Plant, ...]
    load: Load
    price: Price
    names: list[str] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    rows: list[tuple[str, list[tuple[int, float]], float]] = field(default_factory=list)

    def program(self) -> Program:
        """Return the program: columns and rows of every step, then what binds the steps."""
        batch = [r for r in range(len(RESOURCES)) if self.load.submitted[r].any()]
        done: dict[int, list[int]] = {r: [] for r in batch}
        waits: dict[int, list[int]] = {r: [] for r in batch}
        shed: list[int] = []
        for t, hours in enumerate(self.load.hours.tolist()):
            on = self._machines(t, hours)
            if self.load.shed_core_h > 0:
                shed.append(self._column(f"shed {t}", 0.0, float(self.load.online[0, t])))
            for r, name in enumerate(RESOURCES):
                row = [(x, held[r]) for x, held in on if held[r] > 0.0]
                row += [(x, self.load.shed_per_core[r]) for x in shed[-1:]]
                if r in batch:
                    done[r].append(self._work(r, t))
                    waits[r].append(self._waiting(r, t, done[r][-1], waits[r][-1:]))
                    row.append((done[r][-1], -1.0))
                if r in batch or self.load.online[r, t] > 0:
                    self.rows.append((f"{name} {t}", row, float(self.load.online[r, t])))
        for r in batch:
            all_of_it = [(x, 1.0) for x in done[r]]
            self.rows.append((f"all {RESOURCES[r]}", all_of_it, self._submitted(r)))
        if shed:
            self.rows.append(("shed", [(x, -1.0) for x in shed], -self.load.shed_core_h))
        return Program(
            names=tuple(self.names),
            cost=tuple(self.cost),
            most=tuple(self.most),
            rows=tuple(tuple(row) for _, row, _ in self.rows),
            least=tuple(value for _, _, value in self.rows),
            row_names=tuple(name for name, _, _ in self.rows),
        )

    def _column(self, name: str, cost: float, most: float) -> int:
        """Add a column and return its number."""
        self.names.append(name)
        self.cost.append(cost)
        self.most.append(most)
        return len(self.names) - 1

    def _submitted(self, r: int) -> float:
        return float(self.load.submitted[r].sum())

    def _price(self, k: int, t: int) -> float:
        return 0.0 if self.price.kwh is None else float(self.price.kwh[k, t])

    def _machines(self, t: int, hours: float) -> list[tuple[int, tuple[float, float, float]]]:
        """Add machine-hours at each load of each type; return their columns and what they hold."""
        on: list[tuple[int, tuple[float, float, float]]] = []
        for k, plant in enumerate(self.plants):
            most, own = plant.count * hours, []
            for i, (cores, watts) in enumerate(plant.points):
                kwh = (watts - plant.rest_w) / W_PER_KW
                cost = self.price.machine_h + self._price(k, t) * kwh
                own.append(self._column(f"{plant.name} {i} {t}", cost, most))
                on.append((own[-1], (cores, plant.memory_gib, plant.gpus)))
            self.rows.append((f"{plant.name} {t}", [(x, -1.0) for x in own], -most))
        if self.load.least_on:
            self.rows.append((f"on {t}", [(x, 1.0) for x, _ in on], self.load.least_on * hours))
        return on

    def _work(self, r: int, t: int) -> int:
        """Add what is done for batch in one step; a GPU's work draws what any does at least."""
        cost = 0.0
        if RESOURCES[r] == "gpu_h":
            spans = [
                self._price(k, t) * plant.gpu_span_w / W_PER_KW
                for k, plant in enumerate(self.plants)
                if plant.gpus > 0
            ]
            cost = min(spans, default=0.0)
        return self._column(f"{RESOURCES[r]} for batch {t}", cost, self._submitted(r))

    def _waiting(self, r: int, t: int, work: int, before: list[int]) -> int:
        """Add what waits after a step: at most what waited, and came, less what was done."""
        left = self._column(f"{RESOURCES[r]} waiting {t}", 0.0, self._submitted(r))
        row = [(work, -1.0), (left, -1.0), *((x, 1.0) for x in before)]
        self.rows.append((f"{RESOURCES[r]} waiting {t}", row, -float(self.load.submitted[r, t])))
        return left
