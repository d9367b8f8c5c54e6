"""How sure: emissions by scope with what is left out, sensitivity, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.report import heading
from greensched.report.page.html import Section, figure, listed, paragraph, table, text
from greensched.report.words import number, ranged, signed, unit_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greensched.report.charts import Chart
    from greensched.report.evidence import Evidence


def sure(evidence: Evidence, charts: Mapping[str, Chart]) -> Iterator[Section]:
    """Yield the sections of scopes, sensitivity and bounds."""
    summary = evidence.summary
    yield Section(
        key="scopes",
        title="Emissions by scope",
        parts=(figure(charts["scopes"], heading=False), _scopes(summary), _apart(summary)),
    )
    yield Section(
        key="sensitivity",
        title="How sure: sensitivity",
        parts=tuple(_sensitivity(evidence, charts)),
    )
    best = (
        figure(charts["bounds"], heading=False)
        if "bounds" in charts
        else paragraph("No bound was made: not even a fluid finds room, or it was not asked for.")
    )
    yield Section(
        key="bounds",
        title="Bounds, and the share that was captured",
        parts=(best, listed([heading.captured(summary)])),
    )


def _scopes(summary: Mapping[str, Any]) -> str:
    """Return the scopes as a table; what a run does not state says so."""
    runs = (summary["baseline"], summary["scenario"])
    kind = runs[0]["kind"]
    both = [run["scope2_location_kg"] + run["embodied_kg"] for run in runs]
    divisor, unit = unit_for("kg", both)

    def cells(values: list[float]) -> list[str]:
        shown = [v / divisor for v in values]
        return [*(number(v, 3) for v in shown), signed(shown[1] - shown[0], 3)]

    low, high = (runs[1][k] / divisor for k in ("embodied_low_kg", "embodied_high_kg"))
    nothing = ["–", "–", "–"]
    rows = [
        ["scope 1", *nothing, "not modelled: machines burn no fuel"],
        [
            "scope 2, location-based",
            *cells([run["scope2_location_kg"] for run in runs]),
            "facility energy x the grid's average intensity, hour by hour",
        ],
        [
            "scope 2, market-based",
            *nothing,
            "a scenario has no contracts; greensched disclose states a year by both methods",
        ],
        [
            "scope 3, category 2, embodied share",
            *cells([run["embodied_kg"] for run in runs]),
            (
                f"time-linear over each machine's life; {number(low, 2)} .. {number(high, 2)} "
                "with low and high factors"
            ),
        ],
        ["location-based and embodied", *cells(both), ""],
    ]
    heads = ["", kind, "scenario", f"Δ {kind}", "how"]
    marks = ["", "", "", "", "total"]
    return table(f"Emissions of the run, {unit}CO2e", heads, rows, words=(4,), marks=marks)


def _apart(summary: Mapping[str, Any]) -> str:
    """Return boxes of what is in no total: machines that need not be bought, and offsets."""
    given = (summary.get("sizing") or {}).get("embodied_not_bought_kg")
    bought = ""
    if given and any(given.values()):
        divisor, unit = unit_for("kg", given.values())
        low, mid, high = (given[k] / divisor for k in ("low", "mid", "high"))
        shown = [ranged(v, low, high, 3) for v in (mid, low, high)]
        bought = (
            '<div class="box"><h3>Not bought</h3>'
            + paragraph(
                f"If the smaller fleet is bought next time, {shown[0]} {unit}CO2e "
                f"({shown[1]} .. {shown[2]}) of embodied emissions fall away for a window as long "
                "as this. It is avoided, not reduced, and in no total above."
            )
            + "</div>"
        )
    offsets = (
        '<div class="box"><h3>Offsets</h3>'
        + paragraph(
            "None. A run knows no offsets, and no figure on this page is lowered by any; a "
            "company's are kept in a book of their own (greensched disclose)."
        )
        + "</div>"
    )
    return bought + offsets


def _sensitivity(evidence: Evidence, charts: Mapping[str, Chart]) -> Iterator[str]:
    """Yield the tornado, the ranges, and what widths were assumed."""
    told = evidence.sensitivity
    if told is None or "tornado" not in charts:
        yield paragraph(
            "No range was made with this result. greensched sensitivity SCENARIO --out RESULT "
            "makes one, by runs of their own, and writes this page anew."
        )
        return
    yield figure(charts["tornado"], heading=False)
    yield table(
        "Least, middle and most over everything that was tried",
        ["", "least", "middle", "most"],
        [_range(name, found) for name, found in told["figures"].items()],
    )
    basis = [
        f"{axis['name']}: {axis['low']['setting']} .. {axis['high']['setting']} ({axis['basis']})"
        for axis in told["axes"]
    ]
    yield listed(basis)
    if not any(axis["name"] == "idle power" for axis in told["axes"]):
        yield (
            f'<p class="note">{text(PRICED_ONLY)} <code>greensched sensitivity SCENARIO --out '
            "RESULT</code> adds idle power, errors of forecasts and other seeds, by runs of their "
            "own.</p>"
        )


PRICED_ONLY = "These inputs change prices alone; what machines do is the same."
LABELS = {
    "machines_on_mean": "machines on, mean",
    "energy_facility_kwh": "facility energy, kWh",
    "scope2_location_kg": "scope 2, location, kgCO2e",
    "embodied_kg": "embodied share, kgCO2e",
    "scope2_and_embodied_kg": "both, kgCO2e",
}


def _range(name: str, found: Mapping[str, float]) -> list[str]:
    group, _, quantity = name.partition(".")
    label = f"{'saved: ' if group == 'savings' else ''}{LABELS.get(quantity, quantity)}"
    low, high = found["least"], found["most"]
    return [label, *(ranged(found[k], low, high, 1) for k in ("least", "mid", "most"))]
