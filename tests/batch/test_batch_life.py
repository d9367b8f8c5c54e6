"""A job from its submission to its settlement, with real processes."""

from __future__ import annotations

import contextlib
import json
import os
from itertools import pairwise
from typing import TYPE_CHECKING

import psutil
import pytest

from greensched.accounting.settlement import Segment, settle
from greensched.batch.folder import log_file
from greensched.batch.settling import settle_all
from greensched.batch.worker import Worker
from greensched.carbon import CarbonIntensity
from greensched.errors import UsageError
from greensched.ledger import default_ledger, init_ledger, prove_row, verifier_key
from tests.batch.cases import CLEAN, DIRTY, MS, now_ms, until, working

if TYPE_CHECKING:
    from tests.batch.cases import Place

TELL = "echo $$ >> $0"


def members(group: int) -> list[int]:
    """Return the processes of a group that live."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def test_a_job_runs_in_its_clean_seconds(place: Place) -> None:
    """A job waits for the clean seconds of its window, and starts in them, on time."""
    zero = place.intensity([(4, 6)])
    number = place.submit(f"{TELL}; sleep 1.5", max_delay_s=10, duration_s=2)
    assert (zero + 4 * MS, zero + 6 * MS) == place.job(number).pieces[0]
    job = place.work(number)
    assert "finished" == job.state
    assert job.started_ms is not None
    assert zero + 4 * MS <= job.started_ms < zero + 5 * MS
    assert 1 == len(place.lines())
    assert (CLEAN, DIRTY) == (job.planned_g_per_kwh, job.now_g_per_kwh)


def test_output_exit_code_folder_and_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output goes to files, the exit code is kept, and of the environment only what was named."""
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.chdir(place.root)
    job = place.work(place.submit("pwd; echo [$SECRET]; echo no >&2; umask; exit 7"))
    with place.queue() as queue:
        out = log_file(queue.folder, job.id, "out").read_text(encoding="utf-8")
        err = log_file(queue.folder, job.id, "err").read_text(encoding="utf-8")
        assert 0o700 == queue.folder.stat().st_mode & 0o777
        assert 0o600 == log_file(queue.folder, job.id, "out").stat().st_mode & 0o777
    mask = os.umask(0o22)
    os.umask(mask)
    assert ("failed", 7) == (job.state, job.exit_code)
    assert f"{place.root}\n[]\n{mask:04o}\n" == out
    assert "no\n" == err


def test_a_paused_job_stops_and_goes_on(place: Place) -> None:
    """An interruptible job works in the clean seconds alone, as a whole group of processes."""
    zero = place.intensity([(7, 11), (17, 21)])
    script = "(for i in $(seq 90); do date +%s%N >> $0; sleep 0.05; done) & wait"
    number = place.submit(script, max_delay_s=19, duration_s=6, interruptible=True)
    place.work(number)
    times = [int(line) // 1_000_000 - zero for line in place.lines()]
    assert [] == [t for t in times if 13_000 < t < 16_900 or t < 6_900]
    assert any(t < 11_500 for t in times)
    assert any(t > 17_000 for t in times)
    with place.queue() as queue:
        assert 2 <= len(queue.runs(number))


def test_a_paused_job_goes_on_without_a_worker(place: Place) -> None:
    """A job that is stopped when its worker goes away is continued by its supervisor."""
    place.intensity([(2, 4), (7, 9)])
    script = f"{TELL}; sleep 3; {TELL}"
    number = place.submit(script, max_delay_s=8, duration_s=4, interruptible=True)
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: queue.job(number).state == "paused")
        worker.close()
    until(lambda: place.state(number) == "finished")
    assert 2 == len(place.lines())


def test_savings_become_an_entry_of_the_ledger(place: Place) -> None:
    """A job that waited for a quarter of the intensity saves three quarters, and is a row."""
    made = init_ledger(default_ledger(), "example.org/laptop", "operated")
    place.intensity([(3, 5)])
    with place.queue() as queue:
        queue.set(idle_w=8_000.0 * (os.cpu_count() or 1), peak_w=18_000.0)
    job = place.work(place.submit("sleep 1", max_delay_s=8, duration_s=2))
    with place.queue() as queue:
        until(lambda: bool(settle_all(queue, now_ms()) or queue.job(job.id).is_final))
        found, entry = json.loads(queue.job(job.id).settled), queue.job(job.id).entry
    proof = prove_row(default_ledger(), None, entry)
    assert proof.holds(verifier_key(made.verifier_key))
    record = json.loads(proof.record)
    assert entry == record["key"]
    assert found["saved_mg"] == record["saved_mg"]
    assert found["counterfactual_mg"] == pytest.approx(4 * found["actual_mg"], abs=4)
    assert 0 < found["actual_mg"]
    assert "actual" == record["intensity"]["status"]
    with place.queue() as queue:
        assert [] == settle_all(queue, now_ms())


def test_waiting_that_cost_is_kept() -> None:
    """A settlement is negative where the job ran in dirtier hours than at once."""
    edges, values = [0, 1_000, 2_000], [100.0, 300.0]
    import numpy as np

    series = CarbonIntensity(zone="X", edges_ms=np.array(edges), values_g_per_kwh=np.array(values))
    late = [Segment(start_ms=1_000, end_ms=2_000)]
    found = settle(late, 0, 3_600_000.0, series)
    assert found is not None
    assert (300_000, 100_000, -200_000) == (
        found.actual_mg,
        found.counterfactual_mg,
        found.saved_mg,
    )


def test_work_in_vain_counts_in_the_actual_alone() -> None:
    """A run that was lost emits, and the counterfactual is without it."""
    import numpy as np

    series = CarbonIntensity(
        zone="X", edges_ms=np.array([0, 9_000]), values_g_per_kwh=np.array([100.0])
    )
    runs = [
        Segment(start_ms=1_000, end_ms=3_000, useful=False),
        Segment(start_ms=4_000, end_ms=5_000),
    ]
    found = settle(runs, 0, 3_600_000.0, series)
    assert found is not None
    assert (300_000, 100_000) == (found.actual_mg, found.counterfactual_mg)
    assert settle(runs, -1, 1.0, series) is None


def test_capacity_is_kept(place: Place) -> None:
    """Jobs that need more cores than there are together run one after the other."""
    place.intensity([])
    with place.queue() as queue:
        queue.set(cpu_m=2_000)
    numbers = [place.submit("sleep 0.5", max_delay_s=30, cores=2) for _ in range(3)]
    ends = [place.work(n) for n in numbers]
    spans = sorted((j.started_ms or 0, j.ended_ms or 0) for j in ends)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_a_job_larger_than_the_machine_is_refused(place: Place) -> None:
    """More cores than jobs may use, no time, and no such command are told at once."""
    with pytest.raises(UsageError) as told:
        place.submit("true", cores=10_000)
    assert "--cores" in str(told.value)


def test_without_a_source_it_says_so_and_runs(place: Place) -> None:
    """Without a zone a job runs at once, and tells that nothing is known."""
    number = place.submit("true", max_delay_s=3_600)
    assert "no forecast: runs at once" in place.job(number).reason
    assert "finished" == place.work(number).state


def test_a_lost_provider_does_not_move_what_was_planned(place: Place) -> None:
    """When the source cannot be read any more, a job keeps the start that was announced."""
    zero = place.intensity([(4, 6)])
    number = place.submit("sleep 0.2", max_delay_s=8, duration_s=2)
    (place.root / "intensity.csv").unlink()
    job = place.work(number)
    assert "finished" == job.state
    assert job.started_ms is not None
    assert zero + 4 * MS <= job.started_ms < zero + 6 * MS


def test_hold_and_cancel(place: Place) -> None:
    """A held job does not start; a cancelled one ends with all of its processes."""
    held = place.submit("true")
    number = place.submit(f"trap '' TERM; sleep 60 & {TELL}; wait")
    with place.queue() as queue:
        assert queue.change(held, states=("waiting",), state="held")
        worker = Worker(queue)
        working(worker, lambda: bool(place.lines()))
        leader = queue.job(number).leader
        queue.change(number, states=("running",), cancel=True)
        until(lambda: queue.job(number).state == "cancelled")
        worker.close()
        assert "held" == queue.job(held).state
    assert leader is not None
    until(lambda: not members(leader))
