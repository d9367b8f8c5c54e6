"""What happens to machines from outside, in the order in which it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.engine.kernels.layout import C_FAIL, C_LEAVE, C_RETURN

if TYPE_CHECKING:
    from greensched.model import IntArray, Outages


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """At `at_ms` these machines come back, leave or are out: one operation of `control`."""

    at_ms: int
    operation: int
    machines: IntArray


def events(outages: Outages) -> list[Event]:
    """Return the events of outages by time; what is over ends before anything else begins."""
    announced = outages.leave_ms < outages.from_ms
    parts = (
        (C_RETURN, outages.until_ms, outages.machine),
        (C_LEAVE, outages.leave_ms[announced], outages.machine[announced]),
        (C_FAIL, outages.from_ms, outages.machine),
    )
    at_ms = np.concatenate([times for _, times, _ in parts])
    machine = np.concatenate([rows for _, _, rows in parts])
    rank = np.repeat(np.arange(len(parts)), [len(rows) for _, _, rows in parts])
    order = np.lexsort((machine, rank, at_ms))
    at_ms, machine, rank = at_ms[order], machine[order], rank[order]
    starts = np.flatnonzero((np.diff(at_ms) != 0) | (np.diff(rank) != 0)) + 1
    return [
        Event(at_ms=int(at_ms[rows[0]]), operation=parts[rank[rows[0]]][0], machines=machine[rows])
        for rows in np.split(np.arange(len(order)), starts)
        if len(rows)
    ]
