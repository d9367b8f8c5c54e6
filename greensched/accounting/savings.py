"""Savings against a named baseline, in whole units.

A baseline is the same scenario with switches off, run by the same code (Green Software
Foundation, SCI 1.1: "identical methodology [...] except excluding the proposed action").
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import rfc8785

from greensched.accounting.entries import Entries, readable, total
from greensched.errors import InternalError

if TYPE_CHECKING:
    from greensched.accounting.usage import Group

_HASH_SHOWN = 12
_INTEGER_SAFE = 2**53 - 1  # the largest whole number of canonical JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a saving is measured against: a kind, a sentence and the SHA-256 of its setting."""

    kind: str
    text: str
    sha256: str

    @property
    def id(self) -> str:
        """Return the kind and the beginning of the hash."""
        return f"{self.kind}-{self.sha256[:_HASH_SHOWN]}"


def baseline_of(kind: str, text: str, setting: object) -> Baseline:
    """Return the baseline of `setting`, hashed in its canonical form (`canonical_json`)."""
    return Baseline(
        kind=kind, text=text, sha256=hashlib.sha256(canonical_json(setting)).hexdigest()
    )


def canonical_json(value: object) -> bytes:
    """Return `value` as canonical JSON (RFC 8785): equal values give equal bytes.

    Dataclasses become their fields and the name of their class; arrays their type, shape and
    the SHA-256 of their bytes; integers beyond 2^53 strings. Raises InternalError for what has
    no such form, such as NaN.
    """
    try:
        return rfc8785.dumps(_plain(value))
    except (rfc8785.CanonicalizationError, ValueError) as error:
        message = f"no canonical form: {error}"
        raise InternalError(message) from error


def _plain(value: object) -> Any:
    """Return `value` made of what JSON has: None, bool, number, string, list and object."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _INTEGER_SAFE else str(value)
    return _plain_parts(value)


def _plain_parts(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        named = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        return {"": type(value).__name__, **named}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "sha256": content}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (bytes, bytearray)):
        return [_plain(item) for item in value]
    message = f"no canonical form of {type(value).__name__}"
    raise InternalError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """Baseline less scenario in whole units; negative where the scenario needs more.

    At most the baseline by construction. `embodied_mg` is 0 for one fleet: a machine that is
    only switched off avoids no embodied emissions. Costs are None where not priced.
    """

    baseline_id: str
    baseline_sha256: str
    window_ms: int
    machine_on_ms: int
    machines_on_peak: int
    energy_it_mwh: int
    energy_facility_mwh: int
    scope2_location_mg: int
    embodied_mg: int
    embodied_low_mg: int
    embodied_high_mg: int
    cost_energy_micro: int | None
    cost_machines_micro: int | None

    def totals(self) -> dict[str, float | int | None]:
        """Return the savings with the keys and units of `accounting.totals`."""
        return readable(asdict(self))


def savings(baseline: Baseline, before: Entries, after: Entries) -> Savings:
    """Return what `after` (the scenario) saves against `before` (the run of `baseline`).

    Raises InternalError unless both cover one window with one fleet and equal factors: other
    savings are not of this question (a fleet bought smaller is the next purchase).
    """
    _check_pair(before, after)
    old, new = asdict(total(before)), asdict(total(after))
    difference: dict[str, Any] = {
        name: None if old[name] is None or new[name] is None else old[name] - new[name]
        for name in old
    }
    difference["window_ms"] = old["window_ms"]
    return Savings(baseline_id=baseline.id, baseline_sha256=baseline.sha256, **difference)


def _check_pair(before: Entries, after: Entries) -> None:
    found = []
    windows = [(int(e.edges_ms[0]), int(e.edges_ms[-1])) for e in (before, after)]
    if windows[0] != windows[1]:
        found.append(f"baseline covers {windows[0]} ms, scenario {windows[1]} ms")
    if before.factors_sha256 != after.factors_sha256:
        found.append("baseline and scenario are priced by different factors")
    fleets = [_fleet_ms(e.groups, e.machine_ms) for e in (before, after)]
    if fleets[0] != fleets[1]:
        found.append(f"machine time by site and type differs: {fleets[0]} and {fleets[1]} ms")
    if found:
        raise InternalError(*found)


def _fleet_ms(
    groups: tuple[Group, ...], machine_ms: np.ndarray[Any, np.dtype[np.int64]]
) -> dict[tuple[str, str], int]:
    held: dict[tuple[str, str], int] = {}
    for group, column in zip(groups, machine_ms.sum(axis=0).tolist(), strict=True):
        key = (group.site, group.machine_type)
        held[key] = held.get(key, 0) + column
    return {key: ms for key, ms in sorted(held.items()) if ms}
