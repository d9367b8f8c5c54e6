"""`carbon import | zones | show | plan | limits`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.carbon_options import (
    fill_option,
    now_ms,
    settings_of,
    source_options,
    sources_of,
    time_zone_option,
)
from greensched.cli.lazy import LazyGroup
from greensched.cli.options import form, verbosity
from greensched.errors import Finding, UsageError, plural

if TYPE_CHECKING:
    from greensched.carbon import Fill
    from greensched.providers.cloud import CloudRegion


@click.group(
    cls=LazyGroup,
    lazy={
        "import": ("greensched.cli.carbon:import_", "Write intensity into one file."),
        "zones": ("greensched.cli.carbon:zones", "List zones of files, or of cloud regions."),
        "show": ("greensched.cli.carbon_show:show", "Draw the next hours and the best windows."),
        "plan": ("greensched.cli.carbon_show:plan", "Tell when to run something."),
        "limits": ("greensched.cli.carbon_limits:limits", "Tell the most that shifting saves."),
    },
)
def carbon() -> None:
    """Carbon intensity: fetch, look at, plan by, and what shifting can save at most.

    Without a source that is on the network nothing is asked of the network. Tokens are taken from
    the environment or from a file that it names, never from the command line.
    """


@click.command(name="import")
@source_options
@click.option("--zone", "wanted", multiple=True, metavar="ZONE", help="May be repeated for files.")
@click.option("--from", "from_text", metavar="TIME", help="Begin, with its offset.")
@click.option(
    "--until", "until_text", metavar="TIME", help="End, with its offset.  [default: now]"
)
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .csv or .parquet to write.",
)
@verbosity
def import_(
    wanted: tuple[str, ...],
    from_text: str | None,
    until_text: str | None,
    out: Path,
    **given: Any,
) -> None:
    """Write measured intensity of files or of a source into one file, as scenarios read it.

    Of files every zone is taken unless --zone names some; of a source on the network --zone and
    --from are needed. What is not known is left out and told, never filled in.
    """
    from greensched.report.carbon_file import write_points

    if out.suffix not in {".csv", ".parquet"}:
        what, remedy = f"{out} is neither .csv nor .parquet", "name it so"
        raise UsageError(Finding(where="--out", what=what, remedy=remedy))
    from greensched.cli.carbon_fetch import fetched

    until_ms = now_ms(until_text)
    parts = []
    for source in sources_of(given["texts"], settings_of(given)):
        parts += fetched(source, wanted, from_text, until_ms)
    rows = sum(len(part) for part in parts)
    write_points(out, parts)
    say.tell(f"{plural(rows, 'value')} of {plural(len(parts), 'zone')} written")
    click.echo(out)


@click.command()
@click.argument(
    "files", nargs=-1, metavar="[FILE...]", type=click.Path(exists=True, path_type=Path)
)
@click.option(
    "--cloud", "clouds", multiple=True, metavar="PROVIDER:REGION", help="A cloud region."
)
@time_zone_option
@fill_option
@form("table", "json", "csv")
@verbosity
def zones(
    files: tuple[Path, ...],
    clouds: tuple[str, ...],
    time_zone: str | None,
    fill: Fill | None,
    form: str,
) -> None:
    """List the zones of FILEs and folders, or the zone of a cloud region and its annual factor.

    Without either, all cloud regions that are known.
    """
    if files and clouds:
        raise UsageError(Finding(where="--cloud", what="not together with files"))
    columns, rows = _files(files, time_zone, fill) if files else _clouds(clouds)
    click.echo(printed(columns, rows, form), nl=False)
    if not files:
        say.tell(
            "An annual factor says nothing of hours: shifting in time is not assessable with it."
        )


def _files(
    files: tuple[Path, ...], time_zone: str | None, fill: Fill | None
) -> tuple[list[str], list[list[Any]]]:
    """Return the table of the zones in files."""
    from greensched.carbon import iso
    from greensched.providers.file_all import read_all

    found = read_all(files, time_zone=time_zone, fill=fill)
    columns = ["zone", "from", "until", "step_h", "mean_g_per_kwh", "findings"]
    rows: list[list[Any]] = []
    for zone, series in found.items():
        first_ms, last_ms = int(series.edges_ms[0]), int(series.edges_ms[-1])
        step_h = int(series.edges_ms[1] - series.edges_ms[0]) / 3_600_000
        mean = series.mean(first_ms, last_ms)
        assert mean is not None
        rows.append(
            [zone, iso(first_ms), iso(last_ms), step_h, round(mean, 2), "; ".join(series.findings)]
        )
    return columns, rows


def _clouds(names: tuple[str, ...]) -> tuple[list[str], list[list[Any]]]:
    """Return the table of cloud regions; raises UsageError with all that are not known."""
    from greensched.providers.cloud import find, regions

    found: list[CloudRegion] = []
    findings: list[Finding] = []
    for name in names:
        try:
            found.append(find(name))
        except UsageError as error:
            findings += error.findings
    if findings:
        raise UsageError(*findings)
    columns = ["region", "place", "zone", "factor_g_per_kwh", "year", "basis", "source"]
    rows: list[list[Any]] = []
    for region in found or regions():
        factor = region.factor
        told = (
            [None, None, None, "no factor with a source at hand"]
            if factor is None
            else [factor.factor_g_per_kwh, factor.year, factor.basis, factor.source]
        )
        rows.append([region.name, region.place, region.zone, *told])
    return columns, rows


def printed(columns: list[str], rows: list[list[Any]], form: str) -> str:
    """Return a table in one of the forms; text is safe for a terminal."""
    if form == "json":
        from greensched.report.outputs import json_text

        return json_text([dict(zip(columns, row, strict=True)) for row in rows])
    if form == "csv":
        from greensched.report.tables import csv_text

        return csv_text(columns, rows)
    from greensched.errors import escape_control
    from greensched.report.side import beside
    from greensched.report.words import DASH

    padded = []
    for name, *values in zip(columns, *rows, strict=True):
        texts = [name, *(DASH if v is None else str(v) for v in values)]
        if not "".join(texts).isprintable():
            texts = [escape_control(t) for t in texts]
        width = max(map(len, texts))
        is_text = any(isinstance(v, str) for v in values)
        padded.append([t.ljust(width) if is_text else t.rjust(width) for t in texts])
    return "\n".join(beside(list(zip(*padded, strict=True)))) + "\n"
