"""The right-sizing optimum: how many machines to keep on when the load is known in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from greensched.model import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RightSizing:
    """The cheapest plan: machines on [T], its cost, and how often one is switched on."""

    on: IntArray
    cost: float
    switches: int


def right_sizing(need: IntArray, keeping: float, switching: float) -> RightSizing:
    """Return the plan on_t >= need_t of least cost, in closed form.

    Minimises sum_t keeping x on_t + switching x sum_t max(0, on_t - on_{t-1}) with on = 0
    before and after. The k-th machine is needed where need_t >= k, whatever the others do, so
    the levels part: each is kept on through an idle gap of g steps iff g x keeping <
    switching. `need` [T] machines; both costs in one unit, such as [kWh] a machine and step and
    [kWh] a switch.

    Source: Lin, Wierman, Andrew, Thereska, IEEE/ACM Transactions on Networking 21 (2013) 1378
    (doi 10.1109/TNET.2012.2226216) for the model; Albers and Quedenfeld, SPAA 2018, for the
    discrete optimum. Loose because the load is known ahead, machines switch at once and what runs
    on them moves for nothing.
    """
    on = np.asarray(need, np.int64).copy()
    ended: list[tuple[int, int]] = []  # (level, last step that needed it), levels falling
    for now, level in enumerate(need.tolist()):
        while ended and ended[-1][0] <= level:
            _bridge(on, *ended.pop(), now, keeping, switching)
        if level > 0:
            if ended:  # levels above were needed before, and `level` of them are again
                _bridge(on, level, ended[-1][1], now, keeping, switching)
            ended.append((level, now))
    switches = int(np.maximum(np.diff(on, prepend=0), 0).sum())
    cost = keeping * int(on.sum()) + switching * switches
    return RightSizing(on=on, cost=cost, switches=switches)


def _bridge(
    on: IntArray, level: int, last: int, now: int, keeping: float, switching: float
) -> None:
    """Keep `level` machines on between the steps `last` and `now`, where that costs less."""
    if (now - last - 1) * keeping < switching:
        np.maximum(on[last + 1 : now], level, out=on[last + 1 : now])
