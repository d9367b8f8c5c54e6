"""`explain`: a figure of a result, from its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli.options import form, verbosity

if TYPE_CHECKING:
    from greensched.report.explain import Explanation

BAD_DATA = 3


@click.command()
@click.argument("result", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("key", required=False)
@form("table", "json", "csv")
@verbosity
def explain(result: Path, key: str | None, form: str) -> None:
    """Explain the figure KEY of the RESULT in a folder, from the rows stored with it.

    KEY is a path in summary.json, such as scenario.scope2_location_kg or
    savings.energy_facility_kwh; without it all keys are listed. Formula, values, factors with
    source and vintage, and rows; a saving also with why baseline and scenario differ. The figure
    is computed again: one that is not what summary.json says exits with 3. -o csv prints the
    rows themselves.
    """
    from greensched.report.explain import explain as explained
    from greensched.report.explain import keys
    from greensched.report.outputs import json_text, read_result

    stored = read_result(result)
    if key is None:
        click.echo(_listed(keys(stored.summary), form), nl=False)
        return
    found = explained(stored, key)
    if form == "json":
        from greensched.report.explain import as_document

        click.echo(json_text(as_document(found)), nl=False)
    elif form == "csv":
        click.echo(_csv(found), nl=False)
    else:
        from greensched.report.explain import as_text
        from greensched.report.terminal import width

        click.echo(as_text(found, width()), nl=False)
    if found.agrees is False:
        click.echo(
            f"{result}: {found.key} is {found.stored} in summary.json and {found.figure.value} "
            "by the stored rows: one of them was changed, or it is a bug",
            err=True,
        )
        raise click.exceptions.Exit(BAD_DATA)


def _listed(found: dict[str, Any], form: str) -> str:
    """Return all keys with their values, in one of the forms."""
    from greensched.report.outputs import json_text
    from greensched.report.tables import csv_text

    if form == "json":
        return json_text(found)
    if form == "csv":
        return csv_text(("key", "value"), found.items())
    from greensched.errors import escape_control
    from greensched.report.explain.figure import shown

    wide = max(len(key) for key in found)
    lines = (f"{key.ljust(wide)}  {shown(value)}" for key, value in found.items())
    return "\n".join(escape_control(line) for line in lines) + "\n"


def _csv(found: Explanation) -> str:
    """Return the rows behind a figure, those of several tables one below the other."""
    from greensched.report.tables import csv_text

    if not found.figure.rows:
        return csv_text(("key", "value"), [(found.key, found.figure.value)])
    texts = [
        csv_text([str(c) for c in one.rows.columns], one.rows.itertuples(index=False))
        for one in found.figure.rows
    ]
    return "\n".join(texts)
