"""Power models: utilisation of one machine that is on to its electric power.

A machine that is off, sleeping or booting has a wattage of its own (`MachineType`), so no model
here gives zero at idle to stand for "off".

Curves, with `u` the utilisation in [0, 1], `Pi` the idle and `Pm` the peak power:

    piecewise    linear between eleven measured points at 0, 10, .. 100 % (SPECpower_ssj2008)
    linear       Pi + (Pm - Pi) u
    sqrt         Pi + (Pm - Pi) sqrt(u)
    square       Pi + (Pm - Pi) u^2
    cubic        Pi + (Pm - Pi) u^3
    mse          Pi + (Pm - Pi) (2u - u^r)         Fan, Weber, Barroso, ISCA 2007
    asymptotic   Pi + (Pm - Pi) / 2 (1 + u - exp(-u / alpha))   Kliazovich et al., GreenCloud

Piecewise is the default and the only one of them validated at a fleet's scale (Radovanović et
al., Carbon-Aware Computing for Datacenters, IEEE Trans. Power Systems 38, 2023: daily MAPE < 5 %).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from greensched.model import FloatArray

PIECEWISE: Final = 0
SQRT: Final = 1
SQUARE: Final = 2
CUBIC: Final = 3
MSE: Final = 4
ASYMPTOTIC: Final = 5

POINTS: Final = 11  # of a piecewise curve: 0, 10, .. 100 %
UTILISATION_SLACK: Final = 1e-9  # rounding beyond [0, 1] that is forgiven; more is an error
PEAK_LIMIT_W: Final = 20_000.0  # more is no server: a unit was mistaken


def curve_watts(kind: int, parameters: FloatArray, utilisation: float) -> float:
    """Return the power [W] of curve `kind` at `utilisation` in [0, 1].

    `parameters` [W] are eleven points for PIECEWISE; for the others idle power [W], peak power
    [W] and the exponent or alpha [1]. Beyond [0, 1] by more than 1e-9 the answer is NaN, which
    accounting refuses: nothing is clamped in silence. Written in the subset that the engine
    compiles: it must call nothing of ours, and the only globals are numbers.
    """
    if not -UTILISATION_SLACK <= utilisation <= 1.0 + UTILISATION_SLACK:
        return math.nan
    u = min(max(utilisation, 0.0), 1.0)
    if kind == PIECEWISE:
        i = min(int(u * 10.0), POINTS - 2)
        low_w = float(parameters[i])
        return low_w + (float(parameters[i + 1]) - low_w) * (u * 10.0 - i)
    if kind == SQRT:
        shape = math.sqrt(u)
    elif kind == SQUARE:
        shape = u * u
    elif kind == CUBIC:
        shape = u * u * u
    elif kind == MSE:
        shape = 2.0 * u - u ** float(parameters[2])
    else:
        shape = 0.5 * (1.0 + u - math.exp(-u / float(parameters[2])))
    idle_w = float(parameters[0])
    return idle_w + (float(parameters[1]) - idle_w) * shape


def _readonly(*values: float) -> FloatArray:
    array = np.array(values, np.float64)
    array.setflags(write=False)
    return array


def _watts(curve: tuple[int, FloatArray], utilisation: float) -> float:
    watts = curve_watts(curve[0], curve[1], utilisation)
    if math.isnan(watts):
        raise UsageError(
            Finding(
                where="utilisation",
                what=f"{utilisation!r} is outside 0 .. 1",
                remedy="give a share of the machine's capacity, not a percentage",
            )
        )
    return watts


def _check_range(idle_w: float, peak_w: float) -> list[Finding]:
    """Return what is wrong with an idle and a peak power [W]."""
    found = []
    if not (math.isfinite(idle_w) and idle_w >= 0.0):
        found.append(Finding(where="idle_w", what=f"{idle_w!r} is no power of 0 W or more"))
    if not (math.isfinite(peak_w) and 0.0 < peak_w <= PEAK_LIMIT_W):
        found.append(
            Finding(
                where="peak_w",
                what=f"{peak_w!r} is not above 0 and at most {PEAK_LIMIT_W:,.0f} W",
                remedy="give watts of one machine",
            )
        )
    if not found and idle_w > peak_w:
        found.append(Finding(where="idle_w", what=f"idle {idle_w:g} W is above peak {peak_w:g} W"))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Piecewise:
    """Linear between eleven points: `watts_w` [W] at 0, 10, .. 100 % utilisation.

    Raises UsageError unless there are eleven finite powers of 0 .. 20,000 W.
    """

    watts_w: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the points."""
        found = []
        if len(self.watts_w) != POINTS:
            found.append(
                Finding(
                    where="watts_w",
                    what=f"{len(self.watts_w)} points",
                    remedy=f"give {POINTS}: at 0, 10, .. 100 % load",
                )
            )
        found += [
            Finding(where=f"watts_w[{i}]", what=f"{w!r} is not in 0 .. {PEAK_LIMIT_W:,.0f} W")
            for i, w in enumerate(self.watts_w)
            if not 0.0 <= w <= PEAK_LIMIT_W
        ]
        if found:
            raise UsageError(*found)

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return PIECEWISE and the eleven points [W]."""
        return PIECEWISE, _readonly(*self.watts_w)

    def watts(self, utilisation: float) -> float:
        """Return the power [W] at `utilisation` in [0, 1]; UsageError beyond."""
        return _watts(self.curve, utilisation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _IdleToPeak:
    """What all curves between an idle and a peak power have in common."""

    idle_w: float
    peak_w: float

    def __post_init__(self) -> None:
        """Check the range and the model's own parameter."""
        found = [*_check_range(self.idle_w, self.peak_w), *self._check_shape()]
        if found:
            raise UsageError(*found)

    def _check_shape(self) -> list[Finding]:
        return []

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return the kind and its parameters."""
        raise NotImplementedError

    def watts(self, utilisation: float) -> float:
        """Return the power [W] at `utilisation` in [0, 1]; UsageError beyond."""
        return _watts(self.curve, utilisation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(_IdleToPeak):
    """A straight line, handed to the kernels as a piecewise curve."""

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return PIECEWISE and eleven points [W] on the line."""
        span_w = self.peak_w - self.idle_w
        points = (self.idle_w + span_w * i / (POINTS - 1) for i in range(POINTS - 1))
        return PIECEWISE, _readonly(*points, self.peak_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sqrt(_IdleToPeak):
    """Rises fast, then flattens: square root of utilisation."""

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return SQRT, idle and peak power [W]."""
        return SQRT, _readonly(self.idle_w, self.peak_w, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Square(_IdleToPeak):
    """Rises slowly, then steeply: square of utilisation."""

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return SQUARE, idle and peak power [W]."""
        return SQUARE, _readonly(self.idle_w, self.peak_w, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cubic(_IdleToPeak):
    """Rises slowest of all: cube of utilisation."""

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return CUBIC, idle and peak power [W]."""
        return CUBIC, _readonly(self.idle_w, self.peak_w, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mse(_IdleToPeak):
    """Fan, Weber and Barroso (ISCA 2007): idle + span x (2u - u^r), r fitted per machine."""

    r: float = 1.4

    def _check_shape(self) -> list[Finding]:
        if 1.0 <= self.r <= 2.0:  # noqa: PLR2004 - beyond, the curve falls near full load
            return []
        return [Finding(where="r", what=f"{self.r!r} is not in 1 .. 2", remedy="1.4 is usual")]

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return MSE, idle and peak power [W] and r."""
        return MSE, _readonly(self.idle_w, self.peak_w, self.r)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asymptotic(_IdleToPeak):
    """GreenCloud's: idle + span / 2 x (1 + u - exp(-u / alpha)), just below peak at u = 1."""

    alpha: float = 0.3

    def _check_shape(self) -> list[Finding]:
        if math.isfinite(self.alpha) and self.alpha > 0.0:
            return []
        return [
            Finding(
                where="alpha", what=f"{self.alpha!r} is not above 0", remedy="0.2 .. 0.5 is usual"
            )
        ]

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return ASYMPTOTIC, idle and peak power [W] and alpha."""
        return ASYMPTOTIC, _readonly(self.idle_w, self.peak_w, self.alpha)
