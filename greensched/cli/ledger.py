"""`ledger init | append | rotate | verify | prove | anchor | export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.lazy import LazyGroup
from greensched.cli.options import form, verbosity
from greensched.errors import DataError, Finding, UsageError

if TYPE_CHECKING:
    from greensched.ledger import Appended, Ledger, Made

HERE = "greensched.cli.ledger"
READ = "greensched.cli.ledger_checks"


@click.group(
    cls=LazyGroup,
    lazy={
        "init": (f"{HERE}:init", "Make a ledger and its key."),
        "append": (f"{HERE}:append", "Append records or a result's entries."),
        "rotate": (f"{HERE}:rotate", "Hand the right to sign on to a new key."),
        "verify": (f"{READ}:verify", "Check a ledger, or a proof, with the public key."),
        "prove": (f"{READ}:prove", "Print a proof that is checked without the ledger."),
        "anchor": (f"{READ}:anchor", "Print the line to keep elsewhere."),
        "export": (f"{READ}:export", "Print all records."),
    },
)
def ledger() -> None:
    """Keep entries in a file in which every later change is seen.

    FILE is by default ledger.sqlite in the user's state folder. Whoever has the private key can
    write the whole ledger anew: keep what `ledger anchor` prints where they cannot change it.
    """


def or_default(_ctx: click.Context, _argument: click.Parameter, path: Path | None) -> Path:
    """Return the ledger that was named, or the user's own."""
    if path is not None:
        return path
    from greensched.ledger import default_ledger

    return default_ledger()


file_argument = click.argument(
    "file",
    required=False,
    callback=or_default,
    type=click.Path(dir_okay=False, path_type=Path),
)
key_file_option = click.option(
    "--key-file",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the private key.  [default: in the user's settings]",
)


@click.command()
@file_argument
@click.option("--origin", required=True, metavar="NAME", help="Whose ledger: example.org/fleet.")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(("operated", "simulated")),
    help="What its entries are of: machines that ran, or simulations.",
)
@key_file_option
@form("table", "json")
@verbosity
def init(file: Path, origin: str, kind: str, key_file: Path | None, form: str) -> None:
    """Make a ledger and its key; print the public key to hand out."""
    from greensched.ledger import init_ledger

    _print_made(init_ledger(file, origin, kind, key_file), origin, kind, form)


def _print_made(made: Made, origin: str, kind: str, form: str) -> None:
    """Print a new key, and what it is of."""
    values = {
        "ledger": str(made.ledger),
        "origin": origin,
        "kind": kind,
        "key_file": str(made.key_file),
        "verifier_key": made.verifier_key,
    }
    if form == "json":
        from greensched.report.outputs import json_text

        checkpoint = made.checkpoint.text
        click.echo(json_text({**values, "checkpoint": checkpoint}), nl=False)
    else:
        for name, value in values.items():
            click.echo(f"{name.replace('_', ' '):13} {value}")
        say.tell("keep the verifier key elsewhere: `ledger verify --key` takes it from outside")


@click.command()
@file_argument
@click.option(
    "--from",
    "source",
    metavar="SOURCE",
    help="A result's folder, a file of JSON Lines, an export; '-' is stdin.  [default: -]",
)
@click.option(
    "--supersedes",
    metavar="KEY",
    help="Append a result as the correction of the run with this key.",
)
@key_file_option
@form("table", "json")
@verbosity
def append(
    file: Path, source: str | None, supersedes: str | None, key_file: Path | None, form: str
) -> None:
    """Append records, all or none; each needs a 'key' that no other row has.

    A record is a JSON object of texts and whole numbers. One with 'supersedes' corrects the row
    of that key: rows are never edited.
    """
    from greensched.ledger import Ledger

    if source is None and is_terminal():
        what, remedy = "nothing to append was named", "--from names it, '-' is stdin"
        raise UsageError(Finding(where="ledger append", what=what, remedy=remedy))
    with Ledger(file, key_file) as opened:
        _print_appended(_append(opened, source or "-", supersedes), form)


def is_terminal() -> bool:
    """Tell whether somebody would have to type what is read."""
    return sys.stdin.isatty()


def _append(opened: Ledger, source: str, supersedes: str | None) -> Appended:
    """Append what a source holds."""
    from greensched.cli.recording import append_result
    from greensched.ledger.text import read_records

    if source != "-" and Path(source).is_dir():
        return append_result(opened, Path(source), supersedes)
    if supersedes is not None:
        what = "is of a result's folder; records say themselves what they supersede"
        raise UsageError(Finding(where="--supersedes", what=what))
    where = "stdin" if source == "-" else source
    records = read_records(_text(source, where), where, opened.origin, opened.kind)
    return opened.append(records)


def _text(source: str, where: str) -> str:
    """Return what a file or stdin holds."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(Finding(where=where, what=f"cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError as error:
        raise DataError(Finding(where=where, what=f"is not UTF-8: {error}")) from None


def _print_appended(appended: Appended, form: str) -> None:
    """Print which rows were appended."""
    from greensched.cli.recording import told

    if form == "json":
        from greensched.report.outputs import json_text

        values: dict[str, Any] = {
            "first": appended.first,
            "count": appended.count,
            "size": appended.checkpoint.checkpoint.size,
            "checkpoint": appended.checkpoint.text,
        }
        click.echo(json_text(values), nl=False)
    else:
        click.echo(f"appended {told(appended)}")


@click.command()
@file_argument
@key_file_option
@click.option(
    "--new-key-file",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that the new private key is written to.  [default: in the user's settings]",
)
@form("table", "json")
@verbosity
def rotate(file: Path, key_file: Path | None, new_key_file: Path | None, form: str) -> None:
    """Hand the right to sign on to a new key, in a row that the old key signs.

    From then on only the new key appends. `ledger verify` takes either public key.
    """
    from greensched.ledger import Ledger

    with Ledger(file, key_file) as opened:
        made = opened.rotate(new_key_file)
        _print_made(made, opened.origin, opened.kind, form)
