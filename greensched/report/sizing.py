"""How many machines to buy: the table's second block, and what `size` prints."""

from __future__ import annotations

import json
from importlib.resources import files
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report.side import UNLIMITED, beside
from greensched.report.tables import csv_text, plain
from greensched.report.words import number, signed, unit_for
from greensched.scenario.overrides import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA_FILE: Final = "sizing.schema.json"
LABEL_WIDTH: Final = 29
WIDTHS: Final = (12, 13, 12, 14, 8, 9)  # of the columns behind the label
STATIC_PEAK, STATIC_PEAK_COLUMN = "static-peak", 2
ONE_OF: Final = {
    "serving": "serving machine",
    "computing": "computing machine",
    "databases": "machine for databases",
}
# what of an objective is told, and in which unit
NEAR: Final = (
    ("latency_factor_p99", "p99 latency factor", 1.0, ""),
    ("shortage_share", "work short of CPU", 100.0, " %"),
    ("deadline_miss_share", "missed deadlines", 100.0, " %"),
    ("wait_p95_s", "p95 wait", 1 / 60, " min"),
)
SIZED: Final = "autoscaled"  # the baseline whose fleet is searched for, as the scenario's is


def sizing_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that what `size -o json` prints satisfies."""
    text = (files("greensched.report") / SCHEMA_FILE).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def purchase(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a summary says of the next purchase, as the document of `size` does."""
    sizing = summary.get("sizing")
    if not sizing:
        return None
    return {
        **sizing,
        "baseline_kind": summary["baseline"]["kind"],
        "baseline_machines": summary["baseline"]["machines_needed"],
        "static_peak_machines": summary["static_peak"]["machines_needed"],
        "machines": summary["scenario"]["machines_needed"],
    }


def titles(given: Mapping[str, Any]) -> list[str]:
    """Return the heads of the block's columns."""
    kind = given["baseline_kind"]
    head = ["next purchase", kind, STATIC_PEAK, "scenario", f"Δ {kind}", "%", "bound"]
    return _once(given, head)


def _once(given: Mapping[str, Any], cells: Sequence[Any]) -> list[Any]:
    """Return the cells of a row, static-peak's left out where it is the baseline already."""
    repeated = given["baseline_kind"] == STATIC_PEAK
    return [cell for i, cell in enumerate(cells) if not (repeated and i == STATIC_PEAK_COLUMN)]


def rows(given: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the block: machines, of each type where there are several, embodied."""
    made = [["machines needed", *_numbers(given)]]
    by_type = given.get("by_type", [])
    if len(by_type) > 1:
        made += [[f"  {one['machine_type']}", *_numbers(one)] for one in by_type]
    made += _embodied(given["embodied_not_bought_kg"])
    return [_once(given, row) for row in made]


def _numbers(given: Mapping[str, Any]) -> list[str]:
    """Return the machines of baseline, static-peak and scenario, the change and the bound."""
    first, last = given["baseline_machines"], given["machines"]
    cells = [number(n, 0) for n in (first, given["static_peak_machines"], last)]
    change = percent = ""
    if first is not None and last is not None:
        change = signed(last - first, 0)
        percent = signed(100 * (last - first) / first, 1) if first else ""
    return [*cells, change, percent, number(given["lower_bound"], 0)]


def _embodied(given: Mapping[str, float] | None) -> list[list[str]]:
    """Return the row of what is not bought, or bought more, with its range; no total has it."""
    if given is None or not any(given.values()):
        return []
    divisor, unit = unit_for("kg", given.values())
    mid, *ends = (-given[k] / divisor for k in ("mid", "low", "high"))
    low, high = sorted(ends)
    span = f"({signed(low, 2)} .. {signed(high, 2)})"
    what = "not bought" if mid <= 0 else "bought more"
    return [[f"{unit}CO2e embodied, {what}", "", "", "", signed(mid, 2), span, ""]]


def text_lines(given: Mapping[str, Any], columns: int = UNLIMITED) -> list[str]:
    """Return the block as lines, the head first; in blocks where they are wider than `columns`."""
    wide = _wide_lines(given)
    if max(map(len, wide)) <= columns:
        return wide
    table = [[str(cell) for cell in row] for row in (titles(given), *rows(given))]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    padded = [
        [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        for row in table
    ]
    return beside(padded, columns=columns)


def _wide_lines(given: Mapping[str, Any]) -> list[str]:
    """Return the block as it stands where there is room for it."""
    made = []
    _, *widths = _once(given, (LABEL_WIDTH, *WIDTHS))
    for label, *cells in (titles(given), *rows(given)):
        line = label.ljust(LABEL_WIDTH)
        for cell, width in zip(cells, widths, strict=True):
            line += cell.rjust(width) if len(cell) < width else f" {cell}"
        made.append(line.rstrip())
    return made


def notes(given: Mapping[str, Any]) -> list[str]:
    """Return what limits the scenario's fleet, and what cannot be bought at all."""
    limits = list(given["limited_by"])
    if given["machines"] is None:
        why = f": {limits[0]['text']}" if limits else ""
        kinds = {given["baseline_kind"], STATIC_PEAK} - {SIZED}
        fixed = f"{' and '.join(sorted(kinds))} are {'its' if len(kinds) == 1 else 'their'}"
        return [
            f"not even the whole fleet keeps the scenario's objectives{why}",
            f"the machines of {fixed} definition, whether they keep objectives or not",
        ]
    told = [f"with one {ONE_OF[limit['pool']]} less: {limit['text']}" for limit in limits]
    share = given.get("captured_share")  # results of earlier versions have none
    if share is not None and share >= 0:
        told.append(f"saved of what the bound leaves to save: {100 * share:.0f} %")
    return told


def _broken(document: Mapping[str, Any]) -> list[str]:
    """Return which fleets that are fixed by definition do not keep the objectives, and why."""
    runs = {run["name"]: run for run in document["runs"]}
    fixed = {STATIC_PEAK: runs["static_peak"]}
    if document["baseline_kind"] != SIZED:
        fixed[document["baseline_kind"]] = runs["baseline"]
    return [
        f"{kind} does not keep the objectives with its {plural(run['machines'], 'machine')}: "
        + run["limited_by"][0]["text"]
        for kind, run in fixed.items()
        if document["machines"] is not None and not run["held"]
    ]


def remarks(document: Mapping[str, Any]) -> list[str]:
    """Return what `size` tells beyond the block: combinations, industry's line, assumptions."""
    made = []
    sets = [r for r in document["runs"] if r["name"] not in ("baseline", "static_peak")]
    if len(sets) > 1:
        made += [f"{r['name']}: {_machines(r['machines'])}" for r in sets]
    made += _measured(document)
    made += _pools(document)
    made += _broken(document)
    if out := document["reserve"]["out_at_once"]:
        made.append(
            f"at most {plural(out, 'machine')} of the fleet are out at once: sizes hold with the"
            " outages of their machines"
        )
    if document["reserve"]["added"]:
        made.append(f"reserve: {plural(document['reserve']['added'], 'machine')}, included above")
    if quoted := document["industry"]:
        r1, r2 = (100 * quoted[k] for k in ("use_before_share", "use_after_share"))
        made.append(
            f"industry's {quoted['formula']}: {number(quoted['machines_saved'], 1)} machines "
            f"(use {r1:.1f} -> {r2:.1f} %), found here: {quoted['machines_saved_here']}; "
            f"{quoted['gap']}"
        )
    return [*made, *document["findings"]]


def _measured(document: Mapping[str, Any]) -> list[str]:
    """Return how near the scenario's size is to its limits."""
    found = next(r for r in document["runs"] if r["name"] == "scenario")["measured"]
    limits, told = document["limits"], []
    for key, name, factor, unit in NEAR:
        if found is not None and found[key] is not None and limits[key] is not None:
            value, most = number(factor * found[key], 3), number(factor * limits[key], 3)
            told.append(f"{name} {value} of {most}{unit}")
    return [f"measured on the scenario's machines: {', '.join(told)}"] if told else []


def _pools(document: Mapping[str, Any]) -> list[str]:
    """Return how the scenario's machines are divided, and what runs it so."""
    divided = [one for one in document["by_type"] if one["serve"] or one["compute"]]
    if not divided:
        return []
    types = [f"{one['serve']} {one['machine_type']}" for one in divided if one["serve"]]
    computing = [f"{one['compute']} {one['machine_type']}" for one in divided if one["compute"]]
    told = [
        f"{' + '.join(some)} {what}"
        for some, what in ((types, "serve"), (computing, "compute"))
        if some
    ]
    settings = [
        f"--set {quote(path_text(('pools', one['machine_type'], key)) + f'={one[key]}')}"
        for one in divided
        for key in ("serve", "compute")
        if one[key]
    ]
    return [f"of the scenario's machines {', '.join(told)}; for `run`:", " ".join(settings)]


def _machines(value: int | None) -> str:
    """Return a number of machines in words."""
    return "no fleet" if value is None else plural(value, "machine")


def sizing_markdown(document: Mapping[str, Any]) -> str:
    """Return what `size` found as Markdown."""
    stamp = " · ".join(document["stamp"].values())
    parts = [f"## {plain(document['name'])}", f"*{stamp}*", block_markdown(document)]
    told = [*notes(document), *remarks(document)]
    if told:
        parts.append("\n".join(f"- {plain(text)}" for text in told))
    return "\n\n".join(parts) + "\n"


def block_markdown(given: Mapping[str, Any]) -> str:
    """Return the block as a table of Markdown."""
    head = [plain(t) for t in titles(given)]
    made = [head, ["---", *["---:"] * (len(head) - 1)]]
    made += [[plain(cell) for cell in row] for row in rows(given)]
    return "\n".join("| " + " | ".join(row) + " |" for row in made)


def sizing_csv(document: Mapping[str, Any]) -> str:
    """Return the sizes as CSV: one row for all machines and one a type, numbers as they are."""
    keys = ("baseline_machines", "static_peak_machines", "machines", "lower_bound")
    parts = ("serve", "compute")
    types = document["by_type"]
    all_of_them = [sum(one[k] for one in types) for k in parts]
    made: list[Sequence[Any]] = [["", *(document[k] for k in keys), *all_of_them]]
    made += [[one["machine_type"], *(one[k] for k in (*keys, *parts))] for one in types]
    return csv_text(["machine_type", *keys, *parts], made)
