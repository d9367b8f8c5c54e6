"""What is told to people: the sentence of a Job's annotation and Events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from greensched.controller.energy import assumed_power
from greensched.controller.names import STATUS
from greensched.controller.patches import planned_ms
from greensched.units import G_PER_KG, J_PER_KWH, MG_PER_KG, MS_PER_DAY, MS_PER_S

if TYPE_CHECKING:
    from greensched.controller.api import Json
    from greensched.controller.job import Job
    from greensched.controller.policy import Spec
    from greensched.controller.snapshot import Intention
    from greensched.controller.terms import Terms

SMALL_KG: Final = 0.1  # below it grams are read more easily
LARGE_KG: Final = 100
DRY_RUN: Final = "dry run, so it runs now; else it "
LEAST_KG: Final = 1e-6  # less is not worth a word


def clock(time_ms: int, now_ms: int) -> str:
    """Return an instant as people read it: `02:30 UTC`, with its date where that is not near."""
    at = datetime.fromtimestamp(time_ms / MS_PER_S, UTC)
    near = 0 <= time_ms - now_ms < MS_PER_DAY
    return f"{at:%H:%M} UTC" if near else f"{at:%Y-%m-%d %H:%M} UTC"


def saved_kg(job: Job, spec: Spec, intention: Intention, terms: Terms) -> float | None:
    """Return what the plan saves by the forecast [kg], at the assumed power."""
    now_g, planned_g = intention.now_g_per_kwh, intention.planned_g_per_kwh
    if now_g is None or planned_g is None:
        return None
    kwh = assumed_power(job, spec.energy).mid_w * terms.left_ms / MS_PER_S / J_PER_KWH
    return kwh * (now_g - planned_g) / G_PER_KG


def waits(job: Job, spec: Spec, intention: Intention, terms: Terms, now_ms: int) -> str:
    """Return why a Job waits: until when, what that saves, and its latest start."""
    text = f"waits until {clock(intention.pieces[0][0], now_ms)}"
    saved = saved_kg(job, spec, intention, terms)
    if saved is not None:
        text += (
            f": {intention.planned_g_per_kwh:.0f} instead of {intention.now_g_per_kwh:.0f} g/kWh"
        )
        if saved > LEAST_KG:
            text += f", saves about {mass(saved)}"
    text += f"; latest start {clock(terms.latest_start_ms, now_ms)}"
    return "; ".join((text, *terms.remarks))


def would_wait(job: Job, now_ms: int) -> bool:
    """Tell whether a Job that a dry run let run would still wait."""
    planned = planned_ms(job)
    return job.notes.get(STATUS, "").startswith(DRY_RUN) and (planned or 0) > now_ms


def runs(intention: Intention, *, is_planned: bool) -> str:
    """Return why a Job runs now by its plan."""
    rate = intention.planned_g_per_kwh
    at = "" if rate is None else f" at {rate:.0f} g/kWh"
    if is_planned:
        return f"runs as planned{at}"
    return f"runs now{at}: no later start is cleaner"


def pauses(intention: Intention, until_ms: int, now_ms: int) -> str:
    """Return why a Job is paused."""
    rate = intention.planned_g_per_kwh
    at = "" if rate is None else f": {rate:.0f} g/kWh over what is left"
    return f"paused until {clock(until_ms, now_ms)}{at}"


def settled(values: Json) -> str:
    """Return what a settled Job saved, or cost."""
    saved = values["saved_mg"] / MG_PER_KG
    what = f"saved {mass(saved)}" if saved >= 0 else f"cost {mass(-saved)} more"
    return f"settled by {values['intensity']['status']} intensity: {what} CO2e"


def mass(kilograms: float) -> str:
    """Return a mass of CO2e with two digits: `0.42 kg`, `3.1 g`."""
    if abs(kilograms) < SMALL_KG:
        return f"{kilograms * G_PER_KG:.2g} g"
    return f"{kilograms:.2g} kg" if abs(kilograms) < LARGE_KG else f"{kilograms:,.0f} kg"


def unknown(told: str) -> str:
    """Return why a Job runs at once where nothing is known of intensity."""
    return f"no forecast ({told})" if told else "no forecast"
