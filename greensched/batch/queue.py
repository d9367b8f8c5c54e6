"""The queue: jobs, when they ran, and settings, in SQLite (WAL, synchronous=FULL).

Every change of a state is a compare-and-set in one statement: of two processes that want to change
the same job, one finds that it is too late.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Self

from greensched.batch import folder as places
from greensched.batch.job import FAILED, FINISHED, STARTING, WAITING, Job, Run
from greensched.errors import DataError, Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FORMAT: Final = 1
BUSY_S: Final = 10.0
TEXTS: Final = ("argv", "env", "pieces")  # kept as JSON
FLAGS: Final = ("interruptible", "rerunnable", "cancel", "is_final")
COLUMNS: Final = tuple(f.name for f in fields(Job))
PLANNED: Final = "coalesce(json_extract(pieces, '$[0][0]'), latest_start_ms)"
SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  {", ".join(f"{name}" for name in COLUMNS if name != "id")}
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state);
CREATE TABLE IF NOT EXISTS runs (
  job INTEGER NOT NULL, attempt INTEGER NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER
);
CREATE INDEX IF NOT EXISTS runs_by_job ON runs (job);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""  # built of our own names alone


class Queue:
    """An open queue; raises UsageError where it is not the user's own, DataError if damaged."""

    def __init__(self, folder: Path) -> None:
        """Open the queue in a folder, made where there is none."""
        self.folder = folder
        places.prepare(folder)
        file = folder / places.DATABASE
        places.make_private(file)
        self._connection = sqlite3.connect(file, isolation_level=None, timeout=BUSY_S)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            what, remedy = f"cannot be used: {error}", "is the disk full, or the file damaged?"
            raise DataError(Finding(where=str(file), what=what, remedy=remedy)) from None

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA synchronous = FULL")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            what = f"is of format {version}; this greensched knows {FORMAT}"
            raise UsageError(Finding(where=str(self.folder), what=what, remedy="use a newer one"))
        if version < FORMAT:
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self.transaction():
                for statement in filter(str.strip, SCHEMA.split(";")):
                    self._connection.execute(statement)
                self._set("queue", secrets.token_hex(8))
                self._connection.execute(f"PRAGMA user_version = {FORMAT}")

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

    def submit(self, job: Job) -> int:
        """Keep a new job; return its number once it survives a loss of power."""
        names = [n for n in COLUMNS if n != "id"]
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

    def jobs(self, states: Sequence[str] = ()) -> list[Job]:
        """Return the jobs in these states, or all, in order of submission."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        sql = f"SELECT * FROM jobs {where} ORDER BY id"
        return [_job(row) for row in self._connection.execute(sql, list(states))]

    def due(self, now_ms: int) -> list[Job]:
        """Return the jobs that wait and are to start by `now_ms`: overdue first, then by plan."""
        sql = (
            f"SELECT *, min({PLANNED}, latest_start_ms) AS due_ms FROM jobs WHERE state = ? "
            "AND due_ms <= ? ORDER BY latest_start_ms > ?, due_ms, id LIMIT 1000"
        )
        rows = self._connection.execute(sql, [WAITING, now_ms, now_ms]).fetchall()
        return [_job(row) for row in rows]

    def next_due_ms(self) -> int | None:
        """Return when the next job is to start, None where none waits."""
        sql = f"SELECT min(min({PLANNED}, latest_start_ms)) FROM jobs WHERE state = ?"
        found: int | None = self._connection.execute(sql, [WAITING]).fetchone()[0]
        return found

    def listing(self, states: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Return number, state, start [ms], latest start [ms], exit code and argv of jobs."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        sql = (
            f"SELECT id, state, coalesce(started_ms, {PLANNED}), latest_start_ms, exit_code, argv "
            f"FROM jobs {where} ORDER BY id"
        )
        rows = self._connection.execute(sql, list(states)).fetchall()
        return [(*row[:-1], json.loads(row[-1])) for row in map(tuple, rows)]

    def change(
        self, number: int, *, states: Sequence[str], of_start: str | None = None, **values: Any
    ) -> bool:
        """Set columns of a job that is in one of `states`, and of the start `of_start` if given.

        Return whether it was.
        """
        given = [_stored(name, value) for name, value in values.items()]
        sets = ", ".join(f"{name} = ?" for name in values)
        marks = ", ".join("?" * len(states))
        sql = f"UPDATE jobs SET {sets} WHERE id = ? AND state IN ({marks})"
        given += [number, *states]
        if of_start is not None:
            sql, given = f"{sql} AND nonce = ?", [*given, of_start]
        return self._connection.execute(sql, given).rowcount == 1

    def begin(self, job: Job, start_ms: int) -> None:
        """Note that a job's processes run from here on."""
        sql = "INSERT INTO runs VALUES (?, ?, ?, NULL)"
        self._connection.execute(sql, [job.id, job.attempt, start_ms])

    def stop(self, number: int, end_ms: int) -> None:
        """Note that a job's processes do not run from here on."""
        sql = "UPDATE runs SET end_ms = max(start_ms, ?) WHERE job = ? AND end_ms IS NULL"
        self._connection.execute(sql, [end_ms, number])

    def runs(self, number: int | None = None) -> list[Run]:
        """Return when a job, or all, ran."""
        sql = "SELECT job, attempt, start_ms, end_ms FROM runs"
        given = [] if number is None else [number]
        sql += "" if number is None else " WHERE job = ?"
        return [Run(**dict(row)) for row in self._connection.execute(sql, given)]

    def durations_ms(self, argv: Sequence[str], folder: str) -> list[int]:
        """Return how long successful runs of the same command in the same folder took."""
        sql = (
            "SELECT sum(r.end_ms - r.start_ms) FROM jobs j JOIN runs r ON r.job = j.id "
            "AND r.attempt = j.attempt WHERE j.state = ? AND j.argv = ? AND j.folder = ? "
            "GROUP BY j.id"
        )
        given = [FINISHED, _stored("argv", tuple(argv)), folder]
        return [int(row[0]) for row in self._connection.execute(sql, given) if row[0]]

    def unsettled(self) -> list[Job]:
        """Return jobs that ran to their end and are not settled with actual intensity."""
        sql = (
            "SELECT * FROM jobs WHERE state IN (?, ?) AND power_w IS NOT NULL AND NOT is_final "
            "ORDER BY id"
        )
        return [_job(row) for row in self._connection.execute(sql, [FINISHED, FAILED])]

    def setting(self, name: str) -> Any:
        """Return a setting of the queue, None where it is not set."""
        row = self._connection.execute(
            "SELECT value FROM settings WHERE name = ?", [name]
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def set(self, **values: Any) -> None:
        """Keep settings of the queue."""
        with self.transaction():
            for name, value in values.items():
                self._set(name, value)

    def _set(self, name: str, value: Any) -> None:
        sql = "INSERT OR REPLACE INTO settings VALUES (?, ?)"
        self._connection.execute(sql, [name, json.dumps(value)])

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


def _stored(name: str, value: Any) -> Any:
    """Return a field as its column holds it."""
    return json.dumps(value) if name in TEXTS else value


def _job(row: sqlite3.Row) -> Job:
    """Return a row as a job."""
    values = {name: row[name] for name in COLUMNS}
    values["argv"] = tuple(json.loads(values["argv"]))
    values["env"] = json.loads(values["env"])
    values["pieces"] = tuple((a, b) for a, b in json.loads(values["pieces"]))
    values |= {name: bool(values[name]) for name in FLAGS}
    return Job(**values)
