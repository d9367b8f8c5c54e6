"""`disclose`: a company's yearly statement, from its file and its ledger."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.ledger import or_default
from greensched.cli.options import form, verbosity
from greensched.cli.running import FORMS

if TYPE_CHECKING:
    from greensched.report.disclosure import Gathered, Operated


@click.command()
@click.argument("year", type=click.IntRange(1990, 2100))
@click.option(
    "--company",
    default="company.yaml",
    show_default=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Its sites, factors, activities, contracts, targets.",
)
@click.option(
    "--ledger",
    metavar="FILE",
    callback=or_default,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Of kind operated.  [default: the user's own]",
)
@click.option(
    "--key", required=True, metavar="VKEY", help="The ledger's public key, from outside."
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="One that was kept, which the ledger has to continue; may be repeated.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the statement and what verifies it.  [default: disclosure-YEAR]",
)
@click.option(
    "--allow-outside", is_flag=True, help="Let the company's file name files outside its folder."
)
@form(*FORMS)
@verbosity
def disclose(year: int, form: str, out: Path | None, **given: Any) -> None:
    """Write the greenhouse gas statement of YEAR: Markdown, CSV, JSON, and what verifies it.

    It rests on a ledger of machines that ran, which is verified first; one of simulations is
    refused. Offsets and avoided emissions stand apart and lower no figure.
    """
    from greensched.report.disclosure import statement, write_statement

    gathered, ledger = _gathered(year, given)
    values = statement(gathered, ledger)
    folder = out or Path(f"disclosure-{year}")
    write_statement(folder, values, gathered, ledger)
    _print(values, form)
    for note in values["notes"] if form in {"json", "csv"} else ():
        say.tell(f"note  {note}")
    say.tell(f"written   {folder} ({folder / 'VERIFY.md'} tells how to verify it)")


def _gathered(year: int, given: dict[str, Any]) -> tuple[Gathered, Operated]:
    """Return what is known of the company, its ledger verified."""
    from greensched.cli.interrupt import interruptible
    from greensched.cli.ledger_checks import kept_checkpoint, public_key
    from greensched.report.disclosure import gather, operated
    from greensched.scenario.company_file import load_company

    key = public_key(given["key"])
    kept = [kept_checkpoint(path) for path in given["checkpoints"]]
    company = load_company(given["company"], allow_outside=given["allow_outside"])
    with interruptible() as progress:
        ledger = operated(given["ledger"], key, kept, partial(progress, "verifying the ledger"))
        told = partial(progress, "reading what was used")
        return gather(company, year, ledger, told), ledger


def _print(values: dict[str, Any], form: str) -> None:
    """Print the statement in one of the forms."""
    from greensched.report.disclosure import lines_csv, statement_markdown, statement_text
    from greensched.report.outputs import json_text

    made = {
        "table": statement_text,
        "json": json_text,
        "csv": lines_csv,
        "md": statement_markdown,
    }
    click.echo(made[form](values), nl=False)
