"""A result's entries on their way into a ledger: `run --ledger` and `ledger append`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from greensched.cli import say
from greensched.errors import DataError, Finding, UsageError, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from greensched.ledger import Appended, Ledger, Record

TOLD_FROM = 10_000  # so many entries take about a second


def result_records(folder: Path, supersedes: str | None = None) -> Iterator[Record]:
    """Return the records of the result in `folder`: what was run, and each entry."""
    from greensched.ledger import run_records
    from greensched.report.outputs import read_result

    stored = read_result(folder)
    entries = stored.table("entries")
    # what stands beside the two that are compared is no entry of anybody's
    entries = entries[entries["run"] != "static_peak"]
    columns = {name: entries[name].tolist() for name in entries.columns}
    inputs = [one["sha256"] for one in stored.manifest["inputs"]]
    return run_records(stored.summary, inputs, columns, supersedes)


def append_result(ledger: Ledger, folder: Path, supersedes: str | None = None) -> Appended:
    """Append the entries of the result in `folder`; raises UsageError for an operated ledger."""
    _check_simulated(ledger)
    records = list(result_records(folder, supersedes))
    key = records[0]["key"]
    row = ledger.row_of(key)
    if row is not None:
        what = f"its entries are in {ledger.path} already, from row {row:,} on; none was appended"
        remedy = f"greensched ledger append --from RESULT --supersedes {key} corrects them"
        raise DataError(Finding(where=str(folder), what=what, remedy=remedy))
    if len(records) > TOLD_FROM:
        say.tell(f"appending {plural(len(records), 'row')} to {ledger.path}")
    return ledger.append(records)


@contextmanager
def recording(file: Path | None, key_file: Path | None) -> Iterator[Callable[[Path], None]]:
    """Yield what appends a result's folder to a ledger, which is looked at before the run."""
    if file is None:
        yield lambda _folder: None
        return
    from greensched.ledger import Ledger

    with Ledger(file, key_file) as ledger:
        _check_simulated(ledger)
        yield lambda folder: say.tell(f"ledger    {file} ({told(append_result(ledger, folder))})")


def _check_simulated(ledger: Ledger) -> None:
    """Raise UsageError where simulated entries do not belong into a ledger."""
    if ledger.kind != "simulated":
        what = f"holds {ledger.kind} entries; those of a simulation do not belong there"
        remedy = "greensched ledger init FILE --origin NAME --kind simulated makes one for them"
        raise UsageError(Finding(where=str(ledger.path), what=what, remedy=remedy))


def told(appended: Appended) -> str:
    """Return what was appended, in words."""
    last = appended.first + appended.count - 1
    return f"rows {appended.first:,} to {last:,}" if appended.count else "no rows"
