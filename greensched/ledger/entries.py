"""The entries of a run as records: a row that says what was run, then one for each entry."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from greensched.ledger.record import Record, canonical
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def run_sha256(scenario_sha256: str, inputs: Sequence[str], supersedes: str | None = None) -> str:
    """Return the key of a run: what was run on which inputs, as a correction of which run.

    The version of greensched is no part of it: the same run by another version is no other run,
    and would count its entries twice.
    """
    about: Record = {"scenario_sha256": scenario_sha256, "inputs": sorted(inputs)}
    if supersedes is not None:
        about["supersedes"] = supersedes
    return hashlib.sha256(canonical(about)).hexdigest()


def run_records(
    summary: Mapping[str, Any],
    inputs: Sequence[str],
    entries: Mapping[str, Sequence[Any]],
    supersedes: str | None = None,
) -> Iterator[Record]:
    """Yield the records of a run: of its summary, the SHA-256 of its inputs, and its entries.

    `entries` are columns of equal length, as `greensched.accounting.rows` makes them, with plain
    values. An entry's key is the run's with its number; its times are instants [ms since 1970].
    """
    key = run_sha256(summary["scenario_sha256"], inputs, supersedes)
    start_utc_ms = int(datetime.fromisoformat(summary["window"]["start_utc"]).timestamp())
    start_utc_ms *= MS_PER_S
    run: Record = {
        "type": "run",
        "key": key,
        "name": summary["name"],
        "scenario_sha256": summary["scenario_sha256"],
        "seed": summary["seed"],
        "inputs": sorted(inputs),
        "baseline_id": summary["baseline"]["id"],
        "baseline_sha256": summary["baseline"]["sha256"],
        "stamp": dict(summary["stamp"]),
        "start_utc_ms": start_utc_ms,
        "version": summary["version"],
        "currency": summary["currency"],
        "entries": len(entries["run"]),
    }
    if supersedes is not None:
        run["supersedes"] = supersedes
    yield run
    names = list(entries)
    for number, values in enumerate(zip(*entries.values(), strict=True), 1):
        entry = dict(zip(names, values, strict=True))
        entry["start_utc_ms"] = start_utc_ms + entry.pop("start_ms")
        entry["end_utc_ms"] = start_utc_ms + entry.pop("end_ms")
        yield {"type": "entry", "key": f"{key}/{number}", **entry}
