"""The mean load of every hour of the week, from history alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.forecast.calendar import DAYS_PER_WEEK, SLOTS, WEEK_SLOTS
from greensched.units import H_PER_DAY

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray


def profile(
    load_cpu_m: FloatArray, slots: IntArray, stand_ins: IntArray, *, weekly: bool
) -> FloatArray:
    """Return float64[S, SLOTS]: the mean load [millicores] in each hour of the week.

    `load_cpu_m` [S, T] with the slot [T] of each step; `stand_ins` [7] as the calendar gives
    them. Where not `weekly` every day is taken for alike. Days that break their week do not count
    in the ordinary slots. Their own slots hold what their stand-in has in it, for a service whose
    history shows that such days are nearer to that than to their weekday, else (also where
    history has no such day) what their weekday has.
    """
    ordinary = slots < WEEK_SLOTS
    day_hour = slots % H_PER_DAY
    hours = _means(load_cpu_m, day_hour, H_PER_DAY, load_cpu_m.mean(axis=1, keepdims=True))
    usual = (
        hours
        if not ordinary.any()
        else _means(load_cpu_m[:, ordinary], day_hour[ordinary], H_PER_DAY, hours)
    )
    week = np.tile(usual, WEEK_SLOTS // H_PER_DAY)
    if not weekly:
        return np.tile(week, SLOTS // WEEK_SLOTS)
    week = _means(load_cpu_m[:, ordinary], slots[ordinary], WEEK_SLOTS, week)
    days = week.reshape(len(week), DAYS_PER_WEEK, H_PER_DAY)
    other = days[:, stand_ins, :].reshape(week.shape)
    broken = slots[~ordinary] - WEEK_SLOTS
    seen = load_cpu_m[:, ~ordinary]
    away = np.abs(seen - week[:, broken]).sum(axis=1)
    near = np.abs(seen - other[:, broken]).sum(axis=1)
    return np.concatenate([week, np.where((near < away)[:, np.newaxis], other, week)], axis=1)


def _means(
    load_cpu_m: FloatArray, slots: IntArray, count: int, otherwise: FloatArray
) -> FloatArray:
    """Return [S, count]: the mean of each slot, `otherwise` where no step is in it."""
    steps = np.bincount(slots, minlength=count)
    order = np.argsort(slots, kind="stable")
    starts = np.flatnonzero(np.diff(slots[order], prepend=-1))
    sums = np.zeros((len(load_cpu_m), count))
    sums[:, slots[order][starts]] = np.add.reduceat(load_cpu_m[:, order], starts, axis=1)
    return np.where(steps > 0, sums / np.maximum(steps, 1), otherwise)
