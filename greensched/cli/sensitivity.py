"""`sensitivity`: how far a scenario's figures go with its inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from greensched.cli import say
from greensched.cli.options import form, scenario_options, verbosity, workers_option
from greensched.cli.running import Asked, check_balance, typed

SHARE = click.FloatRange(0.0, 0.9)
SPREADS = ("pue_overhead_share", "idle_share", "intensity_share", "forecast_share", "seeds")


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--pue-overhead",
    "pue_overhead_share",
    type=SHARE,
    default=0.2,
    show_default=True,
    help="Share of PUE - 1, either way.",
)
@click.option(
    "--idle",
    "idle_share",
    type=SHARE,
    default=0.15,
    show_default=True,
    help="Share of idle power, either way.",
)
@click.option(
    "--intensity",
    "intensity_share",
    type=SHARE,
    default=0.1,
    show_default=True,
    help="Share of every hour's intensity, either way.",
)
@click.option(
    "--forecast-error",
    "forecast_share",
    type=SHARE,
    default=0.1,
    show_default=True,
    help="Error that is added to forecasts at long leads.",
)
@click.option(
    "--seeds", type=click.IntRange(0, 100), default=3, show_default=True, help="Runs of others."
)
@form("table", "json", "csv")
@click.option(
    "--out",
    metavar="RESULT",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the scenario's result: its report is written anew with these ranges.",
)
@scenario_options
@workers_option
@verbosity
def sensitivity(
    scenario: Path,
    form: str,
    out: Path | None,
    workers: int,
    **asked: Any,
) -> None:
    """Tell how sure the figures of SCENARIO are: ranges, and which input moves the saving most.

    PUE, intensity and embodied carbon are priced anew, low and high; idle power, errors of the
    forecast and other seeds are run. Figures have no more digits than their range allows.
    """
    from greensched.experiment.sensitivity import Spreads

    spreads = Spreads(**{name: asked.pop(name) for name in SPREADS})
    own = Asked(path=scenario, **asked)
    if out is not None:
        _check(out, own)
    found = _found(own, spreads, workers)
    if out is not None:
        _keep(out, found.document)
    if form == "json":
        from greensched.report.outputs import json_text

        click.echo(json_text(found.document), nl=False)
        return
    from greensched.report.sensitivity import sensitivity_csv, sensitivity_text

    click.echo(sensitivity_csv(found) if form == "csv" else sensitivity_text(found), nl=False)


def _check(folder: Path, asked: Asked) -> None:
    """Raise UsageError, before any run, where a folder's result is of another scenario."""
    from greensched.errors import Finding, UsageError
    from greensched.report.outputs import read_result

    if read_result(folder).summary["scenario_sha256"] != asked.load().hash:
        raise UsageError(
            Finding(
                where=f"--out {folder}",
                what="holds the result of another scenario, or of other --set and --seed",
                remedy="name the folder that `greensched run` wrote for this one",
            )
        )


def _keep(folder: Path, document: dict[str, Any]) -> None:
    """Write the ranges into a result's folder, and its report anew."""
    from greensched.report.outputs import PAGE, SENSITIVITY, write_sensitivity
    from greensched.report.page import page

    write_sensitivity(folder, document, page)
    say.tell(f"written   {folder / SENSITIVITY}, {folder / PAGE}")


def _found(asked: Asked, spreads: Any, workers: int) -> Any:
    """Return the sensitivity, its runs in `workers` processes, progress on stderr."""
    from greensched.cli.interrupt import interruptible
    from greensched.experiment import Processes
    from greensched.experiment import sensitivity as told

    scenario = asked.load()
    with interruptible() as progress, Processes(workers) as executor:
        found = told(scenario, spreads, progress=progress, executor=executor)
        check_balance(found.result, typed())
        return found
