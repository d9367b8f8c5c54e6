"""From samples of a cluster's Prometheus to its workloads over time, on one grid."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from greensched.errors import DataError, Finding, plural
from greensched.readers.cluster.metrics import GRIDDED
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import BoolArray, FloatArray, IntArray
    from greensched.readers.cluster.matrix import Labels, Matrix, Samples
    from greensched.readers.options import ReadOptions

Owner: TypeAlias = tuple[str, str, str]  # namespace, kind, name

GRID_MAX: Final = 50_000_000  # cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Times of samples [Unix ms], one step apart; `is_known` where the server had any."""

    first_ms: int
    step_ms: int
    steps: int
    is_known: BoolArray

    def row(self, samples: Samples) -> FloatArray:
        """Return the samples on the grid, NaN where there is none."""
        made: NDArray[np.float64] = np.full(self.steps, np.nan)
        for time_ms, value in samples.items():
            made[(time_ms - self.first_ms) // self.step_ms] = value
        return made


def grid_of(matrix: Matrix, options: ReadOptions, label: str) -> Grid:
    """Return the grid of `cpu_use`; raise DataError where times are on none, or for one time."""
    times = sorted({t for samples in matrix.of("cpu_use").values() for t in samples})
    step_ms = options.step_ms or _usual_step_ms(times)
    if not step_ms:
        what = "fewer than two times: the step cannot be known"
        raise DataError(Finding(where=label, what=what, remedy="give it with --step"))
    off = [t for t in times if (t - times[0]) % step_ms]
    if off:
        what = f"{plural(len(off), 'time')} not {step_ms / MS_PER_S:g} s apart from the first"
        remedy = "ask for all chunks with one step, from multiples of it"
        raise DataError(Finding(where=label, what=what, remedy=remedy))
    steps = (times[-1] - times[0]) // step_ms + 1
    if steps * max(1, len(matrix.of("cpu_use"))) > GRID_MAX:
        what = f"{len(matrix.of('cpu_use')):,} series of {steps:,} steps are too many"
        raise DataError(Finding(where=label, what=what, remedy="ask with a larger step"))
    known = np.zeros(steps, np.bool_)
    known[[(t - times[0]) // step_ms for t in times]] = True
    return Grid(first_ms=times[0], step_ms=step_ms, steps=steps, is_known=known)


def check_steps(matrix: Matrix, grid: Grid, label: str) -> None:
    """Raise DataError where another series has samples between the steps of `cpu_use`."""
    errors = []
    for name in GRIDDED:
        series = matrix.of(name).values()
        count = sum(map(len, series))
        off = sum(
            int(np.count_nonzero((np.fromiter(one, np.int64) - grid.first_ms) % grid.step_ms))
            for one in series
        )
        if off:
            what = f"{off:,} of {count:,} samples of {name} are between the steps of cpu_use"
            remedy = "ask for all series with one start, end and step"
            errors.append(Finding(where=label, what=what, remedy=remedy))
    if errors:
        raise DataError(*errors)


def _usual_step_ms(times: list[int]) -> int:
    """Return the most frequent distance, of ties the least; 0 for fewer than two times."""
    values, counts = np.unique(np.diff(times), return_counts=True)
    return int(values[np.argmax(counts)]) if len(values) else 0


def by_owner(matrix: Matrix, name: str, grid: Grid) -> dict[Owner, FloatArray]:
    """Return a series [per step] of each owner at the top: Deployments, not their ReplicaSets."""
    above = _above(matrix)
    total: dict[Owner, FloatArray] = {}
    for labels, samples in matrix.of(name).items():
        owner = _owner(labels)
        owner = above.get(owner, owner)
        row = grid.row({t: v for t, v in samples.items() if _is_on(grid, t)})
        if owner in total:
            row = np.where(np.isnan(row), total[owner], np.nan_to_num(total[owner]) + row)
        total[owner] = row
    return total


def _is_on(grid: Grid, time_ms: int) -> bool:
    at = time_ms - grid.first_ms
    return at % grid.step_ms == 0 and 0 <= at < grid.steps * grid.step_ms


def _owner(labels: Labels) -> Owner:
    given = dict(labels)
    return (
        given.get("namespace", ""),
        given.get("owner_kind", ""),
        given.get("owner_name", ""),
    )


def _above(matrix: Matrix) -> dict[Owner, Owner]:
    """Return the owner of each ReplicaSet and Job that has one."""
    found: dict[Owner, Owner] = {}
    for name, kind, key in (
        ("replicaset_owner", "ReplicaSet", "replicaset"),
        ("job_owner", "Job", "job_name"),
    ):
        for labels in matrix.of(name):
            given = dict(labels)
            kind_above = given.get("owner_kind", "")
            if kind_above in ("", "<none>"):
                continue
            below = (given.get("namespace", ""), kind, given.get(key, ""))
            above = (below[0], kind_above, given.get("owner_name", ""))
            if kind == "ReplicaSet":
                found[below] = above
    return found


def filled(values: FloatArray, grid: Grid, fill: str) -> FloatArray:
    """Return a row without NaN: 0 where a workload had no Pod, `fill` where nothing is known."""
    if fill == "hold":
        values = values[np.maximum.accumulate(np.where(grid.is_known, np.arange(grid.steps), 0))]
    known: FloatArray = np.nan_to_num(values)
    return known


def gaps(grid: Grid, fill: str, label: str) -> list[str]:
    """Return, in words, the steps of which nothing is known; raise DataError unless filled."""
    missing: IntArray = np.flatnonzero(~grid.is_known)
    if not len(missing):
        return []
    runs = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
    longest_s = max(len(r) for r in runs) * grid.step_ms / MS_PER_S
    what = (
        f"{len(missing):,} of {grid.steps:,} steps are missing in all series, in "
        f"{plural(len(runs), 'gap')}, the longest {longest_s:,.10g} s"
    )
    if fill not in ("hold", "zero"):
        remedy = "fill them with --fill hold (the last value) or --fill zero"
        raise DataError(Finding(where=label, what=what, remedy=remedy))
    return [f"{label}: {what}; filled: {fill}"]


def last_by(matrix: Matrix, name: str, *keys: str) -> dict[tuple[str, ...], float]:
    """Return the last value of a series by the labels `keys`."""
    latest: dict[tuple[str, ...], tuple[int, float]] = defaultdict(lambda: (-1, 0.0))
    for labels, samples in matrix.of(name).items():
        if samples:
            given: dict[str, Any] = dict(labels)
            key = tuple(given.get(k, "") for k in keys)
            latest[key] = max(latest[key], *samples.items())
    return {key: value for key, (_, value) in latest.items()}


def values_by(matrix: Matrix, name: str, *keys: str) -> dict[tuple[str, ...], tuple[float, ...]]:
    """Return the different values of a series by the labels `keys`, sorted."""
    found: dict[tuple[str, ...], set[float]] = defaultdict(set)
    for labels, samples in matrix.of(name).items():
        given: dict[str, Any] = dict(labels)
        found[tuple(given.get(k, "") for k in keys)].update(samples.values())
    return {key: tuple(sorted(values)) for key, values in found.items() if values}
