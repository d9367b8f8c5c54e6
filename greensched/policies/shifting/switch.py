"""The switch `shifting`: a policy of shifting at work in a run, on the machines there are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np

from greensched.errors import Finding
from greensched.model import NONE, OUT, ROLE_CODES, Hold, Release, Resume
from greensched.policies.memory import frozen
from greensched.policies.settings import check
from greensched.policies.shifting.calendar import NextWorkday, SemiWeekly
from greensched.policies.shifting.compiled import CompiledPlan
from greensched.policies.shifting.control import Planned, Shifting
from greensched.policies.shifting.starts import CarbonTime, LowestSlot, LowestWindow, NoWait
from greensched.policies.shifting.suspended import Ecovisor, WaitAwhile
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.model import Action, Snapshot, WaitingView
    from greensched.ticks import TickIntensity

_ALL: Final[tuple[Any, ...]] = (
    *(CarbonTime, Ecovisor, LowestSlot, LowestWindow, NextWorkday),
    *(NoWait, CompiledPlan, SemiWeekly, WaitAwhile),
)
_BY_NAME: Final = {policy.kind: policy for policy in _ALL}
_OWN: Final = ("solver", "cpu_m", "checkpoint_ms", "hysteresis", "step_ms")
_WORDS: Final = {"cpu_m": "cores", "checkpoint_ms": "checkpoint", "step_ms": "step"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonShifting:
    """Hold deferrable jobs, and pause interruptible ones, as `policy` plans by forecast carbon.

    Asked every `period_ms`. No job waits longer than `max_delay_ms`, nor than its class and its
    deadline let it. The other settings are those of `policy` (None: its own default), refused
    where it has none such. Where nothing to come differs, or nothing is known, all run at once.

    `plan` has a cap: `cpu_m`, or so many cores that with the jobs which may not wait it fills
    `fill_share` of batch's own machines, as they are now. Without such machines it has none.
    """

    kind: ClassVar[str] = "shifting"
    shifts: ClassVar[bool] = True
    oracle: ClassVar[bool] = False
    policy: Literal[
        "carbon-time",
        "ecovisor",
        "lowest-slot",
        "lowest-window",
        "next-workday",
        "no-wait",
        "plan",
        "semi-weekly",
        "wait-awhile",
    ] = "plan"
    max_delay_ms: int = MS_PER_DAY
    period_ms: int = MS_PER_H
    fill_share: float = 0.8
    solver: Literal["greedy", "exact"] | None = None
    cpu_m: int | None = None
    checkpoint_ms: int | None = None
    hysteresis: float | None = None
    step_ms: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, all at once."""
        found = [
            Finding(where=name, what=f"'{self.policy}' has no '{_WORDS.get(name, name)}'")
            for name in self._given()
            if name not in _names(self.policy)
        ]
        check(
            self,
            positive=("period_ms", "fill_share"),
            natural=("max_delay_ms",),
            shares=("fill_share",),
            findings=found,
        )
        self._at_work(NONE)

    def _given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _OWN if getattr(self, name) is not None}

    def _at_work(self, cpu_m: int) -> Shifting:
        """Return the policy as it is asked again and again, under a cap where it knows one."""
        capped = {"cpu_m": cpu_m} if self.policy == CompiledPlan.kind else {}
        policy = _BY_NAME[self.policy](**(capped | self._given()))
        return Shifting(policy=policy, period_ms=self.period_ms)

    def first_memory(self) -> Planned:
        """Return the memory before the first wake."""
        return self._at_work(NONE).first_memory()

    def decide(self, snapshot: Snapshot, memory: Planned) -> tuple[tuple[Action, ...], Planned]:
        """Return who starts, pauses and goes on before the next wake, and what was promised."""
        waiting, carbon = snapshot.waiting, snapshot.carbon
        if waiting is None or self.policy == NoWait.kind:
            return (), memory
        if carbon is None or _is_flat(carbon):
            return _at_once(snapshot.now_ms, waiting), self.first_memory()
        if not len(waiting.job):
            return (Hold(),), self.first_memory()
        at_work = self._at_work(self._cap_cpu_m(snapshot, waiting))
        most = getattr(at_work.policy, "cpu_m", NONE)
        if most != NONE:  # a job that is larger than all that is left is to start some time too
            waiting = replace(waiting, cpu_m=np.minimum(waiting.cpu_m, most))
        shifts, memory = at_work.decide(snapshot.now_ms, waiting, carbon, memory)
        return (Hold(), *shifts), memory

    def _cap_cpu_m(self, snapshot: Snapshot, waiting: WaitingView) -> int:
        """Return what jobs that wait may fill beside the others that run; NONE: as much as is."""
        machines = snapshot.machines
        own = (machines.role == ROLE_CODES["batch"]) & ~machines.surplus & (machines.state != OUT)
        if not own.any():
            return NONE
        others = int(machines.batch_cpu_m.sum() - waiting.cpu_m[waiting.running].sum())
        return max(1, int(self.fill_share * machines.cpu_m[own].sum()) - max(0, others))


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonShiftingOracle(CarbonShifting):
    """The same with the intensity that will come true: for comparison only."""

    kind: ClassVar[str] = "shifting-oracle"
    oracle: ClassVar[bool] = True


def _names(policy: str) -> frozenset[str]:
    """Return the names of the settings of `policy`."""
    return frozenset(field.name for field in fields(_BY_NAME[policy]))


def _is_flat(carbon: TickIntensity) -> bool:
    """Say whether no time to come is cleaner than another."""
    units = carbon.units[:-1]
    return bool((units == units[0]).all())


def _at_once(now_ms: int, waiting: WaitingView) -> tuple[Action, ...]:
    """Return the start or resumption of all that does not run."""
    new, paused = (waiting.job[~waiting.running & (waiting.started == s)] for s in (False, True))
    found: list[Action] = []
    if len(new):
        at_ms, site = frozen(np.full(len(new), now_ms)), frozen(np.full(len(new), NONE))
        found.append(Release(jobs=frozen(new), at_ms=at_ms, site=site))
    if len(paused):
        at_ms = frozen(np.full(len(paused), now_ms))
        found.append(Resume(jobs=frozen(paused), at_ms=at_ms))
    return tuple(found)
