"""Grids: values of scalars of a scenario, and the points of their product."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import Finding, GreenschedError, UsageError
from greensched.scenario.overrides import place_of
from greensched.scenario.source import read_scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.scenario import Scenario
    from greensched.scenario.source import Path

VALUES_MAX: Final = 100_000  # of one range: more was a mistyped step
POINTS_MAX: Final = 1_000_000
_NUMBER: Final = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_QUANTITY: Final = rf"\s*{_NUMBER}\s*([^\d\s:,]*)\s*"
_RANGE: Final = re.compile(f"{_QUANTITY}:{_QUANTITY}:{_QUANTITY}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One scalar, by its path as `--set` takes it, and its values in order."""

    path: str
    values: tuple[Any, ...]

    @property
    def is_number(self) -> bool:
        """Say whether all values are plain numbers."""
        return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in self.values)


def read_grid(text: str) -> Axis:
    """Return the axis that `path=a:b:step` or `path=x,y,z` writes.

    A range holds b where a step ends on it. Units may stand behind the numbers (`6h:24h:6h`).
    Raises UsageError for anything else.
    """
    path, sign, values = text.partition("=")
    if not sign or not path.strip() or not values.strip():
        raise _wrong(text, "is not path=a:b:step or path=x,y,z")
    match = _RANGE.fullmatch(values)
    if match:
        return Axis(path=path.strip(), values=_range(text, match))
    if values.count(":") > 1 and "," not in values:
        raise _wrong(text, f"'{values}' is no range: three numbers with one unit")
    given = tuple(_scalar(value.strip()) for value in values.split(","))
    if "" in given:
        raise _wrong(text, "has an empty value")
    return Axis(path=path.strip(), values=given)


def _range(text: str, match: re.Match[str]) -> tuple[Any, ...]:
    """Return the values of a range, counted exactly."""
    first, last, step = (Decimal(match[i]) for i in (1, 3, 5))
    units = {match[i] for i in (2, 4, 6)} - {""}
    if len(units) > 1:
        raise _wrong(text, f"has several units: {', '.join(sorted(units))}")
    if step == 0 or (last - first) / step < 0:
        raise _wrong(text, f"never comes from {first} to {last} in steps of {step}")
    count = int((last - first) / step) + 1
    if count > VALUES_MAX:
        raise _wrong(text, f"has {count:,} values, at most {VALUES_MAX:,}")
    unit = f" {units.pop()}" if units else ""
    numbers = (first + i * step for i in range(count))
    return tuple(_scalar(f"{number.normalize():f}{unit}") for number in numbers)


def _scalar(text: str) -> Any:
    """Return a number where the text is one, else the text."""
    value = read_scalar(text)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number else text


def _wrong(text: str, what: str) -> UsageError:
    remedy = "for example fleet.0.count=100:400:50 or policies.tidal.start=00:00,01:00"
    return UsageError(Finding(where=f"--grid {text}", what=what, remedy=remedy))


def axes_of(grid: Mapping[str, Sequence[Any]] | Sequence[Axis]) -> tuple[Axis, ...]:
    """Return the axes of a grid; raises UsageError for none, empty ones and what is twice."""
    axes = (
        tuple(Axis(path=path, values=tuple(values)) for path, values in grid.items())
        if hasattr(grid, "items")
        else tuple(grid)
    )
    paths = [axis.path for axis in axes]
    findings = [
        Finding(where=f"--grid {path}", what="is given twice", remedy="one grid a path")
        for path in dict.fromkeys(paths)
        if paths.count(path) > 1
    ]
    findings += [
        Finding(where=f"--grid {axis.path}", what="has no values")
        for axis in axes
        if not axis.values
    ]
    findings += [
        Finding(where=f"--grid {axis.path}", what=f"has {value} twice", remedy="once is enough")
        for axis in axes
        for value, times in Counter(map(repr, axis.values)).items()
        if times > 1
    ]
    if not axes:
        findings.append(Finding(where="--grid", what="is missing", remedy="path=a:b:step"))
    if findings:
        raise UsageError(*findings)
    return axes


def check_axes(scenario: Scenario, axes: Sequence[Axis]) -> None:
    """Raise with everything that is wrong with any single value, before a run is begun.

    Values that only go wrong together are found when their point is run.
    """
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > POINTS_MAX:
        what = f"the grids have {count:,} points, at most {POINTS_MAX:,}"
        raise UsageError(Finding(where="--grid", what=what))
    findings: list[Finding] = []
    kind: type[GreenschedError] = UsageError
    first: dict[Path, str] = {}
    for axis in axes:
        same = first.setdefault(place_of(scenario.source.tree, axis.path), axis.path)
        if same != axis.path:
            what, remedy = f"is the same scalar as {same}", "one grid a scalar"
            findings.append(Finding(where=f"--grid {axis.path}", what=what, remedy=remedy))
        for value in axis.values:
            try:
                scenario.overridden({axis.path: value})
            except GreenschedError as error:
                findings += [_of_grid(finding) for finding in error.findings]
                kind = type(error)
    if findings:
        raise kind(*dict.fromkeys(findings))


def _of_grid(finding: Finding) -> Finding:
    """Return a finding on a path, which was given to `--grid`."""
    what, _, path = finding.where.partition(" ")
    return replace(finding, where=f"--grid {path}") if what == "--set" else finding


def points_of(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Return the values of each point, the last axis changing fastest."""
    paths = [axis.path for axis in axes]
    combined = itertools.product(*(axis.values for axis in axes))
    return [dict(zip(paths, values, strict=True)) for values in combined]
