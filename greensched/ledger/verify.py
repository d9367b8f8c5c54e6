"""Is a ledger what was appended to it? Every row is read, and the signed root made anew.

What was *not* kept elsewhere cannot be checked: whoever has the key and all copies of the
checkpoints can write another ledger. `verify` therefore takes the public key, and checkpoints that
were kept, from outside.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding, plural
from greensched.ledger import store
from greensched.ledger.files import checkpoint_file, published_checkpoint
from greensched.ledger.record import ROTATES, Record, read_opening, rotated
from greensched.ledger.tree import Frontier

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from greensched.ledger.checkpoint import SignedCheckpoint
    from greensched.ledger.note import VerifierKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All rows of a ledger as they were read: each is what was appended to this file.

    `roots` has the root after each number of rows that was asked for; `rotations` the rows that
    hand the key on. Signatures have not been checked.
    """

    opening: Record
    checkpoint: SignedCheckpoint
    roots: dict[int, bytes]
    rotations: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found true of a ledger; `compared` are rows of checkpoints that were held to it."""

    origin: str
    kind: str
    checkpoint: SignedCheckpoint
    key: VerifierKey
    is_published: bool  # a checkpoint stands beside the ledger
    compared: tuple[int, ...] = ()


def read_contents(
    ledger: Path,
    sizes: Iterable[int] = (),
    *,
    thorough: bool = False,
    progress: Callable[[float], None] = lambda _share: None,
) -> Contents:
    """Read every row of a ledger; raises DataError where one is not what was appended.

    `thorough` also checks the file's structure and the index of keys, which no proof rests on.
    `progress` is told the share of rows that are read.
    """
    with store.told(ledger):
        try:
            with store.reading(ledger) as connection:
                contents = _read(ledger, connection, set(sizes), progress)
                if thorough:
                    _check_structure(ledger, connection)
                return contents
        except store.SQLITE_ERRORS as error:
            if store.primary(error) in store.OUTSIDE:
                raise
            raise _damaged(ledger, str(error)) from None


def _read(
    ledger: Path,
    connection: sqlite3.Connection,
    sizes: set[int],
    progress: Callable[[float], None],
) -> Contents:
    """Return the contents of an open ledger."""
    try:
        store.check_length(connection)
        head = store.get_head(connection)
    except ValueError as error:
        raise _damaged(ledger, str(error)) from None
    sum_up = Frontier()
    roots: dict[int, bytes] = {}
    found: list[tuple[int, bytes]] = []
    try:
        for begin, rows, leaves in store.chunks_of(connection):
            end = begin + len(leaves)
            for cut in sorted({s for s in sizes if begin < s <= end} | {end}):
                sum_up = sum_up.extended(leaves[sum_up.size - begin : cut - begin])
                roots[cut] = sum_up.root
            found += [(begin + i, data) for i, data in enumerate(rows) if data.endswith(ROTATES)]
            progress(min(1.0, end / head.frontier.size))
        opening = read_opening(store.get_row(connection, store.FIRST))
    except ValueError as error:
        raise _damaged(ledger, str(error)) from None
    if sum_up != head.frontier:
        what = f"the root of what it holds ({plural(sum_up.size, 'row')}) is not the one that was"
        what += f" signed (of {plural(head.frontier.size, 'row')})"
        raise DataError(Finding(where=str(ledger), what=what, remedy=RESTORE))
    return Contents(
        opening=opening, checkpoint=head.checkpoint, roots=roots, rotations=tuple(found)
    )


def _damaged(ledger: Path, what: str) -> DataError:
    """Return the error of a file that is not as it was left; it names the last good row."""
    good = 0
    with suppress(*store.SQLITE_ERRORS), store.reading(ledger, lenient=True) as connection:
        for row, data, stored in store.rows_of(connection):
            if row != good or not store.is_good(data, stored):
                break
            good += 1
    last = f"the last good row is {good - 1:,}" if good else store.NONE_GOOD
    return DataError(Finding(where=str(ledger), what=f"{what}; {last}", remedy=RESTORE))


def _check_structure(ledger: Path, connection: sqlite3.Connection) -> None:
    """Raise DataError where SQLite finds its structure or an index damaged."""
    found = [text.decode() for (text,) in connection.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        remedy = "its rows are whole: export them, and append them to a new ledger"
        raise DataError(*(Finding(where=str(ledger), what=t, remedy=remedy) for t in found))


def verify(
    ledger: Path,
    key: VerifierKey,
    kept: Sequence[SignedCheckpoint] = (),
    *,
    thorough: bool = False,
    progress: Callable[[float], None] = lambda _share: None,
) -> Verified:
    """Check rows, root and signatures of a ledger, and that it continues each checkpoint `kept`.

    `key` is the public key, from outside: the one that signs now, or one that was handed on from.
    The checkpoint beside the ledger is held to it too. Raises DataError with the first fault.
    """
    # Read before the rows, which may grow meanwhile: it never tells of more than they have.
    published = published_checkpoint(ledger)
    compared = [("a checkpoint that was kept", one) for one in kept]
    if published is not None:
        compared.append((f"{checkpoint_file(ledger).name} beside it", published))
    sizes = [one.checkpoint.size for _, one in compared]
    contents = read_contents(ledger, sizes, thorough=thorough, progress=progress)
    keys = _keys(ledger, contents, key)
    _check_signed(ledger, contents.checkpoint, keys[-1:], "its head")
    for name, one in compared:
        _check_signed(ledger, one, keys, name)
        _check_continues(ledger, contents, one, name)
    return Verified(
        origin=contents.checkpoint.checkpoint.origin,
        kind=contents.opening["kind"],
        checkpoint=contents.checkpoint,
        key=keys[-1],
        is_published=published is not None,
        compared=tuple(one.checkpoint.size for one in kept),
    )


def _keys(ledger: Path, contents: Contents, key: VerifierKey) -> list[VerifierKey]:
    """Return all keys that have signed, in their order; `key` is one of them, or DataError."""
    keys: list[VerifierKey] = []
    for row, data in contents.rotations:
        try:
            old, new = rotated(row, data, by=keys[-1] if keys else None)
        except ValueError as error:
            raise DataError(Finding(where=f"{ledger} row {row:,}", what=str(error))) from None
        keys += [new] if keys else [old, new]
    keys = keys or [key]
    if key not in keys:
        what = f"was never signed with {key.text}"
        raise DataError(Finding(where=str(ledger), what=what, remedy=OTHER_KEY))
    return keys


def _check_signed(
    ledger: Path, one: SignedCheckpoint, keys: Sequence[VerifierKey], name: str
) -> None:
    """Raise DataError where none of `keys` signed a checkpoint."""
    why = f"is not signed with {keys[-1].text}"
    try:
        if one.note.signer(keys) is not None:
            return
    except ValueError as error:
        why = str(error)
    raise DataError(Finding(where=f"{ledger}, {name}", what=why, remedy=OTHER_KEY))


def _check_continues(ledger: Path, contents: Contents, one: SignedCheckpoint, name: str) -> None:
    """Raise DataError where the rows do not begin with those that a checkpoint tells of."""
    now, old = contents.checkpoint.checkpoint, one.checkpoint
    if old.size > now.size:
        what = f"{name} tells of {plural(old.size, 'row')}: rows from {now.size:,} on are lost"
        what += f"; the last good row is {now.size - 1:,}"
    elif contents.roots.get(old.size) != old.root:
        what = f"{name} tells of other rows up to {old.size - 1:,}: they were written anew"
    else:
        return
    raise DataError(Finding(where=str(ledger), what=what, remedy=RESTORE))


RESTORE: Final = "bring it back from a copy; a correction is a new row, never an edit"
OTHER_KEY: Final = "--key takes the key that `ledger init` told, as it was kept elsewhere"
