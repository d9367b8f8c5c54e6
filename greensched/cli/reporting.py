"""`report` and `compare`: what was run before, shown again or side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.options import form, scenario_options, verbosity
from greensched.cli.running import FORMS, Asked, printed, replay

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.argument("result", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--md", "as_markdown", is_flag=True, help="Print it as Markdown.")
@click.option("--svg", "as_svg", is_flag=True, help="Write each chart as an SVG file.")
@click.option("--png", "as_png", is_flag=True, help="Write each chart as a PNG file, on white.")
@form(*FORMS)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of what is written.  [default: RESULT]",
)
@verbosity
def report(
    result: Path,
    as_markdown: bool,  # noqa: FBT001 click passes flags by name
    as_svg: bool,  # noqa: FBT001
    as_png: bool,  # noqa: FBT001
    form: str,
    out: Path | None,
) -> None:
    """Print the RESULT in a folder again and write its report.html anew."""
    from greensched.report.outputs import PAGE, read_result
    from greensched.report.page import page

    stored = read_result(result)
    folder = out or result
    if as_svg or as_png:
        _write(folder, _charts(stored, svg=as_svg, png=as_png))
        return
    if as_markdown:
        click.echo(printed(stored.summary, "md"), nl=False)
        return
    text = page(stored.evidence)
    click.echo(printed(stored.summary, form), nl=False)
    _write(folder, {PAGE: text}, at=say.NORMAL)


def _charts(stored: Any, *, svg: bool, png: bool) -> dict[str, str | bytes]:
    """Return the charts as files of their own, in the forms that are asked for."""
    from greensched.report.charts import of_result
    from greensched.report.charts.timeline import PICTURE_ROWS

    told = stored.evidence
    drawn = of_result(
        told.summary, told.series, told.jobs, told.sensitivity, rows_max=PICTURE_ROWS
    )
    made: dict[str, str | bytes] = {}
    for name, chart in drawn.items():
        made |= {f"{name}.svg": chart.svg} if svg else {}
        made |= {f"{name}.png": chart.png} if png else {}
    return made


def _write(folder: Path, files: Mapping[str, str | bytes], at: int | None = None) -> None:
    """Write files and print their paths, as data or as narration."""
    from greensched.report.outputs import write_texts

    write_texts(folder, files)
    for name in files:
        if at is None:
            click.echo(folder / name)
        else:
            say.tell(f"written   {folder / name}", at=at)


@click.command()
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path))
@form(*FORMS)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a page with the difference by cause, comparison.html, into this folder.",
)
@scenario_options
@verbosity
def compare(a: Path, b: Path, form: str, out: Path | None, **asked: Any) -> None:
    """Show the scenarios of A and B side by side, and B less A.

    Each is a folder of results, or a scenario, which is then run. --set, --seed and the like
    apply to scenarios.
    """
    (first, text_a), (second, text_b) = (_summary(path, asked) for path in (a, b))
    warnings = differences(first, second)
    for warning in warnings:
        say.tell(f"warning: {warning}")
    click.echo(_compared(first, second, form), nl=False)
    if out is not None:
        from greensched.report.page.compared import compared_page

        made = compared_page(
            first,
            second,
            titles=_titles(first, second),
            warnings=warnings,
            scenarios=(text_a, text_b),
        )
        _write(out, {"comparison.html": made}, at=say.NORMAL)


def _summary(path: Path, asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the summary and the scenario of a folder of results, or of a scenario, run now."""
    from greensched.report.outputs import read_result

    if path.is_dir():
        stored = read_result(path)
        return stored.summary, str(stored.manifest.get("scenario", ""))
    found = replay(Asked(path=path, **asked).load())
    return found.summary, found.scenario.text


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Return why two results are not at equal demand and service, in words."""
    found = []
    if a["window"]["start_utc"] != b["window"]["start_utc"] or (
        a["window"]["length_s"] != b["window"]["length_s"]
    ):
        found.append("A and B are of different windows")
    demand = ("services", "jobs")
    if any(a["demand"][k] != b["demand"][k] for k in demand):
        found.append("A and B have different demand: their work is not the same")
    elif a["window"]["end_s"] != b["window"]["end_s"]:
        found.append("A and B are priced to different ends, until their last jobs had ended")
    if a["seed"] != b["seed"]:
        found.append("A and B have different seeds")
    if a["currency"] and b["currency"] and a["currency"] != b["currency"]:
        found.append(f"A is priced in {a['currency']}, B in {b['currency']}: costs are left out")
    if a["version"] != b["version"]:
        found.append(f"A was made by greensched {a['version']}, B by {b['version']}")
    return found


def _compared(a: dict[str, Any], b: dict[str, Any], form: str) -> str:
    """Return the comparison in one of the forms."""
    titles = _titles(a, b)
    if form == "json":
        from greensched.experiment import compare as compared
        from greensched.report.outputs import json_text

        keys = ("name", "scenario_sha256", "seed", "version", "stamp")
        return json_text(
            {
                "schema": "greensched/comparison/v1",
                "a": {k: a[k] for k in keys},
                "b": {k: b[k] for k in keys},
                "warnings": differences(a, b),
                "rows": compared(a, b).rows,
            }
        )
    from greensched.report.difference import compared_lines

    rows = compared_lines(a, b)
    if form == "csv":
        from greensched.report.marked import table_csv

        return table_csv(titles, rows)
    if form == "md":
        from greensched.report.marked import comparison_markdown

        return comparison_markdown(a, b, titles, rows)
    from greensched.report.terminal import comparison_text, width

    return comparison_text(a, b, titles, columns=width(), colour=say.is_colour())


def _titles(a: dict[str, Any], b: dict[str, Any]) -> tuple[str, str]:
    """Return names for the columns, told apart by hash where the names are the same."""
    if a["name"] != b["name"]:
        return a["name"], b["name"]
    hashes = (a["scenario_sha256"][:6], b["scenario_sha256"][:6])
    if hashes[0] == hashes[1]:
        return "A", "B"
    return f"A {hashes[0]}", f"B {hashes[1]}"
