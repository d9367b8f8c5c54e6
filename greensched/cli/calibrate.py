"""`calibrate`: the power model beside meters, fitted within limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.options import form, scenario_options, times, verbosity
from greensched.cli.running import Asked

if TYPE_CHECKING:
    from greensched.experiment.calibrate import Calibration, Quantity


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--meter",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Readings: from, until, energy_kwh (or power_w), and site or machine_type.",
)
@click.option("--step", metavar="DURATION", help="How long a reading lasts, without 'until'.")
@times
@click.option(
    "--hold",
    multiple=True,
    type=click.Choice(["idle", "peak", "pue"]),
    help="Do not fit it; may be repeated.",
)
@click.option(
    "--within",
    type=click.FloatRange(1.0, 10.0),
    default=2.0,
    show_default=True,
    metavar="FACTOR",
    help="Fitted watts are between 1/FACTOR and FACTOR times the scenario's.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The overlay.  [default: SCENARIO's name with .calibrated.yaml, beside it]",
)
@click.option(
    "--page",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The comparison as a page.  [default: the overlay's name with .html]",
)
@form("table", "json", "csv")
@scenario_options
@verbosity
def calibrate(
    scenario: Path,
    meter: Path,
    hold: tuple[Quantity, ...],
    within: float,
    out: Path | None,
    page: Path | None,
    form: str,
    **given: Any,
) -> None:
    """Compare SCENARIO's as-recorded run with a meter's readings, and fit its power model.

    Idle and peak watts and PUE are fitted on two days of three and judged on the third, and
    written as an overlay, with which `run` says `calibrated`. What the readings cannot tell apart
    is not fitted: exit code 3, after the comparison.
    """
    from greensched.errors import DataError
    from greensched.readers.meter import read_meters

    reading = {key: given.pop(key) for key in ("step", "time_unit", "time_zone")}
    asked = Asked(path=scenario, **given)
    loaded = asked.load()
    options = _reading(reading, given["on_bad"])
    metered = read_meters(meter, options)
    found = _found(loaded, metered, hold=hold, within=within)
    click.echo(_printed(found, form), nl=False)
    place = out or scenario.with_suffix(".calibrated.yaml")
    _write_page(found, page or place.with_suffix(".html"))
    if found.refused:
        raise DataError(*found.refused)
    if not found.is_fitted:
        say.tell("everything is held: no overlay was written")
        return
    _write(found, place, scenario)
    say.tell(f"next      greensched run {scenario} --overlay {place}")


def _reading(given: dict[str, Any], on_bad: str | None) -> Any:
    """Return the options of the meter's reader."""
    from greensched.cli.options import read_options

    return read_options({**given, "on_bad": on_bad})


def _found(loaded: Any, metered: Any, **settings: Any) -> Calibration:
    """Return the calibration, progress on stderr."""
    from greensched.cli.interrupt import interruptible
    from greensched.experiment.calibrate import calibrate as calibrated

    with interruptible() as progress:
        return calibrated(loaded, metered, progress=progress, **settings)


def _printed(found: Calibration, form: str) -> str:
    """Return the calibration in one of the forms."""
    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(found.document)
    from greensched.report.calibration import calibration_csv, calibration_text

    return calibration_csv(found) if form == "csv" else calibration_text(found)


def _write_page(found: Calibration, place: Path) -> None:
    """Write the page in full or not at all."""
    from greensched.report.model_pages import calibration_page
    from greensched.report.outputs import write_texts

    write_texts(place.parent, {place.name: calibration_page(found)})
    say.tell(f"written   {place}")


def _write(found: Calibration, place: Path, scenario: Path) -> None:
    """Write the overlay in full or not at all."""
    from greensched.experiment.calibrate_overlay import overlay_of
    from greensched.report.calibration import overlay_text
    from greensched.report.outputs import write_texts

    write_texts(place.parent, {place.name: overlay_text(overlay_of(found), str(scenario))})
    say.tell(f"written   {place}")
