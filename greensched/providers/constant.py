"""A grid that is always the same: an annual factor, or none to look up by the hour."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from greensched.carbon import FOREVER_MS, CarbonIntensity, Labels


def constant(
    zone: str,
    intensity_g_per_kwh: float,
    labels: Labels | None = None,
) -> CarbonIntensity:
    """Return a series of one value [g/kWh] that never ends; DataError if it is out of range."""
    labels = labels or Labels()
    text = f"constant {zone} {intensity_g_per_kwh!r} g/kWh"
    return CarbonIntensity(
        zone=zone,
        edges_ms=np.array([-FOREVER_MS, FOREVER_MS], np.int64),
        values_g_per_kwh=np.array([intensity_g_per_kwh], np.float64),
        labels=replace(
            labels,
            source=labels.source or "constant",
            checksum=hashlib.sha256(text.encode()).hexdigest(),
        ),
    )
