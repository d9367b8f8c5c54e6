"""`carbon limits`: the most that shifting could save, in time and in space."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from greensched.cli import say
from greensched.cli.carbon_options import fill_option
from greensched.cli.options import form, verbosity
from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.bounds.limits import SpaceLimit, TimeLimit
    from greensched.carbon import CarbonIntensity, Fill
    from greensched.model import FloatArray

_HOURS: Final = re.compile(r"(\d{1,6})\s*(h|d|wk)")
_UNIT_H: Final = {"h": 1, "d": 24, "wk": 168}
HOUR_MS: Final = 3_600_000
SCHEMA: Final = "greensched/carbon-limits/v1"


def hours(ctx: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Return `1h,6h,2d` as whole hours; raises BadParameter with the one that is none."""
    found = []
    for part in text.split(","):
        match = _HOURS.fullmatch(part.strip())
        if match is None:
            what = f"{part.strip()!r} is no whole number of hours, such as 6h or 2d"
            raise click.BadParameter(what, ctx, option)
        found.append(int(match[1]) * _UNIT_H[match[2]])
    return tuple(found)


def lengths(ctx: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Return the lengths asked for, each once and above 0."""
    found = hours(ctx, option, text)
    if min(found) == 0:
        what = "a job of 0 h does no work"
        raise click.BadParameter(what, ctx, option)
    return tuple(dict.fromkeys(found))


def one(ctx: click.Context, option: click.Parameter, text: str) -> int:
    """Return a single number of hours."""
    found = hours(ctx, option, text)
    if len(found) != 1:
        what = "give one slack"
        raise click.BadParameter(what, ctx, option)
    return found[0]


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE-OR-FOLDER...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--length",
    "lengths_h",
    default="1h,6h,12h,24h",
    show_default=True,
    metavar="HOURS,...",
    callback=lengths,
    help="Of a job.",
)
@click.option(
    "--slack",
    "slack_h",
    default="24h",
    show_default=True,
    metavar="HOURS",
    callback=one,
    help="Longest delay.",
)
@click.option(
    "--zone", "wanted", multiple=True, metavar="ZONE", help="Only these; may be repeated."
)
@click.option(
    "--time-zone",
    metavar="ZONE",
    help="Of times that state none.  [default: UTC, which is told]",
)
@fill_option
@form("table", "json", "csv")
@verbosity
def limits(
    files: tuple[Path, ...],
    lengths_h: tuple[int, ...],
    slack_h: int,
    wanted: tuple[str, ...],
    time_zone: str | None,
    fill: Fill | None,
    form: str,
) -> None:
    """Tell the most that shifting could save on the intensity in FILEs and folders.

    In time: the mean over all hours at which a job of a length may arrive, delayed by up to the
    slack, in one piece or interrupted. In space: moving once to the cleanest zone, and following
    the cleanest zone every hour. The future is known, capacity endless: no policy does better.
    """
    from greensched.bounds.limits import space_limit, time_limits
    from greensched.providers.file_all import read_all

    series = read_all(files, wanted=wanted, time_zone=time_zone or "UTC", fill=fill)
    if time_zone is None:
        say.tell("times without an offset count as UTC (--time-zone names another)")
    for zone, one_series in series.items():
        for finding in one_series.findings:
            say.tell(f"{zone}: {finding}", at=say.VERBOSE)
    by_zone = {zone: _hourly(one_series) for zone, one_series in series.items()}
    temporal = time_limits(by_zone, lengths_h, slack_h)
    together = _together(series)
    spatial = space_limit(together) if together else None
    if len(series) > 1 and spatial is None:
        say.tell("the zones have no hour in common: nothing is said of moving between them")
    longest = max(map(len, by_zone.values()))
    if spatial is not None and spatial.hours < longest:
        say.tell(
            f"in space only the {spatial.hours:,} hours count that all zones have, of up to "
            f"{longest:,}"
        )
    click.echo(_printed(temporal, spatial, slack_h, form), nl=False)


def _hourly(series: CarbonIntensity) -> FloatArray:
    """Return the means of whole hours; raises DataError for a step longer than an hour."""
    from greensched.carbon import hourly_means

    step_ms = int(series.edges_ms[1] - series.edges_ms[0])
    if step_ms == HOUR_MS:
        return series.values_g_per_kwh
    if step_ms > HOUR_MS:
        what = f"a step of {step_ms / HOUR_MS:g} h"
        raise DataError(
            Finding(where=f"zone {series.zone}", what=what, remedy="give at least hourly values")
        )
    first_ms = -(-int(series.edges_ms[0]) // HOUR_MS) * HOUR_MS
    return hourly_means(series, first_ms, int(series.edges_ms[-1]) // HOUR_MS * HOUR_MS)


def _together(series: Mapping[str, CarbonIntensity]) -> dict[str, FloatArray]:
    """Return the hours that all zones have, by zone; empty where there are none."""
    from greensched.carbon import hourly_means

    first_ms = max(-(-int(s.edges_ms[0]) // HOUR_MS) * HOUR_MS for s in series.values())
    last_ms = min(int(s.edges_ms[-1]) // HOUR_MS * HOUR_MS for s in series.values())
    if last_ms <= first_ms:
        return {}
    return {zone: hourly_means(s, first_ms, last_ms) for zone, s in series.items()}


def _printed(
    temporal: Mapping[str, Sequence[TimeLimit]],
    spatial: SpaceLimit | None,
    slack_h: int,
    form: str,
) -> str:
    """Return the limits in one of the forms."""
    from greensched.bounds.limits import mean_limits

    mean = mean_limits(temporal)
    if form == "json":
        from greensched.report.outputs import json_text

        return json_text(
            {
                "schema": SCHEMA,
                "slack_h": slack_h,
                "temporal": {
                    "mean": [_plain(limit) for limit in mean],
                    "zones": {z: [_plain(limit) for limit in of] for z, of in temporal.items()},
                },
                "spatial": None if spatial is None else _plain(spatial),
            }
        )
    from greensched.cli.carbon import printed

    columns = ["zone", "length_h", "saving_g_per_kwh", "saving_interruptible_g_per_kwh"]
    rows = [[zone, *_cells(limit, form)] for zone, of in temporal.items() for limit in of]
    rows += [["mean", *_cells(limit, form)] for limit in mean]
    text = printed(columns, rows, form)
    if form == "csv" or spatial is None or len(temporal) == 1:
        return text
    return (
        f"{text}\nin space, mean over zones: moving once to {spatial.cleanest} saves "
        f"{spatial.one_migration_g_per_kwh:.1f} g/kWh, following the cleanest zone every hour "
        f"{spatial.follow_cleanest_g_per_kwh:.1f} g/kWh\n"
    )


def _cells(limit: TimeLimit, form: str) -> list[Any]:
    plain = list(_plain(limit).values())
    return plain if form == "csv" else [plain[0], *(round(v, 2) for v in plain[1:])]


def _plain(value: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(value)
