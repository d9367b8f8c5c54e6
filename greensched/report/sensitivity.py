"""How sure figures are: their ranges, and by input which moves the saving most (a tornado)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.errors import escape_control
from greensched.report.heading import stamp
from greensched.report.tables import csv_text
from greensched.report.words import KWH_PER_MWH, ranged
from greensched.units import KG_PER_T

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from greensched.experiment.sensitivity import Sensitivity

FIGURE: Final = "savings.scope2_and_embodied_kg"
LABELS: Final = {
    "machines_on_mean": ("machines on, mean", 1.0),
    "energy_facility_kwh": ("energy, {} (facility)", KWH_PER_MWH),
    "scope2_location_kg": ("{}CO2e, scope 2, location", KG_PER_T),
    "embodied_kg": ("{}CO2e, embodied share", KG_PER_T),
    "scope2_and_embodied_kg": ("{}CO2e, both", KG_PER_T),
}
UNITS: Final = {"energy_facility_kwh": ("kWh", "MWh")}
BAR: Final = 24  # columns of the longest bar


def sensitivity_text(found: Sensitivity) -> str:
    """Return ranges and tornado as text."""
    return "\n".join(escape_control(line) for line in _lines(found)) + "\n"


def _lines(found: Sensitivity) -> Iterator[str]:
    summary = found.result.summary
    kind = summary["baseline"]["kind"]
    yield f"{summary['name']}: how sure, against {kind}   {stamp(summary)}"
    yield ""
    for group, title in (("scenario", "scenario"), ("savings", f"saved over {kind}")):
        rows = [_cells(found, group, name) for name in LABELS if f"{group}.{name}" in found.mid]
        yield from _table([[title, "least", "", "middle", "", "most"], *rows])
        yield ""
    unit, divisor = _unit(FIGURE, found)
    yield f"what moves the saving of scope 2 and embodied, {unit}CO2e"
    span = max((axis.swing(FIGURE) for axis in found.axes), default=0.0)
    rows = [["", "from", "to", "swing", ""]]
    for axis in found.by_swing(FIGURE):
        ends = [side.values[FIGURE] / divisor for side in (axis.low, axis.high)]
        low, high = (x / divisor for x in found.range_of(FIGURE))
        cells = [ranged(x, low, high) for x in ends]
        swing = ranged(axis.swing(FIGURE) / divisor, low, high)
        bar = "█" * round(BAR * axis.swing(FIGURE) / span) if span else ""
        name = f"{axis.name} ({axis.low.setting} .. {axis.high.setting})"
        rows.append([name, *cells, swing, bar])
    yield from _table(rows)
    yield ""
    yield "least and most: all factors low, all factors high, and every run with another input"
    for axis in found.axes:
        yield f"{axis.name}: {axis.basis}"


def _unit(figure: str, found: Sensitivity) -> tuple[str, float]:
    """Return the unit of a figure's kind, and what it is divided by."""
    kind = figure.partition(".")[2]
    small, large = UNITS.get(kind, ("kg", "t"))
    per = LABELS[kind][1]
    top = max(abs(found.mid[f"{group}.{kind}"]) for group in ("scenario", "savings"))
    is_large = per > 1 and top >= per
    return (large, per) if is_large else (small, 1.0)


def _cells(found: Sensitivity, group: str, name: str) -> list[str]:
    """Return a row: the label, and least, middle and most with the digits that they allow."""
    figure = f"{group}.{name}"
    unit, divisor = _unit(figure, found)
    low, high = (x / divisor for x in found.range_of(figure))
    shown = [ranged(x, low, high, 3) for x in (low, found.mid[figure] / divisor, high)]
    return [LABELS[name][0].format(unit), shown[0], "..", shown[1], "..", shown[2]]


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows in columns, the first and bars to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if i == 0 or "█" in cell else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def sensitivity_csv(found: Sensitivity) -> str:
    """Return one row an input, end and figure, with the middle and the ranges first."""
    header = ("input", "end", "setting", "figure", "value")
    rows: list[tuple[Any, ...]] = []
    ends: Mapping[str, Mapping[str, float]] = {
        "middle": found.mid,
        "all factors low": found.low,
        "all factors high": found.high,
    }
    for name, values in ends.items():
        rows += [("", name, "", figure, value) for figure, value in values.items()]
    for axis in found.axes:
        for end, side in (("low", axis.low), ("high", axis.high)):
            rows += [(axis.name, end, side.setting, f, v) for f, v in side.values.items()]
    return csv_text(header, rows)
