"""Several ledgers as one: those of replicas that took turns, in which each key counts once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from greensched.errors import DataError, Finding
from greensched.ledger.record import OPENING, ROTATION, Record
from greensched.ledger.text import first_rows
from greensched.ledger.verify import read_contents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def merged(ledgers: Sequence[Path]) -> list[Record]:
    """Return the records of ledgers, each key once, without what is said of a ledger itself.

    Where several have a key the first one's record stands; of settlements one by actual intensity.
    Raises DataError where a ledger is damaged, or of another kind than the first.
    """
    found: dict[str, Record] = {}
    kinds = {}
    for ledger in ledgers:
        head = read_contents(ledger)
        kinds[str(ledger)] = head.opening["kind"]
        for _, data in first_rows(ledger, head.checkpoint.checkpoint.size):
            one: Record = json.loads(data)
            key = one["key"]
            if one.get("type") not in (OPENING, ROTATION) and (
                key not in found or (_is_actual(one) and not _is_actual(found[key]))
            ):
                found[key] = one
    first, *others = kinds.items()
    findings = [
        Finding(
            where=name,
            what=f"holds {kind} entries, {first[0]} {first[1]} ones",
            remedy="give ledgers of one kind alone",
        )
        for name, kind in others
        if kind != first[1]
    ]
    if findings:
        raise DataError(*findings)
    return list(found.values())


def _is_actual(one: Record) -> bool:
    intensity = one.get("intensity")
    return isinstance(intensity, dict) and intensity.get("status") == "actual"
