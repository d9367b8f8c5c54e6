"""A queue that is watched: what waits, why, until when; alarms; the ledger beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from greensched.batch.folder import default_folder
from greensched.batch.outlook import outlook_of
from greensched.serve.board import board_of
from greensched.serve.look import NO_WORKER, OVERDUE, STALE
from greensched.serve.watch.ledger import LedgerWatch
from greensched.serve.watch.queue import OLD_MS, QueueWatch
from tests.batch.cases import new_place, now_ms
from tests.serve.cases import HOUR_MS, ledger_of, seen, settlement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from greensched.serve.look import Watch
    from tests.batch.cases import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a queue of the test's own."""
    yield from new_place(tmp_path, monkeypatch)


def _kinds(now: int) -> list[str]:
    return [alarm.kind for alarm in seen([QueueWatch(default_folder())], now).alarms]


def test_waiting_job_is_told_with_why_and_until_when(place: Place) -> None:
    """A job that waits for a clean hour is told with its start, its latest start and its share."""
    zero_ms = place.intensity([(60, 120)])
    place.submit("exit 0", max_delay_s=300.0, duration_s=30.0)
    board = seen([QueueWatch(default_folder())], now_ms())
    (task,) = board.tasks
    assert "waiting" == task.state
    assert "100 g/kWh then, 400 when it was queued" == task.why
    assert zero_ms + 60_000 == task.start_ms == board.next_start_ms
    assert 0.75 == task.saving_share
    assert 1 == board.waiting
    assert board.ahead is not None
    assert 400.0 == board.ahead.at(now_ms())
    assert (zero_ms + 60_000, 100.0) == board.cleanest()


def test_queue_without_worker_is_an_alarm(place: Place) -> None:
    """Jobs that wait while nobody works are an alarm, an empty queue is none."""
    place.intensity([(60, 120)])
    assert [] == _kinds(now_ms())
    place.submit("exit 0", max_delay_s=300.0)
    assert [NO_WORKER] == _kinds(now_ms())


def test_late_job_is_overdue(place: Place) -> None:
    """A job that waits beyond its latest start is an alarm that names it."""
    place.intensity([(60, 120)])
    number = place.submit("exit 0", max_delay_s=100.0)
    later_ms = now_ms() + 600_000
    alarms = seen([QueueWatch(default_folder())], later_ms).alarms
    assert [OVERDUE, NO_WORKER] == [alarm.kind for alarm in alarms]
    assert f"job {number} for 8 min" in alarms[0].what


def test_old_outlook_is_an_alarm_while_jobs_wait(place: Place) -> None:
    """What sources said more than an hour ago is stale for jobs that still wait."""
    place.intensity([(60, 120)])
    place.submit("exit 0", max_delay_s=3 * HOUR_MS / 1_000)
    assert STALE not in _kinds(now_ms() + OLD_MS - 60_000)
    assert STALE in _kinds(now_ms() + OLD_MS + 60_000)


def test_source_that_knows_nothing_is_told(place: Place) -> None:
    """The words of a source that failed are the alarm's."""
    with place.queue() as queue:
        queue.set(zone="XX", sources=[str(place.root / "gone.csv")], source_settings={})
        outlook_of(queue, now_ms() + HOUR_MS, now_ms())
    place.submit("exit 0", max_delay_s=300.0)
    alarms = seen([QueueWatch(default_folder())], now_ms()).alarms
    assert STALE in [alarm.kind for alarm in alarms]
    assert "gone.csv" in next(alarm.what for alarm in alarms if alarm.kind == STALE)


def test_job_in_queue_and_ledger_counts_once(place: Place, tmp_path: Path) -> None:
    """A settlement that the queue holds and the ledger has is one saving, the ledger's."""
    number, at_ms = place.submit("exit 0"), now_ms()
    settled = {"saved_mg": 2_000, "intensity": {"status": "forecast", "synthetic": True}}
    with place.queue() as queue:
        queue.change(
            number,
            states=("waiting",),
            state="finished",
            ended_ms=at_ms,
            settled=json.dumps(settled),
        )
        key = f"batch/{queue.setting('queue')}/{number}"
    watches: list[Watch] = [QueueWatch(default_folder())]
    alone = board_of([w.look(at_ms) for w in watches], at_ms, None, None)
    assert (2.0, 1) == (alone.today.saved_g, alone.by_forecast)
    case = ledger_of(tmp_path / "l", settlement(0, 3_000, at_ms, key=key))
    both = board_of(
        [w.look(at_ms) for w in (*watches, LedgerWatch(case.ledger))], at_ms, None, None
    )
    assert (3.0, 1) == (both.today.saved_g, both.today.jobs)


def test_queue_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """A queue that was never used has no jobs and no alarm, and is not made by looking."""
    board = seen([QueueWatch(tmp_path / "batch")])
    assert (0, ()) == (board.waiting, board.alarms)
    assert not (tmp_path / "batch").exists()
