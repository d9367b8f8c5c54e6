"""A ledger to append to: made, opened, appended to, its key handed on."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from greensched.errors import DataError, Finding, UsageError, plural
from greensched.ledger import files, keys, record, store
from greensched.ledger.checkpoint import Checkpoint, SignedCheckpoint
from greensched.ledger.note import SigningKey, new_key, signed
from greensched.ledger.tree import Frontier, leaf_hash, tree_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new ledger: its file, its private key's file, and the public key to hand out."""

    ledger: Path
    key_file: Path
    verifier_key: str
    checkpoint: SignedCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Rows that are acknowledged: `count` of them from `first` on, and the checkpoint after."""

    first: int
    count: int
    checkpoint: SignedCheckpoint


def init_ledger(ledger: Path, origin: str, kind: str, key_file: Path | None = None) -> Made:
    """Make a ledger and its key; raises UsageError, then neither is left behind.

    The key's file, mode 0600, is outside the ledger's folder, by default in the user's settings.
    """
    try:
        key = new_key(origin)
    except ValueError as error:
        what, remedy = str(error), "for example example.org/fleet"
        raise UsageError(Finding(where="--origin", what=what, remedy=remedy)) from None
    key_file = key_file or keys.default_key(key.verifier.id)
    keys.check_apart(key_file, ledger)
    with store.told(ledger):
        ledger.parent.mkdir(mode=keys.FOLDER_MODE, parents=True, exist_ok=True)
        with files.writers_lock(ledger):
            _check_free(ledger)
            keys.write_key(key, key_file)
            try:
                checkpoint = _written(ledger, origin, kind, key)
            except BaseException:
                for made in (key_file, ledger, files.checkpoint_file(ledger)):
                    made.unlink(missing_ok=True)
                raise
    return Made(
        ledger=ledger, key_file=key_file, verifier_key=key.verifier.text, checkpoint=checkpoint
    )


def _check_free(ledger: Path) -> None:
    """Raise UsageError where something stands in the place of a new ledger."""
    there = [p for p in (ledger, files.checkpoint_file(ledger)) if p.exists()]
    if there:
        what = "is there already and is left as it is"
        raise UsageError(
            *(Finding(where=str(p), what=what, remedy="name another place") for p in there)
        )


def _written(ledger: Path, origin: str, kind: str, key: SigningKey) -> SignedCheckpoint:
    """Write a ledger of one row, and its checkpoint beside it."""
    row = record.canonical(record.opening(origin, kind))
    head = signed_head(Frontier().extended([leaf_hash(row)]), key)
    store.create(ledger, row, head)
    files.publish_checkpoint(ledger, head.checkpoint.text)
    return head.checkpoint


def signed_head(frontier: Frontier, key: SigningKey) -> store.Head:
    """Return the head of a tree, signed."""
    checkpoint = Checkpoint(origin=key.verifier.name, size=frontier.size, root=frontier.root)
    note = signed(checkpoint.body, key)
    return store.Head(
        frontier=frontier, checkpoint=SignedCheckpoint(checkpoint=checkpoint, note=note)
    )


class Ledger:
    """An open ledger; `append` returns once its rows survive a crash and a loss of power.

    Other processes may append in between. Raises DataError where the file is damaged, UsageError
    where it cannot be written or its key is not there.
    """

    def __init__(self, ledger: Path, key_file: Path | None = None) -> None:
        """Open the ledger in a file with its private key."""
        self.path = ledger
        with store.told(ledger):
            self._connection = store.writer(ledger)
            try:
                head = self._look()
                opening = self._opening()
                self._key = _private_key(ledger, head, key_file)
            except BaseException:
                self._connection.close()
                raise
        self._trusted = head.checkpoint  # the last that was seen to be signed with our key
        self.origin = head.checkpoint.checkpoint.origin
        self.kind: str = opening["kind"]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; what was acknowledged is safe without it."""
        self._connection.close()

    @property
    def verifier_key(self) -> str:
        """Return the public key by which what is appended is verified."""
        return self._key.verifier.text

    def row_of(self, key: str) -> int | None:
        """Return the row that has `key`, None where none has."""
        with store.told(self.path):
            return self._row_of_key(key)

    def record_of(self, key: str) -> record.Record | None:
        """Return the record that has `key`, None where none has."""
        with store.told(self.path):
            row = self._row_of_key(key)
            data = None if row is None else store.get_row(self._connection, row)
        found: record.Record | None = None if data is None else json.loads(data)
        return found

    def _row_of_key(self, key: str) -> int | None:
        return store.row_of_key(self._connection, key)

    def _row_of_correction(self, key: str) -> int | None:
        return store.row_of_correction(self._connection, key)

    def append(self, records: Iterable[Mapping[str, Any]]) -> Appended:
        """Append records, all or none; raises DataError with all that are wrong.

        A key that is in the ledger already is refused, and so is a correction of a row that is
        not there or has been corrected.
        """
        given = list(records)
        rows = record.rows_of_records(given)
        with self._appending() as head:
            record.check_new(given, self._row_of_key)
            record.check_corrections(given, self._row_of_key, self._row_of_correction)
            return self._add(head, rows, self._key)

    def rotate(self, key_file: Path | None = None) -> Made:
        """Hand the right to sign on to a new key, in a row that the old key signs.

        The new key's file is kept also where this fails: the row may be there nevertheless.
        """
        new = new_key(self.origin)
        key_file = key_file or keys.default_key(new.verifier.id)
        keys.check_apart(key_file, self.path)
        keys.write_key(new, key_file)
        with self._appending() as head:
            handed_on = record.rotation(head.frontier.size, self._key, new.verifier)
            added = self._add(head, [record.canonical(handed_on)], new)
        self._key = new
        return Made(
            ledger=self.path,
            key_file=key_file,
            verifier_key=new.verifier.text,
            checkpoint=added.checkpoint,
        )

    @contextmanager
    def _appending(self) -> Iterator[store.Head]:
        """Yield the head as it is, while nobody else appends."""
        with store.told(self.path), files.writers_lock(self.path):
            head = self._look()
            if head.checkpoint != self._trusted:  # another process has appended
                _check_own(self.path, head, self._key)
            self._check_published(head)
            yield head

    def _look(self) -> store.Head:
        """Return the head; raises DataError where the file is damaged."""
        try:
            return store.get_head(self._connection)
        except ValueError as error:
            raise DataError(_damaged(self.path, str(error))) from None

    def _opening(self) -> record.Record:
        """Return row 0; raises DataError where it is not as `init` writes it."""
        try:
            store.check_length(self._connection)
            return record.read_opening(store.get_row(self._connection, store.FIRST))
        except ValueError as error:
            raise DataError(_damaged(self.path, str(error))) from None

    def _check_published(self, head: store.Head) -> None:
        """Raise DataError where rows that were acknowledged are not there any more."""
        published = files.published_checkpoint(self.path)
        if published is None or published == head.checkpoint:
            return
        old = published.checkpoint
        if old.size > head.frontier.size:
            what = f"its tail is lost: {plural(old.size, 'row')} acknowledged"
            what += f", it has {head.frontier.size:,}"
            raise DataError(_damaged(self.path, what))
        try:
            root = tree_root(store.leaves_of(self._connection)[: old.size])
        except ValueError as error:
            raise DataError(_damaged(self.path, str(error))) from None
        if root != old.root:
            raise DataError(_damaged(self.path, "its rows are not those that were acknowledged"))

    def _add(self, head: store.Head, rows: list[bytes], key: SigningKey) -> Appended:
        """Write rows and head, and the checkpoint beside the ledger, in that order."""
        size = head.frontier.size
        if not rows:
            return Appended(first=size, count=0, checkpoint=head.checkpoint)
        with store.transaction(self._connection):
            leaves = store.add_rows(self._connection, size, rows)
            after = signed_head(head.frontier.extended(leaves), key)
            store.put_head(self._connection, after)
        self._trusted = after.checkpoint
        files.publish_checkpoint(self.path, after.checkpoint.text)
        return Appended(first=size, count=len(rows), checkpoint=after.checkpoint)


def _damaged(ledger: Path, what: str) -> Finding:
    """Return a finding on a ledger that is not as it was left."""
    remedy = "`ledger verify` tells what is left; nothing was appended"
    return Finding(where=str(ledger), what=what, remedy=remedy)


def _private_key(ledger: Path, head: store.Head, key_file: Path | None) -> SigningKey:
    """Return the key that signed the head; raises UsageError where it is not there."""
    own = head.checkpoint.note.signatures[0]
    key = keys.read_key(key_file or keys.default_key(own.key_id))
    _check_own(ledger, head, key)
    return key


def _check_own(ledger: Path, head: store.Head, key: SigningKey) -> None:
    """Raise UsageError where it is not `key` that signs the ledger, DataError for a forgery."""
    note = head.checkpoint.note
    try:
        if note.signer([key.verifier]) is not None:
            return
    except ValueError as error:
        raise DataError(_damaged(ledger, str(error))) from None
    what = f"is signed with the key {note.signatures[0].key_id.hex()}, not {key.verifier.id.hex()}"
    remedy = "--key-file names the file of that key"
    raise UsageError(Finding(where=str(ledger), what=what, remedy=remedy))
