"""Settings of policies and options of readers: the fields of their dataclass, with units.

A field `horizon_ms` is the setting `horizon: 24 h` (or a time of day, `22:30`), `replica_cpu_m` is
`replica_cores: 2`, `reserve_mib` is `reserve: 8 GiB`, `idle_w` is `idle: 110 W`; others keep their
name.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from pydantic import create_model

from greensched.scenario.types import Cores, Memory, Power, Spec, TimeOrDuration

_SUFFIXES: tuple[tuple[str, str, Any], ...] = (
    ("_cpu_m", "_cores", Cores),
    ("_mib", "", Memory),
    ("_ms", "", TimeOrDuration),
    ("_w", "", Power),
)
_MODELS: dict[type[Any], type[Spec]] = {}
_BARE = {"cpu_m": ("cores", Cores)}


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


def settings_model(settings_type: type[Any]) -> type[Spec]:
    """Return the model that checks the settings of the dataclass `settings_type`."""
    if settings_type not in _MODELS:
        _MODELS[settings_type] = _model(settings_type)
    return _MODELS[settings_type]


def _model(settings_type: type[Any]) -> type[Spec]:
    """Return a new model of the settings of `settings_type`."""
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
