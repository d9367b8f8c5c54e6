"""Plans: outlooks that are kept, passes over many jobs, starts that stand or move."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from greensched.batch import planner as planners
from greensched.batch import worker as workers
from greensched.batch.job import FINISHED, OVERDUE, WAITING
from greensched.batch.outlook import FRESH_MS, Outlook, kept_outlook, outlook_of
from greensched.batch.planner import Planner
from greensched.batch.schema import FORMAT
from greensched.batch.submission import PAST_RUNS, Wish, job_of, tighten
from greensched.batch.worker import Worker
from greensched.bounds.window import best_window
from greensched.carbon import CarbonIntensity
from greensched.policies.shifting.times import expected_ms
from greensched.ticks.seconds import on_seconds
from tests.batch.cases import CLEAN, MS, Place, now_ms, working

if TYPE_CHECKING:
    import pytest

    from greensched.batch.job import Job
    from greensched.batch.queue import Queue

HOUR_MS = 3_600 * MS


def outlook(edges_ms: list[int], values: list[float]) -> Outlook:
    """Return an outlook on given steps."""
    return Outlook(
        asked_ms=edges_ms[0],
        until_ms=edges_ms[-1],
        edges_ms=edges_ms,
        values_g_per_kwh=values,
        labels={},
        flat="",
        told="",
        sources=[],
    )


@given(
    steps=st.lists(
        st.tuples(st.integers(1, 90), st.sampled_from([80.0, 120.5, 300.0, 301.25])),
        min_size=2,
        max_size=12,
    ),
    first=st.integers(0, 40),
    slack=st.integers(0, 200),
    length=st.integers(1, 120),
)
def test_the_cleanest_start_is_that_of_the_bound(
    steps: list[tuple[int, float]], first: int, slack: int, length: int
) -> None:
    """The start that `submit` tells is the one that `best_window` finds with arrays."""
    edges = [0, *np.cumsum([span for span, _ in steps]).tolist()]
    values = [value for _, value in steps]
    last = min(first + slack, edges[-1] - length)
    if last < first:
        return
    series = CarbonIntensity(zone="X", edges_ms=np.array(edges), values_g_per_kwh=np.array(values))
    choice = best_window(series, first, length, last)
    start, mean, now_mean = outlook(edges, values).cleanest(first, last, length)
    assert choice.best.start_ms == start
    assert (choice.best.mean_g_per_kwh, choice.now.mean_g_per_kwh) == (mean, now_mean)


@given(runs=st.lists(st.integers(1, 10**9), min_size=5, max_size=60))
def test_the_percentile_is_numpy_s(runs: list[int]) -> None:
    """The 95th percentile of past runs is the linear one, rounded up."""
    told = expected_ms(runs)
    assert told is not None
    assert math.isclose(float(np.percentile(runs, 95)), told, abs_tol=1.0, rel_tol=1e-12)
    assert told >= np.percentile(runs, 95) - 1e-3


def test_sources_are_asked_once_for_many(place: Place) -> None:
    """What was asked stands for a quarter of an hour, unless its file or the zone is another."""
    place.intensity([(100, 200)])
    place.submit("true", max_delay_s=300)
    with place.queue() as queue:
        place.submit("true", max_delay_s=250)
        first, second = (queue.job(n).outlook for n in (1, 2))
        assert first == second != None  # noqa: E711 - a chain of comparisons
        later = now_ms() + FRESH_MS
        assert first != outlook_of(queue, later + MS, later).id
        place.intensity([(150, 250)])
        number = place.submit("true", max_delay_s=300)
        assert queue.job(number).planned_ms > queue.job(1).planned_ms


def test_nobody_is_asked_again_at_once(place: Place) -> None:
    """A source that knew nothing is asked again after a minute, not for every job."""
    place.intensity([])
    (place.root / "intensity.csv").write_text("datetime,zone,carbon_intensity\n", encoding="utf-8")
    calls = []
    with place.queue() as queue:
        for ahead in (0, 30, 61):
            found = outlook_of(queue, now_ms() + HOUR_MS, now_ms() + ahead * MS)
            assert [] == found.edges_ms
            calls.append(found.id)
        assert kept_outlook(queue, calls[-1]) is not None
    assert calls[0] == calls[1] < calls[2]


def test_nobody_is_asked_shortly_before_a_start(place: Place) -> None:
    """With a start due within a minute the worker plans by what it has, if it is of this hour."""
    place.intensity([(100, 200)])
    place.submit("true", max_delay_s=3_000)
    with place.queue() as queue:
        first = queue.outlook()
        late_ms = now_ms() + 2 * FRESH_MS
        planner = Planner(queue)
        planner.plan(late_ms, late_ms + 30 * MS)
        assert first == queue.outlook()
        planner.plan(late_ms, late_ms + 90 * MS)
        assert first != queue.outlook()


def waiting(place: Place, count: int, **more: Any) -> list[int]:
    """Queue jobs of 10 s; return their numbers."""
    return [place.submit("true", max_delay_s=200, duration_s=10, **more) for _ in range(count)]


def all_placed(queue: Queue) -> int:
    """Plan until nothing is left to place; return how many passes that took."""
    planner, passes = Planner(queue), 0
    while not passes or planner.has_more:
        planner.plan(now_ms())
        passes += 1
    return passes


def test_passes_place_all_on_the_cores_there_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many jobs are placed in several passes, in order of submission, and never on more cores."""
    monkeypatch.setattr(planners, "AT_A_TIME", 3)
    zero = place.intensity([(60, 80), (100, 120)], step_s=10)
    with place.queue() as queue:
        queue.set(cpu_m=2_000)
        numbers = waiting(place, 8)
        assert 3 <= all_placed(queue)
        jobs = [queue.job(n) for n in numbers]
    ends = sorted((at, step) for j in jobs for a, b in j.pieces for at, step in ((a, 1), (b, -1)))
    taken = np.cumsum([step for _, step in sorted(ends)])
    assert 2 == taken.max()
    starts = [(job.planned_ms - zero) // MS for job in jobs]
    assert [60, 60, 70, 70, 100, 100, 110, 110] == starts
    assert all(job.planned_ms <= job.latest_start_ms for job in jobs)


def planned(place: Place, number: int) -> int:
    """Return the planned start [s since the intensity's zero] of a job."""
    return place.job(number).planned_ms


def test_a_start_that_was_announced_stands(place: Place) -> None:
    """A new forecast that is better by little moves nothing; one that is better by much does."""
    zero = place.intensity([(60, 80)], step_s=10)
    (number,) = waiting(place, 1)
    with place.queue() as queue:
        planner = Planner(queue)
        planner.plan(now_ms())
        assert zero + 60 * MS == planned(place, number)
        for value, start_s in ((99.0, 60), (97.0, 120)):
            value_at(place, 120, value)
            planner.plan(now_ms())
            assert zero + start_s * MS == planned(place, number)


def value_at(place: Place, start_s: int, value: float) -> None:
    """Let the file of intensity have another value from some seconds after its zero on."""
    file = place.root / "intensity.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    row = 1 + (600 + start_s) // 10
    lines[row] = f"{lines[row].rpartition(',')[0]},{value}"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_start_stands_also_where_the_best_is_taken(place: Place) -> None:
    """With the best hour taken by another, a start moves for much of what is left alone."""
    zero = place.intensity([(60, 70)], step_s=10)
    value_at(place, 120, 300.0)
    with place.queue() as queue:
        queue.set(cpu_m=1_000)
        first, second = waiting(place, 2)
        planner = Planner(queue)
        for value, start_s in ((300.0, 120), (297.0, 120), (290.0, 140)):
            value_at(place, 140, value)
            planner.plan(now_ms())
            assert (60, start_s) == tuple(
                (planned(place, number) - zero) // MS for number in (first, second)
            )


def test_a_start_that_has_passed_is_planned_anew(place: Place) -> None:
    """A job whose start went by for want of cores is told another; overdue, that it is so."""
    zero = place.intensity([(60, 80)], step_s=10)
    (number,) = waiting(place, 1)
    with place.queue() as queue:
        planner = Planner(queue)
        planner.plan(zero + 50 * MS)
        planner.plan(zero + 75 * MS)
        assert zero + 75 * MS <= planned(place, number)
        planner.plan(zero + 250 * MS)
        assert OVERDUE == queue.job(number).reason


def test_steps_that_are_cut_do_not_make_ticks_fine() -> None:
    """Quarters of an hour of which the first and the last are cut stay quarters of an hour."""
    edges = np.array([100_500, 900_000, 1_800_000, 2_700_000, 3_000_250])
    series = CarbonIntensity(
        zone="X", edges_ms=edges, values_g_per_kwh=np.array([100.0, 200.0, 300.0, 400.0])
    )
    ticks = on_seconds(series, 101_000)
    assert (900, [100.0, 200.0, 300.0, 400.0]) == (ticks.width, ticks.values_g_per_kwh.tolist())
    at = np.array([0, 798, 799, 1_698, 1_699])
    assert [0, 0, 1, 1, 2] == ticks.slot(at).tolist()


def test_overdue_jobs_come_before_planned_ones(place: Place) -> None:
    """What is due is in order: the overdue by latest start, then the others by planned start."""
    with place.queue() as queue:
        numbers = [place.submit("true", max_delay_s=100) for _ in range(4)]
        latest = {0: 900, 1: 1_000, 2: 9_000, 3: 8_000}
        for at, number in enumerate(numbers):
            pieces = ((500 - at, 600),)
            queue.change(number, states=(WAITING,), latest_start_ms=latest[at], pieces=pieces)
        order = [numbers[at] for at in (0, 1, 3, 2)]
        assert order == [job.id for job in queue.due(2_000)]
        assert 497 == queue.next_due_ms()


def finished(queue: Queue, like: Job, length_ms: int) -> None:
    """Let a job like another have run so long."""
    number = queue.submit(like)
    queue.begin(queue.job(number), like.created_ms)
    queue.stop(number, like.created_ms + length_ms)
    queue.change(number, states=(WAITING,), state=FINISHED, ended_ms=now_ms())


def test_a_latest_start_only_moves_earlier(place: Place) -> None:
    """What is learnt of how long runs take moves a latest start earlier, and never later."""
    wish = Wish(
        argv=("true",),
        within_ms=8 * HOUR_MS,
        max_delay_ms=None,
        duration_ms=None,
        cores=1.0,
        interruptible=False,
        rerunnable=False,
        env=(),
    )
    with place.queue() as queue:
        job = job_of(queue, wish, now_ms())
        number = queue.submit(job)
        deadline = job.deadline_ms or 0
        assert deadline - HOUR_MS - HOUR_MS // 10 == job.latest_start_ms
        for _ in range(5):
            finished(queue, job, 3 * HOUR_MS)
        assert tighten(queue)
        tight = queue.job(number)
        assert (3 * HOUR_MS, PAST_RUNS) == (tight.duration_ms, tight.duration_from)
        assert deadline - 3 * HOUR_MS - 3 * HOUR_MS // 10 == tight.latest_start_ms
        for _ in range(200):
            finished(queue, job, HOUR_MS // 2)
        assert tighten(queue)
        loose = queue.job(number)
        assert HOUR_MS // 2 == loose.duration_ms
        assert tight.latest_start_ms == loose.latest_start_ms
        assert not tighten(queue)


def test_a_worker_learns_when_a_job_has_finished(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long runs take is looked at when a worker begins and whenever a job has finished."""
    looks = []
    monkeypatch.setattr(workers, "tighten", lambda _: looks.append(1))
    number = place.submit("true")
    with place.queue() as queue:
        worker = Worker(queue)
        worker.step(now_ms())
        assert 1 == len(looks)
        working(worker, lambda: len(looks) > 1)
        worker.close()
        assert FINISHED == queue.job(number).state


def test_a_queue_of_format_1_is_brought_up(place: Place) -> None:
    """A queue of the first format keeps its jobs and which of them are in the ledger."""
    place.intensity([])
    numbers = [place.submit("true", max_delay_s=100) for _ in range(3)]
    with place.queue() as queue:
        texts = ['{"ledger_key": "batch/x/1"}', '{"ledger_key": null}', ""]
        for number, text in zip(numbers, texts, strict=True):
            queue.change(number, states=(WAITING,), settled=text)
        run = queue._connection.execute
        for (name,) in run("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall():
            if name.startswith("jobs_"):
                run(f"DROP INDEX {name}")
        for column in ("outlook", "entry"):
            run(f"ALTER TABLE jobs DROP COLUMN {column}")
        run("DROP TABLE outlooks")
        run("PRAGMA user_version = 1")
    with place.queue() as queue:
        assert ["batch/x/1", "", ""] == [queue.job(n).entry for n in numbers]
        assert FORMAT == queue._connection.execute("PRAGMA user_version").fetchone()[0]
        assert queue.next_due_ms() is not None


def test_nothing_that_is_asked_often_reads_all_jobs(place: Place) -> None:
    """What a worker asks at every change is answered by an index."""
    with place.queue() as queue:
        seen: list[str] = []
        queue._connection.set_trace_callback(seen.append)
        queue.next_due_ms()
        queue.due(now_ms())
        queue.watched()
        queue.unhinted()
        queue.unsettled(0)
        queue.unentered()
        queue.durations_ms(("true",), "/")
        queue.has((WAITING,))
        queue._connection.set_trace_callback(None)
        for sql in seen:
            plan = queue._connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
            told = [row["detail"] for row in plan]
            assert not [t for t in told if t.startswith("SCAN") and "INDEX" not in t], (sql, told)


def test_pauses_are_planned_at_submission(place: Place) -> None:
    """A job that may pause is planned in the clean seconds alone before any worker looks."""
    zero = place.intensity([(100, 104), (200, 204)])
    pausing: Any = {"max_delay_s": 300.0, "duration_s": 8.0, "at_ms": zero}
    number = place.submit("true", interruptible=True, **pausing)
    pieces = ((zero + 100_000, zero + 104_000), (zero + 200_000, zero + 204_000))
    assert (pieces, CLEAN) == (place.job(number).pieces, place.job(number).planned_g_per_kwh)
    assert 1 == len(place.job(place.submit("true", **pausing)).pieces)
