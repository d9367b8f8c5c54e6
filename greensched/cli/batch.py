"""`batch submit | run`: a job into the queue, and the worker that runs what is in it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.batch_queue import MS_PER_S, clock_ms, opened, tell_no_worker
from greensched.cli.carbon_options import duration_ms, settings_of, source_options
from greensched.cli.lazy import LazyGroup
from greensched.cli.options import F, form, verbosity
from greensched.cli.values import print_values
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.batch.job import Job
    from greensched.batch.queue import Queue

HERE = "greensched.cli.batch"
JOBS = "greensched.cli.batch_jobs"
CHANGES = "greensched.cli.batch_changes"


@click.group(
    cls=LazyGroup,
    lazy={
        "submit": (f"{HERE}:submit", "Queue a command, to run by carbon."),
        "run": (f"{HERE}:run", "Work: start what is due, until stopped."),
        "ls": (f"{JOBS}:ls", "List jobs."),
        "show": (f"{JOBS}:show", "Tell why a job waits, when it runs, what that saves."),
        "run-now": (f"{CHANGES}:run_now", "Start a job at once."),
        "hold": (f"{CHANGES}:hold", "Keep a job from starting."),
        "cancel": (f"{CHANGES}:cancel", "End a job, or take it off the queue."),
        "plan": (f"{JOBS}:plan", "List what runs when."),
        "savings": (f"{JOBS}:savings", "Tell what waiting saved."),
    },
)
def batch() -> None:
    """Run jobs of this machine when the grid is clean.

    The queue is the user's own, in the state folder. `batch run` is the worker; killing it loses
    nothing. Runs and savings are settled with actual intensity and go into the user's ledger.
    """


def span_option(name: str, text: str) -> Callable[[F], F]:
    """Return an option that takes a duration with its unit, None where it is not given."""
    return click.option(
        f"--{name}",
        f"{name.replace('-', '_')}_ms",
        metavar="DURATION",
        callback=duration_ms,
        help=text,
    )


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND [ARGUMENT...]")
@span_option("within", "It must have ended by then.")
@span_option("max-delay", "The longest wait before it starts.")
@span_option("duration", "How long it runs.  [default: from its past runs, else 1 h]")
@click.option("--zone", metavar="ZONE", help="Of this machine's grid; kept for the queue.")
@source_options
@click.option("--interruptible", is_flag=True, help="It may be stopped and continued.")
@click.option("--rerunnable", is_flag=True, help="It may run again after an interruption.")
@click.option("--cores", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True)
@click.option("--env", multiple=True, metavar="NAME", help="Keep this variable; no other is.")
@click.option(
    "--print", "only_print", is_flag=True, help="Queue nothing: print start and command."
)
@form("table", "json")
@verbosity
def submit(zone: str | None, only_print: bool, form: str, **given: Any) -> None:  # noqa: FBT001
    """Queue COMMAND to run when the grid is clean, in this folder and with this umask.

    --within means finish by. Without a forecast it says so and runs at once. `batch run` has to
    run for anything to start.
    """
    from greensched.batch.submission import Wish, job_of

    with opened() as queue:
        _keep_sources(queue, zone, given)
        wish = Wish(
            argv=given["command"],
            within_ms=given["within_ms"],
            max_delay_ms=given["max_delay_ms"],
            duration_ms=given["duration_ms"],
            cores=given["cores"],
            interruptible=given["interruptible"],
            rerunnable=given["rerunnable"],
            env=given["env"],
        )
        job = job_of(queue, wish, clock_ms())
        if only_print:
            _print_start(job, form)
            return
        number = queue.submit(job)
        _print_submitted(number, job, form)
        tell_no_worker(queue)


def _keep_sources(queue: Queue, zone: str | None, given: dict[str, Any]) -> None:
    """Keep zone and sources for the queue; a machine stands in one zone."""
    from greensched.cli.carbon_options import VARIABLE

    known = queue.setting("zone")
    if zone and known and zone != known and queue.has(("waiting", "held", "starting", "running")):
        what = f"{zone} is not {known}, in which this machine's queue is"
        remedy = "leave it out, or wait until the queue is empty"
        raise UsageError(Finding(where="--zone", what=what, remedy=remedy))
    kept = queue.setting("sources")
    texts = list(given["texts"]) or ([] if kept else os.environ.get(VARIABLE, "").split())
    values: dict[str, Any] = {"zone": zone} if zone and zone != known else {}
    if texts:
        values["sources"] = [str(Path(t).resolve()) if Path(t).exists() else t for t in texts]
        values["source_settings"] = _plain_settings(given)
    if any(queue.setting(name) != value for name, value in values.items()):
        if texts:
            _check_sources(texts, zone or known or "", given)
        queue.set(**values)


def _plain_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was said of sources as plain values."""
    from dataclasses import asdict

    fill = given["fill"]
    names = ("signal", "unit", "query", "time_zone")
    return {**{n: given[n] for n in names}, "fill": None if fill is None else asdict(fill)}


def _check_sources(texts: list[str], zone: str, given: dict[str, Any]) -> None:
    """Raise UsageError or DataError where one is no source, or knows no such zone."""
    from greensched.cli.carbon_options import check_zones, sources_of

    check_zones(sources_of(texts, settings_of(given)), zone)


def _print_start(job: Job, form: str) -> None:
    """Print when the command would start, for who has another scheduler."""
    import shlex
    from datetime import datetime

    start = datetime.fromtimestamp(-(-job.planned_ms // MS_PER_S)).astimezone()
    command = shlex.join(job.argv)
    values = {
        "start": start.isoformat(timespec="seconds"),
        "command": command,
        "at": f"echo {shlex.quote(command)} | at -t {start:%Y%m%d%H%M.%S}",
        "systemd": f"systemd-run --user --on-calendar='{start:%Y-%m-%d %H:%M:%S}' {command}",
        "slurm": f"sbatch --begin={start:%Y-%m-%dT%H:%M:%S} --wrap={shlex.quote(command)}",
    }
    print_values(values, form)
    if job.reason:
        say.tell(job.reason)


def _print_submitted(number: int, job: Job, form: str) -> None:
    """Print the number of a new job, and when it is to start."""
    from greensched.batch.words import saving_text, when
    from greensched.cli.batch_jobs import job_values

    if form == "json":
        print_values({**job_values(job), "id": number}, form)
        return
    click.echo(f"job {number}: starts {when(job.planned_ms)}{saving_text(job)}")
    if job.reason:
        say.tell(job.reason)
    if job.duration_from.startswith("assumed"):
        say.tell(f"takes an hour: {job.duration_from}")


@click.command()
@click.option(
    "--cores", type=click.FloatRange(0, min_open=True), help="That jobs may use; kept.  [all]"
)
@click.option("--idle", metavar="POWER", help="Of this machine when idle, such as 40W; kept.")
@click.option("--peak", metavar="POWER", help="Of it with all cores at work; kept.")
@click.option("--until-empty", is_flag=True, help="End when nothing waits or runs any more.")
@verbosity
def run(
    cores: float | None,
    idle: str | None,
    peak: str | None,
    until_empty: bool,  # noqa: FBT001 click passes flags by name
) -> None:
    """Work: start what is due, and settle what has ended, until stopped (Ctrl-C).

    Jobs outlive it. A new worker takes up where the last one was.
    """
    from greensched.batch.worker import Worker

    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda found, _frame: stopped.append(found))
    with opened() as queue:
        _keep_machine(queue, cores, idle, peak)
        worker = Worker(queue, say.tell)
        say.tell(f"working on {queue.folder}; Ctrl-C ends this, and no job")
        try:
            worker.work(lambda: bool(stopped), until_empty=until_empty)
        finally:
            worker.close()


def _keep_machine(queue: Queue, cores: float | None, idle: str | None, peak: str | None) -> None:
    """Keep what was said of this machine; raises UsageError with all that cannot be."""
    from greensched.power import Linear
    from greensched.scenario.quantity import POWER, QuantityError, convert

    values: dict[str, Any] = {} if cores is None else {"cpu_m": round(cores * 1_000)}
    findings = []
    for name, text in (("idle", idle), ("peak", peak)):
        if text is not None:
            try:
                values[f"{name}_w"] = convert(text, POWER)
            except QuantityError as error:
                findings.append(Finding(where=f"--{name}", what=str(error)))
    if (idle is None) != (peak is None):
        findings.append(Finding(where="--idle", what="and --peak belong together"))
    if findings:
        raise UsageError(*findings)
    if "idle_w" in values:
        Linear(idle_w=values["idle_w"], peak_w=values["peak_w"])
    if values:
        queue.set(**values)
