"""`carbon show` and `carbon plan`: the next hours, and when to run something in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from greensched.cli.carbon_options import Asked, chain_options, duration_ms
from greensched.cli.options import F, form, verbosity
from greensched.errors import Finding, UsageError, escape_control

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.bounds.window import Window
    from greensched.providers.advice import Advice
    from greensched.providers.chain import Answer

BEST: Final = 3  # windows that are named
ROWS: Final = 48  # hours that are drawn one by one
WIDTH: Final = 40  # of the longest bar
BESIDE_BAR: Final = len("03-05 16:00Z     561    <- best")
MS: Final = 1_000
zone_option = click.option("--zone", required=True, metavar="ZONE", help="Never a default.")


def duration_option(name: str, default: str | None, text: str) -> Callable[[F], F]:
    """Return an option that takes a duration with its unit."""
    return click.option(
        f"--{name}",
        f"{name.replace('-', '_')}_ms",
        default=default,
        required=default is None,
        show_default=default is not None,
        metavar="DURATION",
        callback=duration_ms,
        help=text,
    )


@click.command()
@zone_option
@chain_options
@duration_option("ahead", "24h", "How far to look ahead.")
@duration_option("duration", "2h", "Of the windows.")
@form("table", "json", "csv")
@verbosity
def show(zone: str, ahead_ms: int, duration_ms: int, form: str, **given: Any) -> None:
    """Draw the intensity of the next hours, name the cleanest windows, and tell where it is from.

    Sources are asked in the order given; where none knows, the last good forecast, then the mean
    day, then "unknown: run now".
    """
    if duration_ms > ahead_ms:
        what, remedy = "is longer than what is looked at", "make --ahead longer"
        raise UsageError(Finding(where="--duration", what=what, remedy=remedy))
    answer = Asked(zone=zone, ahead_ms=ahead_ms, given=given).answer()
    windows = _windows(answer, duration_ms)
    if form == "json":
        from greensched.report.outputs import json_text

        click.echo(json_text(_shown(answer, windows)), nl=False)
    elif form == "csv":
        from greensched.report.tables import csv_text

        steps = _steps(answer)
        columns = list(steps[0]) if steps else ["start", "intensity_g_per_kwh", "status"]
        click.echo(csv_text(columns, [list(step.values()) for step in steps]), nl=False)
    else:
        click.echo("\n".join(_drawn(answer, windows)))


@click.command()
@zone_option
@duration_option("duration", None, "Of the run.")
@duration_option("within", None, "It must have ended by then.")
@chain_options
@form("table", "json")
@verbosity
def plan(zone: str, duration_ms: int, within_ms: int, form: str, **given: Any) -> None:
    """Tell in one line when a run is cleanest that must end in time.

    Where nothing is known it says so, and to run now.
    """
    from greensched.providers.advice import advise

    if within_ms < duration_ms:
        what, remedy = "is shorter than --duration: it cannot end in time", "allow more time"
        raise UsageError(Finding(where="--within", what=what, remedy=remedy))
    answer = Asked(zone=zone, ahead_ms=within_ms, given=given).answer()
    advice = advise(answer, duration_ms, within_ms)
    if form == "json":
        from greensched.report.outputs import json_text

        click.echo(json_text(_planned(answer, advice, duration_ms, within_ms)), nl=False)
        return
    click.echo(_line(answer, advice))
    for step in answer.steps:
        if step.what:
            click.echo(escape_control(f"  {step.source}: {step.what}"), err=True)


def _windows(answer: Answer, length_ms: int) -> tuple[Window, ...]:
    from greensched.bounds.window import cleanest_windows

    if answer.series is None or answer.known_until_ms - answer.query.from_ms < length_ms:
        return ()
    return cleanest_windows(
        answer.series, answer.query.from_ms, length_ms, answer.known_until_ms, BEST
    )


def _line(answer: Answer, advice: Advice) -> str:
    """Return the advice in one line."""
    zone = escape_control(answer.query.zone)
    if advice.choice is None:
        return f"{zone}: start now; {escape_control(advice.reason)}"
    best, now = advice.choice.best, advice.choice.now
    series = answer.series
    assert series is not None
    source = escape_control(f"{series.labels.source}, {series.labels.signal}")
    made_up = ", synthetic" if series.labels.synthetic else ""
    if advice.decision == "now":
        return (
            f"{zone}: start now, {best.mean_g_per_kwh:.0f} g/kWh; {advice.reason} "
            f"({source}{made_up})"
        )
    more = f"; {advice.reason}" if advice.reason else ""
    return (
        f"{zone}: start {_clock(best.start_ms)} (in {_span(best.start_ms - now.start_ms)}), "
        f"end {_clock(best.end_ms)}: {best.mean_g_per_kwh:.0f} g/kWh instead of "
        f"{now.mean_g_per_kwh:.0f}, saves {100 * advice.choice.saving_share:.1f} %"
        f"{more} ({source}{made_up})"
    )


def _planned(answer: Answer, advice: Advice, duration_ms: int, within_ms: int) -> dict[str, Any]:
    """Return the advice as a document."""
    choice = advice.choice
    return {
        "schema": "greensched/carbon-plan/v1",
        "zone": answer.query.zone,
        "decision": advice.decision,
        "reason": advice.reason,
        "now": _iso(answer.query.now_ms),
        "start": _iso(advice.start_ms),
        "end": _iso(advice.start_ms + duration_ms),
        "latest_start": _iso(advice.latest_start_ms),
        "duration_s": duration_ms / MS,
        "within_s": within_ms / MS,
        "intensity_g_per_kwh": None if choice is None else choice.best.mean_g_per_kwh,
        "intensity_now_g_per_kwh": None if choice is None else choice.now.mean_g_per_kwh,
        "saving_g_per_kwh": None if choice is None else choice.saving_g_per_kwh,
        "saving_share": None if choice is None else choice.saving_share,
        **_provenance(answer),
    }


def _shown(answer: Answer, windows: tuple[Window, ...]) -> dict[str, Any]:
    """Return what `show` draws, as a document."""
    return {
        "schema": "greensched/carbon-show/v1",
        "zone": answer.query.zone,
        "from": _iso(answer.query.from_ms),
        "until": _iso(answer.query.until_ms),
        "known_until": _iso(answer.known_until_ms),
        **_provenance(answer),
        "windows": [
            {"start": _iso(w.start_ms), "end": _iso(w.end_ms), "mean_g_per_kwh": w.mean_g_per_kwh}
            for w in windows
        ],
        "series": _steps(answer),
    }


def _provenance(answer: Answer) -> dict[str, Any]:
    """Return where values come from."""
    labels = None if answer.series is None else answer.series.labels
    made = answer.made
    return {
        "source": None if labels is None else labels.source,
        "signal": None if labels is None else labels.signal,
        "basis": None if labels is None else labels.basis,
        "synthetic": None if labels is None else labels.synthetic,
        "issued_at": None
        if labels is None or labels.issued_at_ms is None
        else _iso(labels.issued_at_ms),
        "steps": [asdict(step) for step in answer.steps],
        "skill": [] if made is None else [asdict(skill) for skill in made.skill],
    }


def _steps(answer: Answer) -> list[dict[str, Any]]:
    """Return the steps of the window, bands where the forecast was made here."""
    from greensched.carbon import STATUS_NAMES

    series = answer.series
    if series is None:
        return []
    bands = {}
    if answer.made is not None and answer.made.coverage_share is not None:
        made = answer.made
        ends = zip(made.low_g_per_kwh.tolist(), made.high_g_per_kwh.tolist(), strict=True)
        bands = dict(zip(made.expected.edges_ms[1:].tolist(), ends, strict=True))
    found = []
    for i, value in enumerate(series.values_g_per_kwh.tolist()):
        low, high = bands.get(int(series.edges_ms[i + 1]), (None, None))
        found.append(
            {
                "start": _iso(int(series.edges_ms[i])),
                "intensity_g_per_kwh": value,
                "status": STATUS_NAMES[int(series.status[i])],
                "low_g_per_kwh": low,
                "high_g_per_kwh": high,
            }
        )
    return found


def _drawn(answer: Answer, windows: tuple[Window, ...]) -> list[str]:
    """Return the lines of the drawing."""
    from greensched.providers.chain import UNKNOWN
    from greensched.report.side import wrapped

    query, series = answer.query, answer.series
    lines = [escape_control(f"{query.zone}  from {_clock(query.from_ms)}, g/kWh")]
    if series is not None:
        labels = series.labels
        told = [labels.source, labels.signal, labels.basis]
        told += ["synthetic"] if labels.synthetic else []
        words = ", ".join(word for word in told if word != "unstated")
        lines[0] += escape_control(f"  ({words})")
        lines += _bars(answer, windows)
    if answer.known_until_ms < query.until_ms:
        lines.append(f"unknown from {_clock(answer.known_until_ms)} on: run now")
    for place, window in enumerate(windows, 1):
        lines.append(
            f"{'best' if place == 1 else 'then':6} {_clock(window.start_ms)} to "
            f"{_clock(window.end_ms)}  {window.mean_g_per_kwh:.0f} g/kWh"
        )
    if series is not None and series.is_constant:
        from greensched.providers.advice import is_annual
        from greensched.providers.constant import NOT_ASSESSABLE

        lines.append(NOT_ASSESSABLE if is_annual(answer) else "flat: no hour is cleaner")
    for step in (s for s in answer.steps if s.source != UNKNOWN):
        filled = f"{step.filled_h:.3g} h" if step.filled_h else "nothing"
        lines.append(escape_control(f"source {step.source}: {filled}; {step.what}".rstrip("; ")))
    return [part for line in (*lines, *_skill(answer)) for part in wrapped(line)]


def _bars(answer: Answer, windows: tuple[Window, ...]) -> list[str]:
    """Return a bar for each hour; an hour that the best window touches is marked."""
    from greensched.report.side import room
    from greensched.units import MS_PER_H

    series, query = answer.series, answer.query
    assert series is not None
    span_ms = answer.known_until_ms - query.from_ms
    each_ms = MS_PER_H * max(1, -(-span_ms // (MS_PER_H * ROWS)))
    starts = [query.from_ms]
    starts += range(query.from_ms // each_ms * each_ms + each_ms, answer.known_until_ms, each_ms)
    means = []
    for start, end in zip(starts, [*starts[1:], answer.known_until_ms], strict=True):
        mean = series.mean(start, end)
        assert mean is not None
        means.append(mean)
    top = max(means)
    longest = min(WIDTH, max(1, room() - BESIDE_BAR))
    lines = []
    for start, mean in zip(starts, means, strict=True):
        best = (
            bool(windows) and start < windows[0].end_ms and start + each_ms > windows[0].start_ms
        )
        bar = "█" * max(1, round(longest * mean / top))
        lines.append(f"{_clock(start)}  {mean:6.0f}  {bar}{'  <- best' if best else ''}")
    return lines


def _skill(answer: Answer) -> list[str]:
    """Return what a forecast that was made here was worth on the days before."""
    if answer.made is None:
        return []
    lines = []
    for skill in answer.made.skill:
        against = "–" if skill.skill_share is None else f"{skill.skill_share:+.2f}"
        lines.append(
            f"skill  {skill.lead_h:2} h ahead: error {100 * skill.error_share:.1f} %, "
            f"{skill.rival} {100 * skill.rival_error_share:.1f} %, skill {against}"
        )
    share = answer.made.coverage_share
    if share is not None:
        lines.append(f"band   {100 * share:.0f} % of values are promised to lie in it (-o json)")
    return lines


def _clock(time_ms: int) -> str:
    """Return an instant to the minute, in UTC."""
    return _iso(time_ms)[5:16].replace("T", " ") + "Z"


def _iso(time_ms: int) -> str:
    from greensched.carbon import iso

    return iso(time_ms)


def _span(span_ms: int) -> str:
    """Return a delay as people say it."""
    minutes = round(span_ms / (60 * MS))
    hours, left = divmod(minutes, 60)
    words = [f"{hours} h"] * bool(hours) + [f"{left} min"] * bool(left)
    return " ".join(words) or "no time"
