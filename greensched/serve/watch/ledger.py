"""A growing ledger: each new row is read once and held to the signed root; all again at times."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import DataError, Finding, GreenschedError, plural
from greensched.ledger import read_contents, store, verify
from greensched.ledger.tree import Frontier
from greensched.report.words import number
from greensched.serve.look import BROKEN, Alarm, Look, Saving
from greensched.units import MG_PER_KG, MS_PER_DAY, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

    from greensched.ledger import SignedCheckpoint, VerifierKey

THOROUGH_MS: Final = 10 * MS_PER_MIN  # until all rows are read again, not only new ones
AGAIN_MS: Final = 10 * MS_PER_S  # while it is broken
ROOT_SHOWN: Final = 12  # characters of a root: enough to compare by eye
RUNS_MAX: Final = 20
SAVED_DAYS: Final = 31  # that jobs may have ended before now, and be told one by one
REMEDY: Final = "`greensched ledger verify` names the last good row; bring it back from a copy"


@dataclass(slots=True)
class _Read:
    """What the rows that were read so far say; savings by the key of the first settlement."""

    frontier: Frontier = field(default_factory=Frontier)
    first_key: dict[str, str] = field(default_factory=dict)  # of a correction: what it stands for
    savings: dict[str, Saving] = field(default_factory=dict)
    saved_mg: int = 0  # by all of them
    runs: dict[str, str] = field(default_factory=dict)  # key -> name
    sums_mg: dict[tuple[str, str], int] = field(default_factory=dict)  # by key and baseline, ...
    opening: dict[str, Any] = field(default_factory=dict)
    checkpoint: SignedCheckpoint | None = None

    def add(self, record: dict[str, Any]) -> None:
        """Take in a row."""
        kind, key = record.get("type"), str(record.get("key"))
        before = record.get("supersedes")
        if before is not None:
            self.first_key[key] = self.first_key.get(before, before)
        if kind == "settlement":
            self._settle(self.first_key.get(key, key), _saving(record))
        elif kind == "run":
            self.runs.pop(str(before), None)
            self.runs[key] = str(record["name"])
        elif kind == "entry" and "emissions_mg" in record:
            at = (key.rpartition("/")[0], str(record.get("run")))
            self.sums_mg[at] = self.sums_mg.get(at, 0) + int(record["emissions_mg"])
        elif kind == "opening":
            self.opening = record

    def _settle(self, key: str, saving: Saving) -> None:
        before = self.savings.get(key)
        self.saved_mg += saving.saved_mg - (before.saved_mg if before else 0)
        self.savings[key] = saving

    def lately(self, now_ms: int) -> dict[str, Saving]:
        """Return what was settled of jobs that ended in the last days."""
        first_ms = now_ms - SAVED_DAYS * MS_PER_DAY
        return {key: one for key, one in self.savings.items() if one.end_ms >= first_ms}


def _saving(record: dict[str, Any]) -> Saving:
    """Return what a settlement says was saved, on the day that its last run ended."""
    intensity = record.get("intensity", {})
    ends = [int(end) for _, end, _ in record.get("runs", ())]
    return Saving(
        end_ms=max(ends, default=int(record.get("created_utc_ms", 0))),
        saved_mg=int(record["saved_mg"]),
        by=str(intensity.get("status", "")),
        synthetic=bool(intensity.get("synthetic")),
    )


class LedgerWatch:
    """Watches one ledger, which need not be there yet; `key` is its public key, if it is known."""

    period_s = 1.0
    kind = "ledger"

    def __init__(self, path: Path, key: VerifierKey | None = None) -> None:
        """Watch the ledger in a file."""
        self.path, self.title, self._key = path, f"ledger {path}", key
        self._read = _Read()
        self._checked_ms: int | None = None
        self._broken = ""
        self._lately: tuple[int, dict[str, Saving]] = 0, {}  # of so many rows

    def look(self, now_ms: int) -> Look:
        """Return what the ledger says; damage is an alarm that stays until all rows are good."""
        if not self.path.exists() and self._checked_ms is None:
            facts = (("state", "not there yet: `greensched ledger init` makes it"),)
            return Look(title=self.title, kind=self.kind, at_ms=now_ms, facts=facts)
        is_first = self._checked_ms is None
        try:
            after_ms = AGAIN_MS if self._broken else THOROUGH_MS
            if self._checked_ms is None or now_ms - self._checked_ms >= after_ms:
                self._checked_ms = now_ms
                self._check_all()
                self._broken = ""
            if not self._broken:
                self._follow()
        except GreenschedError as error:
            if is_first and not isinstance(error, DataError):
                self._checked_ms = None
                raise
            self._broken = error.findings[0].what  # also where it was there, and is not any more
        return self._seen(now_ms)

    def _check_all(self) -> None:
        """Read every row; raises DataError where one is not what was appended, or seen before."""
        seen = self._read.checkpoint
        kept = [] if seen is None else [seen]
        if self._key is not None:
            verify(self.path, self._key, kept)
            return
        roots = read_contents(self.path, [one.checkpoint.size for one in kept]).roots
        for one in kept:
            if roots.get(one.checkpoint.size) != one.checkpoint.root:
                before = plural(one.checkpoint.size, "row")
                what = f"no longer begins with the {before} that were seen here"
                raise DataError(Finding(where=str(self.path), what=what))

    def _follow(self) -> None:
        """Read the rows since the last look; raises DataError where they do not continue it."""
        try:
            with store.told(self.path), store.reading(self.path) as connection:
                head = store.get_head(connection)
                seen = self._read.checkpoint
                if seen is None or head.checkpoint != seen:
                    self._take_in(connection, head)
        except ValueError as error:
            raise DataError(Finding(where=str(self.path), what=str(error))) from None

    def _take_in(self, connection: Connection, head: store.Head) -> None:
        """Add new rows to what was read; raises ValueError where they are not what was signed."""
        read = self._read
        begin = read.frontier.size
        leaves: list[bytes] = []
        records: list[dict[str, Any]] = []
        if head.frontier.size < begin:
            raise ValueError(f"has {plural(head.frontier.size, 'row')}; {begin:,} were seen here")
        rows = "SELECT row, record, leaf_hash FROM rows WHERE row >= ? ORDER BY row"
        for row, data, stored in connection.execute(rows, [begin]):
            if row != begin + len(leaves) or not store.is_good(data, stored):
                raise ValueError(f"row {row:,} is not what was appended")
            leaves.append(stored)
            records.append(json.loads(data))
        frontier = read.frontier.extended(leaves)
        if frontier != head.frontier:
            raise ValueError("its rows do not give the root that was signed")
        for record in records:
            read.add(record)
        read.frontier, read.checkpoint = frontier, head.checkpoint

    def _seen(self, now_ms: int) -> Look:
        """Return the rows' sums, and what was found wrong."""
        read, where = self._read, self.title
        alarms = (Alarm(kind=BROKEN, where=where, what=self._broken, remedy=REMEDY),)
        kind = read.opening.get("kind", "")
        checked = "rows, root and signatures" if self._key else "rows and root (no --key given)"
        facts = [
            ("check", "BROKEN" if self._broken else f"whole: {checked}"),
            ("origin", str(read.opening.get("origin", ""))),
            ("kind", str(kind)),
            ("rows", f"{read.frontier.size:,}"),
        ]
        if read.frontier.size:
            facts.append(("root", read.frontier.root.hex()[:ROOT_SHOWN]))
        if read.savings:
            jobs, kg = plural(len(read.savings), "job"), number(read.saved_mg / MG_PER_KG, 3)
            facts.append(("saved in all", f"{kg} kg CO2e, {jobs}"))
        if self._lately[0] != read.frontier.size:
            self._lately = read.frontier.size, read.lately(now_ms)
        return Look(
            title=where,
            kind=self.kind,
            at_ms=now_ms,
            alarms=alarms if self._broken else (),
            savings=self._lately[1],
            is_real=kind != "simulated",
            facts=tuple(facts),
            table=_runs(read),
        )


def _runs(read: _Read) -> tuple[tuple[str, ...], ...]:
    """Return the last runs of a ledger of simulations: baseline, scenario and what is saved."""
    rows = []
    for key, name in list(read.runs.items())[-RUNS_MAX:]:
        base, ours = (read.sums_mg.get((key, run), 0) for run in ("baseline", "scenario"))
        kg = [number(v / MG_PER_KG, 1) for v in (base, ours, base - ours)]
        rows.append((name, *kg))
    return (("run", "baseline, kg", "scenario, kg", "saved, kg"), *rows) if rows else ()
