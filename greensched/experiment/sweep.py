"""`sweep`: a scenario over the product of grids, one row a point, on any executor.

A row does not depend on where it was made, nor on the others; rows are in the order of the
points however they come in.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from greensched.errors import DataError, Finding, OutsideError, ScenarioError, UsageError
from greensched.experiment.outcome import TOTALS
from greensched.experiment.run import run
from greensched.experiment.sweep_grid import Axis, axes_of, check_axes, points_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from greensched.experiment.tally import Progress
    from greensched.scenario import Scenario

    Keep = Callable[[list["Row"]], None]

Row: TypeAlias = dict[str, Any]
Point: TypeAlias = tuple[int, dict[str, Any]]  # its number, and its value by path

OPEN_MAX: Final = 1_000  # points handed to an executor at a time
BATCH_MAX: Final = 8  # points sent together: sending one takes about a millisecond
BATCH_SHARE: Final = 64  # a batch is at most this part of what is left, so that all end together
BATCH_S: Final = 0.2  # a worker that has taken longer gives back what it has not begun
KEEP_EVERY_S: Final = 2.0  # rows are handed on at least so often
WAIT_S: Final = 0.2  # between looks at the clock
RUNS: Final = ("baseline", "static_peak", "scenario")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The rows of a sweep in the order of its points; see docs/reference/sweep.md."""

    axes: tuple[Axis, ...]
    rows: tuple[Row, ...]

    @property
    def failed(self) -> tuple[Row, ...]:
        """Return the points that could not be run."""
        return tuple(row for row in self.rows if row["error"])

    @property
    def unbalanced(self) -> tuple[Row, ...]:
        """Return the points whose account does not balance, which is a bug of greensched."""
        return tuple(row for row in self.rows if row.get("balance"))

    @property
    def table(self) -> pd.DataFrame:
        """Return one row a point."""
        return frame(self.rows, self.axes)

    def _repr_html_(self) -> str:
        """Return the table, for notebooks."""
        return self.table.to_html()


def sweep(
    scenario: Scenario,
    grid: Mapping[str, Sequence[Any]] | Sequence[Axis],
    *,
    executor: Any = None,
    progress: Progress | None = None,
    done: Sequence[Row] = (),
    keep: Keep | None = None,
) -> Sweep:
    """Return `scenario` run at every point of `grid` (path -> values), baselines beside it.

    `executor` is one of `concurrent.futures`, a Dask client, or one of `greensched.experiment`;
    None runs here. `done` are rows of an earlier sweep that need not be run again; `keep` is
    called with new rows every few seconds and before an error is raised. A point that cannot be
    run has an `error` in its row. Raises UsageError or ScenarioError for single values that
    cannot be, OutsideError where workers are lost.
    """
    axes = axes_of(grid)
    check_axes(scenario, axes)
    given = replace(scenario, folder=scenario.folder.resolve())
    points = points_of(axes)
    rows = {row["point"]: row for row in done}
    todo = [(i, values) for i, values in enumerate(points) if i not in rows]
    tell = _teller(progress, len(points))
    tell(len(rows))
    collector = _Collector(rows, keep, tell)
    if executor is None:
        executor = InProcess()
    if hasattr(executor, "get_executor"):
        executor = executor.get_executor(pure=False)
    try:
        if hasattr(executor, "submit"):
            _carry_out(executor, given, todo, collector)
        else:
            collector.take(executor.map(_mapped, [(given, *point) for point in todo], None))
    finally:
        collector.hand_on()
    return Sweep(axes=axes, rows=tuple(rows[i] for i in range(len(points))))


class InProcess(Executor):
    """Runs what is submitted at once, in this process."""

    open_max = 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return the finished future of `fn`; what it raises on purpose is raised here."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Collector:
    """Takes rows as they come, and hands them on every few seconds."""

    def __init__(
        self, rows: dict[int, Row], keep: Keep | None, tell: Callable[[int], None]
    ) -> None:
        """Collect into `rows`."""
        self._rows, self._keep, self._tell = rows, keep, tell
        self._new: list[Row] = []
        self._last_s = time.monotonic()

    def take(self, rows: Sequence[Row]) -> None:
        """Take finished rows."""
        for row in rows:
            self._rows[row["point"]] = row
        self._new += rows
        self._tell(len(self._rows))
        if time.monotonic() - self._last_s >= KEEP_EVERY_S:
            self.hand_on()

    def hand_on(self) -> None:
        """Hand on what came since the last time."""
        if self._new and self._keep is not None:
            self._keep(sorted(self._new, key=lambda row: row["point"]))
        self._new, self._last_s = [], time.monotonic()


def _carry_out(
    executor: Executor, scenario: Scenario, todo: Sequence[Point], collector: _Collector
) -> None:
    """Submit all points, some at a time, and collect their rows as they finish."""
    waiting, open_max = deque(todo), getattr(executor, "open_max", OPEN_MAX)
    running: dict[Future[list[Row]], list[Point]] = {}
    finished: SimpleQueue[Future[list[Row]]] = SimpleQueue()
    try:
        while waiting or running:
            while waiting and (room := open_max - sum(map(len, running.values()))) > 0:
                count = max(1, min(BATCH_MAX, room, len(waiting) // BATCH_SHARE))
                batch = [waiting.popleft() for _ in range(count)]
                future = executor.submit(rows_of, scenario, batch)
                running[future] = batch
                future.add_done_callback(finished.put)
            with suppress(Empty):  # look at the clock, and let Ctrl-C through
                future = finished.get(timeout=WAIT_S)
                batch, rows = running.pop(future), future.result()
                waiting.extendleft(reversed(batch[len(rows) :]))
                collector.take(rows)
    except BrokenProcessPool:
        raise _lost("-j") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "distributed":
            raise _lost("--scheduler", str(error)) from None
        raise
    finally:
        for future in running:
            future.cancel()


def _lost(where: str, why: str = "") -> OutsideError:
    """Return the error of workers that went away."""
    what = "a worker was ended from outside, perhaps for want of memory"
    what += f" ({why.splitlines()[0]})" if why else ""
    remedy = "use fewer workers; --resume goes on with the points that are left"
    return OutsideError(Finding(where=where, what=what, remedy=remedy))


def rows_of(scenario: Scenario, batch: Sequence[Point]) -> list[Row]:
    """Return the rows of the first points of a batch: one, and more while that takes little."""
    began_s, rows = time.monotonic(), list[Row]()
    for point in batch:
        rows.append(row_of(scenario, *point))
        if time.monotonic() - began_s > BATCH_S:
            break
    return rows


def _mapped(item: tuple[Scenario, int, dict[str, Any]], _tell: Any) -> Row:
    """Return the row of one point, for executors that map."""
    return row_of(*item)


def row_of(scenario: Scenario, point: int, values: Mapping[str, Any]) -> Row:
    """Run one point and return its row; what a user did wrong is told in it.

    Where a balance check fails that is told in place of the numbers.
    """
    row: Row = {"point": point, **values}
    row |= {"scenario_sha256": None, "error": None, "balance": None}
    try:
        own = scenario.overridden(values)
        row["scenario_sha256"] = own.hash
        summary = run(own, bounds=False).summary
        failed = [check for check in summary["balance"] if not check["ok"]]
        told = (f"{c['check']} differs by {c['difference']:,} {c['unit']}" for c in failed)
        row |= {"balance": "; ".join(told)} if failed else numbers(summary)
    except (ScenarioError, DataError, UsageError) as error:
        row["error"] = "; ".join(str(f) for f in error.findings)
    return row


def numbers(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the numbers of a summary by their path; verdicts are 1 (held) and 0 (violated)."""
    found: dict[str, Any] = {"window.end_s": summary["window"]["end_s"]}
    for key in ("services", "jobs", "databases", "machines", "machines_surplus"):
        found[f"demand.{key}"] = summary["demand"][key]
    for name in RUNS:
        found |= _leaves(name, {k: v for k, v in summary[name].items() if k != "machine_h"})
    savings = dict(summary["savings"])
    share = savings.pop("share")
    found |= _leaves("savings", savings)
    found |= {f"savings.share.{name}": share.get(name) for name in TOTALS}
    return {k: None if v is None else float(v) for k, v in found.items()}


def _leaves(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is a number (or not known) below `prefix`, two levels deep."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and key in ("service", "batch", "databases"):
            found |= _leaves(f"{prefix}.{key}", value)
        elif value is None or isinstance(value, (int, float)):
            found[f"{prefix}.{key}"] = value
    return found


def frame(rows: Sequence[Row], axes: Sequence[Axis]) -> pd.DataFrame:
    """Return rows as a table whose columns have one type: numbers, or text."""
    import pandas as pd

    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = {"scenario_sha256", "error", "balance"} | {a.path for a in axes if not a.is_number}
    made = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        if name == "point":
            made[name] = pd.Series(values, dtype="int64")
        elif name in text:
            made[name] = pd.Series([None if v is None else str(v) for v in values], dtype=object)
        else:
            made[name] = pd.Series(values, dtype="float64")
    return pd.DataFrame(made, columns=columns)


def _teller(progress: Progress | None, count: int) -> Callable[[int], None]:
    """Return what tells how many of `count` points are done."""
    if progress is None:
        return lambda _done: None
    return lambda done: progress("sweep", done / count, f"{done:,} of {count:,} points")
