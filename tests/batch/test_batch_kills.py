"""Workers and supervisors that are killed: no job is lost, none is started twice."""

from __future__ import annotations

import random
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from greensched.batch.job import ENDED, INTERRUPTED, RUNNING, STARTING, WAITING
from greensched.batch.worker import Worker
from tests.batch.cases import MS, now_ms, until, working
from tests.effort import examples

if TYPE_CHECKING:
    from greensched.batch.queue import Queue
    from tests.batch.cases import Place

CI_KILLS = 15  # of workers, and as many of supervisors
SOAK_KILLS = 100
LATE_MS = 1_500  # a step, and the start of a supervisor on a busy machine
NOT_BEGUN = {WAITING, STARTING, RUNNING}  # the last: the step started it anew at once
ONCE = "echo {} >> $0; sleep {}"


def is_over(queue: Queue, number: int) -> bool:
    """Tell whether a job has ended."""
    return queue.job(number).state in ENDED


def is_gone(queue: Queue, number: int) -> bool:
    """Tell whether nothing is left of a job's processes."""
    return queue.job(number).leader is None


def kill_workers(place: Place, kills: int) -> None:
    """Kill so many workers at random moments of their lives, with jobs due all the time."""
    chance = random.Random(6)  # noqa: S311
    place.intensity([])
    alive: list[tuple[int, int]] = []
    numbers: list[int] = []
    for _ in range(kills):
        for _ in range(2):
            script = ONCE.format(len(numbers), round(chance.uniform(0, 1), 2))
            numbers.append(place.submit(script, max_delay_s=chance.uniform(0.5, 2.5)))
        with place.worker() as worker:
            assert worker.stderr is not None
            worker.stderr.readline()
            began = now_ms()
            time.sleep(chance.uniform(0, 1.2))
            worker.send_signal(signal.SIGKILL)
            alive.append((began, now_ms()))
    jobs = [place.work(number) for number in numbers]
    assert ["finished"] * len(numbers) == [job.state for job in jobs]
    assert [str(i) for i in range(len(numbers))] == sorted(place.lines(), key=int)
    for job in jobs:  # none began after its latest start while a worker lived all along
        due = job.latest_start_ms
        if any(a <= due and due + LATE_MS <= b for a, b in alive):
            assert (job.started_ms or 0) <= due + LATE_MS


def kill_supervisors(place: Place, kills: int) -> None:
    """Kill so many supervisors at random moments of their lives."""
    chance = random.Random(7)  # noqa: S311
    place.intensity([])
    found = []
    with place.queue() as queue:
        worker = Worker(queue)
        for place_in_row in range(kills):
            number = place.submit(ONCE.format(place_in_row, 0.5))
            working(worker, lambda: bool(place.supervisors()))
            time.sleep(chance.uniform(0, 0.9))
            for supervisor in place.supervisors():
                supervisor.kill()
            until(lambda: not place.supervisors())
            worker.step(now_ms())
            state = queue.job(number).state
            assert state in {INTERRUPTED, *NOT_BEGUN, "finished"}
            if state in NOT_BEGUN:  # before it was killed: a new start is no second one
                working(worker, partial(is_over, queue, number))
            found.append(queue.job(number).state)
            working(worker, partial(is_gone, queue, number))
        for _ in range(3):
            worker.step(now_ms())
        worker.close()
        ends = [queue.job(n + 1).state for n in range(kills)]
    assert found == ends  # nothing was run again unasked
    assert 0 < found.count(INTERRUPTED)
    told = place.lines()
    assert len(set(told)) == len(told)  # none was started twice
    assert {str(i) for i, state in enumerate(found) if state == "finished"} <= set(told)


@pytest.mark.slow
def test_killed_workers(place: Place) -> None:
    """15 killed workers lose no job, start none twice, and none late while a worker lives."""
    kill_workers(place, examples(CI_KILLS))


def test_killed_supervisors(place: Place) -> None:
    """15 killed supervisors leave interrupted jobs, none of which runs again unasked."""
    kill_supervisors(place, examples(CI_KILLS))


@pytest.mark.soak
def test_many_killed_workers(place: Place) -> None:
    """100 killed workers lose no job and start none twice."""
    kill_workers(place, SOAK_KILLS)


@pytest.mark.soak
def test_many_killed_supervisors(place: Place) -> None:
    """100 killed supervisors leave interrupted jobs, none of which runs again unasked."""
    kill_supervisors(place, SOAK_KILLS)


def test_what_a_killed_supervisor_leaves(place: Place) -> None:
    """A job whose supervisor is killed is interrupted at once, and runs to its own end."""
    number = place.submit("echo a >> $0; sleep 1; echo b >> $0")
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: bool(place.lines()))
        for supervisor in place.supervisors():
            supervisor.kill()
        working(worker, lambda: queue.job(number).state == INTERRUPTED)
        assert "still runs" in queue.job(number).reason
        working(worker, lambda: queue.job(number).leader is None)
        worker.close()
    assert ["a", "b"] == place.lines()


def test_a_rerunnable_job_runs_again(place: Place) -> None:
    """A rerunnable job that was interrupted runs again, once what was left of it has ended."""
    number = place.submit("echo a >> $0; sleep 0.7", rerunnable=True)
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: bool(place.lines()))
        for supervisor in place.supervisors():
            supervisor.kill()
        working(worker, lambda: queue.job(number).state == "finished")
        worker.close()
        assert [0, 1] == [run.attempt for run in queue.runs(number)]
    assert ["a", "a"] == place.lines()


def stale(place: Place, *, rerunnable: bool) -> int:
    """Return a job as a reboot leaves it: its pid is another process's by now."""
    number = place.submit("echo a >> $0", rerunnable=rerunnable)
    with place.queue() as queue:
        values: dict[str, Any] = {
            "state": RUNNING,
            "nonce": "x",
            "leader": 1,
            "started_ms": now_ms() - MS,
        }
        queue.change(number, states=(WAITING,), leader_identity="of another boot:1", **values)
        queue.begin(queue.job(number), now_ms() - MS)
    return number


def test_after_a_reboot(place: Place) -> None:
    """Jobs of before a reboot are interrupted, and only a rerunnable one runs again."""
    lost, again = stale(place, rerunnable=False), stale(place, rerunnable=True)
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: queue.job(again).state == "finished")
        worker.close()
    job = place.job(lost)
    assert (INTERRUPTED, None) == (job.state, job.leader)
    assert ["a"] == place.lines()


def test_one_worker(place: Place) -> None:
    """A second worker of the same queue is refused, and says so."""
    from greensched.errors import UsageError

    with place.queue() as queue:
        worker = Worker(queue)
        with pytest.raises(UsageError, match="has a worker already"):
            Worker(queue)
        worker.close()
