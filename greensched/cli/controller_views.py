"""`controller scout | plan | explain`: what is asked of a cluster, never changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.carbon_options import Asked, chain_options, duration_ms
from greensched.cli.controller import clock_ms, cluster_options, connected
from greensched.cli.options import form, verbosity
from greensched.cli.values import print_values
from greensched.errors import DataError, Finding, UsageError
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greensched.controller.api import Json
    from greensched.controller.job import Job
    from greensched.controller.scout import Found


@click.command()
@cluster_options
@click.option("--zone", required=True, metavar="ZONE", help="Of the cluster's grid.")
@click.option(
    "--max-delay",
    "max_delay_ms",
    default="12h",
    show_default=True,
    callback=duration_ms,
    help="The longest wait that is asked about.",
)
@chain_options
@form("table", "json", "csv")
@verbosity
def scout(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    zone: str,
    max_delay_ms: int,
    form: str,
    **given: Any,
) -> None:
    """Tell what deferring would save in the next 24 h; needs get and list alone.

    Each run for itself, without a cap, at assumed watts for each core requested. Nothing need be
    installed, and nothing is changed; the patches printed opt in one CronJob or Job each.
    """
    from greensched.controller.scout import scouted

    ahead_ms = MS_PER_DAY + max_delay_ms + 6 * MS_PER_H
    answer = Asked(zone=zone, ahead_ms=ahead_ms, given=given).answer()
    if answer.series is None:
        told = "; ".join(f"{step.source}: {step.what}" for step in answer.steps if step.what)
        raise DataError(Finding(where=zone, what=f"nothing is known of the next hours: {told}"))
    cluster = connected(kubeconfig, context)
    found = scouted(cluster, answer.series, answer.query.now_ms, max_delay_ms, namespace)
    _print_found(found, form)


def _print_found(found: Sequence[Found], form: str) -> None:
    """Print what was scouted; patches below the table."""
    from greensched.cli.carbon import printed

    columns = ["kind", "namespace", "name", "runs", "run_h", "at_once_g", "saved_g", "left_alone"]
    rows: list[list[Any]] = [
        [
            one.kind,
            one.namespace,
            one.name,
            one.runs,
            round(one.duration_ms / MS_PER_H, 2),
            round(one.at_once_g, 1),
            round(one.saved_g, 1),
            one.why_not or None,
        ]
        for one in found
    ]
    if form != "table":
        both = zip(rows, found, strict=True)
        rows = [[*row, one.duration_from, one.patch] for row, one in both]
        columns += ["run_from", "patch"]
        click.echo(printed(columns, rows, form), nl=False)
        return
    if not found:
        click.echo("no CronJob, and no Job that has not ended")
        return
    click.echo(printed(columns, rows, form), nl=False)
    saved, at_once = sum(one.saved_g for one in found), sum(one.at_once_g for one in found)
    share = f" ({saved / at_once:.0%})" if at_once else ""
    click.echo(f"in 24 h: {saved:,.1f} of {at_once:,.1f} g CO2e{share} less, at assumed power")
    for one in found:
        if one.patch:
            click.echo(f"\n# {one.kind} {one.namespace}/{one.name}\n{one.patch}")


@click.command()
@cluster_options
@form("table", "json", "csv")
@verbosity
def plan(kubeconfig: Path | None, context: str | None, namespace: str, form: str) -> None:
    """List what waits, in order of its start: until when, by when at the latest, and why.

    In a dry run: what would.
    """
    from greensched.cli.carbon import printed
    from greensched.controller.api import JOBS, pages
    from greensched.controller.job import read_job
    from greensched.controller.names import LATEST_START, PLANNED_START, SELECTOR, STATUS
    from greensched.controller.words import would_wait

    cluster = connected(kubeconfig, context)
    jobs = [
        read_job(r) for page in pages(cluster, JOBS, namespace, SELECTOR) for r in page["items"]
    ]
    now_ms = clock_ms() + cluster.skew_ms
    waiting = [
        job
        for job in jobs
        if (job.is_suspended and job.ended_ms is None) or would_wait(job, now_ms)
    ]
    waiting.sort(key=lambda job: (job.notes.get(PLANNED_START, "~"), job.key))
    rows: list[list[Any]] = [
        [job.key, *(job.notes.get(name) for name in (PLANNED_START, LATEST_START, STATUS))]
        for job in waiting
    ]
    if form == "table" and not rows:
        click.echo(f"nothing waits, of {len(jobs)} with the label")
        return
    click.echo(printed(["job", "planned_start", "latest_start", "why"], rows, form), nl=False)


@click.command()
@click.argument("job", metavar="[NAMESPACE/]JOB")
@cluster_options
@form("table", "json")
@verbosity
def explain(
    job: str, kubeconfig: Path | None, context: str | None, namespace: str, form: str
) -> None:
    """Tell where one Job stands, why, and what its waiting saves."""
    space, _, name = job.removeprefix("job/").rpartition("/")
    space = space or namespace or "default"
    if not name:
        raise UsageError(Finding(where="explain", what=f"{job!r} names no Job"))
    print_values(_explained(connected(kubeconfig, context), space, name, form), form)
    say.tell("changes of the controller are its Events: kubectl describe job", at=say.VERBOSE)


def _explained(cluster: Any, namespace: str, name: str, form: str) -> dict[str, Any]:
    """Return all that is known of a Job."""
    from greensched.controller.api import DEFERRALS, JOBS, POLICIES, ApiError, pages
    from greensched.controller.deferral import name_of, read_deferral
    from greensched.controller.job import read_job
    from greensched.controller.learning import Learning
    from greensched.controller.policy import policy_of, read_policy
    from greensched.controller.reconcile import assess

    found = read_job(cluster.get(JOBS, namespace, name))
    policies = [read_policy(r) for page in pages(cluster, POLICIES) for r in page["items"]]
    policy, no_policy = policy_of(policies, namespace)
    try:
        raw = cluster.get(DEFERRALS, namespace, name_of(found.uid))
    except ApiError:
        raw = None
    record = None if raw is None else read_deferral(raw)
    assessed = assess(
        found,
        phase="" if record is None else record.phase,
        policy=policy,
        no_policy=no_policy,
        defaults=Learning(cluster).defaults(found, policy),
        now_ms=clock_ms() + cluster.skew_ms,
    )
    values: dict[str, Any] = {
        "job": found.key,
        "standing": assessed.standing.value,
        "why": assessed.why or found.notes.get("status", ""),
        "policy": no_policy if policy is None else policy.name,
        **_terms(found, assessed.terms),
        "settled": None if raw is None else raw["spec"].get("settled"),
    }
    if form == "json":
        return values
    if record is not None and record.settled is not None:
        from greensched.controller.words import settled

        values["settled"] = settled(record.settled)
    return {k: v for k, v in values.items() if v not in (None, "", [])}


def _terms(job: Job, terms: Any) -> Json:
    """Return when a Job may start, as plain values."""
    from greensched.providers.points import utc

    if terms is None:
        return {}
    return {
        "asked": terms.said,
        "planned_start": job.notes.get("planned-start"),
        "latest_start": utc(terms.latest_start_ms),
        "duration_s": terms.duration_ms // 1_000,
        "duration_from": terms.duration_from,
        "interruptible": terms.checkpoint_ms is not None,
        "remarks": list(terms.remarks),
    }
