"""Records: what a row says, as canonical JSON (RFC 8785) of texts and whole numbers.

A record is an object with a `key` of its own, which no other row of the ledger may have. With
`supersedes` it corrects the row of that key. Whole numbers beyond 2^53 - 1 are written as text,
since readers of JSON would round them; numbers with a fraction are refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from greensched.ledger.note import SigningKey, VerifierKey

Record = dict[str, Any]

FORMAT: Final = 1
KINDS: Final = ("operated", "simulated")
OPENING: Final = "opening"
ROTATION: Final = "rotation"
ROTATES: Final = b',"type":"rotation"}'  # how rows end that hand the key on, and no others do
OWN_TYPES: Final = (OPENING, ROTATION)  # rows that only the ledger itself writes
INTEGER_MAX: Final = 2**53 - 1
KEY_BYTES_MAX: Final = 253
RECORD_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 8
FINDINGS_MAX: Final = 20


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return the bytes that a row holds; raises ValueError for what cannot be a record."""
    import rfc8785

    try:
        return rfc8785.dumps(_plain(record, DEPTH_MAX))
    except (rfc8785.CanonicalizationError, UnicodeError):
        raise ValueError("a text in it is not Unicode") from None


def _plain(value: Any, depth: int) -> Any:
    """Return `value` with large numbers as text; raises ValueError."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= INTEGER_MAX else str(value)
    if depth == 0:
        raise ValueError(f"it is nested deeper than {DEPTH_MAX}")
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _plain(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, depth - 1) for v in value]
    raise ValueError(
        f"{value!r} is neither a text nor a whole number; use a smaller unit (mWh, mg)"
    )


def row_of_record(record: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record that is to be appended; raises ValueError."""
    check_key(record.get("key"))
    if record.get("type") in OWN_TYPES:
        raise ValueError(f"rows of type '{record['type']}' are written by the ledger alone")
    if record["key"].startswith(f"{ROTATION}/"):
        raise ValueError(f"keys that begin with '{ROTATION}/' are of the ledger's own rows")
    if "supersedes" in record:
        check_key(record["supersedes"], "supersedes")
    data = canonical(record)
    if len(data) > RECORD_BYTES_MAX:
        raise ValueError(f"it has {len(data):,} bytes, at most {RECORD_BYTES_MAX:,} are allowed")
    return data


def check_key(key: Any, name: str = "key") -> None:
    """Raise ValueError where `key`, the record's `name`, cannot be a row's key."""
    if not isinstance(key, str) or not key:
        raise ValueError(f"its '{name}' is not the key of a row, a text that no other row has")
    if len(key.encode("utf-8", "replace")) > KEY_BYTES_MAX or not key.isprintable():
        raise ValueError(f"its '{name}' is longer than {KEY_BYTES_MAX} bytes or not printable")


def rows_of_records(records: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Return the bytes of records that are to be appended.

    Raises DataError with all that are wrong, by their place in `records`.
    """
    rows: list[bytes] = []
    findings: list[Finding] = []
    places: dict[str, int] = {}
    for place, record in enumerate(records, 1):
        try:
            rows.append(row_of_record(record))
        except ValueError as error:
            findings.append(Finding(where=f"record {place}", what=str(error)))
            continue
        first = places.setdefault(record["key"], place)
        if first != place:
            what = f"its key '{record['key']}' is that of record {first}"
            findings.append(Finding(where=f"record {place}", what=what))
    raise_all(findings)
    return rows


def raise_all(findings: Sequence[Finding]) -> None:
    """Raise DataError with `findings`, where there are any; of very many the first."""
    if findings:
        more = len(findings) - FINDINGS_MAX
        rest = [f"and {more:,} more"] if more > 0 else []
        raise DataError(*findings[:FINDINGS_MAX], *rest)


def check_corrections(
    records: Sequence[Mapping[str, Any]],
    row_of_key: Callable[[str], int | None],
    row_of_correction: Callable[[str], int | None],
) -> None:
    """Raise DataError where records supersede what is not there, or what is superseded already."""
    findings, before, superseded = [], set(), set()
    for place, record in enumerate(records, 1):
        old = record.get("supersedes")
        if old is not None:
            later = row_of_correction(old)
            what = ""
            if later is not None or old in superseded:
                by = "a record before it" if later is None else f"row {later:,}"
                what = f"'{old}' is superseded by {by} already; supersede that one"
            elif old not in before and row_of_key(old) is None:
                what = f"supersedes '{old}', which no row has"
            if what:
                findings.append(Finding(where=f"record {place}", what=what))
            superseded.add(old)
        before.add(record["key"])
    raise_all(findings)


def check_new(
    records: Sequence[Mapping[str, Any]], row_of_key: Callable[[str], int | None]
) -> None:
    """Raise DataError where keys of records are in the ledger already."""
    there = ((place, r["key"], row_of_key(r["key"])) for place, r in enumerate(records, 1))
    remedy = "a correction has a key of its own and names this one in 'supersedes'"
    raise_all(
        [
            Finding(where=f"record {place}", what=f"'{key}' is row {row:,} already", remedy=remedy)
            for place, key, row in there
            if row is not None
        ]
    )


def opening(origin: str, kind: str) -> Record:
    """Return row 0 of a ledger: whose it is, and of what."""
    return {"type": OPENING, "key": OPENING, "format": FORMAT, "origin": origin, "kind": kind}


def rotation(row: int, old: SigningKey, new: VerifierKey) -> Record:
    """Return the row in which the old key says which key signs from here on."""
    statement: Record = {
        "type": ROTATION,
        "key": f"{ROTATION}/{row}",
        "row": row,
        "from": old.verifier.text,
        "to": new.text,
    }
    signature = old.signature(canonical(statement).decode())
    return statement | {"signature": signature.hex()}


def rotated(row: int, data: bytes, by: VerifierKey | None) -> tuple[VerifierKey, VerifierKey]:
    """Return the old and the new key of a row that hands the key on.

    Raises ValueError where the old key did not sign it, or is not `by`, where that is known.
    """
    from greensched.ledger.note import verifier_key

    try:
        record = json.loads(data)
        signature = bytes.fromhex(record.pop("signature"))
        old, new = verifier_key(record["from"]), verifier_key(record["to"])
        is_own = old.accepts(canonical(record).decode(), signature)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it is no rotation of keys: {error}") from None
    if not is_own or record["row"] != row or by not in (None, old) or old.name != new.name:
        raise ValueError("the key that signed until then did not hand on to another here")
    return old, new


def read_opening(data: bytes | None) -> Record:
    """Return row 0 of a ledger; raises ValueError where it is none."""
    record = json.loads(data or b"{}")
    if isinstance(record, dict) and record.get("kind") in KINDS:
        made = opening(str(record.get("origin")), record["kind"])
        if canonical(made) == data:
            return made
    raise ValueError("its first row is not a ledger's")
