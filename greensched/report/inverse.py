"""The answer to an inverse: which fleets would have saved what was reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.accounting.books import fleet_for, reconciled, utilisation_for
from greensched.accounting.books.inverse import H_PER_YEAR
from greensched.errors import escape_control
from greensched.report.disclosure.sections import Section
from greensched.report.shifting import aligned, markdown
from greensched.report.tables import csv_text, plain
from greensched.report.words import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from greensched.accounting.books import Reported
    from greensched.scenario.inverse import InverseSpec

SCHEMA: Final = "greensched/inverse/v1"
# From low factors to high ones: the fleet that is needed falls.
BOUNDS: Final = ("low", "mid", "high")
TOLERANCE_T: Final = 0.01  # the last digit that was published


def answer(spec: InverseSpec) -> dict[str, Any]:
    """Return the answer as plain values."""
    reported = spec.reported_saving()
    fleets = {at: fleet_for(reported, at) for at in BOUNDS}
    quoted = spec.quoted
    parts = {} if quoted is None else {f"{t:,.2f} t": t for t in quoted.parts}
    sums = () if quoted is None else reconciled(quoted.total, parts, TOLERANCE_T)
    return {
        "schema": SCHEMA,
        "name": spec.name,
        "reported_t": reported.saved_t,
        "year": spec.reported.year,
        "source": spec.reported.source,
        "utilisation_before": reported.utilisation_before_share,
        "utilisation_after": reported.utilisation_after_share,
        "fleet": {
            at: {
                "machines": fleet.machines,
                "machines_after": fleet.machines_after,
                "saved_mwh_year": fleet.saved_mwh_year,
                "saved_mw_mean": fleet.saved_mwh_year / H_PER_YEAR,
                "emitted_t": fleet.emitted_t,
                "emitted_after_t": fleet.emitted_after_t,
            }
            for at, fleet in fleets.items()
        },
        "by_fleet": [_needed(reported, machines) for machines in spec.fleets],
        "quoted": None
        if quoted is None
        else {
            "total_t": quoted.total,
            "parts_t": list(quoted.parts),
            "reconciles": bool(sums),
            "sums_to_total": list(sums),
        },
    }


def _needed(reported: Reported, machines: int) -> dict[str, Any]:
    """Return the utilisation that a fleet would have to reach, None where no rise is enough."""
    found = {at: utilisation_for(reported, machines, at) for at in BOUNDS}
    return {"machines": machines, **{f"utilisation_{at}_share": u for at, u in found.items()}}


def verdict(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return in sentences whether the reported rise can be what saved so much."""
    low, mid, high = (_round(values["fleet"][at]["machines"]) for at in BOUNDS)
    rise = f"{100 * values['utilisation_before']:g} % to {100 * values['utilisation_after']:g} %"
    return (
        f"The rise from {rise} saves as much in a year on about {mid} machines ({high} .. {low}):",
        "consistent with a fleet of that size. A smaller one cannot have saved as much by it",
        "alone; a larger one would have saved more, or has risen by less.",
    )


def _round(value: float) -> str:
    """Return a number with as many digits as its range allows: two."""
    return f"{float(f'{value:.2g}'):,g}"


def blocks(values: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the parts of an answer."""
    fleet = values["fleet"]
    shown = (
        ("machines before", "machines"),
        ("machines for the same work after", "machines_after"),
        ("electricity saved, MWh a year", "saved_mwh_year"),
        ("the same, MW on average", "saved_mw_mean"),
        ("emissions of the fleet before, t", "emitted_t"),
        ("emissions after, t", "emitted_after_t"),
    )
    said = f"{values['reported_t']:,.2f} t in {values['year']} ({values['source']})"
    yield Section(
        title=f"{values['name']}: {said}",
        heads=("with factors that are", "low", "middle", "high"),
        cells=tuple((name, *(_round(fleet[at][key]) for at in BOUNDS)) for name, key in shown),
        notes=verdict(values),
    )
    if values["by_fleet"]:
        keys = [f"utilisation_{at}_share" for at in BOUNDS]
        yield Section(
            title="utilisation that a fleet has to reach, from "
            f"{100 * values['utilisation_before']:g} %",
            heads=("machines", "low", "middle", "high"),
            cells=tuple(
                (number(one["machines"]), *(_percent(one[key]) for key in keys))
                for one in values["by_fleet"]
            ),
            notes=("never: not even 100 % saves as much",),
        )
    quoted = values["quoted"]
    if quoted is not None:
        total = f"{quoted['total_t']:,.2f}"
        yield Section(
            title="published figures, as quoted",
            heads=("", "t"),
            cells=(("total", total), *(("part", f"{part:,.2f}") for part in quoted["parts_t"])),
            notes=(
                f"{' + '.join(quoted['sums_to_total'])} = {total} t"
                if quoted["reconciles"]
                else f"no sum of the others gives {total} t: quoted, not reconciled",
            ),
        )


def _percent(share: float | None) -> str:
    return "never" if share is None else f"{100 * share:.1f} %"


def inverse_text(values: Mapping[str, Any]) -> str:
    """Return an answer as aligned text."""
    lines: list[str] = []
    for part in blocks(values):
        lines += [escape_control(part.title), *(f"  {x}" for x in aligned(part.heads, part.cells))]
        lines += [*(f"  {note}" for note in part.notes), ""]
    return "\n".join(lines[:-1]) + "\n"


def inverse_markdown(values: Mapping[str, Any]) -> str:
    """Return an answer as Markdown."""
    parts: list[str] = []
    for part in blocks(values):
        told = plain(" ".join(part.notes))
        parts += [f"## {plain(part.title)}", markdown(part.heads, part.cells), told]
    return "\n\n".join(parts) + "\n"


def inverse_csv(values: Mapping[str, Any]) -> str:
    """Return the fleets of an answer as CSV, a row for each set of factors."""
    rows: Sequence[Mapping[str, Any]] = [{"factors": at, **values["fleet"][at]} for at in BOUNDS]
    return csv_text(list(rows[0]), [list(row.values()) for row in rows])
