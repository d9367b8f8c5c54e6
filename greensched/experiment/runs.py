"""The runs of a table, kept where they were made, as one may have to go on to another's end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from greensched.accounting import Totals, account, total
from greensched.engine.simulate import Simulation
from greensched.experiment.evaluate import Ground, accounted, missing
from greensched.experiment.partition import replicas_at_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from greensched.engine.result import RunResult
    from greensched.experiment.combinations import Combination, Sets
    from greensched.experiment.evaluate import Task
    from greensched.experiment.executor import Executor, Tell
    from greensched.experiment.lent import Lent
    from greensched.experiment.partition import Partition
    from greensched.experiment.tally import Tally
    from greensched.model import Policy

    Plan = tuple[Partition, tuple[Policy, ...]]
    Plans = dict[str, Plan]

_NUMBERS: Final = itertools.count()  # of simulations, in the process that asks for them
_LIVE: Final[dict[int, Simulation]] = {}  # those that have ended here and may go on


class Runs:
    """The runs of a table; a context manager, as they are kept to go on with."""

    def __init__(
        self,
        lent: Lent,
        plans: Plans,
        executor: Executor,
        counted: Tally,
        sets: Sets | None,
    ) -> None:
        """Number the runs; equal ones are run once, and some of `sets` begun beside them."""
        self.lent, self.plans, self.executor, self.counted = lent, plans, executor, counted
        self._place: dict[str, int] = {}
        self._tasks: list[_Task] = []
        for name, plan in plans.items():
            same = [i for i, t in enumerate(self._tasks) if _equal(t.plan, plan)]
            self._place[name] = same[0] if same else len(self._tasks)
            if not same:
                self._add(name, plan)
        self._table = len(self._tasks)
        self._goes_on = sets is not None  # sets may end later than the baseline
        self._ahead: dict[tuple[Policy, ...], int] = {}
        if sets is not None:
            self._look_ahead(sets)

    def _add(self, name: str, plan: Plan) -> None:
        """Add a run, with a number of its own."""
        task = _Task(number=next(_NUMBERS), name=name, lent=self.lent, plan=plan)
        self._tasks.append(task)

    def _look_ahead(self, sets: Sets) -> None:
        """Let processes that have no run of the table's last round begin with sets, the largest.

        The scenario, in the first process, takes longer than what stands beside it.
        """
        fleet, switches = self.plans["scenario"]
        told = [self.plans[name][1] for name in known(self.plans)]
        others = sorted(missing(sets, switches, fleet, told), key=len, reverse=True)
        for policies in others[: -self._table % self.executor.workers]:
            self._ahead[policies] = len(self._tasks)
            self._add(" + ".join(p.kind for p in policies) or "no switch", (fleet, policies))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what is kept in this process."""
        for task in self._tasks:
            _LIVE.pop(task.number, None)

    def results(self) -> dict[str, RunResult]:
        """Return the runs, all until baseline and scenario have ended.

        What stands beside these two may need longer, and is then priced longer.
        """
        ends_ms = self.executor.map(_finished, self._tasks, self.counted)
        end_ms = max(ends_ms[self._place[name]] for name in ("baseline", "scenario"))
        items = [
            (task.number, end_ms, self._goes_on and i == self._place["baseline"])
            for i, task in enumerate(self._tasks[: self._table])
        ]
        results = self.executor.map(_extended, items, None)
        return {name: results[i] for name, i in self._place.items()}

    def begun(self, tasks: Sequence[Task]) -> dict[tuple[Policy, ...], list[Combination]]:
        """Return what those of `tasks` give that were begun beside the table, by their others."""
        if not self._ahead:
            return {}
        items: list[tuple[int, Task] | None] = [None] * len(self._tasks)
        for task in tasks:
            if (place := self._ahead.get(task.others)) is not None:
                items[place] = self._tasks[place].number, task
        found = self.executor.map(_accounted_for, items, None)
        return {others: found[place] for others, place in self._ahead.items()}

    def baseline_until(self, ends_ms: Iterable[int], ground: Ground) -> dict[int, Totals]:
        """Return the baseline's totals until each of `ends_ms`, later than its own end."""
        place = self._place["baseline"]
        later = _Later(
            number=self._tasks[place].number, ends_ms=tuple(sorted(ends_ms)), ground=ground
        )
        items = [later if i == place else None for i in range(len(self._tasks))]
        return self.executor.map(_gone_on, items, None)[place]


def known(plans: Plans) -> list[str]:
    """Return the names of runs that tell of sets of switches: those on the scenario's machines.

    Where these are bought for its switches (`pools`), no switch runs on machines of its own.
    """
    names = [name for name, plan in plans.items() if plan[0] is plans["scenario"][0]]
    if all(plans[name][1] for name in names):
        names += [name for name in ("baseline", "static_peak") if not plans[name][1]][:1]
    return names


def _equal(a: Plan, b: Plan) -> bool:
    """Say whether two plans are one run."""
    return a[0] is b[0] and a[1] == b[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A run to be carried out, and the number under which it is kept."""

    number: int
    name: str
    lent: Lent
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Later:
    """A kept run to go on with, and the ends until which its totals are wanted."""

    number: int
    ends_ms: tuple[int, ...]
    ground: Ground


def _finished(task: _Task, tell: Tell) -> int:
    """Carry out a run and keep it; return its end [ms]."""
    partition, policies = task.plan
    world = task.lent.world
    setting = world.setting(
        task.name,
        policies=policies,
        roles=partition.roles,
        replicas=replicas_at_start(world, partition, policies, short=partition.unplaced > 0),
        places=partition.places,
    )
    simulation = Simulation(setting, _teller(tell, task.name)).finish()
    _LIVE[task.number] = simulation
    return simulation.end_ms


def _extended(task: tuple[int, int, bool], _tell: Tell) -> RunResult:
    """Return the result of a run until at least an end [ms]; it is kept where asked for."""
    number, end_ms, keep = task
    simulation = _LIVE[number] if keep else _LIVE.pop(number)
    return simulation.extend(end_ms).result()


def _accounted_for(begun: tuple[int, Task] | None, _tell: Tell) -> list[Combination]:
    """Return what a task gives by a kept run; it is kept no longer."""
    if begun is None:
        return []
    number, task = begun
    return accounted(task, _LIVE.pop(number))


def _gone_on(later: _Later | None, _tell: Tell) -> dict[int, Totals]:
    """Return the totals of a kept run until later ends [ms]; it is kept no longer."""
    found: dict[int, Totals] = {}
    if later is None:
        return found
    simulation, ground = _LIVE.pop(later.number), later.ground
    for end_ms in later.ends_ms:
        late = end_ms > ground.priced_ms
        factors = ground.lent.world.factors(end_ms) if late else ground.factors
        found[end_ms] = total(account(simulation.extend(end_ms).result().usage, factors))
    return found


def _teller(tell: Tell, name: str) -> Callable[[float], None] | None:
    """Return the progress of one run under its name."""
    if tell is None:
        return None
    return lambda share: tell(name, share)
