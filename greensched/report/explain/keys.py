"""From a key of `summary.json` to its explanation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import Finding, UsageError
from greensched.report.explain import given, proved, saved, served, totals
from greensched.report.explain.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.report.explain.figure import Figure
    from greensched.report.outputs import Stored

AGREES_REL: Final = 1e-9  # sums of floats in another order
AGREES_ABS: Final = 1e-9
RUNS: Final = ("baseline", "static_peak", "scenario")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """A figure as it is stored, and computed again from the rows."""

    key: str
    name: str  # of the result
    stored: Any
    figure: Figure

    @property
    def agrees(self) -> bool | None:
        """Tell whether both are the same; None where no rows are kept to compute it from."""
        found = self.figure.value
        if not self.figure.known:
            return None
        if isinstance(found, float | int) and isinstance(self.stored, float | int):
            return math.isclose(found, self.stored, rel_tol=AGREES_REL, abs_tol=AGREES_ABS)
        return bool(found == self.stored)


def explain(stored: Stored | Source, key: str) -> Explanation:
    """Return the explanation of the figure at `key`, a path in `summary.json`.

    A path may leave `scenario.` out; a `Source` reads each table once. Raises UsageError for one
    that leads nowhere, DataError where a table is missing or is not what the run wrote.
    """
    source = stored if isinstance(stored, Source) else Source(stored)
    path, value = _found(stored.summary, key)
    figure = _figure(source, path) or given.given(value, path)
    return Explanation(
        key=".".join(path), name=stored.summary["name"], stored=value, figure=figure
    )


def keys(summary: dict[str, Any]) -> dict[str, Any]:
    """Return all paths of a summary with their values."""
    return {".".join(path): value for path, value in _leaves(summary, [])}


def _figure(source: Source, path: list[str]) -> Figure | None:
    """Return the figure at a path; None where no row is behind it."""
    head, rest = path[0], path[1:]
    if head in RUNS:
        return _of_run(source, head, rest)
    if head == "balance":
        return proved.balance(source, int(rest[0])) if rest[-1] == "difference" else None
    makers: dict[str, Callable[[Source, list[str]], Figure | None]] = {
        "savings": saved.saving,
        "bounds": proved.bound,
        "attribution": proved.attributed,
        "demand": proved.counted,
        "window": proved.counted,
    }
    maker = makers.get(head)
    return maker(source, rest) if maker and rest else None


def _of_run(source: Source, run: str, path: list[str]) -> Figure | None:
    """Return a figure of one run; None where no row is behind it."""
    group, name = path[0], path[-1]
    if group in saved.PARTS and len(path) > 1:
        part = {"service": "service", "databases": "database"}.get(group, "")
        if path[1].startswith("violation_min_by") and len(path) > 2:  # noqa: PLR2004 a name
            return served.violation_of(source, run, part, name)
        function = saved.PARTS[group].get(name)
        return function(source, run) if function else given.judged(source, run, path)
    if group == "machine_h" and len(path) > 1:
        return totals.machine_h(source, run, name)
    figures = served.OUTAGES if group == "outages" and len(path) > 1 else {}
    function = (figures or {**totals.FIGURES, **served.COUNTS}).get(name)
    return function(source, run) if function else None


def _found(summary: dict[str, Any], key: str) -> tuple[list[str], Any]:
    """Return the steps of a path and the value there; names may hold dots."""
    leaves = {".".join(path): (path, value) for path, value in _leaves(summary, [])}
    wanted = key.replace("[", ".").replace("]", "")
    for text in (wanted, f"scenario.{wanted}"):
        if text in leaves:
            return leaves[text]
    inside = [text for text in leaves if text.startswith((f"{wanted}.", f"scenario.{wanted}."))]
    near = inside or get_close_matches(wanted, leaves, n=3, cutoff=0.5)
    what = "holds several figures" if inside else "is no key of its summary.json"
    more = ", ..." if len(inside) > 5 else ""  # noqa: PLR2004 as many as fit a line
    remedy = f"{'such as' if inside else 'near:'} {', '.join(near[:5])}{more}" if near else ""
    if not near:
        remedy = "greensched explain RESULT lists them"
    raise UsageError(Finding(where=f"KEY {key}", what=what, remedy=remedy))


def _leaves(value: Any, path: list[str]) -> list[tuple[list[str], Any]]:
    """Return every value below, with the steps that lead to it."""
    if isinstance(value, dict) and value:
        return [one for k, v in value.items() for one in _leaves(v, [*path, str(k)])]
    if isinstance(value, list) and value and path[-1] != "policies":
        return [one for i, v in enumerate(value) for one in _leaves(v, [*path, str(i)])]
    return [(path, value)]
