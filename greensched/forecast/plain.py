"""A forecast as numbers, texts and lists that JSON can hold, and back, bit for bit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import DataError, Finding
from greensched.forecast.bands import LEADS_MS, QUANTILES
from greensched.forecast.calendar import SLOTS, Hours
from greensched.forecast.fitted import COVERAGE_HOURS, Forecast, Recent, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGERS = frozenset({"scores", "hits", "tries"})


def to_plain(value: Forecast | Recent) -> dict[str, Any]:
    """Return `value` as a dict of numbers, texts, lists and such dicts."""
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def forecast_from_plain(plain: Mapping[str, Any]) -> Forecast:
    """Return the forecast that `to_plain` made `plain` of; raises DataError where it did not."""
    values = _values(plain, Forecast, "forecast")
    hours = _values(values["hours"], Hours, "forecast.hours")
    values["hours"] = Hours(at_ms=tuple(hours["at_ms"]), slot=tuple(hours["slot"]))
    values["begin"] = recent_from_plain(values["begin"])
    if values["with_sums"] is not None:
        values["with_sums"] = forecast_from_plain(values["with_sums"])
    services = len(values["mean_cpu_m"])
    _demand(values, "week_cpu_m", (SLOTS, services))
    _demand(values, "excess", (2, len(QUANTILES), len(LEADS_MS), services))
    return Forecast(**values)


def recent_from_plain(plain: Mapping[str, Any]) -> Recent:
    """Return the recent past that `to_plain` made `plain` of, else raise DataError."""
    values = _values(plain, Recent, "recent")
    services = len(values["promised_cpu_m"])
    _demand(values, "sums_cpu_m", (4, services))
    _demand(values, "level_factor", (2, services))
    _demand(values, "hits", (COVERAGE_HOURS, services))
    return Recent(**values)


def _plain(value: object) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _values(plain: Mapping[str, Any], kind: type, where: str) -> dict[str, Any]:
    """Return the fields of a `kind`, lists made arrays where the kind has arrays."""
    names = [f.name for f in fields(kind)]
    if sorted(plain) != sorted(names):
        what = f"has the fields {', '.join(sorted(plain))}; expected {', '.join(sorted(names))}"
        raise DataError(Finding(where=where, what=what, remedy="fit it anew"))
    values = dict(plain)
    for field in fields(kind):
        if str(field.type) in {"FloatArray", "IntArray"}:
            dtype = np.int64 if field.name in _INTEGERS else np.float64
            try:
                values[field.name] = frozen(np.array(values[field.name], dtype))
            except (ValueError, TypeError) as error:
                at = f"{where}.{field.name}"
                raise DataError(Finding(where=at, what=f"no array: {error}")) from error
    return values


def _demand(values: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> None:
    """Refuse an array of another shape; one without rows or services has none to compare."""
    array = values[name]
    if array.size and array.shape != shape:
        what = f"shape {array.shape}, expected {shape}"
        raise DataError(Finding(where=name, what=what, remedy="fit it anew"))
