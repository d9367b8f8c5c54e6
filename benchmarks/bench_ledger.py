"""A ledger of a million entries, verified and proved; and what one more entry takes."""

from __future__ import annotations

import json
import os
import tempfile
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks import MIB, Figures, benchmark, best_of, best_times
from greensched.ledger import Ledger, files, init_ledger, prove_row, store, verifier_key, verify
from greensched.ledger.ledger import signed_head
from greensched.ledger.note import signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from greensched.ledger import Made

ROWS = 1_000_000
BATCH = 100_000
APPENDS = 3_000
ORIGIN = "example.org/bench"


def entry(number: int) -> dict[str, Any]:
    """Return an entry as a run of the bundled week has them."""
    return {
        "type": "entry",
        "key": f"{'5c' * 32}/{number}",
        "run": "scenario",
        "start_utc_ms": 1_678_060_800_000 + 300_000 * number,
        "end_utc_ms": 1_678_061_100_000 + 300_000 * number,
        "site": "hz",
        "machine_type": "gen8",
        "role": "online",
        "scope": "scope 2",
        "category": "purchased electricity",
        "gas": "CO2e",
        "method": "location",
        "signal": "average",
        "basis": "direct",
        "factor_id": "three-zones:CN-EAST",
        "factor_sha256": "fa" * 32,
        "factor_vintage": "2023",
        "quality": "synthetic",
        "energy_it_mwh": 2_345_678 + number,
        "energy_facility_mwh": 2_932_097 + number,
        "emissions_mg": 1_612_653 + number,
        "emissions_low_mg": 1_612_653 + number,
        "emissions_high_mg": 1_612_653 + number,
        "cost_micro": 351_851,
    }


def new_ledger(folder: str) -> Made:
    """Return a new ledger, its key beside its folder."""
    place = Path(folder)
    (place / "ledger").mkdir()
    return init_ledger(place / "ledger" / "l", ORIGIN, "operated", place / "key" / "k")


def filled(made: Made) -> int:
    """Write a million entries past the checks of `append`; return the bytes of all records.

    The standard library's JSON gives the same bytes as RFC 8785 for these records, faster.
    """
    key = signing_key(made.key_file.read_text("utf-8").strip())
    connection = store.writer(made.ledger)
    frontier, total = store.get_head(connection).frontier, 0
    numbers: Iterator[int] = iter(range(ROWS))
    while batch := list(islice(numbers, BATCH)):
        rows = [
            json.dumps(entry(n), sort_keys=True, separators=(",", ":")).encode() for n in batch
        ]
        total += sum(map(len, rows))
        with store.transaction(connection):
            frontier = frontier.extended(store.add_rows(connection, frontier.size, rows))
            store.put_head(connection, signed_head(frontier, key))
    connection.close()
    return total


@benchmark("ledger-verify", limit_s=600, at_most={"verify_s": 5.0, "prove_s": 0.1})
def a_million() -> Figures:
    """Verify a ledger of 1,000,000 entries: each row, the root, the signature; prove one row."""
    with tempfile.TemporaryDirectory() as folder:
        made = new_ledger(folder)
        total = filled(made)
        key = verifier_key(made.verifier_key)
        wall_s, cpu_s = best_times(lambda: verify(made.ledger, key))
        return {
            "rows": verify(made.ledger, key).checkpoint.checkpoint.size,
            "bytes_per_record": total / ROWS,
            "file_mib": made.ledger.stat().st_size / MIB,
            "verify_s": wall_s,
            "verify_cpu_s": cpu_s,
            "thorough_s": best_of(lambda: verify(made.ledger, key, thorough=True), repeats=1),
            "prove_s": best_of(lambda: prove_row(made.ledger, ROWS // 2)),
        }


def percentiles_ms(call: Callable[[int], object]) -> tuple[float, float]:
    """Return median and 99th percentile [ms] of what `call` takes."""
    times_s = []
    for number in range(APPENDS):
        began = perf_counter()
        call(number)
        times_s.append(perf_counter() - began)
    times_s.sort()
    return times_s[APPENDS // 2] * 1000, times_s[APPENDS * 99 // 100] * 1000


@benchmark("ledger-append", limit_s=300, at_most={"append_p99_ms": 5.0})
def one_more() -> Figures:
    """Append entries one at a time, each acknowledged on disk, and 30,000 at once.

    Beside them stands what this disk takes for two waits, which an append cannot do without:
    one for the row, one for the checkpoint.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = new_ledger(folder)
        with (Path(folder) / "waits").open("w+b") as stream:

            def two_waits(number: int) -> None:
                for _ in range(2):
                    os.pwrite(stream.fileno(), b"x" * 4096, 4096 * number)
                    files.sync_data(stream.fileno())

            disk_p50_ms, disk_p99_ms = percentiles_ms(two_waits)
        with Ledger(made.ledger, made.key_file) as ledger:
            p50_ms, p99_ms = percentiles_ms(lambda number: ledger.append([entry(number)]))
            many = [entry(APPENDS + n) for n in range(30_000)]
            began = perf_counter()
            ledger.append(many)
            batch_s = perf_counter() - began
        return {
            "append_p50_ms": p50_ms,
            "append_p99_ms": p99_ms,
            "disk_p50_ms": disk_p50_ms,
            "disk_p99_ms": disk_p99_ms,
            "append_to_disk_p50": p50_ms / disk_p50_ms,
            "append_to_disk_p99": p99_ms / disk_p99_ms,
            "rows_per_s": len(many) / batch_s,
        }
