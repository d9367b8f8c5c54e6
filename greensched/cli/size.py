"""`size`: the smallest fleet with which a scenario keeps its objectives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.options import form, scenario_options, verbosity, workers_option
from greensched.cli.running import FORMS, Asked
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from greensched.experiment.size_document import Sizing
    from greensched.experiment.size_pools import Reserve
    from greensched.scenario import Scenario

REMEDY = "give a number of machines (2), or a share of the fleet (5 % or 0.05)"


def read_reserve(text: str) -> Reserve:
    """Return a reserve of `2` machines, or of `5 %` or `0.05` of the fleet."""
    from greensched.experiment.size_pools import Reserve

    words = text.strip()
    try:
        if words.endswith("%"):
            share = float(words[:-1]) / 100
        elif words.isdigit():
            return Reserve(machines=int(words))
        else:
            share = float(words)
    except ValueError:
        what = "is neither a number of machines nor a share"
        raise UsageError(Finding(where=f"--reserve {text}", what=what, remedy=REMEDY)) from None
    if not 0.0 <= share < 1.0:
        what = "is no share from 0 to below 1"
        raise UsageError(Finding(where=f"--reserve {text}", what=what, remedy=REMEDY))
    return Reserve(share=share)


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--combinations", is_flag=True, help="Size every combination of the switches that are on."
)
@click.option(
    "--reserve",
    default="0",
    metavar="N|SHARE",
    help="Machines that may fail at once: 2, or 5 % of the fleet.  [default: none]",
)
@form(*FORMS)
@scenario_options
@workers_option
@verbosity
def size(
    scenario: Path,
    combinations: bool,  # noqa: FBT001 click passes flags by name
    reserve: str,
    form: str,
    workers: int,
    **asked: Any,
) -> None:
    """Tell how many machines SCENARIO needs, of which type, and what limits it.

    The smallest fleet with which a re-run keeps the objectives of `slo`, beside those of its
    baseline and static-peak, and a bound that no policy beats. Writes no file.
    """
    wanted = read_reserve(reserve)
    loaded = Asked(path=scenario, **asked).load()
    found = sized(loaded, wanted, workers=workers, combinations=combinations)
    click.echo(_printed(found.document, form), nl=False)


def sized(scenario: Scenario, reserve: Reserve, *, workers: int, combinations: bool) -> Sizing:
    """Return the sizes of a scenario, progress on stderr; interrupted, exit with 130."""
    from greensched.cli.interrupt import interruptible

    with interruptible() as progress:
        from greensched.engine.kernels.warm import is_compiled
        from greensched.experiment import Processes
        from greensched.experiment.size import size as sizes

        if not is_compiled():
            say.tell("compiling kernels (once, about 20 s)...")
        with Processes(workers) as executor:
            return sizes(
                scenario,
                combinations=combinations,
                reserve=reserve,
                progress=progress,
                executor=executor,
            )


def _printed(document: dict[str, Any], form: str) -> str:
    """Return a sizing in one of the forms."""
    from greensched.report import sizing as shown

    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(document)
    if form == "csv":
        return shown.sizing_csv(document)
    if form == "md":
        return shown.sizing_markdown(document)
    from greensched.report.terminal import sizing_text, width

    return sizing_text(document, columns=width(), colour=say.is_colour())
