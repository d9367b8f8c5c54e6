"""`attribute`: which technology saves what, by all combinations of the switches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from greensched.cli import say
from greensched.cli.options import form, scenario_options, verbosity, workers_option
from greensched.cli.running import FORMS, Asked, replay
from greensched.errors import Finding, UsageError


def groups(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> Any:
    """Return `a,b` arguments as tuples of kinds; every empty one is told at once."""
    read = tuple(tuple(k.strip() for k in text.split(",") if k.strip()) for text in values)
    findings = [
        Finding(
            where=f"--group '{text}'", what="names no switch", remedy="for example tidal,elastic"
        )
        for text, kinds in zip(values, read, strict=True)
        if not kinds
    ]
    if findings:
        raise UsageError(*findings)
    return read


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="KIND,KIND",
    callback=groups,
    help="Switches that count as one; may be repeated.",
)
@click.option(
    "--orders",
    type=click.IntRange(2),
    metavar="N",
    help="Sample N orders of switching on: fewer runs, each value with a standard error. Of more "
    "than six switches 16 are sampled without it.",
)
@form(*FORMS)
@scenario_options
@workers_option
@verbosity
def attribute(
    scenario: Path,
    groups: tuple[tuple[str, ...], ...],
    orders: int | None,
    form: str,
    workers: int,
    **asked: Any,
) -> None:
    """Tell which technology of SCENARIO saves what, and which compete.

    Runs every combination of the switches that are on. Each has what it saves alone, last in,
    and as the mean over all orders of switching on (Shapley), which sum to the saving exactly.
    Five switches take 32 runs; --group and --orders make them fewer.
    """
    from greensched.experiment import Question

    question = Question(groups=groups, orders=orders)
    result = replay(Asked(path=scenario, **asked).load(), workers, question)
    found = result.summary["attribution"]
    if orders is not None and found["method"] == "exact":
        say.tell(
            f"--orders {orders} has no effect: it takes all combinations, so values are exact"
        )
    click.echo(_printed(result.summary, form), nl=False)


def _printed(summary: dict[str, Any], form: str) -> str:
    """Return the attribution of a summary in one of the forms."""
    from greensched.report import attribution as shown

    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(shown.document(summary))
    if form == "csv":
        return shown.attribution_csv(summary["attribution"])
    if form == "md":
        found = shown.shares(summary)
        return "" if found is None else shown.attribution_markdown(found) + "\n"
    from greensched.report.terminal import attribution_text, width

    return attribution_text(summary, columns=width(), colour=say.is_colour())
