"""Moved clocks, a full disk, and queues that are not the user's own."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from greensched.batch.folder import DATABASE, default_folder
from greensched.batch.job import FINISHED, STARTING, WAITING
from greensched.batch.queue import Queue
from greensched.batch.worker import Worker
from greensched.errors import UsageError
from tests.batch.cases import MS, now_ms, until, working

if TYPE_CHECKING:
    from tests.batch.cases import Place

HOUR_MS = 3_600_000


def test_a_clock_moved_on_releases_the_overdue_first(place: Place) -> None:
    """After a clock, or a machine, that was off, what is overdue longest starts first."""
    with place.queue() as queue:
        queue.set(cpu_m=1_000)
    place.intensity([(3_000, 3_002)])
    early = place.submit("echo early >> $0", max_delay_s=3_100)
    late = place.submit("echo late >> $0", max_delay_s=3_050)
    with place.queue() as queue:
        assert queue.job(early).planned_ms > now_ms() + MS * 1_000
        worker = Worker(queue)
        worker.step(now_ms())
        assert [] == queue.jobs((STARTING, "running", FINISHED))
        working(worker, lambda: len(queue.jobs((FINISHED,))) == 2, ahead_ms=HOUR_MS)
        worker.close()
        assert late != early
    assert ["late", "early"] == place.lines()


def test_a_clock_moved_back_starts_nothing_twice(place: Place) -> None:
    """With the clock an hour back, what runs runs on and is not started again."""
    number = place.submit("echo a >> $0; sleep 1")
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: bool(place.lines()))
        working(worker, lambda: queue.job(number).state == FINISHED, ahead_ms=-HOUR_MS)
        worker.close()
        run = queue.runs(number)[0]
        assert 900 < (run.end_ms or 0) - run.start_ms < 10_000
    assert ["a"] == place.lines()


def test_a_full_disk_starts_nothing_and_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the queue cannot be written no job starts; once it can, each runs once."""
    number = place.submit("echo a >> $0")
    with place.queue() as queue:
        worker = Worker(queue)
        full = sqlite3.OperationalError("database or disk is full")
        real = Queue.change

        def refused(*_: Any, **__: Any) -> bool:
            raise full

        monkeypatch.setattr(Queue, "change", refused)
        stop = iter([False, False, True])
        worker.work(lambda: next(stop))
        assert [WAITING] == [job.state for job in queue.jobs()]
        assert [] == place.lines()
        monkeypatch.setattr(Queue, "change", real)
        working(worker, lambda: queue.job(number).state == FINISHED)
        worker.close()
    assert ["a"] == place.lines()


def test_a_supervisor_waits_for_a_queue_that_is_locked(place: Place) -> None:
    """A job that ends while nothing can be written is told as finished afterwards."""
    number = place.submit("sleep 0.3; echo a >> $0")
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: queue.job(number).state == "running")
        with queue.transaction():
            until(lambda: bool(place.lines()))
            time.sleep(0.5)
            assert "running" == queue.job(number).state
        until(lambda: queue.job(number).state == FINISHED)
        worker.close()


def test_a_queue_that_others_can_write_is_refused(place: Place) -> None:
    """A folder or a database that others can write, or a link, is not worked on."""
    place.submit("true", max_delay_s=100)
    folder = default_folder()
    folder.chmod(0o770)
    with pytest.raises(UsageError, match="others can write"):
        place.queue()
    folder.chmod(0o700)
    (folder / DATABASE).chmod(0o666)
    with pytest.raises(UsageError, match="others can write"):
        place.queue()
    (folder / DATABASE).chmod(0o600)
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="is a link"):
        place.queue()
    folder.unlink()
    elsewhere.rename(folder)


def test_another_uid_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that belongs to another user is not worked on."""
    place.submit("true", max_delay_s=100)
    with monkeypatch.context() as patch:
        patch.setattr("os.getuid", lambda: 12_345)
        with pytest.raises(UsageError, match="belongs to uid"):
            place.queue()
