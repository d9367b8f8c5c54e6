"""Proofs that are checked without the ledger: of a row (C2SP tlog-proof), and of its past.

A row's proof holds the record itself as `extra` data, so that the file is all that is needed
besides the public key.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding, UsageError, plural
from greensched.ledger import store
from greensched.ledger.checkpoint import SignedCheckpoint, is_of, read_checkpoint
from greensched.ledger.groups import KeptTree, has_groups
from greensched.ledger.note import VerifierKey, decoded, encoded
from greensched.ledger.tree import (
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    roots_in,
    tree_root,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from sqlite3 import Connection

    from greensched.ledger.checkpoint import Checkpoint
    from greensched.ledger.tree import RootOf

ROW_PROOF: Final = "c2sp.org/tlog-proof@v1"
_OLD: Final = "old "  # a consistency proof begins as a request to a C2SP witness does


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProof:
    """That a record is row `row` of the tree that a checkpoint tells of."""

    row: int
    record: bytes
    path: tuple[bytes, ...]
    checkpoint: SignedCheckpoint

    @property
    def text(self) -> str:
        """Return it in the form of C2SP tlog-proof."""
        head = [ROW_PROOF, f"extra {encoded(self.record)}", f"index {self.row}"]
        return "\n".join([*head, *map(encoded, self.path)]) + f"\n\n{self.checkpoint.text}"

    def holds(self, key: VerifierKey) -> bool:
        """Tell whether it proves that `key` signed for the row; ValueError where it is forged."""
        now = self.checkpoint.checkpoint
        is_in = is_included(leaf_hash(self.record), self.row, now.size, self.path, now.root)
        return is_in and is_of(self.checkpoint, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthProof:
    """That the tree of a checkpoint began as one of `old_size` rows."""

    old_size: int
    path: tuple[bytes, ...]
    checkpoint: SignedCheckpoint

    @property
    def text(self) -> str:
        """Return it in the form of a request to a C2SP tlog-witness."""
        head = f"{_OLD}{self.old_size}\n" + "".join(f"{encoded(h)}\n" for h in self.path)
        return f"{head}\n{self.checkpoint.text}"

    def holds(self, old: SignedCheckpoint, key: VerifierKey) -> bool:
        """Tell whether it proves growth from `old`; ValueError where it is forged."""
        before, now = old.checkpoint, self.checkpoint.checkpoint
        return (
            (before.origin, before.size) == (now.origin, self.old_size)
            and is_consistent(before.size, before.root, now.size, now.root, self.path)
            and is_of(self.checkpoint, key)
        )


def read_proof(text: str) -> RowProof | GrowthProof:
    """Return the proof that `text` is, its signatures not checked; raises ValueError."""
    head, middle, note = text.partition("\n\n")
    if not middle:
        raise ValueError("a proof ends with a checkpoint, after an empty line")
    checkpoint = read_checkpoint(note)
    first, *lines = head.split("\n")
    proof: RowProof | GrowthProof
    if first == ROW_PROOF:
        names = ("extra", "index")
        if len(lines) < len(names):
            raise ValueError("a proof of a row has a record and an index")
        extra, index = (_field(n, line) for n, line in zip(names, lines, strict=False))
        path = tuple(decoded(line) for line in lines[len(names) :])
        record = decoded(extra)
        proof = RowProof(row=_number(index), record=record, path=path, checkpoint=checkpoint)
    else:
        size = _number(_field(_OLD.strip(), first))
        path = tuple(decoded(line) for line in lines)
        proof = GrowthProof(old_size=size, path=path, checkpoint=checkpoint)
    if proof.text != text:
        raise ValueError("it is not written as proofs are")
    return proof


def _field(name: str, line: str) -> str:
    """Return what follows `name` in a line; raises ValueError."""
    if not line.startswith(f"{name} "):
        raise ValueError(f"where '{name}' should be it says {line[:40]!r}")
    return line.removeprefix(f"{name} ")


def _number(text: str) -> int:
    """Return a number written in digits alone; raises ValueError."""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is no number of rows")
    return int(text)


def prove_row(ledger: Path, row: int | None = None, key: str | None = None) -> RowProof:
    """Return the proof of a row, named by its number or its key; raises UsageError, DataError."""
    assert (row is None) != (key is None)
    with store.told(ledger), store.reading(ledger) as connection:
        if key is not None:
            row = store.row_of_key(connection, key)
        data = None if row is None else store.get_row(connection, row)
        if row is None or data is None:
            what = f"has no row {row:,}" if row is not None else f"has no row with key '{key}'"
            raise UsageError(Finding(where=str(ledger), what=what))
        checkpoint = _signed(ledger, connection)
        now, leaf = checkpoint.checkpoint, leaf_hash(data)

        def made(root: RootOf) -> tuple[bytes, ...] | None:
            path = inclusion_proof(root, now.size, row)
            return path if is_included(leaf, row, now.size, path, now.root) else None

        path = _path(ledger, connection, now, made)
    assert path is not None  # of all rows there is one
    return RowProof(row=row, record=data, path=path, checkpoint=checkpoint)


def prove_growth(ledger: Path, old: SignedCheckpoint) -> GrowthProof:
    """Return the proof that a ledger grew from a checkpoint; raises DataError where it did not."""
    before = old.checkpoint
    with store.told(ledger), store.reading(ledger) as connection:
        checkpoint = _signed(ledger, connection)
        now = checkpoint.checkpoint
        if before.origin != now.origin or not 0 < before.size <= now.size:
            what = f"is {now.origin} with {plural(now.size, 'row')}, and not a later state of"
            what += f" {before.origin} with {before.size:,}"
            raise DataError(Finding(where=str(ledger), what=what))

        def made(root: RootOf) -> tuple[bytes, ...] | None:
            path = consistency_proof(root, now.size, before.size)
            is_so = is_consistent(before.size, before.root, now.size, now.root, path)
            return path if is_so else None

        path = _path(ledger, connection, now, made)
    if path is None:
        what = f"did not grow from that checkpoint: rows up to no. {before.size:,} were others"
        raise DataError(Finding(where=str(ledger), what=what))
    return GrowthProof(old_size=before.size, path=path, checkpoint=checkpoint)


def _signed(ledger: Path, connection: Connection) -> SignedCheckpoint:
    """Return the checkpoint of the head; raises DataError where it is damaged."""
    try:
        store.check_length(connection)
        return store.get_head(connection).checkpoint
    except ValueError as error:
        raise DataError(_damaged(ledger, str(error))) from None


def _path(
    ledger: Path,
    connection: Connection,
    now: Checkpoint,
    made: Callable[[RootOf], tuple[bytes, ...] | None],
) -> tuple[bytes, ...] | None:
    """Return the path that is `made` of what is kept of the tree, or else of all rows.

    Raises DataError where the rows are not those of the checkpoint.
    """
    if has_groups(connection):
        with suppress(ValueError):
            path = made(KeptTree(connection, now.size).root)
            if path is not None:
                return path
    try:
        leaves = store.leaves_of(connection)
    except ValueError as error:
        raise DataError(_damaged(ledger, str(error))) from None
    if (len(leaves), tree_root(leaves)) != (now.size, now.root):
        raise DataError(_damaged(ledger, "its rows do not give the root that was signed"))
    return made(roots_in(leaves))


def _damaged(ledger: Path, what: str) -> Finding:
    """Return a finding on a ledger of which nothing is proved."""
    return Finding(where=str(ledger), what=what, remedy="`ledger verify` names the last good row")
