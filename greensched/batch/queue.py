"""The queue: jobs, when they ran, and settings, in SQLite (WAL, synchronous=FULL).

Every change of a state is a compare-and-set in one statement: of two processes that want to change
the same job, one finds that it is too late. What is asked again and again has an index, so that
it costs the same with ten jobs as with ten thousand.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from greensched.batch import folder as places
from greensched.batch import schema
from greensched.batch.job import FAILED, FINISHED, STARTING, Job, Run, Slip
from greensched.errors import DataError, Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

BUSY_S: Final = 10.0
TEXTS: Final = ("argv", "env", "pieces")  # kept as JSON
FLAGS: Final = ("interruptible", "rerunnable", "cancel", "is_final")
INTERRUPTIBLE, PIECES = (Slip._fields.index(n) for n in ("interruptible", "pieces"))
DUE_MAX: Final = 1_000  # jobs that are started in one step


class Queue:
    """An open queue; raises UsageError where it is not the user's own, DataError if damaged."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Open the queue in a folder, made where there is none but where it is `read_only`."""
        self.folder, self._read_only = folder, read_only
        self.file = folder / places.DATABASE
        if read_only:
            places.check_own(folder)
        else:
            places.prepare(folder)
            places.make_private(self.file)
        self._connection = sqlite3.connect(
            f"{self.file.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_S,
        )
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            what, remedy = f"cannot be used: {error}", "is the disk full, or the file damaged?"
            raise DataError(Finding(where=str(self.file), what=what, remedy=remedy)) from None

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        if not self._read_only:
            self._connection.execute("PRAGMA synchronous = FULL")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > schema.FORMAT:
            what = f"is of format {version}; this greensched knows {schema.FORMAT}"
            raise UsageError(Finding(where=str(self.folder), what=what, remedy="use a newer one"))
        if version < schema.FORMAT and self._read_only:
            what = f"is of format {version}, and is only read here"
            remedy = "`greensched batch ls` brings it up to date"
            raise UsageError(Finding(where=str(self.folder), what=what, remedy=remedy))
        if version < schema.FORMAT:
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self.transaction():
                schema.bring_up(self._connection)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let what is done inside happen as a whole or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def version(self) -> int:
        """Return a number that is another after any other process has changed the queue."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    # ------------------------------------------------------------------------------ one job

    def submit(self, job: Job) -> int:
        """Keep a new job; return its number once it survives a loss of power."""
        names = [n for n in schema.COLUMNS if n != "id"]
        sql = f"INSERT INTO jobs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        found = self._connection.execute(sql, [_stored(n, getattr(job, n)) for n in names])
        return int(found.lastrowid or 0)

    def job(self, number: int) -> Job:
        """Return a job; raises UsageError where there is none of that number."""
        row = self._connection.execute("SELECT * FROM jobs WHERE id = ?", [number]).fetchone()
        if row is None:
            remedy = "`greensched batch ls --all` lists them"
            raise UsageError(
                Finding(where=f"job {number}", what="is not in the queue", remedy=remedy)
            )
        return _job(row)

    def change(
        self, number: int, *, states: Sequence[str], of_start: str | None = None, **values: Any
    ) -> bool:
        """Set columns of a job that is in one of `states`, and of the start `of_start` if given.

        Return whether it was.
        """
        given = [_stored(name, value) for name, value in values.items()]
        sets = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE jobs SET {sets} WHERE id = ? AND state IN ({_marks(states)})"
        given += [number, *states]
        if of_start is not None:
            sql, given = f"{sql} AND nonce = ?", [*given, of_start]
        return self._connection.execute(sql, given).rowcount == 1

    def claim(self, job: Job, leader: int, leader_identity: str, now_ms: int) -> bool:
        """Say that a supervisor runs this very start, whose process waits for the word to go."""
        with self.transaction():
            won = self.change(
                job.id,
                states=(STARTING,),
                of_start=job.nonce,
                state="running",
                leader=leader,
                leader_identity=leader_identity,
                started_ms=now_ms,
            )
            if won:
                self.begin(job, now_ms)
        return won

    def begin(self, job: Job, start_ms: int) -> None:
        """Note that a job's processes run from here on."""
        sql = "INSERT INTO runs VALUES (?, ?, ?, NULL)"
        self._connection.execute(sql, [job.id, job.attempt, start_ms])

    def stop(self, number: int, end_ms: int) -> None:
        """Note that a job's processes do not run from here on."""
        sql = "UPDATE runs SET end_ms = max(start_ms, ?) WHERE job = ? AND end_ms IS NULL"
        self._connection.execute(sql, [end_ms, number])

    def runs(self, number: int) -> list[Run]:
        """Return when a job ran."""
        sql = "SELECT job, attempt, start_ms, end_ms FROM runs WHERE job = ?"
        return [Run(**dict(row)) for row in self._connection.execute(sql, [number])]

    # ---------------------------------------------------------------------------- many jobs

    def _jobs(self, where: str, given: Sequence[Any] = ()) -> list[Job]:
        return [_job(r) for r in self._connection.execute(f"SELECT * FROM jobs {where}", given)]

    def jobs(self, states: Sequence[str] = ()) -> list[Job]:
        """Return the jobs in these states, or all, in order of submission."""
        where = f"WHERE state IN ({_marks(states)}) " if states else ""
        return self._jobs(f"{where}ORDER BY id", states)

    def has(self, states: Sequence[str]) -> bool:
        """Tell whether any job is in one of these states."""
        sql = f"SELECT 1 FROM jobs WHERE state IN ({_marks(states)}) LIMIT 1"
        return self._connection.execute(sql, states).fetchone() is not None

    def watched(self) -> list[Job]:
        """Return jobs that run, were left by their supervisor, or are to run again."""
        return self._jobs(f"WHERE {schema.WATCHED} ORDER BY id")

    def due(self, now_ms: int) -> list[Job]:
        """Return the jobs that wait and are to start by `now_ms`.

        Those whose latest start has passed first, the earliest first; then by plan.
        """
        where = (
            f"WHERE {schema.WAITS} AND {schema.DUE} <= ? "
            f"ORDER BY latest_start_ms > ?, iif(latest_start_ms > ?, {schema.DUE}, "
            f"latest_start_ms), id LIMIT {DUE_MAX}"
        )
        return self._jobs(where, [now_ms] * 3)

    def next_due_ms(self) -> int | None:
        """Return when the next job is to start, None where none waits."""
        sql = f"SELECT {schema.DUE} FROM jobs WHERE {schema.WAITS} ORDER BY {schema.DUE} LIMIT 1"
        found = self._connection.execute(sql).fetchone()
        return None if found is None else int(found[0])

    def slips(self, states: Sequence[str]) -> list[Slip]:
        """Return what a plan has to know of the jobs in these states, in order of submission."""
        sql = f"SELECT {', '.join(Slip._fields)} FROM jobs WHERE state IN ({_marks(states)})"
        return [_slip(row) for row in self._connection.execute(f"{sql} ORDER BY id", states)]

    def announce(self, slips: Iterable[Slip]) -> None:
        """Write down the plan of jobs, but of those whose state is another by now."""
        sql = (
            "UPDATE jobs SET pieces = ?, planned_g_per_kwh = ?, reason = ? "
            "WHERE id = ? AND state = ?"
        )
        rows = (
            (json.dumps(s.pieces), s.planned_g_per_kwh, s.reason, s.id, s.state) for s in slips
        )
        self._connection.executemany(sql, rows)

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state, those without any left out."""
        return dict(
            tuple(row)
            for row in self._connection.execute("SELECT state, count(*) FROM jobs GROUP BY state")
        )

    def upcoming(self, most: int) -> list[Job]:
        """Return the waiting jobs that start next, in order of time."""
        return self._jobs(f"WHERE {schema.WAITS} ORDER BY {schema.DUE} LIMIT ?", [most])

    def settled_since(self, ended_since_ms: int) -> list[tuple[int, int, str]]:
        """Return number, end and settlement, as JSON, of settled jobs that ended since."""
        sql = "SELECT id, ended_ms, settled FROM jobs WHERE settled <> '' AND ended_ms >= ?"
        return [tuple(row) for row in self._connection.execute(sql, [ended_since_ms])]

    def listing(self, states: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Return number, state, start, latest start (ISO 8601), exit code and argv of jobs."""
        where = f"WHERE state IN ({_marks(states)})" if states else ""
        start = schema.iso(f"coalesce(started_ms, {schema.PLANNED})")
        sql = (
            f"SELECT id, state, {start}, {schema.iso('latest_start_ms')}, exit_code, argv "
            f"FROM jobs {where} ORDER BY id"
        )
        return [tuple(row) for row in self._connection.execute(sql, states)]

    def agenda(self, states: Sequence[str], now_ms: int) -> list[tuple[Any, ...]]:
        """Return begin, end, number, thousandths of cores, g/kWh and argv of what is planned.

        In order of time; what has been done of it is left out.
        """
        begin, end = ("json_extract(piece.value, '$[0]')", "json_extract(piece.value, '$[1]')")
        sql = (
            f"SELECT {schema.iso(begin)}, {schema.iso(end)}, jobs.id, cpu_m, planned_g_per_kwh, "
            f"argv FROM jobs, json_each(pieces) AS piece WHERE state IN ({_marks(states)}) "
            f"AND ({end} > ? OR started_ms IS NULL) ORDER BY {begin}, jobs.id"
        )
        return [tuple(row) for row in self._connection.execute(sql, [*states, now_ms])]

    # ------------------------------------------------------------------- durations, settling

    def durations_ms(self, argv: Sequence[str], folder: str) -> list[int]:
        """Return how long successful runs of the same command in the same folder took."""
        sql = (
            "SELECT sum(r.end_ms - r.start_ms) FROM jobs j JOIN runs r ON r.job = j.id "
            "AND r.attempt = j.attempt WHERE j.state = 'finished' AND j.argv = ? "
            "AND j.folder = ? GROUP BY j.id"
        )
        found = self._connection.execute(sql, [_stored("argv", tuple(argv)), folder])
        return [int(row[0]) for row in found if row[0]]

    def unhinted(self) -> list[tuple[tuple[str, ...], str]]:
        """Return command and folder of waiting jobs of which nobody told how long they take."""
        sql = f"SELECT DISTINCT argv, folder FROM jobs WHERE {schema.UNHINTED}"
        return [(tuple(json.loads(a)), f) for a, f in self._connection.execute(sql)]

    def expect(self, command: tuple[tuple[str, ...], str], duration_ms: int, told: str) -> int:
        """Take waiting jobs of a command to run so long; return how many that changed."""
        argv, folder = command
        sql = (
            f"UPDATE jobs SET duration_ms = ?, duration_from = ? WHERE {schema.UNHINTED} "
            "AND argv = ? AND folder = ? AND duration_ms <> ?"
        )
        given = [duration_ms, told, _stored("argv", argv), folder, duration_ms]
        return self._connection.execute(sql, given).rowcount

    def tighten(self, command: tuple[tuple[str, ...], str], before_deadline_ms: int) -> None:
        """Let waiting jobs of a command start by so long before their deadline; never later."""
        argv, folder = command
        sql = (
            "UPDATE jobs SET latest_start_ms = min(latest_start_ms, deadline_ms - ?) "
            f"WHERE {schema.UNHINTED} AND argv = ? AND folder = ? AND deadline_ms IS NOT NULL"
        )
        self._connection.execute(sql, [before_deadline_ms, _stored("argv", argv), folder])

    def unsettled(self, ended_since_ms: int) -> list[Job]:
        """Return jobs that ran to their end and are not settled with actual intensity."""
        where = f"WHERE {schema.UNSETTLED} AND ended_ms >= ? AND state IN (?, ?) ORDER BY id"
        return self._jobs(where, [ended_since_ms, FINISHED, FAILED])

    def unentered(self) -> list[Job]:
        """Return jobs whose settlement is in no ledger."""
        return self._jobs(f"WHERE {schema.UNENTERED} ORDER BY id")

    # ------------------------------------------------------------------- settings, outlooks

    def setting(self, name: str) -> Any:
        """Return a setting of the queue, None where it is not set."""
        row = self._connection.execute(
            "SELECT value FROM settings WHERE name = ?", [name]
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def set(self, **values: Any) -> None:
        """Keep settings of the queue."""
        sql = "INSERT OR REPLACE INTO settings VALUES (?, ?)"
        with self.transaction():
            for name, value in values.items():
                self._connection.execute(sql, [name, json.dumps(value)])

    def keep_outlook(self, text: str) -> int:
        """Keep what is known of intensity; return its number."""
        sql = "INSERT INTO outlooks (text) VALUES (?)"
        return int(self._connection.execute(sql, [text]).lastrowid or 0)

    def outlook(self, number: int | None = None) -> tuple[int, str] | None:
        """Return number and text of an outlook, the last one by default; None: there is none."""
        which = "WHERE id = ?" if number is not None else "ORDER BY id DESC LIMIT 1"
        given = [] if number is None else [number]
        row = self._connection.execute(f"SELECT id, text FROM outlooks {which}", given).fetchone()
        return None if row is None else (int(row[0]), row[1])

    def forget_outlooks(self) -> None:
        """Drop outlooks that no job needs any more; the last one is kept."""
        sql = (
            "DELETE FROM outlooks WHERE id < (SELECT max(id) FROM outlooks) AND id NOT IN "
            f"(SELECT outlook FROM jobs WHERE outlook IS NOT NULL AND {schema.OPEN})"
        )
        self._connection.execute(sql)


def _marks(values: Sequence[Any]) -> str:
    """Return a mark for each value of a list."""
    return ", ".join("?" * len(values))


def _stored(name: str, value: Any) -> Any:
    """Return a field as its column holds it."""
    return json.dumps(value) if name in TEXTS else value


def _pieces(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((a, b) for a, b in json.loads(text))


def _job(row: sqlite3.Row) -> Job:
    """Return a row as a job."""
    values = {name: row[name] for name in schema.COLUMNS}
    values["argv"] = tuple(json.loads(values["argv"]))
    values["env"] = json.loads(values["env"])
    values["pieces"] = _pieces(values["pieces"])
    values |= {name: bool(values[name]) for name in FLAGS}
    return Job(**values)


def _slip(row: sqlite3.Row) -> Slip:
    """Return a row as a slip."""
    values = list(row)
    values[INTERRUPTIBLE] = bool(values[INTERRUPTIBLE])
    values[PIECES] = _pieces(values[PIECES])
    return Slip._make(values)
