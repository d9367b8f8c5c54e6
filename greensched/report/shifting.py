"""What `shift` and `reproduce` print: rows as a table, as Markdown and as CSV."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import escape_control, plural
from greensched.report.side import beside
from greensched.report.tables import csv_text, plain
from greensched.report.words import number
from greensched.units import G_PER_KG, MG_PER_KG, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from greensched.carbon import CarbonIntensity
    from greensched.shift import Case

COLUMNS: Final = (
    *(("CO2e", "carbon_g"), ("saved %", "normalised"), ("oracle %", "oracle_g")),
    *(("bound %", "bound_g"), ("captured %", "share_captured"), ("wait h", "mean_wait_h")),
    *(("p95 h", "p95_wait_h"), ("peak cores", "peak_cores"), ("late", "late"), ("cost", "cost")),
    ("marginal %", "marginal_normalised"),
)


def heading(name: str, case: Case, series: CarbonIntensity, *, forecast: str) -> Iterator[str]:
    """Yield what the table is of: jobs, zone, what was assumed, what was left out."""
    from greensched.carbon import iso

    terms = case.terms
    yield escape_control(
        f"{name}: {plural(len(case.jobs), 'job')}, zone {series.zone}"
        f"{', synthetic intensity' if series.labels.synthetic else ''} from "
        f"{iso(case.intensity.zero_ms)[:-1]}, {terms.core_w:g} W a core, ticks of "
        f"{terms.tick_ms / MS_PER_S:g} s; "
        + (f"forecast {forecast}" if forecast else "the future is known to all policies")
    )
    if series.is_constant:
        from greensched.providers.constant import NOT_ASSESSABLE

        yield NOT_ASSESSABLE if is_annual(series) else "flat: no time is cleaner than another"
    if case.outside_span:
        yield f"left out: {plural(case.outside_span, 'job')} outside the horizon"
    if case.outside_data:
        yield f"left out: {plural(case.outside_data, 'job')} beyond the end of the data"
    if case.instant:
        yield f"left out: {plural(case.instant, 'job')} of length 0, which do no work"


def is_annual(series: CarbonIntensity) -> bool:
    """Say whether a series is one factor for all hours, by which no shifting can be assessed."""
    return len(series.values_g_per_kwh) == 1


def blocks(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield title, heads and cells of the two tables: without a cap on cores, and with one."""
    cap, (unit, unit_g) = rows[0]["capacity"], _unit(rows)
    left = f" ({plural(cap['refused'], 'larger job')} left out)" if cap["refused"] else ""
    for title, runs in (
        ("without a cap on cores, against no-wait", rows),
        (
            f"on {cap['cores']:g} cores{left}, against no-wait there",
            [row["capacity"] for row in rows],
        ),
    ):
        shown = [(head, key) for head, key in COLUMNS if runs[0].get(key) is not None]
        cells = [
            [row["policy"], *(_cell(key, run, unit_g) for _, key in shown)]
            for row, run in zip(rows, runs, strict=True)
        ]
        heads = [f"{unit}{head}" if key == "carbon_g" else head for head, key in shown]
        yield title, ["policy", *heads], cells


def _unit(rows: Sequence[Mapping[str, Any]]) -> tuple[str, float]:
    """Return the largest unit of mass in which emissions reach 1, and what it is [g]."""
    most_g = max((row["carbon_g"] for row in rows), default=0.0)
    named = (("kg", float(G_PER_KG)), ("g", 1.0), ("mg", G_PER_KG / MG_PER_KG))
    return next((one for one in named if most_g >= one[1]), named[0] if not most_g else named[-1])


def _cell(key: str, run: Mapping[str, Any], unit_g: float) -> str:
    """Return a figure as people read it; emissions but the first as what they save."""
    value = run[key]
    if value is None:
        return number(None)
    if key in ("oracle_g", "bound_g"):
        if not run["normalised"]:
            return number(None)
        key, value = "normalised", value * run["normalised"] / run["carbon_g"]
    if key in ("normalised", "marginal_normalised"):
        return number(100 * (1 - value), 2)
    if key == "share_captured":
        return number(100 * value, 1)
    if key == "carbon_g":
        return number(value / unit_g, 2)
    return number(value, 0 if key in ("peak_cores", "late", "cost") else 2)


def shifting_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables as text."""
    made = []
    for title, heads, cells in blocks(rows):
        made += [title, *aligned(heads, cells), ""]
    return "\n".join([*made[:-1], *_flagged(rows), *_space_text(rows)]) + "\n"


def in_space(
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield title, heads and cells of the sites of a plan in space, without caps and with them."""
    unit, unit_g = _unit(rows)
    for row in (row for row in rows if "sites" in row):
        for run, where in ((row, "without caps"), (row["capacity"], "under each site's cap")):
            moving = number(run["moving_g"] / unit_g, 2)
            title = (
                f"{row['policy']} {where}: {plural(run['moved'], 'job')} moved, moving emits "
                f"{moving} {unit}; change is against no-wait at home"
            )
            cells = [
                [
                    escape_control(site["zone"]),
                    number(site["jobs"], 0),
                    number(site["carbon_g"] / unit_g, 2),
                    f"{site['change_g'] / unit_g:+,.2f}",
                    number(site["peak_cores"], 0),
                ]
                for site in run["sites"]
            ]
            yield title, ["site", "jobs", f"{unit}CO2e", "change", "peak cores"], cells


def _space_text(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the sites."""
    for title, heads, cells in in_space(rows):
        yield ""
        yield title
        yield from aligned(heads, cells)


def _flagged(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return notes: whose savings have two signs, and how far a plan is from the optimum."""
    found = [
        row["policy"]
        for row in rows
        if row.get("signs_differ") or row["capacity"].get("signs_differ")
    ]
    notes = [f"NOTE saves by one signal and not by the other: {', '.join(found)}"] if found else []
    for row in rows:
        if "above_lp" in row["capacity"] and row["capacity"]["carbon_g"]:
            gap = row["capacity"]["above_lp"]
            told = "too large a study to tell" if gap is None else f"{number(100 * gap, 2)} %"
            notes.append(f"{row['policy']} on few cores, above the linear program: {told}")
    return notes


def aligned(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of columns, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in (heads, *cells)) for i in range(len(heads))]
    padded = [
        [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in (heads, *cells)
    ]
    return beside(padded)


def shifting_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables as Markdown."""
    shown = (*blocks(rows), *in_space(rows))
    parts = [f"{plain(title)}\n\n{markdown(heads, cells)}" for title, heads, cells in shown]
    return "\n\n".join([*parts, *map(plain, _flagged(rows))]) + "\n"


def markdown(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown, all columns but the first to the right."""
    made = [heads, ["---", *["---:"] * (len(heads) - 1)], *cells]
    return "\n".join("| " + " | ".join(map(plain, row)) + " |" for row in made)


def shifting_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as CSV, numbers as they are; under the cap with `capacity_` before.

    A column that a policy does not have is empty in its row.
    """
    flat = [
        _flat({k: v for k, v in row.items() if k != "capacity"})
        | {f"capacity_{k}": v for k, v in _flat(row["capacity"]).items()}
        for row in rows
    ]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    return csv_text(columns, [[row.get(key) for key in columns] for row in flat])


def _flat(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures with those of sites as columns of their own."""
    found = {key: value for key, value in run.items() if key != "sites"}
    for site in run.get("sites", ()):
        found |= {f"{site['zone']}_{k}": v for k, v in site.items() if k != "zone"}
    return found


def reproduced(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return heads and cells of the table of a reproduction."""
    cells = []
    for row in rows:
        digits = round(-math.log10(row["tolerance"]))
        figures = [number(row[key], digits) for key in ("theirs", "ours")]
        difference = f"{row['difference']:+.1e}" if row["difference"] else "0"
        verdict = "agrees" if row["agrees"] else "DIFFERS"
        cells.append([row["figure"], row["zone"], *figures, row["unit"], difference, verdict])
    return ["figure", "zone", "theirs", "ours", "unit", "difference", ""], cells
