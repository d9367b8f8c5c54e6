"""`sweep`: a scenario over grids of values, resumable, on processes or a cluster."""

from __future__ import annotations

import hashlib
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.options import form, scenario_options, verbosity, workers_option
from greensched.cli.running import FORMS, Asked, check_balance, typed
from greensched.errors import InternalError, plural

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from greensched.experiment.sweep import Sweep
    from greensched.experiment.sweep_grid import Axis
    from greensched.scenario import Scenario

SHOWN = {
    "scenario.machines_on_mean": "machines",
    "scenario.energy_facility_kwh": "facility kWh",
    "scenario.scope2_location_kg": "kgCO2e",
    "savings.share.energy_facility_kwh": "saved, %",
    "scenario.cost": "cost",
    "scenario.service.violation_min": "violation, min",
    "scenario.batch.wait_p95_s": "wait p95, s",
}
COST = "scenario.cost"  # shown where there are prices
ENDS = "runs end at different times: kWh and kgCO2e are of unlike lengths, what is saved is not"
ROWS_MAX = 40  # of what is printed as a table


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--grid",
    "grids",
    multiple=True,
    required=True,
    metavar="PATH=A:B:STEP",
    help="Values of a scalar: a range, or PATH=X,Y,Z; several grids are multiplied.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the rows.  [default: results/<scenario>-sweep-<hash>/]",
)
@click.option("--resume", is_flag=True, help="Go on with the points that are not there yet.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run on the Dask cluster of this scheduler, such as tcp://127.0.0.1:8786.",
)
@form(*FORMS)
@scenario_options
@workers_option
@verbosity
def sweep(
    scenario: Path,
    grids: tuple[str, ...],
    out: Path | None,
    resume: bool,  # noqa: FBT001 click passes flags by name
    scheduler: str | None,
    form: str,
    workers: int,
    **asked: Any,
) -> None:
    """Run SCENARIO at every point of the grids; one row a point.

    Rows are written as points finish; after an interruption --resume goes on.
    """
    from greensched.experiment.sweep_grid import axes_of, read_grid
    from greensched.report.sweep_folder import SweepFolder, about

    axes = axes_of([read_grid(text) for text in grids])
    own = Asked(path=scenario, **asked)
    loaded = own.load()
    command = _command(own, grids, out)
    given = about(loaded, axes, math.prod(len(a.values) for a in axes), command)
    place = SweepFolder(out or _default(loaded, axes), given, axes, resume=resume)
    if resume:
        say.tell(f"{len(place.done):,} of {given['points']:,} points are there already")
    done = _carried_out(loaded, axes, place, _executor(scheduler, workers))
    place.finish(done)
    _write_page(place.folder, done, given, loaded)
    click.echo(_printed(done, given, form), nl=False)
    say.tell(f"written   {place.folder}/ (points.parquet, report.html, sweep.json)")
    if done.unbalanced:
        _report(loaded, done)
    if done.failed:
        say.tell(
            f"{plural(len(done.failed), 'point')} could not be run; "
            f"the first: {done.failed[0]['error']}",
            at=say.QUIET,
        )
        raise click.exceptions.Exit(2)


def _report(scenario: Scenario, done: Sweep) -> None:
    """Run the first point that does not balance again, to write its case for a bug report.

    Raises InternalError.
    """
    from greensched.experiment import run

    row, points = done.unbalanced[0], f"{len(done.unbalanced):,} of {len(done.rows):,} points"
    say.tell(f"{points} do not balance; the first: point {row['point']}", at=say.QUIET)
    values = {axis.path: row[axis.path] for axis in done.axes}
    check_balance(run(scenario.overridden(values), bounds=False), typed())
    raise InternalError(f"balance of point {row['point']}, when it was swept: {row['balance']}")


def _write_page(folder: Path, done: Sweep, given: dict[str, Any], scenario: Scenario) -> None:
    """Write the page of a sweep into its folder."""
    from greensched.report.outputs import PAGE, write_texts
    from greensched.report.page.swept import swept_page

    page = swept_page(done.table, given, lambda values: scenario.overridden(values).text)
    write_texts(folder, {PAGE: page})


def _default(scenario: Scenario, axes: tuple[Axis, ...]) -> Path:
    """Return the folder of a sweep, named by scenario and grids."""
    text = scenario.hash + repr([(a.path, a.values) for a in axes])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Path("results") / f"{scenario.name}-sweep-{digest[:8]}"


def _command(asked: Asked, grids: tuple[str, ...], out: Path | None) -> str:
    """Return the command that repeats the sweep, the same whatever carries it out."""
    words = ["greensched", "sweep", *shlex.split(asked.command)[2:]]
    for text in grids:
        words += ["--grid", text]
    words += [] if out is None else ["--out", str(out)]
    return shlex.join(words)


def _executor(scheduler: str | None, workers: int) -> AbstractContextManager[Any]:
    """Return the executor that was asked for, not entered yet."""
    from greensched.experiment.sweep_pool import cluster, processes

    return processes(workers) if scheduler is None else cluster(scheduler)


def _carried_out(
    scenario: Scenario, axes: tuple[Axis, ...], place: Any, opened: AbstractContextManager[Any]
) -> Sweep:
    """Return the sweep, progress on stderr; interrupted, say how to go on and exit with 130."""
    from greensched.cli.interrupt import INTERRUPTED, noted_interrupts
    from greensched.cli.progress import Progress
    from greensched.experiment.sweep import sweep as swept

    progress = Progress()
    try:
        with noted_interrupts() as noted, progress, opened as executor:
            progress.check = noted.check
            return swept(
                scenario,
                axes,
                executor=executor,
                progress=progress,
                done=place.done,
                keep=place.keep,
            )
    except KeyboardInterrupt:
        parts = place.folder / "parts"
        text = "interrupted before a point was finished: there is nothing to go on with"
        if parts.is_dir():
            text = (
                f"interrupted after {progress.counted}; what was done is kept"
                f" in {parts}/, and --resume goes on"
            )
        click.echo(text, err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _printed(done: Sweep, given: dict[str, Any], form: str) -> str:
    """Return the rows in one of the forms."""
    if form == "json":
        from greensched.report.outputs import json_text

        keys = ("schema", "name", "scenario_sha256", "seed", "version", "axes")
        return json_text({k: given[k] for k in keys} | {"points": list(done.rows)})
    from greensched.report.tables import csv_text

    if form == "csv":
        columns = list(dict.fromkeys(key for row in done.rows for key in row))
        return csv_text(columns, [[row.get(c) for c in columns] for row in done.rows])
    from greensched.report.charts.pareto import ends_h
    from greensched.report.side import beside

    rows = _short(done)
    if form == "md":
        from greensched.report.tables import plain

        made = [rows[0], ["---:"] * len(rows[0]), *rows[1:]]
        return "".join("| " + " | ".join(plain(c) for c in row) + " |\n" for row in made)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = [[c.rjust(w) for c, w in zip(row, widths, strict=True)] for row in rows]
    lines = beside(padded, kept=len(given["axes"]))
    more = len(done.rows) - ROWS_MAX
    lines += [f"and {plural(more, 'point')} more in points.parquet"] if more > 0 else []
    lines += [ENDS] if ends_h(done.table) else []
    return "\n".join(lines) + "\n"


def _short(done: Sweep) -> list[list[str]]:
    """Return the first rows with what is looked at first, as text."""
    from greensched.errors import escape_control
    from greensched.report.words import number

    told = done.rows[:ROWS_MAX]
    keys = [k for k in SHOWN if k != COST or any(row.get(COST) is not None for row in told)]
    rows = [[*(a.path for a in done.axes), *(SHOWN[key] for key in keys), "SLO"]]
    for row in told:
        cells = [escape_control(str(row[a.path])) for a in done.axes]
        for key in keys:
            value = row.get(key)
            percent = 100 if key.startswith("savings.share") else 1
            cells.append(number(None if value is None else value * percent, 2))
        rows.append([*cells, _objectives(row)])
    return rows


def _objectives(row: Mapping[str, Any]) -> str:
    """Return whether a point keeps its objectives, or how many it breaks; a dash for none."""
    from greensched.report.words import DASH

    told = [v for k, v in row.items() if k.startswith("scenario.") and k.endswith("_ok")]
    judged = [bool(v) for v in told if v is not None and v == v]  # noqa: PLR0124 NaN: not judged
    if not judged:
        return DASH
    return "held" if all(judged) else f"{judged.count(False)} broken"
