"""Least squares within limits: idle power, peak power and PUE that explain what meters read.

    reading = PUE x (idle x (T - S) + peak x S + rest) + fixed

is a line in (idle, peak) at a given PUE, and a line in PUE at given watts: the two are solved in
turn, each step the exact minimum of the same sum of squares, until nothing changes. Each meter's
readings count relative to their mean, so that a rack counts as much as a site.

What cannot be told apart is found before anything is fitted: the derivatives by the logarithm of
each parameter are columns of a matrix, and where a combination of them (a right singular vector)
moves no reading, its parameters are named (Belsley, Kuh and Welsch 1980, Regression Diagnostics,
chapter 3, with columns of length 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

APART: Final = 1e-3  # of the largest singular value; below it a combination moves no reading
TAKES_PART: Final = 0.2  # of a singular vector of length 1
ROUNDS: Final = 10_000
CHANGE: Final = 1e-12  # relative; smaller is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Readings [R] of meters as lines in the watts, before PUE.

    `idle[r, e]` and `peak[r, e]` [s] are what multiplies the watts of entry e, `rest_j[r]` what
    no watts change; `fixed_j[r]` is the site's fixed energy. `site[r]` is the number of the site
    whose PUE multiplies, NONE at an IT meter.
    """

    energy_j: FloatArray
    idle: FloatArray
    peak: FloatArray
    rest_j: FloatArray
    fixed_j: FloatArray
    site: IntArray
    weight: FloatArray  # one over the mean of the meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Idle and peak power [W] by entry of the fleet, and PUE by site."""

    idle_w: FloatArray
    peak_w: FloatArray
    pue: FloatArray

    @property
    def all(self) -> FloatArray:
        """Return them as one row: idle, peak, PUE."""
        return np.concatenate([self.idle_w, self.peak_w, self.pue])

    @classmethod
    def of(cls, row: FloatArray, entries: int) -> Values:
        """Return the values of a row."""
        return cls(idle_w=row[:entries], peak_w=row[entries : 2 * entries], pue=row[2 * entries :])


def predicted(rows: Rows, values: Values) -> FloatArray:
    """Return what the meters would read [J] at `values`."""
    it_j = rows.idle @ values.idle_w + rows.peak @ values.peak_w + rows.rest_j
    found: FloatArray = _pue(rows, values) * it_j + rows.fixed_j
    return found


def _pue(rows: Rows, values: Values) -> FloatArray:
    """Return what multiplies each reading."""
    factor: FloatArray = np.where(rows.site < 0, 1.0, values.pue[np.maximum(rows.site, 0)])
    return factor


def slopes(rows: Rows, values: Values) -> FloatArray:
    """Return the derivatives [R, 2 entries + sites] of weighted readings by log of parameters."""
    pue = _pue(rows, values)
    it_j = (predicted(rows, values) - rows.fixed_j) / pue
    own = rows.site[:, None] == np.arange(len(values.pue))[None, :]
    found = np.hstack(
        [
            pue[:, None] * rows.idle * values.idle_w,
            pue[:, None] * rows.peak * values.peak_w,
            own * (pue * it_j)[:, None],
        ]
    )
    weighted: FloatArray = found * rows.weight[:, None]
    return weighted


def confounded(matrix: FloatArray, free: BoolArray) -> list[list[int]]:
    """Return groups of free parameters (columns of `matrix`) that the readings do not tell apart.

    A parameter that moves no reading is a group of its own.
    """
    columns = np.flatnonzero(free)
    length = np.sqrt((matrix[:, columns] ** 2).sum(axis=0))
    groups = [[int(i)] for i in columns[length == 0.0]]
    columns, length = columns[length > 0.0], length[length > 0.0]
    if not len(columns):
        return groups
    _, sizes, vectors = np.linalg.svd(matrix[:, columns] / length, full_matrices=True)
    sizes = np.append(sizes, np.zeros(len(columns) - len(sizes)))
    for size, vector in zip(sizes, vectors, strict=True):
        if size < APART * sizes[0]:
            groups.append([int(i) for i in columns[np.abs(vector) > TAKES_PART]])
    return groups


def fit(rows: Rows, first: Values, free: BoolArray, low: FloatArray, high: FloatArray) -> Values:
    """Return the values within `low` .. `high` with the least sum of squares; others as `first`.

    `free`, `low` and `high` are rows as `Values.all`.
    """
    entries = len(first.idle_w)
    row = np.clip(first.all, np.where(free, low, -np.inf), np.where(free, high, np.inf))
    watts = np.flatnonzero(free[: 2 * entries])
    sites = np.flatnonzero(free[2 * entries :])
    for _ in range(ROUNDS):
        before = row.copy()
        row = _with_watts(rows, row, entries, watts, (low, high))
        for s in sites:
            row[2 * entries + s] = _best_pue(rows, Values.of(row, entries), int(s))
        row[2 * entries :] = np.clip(row[2 * entries :], low[2 * entries :], high[2 * entries :])
        if np.allclose(before, row, rtol=CHANGE, atol=0.0) or not len(sites):
            break
    return Values.of(row, entries)


def _with_watts(
    rows: Rows,
    row: FloatArray,
    entries: int,
    watts: IntArray,
    limits: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Return `row` with the watts that are best at its PUE, within limits."""
    if not len(watts):
        return row
    values = Values.of(row, entries)
    pue = _pue(rows, values)
    held = row.copy()
    held[watts] = 0.0
    target = (rows.energy_j - predicted(rows, Values.of(held, entries))) * rows.weight
    lines = np.hstack([rows.idle, rows.peak])[:, watts] * (pue * rows.weight)[:, None]
    low, high = (limit[watts] for limit in limits)
    row = row.copy()
    row[watts] = bounded(lines, target, low, high)
    return row


def bounded(
    lines: FloatArray, target: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Return x within `low` .. `high` with the least |lines x - target|^2.

    Where the minimum without limits is outside, coordinates are set one after the other to their
    own minimum within limits, which ends at the one minimum of a strictly convex sum.
    """
    best: FloatArray = np.linalg.lstsq(lines, target, rcond=None)[0].astype(np.float64)
    found: FloatArray = np.clip(best, low, high)
    if bool(np.all(found == best)):
        return best
    gram, along = lines.T @ lines, lines.T @ target
    for _ in range(ROUNDS):
        before = found.copy()
        for i in range(len(found)):
            rest = along[i] - gram[i] @ found + gram[i, i] * found[i]
            found[i] = min(max(rest / gram[i, i], low[i]), high[i])
        if np.allclose(before, found, rtol=CHANGE, atol=0.0):
            break
    return found


def _best_pue(rows: Rows, values: Values, site: int) -> float:
    """Return the PUE of a site with the least sum of squares at the watts of `values`."""
    own = rows.site == site
    it_j = (predicted(rows, values) - rows.fixed_j)[own] / values.pue[site]
    weight = rows.weight[own] ** 2
    wanted = (rows.energy_j - rows.fixed_j)[own]
    return float((weight * wanted * it_j).sum() / (weight * it_j * it_j).sum())


def spread(rows: Rows, values: Values, free: BoolArray) -> FloatArray:
    """Return the relative standard error of each parameter, 0 where it is held.

    From the residuals as if they were independent: at least so much.
    """
    matrix = slopes(rows, values)[:, free]
    residual = (predicted(rows, values) - rows.energy_j) * rows.weight
    freedom = max(1, len(residual) - int(free.sum()))
    variance = float(residual @ residual) / freedom
    found = np.zeros(len(free))
    if matrix.size:
        found[free] = np.sqrt(np.diag(np.linalg.pinv(matrix.T @ matrix)) * variance)
    return found
