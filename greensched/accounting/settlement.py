"""Settlement: what a job that waited emitted, against what it would have at once.

The counterfactual is the useful work joined without gaps, starting when the job was created;
what was done in vain (work of a run that was lost, checkpoints) counts in the actual only. Both
are at the same power and under the same series. Capacity is ignored: whether the machine was free
then is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greensched.carbon import FORECAST
from greensched.units import J_PER_KWH, J_PER_MWH_MILLI, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.carbon import CarbonIntensity

MG_PER_G = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """`[start_ms, end_ms)` [ms since 1970 UTC] in which a job ran; `useful`: its work was kept."""

    start_ms: int
    end_ms: int
    useful: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Milliwatt-hours and milligrams of CO2e, rounded once each; savings may be negative."""

    energy_mwh_milli: int
    useful_mwh_milli: int
    actual_mg: int
    counterfactual_mg: int

    @property
    def saved_mg(self) -> int:
        """Return what waiting saved [mg], negative where it cost."""
        return self.counterfactual_mg - self.actual_mg


def counterfactual(segments: Sequence[Segment], created_ms: int) -> Segment:
    """Return the useful segments joined without gaps, starting at creation."""
    useful_ms = sum(s.end_ms - s.start_ms for s in segments if s.useful)
    return Segment(start_ms=created_ms, end_ms=created_ms + useful_ms)


def settle(
    segments: Sequence[Segment], created_ms: int, power_w: float, intensity: CarbonIntensity
) -> Settlement | None:
    """Return the settlement of a job at constant `power_w` [W] under one series.

    None where the series does not cover both what was and what would have been.
    """
    actual_g = [mean_g_per_kwh(intensity, s) for s in segments]
    instead = counterfactual(segments, created_ms)
    instead_g = mean_g_per_kwh(intensity, instead)
    if instead_g is None or any(g is None for g in actual_g):
        return None
    return settled_by_means(
        segments, instead, power_w, [g for g in actual_g if g is not None], instead_g
    )


def settled_by_means(
    segments: Sequence[Segment],
    instead: Segment,
    power_w: float,
    actual_g_per_kwh: Sequence[float],
    instead_g_per_kwh: float,
) -> Settlement:
    """Return the settlement from the mean intensity [g/kWh] over each segment."""
    spent = [energy_j(s, power_w) for s in segments]
    actual = sum(j * g for j, g in zip(spent, actual_g_per_kwh, strict=True))
    instead_j = energy_j(instead, power_w)
    return Settlement(
        energy_mwh_milli=round(sum(spent) / J_PER_MWH_MILLI),
        useful_mwh_milli=round(instead_j / J_PER_MWH_MILLI),
        actual_mg=round(actual / J_PER_KWH * MG_PER_G),
        counterfactual_mg=round(instead_j * instead_g_per_kwh / J_PER_KWH * MG_PER_G),
    )


def energy_j(segment: Segment, power_w: float) -> float:
    """Return the energy [J] of a segment at constant power."""
    return power_w * (segment.end_ms - segment.start_ms) / MS_PER_S


def mean_g_per_kwh(intensity: CarbonIntensity, segment: Segment) -> float | None:
    """Return the mean over a segment [g/kWh], 0 of an empty one, None where not all is known."""
    if segment.start_ms == segment.end_ms:
        return 0.0
    return intensity.mean(segment.start_ms, segment.end_ms)


def is_actual(intensity: CarbonIntensity, segment: Segment) -> bool:
    """Tell whether nothing that a segment meets was only foretold."""
    span_ms = segment.end_ms - segment.start_ms
    if span_ms == 0:
        return True
    return not bool((intensity.window_status(segment.start_ms, span_ms) == FORECAST).any())
