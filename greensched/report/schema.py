"""The JSON Schemas of `summary.json`, which ships beside this module, and of an attribution."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

SCHEMA_FILE: Final = "summary.schema.json"
ATTRIBUTION_SCHEMA: Final = "greensched/attribution/v1"


def summary_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that every summary satisfies."""
    text = (files("greensched.report") / SCHEMA_FILE).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def attribution_schema() -> dict[str, Any]:
    """Return the schema that what `attribute -o json` prints satisfies.

    It is a summary's `attribution` with what says whose it is.
    """
    whole = summary_schema()
    own = whole["$defs"]["attribution"]
    identity = {key: whole["properties"][key] for key in ATTRIBUTION_KEYS}
    properties = {
        "schema": {"const": ATTRIBUTION_SCHEMA},
        **identity,
        "baseline_id": whole["properties"]["savings"]["properties"]["baseline_id"],
        **own["properties"],
    }
    return {
        "$schema": whole["$schema"],
        "$id": "urn:greensched:attribution:v1",
        "title": "greensched attribute -o json",
        "description": own["description"],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


ATTRIBUTION_KEYS: Final = ("name", "scenario_sha256", "seed", "version", "stamp")
