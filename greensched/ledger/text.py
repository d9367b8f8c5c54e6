"""Records as text: an export of a ledger, and what is read to be appended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import DataError, Finding
from greensched.ledger import store
from greensched.ledger.note import encoded
from greensched.ledger.record import Record, opening, raise_all
from greensched.ledger.verify import read_contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA: Final = "greensched/ledger/v1"


def export_text(ledger: Path) -> Iterator[str]:
    """Yield a ledger as JSON in pieces, a record a line; raises DataError for a damaged one.

    It holds the records and their root alone: nothing of keys, paths or times of writing. A
    record's number is its row.
    """
    head = read_contents(ledger)
    now = head.checkpoint.checkpoint
    about = {
        "schema": SCHEMA,
        "origin": now.origin,
        "kind": head.opening["kind"],
        "size": now.size,
        "root": encoded(now.root),
    }
    fields = (f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in about.items())
    yield "{" + ", ".join(fields) + ', "records": [\n'
    for row, data in first_rows(ledger, now.size):
        yield data.decode() + ("\n" if row == now.size - 1 else ",\n")
    yield "]}\n"


def first_rows(ledger: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and record of the first `size` rows, which have been checked before."""
    with store.told(ledger), store.reading(ledger) as connection:
        for row, data, _ in store.rows_of(connection):
            if row < size:
                yield row, data


def read_records(text: str, where: str, origin: str, kind: str) -> list[Record]:
    """Return the records in `text`: JSON Lines, or an export of a ledger.

    Of an export the opening is left out; it has to be that of a ledger of this origin and kind,
    so that appending the rest to a new ledger gives the same root. Raises DataError.
    """
    if text.lstrip().startswith("{") and SCHEMA in text[:200]:
        return _exported(_parsed(text, where), where, opening(origin, kind))
    records: list[Record] = []
    findings: list[Finding] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                records.append(_object(_parsed(line, f"{where}:{number}"), f"{where}:{number}"))
            except DataError as error:
                findings += error.findings
    raise_all(findings)
    return records


def _exported(value: Any, where: str, begin: Record) -> list[Record]:
    """Return the records of an export but the first; raises DataError where that is another."""
    records = [_object(one, where) for one in _object(value, where).get("records", [])]
    if records[:1] != [begin]:
        what = f"is not an export of a ledger of {begin['origin']} ({begin['kind']})"
        remedy = "append it to a new ledger of the origin and kind that it names"
        raise DataError(Finding(where=where, what=what, remedy=remedy))
    return records[1:]


def _object(value: Any, where: str) -> Record:
    """Return a value that is an object; raises DataError for another."""
    if not isinstance(value, dict):
        what, remedy = (
            "is no record",
            'a record is an object like {"key": "job/1", "energy_mwh": 5}',
        )
        raise DataError(Finding(where=where, what=what, remedy=remedy))
    return value


def _parsed(text: str, where: str) -> Any:
    """Return what JSON says; raises DataError, also for names that come twice."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise DataError(Finding(where=where, what=f"is no JSON: {error}")) from None


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    """Return an object; raises ValueError where one of its names comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice in an object")
    return found
