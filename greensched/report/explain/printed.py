"""An explanation as text and as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import escape_control
from greensched.report.explain.figure import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from greensched.report.explain.figure import FactorUse, Figure, Rows
    from greensched.report.explain.keys import Explanation

SCHEMA: Final = "greensched/explanation/v1"
GROUPS_MAX: Final = 12  # of rows that are printed; JSON has all
HASH_SHOWN: Final = 12


def as_document(given: Explanation) -> dict[str, Any]:
    """Return it as plain values: `value`, `formula`, `factors`, `rows` and more."""
    figure = given.figure
    return {
        "schema": SCHEMA,
        "result": given.name,
        "key": given.key,
        "value": figure.value,
        "unit": figure.unit,
        "stored": given.stored,
        "agrees": given.agrees,
        "formula": figure.formula,
        "with_values": figure.with_values,
        "terms": dict(figure.terms),
        "parts": [
            {"name": p.name, "value": p.value, "before": p.before, "after": p.after, "of": p.unit}
            for p in figure.parts
        ],
        "factors": [
            {
                "quantity": f.quantity,
                "of": f.of,
                "factor_id": f.factor_id,
                "vintage": f.vintage,
                "sha256": f.sha256,
                "quality": list(f.quality),
                "low": f.low,
                "high": f.high,
                "steps": f.steps,
            }
            for f in figure.factors
        ],
        "rows": [_rows(r) for r in figure.rows],
        "notes": list(figure.notes),
    }


def _rows(given: Rows) -> dict[str, Any]:
    return {
        "file": given.file,
        "where": given.where,
        "count": len(given.rows),
        "groups": [
            {name: _plain(value) for name, value in row.items()}
            for row in given.groups.to_dict("records")
        ],
    }


def _plain(value: Any) -> Any:
    """Return a cell as a value that JSON has: no NaN, times as text."""
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if value != value else value  # noqa: PLR0124 NaN alone differs from itself
    return str(value)


def as_text(given: Explanation, columns: int) -> str:
    """Return it as people read it."""
    return "\n".join(escape_control(line) for line in _lines(given, columns)) + "\n"


def _lines(given: Explanation, columns: int) -> Iterator[str]:
    figure = given.figure
    value = shown(figure.value)
    yield f"{given.name}: {given.key} = {value} {figure.unit}".rstrip()
    if figure.formula:
        yield f"  = {figure.formula}"
    if figure.with_values:
        yield f"  = {figure.with_values}"
    yield _verdict(given)
    if figure.parts:
        yield ""
        yield f"why baseline and scenario differ (LMDI, sums to {value}), {figure.unit}"
        yield from _table(_part_cells(figure), columns)
    if figure.factors:
        yield ""
        yield "factors"
        yield from (f"  {line}" for line in _factors(figure.factors))
    for rows in figure.rows:
        yield ""
        yield f"rows: {len(rows.rows):,} of {rows.file} ({rows.where})"
        yield from _table(_cells(rows.groups), columns)
        if len(rows.groups) > GROUPS_MAX:
            yield f"  and {len(rows.groups) - GROUPS_MAX:,} more (-o json, -o csv)"
    if figure.notes:
        yield ""
        yield from figure.notes


def _verdict(given: Explanation) -> str:
    if given.agrees is None:
        return "  not computed again: no rows of it are kept"
    if given.agrees:
        return "  computed from the stored rows, equal to summary.json"
    return f"  DIFFERS from summary.json, which says {given.stored}"


def _factors(factors: Sequence[FactorUse]) -> Iterator[str]:
    """Yield a line a factor; machine types (or sites) that have the same one share theirs."""
    same: dict[tuple[Any, ...], list[FactorUse]] = {}
    for one in factors:
        key = (one.quantity, one.low, one.high, one.steps, one.vintage, one.sha256, one.quality)
        same.setdefault(key, []).append(one)
    for alike in same.values():
        if len(alike) == 1:
            yield _factor(alike[0])
        else:
            others = f"{alike[0].of} and {len(alike) - 1} more"
            yield _factor(replace(alike[0], of=others, factor_id=_common(alike)))


def _common(alike: Sequence[FactorUse]) -> str:
    """Return where factors are from: the part of their ids before the name."""
    return ", ".join(dict.fromkeys(one.factor_id.partition(":")[0] for one in alike))


def _factor(one: FactorUse) -> str:
    same = one.low == one.high
    span = shown(one.low) if same else f"{shown(one.low)} .. {shown(one.high)}"
    told = [
        f"{one.quantity} of {one.of}: {span}" + ("" if same else f" in {one.steps:,} steps"),
        one.factor_id,
        f"vintage {one.vintage}" if one.vintage else "no vintage",
        f"sha256 {one.sha256[:HASH_SHOWN]}" if one.sha256 else "",
        " and ".join(one.quality),
    ]
    return "; ".join(part for part in told if part)


def _part_cells(figure: Figure) -> list[list[str]]:
    head = ["", "saved", "baseline", "scenario", ""]
    body = [
        [p.name, shown(p.value), shown(p.before), shown(p.after), p.unit] for p in figure.parts
    ]
    return [head, *body]


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    body = [
        [shown(v) if isinstance(v, int | float) else str(v) for v in row]
        for row in frame.head(GROUPS_MAX).itertuples(index=False)
    ]
    return [[str(name) for name in frame.columns], *body]


def _table(cells: Sequence[Sequence[str]], columns: int) -> Iterator[str]:
    """Yield cells in columns, text to the left and numbers to the right, cut to the width."""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    right = [all(_number(row[i]) for row in cells[1:]) for i in range(len(widths))]
    for row in cells:
        parts = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        yield ("  " + "  ".join(parts)).rstrip()[:columns]


def _number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").removeprefix("-").isdigit() or text == "nan"
