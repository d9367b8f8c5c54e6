"""Settings of policies and options of readers: the fields of their dataclass, with units.

A field `horizon_ms` is the setting `horizon: 24 h`, `margin_cpu_m` is `margin_cpu: 2 cores`,
`reserve_mib` is `reserve: 8 GiB`, `idle_w` is `idle: 110 W`; others keep their name. Fields whose
name ends in `_at_ms` (and any duration) also take a time of day, `22:30`.
"""

from __future__ import annotations

import dataclasses
import typing
from functools import cache
from typing import Any

from pydantic import create_model

from greensched.scenario.types import Memory, Power, Processors, Spec, TimeOrDuration

_SUFFIXES: tuple[tuple[str, str, Any], ...] = (
    ("_cpu_m", "_cpu", Processors),
    ("_mib", "", Memory),
    ("_ms", "", TimeOrDuration),
    ("_w", "", Power),
)
_BARE = {"cpu_m": ("cpu", Processors)}


def setting_name(field_name: str) -> str:
    """Return the setting's name in a scenario for a dataclass field."""
    if field_name in _BARE:
        return _BARE[field_name][0]
    for suffix, kept, _ in _SUFFIXES:
        if field_name.endswith(suffix):
            return field_name.removesuffix(suffix) + kept
    return field_name


def _annotation(field_name: str, hint: Any) -> Any:
    """Return the type a setting is checked against."""
    if field_name in _BARE:
        return _BARE[field_name][1]
    for suffix, _, quantity in _SUFFIXES:
        if field_name.endswith(suffix):
            return quantity
    return hint


@cache
def settings_model(settings_type: type[Any]) -> type[Spec]:
    """Return the model that checks the settings of the dataclass `settings_type`."""
    hints = typing.get_type_hints(settings_type)
    parts: dict[str, Any] = {}
    for field in dataclasses.fields(settings_type):
        if not field.init:
            continue
        default = field.default
        if default is dataclasses.MISSING:
            default = None if field.default_factory is not dataclasses.MISSING else ...
        kind = _annotation(field.name, hints[field.name])
        parts[setting_name(field.name)] = (kind, default)
    return create_model(settings_type.__name__, __base__=Spec, **parts)


def values_of(settings_type: type[Any], checked: Spec) -> dict[str, Any]:
    """Return the dataclass's arguments for what `checked` was given."""
    names = {setting_name(f.name): f.name for f in dataclasses.fields(settings_type)}
    return {names[key]: getattr(checked, key) for key in checked.model_fields_set}
