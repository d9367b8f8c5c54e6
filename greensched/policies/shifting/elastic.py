"""Jobs that scale: how wide a job runs in each slot, by carbon.

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
    workers x share.
    """

    share: FloatArray
    emitted: float

    @property
    def most(self) -> IntArray:
        """Return the largest number of workers in each slot."""
        counts = np.arange(1, self.share.shape[1] + 1)
        return np.asarray(((self.share > 0) * counts).max(axis=1), np.int64)


def scaled(
    intensity_g_per_kwh: FloatArray, throughput: FloatArray, work: float, *, exact: bool = False
) -> Widths:
    """Return the widths of least emissions that do `work` in the slots of the window.

    `exact` solves the MILP whatever the profile; the other way is exact for concave profiles, and
    used for these alone. Raises UsageError where throughput falls with workers or the window is
    too short.
    """
    gains = np.diff(throughput, prepend=0.0)
    if bool(np.any(gains < 0)) or throughput[-1] <= 0:
        what = "throughput falls with the number of workers"
        raise UsageError(Finding(where="throughput", what=what, remedy="give its upper envelope"))
    if float(throughput[-1]) * len(intensity_g_per_kwh) < work * (1.0 - ROUNDING):
        what = f"{work:g} of work do not fit into {len(intensity_g_per_kwh)} slots"
        raise UsageError(Finding(where="work", what=what, remedy="give more slots or workers"))
    if exact or bool(np.any(np.diff(gains) > ROUNDING * gains.max())):
        return _milp(intensity_g_per_kwh, throughput, work)
    return _greedy(intensity_g_per_kwh, gains, work)


def _greedy(values: FloatArray, gains: FloatArray, work: float) -> Widths:
    """Take worker after worker of the least emissions for its work, of equals the earliest."""
    slots, widths = len(values), len(gains)
    with np.errstate(divide="ignore"):
        price = (values[:, None] / gains[None, :]).ravel()
    slot, width = np.divmod(np.argsort(price, kind="stable"), widths)
    done = np.cumsum(gains[width])
    last = min(int(np.searchsorted(done, work * (1.0 - ROUNDING))), len(done) - 1)
    before = float(done[last - 1]) if last else 0.0
    part = min(1.0, (work - before) / float(gains[width[last]]))
    full = np.bincount(slot[:last], minlength=slots)
    share = np.zeros((slots, widths + 1))
    share[np.arange(slots), full] = 1.0
    share[slot[last], full[slot[last]]] = 1.0 - part
    share[slot[last], full[slot[last]] + 1] = part
    return _widths(values, share[:, 1:])


def _widths(values: FloatArray, share: FloatArray) -> Widths:
    counts = np.arange(1, share.shape[1] + 1)
    return Widths(share=share, emitted=float((share * counts * values[:, None]).sum()))


def _milp(values: FloatArray, throughput: FloatArray, work: float) -> Widths:
    """Return the optimum over one width a slot, and one slot in which widths may change."""
    import highspy

    slots, widths = len(values), len(throughput)
    model = highspy.Highs()
    for name, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 0.0)):
        model.setOptionValue(name, value)
    cost = values[:, None] * np.arange(1, widths + 1)
    prices = (cost / float(cost.max())).tolist()
    full = [[model.addBinary(obj=c) for c in row] for row in prices]
    part = [[model.addVariable(0, 1, obj=c) for c in row] for row in prices]
    changes = [model.addBinary() for _ in range(slots)]
    model.addConstr(sum(changes) <= 1)
    for s in range(slots):
        model.addConstr(sum(full[s]) + changes[s] <= 1)
        model.addConstr(sum(part[s]) - changes[s] <= 0)
    done = sum(
        float(throughput[n]) * (full[s][n] + part[s][n])
        for s in range(slots)
        for n in range(widths)
    )
    model.addConstr(done >= work)
    model.run()
    if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        message = f"HiGHS: {model.modelStatusToString(model.getModelStatus())}"
        raise InternalError(message)
    found = np.array(model.getSolution().col_value)[: 2 * slots * widths]
    whole, parts = found.reshape(2, slots, widths)
    return _widths(values, whole.round() + parts)
