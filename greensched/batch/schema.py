"""The tables of the queue's file, and how a file of an older format is brought up to this one."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from greensched.batch.job import Job

if TYPE_CHECKING:
    import sqlite3

FORMAT: Final = 2
COLUMNS: Final = tuple(f.name for f in fields(Job))

# Terms that indexes are made of; a query is served by one only where it repeats them word by word.
PLANNED: Final = "coalesce(json_extract(pieces, '$[0][0]'), latest_start_ms)"
DUE: Final = f"min({PLANNED}, latest_start_ms)"
WAITS: Final = "state = 'waiting'"
WATCHED: Final = (
    "(state IN ('starting', 'running', 'paused') "
    "OR (state = 'interrupted' AND (leader IS NOT NULL OR (rerunnable AND NOT cancel))))"
)
UNHINTED: Final = "(state = 'waiting' AND duration_from <> 'as told')"
UNSETTLED: Final = "(power_w IS NOT NULL AND NOT is_final)"
UNENTERED: Final = "(settled <> '' AND entry = '')"
OPEN: Final = "state NOT IN ('cancelled', 'interrupted') AND NOT is_final"

TABLES: Final = (
    f"""CREATE TABLE IF NOT EXISTS jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  {", ".join(name for name in COLUMNS if name != "id")}
)""",
    """CREATE TABLE IF NOT EXISTS runs (
  job INTEGER NOT NULL, attempt INTEGER NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER
)""",
    "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS outlooks (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT)",
)
SINCE_1: Final = (  # what format 2 has and format 1 had not
    "ALTER TABLE jobs ADD COLUMN outlook",
    "ALTER TABLE jobs ADD COLUMN entry DEFAULT ''",
    """UPDATE jobs SET entry = coalesce(json_extract(settled, '$.ledger_key'), '')
WHERE settled <> ''""",
)
INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state)",
    f"CREATE INDEX IF NOT EXISTS jobs_by_due ON jobs ({DUE}) WHERE {WAITS}",
    f"CREATE INDEX IF NOT EXISTS jobs_watched ON jobs (id) WHERE {WATCHED}",
    f"CREATE INDEX IF NOT EXISTS jobs_unhinted ON jobs (argv, folder) WHERE {UNHINTED}",
    "CREATE INDEX IF NOT EXISTS jobs_done ON jobs (argv, folder) WHERE state = 'finished'",
    f"CREATE INDEX IF NOT EXISTS jobs_unsettled ON jobs (ended_ms) WHERE {UNSETTLED}",
    f"CREATE INDEX IF NOT EXISTS jobs_unentered ON jobs (id) WHERE {UNENTERED}",
    "CREATE INDEX IF NOT EXISTS runs_by_job ON runs (job)",
)


def bring_up(connection: sqlite3.Connection) -> None:
    """Make the tables, or what an older file lacks, within a transaction."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version >= FORMAT:
        return  # another process was first
    for statement in TABLES:
        connection.execute(statement)
    if version:
        for statement in SINCE_1:
            connection.execute(statement)
    else:
        import secrets

        connection.execute(
            "INSERT INTO settings VALUES ('queue', ?)", [json.dumps(secrets.token_hex(8))]
        )
    for statement in INDEXES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def iso(term: str) -> str:
    """Return SQL for an instant [ms since 1970 UTC] as ISO 8601 to the second."""
    return f"strftime('%Y-%m-%dT%H:%M:%SZ', {term} / 1000, 'unixepoch')"
