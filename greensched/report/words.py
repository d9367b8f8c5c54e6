"""Numbers as people read them: digits by size, units by size, signs."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from greensched.errors import plural
from greensched.units import KG_PER_T, S_PER_H, S_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DASH: Final = "–"  # no value
KWH_PER_MWH: Final = 1_000
LADDERS: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "kwh": ((KWH_PER_MWH, "MWh"), (1, "kWh")),
    "kg": ((KG_PER_T, "t"), (1, "kg")),
    "s": ((S_PER_H, "h"), (S_PER_MIN, "min"), (1, "s")),
    "percent": ((0.01, "%"),),
}
APART_MAX: Final = 1  # more decimals that a difference may ask for
_EXACT: Final = 6  # decimals of what has no range
_DIGITS: Final = ((1000, 0), (100, 1), (0.1, 2))  # smaller values get three


def largest(values: Iterable[float | None]) -> float:
    """Return the largest magnitude among `values`; 0 where there is none."""
    return max((abs(v) for v in values if v is not None), default=0.0)


def unit_for(ladder: str, values: Iterable[float | None]) -> tuple[float, str]:
    """Return the divisor and name of the largest unit that keeps the largest value above 1."""
    top = largest(values)
    steps = LADDERS[ladder]
    return next((step for step in steps if top >= step[0]), steps[-1])


def digits_for(values: Iterable[float | None]) -> int:
    """Return how many decimals values of this size are shown with."""
    top = largest(values)
    return next((digits for bound, digits in _DIGITS if top >= bound), 3 if top else 2)


def digits_apart(first: float | None, last: float | None, digits: int) -> int:
    """Return at least `digits`: with so many the values shown differ by their difference shown.

    9.150 and 8.405 differ by 0.745, but 9.15 and 8.41 by 0.74, where 0.745 is shown as 0.75.
    """
    if first is None or last is None:
        return digits
    return next(
        (
            d
            for d in range(digits, digits + APART_MAX + 1)
            if number(round(last, d) - round(first, d), d) == number(last - first, d)
        ),
        digits,
    )


def fitted(values: Sequence[float], total: float, digits: int) -> list[float]:
    """Return `values` rounded to `digits` so that they sum to the rounded `total`, their sum.

    Largest remainder: what a reader adds up is what stands below it.
    """
    step = Fraction(10) ** -digits
    parts = [Fraction(v) / step for v in values]
    cells = [math.floor(v) for v in parts]
    order = sorted(range(len(cells)), key=lambda i: (cells[i] - parts[i], i))
    missing = round(Fraction(total) / step) - sum(cells)
    for i in order[:missing]:
        cells[i] += 1
    return [float(cell * step) for cell in cells]


def digits_within(low: float, high: float) -> int:
    """Return how many decimals a value between `low` and `high` is worth; below 0: tens, ...

    The last digit that is shown is the second of their difference's: between 1.8 and 4.1 tenths,
    between 12,400 and 15,900 hundreds.
    """
    span = abs(high - low)
    return _EXACT if span == 0 else 1 - math.floor(math.log10(span))


def ranged(value: float | None, low: float, high: float, most: int = _EXACT) -> str:
    """Return a value with no more digits than what it lies between allows, and at most `most`."""
    if value is None:
        return DASH
    digits = min(digits_within(low, high), most)
    return number(round(value, digits), max(digits, 0))


def number(value: float | None, digits: int = 0) -> str:
    """Return `value` with thousands separated, a dash for None, never a negative zero."""
    if value is None:
        return DASH
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def signed(value: float | None, digits: int = 0) -> str:
    """Return `value` with its sign, and 0 without one where it rounds to nothing."""
    text = number(value, digits)
    if value is None or text.startswith("-"):
        return text
    if float(text.replace(",", "")) == 0:
        return "0"
    return f"+{text}"


def span(length_s: float) -> str:
    """Return a window's length as people say it: `7 days`, `22 hours`."""
    for bound_s, noun in ((S_PER_H * 24, "day"), (S_PER_H, "hour"), (S_PER_MIN, "minute")):
        if length_s >= bound_s:
            value = length_s / bound_s
            if value == int(value):
                return plural(int(value), noun)
            return f"{value:.1f} {noun}s"
    return f"{length_s:g} seconds"
