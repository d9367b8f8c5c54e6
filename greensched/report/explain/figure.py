"""What an explanation is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

DIGITS: Final = 7  # of numbers in a formula


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorUse:
    """A factor that went into a figure: what it is, where it is from, between what it lay."""

    quantity: str
    of: str  # site or machine type
    factor_id: str
    vintage: str
    sha256: str
    quality: tuple[str, ...]
    low: float
    high: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of a stored table behind a figure, and the same summed up by what they are of."""

    file: str
    where: str
    rows: pd.DataFrame
    groups: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a saving, as a number of its unit."""

    name: str
    value: float
    before: float
    after: float
    unit: str  # of before and after


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """A figure computed from stored rows; `value` is None where rows cannot tell it.

    `known` is False where no rows are kept that it could be computed from; `notes` say why.
    """

    value: float | str | bool | None
    unit: str = ""
    formula: str = ""
    with_values: str = ""
    factors: tuple[FactorUse, ...] = ()
    rows: tuple[Rows, ...] = ()
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    known: bool = True
    terms: Mapping[str, Any] = field(default_factory=dict)


def shown(value: Any) -> str:
    """Return a number with seven digits, at most six of them decimals; else a value as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "none" if value is None else str(value)
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 10 ** (2 * DIGITS):
        return f"{int(value):,}"
    size = math.floor(math.log10(abs(value))) + 1
    return f"{value:,.{min(max(DIGITS - size, 0), DIGITS - 1)}f}"
