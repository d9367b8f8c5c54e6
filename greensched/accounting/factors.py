"""Factors: what turns joules and machine time into facility energy, emissions and money."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from greensched.carbon import FOREVER_MS, INTENSITY_LIMIT_G_PER_KWH, Basis, Signal
from greensched.errors import Finding, ScenarioError
from greensched.units import MS_PER_YEAR

if TYPE_CHECKING:
    from greensched.carbon import CarbonIntensity, Labels
    from greensched.model import BoolArray, FloatArray, IntArray, MachineType, Site

Quality: TypeAlias = Literal["measured", "modelled", "assumed", "synthetic", "filled"]

PUE_LIMIT: Final = 3.0  # no building that anyone reports is worse
FIXED_LIMIT_W: Final = 1e9


def forever_ms() -> IntArray:
    """Return the edges [ms] of a step that never ends."""
    return np.array([-FOREVER_MS, FOREVER_MS], np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pue:
    """Facility power [W] as steps of time.

    `fixed_w[i] + slope[i] x IT power` holds on `[edges_ms[i], edges_ms[i + 1])`. A constant PUE
    is `fixed_w` 0 and `slope` the PUE (ISO/IEC 30134-2: facility over IT energy). Raises
    ScenarioError unless slopes are in 1 .. 3 and fixed powers 0 W or more: below 1 the facility
    would use less than its machines.
    """

    slope: FloatArray
    fixed_w: FloatArray
    edges_ms: IntArray = field(default_factory=forever_ms)

    def __post_init__(self) -> None:
        """Check the range."""
        steps = len(self.edges_ms) - 1
        if len(self.slope) != steps or len(self.fixed_w) != steps:
            raise ScenarioError(Finding(where="pue", what="edges do not match values"))
        found = [
            Finding(
                where="pue",
                what=f"{float(s):g} is {'below 1.0' if s < 1.0 else f'not in 1 .. {PUE_LIMIT:g}'}",
                remedy="PUE is facility energy / IT energy",
            )
            for s in np.unique(self.slope)
            if not 1.0 <= s <= PUE_LIMIT
        ]
        found += [
            Finding(where="pue.fixed", what=f"{float(f)!r} W is not in 0 .. {FIXED_LIMIT_W:g}")
            for f in np.unique(self.fixed_w)
            if not 0.0 <= f <= FIXED_LIMIT_W
        ]
        if found:
            raise ScenarioError(*found)


def constant_pue(pue: float = 1.0, fixed_w: float = 0.0) -> Pue:
    """Return facility power `fixed_w + pue x IT power` at all times."""
    return Pue(
        slope=np.array([pue], np.float64),
        fixed_w=np.array([fixed_w], np.float64),
    )


def _bytes(values: list[str | float | None]) -> bytes:
    return json.dumps(values, allow_nan=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSteps:
    """Prices over time: `per_kwh[i]` holds on `[edges_ms[i], edges_ms[i + 1])`.

    [currency/kWh of facility energy, ms since the scenario's start]. They may be below zero, as on
    an exchange. Raises ScenarioError where edges do not rise or a price is not finite.
    """

    edges_ms: IntArray
    per_kwh: FloatArray

    def __post_init__(self) -> None:
        """Check the range."""
        fits = len(self.edges_ms) == len(self.per_kwh) + 1
        if not fits or bool(np.any(np.diff(self.edges_ms) <= 0)):
            raise ScenarioError(Finding(where="price", what="edges do not fit the prices"))
        if not bool(np.isfinite(self.per_kwh).all()):
            raise ScenarioError(Finding(where="price", what="a price is not finite"))

    def until(self, end_ms: int) -> PriceSteps:
        """Return the prices until `end_ms` at least; the last one is held."""
        if self.edges_ms[-1] >= end_ms:
            return self
        edges_ms = np.append(self.edges_ms[:-1], end_ms)
        return PriceSteps(edges_ms=edges_ms, per_kwh=self.per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFactors:
    """Intensity, PUE and price of one site.

    `intensity_g_per_kwh[i]` holds on `[edges_ms[i], edges_ms[i + 1])` [ms since the scenario's
    start]; `filled[i]` marks a value that was not in the source (empty: none). `price_per_kwh`
    [currency/kWh of facility energy] is None where no price is known; `price_steps` are prices
    over time, in its place.
    """

    site: str
    edges_ms: IntArray
    intensity_g_per_kwh: FloatArray
    pue: Pue = field(default_factory=constant_pue)
    price_per_kwh: float | None = None
    price_steps: PriceSteps | None = None
    zone: str = ""
    signal: Signal = "average"
    basis: Basis = "unstated"
    factor_id: str = ""
    checksum: str = ""
    vintage: str = ""
    quality: Quality = "measured"
    filled: BoolArray = field(default_factory=lambda: np.empty(0, np.bool_))

    def __post_init__(self) -> None:
        """Check the range of values."""
        found = []
        values = self.intensity_g_per_kwh
        if len(self.edges_ms) != len(values) + 1 or bool(np.any(np.diff(self.edges_ms) <= 0)):
            found.append(Finding(where=f"intensity of {self.site}", what="edges do not fit"))
        if not bool(np.all((values > 0.0) & (values <= INTENSITY_LIMIT_G_PER_KWH))):
            found.append(
                Finding(
                    where=f"intensity of {self.site}",
                    what="a value is not above 0 and at most 2,000 g/kWh",
                )
            )
        if self.price_per_kwh is not None and not 0.0 <= self.price_per_kwh < math.inf:
            found.append(Finding(where=f"price of {self.site}", what=f"{self.price_per_kwh!r}"))
        if found:
            raise ScenarioError(*found)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFactors:
    """Embodied emissions of one machine of a type [kg CO2e] over its lifetime [ms], and price.

    `price_per_machine_h` [currency per hour that a machine is on] is None where not known. A type
    that is released counts while it is held only: on, booting or out (SCI, time reserved).
    Raises ScenarioError unless 0 <= low <= mid <= high and the lifetime is above 0.
    """

    machine_type: str
    embodied_kg: float
    embodied_low_kg: float
    embodied_high_kg: float
    lifetime_ms: int
    price_per_machine_h: float | None = None
    is_released: bool = False
    factor_id: str = ""
    checksum: str = ""
    vintage: str = ""
    quality: Quality = "assumed"

    def __post_init__(self) -> None:
        """Check the range of values."""
        where = f"embodied of {self.machine_type}"
        found = []
        if not 0 <= self.embodied_low_kg <= self.embodied_kg <= self.embodied_high_kg < math.inf:
            found.append(
                Finding(
                    where=where,
                    what=f"{self.embodied_low_kg:g} .. {self.embodied_kg:g} .. "
                    f"{self.embodied_high_kg:g} kg do not rise from 0",
                    remedy="give low <= mid <= high",
                )
            )
        if self.lifetime_ms <= 0:
            found.append(
                Finding(where=where, what=f"lifetime {self.lifetime_ms} ms", remedy="such as 4 y")
            )
        price = self.price_per_machine_h
        if price is not None and not 0.0 <= price < math.inf:
            found.append(Finding(where=f"price of {self.machine_type}", what=f"{price!r}"))
        if found:
            raise ScenarioError(*found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """All factors of an account; `currency` is a label, money is never converted."""

    sites: tuple[SiteFactors, ...]
    machine_types: tuple[MachineFactors, ...]
    currency: str = ""

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of every value and label, in hexadecimal."""
        digest = hashlib.sha256()
        for site in sorted(self.sites, key=lambda s: s.site):
            labels = [site.site, site.zone, site.signal, site.basis, site.factor_id]
            digest.update(_bytes([*labels, site.checksum, site.price_per_kwh]))
            for array in (site.edges_ms, site.intensity_g_per_kwh, site.pue.edges_ms):
                digest.update(array.tobytes())
            digest.update(site.pue.slope.tobytes() + site.pue.fixed_w.tobytes())
            if site.price_steps is not None:
                digest.update(site.price_steps.edges_ms.tobytes())
                digest.update(site.price_steps.per_kwh.tobytes())
        for m in sorted(self.machine_types, key=lambda m: m.machine_type):
            kg = [m.embodied_low_kg, m.embodied_kg, m.embodied_high_kg]
            labels = [m.machine_type, str(m.lifetime_ms), m.factor_id, m.checksum]
            labels += ["released"] if m.is_released else []
            digest.update(_bytes([*labels, *kg, m.price_per_machine_h]))
        digest.update(self.currency.encode())
        return digest.hexdigest()


def site_factors(
    site: Site,
    intensity: CarbonIntensity,
    start_ms: int,
    window_ms: int,
    price_per_kwh: float | None = None,
) -> SiteFactors:
    """Return the factors of `site` for a window that starts at `start_ms` [ms since 1970 UTC].

    Raises DataError where the series does not cover the window.
    """
    edges_ms, values = intensity.window(start_ms, window_ms)
    labels = intensity.labels
    return SiteFactors(
        site=site.name,
        edges_ms=edges_ms,
        intensity_g_per_kwh=values,
        pue=constant_pue(site.pue_slope, site.fixed_w),
        price_per_kwh=price_per_kwh,
        zone=intensity.zone,
        signal=labels.signal,
        basis=labels.basis,
        factor_id=f"{labels.source}:{intensity.zone}",
        checksum=labels.checksum,
        vintage=labels.vintage,
        quality=_quality(labels),
        filled=intensity.window_filled(start_ms, window_ms),
    )


def _quality(labels: Labels) -> Quality:
    if labels.synthetic:
        return "synthetic"
    return "assumed" if labels.assumed else "measured"


def machine_factors(
    machine_type: MachineType, price_per_machine_h: float | None = None
) -> MachineFactors:
    """Return the factors of `machine_type`; a bound left at 0 is the middle value."""
    mid_kg = machine_type.embodied_kg
    return MachineFactors(
        machine_type=machine_type.name,
        embodied_kg=mid_kg,
        embodied_low_kg=machine_type.embodied_low_kg or mid_kg,
        embodied_high_kg=machine_type.embodied_high_kg or mid_kg,
        lifetime_ms=machine_type.lifetime_ms,
        price_per_machine_h=price_per_machine_h,
        is_released=machine_type.is_released,
        factor_id=machine_type.embodied_source or f"scenario:{machine_type.name}",
    )


def embodied_share_kg(
    total_kg: float, held_ms: int, lifetime_ms: int = 4 * MS_PER_YEAR, reserved_share: float = 1.0
) -> float:
    """Return `TE x (TiR / EL) x (RR / ToR)` [kg CO2e], the embodied part of the SCI score.

    Source: Green Software Foundation, Software Carbon Intensity 1.1, "Embodied emissions".
    """
    if lifetime_ms <= 0:
        raise ScenarioError(Finding(where="lifetime", what="is not above 0"))
    return total_kg * held_ms / lifetime_ms * reserved_share
