"""The difference table: its lines, made once from outcomes and rendered in many ways."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from greensched.report.difference_rows import ENERGY, ROWS, SCOPE2, Line, Row
from greensched.report.left_out import named
from greensched.report.words import (
    LADDERS,
    digits_apart,
    digits_for,
    digits_within,
    number,
    signed,
    unit_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_AUTOSCALED: Final = "autoscaled"
_NO_DECIMALS: Final = 1_000  # percent
_ELASTIC: Final = "elastic"  # how the kinds of policies begin that change replicas as it does


def look_up(outcome: Mapping[str, Any], path: str) -> Any:
    """Return the value at the dotted `path`, None where there is none."""
    value: Any = outcome
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


def result_columns(
    summary: Mapping[str, Any],
) -> tuple[tuple[str, ...], list[Mapping[str, Any]]]:
    """Return titles and outcomes of a result's table; a baseline static-peak stands once."""
    kind = summary["baseline"]["kind"]
    if kind == "static-peak":
        return (kind, "scenario"), [summary["baseline"], summary["scenario"]]
    outcomes = [summary["baseline"], summary["static_peak"], summary["scenario"]]
    return (kind, "static-peak", "scenario"), outcomes


def result_lines(summary: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Line, ...]]:
    """Return titles and rows of a result's table."""
    titles, outcomes = result_columns(summary)
    currency, bounds = summary["currency"] or "", summary.get("bounds")
    return titles, named(lines(outcomes, currency=currency, bounds=bounds), summary)


def headed(rows: Iterable[Line]) -> Iterator[tuple[str, Line]]:
    """Yield each row with the heading that stands above it; empty for all but a group's first.

    The fleet, which is first, has the table's title as its heading.
    """
    group = "fleet"
    for row in rows:
        yield row.group if row.group != group else "", row
        group = row.group


def by_key(summary: Mapping[str, Any]) -> dict[str, Line]:
    """Return the rows of a result's table by their keys: all that is told of a key is told so."""
    return {line.key: line for line in result_lines(summary)[1]}


def lines(
    outcomes: Sequence[Mapping[str, Any]],
    *,
    judged: int = -1,
    currency: str = "",
    bounds: Mapping[str, Any] | None = None,
) -> tuple[Line, ...]:
    """Return the rows of `outcomes`: the last against the first, objectives of `judged`.

    `bounds`: what no policy could beat, by the keys of rows.

    Services, batch and databases are left out where no outcome has any.
    """
    has = {
        "fleet": True,
        "services": any(look_up(o, "service.work_core_h") for o in outcomes),
        "batch": any(look_up(o, "batch.jobs") for o in outcomes),
        "databases": any(look_up(o, "databases.databases") for o in outcomes),
    }
    made = (_line(row, outcomes, judged, currency, bounds or {}) for row in ROWS if has[row.group])
    return tuple(line for line in made if line is not None)


def compared_lines(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return the rows of two results' scenarios, b against a.

    Costs are left out where the two are in different currencies.
    """
    outcomes = [a["scenario"], b["scenario"]]
    currencies = {c for c in (a["currency"], b["currency"]) if c}
    if len(currencies) > 1:
        return lines([{**outcome, "cost": None} for outcome in outcomes])
    return lines(outcomes, currency="".join(currencies))


def _line(
    row: Row,
    outcomes: Sequence[Mapping[str, Any]],
    judged: int,
    currency: str,
    bounds: Mapping[str, Any],
) -> Line | None:
    """Return one row; None for an optional one where there is nothing to tell."""
    raw = tuple(look_up(o, row.key) for o in outcomes)
    if row.optional and not any(raw):
        return None
    if row.needs and not any(look_up(o, row.needs) for o in outcomes):
        return None
    divisor, unit = unit_for(row.measure, raw) if row.measure in LADDERS else (1.0, currency)
    shown = tuple(None if v is None else v / divisor for v in raw)
    digits = 0 if row.measure == "count" else digits_for(shown)
    span = _span(row, outcomes[judged], divisor)
    if span is not None:
        digits = max(0, min(digits, digits_within(*span)))
    else:
        digits = digits_apart(shown[0], shown[-1], digits)
    delta, percent = _change(row, shown[0], shown[-1], digits)
    line = Line(
        group=row.group,
        key=row.key,
        label=row.label.format(unit=unit),
        raw=raw,
        cells=tuple(number(v, digits) for v in shown),
        delta=delta,
        percent=percent,
        unit=unit if "{unit}" in row.label else "",
        divisor=divisor,
        digits=digits,
        bound=number(bounds[row.key] / divisor, digits) if row.key in bounds else "",
    )
    if span is not None:
        return replace(line, span=" .. ".join(number(x, digits) for x in span))
    return _judged(line, row, outcomes[judged], divisor, digits) if row.objective else line


def _span(row: Row, outcome: Mapping[str, Any], divisor: float) -> tuple[float, float] | None:
    """Return between what the scenario's value lies; None where nothing is known of that."""
    ends = [look_up(outcome, key) for key in (row.least, row.most) if key]
    if len(ends) != 2 or None in ends or ends[0] == ends[1]:  # noqa: PLR2004 least and most
        return None
    return ends[0] / divisor, ends[1] / divisor


def _change(row: Row, first: float | None, last: float | None, digits: int) -> tuple[str, str]:
    """Return the last less the first, as a difference and in percent of the first.

    A share changes by points.
    """
    if first is None or last is None:
        return "", ""
    delta = signed(last - first, digits)
    if row.measure == "percent":
        return f"{delta} pt", ""
    if first == 0:
        return delta, ""
    change = 100 * (last - first) / first
    percent = signed(change, 0 if abs(change) >= _NO_DECIMALS else 1)
    return delta, "0.0" if percent == "0" else percent


def _judged(line: Line, row: Row, outcome: Mapping[str, Any], divisor: float, digits: int) -> Line:
    """Return `line` with the limit that its objective has, and whether it is held."""
    suffix = "_s" if row.measure == "s" else ""
    limit = look_up(outcome, f"{row.objective}_limit{suffix}")
    ok = look_up(outcome, f"{row.objective}_ok")
    if limit is None:
        return line
    text = f"limit {number(limit / divisor, max(digits, 2 if row.measure != 's' else 0))} "
    text += "not judged" if ok is None else "ok" if ok else "VIOLATED"
    return replace(line, verdict=text, limit=limit, ok=ok)


def _at_least(row: Line, value: float) -> str:
    """Return a value above 0 as its row shows it, also where that would be 0."""
    least = 10.0**-row.digits * row.divisor
    return f"less than {row.shown(least)}" if value < least / 2 else row.shown(value)


def why_nothing(summary: Mapping[str, Any]) -> str:
    """Return why the scenario saves nothing, or a word that it costs more; else nothing."""
    saved = look_up(summary, "savings.energy_facility_kwh")
    if saved is None or saved > 0:
        return ""
    switches = look_up(summary, "scenario.policies") or []
    kind = look_up(summary, "baseline.kind")
    if saved < 0:
        rows, kg = by_key(summary), look_up(summary, f"savings.{SCOPE2}") or 0.0
        lost = look_up(summary, "scenario.batch.wasted_core_h") or 0.0
        again = f" ({number(lost, 1)} core-h of work were lost to eviction and done again)"
        rules = kind == _AUTOSCALED and bool(look_up(summary, "demand.services"))
        rules = rules and not any(one.startswith(_ELASTIC) for one in switches)
        without = f" ({kind}'s own rules are off, and no switch changes replicas in their place)"
        return (
            f"saves {'no energy' if kg > 0 else 'nothing'}: the scenario takes "
            f"{_at_least(rows[ENERGY], -saved)} more facility energy than {kind}"
            + (f" and {rows[SCOPE2].shown(kg)}CO2e less scope 2" if kg > 0 else "")
            + (without if rules else "")
            + (again if lost else "")
        )
    if not switches:
        return f"saves 0: no switch is on, so the scenario runs exactly like its baseline ({kind})"
    return (
        f"saves 0: {', '.join(switches)} took no action that changed what the machines draw "
        f"({look_up(summary, 'scenario.power_cycles') or 0} power cycles, "
        f"{look_up(summary, 'scenario.moves') or 0} moves)"
    )
