"""Least emissions of jobs under a cap on cores: a transport problem; without pauses, a MILP.

Divisible work: job j may run on x[j, s] ticks of slot s,

    min sum v_s x_js   with  sum_s x_js = l_j,  sum_j c_j x_js <= C width_s,  0 <= x_js <= ticks_js

a lower bound of what any schedule on C cores emits. Jobs with the same window and length are one
class of their cores in sum, which changes no optimum and makes the program several times smaller.

Source: HiGHS, Huangfu and Hall, Mathematical Programming Computation 10 (2018) 119, doi
10.1007/s12532-017-0130-5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import Finding, InternalError, UsageError

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray
    from greensched.ticks import TickIntensity, TickJobs

COLUMNS_MAX: Final = 4_000_000
STARTS_MAX: Final = 20_000  # of the MILP
DEAR: Final = 1_000.0  # what late work costs, in largest intensities


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Ticks [not whole] of each job in each slot, `late` ticks that find no room in the window.

    `least` is the least sum of intensity [g/kWh] x cores [thousandths] x ticks; a bound where no
    work is late.
    """

    job: IntArray
    slot: IntArray
    ticks: FloatArray
    late: FloatArray
    least: float


class Transport:
    """The program of one list of jobs, solved again for each intensity from where it stands."""

    def __init__(
        self,
        jobs: TickJobs,
        intensity: TickIntensity,
        cpu_m: int,
        room: FloatArray | None = None,
    ) -> None:
        """Build the program; intensity gives the slots, its values are asked for later.

        `room` [thousandths of a core x ticks] is what each slot up to the last of all windows has,
        by default all of `cpu_m`. Raises UsageError where it is too large.
        """
        stop = jobs.latest + jobs.length
        key = np.stack((jobs.arrival, stop, jobs.length), axis=1)
        kinds, self._kind = np.unique(key, axis=0, return_inverse=True)
        self._kind = self._kind.ravel()
        self._jobs, self._length = jobs, kinds[:, 2]
        self._weight = np.bincount(self._kind, weights=jobs.cpu_m)
        first, last = intensity.slot(kinds[:, 0]), intensity.slot(kinds[:, 1] - 1)
        count = last - first + 1
        if int(count.sum()) > COLUMNS_MAX:
            what = f"{int(count.sum()):,} variables, more than {COLUMNS_MAX:,}"
            raise UsageError(Finding(where="plan, exact", what=what, remedy="take the greedy one"))
        self._row = np.repeat(np.arange(len(kinds)), count)
        begin = np.repeat(np.cumsum(count) - count, count)
        self._slot = np.arange(len(self._row)) - begin + np.repeat(first, count)
        self._ticks = np.minimum(intensity.edge(self._slot + 1), kinds[self._row, 1]) - np.maximum(
            intensity.edge(self._slot), kinds[self._row, 0]
        )
        self._model: Any = None
        slots = len(intensity.values_g_per_kwh)
        self._room = np.full(slots, float(cpu_m) * intensity.width) if room is None else room

    def solve(self, intensity: TickIntensity) -> Flow:
        """Return the optimum for the values of `intensity`, on its slots.

        The first call builds and solves; later ones change costs and go on from the last basis.
        Raises InternalError where the solver fails.
        """
        import highspy

        cost = intensity.values_g_per_kwh[self._slot]
        dear = np.full(len(self._length), DEAR * float(cost.max(initial=1.0)))
        costs = np.concatenate((cost, dear))
        if self._model is None:
            self._model = self._built(costs)
        else:
            columns = np.arange(len(costs), dtype=np.int32)
            self._model.changeColsCost(len(costs), columns, costs)
        self._model.run()
        status = self._model.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            message = f"HiGHS: {self._model.modelStatusToString(status)}"
            raise InternalError(message)
        found = np.array(self._model.getSolution().col_value)
        return self._flow(found, cost)

    def _built(self, costs: FloatArray) -> Any:
        """Return the solver with the program in it: a row a class, then one a slot."""
        import highspy

        classes, n = len(self._length), len(self._slot)
        slots, self._slot_row = np.unique(self._slot, return_inverse=True)
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = n + classes, classes + len(slots)
        work = self._length * self._weight
        model.col_cost_ = costs
        model.col_lower_ = np.zeros(n + classes)
        model.col_upper_ = np.concatenate((self._ticks * self._weight[self._row], work))
        model.row_lower_ = np.concatenate((work, np.full(len(slots), -highspy.kHighsInf)))
        model.row_upper_ = np.concatenate((work, self._room[slots]))
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        index = np.stack((self._row, classes + self._slot_row.ravel()), axis=1).ravel()
        model.a_matrix_.index_ = np.concatenate((index, np.arange(classes))).astype(np.int32)
        starts = np.concatenate((np.arange(0, 2 * n, 2), np.arange(2 * n, 2 * n + classes + 1)))
        model.a_matrix_.start_ = starts.astype(np.int32)
        model.a_matrix_.value_ = np.ones(2 * n + classes)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)  # noqa: FBT003 highspy's own signature
        solver.setOptionValue("threads", 1)
        solver.passModel(model)
        return solver

    def _flow(self, found: FloatArray, cost: FloatArray) -> Flow:
        """Return the classes' core-ticks as ticks of their jobs, each having its part."""
        n = len(cost)
        ticks = found[:n] / self._weight[self._row]
        late = found[n:] / self._weight
        kept = np.flatnonzero(ticks > 0)
        of_kind = np.argsort(self._kind, kind="stable")
        jobs_in = np.bincount(self._kind, minlength=len(self._length))
        begin = np.cumsum(jobs_in) - jobs_in
        many = jobs_in[self._row[kept]]
        entry = np.repeat(kept, many)
        rank = np.arange(len(entry)) - np.repeat(np.cumsum(many) - many, many)
        return Flow(
            job=of_kind[begin[self._row[entry]] + rank],
            slot=self._slot[entry],
            ticks=ticks[entry],
            late=late[self._kind],
            least=float(np.dot(found[:n], cost)),
        )


def least_contiguous(jobs: TickJobs, intensity: TickIntensity, cpu_m: int) -> IntArray | None:
    """Return the starts of least emissions on `cpu_m` cores without pauses, None if none fit.

    One binary variable for each job and start: for small cases. Raises UsageError for more than
    20,000 of them.
    """
    import highspy

    count = jobs.latest - jobs.arrival + 1
    n = int(count.sum())
    if n > STARTS_MAX:
        what = f"{n:,} possible starts, more than {STARTS_MAX:,}"
        remedy = "take the greedy solver, longer ticks, or jobs that may pause without checkpoints"
        raise UsageError(Finding(where="plan, exact", what=what, remedy=remedy))
    job = np.repeat(np.arange(len(jobs)), count)
    start = np.arange(n) - np.repeat(np.cumsum(count) - count, count) + jobs.arrival[job]
    length, need = jobs.length[job], jobs.cpu_m[job]
    column = np.repeat(np.arange(n), length)
    tick = np.arange(len(column)) - np.repeat(np.cumsum(length) - length, length) + start[column]
    ticks, row = np.unique(tick, return_inverse=True)
    emitted = intensity.emitted(start, start + length).astype(float) * need
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)  # noqa: FBT003 highspy's own signature
    model.setOptionValue("threads", 1)
    model.setOptionValue("mip_rel_gap", 0.0)
    x = [model.addBinary(obj=float(cost)) for cost in emitted / max(1.0, emitted.max(initial=1.0))]
    order = np.argsort(job, kind="stable")
    for mine in np.split(order, np.cumsum(count)[:-1]):
        model.addConstr(sum(x[k] for k in mine) == 1)
    for t in range(len(ticks)):
        at = column[row.ravel() == t]
        model.addConstr(sum(float(need[k]) * x[k] for k in at) <= float(cpu_m))
    model.run()
    if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    chosen = np.array(model.getSolution().col_value) > 0.5  # noqa: PLR2004 a binary
    starts: IntArray = start[chosen]
    return starts
