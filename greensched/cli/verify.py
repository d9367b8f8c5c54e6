"""`verify`: what a result predicted against what came."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.options import form, reader_options, verbosity
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from greensched.experiment.verify import Verification
    from greensched.experiment.verify_actual import Actual
    from greensched.report.outputs import Stored
    from greensched.scenario import Scenario

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
SCENARIO_WORD = 2  # of `greensched run SCENARIO`


@click.command()
@click.argument("result", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--actual",
    "sources",
    multiple=True,
    metavar="SOURCE",
    type=click.Path(exists=True, path_type=Path),
    help="A trace of what came, of any reader; may be repeated (services, jobs).",
)
@click.option(
    "--start",
    metavar="INSTANT",
    help="When what came begins, with its offset.  [default: as the predicted window ends]",
)
@click.option("--meter", metavar="FILE", type=FILE, help="Readings, as `calibrate` takes them.")
@click.option(
    "--machines",
    metavar="FILE",
    type=FILE,
    help="Machines that were on, by type; or a FOCUS bill.",
)
@click.option("--intensity", metavar="FILE", type=FILE, help="Carbon intensity as it came.")
@click.option(
    "--scenario",
    metavar="FILE",
    type=FILE,
    help="The result's scenario, for its traces.  [default: where the result was run]",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of verifications; earlier ones are kept.  [default: RESULT-verified/]",
)
@form("table", "json", "csv")
@reader_options
@verbosity
def verify(result: Path, sources: tuple[Path, ...], form: str, **given: Any) -> None:
    """Compare what RESULT predicted with what came: machines, kWh and kg, by cause.

    What came is its demand (--actual) and, as far as known, the machines that were on, what meters
    read and the grid's intensity. Effects of load, forecast, policy, model and intensity sum to
    the difference. Each verification is kept, so that misses are too.
    """
    from greensched.report.outputs import PAGE, read_result, verified_folder, write_texts
    from greensched.report.page import page

    own = {key: given.pop(key) for key in ("start", "meter", "machines", "intensity")}
    place, where = given.pop("out"), given.pop("scenario")
    if not sources and not any(own[key] for key in ("meter", "machines", "intensity")):
        what = "nothing of what came was named"
        remedy = "give --actual, --meter, --machines or --intensity"
        raise UsageError(Finding(where="verify", what=what, remedy=remedy))
    stored = read_result(result)
    scenario = _scenario(stored, where)
    actual = _actual(scenario, sources, own, given)
    totals = stored.summary["scenario"] | {"end_s": stored.summary["window"]["end_s"]}
    found = _found(scenario, actual, totals)
    folder = place or verified_folder(result)
    earlier = _earlier(folder)
    click.echo(_printed(found, form, earlier), nl=False)
    _keep(found, folder, earlier)
    if place is None:
        write_texts(result, {PAGE: page(read_result(result).evidence)})
        say.tell(f"written   {result / PAGE}, which links to it")


def _scenario(stored: Stored, where: Path | None) -> Scenario:
    """Return the result's scenario, its paths from the folder where it was run."""
    from greensched.scenario import loads

    words = shlex.split(str(stored.manifest["command"]))
    outside = "--allow-outside" in words
    if where is None and len(words) > SCENARIO_WORD and words[1] == "run":
        where = Path(words[SCENARIO_WORD])
    folder = Path() if where is None else where.parent
    if where is not None and not folder.is_dir():
        what = f"the folder of its scenario, {folder}, is not there"
        raise UsageError(Finding(where="RESULT", what=what, remedy="name it with --scenario"))
    found = loads(stored.manifest["scenario"], "scenario.yaml", folder, allow_outside=outside)
    if found.hash != stored.summary["scenario_sha256"]:
        what = "its scenario is read otherwise by this version of greensched"
        raise UsageError(Finding(where="RESULT", what=what, remedy="run the scenario again"))
    return found


def _actual(
    scenario: Scenario, sources: tuple[Path, ...], own: dict[str, Any], given: dict[str, Any]
) -> Actual:
    """Return what was named of what came."""
    from greensched.cli.options import read_options
    from greensched.cli.traces import opened_trace
    from greensched.experiment.verify_actual import Actual
    from greensched.providers.files import read
    from greensched.readers.meter import read_meters
    from greensched.readers.timing import epoch_ms

    start_ms = scenario.start_utc_ms + scenario.window_ms
    if own["start"]:
        start_ms = epoch_ms(own["start"], "--start")
    plain = read_options({k: given[k] for k in ("time_zone", "time_unit", "step", "on_bad")})
    intensity = {}
    if own["intensity"] is not None:
        for site in scenario.spec.sites:
            intensity[site.name] = read(
                own["intensity"], site.zone, time_zone=given["time_zone"] or None
            )
    return Actual(
        start_ms=start_ms,
        traces=tuple(opened_trace((path,), given) for path in sources),
        metered=None if own["meter"] is None else read_meters(own["meter"], plain),
        machines=None if own["machines"] is None else _machines(own["machines"], plain),
        intensity=intensity,
    )


def _machines(path: Path, options: Any) -> Any:
    """Return the machines that were on, by their own table or by a bill."""
    from greensched.readers.focus import is_focus, read_bill
    from greensched.readers.machine_hours import read_machine_hours

    return read_bill(path, options).hours if is_focus(path) else read_machine_hours(path, options)


def _found(scenario: Scenario, actual: Actual, totals: dict[str, Any]) -> Verification:
    """Return the verification, progress on stderr."""
    from greensched.cli.interrupt import interruptible
    from greensched.experiment.verify import verify as verified

    with interruptible() as progress:
        return verified(scenario, actual, totals, progress=progress)


def _earlier(folder: Path) -> list[float]:
    """Return by how much energy was off in the verifications that are there, in their order."""
    import json

    found = []
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        found.append(float(told["energy_error_share"]))
    return found


def _printed(found: Verification, form: str, earlier: list[float]) -> str:
    """Return the verification in one of the forms."""
    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(found.document)
    from greensched.report.verification import verification_csv, verification_text

    if form == "csv":
        return verification_csv(found.hours)
    return verification_text(found.document, found.hours, earlier)


def _keep(found: Verification, folder: Path, earlier: list[float]) -> None:
    """Write the verification beside those that are there."""
    from greensched.report.model_pages import verification_page
    from greensched.report.outputs import json_text, write_texts
    from greensched.report.verification import verification_csv

    name, told = f"{1 + len(list(folder.glob('*.json'))):03d}", found.document
    files = {
        f"{name}.json": json_text(told),
        f"{name}.csv": verification_csv(found.hours),
        f"{name}.html": verification_page(told, found.hours, earlier),
    }
    write_texts(folder, files)
    say.tell(f"written   {folder}/ ({', '.join(files)})")
