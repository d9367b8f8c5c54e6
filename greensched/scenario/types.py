"""Field types of a scenario: quantities, instants and names, each checked and converted once."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from greensched.scenario import quantity as q
from greensched.units import CPU_M_PER_CORE, MS_PER_H, MS_PER_MIN, S_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_MAX: Final = 253
HOURS_MAX: Final = 24
CORES_MAX: Final = 1e9
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


class Spec(BaseModel):
    """Base of every part of a scenario: frozen, strict, no unknown key."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
    )


def problem(what: str, remedy: str = "") -> PydanticCustomError:
    """Return the error a validator raises: what was found, and the remedy."""
    return PydanticCustomError("scenario", "{what}", {"what": what, "remedy": remedy})


def _quantity(kind: q.Kind) -> Callable[[Any], Any]:
    """Return a validator that turns text with a unit into a number in the unit of `kind`."""

    def check(value: Any) -> Any:
        try:
            number = q.convert(value, kind)
        except q.QuantityError as error:
            raise problem(error.what, error.remedy) from None
        if number < 0:
            raise problem(f"'{value}' is below zero")
        return round(number) if kind.integer else number

    return check


def quantity_schema(kind: q.Kind) -> dict[str, Any]:
    """Return the JSON Schema of text with a unit of `kind`."""
    return {
        "type": "string",
        "pattern": r"^\s*[+]?\d+(\.\d+)?([eE][+-]?\d+)?\s*[A-Za-z]+(/[A-Za-z]+)?\s*$",
        "examples": [kind.example],
        "x-unit": kind.unit,
    }


def _unit(kind: q.Kind) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return the annotations of a quantity field."""
    return BeforeValidator(_quantity(kind)), WithJsonSchema(quantity_schema(kind))


def _whole(value: Any) -> Any:
    """Return the number of whole units; 2.0 is 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _millicores(value: Any) -> Any:
    """Return a number of cores in millicores."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 <= value < CORES_MAX
    ):
        raise problem(f"{value!r} is not a number of cores", "for example 4 or 0.5")
    return round(value * CPU_M_PER_CORE)


Duration: TypeAlias = Annotated[int, *_unit(q.DURATION)]  # [ms]
Power: TypeAlias = Annotated[float, *_unit(q.POWER)]  # [W]
Memory: TypeAlias = Annotated[int, *_unit(q.MEMORY)]  # [MiB]
Cores: TypeAlias = Annotated[  # [millicores]
    int,
    BeforeValidator(_millicores),
    WithJsonSchema({"type": "number", "minimum": 0, "x-unit": "millicore"}),
]
Count: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
Share: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0)]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]


def _time_or_duration(value: Any) -> Any:
    """Return a duration [ms], or a time of day `22:30` as milliseconds since midnight."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return _quantity(q.DURATION)(value)
    hours, minutes = int(match[1]), int(match[2])
    if hours > HOURS_MAX or minutes >= S_PER_MIN:
        raise problem(f"'{value}' is not a time of day", "write it like '22:30'")
    return hours * MS_PER_H + minutes * MS_PER_MIN


TimeOrDuration: TypeAlias = Annotated[
    int,
    BeforeValidator(_time_or_duration),
    WithJsonSchema({"type": "string", "examples": ["300 s", "22:30"], "x-unit": "ms"}),
]


def _instant(value: Any) -> datetime:
    """Return an instant with its UTC offset."""
    if isinstance(value, datetime):
        return value
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise problem(
            f"{value!r} is not a date and time", "write it like '2023-03-06T00:00+08:00'"
        ) from None
    if instant.tzinfo is None:
        raise problem(
            f"'{value}' has no UTC offset", f"write '{value}Z' for UTC or '{value}+08:00'"
        )
    return instant


Instant: TypeAlias = Annotated[
    datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]


def _price(per: str) -> Callable[[Any], Any]:
    """Return a validator of prices per `per`."""

    def check(value: Any) -> Any:
        try:
            return q.money(value, per)
        except q.QuantityError as error:
            raise problem(error.what, error.remedy) from None

    return check


EnergyPrice: TypeAlias = Annotated[
    tuple[float, str],
    BeforeValidator(_price("kWh")),
    WithJsonSchema({"type": "string", "description": "such as '0.12 EUR/kWh'"}),
]
HourPrice: TypeAlias = Annotated[
    tuple[float, str],
    BeforeValidator(_price("h")),
    WithJsonSchema({"type": "string", "description": "such as '0.05 EUR/h', of one machine"}),
]
