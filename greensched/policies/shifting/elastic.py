"""A job that scales: how wide it runs in each slot, by carbon.

A job of so much work may run on 1 .. m workers; n workers do `throughput[n - 1]` in a slot and
take n x the power of one. Where the next worker never does more than the one before (a concave
profile), taking the most work for the least emissions, worker by worker, is optimal; else a MILP
is solved.

Source: Hanafy, Liang, Bashir, Irwin and Shenoy, CarbonScaler: Leveraging Cloud Workload Elasticity
for Optimizing Carbon-Efficiency, Proc. ACM Meas. Anal. Comput. Syst. 7 (2023), section 3.3, doi
10.1145/3626788.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import Finding, InternalError, UsageError

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray

ROUNDING = 1e-9  # of work, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """`share[s, n - 1]`: for which part of slot s the job runs on n workers.

    In every slot but one it keeps one width, or does not run. `emitted` is the sum of intensity x
    workers x time.
    """

    share: FloatArray
    emitted: float

    @property
    def most(self) -> IntArray:
        """Return the largest number of workers in each slot."""
        counts = np.arange(1, self.share.shape[1] + 1)
        return np.asarray(((self.share > 0) * counts).max(axis=1), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The slots that a job may use: intensity, how long each is, the most workers in it."""

    values_g_per_kwh: FloatArray
    ticks: FloatArray
    widest: IntArray

    def room(self, throughput: FloatArray) -> float:
        """Return the work that fits."""
        return float((np.concatenate(([0.0], throughput))[self.widest] * self.ticks).sum())


def scaled(
    intensity_g_per_kwh: FloatArray, throughput: FloatArray, work: float, *, exact: bool = False
) -> Widths:
    """Return the widths of least emissions that do `work` in equal slots; see `widths_of`."""
    n = len(intensity_g_per_kwh)
    slots = Slots(
        values_g_per_kwh=intensity_g_per_kwh,
        ticks=np.ones(n),
        widest=np.full(n, len(throughput), np.int64),
    )
    return widths_of(slots, throughput, work, exact=exact)


def is_concave(throughput: FloatArray) -> bool:
    """Tell whether no worker adds more than the one before."""
    gains = np.diff(throughput, prepend=0.0)
    return not bool(np.any(np.diff(gains) > ROUNDING * gains.max()))


def widths_of(slots: Slots, throughput: FloatArray, work: float, *, exact: bool = False) -> Widths:
    """Return the widths of least emissions that do `work` in the slots of the window.

    `exact` solves the MILP whatever the profile; the other way is exact for concave profiles, and
    used for these alone. Raises UsageError where throughput falls with workers or the window is
    too short.
    """
    gains = np.diff(throughput, prepend=0.0)
    if bool(np.any(gains < 0)) or throughput[-1] <= 0:
        what = "throughput falls with the number of workers"
        raise UsageError(Finding(where="throughput", what=what, remedy="give its upper envelope"))
    if slots.room(throughput) < work * (1.0 - ROUNDING):
        what = f"{work:g} of work do not fit into {len(slots.ticks)} slots"
        raise UsageError(Finding(where="work", what=what, remedy="give more slots or workers"))
    if exact or not is_concave(throughput):
        return _milp(slots, throughput, work)
    return _greedy(slots, gains, work)


def _greedy(slots: Slots, gains: FloatArray, work: float) -> Widths:
    """Take worker after worker of the least emissions for its work, of equals the earliest."""
    n, widths = len(slots.ticks), len(gains)
    with np.errstate(divide="ignore"):
        price = slots.values_g_per_kwh[:, None] / gains[None, :]
    price[np.arange(widths) >= slots.widest[:, None]] = np.inf
    slot, width = np.divmod(np.argsort(price.ravel(), kind="stable"), widths)
    done = np.cumsum(gains[width] * slots.ticks[slot])
    last = min(int(np.searchsorted(done, work * (1.0 - ROUNDING))), len(done) - 1)
    before = float(done[last - 1]) if last else 0.0
    offered = float(gains[width[last]] * slots.ticks[slot[last]])
    part = min(1.0, (work - before) / offered) if offered else 0.0
    full = np.bincount(slot[:last], minlength=n)
    share = np.zeros((n, widths + 1))
    share[np.arange(n), full] = 1.0
    share[slot[last], full[slot[last]]] = 1.0 - part
    share[slot[last], min(full[slot[last]] + 1, widths)] = part
    return _widths(slots, share[:, 1:])


def _widths(slots: Slots, share: FloatArray) -> Widths:
    counts = np.arange(1, share.shape[1] + 1)
    cost = slots.values_g_per_kwh * slots.ticks
    return Widths(share=share, emitted=float((share * counts * cost[:, None]).sum()))


def _milp(slots: Slots, throughput: FloatArray, work: float) -> Widths:
    """Return the optimum over one width a slot, and one slot in which widths may change."""
    import highspy

    n, widths = len(slots.ticks), len(throughput)
    model = highspy.Highs()
    for name, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 0.0)):
        model.setOptionValue(name, value)
    counts = np.arange(1, widths + 1)
    cost = (slots.values_g_per_kwh * slots.ticks)[:, None] * counts
    prices = (cost / float(cost.max())).tolist()
    most = (counts <= slots.widest[:, None]).astype(float).tolist()
    full = [[model.addBinary(obj=c) for c in row] for row in prices]
    part = [
        [model.addVariable(0, top, obj=c) for c, top in zip(row, tops, strict=True)]
        for row, tops in zip(prices, most, strict=True)
    ]
    changes = [model.addBinary() for _ in range(n)]
    model.addConstr(sum(changes) <= 1)
    for s in range(n):
        model.addConstr(sum(full[s]) + changes[s] <= 1)
        model.addConstr(sum(part[s]) - changes[s] <= 0)
        for k in range(int(slots.widest[s]), widths):
            model.addConstr(full[s][k] <= 0)
    done = sum(
        float(throughput[k] * slots.ticks[s]) * (full[s][k] + part[s][k])
        for s in range(n)
        for k in range(widths)
    )
    model.addConstr(done >= work)
    model.run()
    if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        message = f"HiGHS: {model.modelStatusToString(model.getModelStatus())}"
        raise InternalError(message)
    found = np.array(model.getSolution().col_value)[: 2 * n * widths]
    whole, parts = found.reshape(2, n, widths)
    return _widths(slots, whole.round() + parts)
