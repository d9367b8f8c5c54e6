"""`shift`: when a list of jobs would run by carbon, without machines, as the literature does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched import registry
from greensched.cli import say
from greensched.cli.carbon_options import unasked
from greensched.cli.options import form, overrides, stack, verbosity
from greensched.cli.shift_series import Asked, series_options
from greensched.cli.shift_sites import read_sites, site_options
from greensched.cli.shift_terms import all_told, read_terms
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from greensched.carbon import CarbonIntensity
    from greensched.shift import Case, Moving, Space, Terms
    from greensched.ticks import TickIntensity

EXAMPLE = (
    "For example: greensched shift jobs.csv --time-unit h --intensity de.csv --zone DE --from "
    "2023-01-01T00:00Z --queue short:2h:6h --queue long::24h --expected-length queue-mean"
)
FORMS = ("table", "json", "csv", "md")
INTERRUPTED = 130
SERIES = ("intensity", "forecast", "marginal")
READER_OPTIONS = ("reader", "mapped", "time_unit", "member", "on_bad", "allow_instant")


job_options = stack(
    click.option("--reader", metavar="NAME", help="Format of JOBS."),
    click.option("--time-unit", metavar="ms|s|min|h", help="Of the times in JOBS."),
    click.option(
        "--map",
        "mapped",
        multiple=True,
        metavar="NAME=COLUMN",
        callback=overrides,
        help="The file's column for a column of the schema; may be repeated.",
    ),
    click.option("--member", metavar="FILE", help="Which file of an archive."),
    click.option("--on-bad", type=click.Choice(["fail", "drop"]), help="Bad rows.  [fail]"),
    click.option("--allow-instant", is_flag=True, help="Keep jobs of length 0."),
)
term_options = stack(
    click.option("--horizon", metavar="DURATION", help="In which arrivals count.  [default: all]"),
    click.option("--power-per-core", default="1 W", show_default=True, metavar="POWER"),
    click.option("--tick", default="5 s", show_default=True, metavar="DURATION"),
    click.option(
        "--start-step",
        metavar="DURATION",
        help="Between the starts that lowest-window and carbon-time compare.  [default: 1 h, cut "
        "to whole ticks]",
    ),
    click.option(
        "--queue",
        "queues",
        multiple=True,
        metavar="NAME:BELOW:WAIT",
        help="Jobs shorter than BELOW (empty: any) wait at most WAIT; may be repeated.  "
        "[default: all::24h]",
    ),
    click.option(
        "--expected-length",
        type=click.Choice(["job", "queue-mean"]),
        default="job",
        show_default=True,
        help="What lowest-window and carbon-time take for a job's length.",
    ),
    click.option(
        "--interruptible",
        is_flag=True,
        help="Jobs may pause in plan, next-workday and semi-weekly too.",
    ),
    click.option("--reserved", type=float, default=0.0, metavar="N", help="Reserved cores."),
    click.option("--price-on-demand", metavar="P", help="Of a core-hour: 0.0624, or 0.06 EUR/h."),
    click.option("--reserved-discount", metavar="D", help="Of that price: 0.6, or 60 %."),
    click.option(
        "--capacity",
        type=float,
        metavar="N",
        help="Cores of the results under a cap.  [default: 95th percentile of no-wait]",
    ),
)
more_options = stack(
    click.option(
        "--checkpoint",
        metavar="DURATION",
        help="Of work, each time a job goes on after a pause: emitted by all, minded by plan.  "
        "[none]",
    ),
    click.option(
        "--throughput",
        metavar="1,T2,..",
        help="What 1, 2, .. workers of a job do, against one: adds carbon-scaler, which runs jobs "
        "wider in clean hours.",
    ),
)
policy_options = stack(
    click.option(
        "--policy",
        "policies",
        multiple=True,
        metavar="NAME",
        help=f"One of {', '.join(registry.SHIFTING)}; may be repeated.",
    ),
    click.option("--compare", metavar="all|NAME,NAME", help="Several at once.  [default: all]"),
    click.option(
        "--solver",
        type=click.Choice(["greedy", "exact"]),
        default="greedy",
        show_default=True,
        help="Of plan under a cap; exact, a linear program rounded, is for thousands of jobs, not "
        "more, and without pauses for small cases.",
    ),
)


@click.command(epilog=EXAMPLE)
@click.argument("jobs", type=click.Path(exists=True, path_type=Path))
@series_options
@policy_options
@term_options
@more_options
@site_options
@job_options
@form(*FORMS)
@verbosity
def shift(jobs: Path, form: str, **given: Any) -> None:
    """Tell what shifting JOBS in time would save, by policy, without and with a cap on cores.

    No machines are simulated: every core that works takes the same power. What a policy saves
    against no-wait stands beside its bound, the most that its waits and pauses allow, and the
    share of that which it captured; each knows the future unless --forecast says otherwise.
    """
    names, terms, sites = all_told(given, _names, read_terms, read_sites)
    case, space, told, facts = _case(jobs, given, terms, sites)
    found = [row | facts for row in _compared(case, names, space)]
    from greensched.report import shifting as shown

    if form == "json":
        from greensched.report.outputs import json_text

        click.echo(json_text(found), nl=False)
        return
    for line in told:
        say.tell(line)
    text = {"csv": shown.shifting_csv, "md": shown.shifting_markdown}.get(form)
    click.echo(text(found) if text else shown.shifting_text(found), nl=False)


def _names(given: dict[str, Any]) -> list[str]:
    """Return the policies that are asked for; raises UsageError for unknown ones."""
    from greensched.shift import registered

    asked = list(given["policies"])
    for name in (given["compare"] or "").split(","):
        asked += registered() if name.strip() == "all" else [name.strip()] if name.strip() else []
    asked = list(dict.fromkeys(asked)) or list(registered())
    findings: list[Finding | str] = []
    for name in asked:
        try:
            registry.load("shifting policy", name)
        except UsageError as error:
            findings += error.findings
    if findings:
        raise UsageError(*findings)
    return asked


def _asked(given: dict[str, Any], zero_ms: int, span_ms: int) -> dict[str, Asked]:
    """Return the series that policies see, and by which is accounted."""
    from greensched.providers.points import Settings

    said = {name: given[name] for name in ("signal", "unit", "query", "time_zone", "fill")}
    named = [given[name] for name in SERIES if given[name]]
    if found := unasked(given["query"], [text.partition(":")[0] for text in named]):
        raise UsageError(*found)
    return {
        name: Asked(
            option=f"--{name}",
            source=given[name],
            settings=Settings(**said | ({"signal": "marginal"} if name == "marginal" else {})),
            from_ms=zero_ms,
            until_ms=zero_ms + span_ms,
        )
        for name in SERIES
        if given[name]
    }


def _case(
    path: Path, given: dict[str, Any], terms: Terms, sites: tuple[dict[str, int], Moving]
) -> tuple[Case, Space | None, list[str], dict[str, bool]]:
    """Return the study, other sites if any, what to tell of it, and what is true of each row."""
    from greensched.cli.shift_terms import begin
    from greensched.cli.traces import opened_trace
    from greensched.errors import plural
    from greensched.model import NONE
    from greensched.report.shifting import heading, is_annual
    from greensched.shift import Site, Space, case, last_ms
    from greensched.ticks import on_ticks

    trace = opened_trace([path], {name: given[name] for name in READER_OPTIONS})
    if trace.jobs is None or not len(trace.jobs):
        raise UsageError(Finding(where=str(path), what="holds no jobs"))
    zero_ms, offset_ms = begin(given["from"] or trace.zero_utc, given["time_zone"])
    asked = _asked(given, zero_ms, last_ms(trace.jobs, terms))

    def grid(one: CarbonIntensity) -> TickIntensity:
        return on_ticks(one, zero_ms=zero_ms, tick_ms=terms.tick_ms, offset_ms=offset_ms)

    series = {name: one.read(given["zone"]) for name, one in asked.items()}
    grids = {name: grid(one) for name, one in series.items()}
    zones, moving = sites
    others, used = [], list(series.values())
    for zone, cpu_m in zones.items():
        there = [asked[name].read(zone) for name in ("intensity", "forecast") if name in asked]
        actual, signal = grid(there[0]), grid(there[-1])
        others.append(Site(zone=zone, intensity=actual, signal=signal, cpu_m=cpu_m))
        used += there
    made = case(
        trace.jobs,
        grids["intensity"],
        terms,
        signal=grids.get("forecast"),
        marginal=grids.get("marginal"),
        others=[one for site in others for one in (site.intensity, site.signal)],
    )
    told = [*heading(path.name, made, series["intensity"], forecast=given["forecast"] or "")]
    deadlines = int((trace.jobs.deadline_ms != NONE).sum())
    if deadlines:
        told.append(f"deadlines of {plural(deadlines, 'job')} not looked at: queues say who waits")
    told += [finding for one in series.values() for finding in one.findings]
    space = Space(home=given["zone"], others=tuple(others), moving=moving) if others else None
    facts = {
        "synthetic": trace.synthetic or any(one.labels.synthetic for one in used),
        "assessable": not is_annual(series["intensity"]),
    }
    return made, space, told + list(trace.findings), facts


def _compared(case: Case, names: list[str], space: Space | None) -> list[dict[str, Any]]:
    """Return the rows, progress on stderr; interrupted, exit with 130."""
    from greensched.cli.progress import Progress
    from greensched.shift import rows

    progress = Progress()
    try:
        with progress:
            return rows(case, names, space=space, told=progress)
    except KeyboardInterrupt:
        click.echo(f"interrupted during '{progress.what}'; nothing was written", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
