"""`ledger verify | prove | anchor | export`: what is asked of a ledger, never changing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.ledger import file_argument
from greensched.cli.options import form, verbosity
from greensched.errors import DataError, Finding, UsageError, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.ledger import SignedCheckpoint, Verified, VerifierKey

CSV_ROWS = 4_096

checkpoint_option = click.option(
    "--checkpoint",
    "kept",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint, or the line of `ledger anchor`, that was kept; may be repeated.",
)


@click.command()
@file_argument
@click.option(
    "--key", required=True, metavar="VKEY", help="The public key, or the path of a file with it."
)
@checkpoint_option
@click.option(
    "--proof",
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check this proof instead; the ledger is not needed.",
)
@click.option(
    "--thorough", is_flag=True, help="Check the file's structure and index of keys as well."
)
@form("table", "json")
@verbosity
def verify(
    file: Path,
    key: str,
    kept: tuple[Path, ...],
    proof: Path | None,
    thorough: bool,  # noqa: FBT001 click passes flags by name
    form: str,
) -> None:
    """Check every row, the root, and the signatures of FILE; exit 3 where something is not so.

    Without a checkpoint that was kept elsewhere, a ledger whose tail was cut off together with
    the checkpoint beside it looks whole, and so does one that the key's owner wrote anew.
    """
    public = public_key(key)
    checkpoints = [kept_checkpoint(path) for path in kept]
    if proof is not None:
        _verify_proof(proof, public, checkpoints, form)
        return
    from greensched.cli.progress import Progress
    from greensched.ledger import verify as verified

    with Progress() as bar:
        found = verified(
            file,
            public,
            checkpoints,
            thorough=thorough,
            progress=lambda share: bar("reading rows", share),
        )
    _print_verified(found, form)


def _print_verified(found: Verified, form: str) -> None:
    """Print what was found true of a ledger."""
    from greensched.ledger.note import encoded

    now = found.checkpoint.checkpoint
    values: dict[str, Any] = {
        "ok": True,
        "origin": found.origin,
        "kind": found.kind,
        "size": now.size,
        "root": encoded(now.root),
        "verifier_key": found.key.text,
        "checkpoints": list(found.compared),
    }
    if form == "json":
        from greensched.report.outputs import json_text

        click.echo(json_text(values), nl=False)
    else:
        click.echo(
            f"ok   {found.origin} ({found.kind}): {plural(now.size, 'row')}, all as appended"
        )
        click.echo(f"     root {values['root']}, signed with {found.key.text}")
        for size in found.compared:
            click.echo(f"     continues the checkpoint of {plural(size, 'row')} that was kept")
    if not found.is_published:
        say.tell("warning: no checkpoint stands beside it: the loss of its last rows is not seen")
    if not found.compared:
        say.tell("not checked: whether its tail was cut off or it was written anew (--checkpoint)")


def _verify_proof(
    path: Path, key: VerifierKey, checkpoints: list[SignedCheckpoint], form: str
) -> None:
    """Check a proof and print what it proves; raises DataError where it proves nothing."""
    from greensched.ledger import RowProof, read_proof

    try:
        proof = read_proof(_read(path))
        if isinstance(proof, RowProof):
            holds = proof.holds(key)
        else:
            holds = len(checkpoints) == 1 and proof.holds(checkpoints[0], key)
    except ValueError as error:
        raise DataError(Finding(where=str(path), what=f"proves nothing: {error}")) from None
    if not holds:
        what = f"does not prove what it says, or is not signed with {key.text}"
        remedy = "a proof of growth needs the old checkpoint: --checkpoint"
        raise DataError(Finding(where=str(path), what=what, remedy=remedy))
    size = proof.checkpoint.checkpoint.size
    if isinstance(proof, RowProof):
        record = json.loads(proof.record)
        values = {"ok": True, "row": proof.row, "size": size, "record": record}
        text = f"ok   row {proof.row:,} of {size:,}:\n{proof.record.decode()}"
    else:
        values = {"ok": True, "old_size": proof.old_size, "size": size}
        text = f"ok   {plural(size, 'row')} begin with the {proof.old_size:,} of the checkpoint"
    if form == "json":
        from greensched.report.outputs import json_text

        text = json_text(values).removesuffix("\n")
    click.echo(text)


def public_key(given: str) -> VerifierKey:
    """Return a public key that was given as text, or in a file."""
    from greensched.ledger import verifier_key

    path = Path(given)
    text = _read(path).strip() if "+" not in given or path.is_file() else given
    try:
        return verifier_key(text)
    except ValueError as error:
        remedy = "`ledger init` told it: NAME+ID+BASE64"
        raise UsageError(Finding(where="--key", what=str(error), remedy=remedy)) from None


def kept_checkpoint(path: Path) -> SignedCheckpoint:
    """Return a checkpoint that was kept in a file."""
    from greensched.ledger import read_kept

    try:
        return read_kept(_read(path))
    except ValueError as error:
        raise DataError(Finding(where=str(path), what=f"is no checkpoint: {error}")) from None


def _read(path: Path) -> str:
    """Return the text in a file."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise UsageError(Finding(where=str(path), what=what)) from None
    except UnicodeDecodeError:
        raise DataError(Finding(where=str(path), what="is not UTF-8")) from None


@click.command()
@file_argument
@click.option("--row", type=click.IntRange(0), metavar="N", help="Prove the row of this number.")
@click.option("--entry", metavar="KEY", help="Prove the row that has this key.")
@click.option(
    "--since",
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Prove that FILE grew from this checkpoint.",
)
@verbosity
def prove(file: Path, row: int | None, entry: str | None, since: Path | None) -> None:
    """Print a proof of one row (C2SP tlog-proof), or of growth from a checkpoint.

    It is checked with the public key alone: greensched ledger verify --key VKEY --proof PATH.
    """
    from greensched.ledger import prove_growth, prove_row

    if sum(given is not None for given in (row, entry, since)) != 1:
        what, remedy = "what to prove is not told, or twice", "one of --row, --entry and --since"
        raise UsageError(Finding(where="ledger prove", what=what, remedy=remedy))
    if since is not None:
        click.echo(prove_growth(file, kept_checkpoint(since)).text, nl=False)
    else:
        click.echo(prove_row(file, row, entry).text, nl=False)


@click.command()
@file_argument
@verbosity
def anchor(file: Path) -> None:
    """Print the checkpoint as one line to keep where the key's owner cannot change it.

    Paste it into a report, a commit, a chain. `ledger verify --checkpoint` takes a file with it.
    """
    from greensched.ledger import read_contents

    click.echo(read_contents(file).checkpoint.anchor)


@click.command()
@file_argument
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another replica's ledger: print JSON Lines of all, each key once; may be repeated.",
)
@form("json", "csv")
@verbosity
def export(file: Path, others: tuple[Path, ...], form: str) -> None:
    """Print all records, and nothing that depends on where or when they were written.

    A record's number is its row. The JSON can be appended to a new ledger of the same origin and
    kind, which then has the same root; JSON Lines to any.
    """
    from greensched.ledger.text import export_text

    if others and form != "json":
        raise UsageError(Finding(where="-o csv", what="is of one ledger", remedy="leave it away"))
    if others:
        from greensched.ledger.merge import merged

        for record in merged((file, *others)):
            click.echo(json.dumps(record, ensure_ascii=False))
        return
    for piece in export_text(file) if form == "json" else _csv(file):
        click.echo(piece, nl=False)


def _csv(file: Path) -> Iterable[str]:
    """Yield the records as CSV, a column for each name that any of them has."""
    from greensched.ledger import read_contents
    from greensched.ledger.text import first_rows
    from greensched.report.tables import csv_text

    size = read_contents(file).checkpoint.checkpoint.size
    names = dict.fromkeys(n for _, data in first_rows(file, size) for n in json.loads(data))
    yield csv_text(["row", *names], [])
    for row, data in first_rows(file, size):
        record = json.loads(data)
        cells = [_cell(record.get(name)) for name in names]
        yield csv_text([], [[row, *cells]]).removeprefix("\n")


def _cell(value: Any) -> Any:
    """Return a value as a cell: what is nested as JSON."""
    return json.dumps(value) if isinstance(value, dict | list) else value
