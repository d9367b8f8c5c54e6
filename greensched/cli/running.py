"""`run` and `demo`: replay, account, write, print, gate."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.options import (
    demo_workers_option,
    form,
    scenario_options,
    verbosity,
    workers_option,
)
from greensched.errors import Finding, InternalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment import Question, Result
    from greensched.scenario import Scenario

attribution_option = click.option(
    "--attribution/--no-attribution",
    default=True,
    show_default=True,
    help="Run every combination of the switches too, and tell which saves what.",
)
sizing_option = click.option(
    "--sizing/--no-sizing",
    default=True,
    show_default=True,
    help="Find the smallest fleet too that keeps the objectives, as `size` does: tens of runs.",
)
DEMO = "tidal-week.yaml"
FORMS = ("table", "json", "csv", "md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked of a scenario."""

    path: Path
    overridden: dict[str, str] = field(default_factory=dict)
    overlay: Path | None = None
    seed: int | None = None
    allow_outside: bool = False
    on_bad: str | None = None
    attribution: bool = True  # run all combinations of the switches
    sizing: bool = True  # find the smallest fleets
    per_year: bool = False  # price its usage by every week of a year

    def load(self) -> Scenario:
        """Return the scenario with what was asked applied."""
        from greensched.scenario import load

        changes: dict[str, Any] = {}
        if self.overlay is not None:
            from greensched.scenario.calibration import read_overlay

            changes |= read_overlay(self.overlay)
        changes |= self.overridden
        if self.seed is not None:
            changes["seed"] = self.seed
        scenario = load(self.path, changes, allow_outside=self.allow_outside)
        return scenario if self.on_bad is None else _with_on_bad(scenario, self.on_bad)

    @property
    def calibration(self) -> str:
        """Return the page of the calibration that wrote the overlay; empty where there is none."""
        page = None if self.overlay is None else self.overlay.with_suffix(".html")
        if page is None or not page.is_file():
            return ""
        return page.read_text(encoding="utf-8")

    @property
    def command(self) -> str:
        """Return the command that repeats it, the path as it was typed."""
        words = ["greensched", "run", str(self.path)]
        words += [] if self.overlay is None else ["--overlay", str(self.overlay)]
        for path, value in self.overridden.items():
            words += ["--set", f"{path}={value}"]
        words += [] if self.seed is None else ["--seed", str(self.seed)]
        words += ["--allow-outside"] if self.allow_outside else []
        words += [] if self.on_bad is None else ["--on-bad", self.on_bad]
        words += [] if self.attribution else ["--no-attribution"]
        words += [] if self.sizing else ["--no-sizing"]
        words += ["--per-year"] if self.per_year else []
        return shlex.join(words)


def _with_on_bad(scenario: Scenario, on_bad: str) -> Scenario:
    """Return the scenario with the readers of its traces told what to do with bad rows."""
    changes: dict[str, Any] = {}
    for part in ("services", "jobs", "databases"):
        given = scenario.source.tree["traces"].get(part)
        if isinstance(given, str):
            changes[f"traces.{part}"] = {"file": given, "on_bad": on_bad}
        elif given is not None:
            changes[f"traces.{part}.on_bad"] = on_bad
    return scenario.overridden(changes)


def replay(
    scenario: Scenario,
    workers: int = 1,
    attribution: Question | None = None,
    *,
    sizing: bool = False,
    command: str = "",
) -> Result:
    """Return the result of a scenario, its runs in `workers` processes, progress on stderr.

    With `attribution` all combinations of its switches are run too, with `sizing` the smallest
    fleets are found. Raises InternalError where its balance is broken, which is told with
    `command`, the one that was typed if that is empty. Interrupted, it says how far it came and
    exits with 130; nothing has been written then.
    """
    from greensched.cli.interrupt import interruptible

    with interruptible() as progress:
        from greensched.engine.kernels.warm import is_compiled
        from greensched.experiment import Processes
        from greensched.experiment import run as replayed
        from greensched.experiment.size import size, typical_runs
        from greensched.experiment.tally import Tally

        if not is_compiled():
            say.tell("compiling kernels (once, about 20 s)...")
        counted = Tally(progress)
        sizes = counted.part(typical_runs(scenario), guessed=True) if sizing else None
        with Processes(workers) as executor:
            result = replayed(
                scenario, attribution=attribution, progress=counted, executor=executor
            )
            check_balance(result, command or typed())
            if sizes is None:
                return result
            found = size(scenario, progress=sizes, executor=executor, known=result)
            return replace(result, sizing=found)


def printed(summary: dict[str, Any], form: str) -> str:
    """Return a summary in one of the forms."""
    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(summary)
    if form == "csv":
        from greensched.report.marked import result_csv

        return result_csv(summary)
    if form == "md":
        from greensched.report.marked import result_markdown

        return result_markdown(summary)
    from greensched.report.terminal import result_text, width

    return result_text(summary, columns=width(), colour=say.is_colour())


def typed() -> str:
    """Return the command line that was typed."""
    return shlex.join(["greensched", *sys.argv[1:]])


def check_balance(result: Result, command: str) -> None:
    """Raise InternalError where a balance check fails, the case for a bug report written."""
    failed = {
        name: [check for check in checks if not check.ok] for name, checks in result.checks.items()
    }
    if not any(failed.values()):
        return
    from greensched.report.outputs import json_text, versions, write_texts

    folder = Path(f"balance-{result.scenario.result_name}")
    case = {
        "command": command,
        "versions": versions(),
        "failed": {
            name: [[c.name, c.left, c.right, c.unit] for c in checks]
            for name, checks in failed.items()
            if checks
        },
    }
    write_texts(folder, {"scenario.yaml": result.scenario.text, "case.json": json_text(case)})
    told = "; ".join(
        f"{name}: {c.name} differs by {c.difference:,} {c.unit}"
        for name, checks in failed.items()
        for c in checks
    )
    raise InternalError(f"balance: {told}; add {folder}/ to the report")


def carry_out(
    asked: Asked,
    out: Path | None,
    form: str,
    *,
    workers: int = 1,
    command: str = "",
    record: Callable[[Path], None] = lambda _folder: None,
) -> dict[str, Any]:
    """Run a scenario, write its results, print them, record them; return the summary."""
    from greensched.experiment import Question
    from greensched.experiment.per_year import check_year
    from greensched.experiment.sensitivity import priced_only
    from greensched.report.outputs import check_place, own_files, verifications, write_result
    from greensched.report.page import page
    from greensched.scenario.calibration import UNCALIBRATED, stamp_of

    scenario = asked.load()
    folder = out or Path("results") / scenario.result_name
    check_place(folder)
    verifications(folder, scenario.hash)  # one that is damaged is told of before an hour's run
    if asked.per_year:
        check_year(scenario)
    question = Question() if asked.attribution and scenario.policies else None
    known = command or asked.command
    result = replay(scenario, workers, question, sizing=asked.sizing, command=known)
    sure = priced_only(result).document
    given = "" if stamp_of(scenario.spec) == UNCALIBRATED else asked.calibration
    write_result(result, folder, command=known, page=page, sensitivity=sure, calibration=given)
    summary = result.summary
    click.echo(printed(summary, form), nl=False)
    if asked.per_year:
        tell_year(yearly(result), folder, form)
    names = ", ".join(sorted(own_files() & {p.name for p in folder.iterdir()}))
    say.tell(f"written   {folder}/ ({names})")
    record(folder)
    return summary


def yearly(result: Result) -> dict[str, Any]:
    """Return the result's usage at every week of a year of its grid, progress on stderr."""
    from greensched.cli.progress import Progress
    from greensched.experiment.per_year import per_year

    with Progress() as progress:
        return per_year(result, progress).document


def tell_year(year: dict[str, Any], folder: Path, form: str) -> None:
    """Print a year of such weeks below the table, and keep it beside the result."""
    from greensched.report.outputs import PER_YEAR, json_text, write_texts
    from greensched.report.per_year import per_year_text

    write_texts(folder, {PER_YEAR: json_text(year)})
    if form == "table":
        click.echo("\n" + per_year_text(year), nl=False)
    begins = [week["start_utc"] for week in year["by_week"]]
    say.tell(f"per year  weeks that begin {begins[0]} to {begins[-1]}")


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results.  [default: results/<scenario>-<hash>/]",
)
@form(*FORMS)
@scenario_options
@click.option(
    "--fail-if",
    "gates",
    multiple=True,
    metavar="'PATH SIGN NUMBER'",
    help="Exit with 1 where a value of the summary is so; may be repeated.",
)
@attribution_option
@sizing_option
@click.option(
    "--per-year",
    is_flag=True,
    help="Price its usage by every week of a year of the grid too: median and range.",
)
@click.option(
    "--ledger",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append the entries to this ledger, which `ledger init --kind simulated` made.",
)
@click.option(
    "--key-file",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Private key of --ledger.  [default: in the user's settings]",
)
@workers_option
@verbosity
def run(
    scenario: Path,
    out: Path | None,
    form: str,
    gates: tuple[str, ...],
    ledger: Path | None,
    key_file: Path | None,
    workers: int,
    **asked: Any,
) -> None:
    """Run SCENARIO against its baseline, with static-peak beside it.

    Writes report.html, summary.json, the tables and a manifest, and prints the difference.
    """
    from greensched.cli.gate import read_gates
    from greensched.cli.recording import recording

    read = read_gates(gates)  # a mistake is told before the run, not after
    with recording(ledger, key_file) as record:
        asking = Asked(path=scenario, **asked)
        summary = carry_out(asking, out, form, workers=workers, record=record)
    if form == "table":
        say.tell(f"next      greensched run {scenario} --set PATH=VALUE, then greensched compare")
    failures = [failure for gate in read if (failure := gate.failure(summary))]
    for failure in failures:
        click.echo(failure, err=True)
    if failures:
        raise click.exceptions.Exit(1)


@click.command()
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results.  [default: results/<scenario>-<hash>/]",
)
@form(*FORMS)
@attribution_option
@demo_workers_option
@verbosity
def demo(
    out: Path | None,
    form: str,
    attribution: bool,  # noqa: FBT001 click passes flags by name
    workers: int,
) -> None:
    """Replay the bundled week, baseline and all five technologies, and write the report."""
    asked = Asked(path=demo_path(), attribution=attribution, sizing=False)
    command = "greensched demo" + ("" if attribution else " --no-attribution")
    carry_out(asked, out, form, workers=workers, command=command)
    if form == "table":
        say.tell("next      greensched init --from YOUR-TRACE.csv, then greensched run")


def demo_path() -> Path:
    """Return the demonstration's scenario: in the checkout, or inside the installed wheel."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_bundled" / "simulations", package.parent / "simulations"):
        if (folder / DEMO).is_file():
            return folder / DEMO
    raise InternalError(Finding(where=DEMO, what="is missing from this installation"))
