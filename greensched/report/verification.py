"""A verification as people read it: predicted, realised, and the difference by cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import escape_control
from greensched.report.calibration import table
from greensched.report.tables import csv_text
from greensched.report.words import number, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WORST: Final = 3  # hours that are named
FIGURES: Final = {
    "machines_on_mean": ("machines on, mean", 1),
    "energy_facility_kwh": ("energy, kWh (facility)", 1),
    "scope2_location_kg": ("kgCO2e, scope 2, location", 2),
}
HEADS: Final = ("predicted", "realised", "difference", "%")
MEANS: Final = {
    "load": "the demand that came, by policies that know it",
    "forecast": "what errors of forecasts cost now, less what they cost then",
    "policy": "machines that were on beyond what the switches would have",
    "model": "meters beside the model's watts and PUE",
    "policy and model": "meters beside the model; machines on were not recorded",
    "intensity": "the grid as it came",
}


def sentence(told: Mapping[str, Any]) -> str:
    """Return how far a prediction was off, and by what most."""
    error = 100 * told["energy_error_share"]
    effects = told["effects"]
    cause = max(effects, key=lambda name: abs(effects[name]["energy_facility_kwh"]))
    return (
        f"Energy came out {number(abs(error), 1)} % {'above' if error > 0 else 'below'} what was"
        f" predicted; most of it is {cause}: {MEANS[cause]}."
    )


def verification_text(
    document: Mapping[str, Any], hours: Mapping[str, Any], earlier: Sequence[float] = ()
) -> str:
    """Return a verification as text; `earlier` are errors of energy of those made before."""
    lines = _lines(document, hours, earlier)
    return "\n".join(escape_control(line).rstrip() for line in lines) + "\n"


def _lines(
    document: Mapping[str, Any], hours: Mapping[str, Any], earlier: Sequence[float]
) -> Iterator[str]:
    window = document["window"]
    yield (
        f"{document['name']}: predicted from {window['predicted_utc']},"
        f" came from {window['realised_utc']}, {window['length_h']:g} h"
    )
    yield ""
    yield from table([("", *HEADS), *figure_rows(document)])
    yield ""
    yield from table([cause_heads(), *cause_rows(document)])
    yield ""
    most = causes_of(document)[0]
    yield f"most of it: {most} ({MEANS[most]})"
    yield from unknown(document)
    yield misses(hours)
    if earlier:
        told = ", ".join(f"{100 * share:+.1f} %" for share in earlier)
        yield f"verified before: energy off by {told}"
    yield from document["findings"]


def causes_of(document: Mapping[str, Any]) -> list[str]:
    """Return the causes, the one that explains most of the emissions first."""
    effects = document["effects"]
    return sorted(effects, key=lambda cause: -abs(effects[cause]["scope2_location_kg"]))


def cause_heads() -> tuple[str, ...]:
    """Return the heads of the table by cause."""
    return ("why", *(label.split(",")[0].split(" (")[0] for label, _ in FIGURES.values()))


def cause_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row a cause, the largest first, and their sum."""
    return [*(_cause(document, one) for one in causes_of(document)), _sum(document)]


def unknown(document: Mapping[str, Any]) -> list[str]:
    """Say what was not imported, and how long the model stands in for meters."""
    found = [
        f"{name}: not imported, as simulated"
        for name, is_known in document["known"].items()
        if not is_known
    ]
    if document["uncovered_h"]:
        found.append(f"{document['uncovered_h']:g} h without readings: the model stands in")
    return found


def figure_rows(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a row a figure: predicted, realised and their difference."""
    for name, (label, digits) in FIGURES.items():
        was, came = document["predicted"][name], document["realised"][name]
        percent = signed(100 * (came - was) / was, 1) if was else ""
        yield label, number(was, digits), number(came, digits), signed(came - was, digits), percent


def _cause(document: Mapping[str, Any], cause: str) -> tuple[str, ...]:
    """Return the row of one cause."""
    effect = document["effects"][cause]
    return (cause, *(signed(effect[name], digits) for name, (_, digits) in FIGURES.items()))


def _sum(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the row of the whole difference."""
    whole = document["difference"]
    return ("sum", *(signed(whole[name], digits) for name, (_, digits) in FIGURES.items()))


def misses(hours: Mapping[str, Any]) -> str:
    """Say how far off hours were, and which most."""
    off = np.abs(np.asarray(hours["error_share"]))
    worst = np.argsort(-off, kind="stable")[:WORST]
    named = ", ".join(
        f"hour {int(hours['hour'][i])} {100 * float(hours['error_share'][i]):+.0f} %"
        for i in worst
    )
    return f"by the hour {100 * float(off.mean()):.1f} % off on average; most: {named}"


def verification_csv(hours: Mapping[str, Any]) -> str:
    """Return one row an hour of the window: predicted and realised energy."""
    columns = [np.asarray(column).tolist() for column in hours.values()]
    return csv_text(tuple(hours), zip(*columns, strict=True))
