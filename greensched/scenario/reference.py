"""The scenario's JSON Schema, and the reference page made from it."""

from __future__ import annotations

import inspect
from typing import Any, Final

from greensched import registry
from greensched.scenario.settings import settings_model
from greensched.scenario.spec import ScenarioSpec
from greensched.units import CPU_M_PER_CORE, MS_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

SCHEMA_ID: Final = "urn:greensched:scenario:v1"
_QUANTITIES: Final = {
    "ms": "duration",
    "W": "power",
    "MiB": "memory",
    "g/kWh": "carbon intensity",
}
_DURATIONS: Final = ((MS_PER_DAY, "d"), (MS_PER_H, "h"), (MS_PER_MIN, "min"), (MS_PER_S, "s"))

_HEAD = """\
# Scenario files

Written by `greensched.scenario.reference_text()` from the checks themselves; a test compares
them. A scenario is YAML 1.2 (at most 1 MiB, 50 levels deep; no aliases, anchors, tags or duplicate
keys). Quantities carry a unit (`64 GiB`, `110 W`, `12 h`, `5 y`, `0.12 EUR/kWh`; a year is 365
days); a plain number is refused where one is needed. Every error of a file is reported at once,
with line and column. `greensched schema` prints the JSON Schema for editors.

Sources: `bundled:NAME` is a sample that ships, `data:PATH` a file below `$GREENSCHED_DATA`, read
only, anything else a path inside the scenario's folder (`--allow-outside` lifts that).

`--set path=value` replaces any scalar: `fleet.0.count`, `fleet[0].count`, `fleet.gen8.count` (by
name), `fleet[m5.large].count` (a name with dots in it), `policies.tidal.share` (by kind) and
`fleet.gen8.embodied.range.1` (in a list) are paths.
"""


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a scenario file."""
    result: dict[str, Any] = ScenarioSpec.model_json_schema(by_alias=True)
    definitions = result["$defs"]
    for name in ("TraceSpec", "Tide"):
        definitions[name]["properties"].update(_settings("ReadOptions"))
        definitions[name]["additionalProperties"] = False
    definitions["PolicySpec"] = {
        "oneOf": [_policy(kind) for kind in registry.names("policy")],
        "description": definitions["PolicySpec"]["description"],
    }
    _tidied(result)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **result,
    }


def _settings(name: str, kind: str = "") -> dict[str, Any]:
    """Return the properties of a dataclass of settings."""
    if name == "ReadOptions":
        from greensched.readers.options import ReadOptions

        properties = settings_model(ReadOptions).model_json_schema()["properties"]
        properties["map"] = {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "name in the schema: column in the file",
        }
    else:
        properties = settings_model(registry.load("policy", kind)).model_json_schema()[
            "properties"
        ]
    return dict(properties)


def _policy(kind: str) -> dict[str, Any]:
    """Return the schema of one policy's entry."""
    return {
        "type": "object",
        "required": ["kind"],
        "additionalProperties": False,
        "properties": {
            "kind": {"const": kind},
            "enabled": {"type": "boolean", "default": True},
            **_settings("", kind),
        },
    }


def _tidied(node: Any) -> None:
    """Write defaults as a file would; drop those of whole parts, which their keys repeat."""
    if isinstance(node, list):
        for item in node:
            _tidied(item)
    if not isinstance(node, dict):
        return
    default = node.get("default")
    if isinstance(default, dict) or default is None:
        node.pop("default", None)
    elif "x-unit" in node and not isinstance(default, str):
        node["default"] = _with_unit(default, node["x-unit"])
    for value in list(node.values()):
        _tidied(value)


def _with_unit(value: float, unit: str) -> Any:
    """Return a default in the unit it is kept in as a file would write it."""
    if unit == "millicore":
        return value / CPU_M_PER_CORE
    if unit != "ms":
        return f"{value:g} {unit}"
    for factor, name in _DURATIONS:
        if value and value % factor == 0:
            return f"{value / factor:g} {name}"
    return f"{value:g} ms"


def reference_text() -> str:
    """Return the reference page of scenario files, as `docs/reference/scenario.md` has it."""
    whole = schema()
    parts = [_HEAD, _section("Scenario", whole)]
    definitions = whole["$defs"]
    options = _settings("ReadOptions")
    _tidied(options)
    for name in _in_order(whole):
        part = definitions[name]
        if name in {"TraceSpec", "Tide"}:
            own = {k: v for k, v in part["properties"].items() if k not in options}
            part = {**part, "properties": own}
        if name != "PolicySpec":
            parts.append(_section(_title(name), part))
    text = "Keys of a trace and of a tide that its reader takes."
    parts.append(_section("Options of readers", {"description": text, "properties": options}))
    for branch in definitions["PolicySpec"]["oneOf"]:
        kind = branch["properties"]["kind"]["const"]
        policy = registry.load("policy", kind)
        text = (inspect.getdoc(policy) or "").split("\n\n")[0].replace("\n", " ")
        section = {**branch, "description": text}
        parts.append(_section(f"Policy `{kind}`", section))
    return "\n".join(parts)


def _in_order(whole: dict[str, Any]) -> list[str]:
    """Return the names of parts in the order in which a reader meets them."""
    order: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/$defs/")
            if name and name not in order:
                order.append(name)
                visit(whole["$defs"][name])
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(whole["properties"])
    return order


def _title(name: str) -> str:
    """Return a part's heading: its name without the word Spec."""
    return name.removesuffix("Spec")


def _section(title: str, part: dict[str, Any]) -> str:
    """Return one part as a heading, a sentence and a table of its keys."""
    text = str(part.get("description", "")).split("\n\n")[0].replace("\n", " ")
    lines = [f"## {title}", "", text, "", "| key | value | default |", "|---|---|---|"]
    required = part.get("required", [])
    for key, value in part["properties"].items():
        default = "required" if key in required else _shown(value)
        lines.append(f"| `{key}` | {_meaning(value)} | {default} |")
    return "\n".join([*lines, ""])


def _meaning(value: dict[str, Any]) -> str:
    """Return what a key's value may be."""
    text = str(value.get("description", ""))
    kind = _kind(value)
    return f"{kind}: {text}" if kind and text and text != kind else text or kind


def _kind(value: dict[str, Any]) -> str:
    """Return the kind of a value in a word or two."""
    for key in ("oneOf", "anyOf"):
        if key in value:
            kinds = [_kind(v) or str(v.get("description", "")) for v in value[key]]
            return " or ".join(dict.fromkeys(k for k in kinds if k != "null"))
    if "$ref" in value:
        return _title(value["$ref"].removeprefix("#/$defs/"))
    if "const" in value or "enum" in value:
        return ", ".join(f"`{v}`" for v in value.get("enum", [value.get("const")]) if v)
    if "x-unit" in value and value.get("type") == "string":
        return _QUANTITIES[value["x-unit"]]
    kind = value.get("type", "")
    if kind == "array":
        return f"list of {_kind(value.get('items', {}))}".removesuffix(" of ")
    words = {"string": "text", "object": "mapping", "boolean": "true or false"}
    return words.get(kind, str(kind)) + _range(value)


def _range(value: dict[str, Any]) -> str:
    """Return a number's limits."""
    low = value.get("minimum", value.get("exclusiveMinimum"))
    high = value.get("maximum", value.get("exclusiveMaximum"))
    if low is None:
        return ""
    sign = ">" if "exclusiveMinimum" in value else ">="
    return f" {low:g} .. {high:g}" if high is not None else f" {sign} {low:g}"


def _shown(value: dict[str, Any]) -> str:
    """Return a default as a file would write it."""
    default = value.get("default")
    if default is None or default in ((), [], ""):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return f"`{default}`" if isinstance(default, str) else f"{default}"
