"""The inverse of a reported saving: which fleet, at which utilisation, would have saved it?

Work W is done by N machines at utilisation u. The same work takes N u0 / u1 machines at u1, so a
year's saving is

    S = N (P(u0) - u0/u1 P(u1)) x PUE x hours x intensity

With a power curve that is linear in u, the machines' idle power decides alone: what is dynamic
serves the work and stays, S = N P(0) (1 - u0/u1) x PUE x hours x intensity.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from greensched.errors import DataError, Finding
from greensched.units import DAYS_PER_YEAR, G_PER_KG, H_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

H_PER_YEAR: Final = DAYS_PER_YEAR * H_PER_DAY
W_PER_KW: Final = 1_000
KG_PER_T: Final = 1_000
Bound: TypeAlias = Literal["low", "mid", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A number that is known to lie between two others, all above 0."""

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        """Check that it rises."""
        if not 0 < self.low <= self.mid <= self.high:
            what = f"{self.low:g} .. {self.mid:g} .. {self.high:g} do not rise from above 0"
            raise DataError(Finding(where="range", what=what))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A saving [t CO2e in a year] that somebody reported, and what is assumed to invert it.

    `idle_w`, `peak_w` [W] of one machine; `pue`; `intensity_g_per_kwh`. Raises DataError where
    utilisation does not rise within 0 .. 1 or a machine idles above its peak.
    """

    saved_t: float
    utilisation_before_share: float
    utilisation_after_share: float
    idle_w: Band
    peak_w: Band
    pue: Band
    intensity_g_per_kwh: Band

    def __post_init__(self) -> None:
        """Check what the inversion relies on."""
        found = []
        before, after = self.utilisation_before_share, self.utilisation_after_share
        if not 0 < before < after <= 1:
            what = f"{before:g} -> {after:g} is no rise within 0 .. 1"
            found.append(Finding(where="utilisation", what=what))
        if self.idle_w.high > self.peak_w.low:
            found.append(Finding(where="power", what="a machine may idle above its peak"))
        if self.saved_t <= 0:
            found.append(Finding(where="saved", what=f"{self.saved_t:g} t is not above 0"))
        if found:
            raise DataError(*found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet that would have saved as much: machines before and after, and its emissions."""

    machines: float
    machines_after: float
    saved_mwh_year: float
    emitted_t: float
    emitted_after_t: float


def yearly_t(reported: Reported, at: Bound, power_w: float) -> float:
    """Return the emissions [t a year] of IT power [W], PUE and intensity at a bound."""
    pue, grams = getattr(reported.pue, at), getattr(reported.intensity_g_per_kwh, at)
    kwh = power_w / W_PER_KW * pue * H_PER_YEAR
    return float(kwh * grams / G_PER_KG / KG_PER_T)


def _watts(reported: Reported, at: Bound, share: float) -> float:
    """Return the power [W] of one machine at a utilisation, linear between idle and peak."""
    idle, peak = getattr(reported.idle_w, at), getattr(reported.peak_w, at)
    return float(idle + (peak - idle) * share)


def fleet_for(reported: Reported, at: Bound = "mid") -> Fleet:
    """Return the fleet whose rise of utilisation saves what was reported, all factors at a bound.

    High factors save more for each machine, so that they give the smallest fleet.
    """
    before, after = reported.utilisation_before_share, reported.utilisation_after_share
    one = _watts(reported, at, before)
    same_work = before / after * _watts(reported, at, after)
    machines = reported.saved_t / yearly_t(reported, at, one - same_work)
    emitted_t = yearly_t(reported, at, machines * one)
    return Fleet(
        machines=machines,
        machines_after=machines * before / after,
        saved_mwh_year=reported.saved_t
        * G_PER_KG
        / float(getattr(reported.intensity_g_per_kwh, at)),
        emitted_t=emitted_t,
        emitted_after_t=emitted_t - reported.saved_t,
    )


def utilisation_for(reported: Reported, machines: float, at: Bound = "mid") -> float | None:
    """Return the utilisation that a fleet has to reach to save as much; None: no rise is enough.

    From S = N P(0) (1 - u0/u1) x ...: u1 = u0 / (1 - S / S_idle), with S_idle all that the
    fleet's idle power emits.
    """
    idle_t = yearly_t(reported, at, machines * _watts(reported, at, 0.0))
    share = reported.saved_t / idle_t
    needed = reported.utilisation_before_share / (1 - share) if share < 1 else None
    return needed if needed is not None and needed <= 1 else None


def reconciled(total: float, parts: Mapping[str, float], tolerance: float) -> tuple[str, ...]:
    """Return the names of parts that sum to `total` within `tolerance`, the fewest; else nothing.

    Published figures that do not reconcile are shown as quoted, never made to fit.
    """
    names: Sequence[str] = sorted(parts)
    for count in range(1, len(names) + 1):
        for chosen in combinations(names, count):
            if abs(sum(parts[name] for name in chosen) - total) <= tolerance:
                return chosen
    return ()
