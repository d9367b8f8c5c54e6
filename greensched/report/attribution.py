"""Where the saving comes from: the parts of an attribution as rows, rendered in many ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import escape_control
from greensched.report.difference import by_key
from greensched.report.difference_rows import ENERGY, MACHINES, SCOPE2
from greensched.report.schema import ATTRIBUTION_KEYS, ATTRIBUTION_SCHEMA
from greensched.report.tables import csv_text, plain
from greensched.report.words import fitted, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.report.difference_rows import Line

TITLE: Final = "where the saving comes from"
COLUMNS: Final = ("alone", "last in", "Shapley")
_KEYS: Final = ("alone", "last_in", "shapley")
WHOLE: Final = "the saving above"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One quantity: its label with the unit shown, and three cells of each row of `names`."""

    key: str
    label: str
    row: Line  # that shows the whole, in whose unit all is
    total: float
    parts: tuple[float, ...]  # Shapley values
    fair: tuple[float, ...]  # the same as shown
    cells: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The rows of an attribution; the last is the whole saving. `notes` are sentences."""

    names: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    notes: tuple[str, ...]


# key in the document -> the row of the table that shows the whole, label, units in the row's
_SHOWN: Final = {
    "machines_on_mean_milli": (MACHINES, "machines on, mean", 1_000),
    "energy_facility_mwh": (ENERGY, "energy, {unit}", 1_000_000),
    "scope2_location_mg": (SCOPE2, "{unit}CO2e", 1_000_000),
}


def shares(summary: Mapping[str, Any]) -> Shares | None:
    """Return the rows of an attribution; None where no switch is on and nothing differs."""
    attribution, rows = summary["attribution"], by_key(summary)
    found = attribution["quantities"]
    parts = found["energy_facility_mwh"]["technologies"]
    if not parts:
        return None
    return Shares(
        names=(*(p["name"] for p in parts), WHOLE),
        quantities=tuple(
            _quantity(key, found[key], rows[row], label, whole)
            for key, (row, label, whole) in _SHOWN.items()
        ),
        notes=_notes(attribution, parts),
    )


def _quantity(key: str, found: Mapping[str, Any], row: Line, label: str, whole: int) -> Quantity:
    """Return one quantity's cells, as `row` shows the whole; Shapley values shown sum to it."""
    parts, scale = found["technologies"], whole * row.divisor
    own = [part["shapley"] / scale for part in parts]
    fair = fitted(own, found["total"] / scale, row.digits)
    cells = [
        tuple(_cell(v, row.digits) for v in (part["alone"] / scale, part["last_in"] / scale, last))
        for part, last in zip(parts, fair, strict=True)
    ]
    total = ("", "", _cell(found["total"] / scale, row.digits))
    return Quantity(
        key=key,
        label=label.format(unit=row.unit),
        row=row,
        total=found["total"] / scale,
        parts=tuple(own),
        fair=tuple(fair),
        cells=(*cells, total),
    )


def _cell(value: float, digits: int) -> str:
    """Return a number; nothing at all is a plain 0, unlike a little."""
    return number(value, digits) if value else "0"


def _notes(attribution: Mapping[str, Any], parts: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what is to be said of the parts: the interaction, why some save nothing."""
    notes = [attribution["sentence"]]
    notes += [f"{p['name']}: {p['why']}" for p in parts if p["why"]]
    if attribution["method"] == "sampled":
        worst = max(parts, key=lambda p: p["standard_error"])
        notes.append(
            f"Shapley values are means over {attribution['orders']} sampled orders; the largest "
            f"standard error is {worst['standard_error'] / 1e6:,.1f} kWh ({worst['name']})"
        )
    return tuple(notes)


def text_lines(found: Shares, columns: int) -> list[str]:
    """Return the rows as text: quantities side by side where `columns` are enough, else below."""
    names = [escape_control(name) for name in ("", TITLE, *found.names)]
    width = max(map(len, names))
    blocks = [_block(q) for q in found.quantities]
    rows = zip(names, *blocks, strict=True)
    wide = ["  ".join((name.ljust(width), *cells)).rstrip() for name, *cells in rows]
    if max(map(len, wide)) <= columns:
        return wide
    return [
        f"{name.ljust(width)}  {cell}".rstrip()
        for block in blocks
        for name, cell in zip(names, block, strict=True)
    ]


def _block(quantity: Quantity) -> list[str]:
    """Return one quantity's lines: its label, its columns' titles, its cells."""
    rows = [COLUMNS, *quantity.cells]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = [" ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    width = max(len(quantity.label), *map(len, lines))
    return [quantity.label.rjust(width), *(line.rjust(width) for line in lines)]


def attribution_markdown(found: Shares) -> str:
    """Return the rows as a table in Markdown, with the notes below."""
    head = [TITLE, *(f"{q.label}: {c}" for q in found.quantities for c in COLUMNS)]
    made = [head, ["---", *["---:"] * (len(head) - 1)]]
    for i, name in enumerate(found.names):
        made.append([plain(name), *(c for q in found.quantities for c in q.cells[i])])
    table = "\n".join("| " + " | ".join(row) + " |" for row in made)
    return table + "\n\n" + "\n".join(f"- {plain(n)}" for n in found.notes)


def document(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `attribute -o json` prints, of a summary that has an attribution."""
    return {
        "schema": ATTRIBUTION_SCHEMA,
        **{key: summary[key] for key in ATTRIBUTION_KEYS},
        "baseline_id": summary["savings"]["baseline_id"],
        **summary["attribution"],
    }


def attribution_csv(attribution: Mapping[str, Any]) -> str:
    """Return the parts as CSV, in whole units."""
    head = ["quantity", "unit", "technology", *_KEYS, "standard_error", "why"]
    rows = [
        [key, one["unit"], p["name"], *(p[k] for k in _KEYS), p["standard_error"], p["why"]]
        for key, one in attribution["quantities"].items()
        for p in one["technologies"]
    ]
    return csv_text(head, rows)
