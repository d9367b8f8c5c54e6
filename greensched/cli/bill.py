"""`bill`: machine-hours and cost by machine type, of a FOCUS billing file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli.options import form, overrides, verbosity

if TYPE_CHECKING:
    from greensched.readers.focus import Bill


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="machine_type=COLUMN",
    callback=overrides,
    help="The column of machine types, where SkuPriceDetails has none.",
)
@click.option("--on-bad", type=click.Choice(["fail", "drop"]), default="fail", help="Bad rows.")
@form("table", "json", "csv")
@verbosity
def bill(file: Path, mapped: dict[str, str], on_bad: Any, form: str) -> None:
    """Show machine-hours and cost by machine type of a FOCUS billing FILE.

    A scenario takes its prices from one: `prices: {machine_hour: {focus: FILE}}`.
    """
    from greensched.readers.focus import read_bill
    from greensched.readers.options import ReadOptions

    options = ReadOptions(map=tuple(mapped.items()), on_bad=on_bad)
    options.check_map(("machine_type",), "focus")
    click.echo(_printed(read_bill(file, options), form), nl=False)


def _printed(found: Bill, form: str) -> str:
    """Return the bill in one of the forms."""
    rows = [(name, hours, cost) for name, (hours, cost) in found.by_type.items()]
    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(
            {
                "schema": "greensched/bill/v1",
                "currency": found.currency,
                "cost_column": found.cost_column,
                "machine_types": [
                    {"machine_type": name, "machine_h": hours, "cost": cost}
                    for name, hours, cost in rows
                ],
                "rows_passed_over": found.passed_over,
                "amount_passed_over": found.amount_passed_over,
            }
        )
    if form == "csv":
        from greensched.report.tables import csv_text

        return csv_text(("machine_type", "machine_h", "cost"), rows)
    from greensched.errors import escape_control
    from greensched.report.calibration import table
    from greensched.report.words import number

    heads = ("machine type", "machine-hours", f"cost, {found.currency}", "an hour")
    lines = [
        (
            escape_control(name),
            number(hours, 1),
            number(cost, 2),
            number(found.per_hour[name], 4) if name in found.per_hour else "",
        )
        for name, hours, cost in rows
    ]
    others = f"{found.passed_over:,} other rows, {found.amount_passed_over:,.2f} {found.currency}"
    return (
        "\n".join([*table([heads, *lines]), f"{found.cost_column}; passed over: {others}"]) + "\n"
    )
