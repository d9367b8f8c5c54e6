"""Quantities with units, as scenarios write them: `64 GiB`, `110 W`, `12 h`, `0.12 EUR/kWh`.

pint converts them here, at the edge; inside there are plain numbers with the unit in the name.
The registry knows only the units below, so that a typing error cannot become a planck constant.
A year is 365 days, as in `greensched.units`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

import pint

_DEFINITIONS: Final = (
    "milli- = 1e-3 = m-",
    "kilo- = 1e3 = k-",
    "mega- = 1e6 = M-",
    "giga- = 1e9 = G-",
    "tera- = 1e12 = T-",
    "kibi- = 1024 = Ki-",
    "mebi- = 1048576 = Mi-",
    "gibi- = 1073741824 = Gi-",
    "tebi- = 1099511627776 = Ti-",
    "second = [time] = s",
    "minute = 60 * second = min",
    "hour = 3600 * second = h",
    "day = 86400 * second = d",
    "week = 604800 * second = wk",  # not w: 110 w is a mistake for 110 W
    "year = 31536000 * second = y",
    "watt = [power] = W",
    "joule = watt * second = J",
    "watthour = 3600 * joule = Wh",
    "byte = [information] = B",
    "gram = [mass] = g",
    "tonne = 1000000 * gram = t",
    "euro = [money_eur] = EUR",
    "dollar = [money_usd] = USD",
    "pound = [money_gbp] = GBP",
    "yuan = [money_cny] = CNY",
)
CURRENCIES: Final = ("EUR", "USD", "GBP", "CNY")
COMMON_UNITS: Final = (
    *("ms", "s", "min", "h", "d", "wk", "y", "W", "kW", "MW", "B", "MiB", "GiB", "TiB"),
    *("MB", "GB", "TB", "g", "kg", "t", "kWh", "MWh", "Wh", "J", "g/kWh", "kg/MWh"),
    *("EUR/kWh", "EUR/h", *CURRENCIES),
)
MEANT: Final = {"m": "min", "mins": "min", "sec": "s", "hr": "h", "hrs": "h"}
_TEXT = re.compile(
    r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-z][A-Za-z0-9]*(?:/[A-Za-z]+)?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of quantity: what it is called, the unit it is kept in and an example."""

    name: str
    unit: str
    example: str
    integer: bool = False


DURATION: Final = Kind(name="duration", unit="ms", example="300 s", integer=True)
POWER: Final = Kind(name="power", unit="W", example="110 W")
MEMORY: Final = Kind(name="amount of memory", unit="MiB", example="64 GiB", integer=True)
INTENSITY: Final = Kind(name="carbon intensity", unit="g/kWh", example="500 g/kWh")


class QuantityError(ValueError):
    """A quantity that cannot be; `what` is wrong and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        """Keep both parts for the finding."""
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


@cache
def _registry() -> pint.UnitRegistry[Any]:
    """Return the one registry, built at first use."""
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None)
    for line in _DEFINITIONS:
        registry.define(line)
    return registry


@cache
def _factor(unit: str, target: str) -> float | None:
    """Return how many `target` one `unit` is; None where they measure different things."""
    try:
        return float(_registry().Quantity(1.0, unit).to(target).magnitude)
    except pint.DimensionalityError:
        return None


def convert(value: Any, kind: Kind) -> float:
    """Return `value` (text with a unit) in the unit of `kind`, or raise QuantityError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise QuantityError(f"{value:g} has no unit", f"write a unit too, like '{kind.example}'")
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise QuantityError(
            f"{value!r} is not a {kind.name}", f"write a number and a unit, like '{kind.example}'"
        )
    number, unit = match.groups()
    try:
        factor = _factor(unit, kind.unit)
    except pint.UndefinedUnitError:
        units = [u for u in COMMON_UNITS if _factor(u, kind.unit) is not None]
        near = [u for u in units if u == MEANT.get(unit)]
        near += get_close_matches(unit, units, n=1, cutoff=0.5)
        remedy = f"did you mean '{near[0]}'?" if near else f"for example '{kind.example}'"
        raise QuantityError(f"unknown unit '{unit}'", remedy) from None
    if factor is None:
        raise QuantityError(f"'{value}' is not a {kind.name}", f"write it like '{kind.example}'")
    return float(f"{float(number) * factor:.14g}")  # 500 g/kWh is 500, not 500.00000000000006


def convert_integer(value: Any, kind: Kind) -> int:
    """Return `value` in whole units of `kind`, to the nearest."""
    return round(convert(value, kind))


def money(value: Any, per: str) -> tuple[float, str]:
    """Return (amount per `per`, currency) of text such as `0.12 EUR/kWh`."""
    for currency in CURRENCIES:
        kind = Kind(name="price", unit=f"{currency}/{per}", example=f"0.12 EUR/{per}")
        if isinstance(value, str) and currency in value:
            return convert(value, kind), currency
    raise QuantityError(
        f"{value!r} is not a price", f"write it like '0.12 EUR/{per}' ({', '.join(CURRENCIES)})"
    )
