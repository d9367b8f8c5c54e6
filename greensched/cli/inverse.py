"""`inverse`: which fleet, at which utilisation, would have saved what somebody reported."""

from __future__ import annotations

from pathlib import Path

import click

from greensched.cli.options import form, verbosity


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@form("table", "json", "csv", "md")
@verbosity
def inverse(scenario: Path, form: str) -> None:
    """Tell which fleet and rise of utilisation save what the SCENARIO says was reported.

    The same work on fewer, busier machines; with ranges of their power, PUE and the grid. Quoted
    figures that do not add up are shown as quoted.
    """
    from greensched.report import inverse as shown
    from greensched.report.outputs import json_text
    from greensched.scenario.inverse import load_inverse

    values = shown.answer(load_inverse(scenario))
    made = {
        "table": shown.inverse_text,
        "json": json_text,
        "csv": shown.inverse_csv,
        "md": shown.inverse_markdown,
    }
    click.echo(made[form](values), nl=False)
