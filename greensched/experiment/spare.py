"""Machines kept for when others are out, so that what serves is as much as without outages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from greensched.experiment.world import Shared
    from greensched.model import BoolArray, IntArray, Outages


def spares(shared: Shared, serving: IntArray, candidates: IntArray) -> IntArray:
    """Return the first of `candidates` that make up for the machines of `serving` that are out.

    Counted are CPU and memory, at every instant of the window. Candidates that are out whenever
    they are needed (those of a site that is out as a whole) are passed over.
    """
    outages, window_ms = shared.outages, shared.scenario.window_ms
    none = np.empty(0, np.int64)
    if outages is None:
        return none
    times = np.unique(np.append(outages.leave_ms, outages.until_ms))
    times = times[times < window_ms]
    held = np.repeat(
        [
            (kind.cpu_m - kind.reserved_cpu_m, kind.memory_mib - kind.reserved_memory_mib)
            for kind in shared.fleet
        ],
        [kind.count for kind in shared.fleet],
        axis=0,
    )
    missing = np.zeros((len(times), 2), np.int64)  # CPU [millicores] and memory [MiB]
    for machine in serving[np.isin(serving, outages.machine)].tolist():
        missing[_out(outages, machine, times)] += held[machine]
    chosen = []
    for machine in candidates.tolist():
        if not (missing > 0).any():
            break
        there = ~_out(outages, machine, times)
        if (missing[there] > 0).any():
            missing[there] -= held[machine]
            chosen.append(machine)
    return np.array(chosen, np.int64)


def _out(outages: Outages, machine: int, times: IntArray) -> BoolArray:
    """Return of each instant whether the machine leaves or is out."""
    out = np.zeros(len(times), np.bool_)
    first, last = np.searchsorted(outages.machine, (machine, machine + 1))
    for row in range(first, last):
        out |= (outages.leave_ms[row] <= times) & (times < outages.until_ms[row])
    return out


def out_at_once(shared: Shared) -> int | None:
    """Return the most machines of the fleet out at once in the window; None without outages."""
    outages = shared.outages
    if outages is None:
        return None
    inside = outages.from_ms < shared.scenario.window_ms
    times = np.concatenate([outages.from_ms[inside], outages.until_ms[inside]])
    change = np.repeat([1, -1], int(inside.sum()))
    running = np.cumsum(change[np.lexsort((change, times))])  # what is over ends first
    return int(running.max(initial=0))
