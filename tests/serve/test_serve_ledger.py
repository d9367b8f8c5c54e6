"""A ledger that is watched: rows are taken in as they come, and damage is an alarm."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from greensched.ledger import verifier_key
from greensched.serve.look import BROKEN
from greensched.serve.watch.ledger import AGAIN_MS, THOROUGH_MS, LedgerWatch
from tests.serve.cases import DAY_MS, NOON_MS, ledger_of, seen, settlement

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.cases import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return a ledger of two settlements, 1.5 g saved and 0.5 g lost."""
    return ledger_of(tmp_path / "l", settlement(1, 1_500), settlement(2, -500))


def _spoil(case: Case, row: int) -> None:
    """Change a row behind the ledger's back."""
    with sqlite3.connect(case.ledger) as connection:
        sql = "UPDATE rows SET record = replace(record, '1500', '9500') WHERE row = ?"
        connection.execute(sql, [row])
    connection.close()


def test_savings_of_today_are_the_sum_of_settlements(case: Case) -> None:
    """What jobs saved and what one cost are summed on the day that they ended."""
    board = seen([LedgerWatch(case.ledger)])
    assert 1.0 == board.today.saved_g
    assert 2 == board.today.jobs
    assert () == board.alarms


def test_rows_that_come_are_taken_in(case: Case) -> None:
    """A settlement that is appended between two looks is in the second, once."""
    watch = LedgerWatch(case.ledger)
    assert 1.0 == seen([watch]).today.saved_g
    case.append(settlement(3, 4_000), settlement(4, 7_000, NOON_MS - DAY_MS))
    board = seen([watch], NOON_MS + 1_000)
    assert 5.0 == board.today.saved_g
    assert 7.0 == board.days[-2].saved_g


def test_correction_stands_for_what_it_supersedes(case: Case) -> None:
    """A job that is settled again, by actuals, counts once, with the later figure."""
    watch = LedgerWatch(case.ledger)
    seen([watch])
    case.append(settlement(1, 2_500, key="k8s/1/actual", supersedes="k8s/1"))
    board = seen([watch])
    assert 2.0 == board.today.saved_g
    assert 2 == board.today.jobs


def test_corrections_count_once_in_all(case: Case) -> None:
    """The sum over all time follows corrections, also of jobs that ended too long ago to list."""
    watch = LedgerWatch(case.ledger)
    case.append(settlement(3, 4_000_000, NOON_MS - 60 * DAY_MS))
    seen([watch])
    case.append(settlement(3, 7_000_000, NOON_MS - 60 * DAY_MS, key="k8s/3/a", supersedes="k8s/3"))
    look = watch.look(NOON_MS)
    assert "7.001 kg CO2e, 3 jobs" == dict(look.facts)["saved in all"]
    assert {"k8s/1", "k8s/2"} == look.savings.keys()


def test_dry_run_is_no_saving(tmp_path: Path) -> None:
    """What a ledger of simulations tells is not counted as saved today."""
    case = ledger_of(tmp_path / "l", settlement(1, 1_500), kind="simulated")
    assert 0.0 == seen([LedgerWatch(case.ledger)]).today.saved_g


def test_changed_row_is_an_alarm(case: Case) -> None:
    """A row that was changed is named once all rows are read again, and the alarm stays."""
    watch = LedgerWatch(case.ledger)
    seen([watch])
    _spoil(case, 1)
    later_ms = NOON_MS + THOROUGH_MS
    (alarm,) = seen([watch], later_ms).alarms
    assert BROKEN == alarm.kind
    assert "the last good row is 0" in alarm.what
    assert BROKEN == seen([watch], later_ms + 1_000).alarms[0].kind


def test_mended_ledger_goes_on(case: Case) -> None:
    """A ledger that was brought back from a copy is whole again, and is followed on."""
    watch = LedgerWatch(case.ledger)
    before = case.ledger.read_bytes()
    seen([watch])
    _spoil(case, 1)
    later_ms = NOON_MS + THOROUGH_MS
    assert 1 == len(seen([watch], later_ms).alarms)
    case.ledger.write_bytes(before)
    case.append(settlement(3, 4_000))
    assert () == seen([watch], later_ms + AGAIN_MS).alarms
    assert 5.0 == seen([watch], later_ms + AGAIN_MS).today.saved_g


def test_ledger_that_lost_rows_stays_broken(case: Case, tmp_path: Path) -> None:
    """A ledger that was put back to an older copy, whole in itself, is an alarm that stays."""
    older = case.copied(tmp_path / "older")
    case.append(settlement(3, 4_000))
    watch = LedgerWatch(case.ledger)
    assert 5.0 == seen([watch]).today.saved_g
    for path in older.ledger.parent.iterdir():
        (case.ledger.parent / path.name).write_bytes(path.read_bytes())
    for name in ("-wal", "-shm"):
        case.ledger.with_name(case.ledger.name + name).unlink(missing_ok=True)
    for at_ms in (NOON_MS, NOON_MS + AGAIN_MS, NOON_MS + THOROUGH_MS):
        assert BROKEN == seen([watch], at_ms).alarms[0].kind


def test_signatures_are_held_to_the_key(case: Case, tmp_path: Path) -> None:
    """With another ledger's public key the alarm says so, with its own there is none."""
    other = ledger_of(tmp_path / "other")
    own, strange = (verifier_key(one.verifier_key) for one in (case, other))
    assert () == seen([LedgerWatch(case.ledger, own)]).alarms
    assert BROKEN == seen([LedgerWatch(case.ledger, strange)]).alarms[0].kind


def test_ledger_that_is_not_there_yet_is_no_alarm(tmp_path: Path) -> None:
    """A ledger may be made while it is watched."""
    watch = LedgerWatch(tmp_path / "l" / "ledger" / "l.sqlite")
    assert () == seen([watch]).alarms
    ledger_of(tmp_path / "l", settlement(1, 1_500))
    assert 1.5 == seen([watch]).today.saved_g
