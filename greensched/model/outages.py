"""Outages: when machines are out of service, because they failed or for maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from greensched.model.codes import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """Outages of machines (numbers in fleet order), one row each; of one machine none touch.

    From `leave_ms` on a machine takes nothing new, from `from_ms` on it is out, and at `until_ms`
    it is back; a failure is not announced, so both are equal. Sorted by machine and time.
    """

    machine: IntArray
    leave_ms: IntArray
    from_ms: IntArray
    until_ms: IntArray

    def __len__(self) -> int:
        """Return the number of outages."""
        return len(self.machine)


def merged(
    machine: IntArray, leave_ms: IntArray, from_ms: IntArray, until_ms: IntArray
) -> Outages:
    """Return outages of which those of one machine that meet are one.

    It begins as the first of them, and ends with the last: a machine that fails while it leaves
    for maintenance stays out until that is over.
    """
    order = np.lexsort((until_ms, from_ms, leave_ms, machine))
    rows: list[list[int]] = []
    columns = (machine, leave_ms, from_ms, until_ms)
    for row in zip(*(c[order].tolist() for c in columns), strict=True):
        last = rows[-1] if rows else None
        if last is not None and last[0] == row[0] and row[1] <= last[3]:
            last[2], last[3] = min(last[2], row[2]), max(last[3], row[3])
        else:
            rows.append([*row])
    table = np.array(rows, np.int64).reshape(len(rows), 4)
    table.flags.writeable = False
    return Outages(
        machine=table[:, 0], leave_ms=table[:, 1], from_ms=table[:, 2], until_ms=table[:, 3]
    )
