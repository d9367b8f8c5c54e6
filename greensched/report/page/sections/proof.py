"""What stands behind the figures: data, assumptions and their sources, balance, provenance."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from greensched.report import heading
from greensched.report.left_out import is_batch_left_out
from greensched.report.page.html import Section, facts, listed, paragraph, table
from greensched.report.words import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from greensched.report.evidence import Evidence

ASSUMPTIONS: Final = (
    (
        "The result is a simulation of this demand on this fleet; nothing was measured while the "
        "scenario ran."
    ),
    (
        "Baseline and scenario see the same demand, are priced with the same factors and over the "
        "same time, until the last job of both has ended; after the window services keep their "
        "last load."
    ),
    "Scope 2 is location-based: facility energy times the grid's average intensity, hour by hour.",
    (
        "Embodied emissions are shared out over each machine's lifetime; a machine that is "
        "switched off avoids none of them."
    ),
    (
        "The latency factor is the modelled 99th percentile of response (M/M/c, or points that "
        "were measured) over the baseline's."
    ),
    (
        "Machines that sleep or are off draw the power that the scenario gives them: zero only "
        "where it says so."
    ),
)
SLOWED: Final = "Batch slows services as far as the scenario says."
NOT_SLOWED: Final = (
    "The scenario models no interference: what batch does to the latency of services is left out."
)
QUANTITIES: Final = {
    "intensity_g_per_kwh": "carbon intensity, g/kWh",
    "pue": "PUE",
    "fixed_w": "fixed facility power, W",
    "price_per_kwh": "price of a kWh, {currency}",
    "embodied_kg": "embodied, kgCO2e a machine",
    "embodied_low_kg": "embodied, low, kgCO2e a machine",
    "embodied_high_kg": "embodied, high, kgCO2e a machine",
    "lifetime_ms": "lifetime, years",
    "price_per_machine_h": "price of a machine-hour, {currency}",
}
MS_PER_YEAR: Final = 365 * 24 * 3_600_000


def proof(evidence: Evidence) -> Iterator[Section]:
    """Yield the sections of data, assumptions, balance and provenance."""
    summary = evidence.summary
    kind = summary["baseline"]["kind"]
    yield Section(
        key="data",
        title="What to know of the data",
        parts=(
            listed(heading.quality(summary))
            or paragraph("Nothing was dropped, filled or sorted."),
        ),
    )
    sources = (
        "" if evidence.factors is None else _factors(evidence.factors, summary["currency"] or "")
    )
    yield Section(
        key="assumptions",
        title="Assumptions and their sources",
        parts=(
            listed(
                [
                    f"Baseline {kind}: {summary['baseline']['text']}.",
                    f"Model of power: {summary['stamp']['calibration']} (against meters).",
                    *ASSUMPTIONS,
                    NOT_SLOWED if is_batch_left_out(summary) else SLOWED,
                ]
            ),
            sources,
        ),
    )
    yield Section(key="balance", title="Balance checks", parts=(_balance(summary),))
    yield Section(
        key="provenance",
        title="Provenance",
        parts=(
            _provenance(summary, evidence.manifest),
            _scenario(str(evidence.manifest.get("scenario", ""))),
        ),
    )


def _scenario(text: str) -> str:
    """Return the scenario's own text, which may be long and is folded."""
    shown = f'<pre tabindex="0">{escape(text)}</pre>'
    return f"<details><summary>The scenario</summary>{shown}</details>"


def _factors(factors: pd.DataFrame, currency: str) -> str:
    """Return the factors that the account used, each with its source, vintage and quality."""
    keys = ["quantity", "site", "machine_type", "factor_id", "factor_vintage", "quality"]
    if factors.empty or not {*keys, "value"} <= set(factors.columns):
        return ""
    rows = []
    told = factors[factors["quantity"] != "is_released"]  # no factor: whose machines these are
    for found, own in told.groupby(keys, sort=False, dropna=False):
        quantity, site, machine_type, *source = (str(v) for v in found)
        scale = MS_PER_YEAR if quantity == "lifetime_ms" else 1.0
        low, high = own["value"].min() / scale, own["value"].max() / scale
        value = _short(low) if low == high else f"{_short(low)} .. {_short(high)}"
        label = QUANTITIES.get(quantity, quantity).format(currency=currency)
        rows.append([label, " ".join(filter(None, (site, machine_type))), value, *source])
    heads = ["", "of", "value", "source", "vintage", "quality"]
    return table("Factors of the account", heads, rows, words=(1, 3, 4, 5))


def _short(value: float) -> str:
    return f"{value:,.5g}"


def _balance(summary: Mapping[str, Any]) -> str:
    """Return the equalities that were checked, and whether each holds."""
    checks = summary.get("balance") or []
    if not checks:
        return paragraph("No check was made.")
    rows = [
        [
            check["check"],
            f"{number(check['difference'], 0)} {check['unit']}",
            "holds" if check["ok"] else "BROKEN: a bug of greensched",
        ]
        for check in checks
    ]
    marks = ["" if check["ok"] else "bad" for check in checks]
    caption = "Equalities of whole numbers, with the difference in the worst run"
    return table(caption, ["", "difference", ""], rows, words=(2,), marks=marks)


def _provenance(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return what made the result, and how to make it again."""
    versions = ", ".join(f"{k} {v}" for k, v in manifest.get("versions", {}).items())
    return facts(
        [
            ("to repeat", manifest.get("command", "")),
            ("scenario, SHA-256", summary["scenario_sha256"]),
            ("baseline", summary["baseline"]["id"]),
            ("seed", str(summary["seed"])),
            ("versions", versions),
            *(
                (f"input {i['source']}", f"SHA-256 {i['sha256']}")
                for i in manifest.get("inputs", ())
            ),
            *((f"output {k}", f"SHA-256 {v}") for k, v in manifest.get("outputs", {}).items()),
        ]
    )
