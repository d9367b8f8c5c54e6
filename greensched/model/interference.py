"""How much batch slows the services beside it, and they it (docs/reference/interference.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Model: TypeAlias = Literal["none", "linear", "bubble"]
Curve: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interference:
    """Slow-down = sensitivity x curve(pressure), of services by batch and of batch by services.

    Pressure is CPU in use over the machine's, batch's weighted by `pressure` of its classes.
    `curve` has points (pressure [1], slow-down [1]) from (0, 0) on, neither falling; straight
    lines in between, its last value beyond. Names that are not in `sensitivity` (services) and
    `pressure` (classes) count 1. After Bubble-Up (Mars et al., MICRO 2011,
    doi:10.1145/2155620.2155650): what an application presses and how it responds to pressure are
    measured apart.
    """

    model: Model
    curve: Curve
    sensitivity: tuple[tuple[str, float], ...] = ()
    pressure: tuple[tuple[str, float], ...] = ()
    batch_sensitivity: float = 1.0

    @property
    def strength(self) -> float:
        """Return 1, or 0 where pressure is measured and slows nobody."""
        return 0.0 if self.model == "none" else 1.0


NO_INTERFERENCE = Interference(model="none", curve=((0.0, 0.0), (1.0, 1.0)), batch_sensitivity=0.0)
