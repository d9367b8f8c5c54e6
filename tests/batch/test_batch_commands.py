"""`batch` at the command line: what it prints, changes and refuses."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from greensched.batch.job import CANCELLED, FINISHED, HELD, INTERRUPTED, PAUSED, WAITING
from greensched.batch.process import GRACE_S, is_left
from greensched.batch.supervisor import should_run
from greensched.batch.worker import Worker
from greensched.cli.batch_jobs import _command
from greensched.errors import escape_control
from tests.batch.cases import MS, Place, working
from tests.conftest import ROOT
from tests.test_cli import call

if TYPE_CHECKING:
    from greensched.batch.queue import Queue

COMMANDS = ["submit", "run", "ls", "show", "run-now", "hold", "cancel", "plan", "savings"]
TELL = "echo $$ >> $0"


def is_in(queue: Queue, number: int, state: str) -> bool:
    """Tell whether a job is in a state."""
    return queue.job(number).state == state


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """Each command of the group is listed with a line, and explains itself."""
    assert f"  {command} " in call("batch", "--help").stdout
    assert f"Usage: greensched batch {command}" in call("batch", command, "--help").stdout


def test_submit_tells_start_and_saving(place: Place) -> None:
    """`submit` prints number, start and saving on stdout, and that no worker runs on stderr."""
    zero = place.intensity([(600, 660)])
    told = call("batch", "submit", "--max-delay", "15min", "--duration", "60 s", "--", "true")
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(zero // MS + 600))
    saving = "100 g/kWh rather than 400 at once (+75 % saved)"
    assert f"job 1: starts {start}, {saving}\n" == told.stdout
    assert "no worker runs: `greensched batch run` starts what is due\n" == told.stderr
    with place.queue() as queue:
        worker = Worker(queue)
        told = call("batch", "submit", "--max-delay", "15min", "--", "true")
        worker.close()
    lines = ["no forecast: runs at once", "takes an hour: assumed: --duration tells it, or 5 runs"]
    assert lines == told.stderr.splitlines()


def test_submit_as_json(place: Place) -> None:
    """`submit -o json` prints the job as `show -o json` does."""
    place.intensity([(60, 120)])
    words = ["--max-delay", "2min", "--duration", "60s", "-o", "json", "--", "true"]
    told = json.loads(call("batch", "submit", *words).stdout)
    shown = json.loads(call("batch", "show", "1", "-o", "json").stdout)
    for name in ("output", "errors"):
        assert shown.pop(name).startswith(str(place.root))
    assert told == shown


def test_print_queues_nothing(place: Place) -> None:
    """`submit --print` prints start and words for `at`, systemd and Slurm, and queues nothing."""
    zero = place.intensity([(60, 120)])
    words = ["--max-delay", "2min", "--duration", "60s", "--print", "--", "sh", "-c", "a b"]
    told = call("batch", "submit", *words)
    start = time.localtime(zero // MS + 60)
    lines = dict(line.split(None, 1) for line in told.stdout.splitlines())
    assert ["start", "command", "at", "systemd", "slurm"] == list(lines)
    assert lines["command"].endswith("sh -c 'a b'")
    assert time.strftime("| at -t %Y%m%d%H%M.%S", start) in lines["at"]
    assert time.strftime("--on-calendar='%Y-%m-%d %H:%M:%S'", start) in lines["systemd"]
    assert time.strftime("sbatch --begin=%Y-%m-%dT%H:%M:%S --wrap=", start) in lines["slurm"]
    assert "no job waits or runs; --all lists those that ended\n" == call("batch", "ls").stdout


def test_all_that_is_wrong_is_told_at_once(place: Place) -> None:
    """No time, no such command, too many cores and an unset variable are told together."""
    words = ["--cores", "10000", "--env", "NO_SUCH", "--", "no-such-command"]
    told = call("batch", "submit", *words)
    assert (2, "") == (told.exit_code, told.stdout)
    wrong = ["batch submit: it is not said by when", "no-such-command: is no command"]
    for text in (*wrong, "--cores: 10000 is more than", "--env NO_SUCH: is not set here"):
        assert text in told.stderr
    assert "no jobs\n" == call("batch", "ls", "--all").stdout


def test_lists(place: Place) -> None:
    """`ls` lists what waits or runs, `--all` what ended too; `plan` goes by time."""
    place.intensity([(60, 70), (300, 400)])
    late = place.submit("true", max_delay_s=400, duration_s=90)
    early = place.submit("true", max_delay_s=100, duration_s=5)
    ended = place.submit("exit 3")
    place.work(ended)
    rows = json.loads(call("batch", "ls", "-o", "json").stdout)
    assert [(late, "waiting"), (early, "waiting")] == [(r["id"], r["state"]) for r in rows]
    last = json.loads(call("batch", "ls", "--all", "-o", "json").stdout)[-1]
    assert (ended, "failed", 3) == (last["id"], last["state"], last["exit_code"])
    table = call("batch", "ls", "--all").stdout.splitlines()
    heads = [word for line in table if line.startswith("id") for word in line.split()]
    assert ["id", "state", "starts", "latest_start", "exit_code", "id", "command"] == heads
    planned = json.loads(call("batch", "plan", "-o", "json").stdout)
    assert [early, late] == [row["id"] for row in planned]
    assert planned[0]["starts"] < planned[1]["starts"]


@pytest.mark.parametrize(
    "words",
    [
        ["/usr/bin/true"],
        ["a", "b c"],
        ["a", ""],
        ["x\ny", "ü"],
        ['"', "$HOME", "a\\b"],
        ["a-b", "c=d"] * 40,
    ],
)
def test_a_command_is_shown_as_a_shell_takes_it(words: list[str]) -> None:
    """Words that need quotes have them, control characters are escaped, what is long is cut."""
    text = escape_control(shlex.join(words))
    assert (text if len(text) <= 48 else f"{text[:47]}…") == _command(json.dumps(words))


def test_nothing_to_list(place: Place) -> None:
    """An empty queue says so in words, and is an empty list in JSON."""
    assert "nothing is planned\n" == call("batch", "plan").stdout
    assert "nothing is settled yet\n" == call("batch", "savings").stdout
    assert "[]\n" == call("batch", "ls", "-o", "json").stdout
    told = call("batch", "show", "7")
    assert (2, "") == (told.exit_code, told.stdout)
    assert "job 7: is not in the queue; `greensched batch ls --all` lists them" in told.stderr


def test_show_tells_why(place: Place) -> None:
    """`show` says why a job waits, when it will run and what that saves; held, that it is."""
    place.intensity([(100, 200)])
    number = str(place.submit("true", max_delay_s=150, duration_s=50))
    why = json.loads(call("batch", "show", number, "-o", "json").stdout)["why"]
    assert why.startswith("waits for ")
    assert why.endswith(", 100 g/kWh rather than 400 at once (+75 % saved)")
    assert f"job {number} is held\n" == call("batch", "hold", number).stdout
    assert "is held, as asked" in call("batch", "show", number).stdout


def test_hold_and_release(place: Place) -> None:
    """A held job does not start however late it is; released, it does; then it is too late."""
    number = place.submit("true")
    assert 0 == call("batch", "hold", str(number)).exit_code
    assert 2 == call("batch", "hold", str(number)).exit_code
    with place.queue() as queue:
        worker = Worker(queue)
        for _ in range(5):
            worker.step(int(time.time() * MS))
        assert is_in(queue, number, HELD)
        worker.close()
    assert f"job {number} waits again\n" == call("batch", "hold", str(number), "--release").stdout
    assert place.work(number).state == FINISHED
    told = call("batch", "hold", str(number))
    assert (2, f"job {number}: is finished; too late to hold it\n") == (
        told.exit_code,
        told.stderr,
    )


def test_run_now_starts_what_waits(place: Place) -> None:
    """A job that waits for a clean hour starts at once when it is asked to; once only."""
    place.intensity([(1_000, 2_000)])
    number = place.submit("true", max_delay_s=1_500)
    with place.queue() as queue:
        worker = Worker(queue)
        worker.step(int(time.time() * MS))
        assert is_in(queue, number, WAITING)
        assert "starts as soon as" in call("batch", "run-now", str(number)).stdout
        working(worker, lambda: is_in(queue, number, FINISHED))
        worker.close()
    told = call("batch", "run-now", str(number))
    assert (2, f"job {number}: is finished; there is nothing to start\n") == (
        told.exit_code,
        told.stderr,
    )


def test_run_now_goes_on_with_what_is_paused(place: Place) -> None:
    """A paused job goes on at once, is not paused again, and keeps what it did."""
    place.intensity([(1, 3), (1_000, 2_000)])
    script = f"{TELL}; sleep 4; {TELL}"
    number = place.submit(script, max_delay_s=1_500, duration_s=6, interruptible=True)
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: is_in(queue, number, PAUSED))
        assert 0 == call("batch", "run-now", str(number)).exit_code
        working(worker, lambda: is_in(queue, number, FINISHED))
        worker.close()
        assert [0, 0] == [run.attempt for run in queue.runs(number)]
    assert 1 == len(set(place.lines()))


def test_who_may_be_paused(place: Place) -> None:
    """By plan a job that may pause waits for its next piece; one that may not runs on."""
    number = place.submit("true", max_delay_s=100)
    job = replace(place.job(number), pieces=((1_000, 2_000), (5_000, 6_000)))
    at = [500, 1_000, 1_999, 2_000, 5_000, 6_000]
    pauses = [should_run(replace(job, interruptible=True), at_ms) for at_ms in at]
    assert [False, True, True, False, True, True] == pauses
    assert all(should_run(job, at_ms) for at_ms in at)


def test_run_now_after_an_interruption(place: Place) -> None:
    """An interrupted job runs again when it is asked to, but never beside what is left of it."""
    number = place.submit("echo a >> $0; sleep 1")
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: bool(place.lines()))
        for supervisor in place.supervisors():
            supervisor.kill()
        working(worker, lambda: is_in(queue, number, INTERRUPTED))
        told = call("batch", "run-now", str(number))
        assert (2, True) == (told.exit_code, "cancel it first" in told.stderr)
        working(worker, lambda: queue.job(number).leader is None)
        assert ["a"] == place.lines()
        assert 0 == call("batch", "run-now", str(number)).exit_code
        working(worker, lambda: is_in(queue, number, FINISHED))
        worker.close()
    assert ["a", "a"] == place.lines()


def test_cancel_what_waits(place: Place) -> None:
    """A job that has not started is taken off the queue, and cannot be cancelled twice."""
    number = place.submit("true", max_delay_s=1_000)
    told = call("batch", "cancel", str(number))
    assert f"job {number} is cancelled; it did not run\n" == told.stdout
    told = call("batch", "cancel", str(number))
    assert (2, f"job {number}: is cancelled; there is nothing to cancel\n") == (
        told.exit_code,
        told.stderr,
    )


@pytest.mark.parametrize("script", ["exec sleep 60", "trap '' TERM; sleep 60 & wait; wait"])
def test_cancel_what_a_killed_supervisor_left(
    place: Place, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs on without a supervisor is asked to end, then ended, and told as cancelled."""
    monkeypatch.setattr("greensched.batch.recovery.GRACE_S", 1.5)
    number = place.submit(f"{TELL}; {script}")
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: bool(place.lines()))
        for supervisor in place.supervisors():
            supervisor.kill()
        working(worker, lambda: is_in(queue, number, INTERRUPTED))
        job = queue.job(number)
        assert is_left(job.leader, job.leader_identity)
        assert f"job {number} is asked to end\n" == call("batch", "cancel", str(number)).stdout
        working(worker, lambda: is_in(queue, number, CANCELLED))
        worker.close()
    assert not is_left(job.leader, job.leader_identity)
    assert 0 < GRACE_S


def test_what_is_left_of_a_group_counts(place: Place) -> None:
    """A rerunnable job does not run again while a process that its leader left still does."""
    script = "(sleep 2; echo child >> $0) & echo a >> $0; sleep 0.7"
    number = place.submit(script, rerunnable=True)
    with place.queue() as queue:
        worker = Worker(queue)
        working(worker, lambda: bool(place.lines()))
        for supervisor in place.supervisors():
            supervisor.kill()
        working(worker, lambda: queue.job(number).attempt == 1)
        worker.close()
    assert ["a", "child"] == place.lines()[:2]


def test_a_full_disk_is_told(place: Place) -> None:
    """Where the queue cannot be written, `submit` says so, exits with 2 and queues nothing."""
    with place.queue() as queue:  # as long as it is open, what is written ahead only grows
        for _ in range(20):
            place.submit("true", max_delay_s=1_000)
        ahead = queue.file.with_name(f"{queue.file.name}-wal").stat().st_size
        done = subprocess.run(
            [sys.executable, "-m", "greensched", "batch", "submit", "--within=1h", "--", "true"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (ahead, ahead)),
            capture_output=True,
            text=True,
            check=False,
        )
    assert (2, "") == (done.returncode, done.stdout)
    assert "queue.sqlite: cannot be read or written: " in done.stderr
    assert "nothing was changed" in done.stderr
    with place.queue() as queue:
        assert 20 == len(queue.jobs())
