"""`batch ls | show | plan | savings`: what is asked of the queue, never changing it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import click

from greensched.batch.words import when, why
from greensched.cli.batch_queue import clock_ms, opened, tell_no_worker
from greensched.cli.options import form, verbosity
from greensched.cli.values import print_values
from greensched.errors import escape_control

if TYPE_CHECKING:
    from greensched.batch.job import Job

MG_PER_G: Final = 1_000
STATES: Final = ("waiting", "held", "starting", "running", "paused")
# A list, as JSON, of words that need no quotes in a shell: most of ten thousand.
PLAIN_WORDS: Final = re.compile(r'\["[\w@%+=:,./-]+"(?:, "[\w@%+=:,./-]+")*\]', re.ASCII)
NAMED: Final = 48  # characters of a command in a table


def job_values(job: Job) -> dict[str, Any]:
    """Return a job as plain values, instants in ISO 8601; of its environment the names alone."""
    return {
        "id": job.id,
        "state": job.state,
        "command": list(job.argv),
        "folder": job.folder,
        "env": sorted(job.env),
        "cores": job.cpu_m / 1_000,
        "interruptible": job.interruptible,
        "rerunnable": job.rerunnable,
        "created": when(job.created_ms),
        "duration_ms": job.duration_ms,
        "duration_from": job.duration_from,
        "latest_start": when(job.latest_start_ms),
        "planned": [[when(a), when(b)] for a, b in job.pieces],
        "why": why(job),
        "now_g_per_kwh": job.now_g_per_kwh,
        "planned_g_per_kwh": job.planned_g_per_kwh,
        "started": None if job.started_ms is None else when(job.started_ms),
        "ended": None if job.ended_ms is None else when(job.ended_ms),
        "exit_code": job.exit_code,
        "cpu_ms": job.cpu_ms,
        "power_w": job.power_w,
        "energy_quality": job.quality,
        "settled": json.loads(job.settled) if job.settled else None,
        "entry": job.entry or None,
    }


def _command(argv: str) -> str:
    """Return a command, given as JSON, as a shell would take it, cut to the room of a table."""
    if PLAIN_WORDS.fullmatch(argv):
        text = argv[2:-2].replace('", "', " ")
    else:
        import shlex

        text = escape_control(shlex.join(json.loads(argv)))
    return text if len(text) <= NAMED else text[: NAMED - 1] + "…"


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that have ended.")
@form("table", "json", "csv")
@verbosity
def ls(every: bool, form: str) -> None:  # noqa: FBT001 click passes flags by name
    """List the jobs that wait or run."""
    from greensched.cli.carbon import printed

    with opened() as queue:
        jobs = queue.listing(() if every else STATES)
        if queue.has(("waiting",)):
            tell_no_worker(queue)
    if form == "table" and not jobs:
        click.echo("no jobs" if every else "no job waits or runs; --all lists those that ended")
        return
    columns = ["id", "state", "starts", "latest_start", "exit_code", "command"]
    rows: list[list[Any]] = [
        [number, state, start, latest, code, _command(argv)]
        for number, state, start, latest, code, argv in jobs
    ]
    click.echo(printed(columns, rows, form), nl=False)


@click.command()
@click.argument("number", metavar="ID", type=int)
@form("table", "json")
@verbosity
def show(number: int, form: str) -> None:
    """Tell why a job waits, when it runs and what that saves; of one that ended, how."""
    from greensched.batch.folder import log_file

    with opened() as queue:
        job = queue.job(number)
        if job.state == "waiting":
            tell_no_worker(queue)
        values = job_values(job)
        values |= {"output": str(log_file(queue.folder, number, "out"))}
        values |= {"errors": str(log_file(queue.folder, number, "err"))}
    if form == "table":
        values["command"] = _command(json.dumps(job.argv))
        values["planned"] = ", ".join(f"{a} to {b}" for a, b in values["planned"])
        values["settled"] = _settled_text(job) if job.settled else None
        values = {k: v for k, v in values.items() if v not in (None, [], "")}
    print_values(values, form)


def _settled_text(job: Job) -> str:
    """Return a settlement in a line."""
    found = json.loads(job.settled)
    intensity = found["intensity"]
    flags = f"{intensity['status']}{', synthetic' if intensity['synthetic'] else ''}"
    key = job.entry or "in no ledger: `greensched ledger init` makes one"
    return (
        f"saved {found['saved_mg'] / MG_PER_G:+.3f} g: {found['actual_mg'] / MG_PER_G:.3f} rather "
        f"than {found['counterfactual_mg'] / MG_PER_G:.3f} g ({flags}); {key}"
    )


@click.command()
@form("table", "json", "csv")
@verbosity
def plan(form: str) -> None:
    """List what runs when, in order of time, as the worker planned it."""
    from greensched.cli.carbon import printed

    with opened() as queue:
        pieces = queue.agenda(("waiting", "running", "paused"), clock_ms())
    rows: list[list[Any]] = [
        [begin, end, number, cpu_m / 1_000, mean, _command(argv)]
        for begin, end, number, cpu_m, mean, argv in pieces
    ]
    if form == "table" and not rows:
        click.echo("nothing is planned")
        return
    columns = ["starts", "ends", "id", "cores", "g_per_kwh", "command"]
    click.echo(printed(columns, rows, form), nl=False)


@click.command()
@form("table", "json", "csv")
@verbosity
def savings(form: str) -> None:
    """Tell what waiting saved, job by job and in all; what cost is listed as well.

    Against the same work done at once when the job was queued, at the same power; whether the
    machine was free then is not asked.
    """
    from greensched.cli.carbon import printed

    with opened() as queue:
        jobs = queue.jobs(("finished", "failed"))
    columns = [
        "id",
        "energy_wh",
        "emitted_g",
        "at_once_g",
        "saved_g",
        "intensity",
        "energy",
        "entry",
    ]
    rows: list[list[Any]] = [_saved_row(job) for job in jobs if job.settled]
    waiting = sum(not job.settled for job in jobs)
    if form == "table" and not rows:
        click.echo("nothing is settled yet")
    else:
        click.echo(printed(columns, rows, form), nl=False)
    if form == "table":
        if rows:
            click.echo(f"saved in all: {sum(row[4] for row in rows):+.3f} g CO2e")
        if waiting:
            click.echo(f"{waiting:,} more wait for actual intensity")


def _saved_row(job: Job) -> list[Any]:
    found = json.loads(job.settled)
    intensity = found["intensity"]
    return [
        job.id,
        found["energy_mwh_milli"] / MG_PER_G,
        found["actual_mg"] / MG_PER_G,
        found["counterfactual_mg"] / MG_PER_G,
        found["saved_mg"] / MG_PER_G,
        intensity["status"] + (", synthetic" if intensity["synthetic"] else ""),
        job.quality,
        job.entry or None,
    ]
