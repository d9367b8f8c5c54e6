"""`shift`: when a list of jobs would run by carbon, without machines, as the literature does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from greensched.cli import say
from greensched.cli.options import form, overrides, verbosity
from greensched.cli.shift_terms import read_terms
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.carbon import CarbonIntensity
    from greensched.shift import Case, Terms

FORMS = ("table", "json", "csv", "md")
INTERRUPTED = 130
READER_OPTIONS = ("reader", "mapped", "time_unit", "member", "on_bad", "allow_instant")


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator of several, listed in --help in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


job_options = _options(
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
intensity_options = _options(
    click.option(
        "--intensity",
        required=True,
        metavar="FILE",
        help="A file, a folder, bundled:NAME, data:PATH or constant:G_PER_KWH.",
    ),
    click.option("--zone", metavar="ZONE", help="Which one; never assumed."),
    click.option(
        "--from",
        metavar="TIME",
        help="The instant of the trace's zero.  [default: as the trace says]",
    ),
    click.option(
        "--time-zone",
        default="UTC",
        show_default=True,
        metavar="ZONE",
        help="Of times in FILE and --from that state none.",
    ),
    click.option("--fill", type=click.Choice(["hold", "interpolate"]), help="Gaps.  [fail]"),
    click.option("--forecast", metavar="FILE", help="What policies see.  [default: what came]"),
    click.option("--marginal", metavar="FILE", help="Marginal intensity, accounted as well."),
)
term_options = _options(
    click.option("--horizon", metavar="DURATION", help="In which arrivals count.  [default: all]"),
    click.option("--power-per-core", default="1 W", show_default=True, metavar="POWER"),
    click.option("--tick", default="5 s", show_default=True, metavar="DURATION"),
    click.option(
        "--start-step",
        default="1 h",
        show_default=True,
        metavar="DURATION",
        help="Between the starts that lowest-window and carbon-time compare.",
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
policy_options = _options(
    click.option("--policy", "policies", multiple=True, metavar="NAME", help="May be repeated."),
    click.option("--compare", metavar="all|NAME,NAME", help="Several at once.  [default: all]"),
    click.option(
        "--solver",
        type=click.Choice(["greedy", "exact"]),
        default="greedy",
        show_default=True,
        help="Of plan under a cap; exact is for thousands of jobs, not more.",
    ),
)


@click.command()
@click.argument("jobs", type=click.Path(exists=True, path_type=Path))
@intensity_options
@policy_options
@term_options
@job_options
@form(*FORMS)
@verbosity
def shift(jobs: Path, form: str, **given: Any) -> None:
    """Tell what shifting JOBS in time would save, by policy, without and with a cap on cores.

    No machines are simulated: every core that works takes the same power. Each policy stands
    beside its bound, and knows the future unless --forecast says otherwise.
    """
    terms = read_terms(given)
    names = _names(given)
    case, told = _case(jobs, given, terms)
    found = _compared(case, names)
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
    from greensched import registry
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """Where a series is from."""

    source: str
    zone: str | None
    time_zone: str
    fill: Literal["hold", "interpolate"] | None
    option: str

    def read(self) -> CarbonIntensity:
        """Return the series; raises UsageError or DataError where there is none."""
        from greensched.carbon import Fill
        from greensched.providers import constant, files
        from greensched.readers.bundled import bundled_path
        from greensched.scenario.paths import data_root
        from greensched.scenario.quantity import INTENSITY, QuantityError, convert

        kind, _, name = self.source.partition(":")
        text = f"{name} g/kWh" if kind == "constant" else self.source
        try:
            return constant.constant(self.zone or "constant", convert(text, INTENSITY))
        except QuantityError as error:
            if kind == "constant":
                where = f"{self.option} {self.source}"
                raise UsageError(Finding(where=where, what=str(error))) from None
        path = Path(self.source)
        if kind in ("bundled", "data"):
            path = bundled_path(name) if kind == "bundled" else (data_root() or Path()) / name
        if not path.exists():
            raise UsageError(Finding(where=f"{self.option} {self.source}", what="is not there"))
        if not self.zone:
            known = ", ".join(files.zones(path)) or "the file does not name any: give it a name"
            what = "no zone was named, and none is ever assumed"
            raise UsageError(Finding(where="--zone", what=what, remedy=f"zones: {known}"))
        fill = Fill(kind=self.fill) if self.fill else None
        return files.read(path, self.zone, time_zone=self.time_zone, fill=fill)


def _case(path: Path, given: dict[str, Any], terms: Terms) -> tuple[Case, list[str]]:
    """Return the study, and what to tell of it."""
    from greensched.cli.shift_terms import begin
    from greensched.cli.traces import opened_trace
    from greensched.model import NONE
    from greensched.report.words import plural
    from greensched.shift import case
    from greensched.ticks import on_ticks

    trace = opened_trace([path], {name: given[name] for name in READER_OPTIONS})
    if trace.jobs is None or not len(trace.jobs):
        raise UsageError(Finding(where=str(path), what="holds no jobs"))
    common = {name: given[name] for name in ("zone", "time_zone", "fill")}
    series = {
        name: _Series(source=given[name], option=f"--{name}", **common).read()
        for name in ("intensity", "forecast", "marginal")
        if given[name]
    }
    zero_ms, offset_ms = begin(given["from"] or trace.zero_utc, given["time_zone"])
    grids = {
        name: on_ticks(one, zero_ms=zero_ms, tick_ms=terms.tick_ms, offset_ms=offset_ms)
        for name, one in series.items()
    }
    made = case(
        trace.jobs,
        grids["intensity"],
        terms,
        signal=grids.get("forecast"),
        marginal=grids.get("marginal"),
    )
    from greensched.report.shifting import heading

    told = [*heading(path.name, made, series["intensity"], forecast=given["forecast"] or "")]
    deadlines = int((trace.jobs.deadline_ms != NONE).sum())
    if deadlines:
        told.append(f"deadlines of {plural(deadlines, 'job')} not looked at: queues say who waits")
    told += [finding for one in series.values() for finding in one.findings]
    return made, told + list(trace.findings)


def _compared(case: Case, names: list[str]) -> list[dict[str, Any]]:
    """Return the rows, progress on stderr; interrupted, exit with 130."""
    from greensched.cli.progress import Progress
    from greensched.shift import rows

    progress = Progress()
    try:
        with progress:
            return rows(case, names, told=progress)
    except KeyboardInterrupt:
        click.echo(f"interrupted during '{progress.what}'; nothing was written", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
