"""`reproduce`: published results, computed again from the same data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import click

from greensched.cli.options import form, verbosity
from greensched.errors import Finding, UsageError

STUDIES: Final = {"lets-wait-awhile": "greensched.shift.lets_wait_awhile"}
DIFFERS: Final = 1


@click.command()
@click.argument("name", type=click.Choice(list(STUDIES)))
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the studies' data.  [default: $GREENSCHED_DATA]",
)
@form("table", "json", "csv", "md")
@verbosity
def reproduce(name: str, data: Path | None, form: str) -> None:
    """Compute the published results of NAME again: ours beside those of the authors' code.

    Exit code 1 where they differ by more than the last digit that was published.
    """
    from importlib import import_module

    folder = data or Path(os.environ.get("GREENSCHED_DATA", ""))
    if not (data or os.environ.get("GREENSCHED_DATA")) or not folder.is_dir():
        what = "no folder of data was named" if data is None else "is no folder"
        remedy = "name it with --data DIR, or in $GREENSCHED_DATA"
        raise UsageError(Finding(where=f"--data {data or ''}".strip(), what=what, remedy=remedy))
    rows = import_module(STUDIES[name]).reproduce(folder)
    click.echo(_printed(rows, form), nl=False)
    if not all(row["agrees"] for row in rows):
        raise click.exceptions.Exit(DIFFERS)


def _printed(rows: list[dict[str, Any]], form: str) -> str:
    """Return the rows in one of the forms."""
    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(rows)
    if form == "csv":
        from greensched.report.tables import csv_text

        return csv_text(list(rows[0]), [list(row.values()) for row in rows])
    from greensched.report.shifting import aligned, markdown, reproduced

    heads, cells = reproduced(rows)
    text = markdown(heads, cells) if form == "md" else "\n".join(aligned(heads, cells))
    return f"{text}\n"
