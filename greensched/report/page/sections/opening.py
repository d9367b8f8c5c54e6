"""The head of a result's page: what was replayed, the answer in a sentence, four short answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report import heading
from greensched.report.charts.service import judged, objectives_sentence
from greensched.report.difference import look_up, why_nothing
from greensched.report.page.html import paragraph, text
from greensched.report.words import number, plural, ranged, signed, unit_for
from greensched.units import S_PER_H

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    return (
        f"<header><h1>{text(heading.headline(summary))}</h1>"
        f'<p class="stamp">{text(heading.stamp(summary))}</p>'
        f"{paragraph(heading.sentence(summary) + _range(evidence), 'lead')}"
        f'<dl class="cards">{cards}</dl></header>'
    )


def _card(question: str, mark: str, figure: str, more: str) -> str:
    kind = f"card {mark}".strip()
    return (
        f'<div class="{kind}"><dt>{text(question)}</dt><dd class="figure">{text(figure)}</dd>'
        f'<dd class="more">{text(more)}</dd></div>'
    )


def _what(summary: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the energy that was saved, and emissions and machines with it."""
    saved, kind = summary["savings"], summary["baseline"]["kind"]
    energy, scope2 = saved["energy_facility_kwh"], saved["scope2_location_kg"]
    divisor, unit = unit_for("kwh", [energy])
    share = saved["share"].get("energy_facility_kwh", 0.0)
    if why := why_nothing(summary):
        return "bad" if energy < 0 else "", f"{number(energy / divisor, 2)} {unit}", f"It {why}."
    carbon = (
        f"and {number(scope2, 0)} kgCO2e less"
        if scope2 >= 0
        else f"but {number(-scope2, 0)} kgCO2e more"
    )
    return (
        "good",
        f"{number(energy / divisor, 2)} {unit} ({100 * share:.1f} %)",
        (
            f"less facility energy than under {kind}, {carbon} (scope 2); "
            f"{signed(-saved['machines_on_mean'], 1)} machines on average."
        ),
    )


def _by_what(summary: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return which technology saves most."""
    attribution = summary.get("attribution")
    if not attribution:
        switches = ", ".join(summary["scenario"]["policies"]) or "no switch is on"
        return "", switches, "Which of them saves what was not asked (run with --attribution)."
    parts = attribution["quantities"]["energy_facility_mwh"]["technologies"]
    own = [p for p in parts if p["switches"]]
    if not own or max(p["shapley"] for p in own) <= 0:
        return "", "no technology", "None of the switches saves energy here."
    order = sorted(own, key=lambda p: -p["shapley"])
    shares = [f"{p['name']} {signed(p['shapley'] / 1e6, 0)} kWh" for p in order]
    kind = summary["baseline"]["kind"]
    rest = [
        f"giving up {kind}'s own rules {signed(p['shapley'] / 1e6, 0)} kWh"
        for p in parts
        if not p["switches"]
    ]
    return "", order[0]["name"], f"brings most. {'; '.join([*shares, *rest])} (Shapley values)."


def _risk(summary: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return how many objectives are held, and what comes nearest to breaking."""
    rows = judged(summary)
    held = sum(row["held"] for row in rows)
    if not rows:
        return "", "not judged", objectives_sentence(summary)
    figure = f"{held} of {plural(len(rows), 'objective')} held"
    minutes = [
        number(look_up(summary, f"{run}.service.violation_min") or 0.0, 0)
        for run in ("scenario", "baseline")
    ]
    more = objectives_sentence(summary)
    if look_up(summary, "demand.services"):
        kind = summary["baseline"]["kind"]
        more += f" Services: {minutes[0]} min in violation ({minutes[1]} under {kind})."
    batch = summary["scenario"]["batch"]
    if batch.get("held"):
        share = number(100 * batch["held"] / batch["jobs"], 0)
        hours = number(batch["held_mean_s"] / S_PER_H, 1)
        more += f" {share} % of the jobs are held for cleaner hours, {hours} h on average."
    return "good" if held == len(rows) else "bad", figure, more


def _sure(evidence: Evidence) -> tuple[str, str, str]:
    """Return between what the saving lies, and what kind of figures these are."""
    given = evidence.summary["stamp"]
    kind = f"{given['result']} from {given['data']} data, {given['calibration']}"
    told = evidence.sensitivity
    if told is None:
        return "", given["result"], f"{kind}; no range was made (greensched sensitivity)."
    found = told["figures"][SAVED]
    divisor, unit = unit_for("kg", [found["least"], found["most"]])
    low, mid, high = (found[k] / divisor for k in ("least", "mid", "most"))
    least, most = (ranged(v, low, high, 3) for v in (low, high))
    inputs = ", ".join(axis["name"] for axis in told["axes"])
    mark = "" if low > 0 else "bad" if mid > 0 else ""
    return mark, f"{least} .. {most} {unit}CO2e saved", f"as inputs vary ({inputs}); {kind}."


def _range(evidence: Evidence) -> str:
    """Return between what the saving of emissions lies, as the headline's last sentence."""
    told = evidence.sensitivity
    if told is None:
        return ""
    found = told["figures"][SAVED]
    least, most = (ranged(found[k], found["least"], found["most"], 0) for k in ("least", "most"))
    return f" As inputs go from low to high, {least} to {most} kgCO2e are saved."
