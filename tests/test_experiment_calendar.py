"""Runs whose demand follows a clock that changes, and holidays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

import greensched as gs
from greensched.errors import ScenarioError
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from greensched.scenario import Scenario

BERLIN = ZoneInfo("Europe/Berlin")
QUIET = {(4, 7), (4, 10), (5, 1)}  # Good Friday, Easter Monday, Labour Day of 2023


def by_the_clock(at: datetime) -> int:
    """Return a load [millicores] that is high from eight to eight by the clock on the wall."""
    return 60_000 if 8 <= at.hour < 20 else 12_000


def by_holidays(at: datetime) -> int:
    """Return such a load that is low on holidays as at weekends."""
    quiet = at.weekday() >= 5 or (at.month, at.day) in QUIET
    return by_the_clock(at) // (3 if quiet else 1)


def scenario(folder: Path, load: Callable[[datetime], int], start: str) -> Scenario:
    """Return two days from `start` after four weeks of history, services alone."""
    path = write_scenario(folder)
    text = path.read_text(encoding="utf-8")
    window = next(line for line in text.splitlines() if line.startswith("window:"))
    text = text.replace(window, f"window: {{start: {start}, days: 2}}\nhistory: {{days: 28}}")
    path.write_text(text.replace("  jobs: {file: jobs.csv}\n", ""), encoding="utf-8")
    begin = datetime.fromisoformat(start).astimezone(UTC)
    rows = [
        f"web,{3600 * hour},{load((begin + timedelta(hours=hour)).astimezone(BERLIN))},4000,2048"
        for hour in range(-28 * 24, 48)
    ]
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
    (folder / "services.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return gs.load(path)


@pytest.mark.parametrize(
    ("load", "start", "calendar", "told"),
    [
        (
            by_the_clock,
            "2023-03-27T00:00+02:00",
            {"time_zone": "Europe/Berlin"},
            "the clock of Europe/Berlin and by no holidays",
        ),
        (
            by_holidays,
            "2023-05-01T00:00+02:00",
            {"time_zone": "Europe/Berlin", "country": "DE", "subdivision": "BE"},
            "the clock of Europe/Berlin and by the holidays of DE BE",
        ),
    ],
)
def test_forecasts_of_a_run_go_by_its_calendar(
    tmp_path: Path, load: Callable[[datetime], int], start: str, calendar: Any, told: str
) -> None:
    """With the calendar the error is a small part of that without, and the result names it."""
    given = scenario(tmp_path, load, start)
    plain = gs.run(given, bounds=False).summary
    known = gs.run(given.with_(calendar=calendar), bounds=False).summary
    errors = [one["forecasts"]["services"]["each"]["error_share"] for one in (plain, known)]
    assert errors[1] < errors[0] / 2
    assert f"forecasts go by {told}" in known["demand"]["findings"]
    assert not any("go by" in text for text in plain["demand"]["findings"])
    assert plain["scenario_sha256"] != known["scenario_sha256"]


@pytest.mark.parametrize(
    ("calendar", "what"),
    [
        ({"time_zone": "Europe/Berlim"}, "unknown time zone 'Europe/Berlim'"),
        ({"country": "XX"}, "no holidays known for 'XX'"),
        ({"subdivision": "BE"}, "a subdivision of no country"),
    ],
)
def test_calendars_that_nobody_knows_are_refused(tmp_path: Path, calendar: Any, what: str) -> None:
    """With what is wrong, when the scenario is read."""
    given = scenario(tmp_path, by_the_clock, "2023-03-27T00:00+02:00")
    with pytest.raises(ScenarioError, match=what):
        given.with_(calendar=calendar)
