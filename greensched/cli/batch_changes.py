"""`batch run-now | hold | cancel`: what changes a job that is queued."""

from __future__ import annotations

import click

from greensched.cli.batch_queue import clock_ms, opened
from greensched.cli.options import verbosity
from greensched.errors import Finding, UsageError

id_argument = click.argument("number", metavar="ID", type=int)


def _refused(number: int, state: str, what: str) -> UsageError:
    """Return the error of a change that comes too late."""
    return UsageError(Finding(where=f"job {number}", what=f"is {state}; {what}"))


@click.command(name="run-now")
@id_argument
@verbosity
def run_now(number: int) -> None:
    """Start a job at once; one that is paused goes on, one that was interrupted runs again."""
    from greensched.batch.job import HELD, INTERRUPTED, PAUSED, WAITING
    from greensched.batch.recovery import run_again

    with opened() as queue:
        job, now_ms = queue.job(number), clock_ms()
        if job.state == INTERRUPTED and job.leader is not None:
            raise _refused(number, job.state, "and its process still runs: cancel it first")
        if job.state == INTERRUPTED:
            run_again(queue, job, "was interrupted; runs again, as asked")
        states = (WAITING, HELD, PAUSED)
        earlier_ms = min(job.latest_start_ms, now_ms)
        if not queue.change(
            number,
            states=states,
            state=PAUSED if job.state == PAUSED else WAITING,
            interruptible=False if job.state == PAUSED else job.interruptible,
            latest_start_ms=earlier_ms,
            pieces=(),
            reason="starts now, as asked",
        ):
            raise _refused(number, queue.job(number).state, "there is nothing to start")
    click.echo(f"job {number} starts as soon as the worker sees it and cores are free")


@click.command()
@id_argument
@click.option("--release", is_flag=True, help="Let it go again.")
@verbosity
def hold(number: int, release: bool) -> None:  # noqa: FBT001 click passes flags by name
    """Keep a job from starting, also past its latest start, until it is released."""
    from greensched.batch.job import HELD, WAITING

    before, after = (HELD, WAITING) if release else (WAITING, HELD)
    with opened() as queue:
        state = queue.job(number).state
        reason = "" if release else "is held, as asked"
        if not queue.change(number, states=(before,), state=after, reason=reason):
            what = "only a job that is held can be released" if release else "too late to hold it"
            raise _refused(number, state, what)
    click.echo(f"job {number} {'waits again' if release else 'is held'}")


@click.command()
@id_argument
@verbosity
def cancel(number: int) -> None:
    """Take a job off the queue, or end all of its processes if it runs."""
    from greensched.batch.job import ACTIVE, CANCELLED, INTERRUPTED, QUEUED

    with opened() as queue:
        job, now_ms = queue.job(number), clock_ms()
        if queue.change(number, states=QUEUED, state=CANCELLED, ended_ms=now_ms):
            click.echo(f"job {number} is cancelled; it did not run")
            return
        runs = job.state != INTERRUPTED or job.leader is not None
        if not runs or not queue.change(number, states=(*ACTIVE, INTERRUPTED), cancel=True):
            raise _refused(number, queue.job(number).state, "there is nothing to cancel")
    click.echo(f"job {number} is asked to end")
