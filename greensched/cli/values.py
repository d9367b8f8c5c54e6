"""Names and values as a command prints them."""

from __future__ import annotations

from typing import Any

import click


def print_values(values: dict[str, Any], form: str) -> None:
    """Print names and values."""
    from greensched.errors import escape_control

    if form == "json":
        from greensched.report.outputs import json_text

        click.echo(json_text(values), nl=False)
        return
    width = max(len(name) for name in values)
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' '):{width}}  {escape_control(str(value))}")
