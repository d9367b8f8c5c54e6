"""The JSON Schema of `summary.json`, which ships beside this module."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

SCHEMA_FILE: Final = "summary.schema.json"


def summary_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that every summary satisfies."""
    text = (files("greensched.report") / SCHEMA_FILE).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
