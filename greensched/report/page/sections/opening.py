"""The head of a result's page: what was replayed, the answer in a sentence, four short answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report import heading
from greensched.report.attribution import shares
from greensched.report.charts.service import judged, objectives_sentence
from greensched.report.difference import (
    by_key,
    look_up,
    why_nothing,
)
from greensched.report.difference_rows import ENERGY, MACHINES, SCOPE2
from greensched.report.page.html import paragraph, text
from greensched.report.page.sections.sure import varied_inputs
from greensched.report.words import number, ranged, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greensched.report.difference_rows import Line
    from greensched.report.evidence import Evidence

SAVED: Final = "savings.scope2_location_kg"


def opening(evidence: Evidence) -> str:
    """Return the head: title, stamp, the answer with its range, and the four cards."""
    summary = evidence.summary
    cards = "".join(
        _card(*card)
        for card in (
            ("What was saved", *_what(summary)),
            ("By what", *_by_what(summary)),
            ("At what risk", *_risk(summary)),
            ("How sure that is", *_sure(evidence)),
        )
    )
    said = (heading.sentence(summary), heading.spoken(heading.in_window(summary)))
    lead = " ".join((*filter(None, said), *_range(evidence)))
    return (
        f"<header><h1>{text(heading.headline(summary))}</h1>"
        f'<p class="stamp">{text(heading.stamp(summary))}</p>'
        f"{paragraph(lead, 'lead')}"
        f'<dl class="cards">{cards}</dl></header>'
    )


def _card(question: str, mark: str, figure: str, *more: str) -> str:
    kind = f"card {mark}".strip()
    told = "".join(f'<dd class="more">{text(one)}</dd>' for one in more if one)
    return (
        f'<div class="{kind}"><dt>{text(question)}</dt><dd class="figure">{text(figure)}</dd>'
        f"{told}</div>"
    )


def _what(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the energy that was saved, and emissions and machines with it."""
    saved, kind, rows = summary["savings"], summary["baseline"]["kind"], by_key(summary)
    energy, scope2 = saved[ENERGY], saved[SCOPE2]
    share = saved["share"].get(ENERGY, 0.0)
    if why := why_nothing(summary):
        return "bad" if energy < 0 else "", rows[ENERGY].shown(energy), f"It {why}."
    carbon = f"{rows[SCOPE2].shown(abs(scope2))}CO2e"
    carbon = f"and {carbon} less" if scope2 >= 0 else f"but {carbon} more"
    return (
        "good",
        f"{rows[ENERGY].shown(energy)} ({100 * share:.1f} %)",
        f"less facility energy than under {kind}, {carbon} (scope 2).",
        f"Machines on, on average: {rows[MACHINES].delta}.",
    )


def _by_what(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which technology saves most."""
    given = summary.get("attribution")
    if not given:
        switches = ", ".join(summary["scenario"]["policies"]) or "no switch is on"
        return "", switches, "Which of them saves what was not asked (run with --attribution)."
    found, key = shares(summary), "energy_facility_mwh"
    parts = given["quantities"][key]["technologies"]
    own = sorted((p for p in parts if p["switches"]), key=lambda p: -p["shapley"])
    if found is None or not own or own[0]["shapley"] <= 0:
        return "", "no technology", "None of the switches saves energy here."
    (energy,) = (q for q in found.quantities if q.key == key)
    fair, digits = dict(zip(found.names, energy.fair, strict=False)), energy.row.digits
    kind = summary["baseline"]["kind"]
    names = {p["name"]: p["name"] for p in own}
    names |= {p["name"]: f"giving up {kind}'s own rules" for p in parts if not p["switches"]}
    said = [f"{words}: {signed(fair[name], digits)}" for name, words in names.items()]
    head = f"brings most. Saved by each, {energy.row.unit} (Shapley values):"
    whole = f"in all: {signed(energy.total, digits)}"
    return "", own[0]["name"], head, *said, whole


def _risk(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how many objectives are held, what comes nearest to breaking, what jobs bear."""
    rows = judged(summary)
    held = sum(row["held"] for row in rows)
    open_ = heading.not_judged(summary)
    stated = len(rows) + len(open_)
    figure = f"{held} of {plural(stated, 'objective')} held" if rows else "not judged"
    said = [objectives_sentence(summary)]
    lines, kind = by_key(summary), summary["baseline"]["kind"]
    if (row := lines.get("service.violation_min")) is not None:  # none where nothing was asked
        minutes = row.cells
        said.append(f"Services: {minutes[-1]} min in violation ({minutes[0]} under {kind}).")
    said += _jobs(summary, lines)
    cycles = lines["power_cycles"]
    if (cycles.raw[-1] or 0) > (cycles.raw[0] or 0):
        said.append(f"{cycles.cells[-1]} power cycles ({cycles.cells[0]} under {kind}).")
    if open_:
        said.append(f"Not judged: {', '.join(open_)}.")
    if not rows:
        return "", figure, *said
    open_ended = list(_unlimited(summary))
    if open_ended:
        said.append(f"No objective limits: {', '.join(open_ended)}.")
    mark = "bad" if held < stated else "" if open_ended else "good"
    return mark, figure, *said


def _unlimited(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures of the card of risk that no objective covers."""
    own, batch = summary["scenario"], summary["scenario"]["batch"]
    if look_up(summary, "demand.services") and look_up(own, "service.shortage_share_ok") is None:
        yield "minutes in violation"
    if batch["jobs"] and (batch.get("held") or look_up(own, "batch.wait_p95_ok") is None):
        yield "time to start"
    if batch["jobs"] and batch["evictions"]:
        yield "evictions"
    if batch["jobs"] and batch["wasted_core_h"]:
        yield "lost work"
    if own["power_cycles"] > summary["baseline"]["power_cycles"]:
        yield "power cycles"


def _jobs(summary: Mapping[str, Any], lines: Mapping[str, Line]) -> Iterator[str]:
    """Yield how late jobs start, how many of them by choice, and what work is lost."""
    batch, kind = summary["scenario"]["batch"], summary["baseline"]["kind"]
    if not batch["jobs"]:
        return
    start = lines.get("batch.start_p95_s", lines["batch.wait_p95_s"])
    if start.raw[-1] is not None:
        after, before = (start.shown(v) for v in (start.raw[-1], start.raw[0]))
        yield f"95 % of the jobs start within {after} of their submission ({before} under {kind})."
    if batch.get("held"):
        share = number(100 * batch["held"] / batch["jobs"], 0)
        held = lines["batch.held_mean_s"].shown(batch["held_mean_s"])
        yield (
            f"{share} % of all jobs are held by choice, for cleaner hours: {held} on average of "
            "the held jobs."
        )
    evictions, lost = (lines[f"batch.{key}"].cells for key in ("evictions", "wasted_core_h"))
    if batch["evictions"] or batch["wasted_core_h"]:
        yield (
            f"{evictions[-1]} evictions ({evictions[0]} under {kind}) and {lost[-1]} core-h of "
            f"work lost and done again ({lost[0]})."
        )


def _sure(evidence: Evidence) -> tuple[str, ...]:
    """Return between what the saving lies, and what kind of figures these are."""
    given = evidence.summary["stamp"]
    kind = f"{given['result']} from {given['data']} data, {given['calibration']}"
    told = evidence.sensitivity
    if told is None:
        return "", given["result"], f"{kind}; no range was made (greensched sensitivity)."
    least, most = _ends(evidence.summary, told)
    low, mid = (told["figures"][SAVED][k] for k in ("least", "mid"))
    mark = "" if low > 0 else "bad" if mid > 0 else ""
    kind = f"{kind[0].upper()}{kind[1:]}."
    return mark, f"{least} .. {most}CO2e saved", f"{varied_inputs(told)}.", kind


def _range(evidence: Evidence) -> Iterator[str]:
    """Yield between what the saving of emissions lies, where that was asked."""
    if told := evidence.sensitivity:
        least, most = _ends(evidence.summary, told)
        yield f"Between {least} and {most}CO2e are saved {varied_inputs(told)}."


def _ends(summary: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, str]:
    """Return the least and, with its unit, the most of the emissions that are saved."""
    row, found = by_key(summary)[SCOPE2], told["figures"][SAVED]
    low, high = (found[k] / row.divisor for k in ("least", "most"))
    least, most = (ranged(v, low, high, row.digits) for v in (low, high))
    return least, f"{most} {row.unit}"
