"""The overlay of a calibration: fitted watts and PUE as a scenario writes them, and how good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.scenario.calibration import fingerprint, power_of
from greensched.scenario.fleetspec import CorePower, PointPower
from greensched.scenario.spec import AffinePue

if TYPE_CHECKING:
    from greensched.experiment.calibrate import Calibration
    from greensched.scenario.fleetspec import FleetEntry

_HOUR: Final = np.timedelta64(1, "h")


def overlay_of(found: Calibration) -> dict[str, Any]:
    """Return the overlay file's values; every value of the model that was fitted is in it."""
    scenario = found.scenario
    by_name = {(p.quantity, p.of): p for p in found.parameters}
    values: dict[str, Any] = {}
    for i, entry in enumerate(scenario.spec.fleet):
        name = getattr(entry, "name", "")
        idle, peak = (by_name[q, name or f"fleet[{i}]"] for q in ("idle", "peak"))
        if idle.is_fitted or peak.is_fitted:
            values[f"fleet.{name or i}.power"] = _power(entry, idle.fitted, peak.fitted)
    for site in scenario.spec.sites:
        pue = by_name.get(("pue", site.name))
        if pue is not None and pue.is_fitted:
            slope = round(pue.fitted, 4)
            affine = isinstance(site.pue, AffinePue)
            values[f"sites.{site.name}.pue" + (".slope" if affine else "")] = slope
    total = found.total
    calibration = {
        "mape": round(total.mape_share, 6),
        "bias": round(total.bias_share, 6),
        "held_out": round(float(_held_out_h(found)), 3),
        "meter_sha256": found.meter_sha256,
        "values_sha256": fingerprint(scenario.overridden(values).spec),
    }
    return {
        "apiVersion": "greensched/v1",
        "kind": "Overlay",
        "of": scenario.name,
        "set": {**values, "calibration": calibration},
    }


def _held_out_h(found: Calibration) -> float:
    """Return the hours of readings held out, of all groups."""
    hours = found.hours
    lengths = (hours["until_utc"] - hours["from_utc"]) / _HOUR
    return float(lengths[hours["held_out"]].sum())


def _power(entry: FleetEntry, idle_w: float, peak_w: float) -> dict[str, Any]:
    """Return the power of a fleet's entry at fitted watts, its curve kept."""
    power = power_of(entry)
    if isinstance(power, PointPower):
        first_w, span_w = power.watts[0], power.watts[-1] - power.watts[0]
        shape = [(w - first_w) / span_w for w in power.watts]
        return {"watts": [round(idle_w + s * (peak_w - idle_w), 3) for s in shape]}
    if isinstance(power, CorePower):
        share = round(idle_w / peak_w, 6)
        return {"model": power.model, "per_core": f"{peak_w:.5g} W", "idle_share": share}
    extra = {k: v for k, v in (("r", power.r), ("alpha", power.alpha)) if v is not None}
    return {"model": power.model, "idle": f"{idle_w:.6g} W", "peak": f"{peak_w:.6g} W", **extra}
