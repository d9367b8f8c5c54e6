"""The page: what is shown is escaped, says what there is, and is sent anew where it changed."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from greensched.report.charts.chart import ORANGE
from greensched.serve.app import app_of
from greensched.serve.board import board_of
from greensched.serve.charts import charts, drawn
from greensched.serve.hub import Hub
from greensched.serve.look import Ahead, Alarm, Look, Saving, Task
from greensched.serve.page import SECTIONS, sections
from greensched.serve.words import clock, mass, until
from tests.serve.cases import DAY_MS, HOSTILE, HOUR_MS, NOON_MS

if TYPE_CHECKING:
    from greensched.serve.board import Board

TASK = Task(
    id="7",
    name=HOSTILE,
    state="waiting",
    why="100 g/kWh then, 400 when it was queued",
    cores=2.0,
    start_ms=NOON_MS + 2 * HOUR_MS,
    latest_start_ms=NOON_MS + 9 * HOUR_MS,
    end_ms=NOON_MS + 3 * HOUR_MS,
    saving_share=0.75,
)
AHEAD = Ahead(
    zone="XX",
    source="file",
    asked_ms=NOON_MS,
    edges_ms=(NOON_MS, NOON_MS + 2 * HOUR_MS, NOON_MS + 4 * HOUR_MS),
    values_g_per_kwh=(400.0, 100.0),
)
FULL = Look(
    title=f"queue {HOSTILE}",
    kind="queue",
    at_ms=NOON_MS,
    alarms=(Alarm(kind="overdue", where=HOSTILE, what=HOSTILE, remedy=HOSTILE),),
    tasks=(TASK,),
    waiting=1,
    savings={
        "a": Saving(end_ms=NOON_MS, saved_mg=300_000, by="actual"),
        "b": Saving(end_ms=NOON_MS - DAY_MS, saved_mg=-20_000, by="forecast"),
    },
    ahead=AHEAD,
    facts=((HOSTILE, HOSTILE),),
    table=((HOSTILE, HOSTILE), (HOSTILE, HOSTILE)),
)


@pytest.fixture(scope="module")
def full() -> dict[str, str]:
    """Return the sections of a board that has something of everything, all of it hostile."""
    return _sections(_board(FULL, target_g=500.0))


def _board(*looks: Look, target_g: float | None = None) -> Board:
    return board_of(looks, NOON_MS, target_g, UTC)


def _sections(board: Board) -> dict[str, str]:
    return sections(board, charts(board, UTC), UTC)


def _words(html: str) -> str:
    """Return the text of HTML, its blanks made one."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_hostile_names_are_text(full: dict[str, str]) -> None:
    """A job, place or remedy with HTML and control characters in it makes neither of them."""
    everything = "".join(full.values())
    assert [] == re.findall(r"<script|<img|\x1b", everything)
    assert 8 <= everything.count("&lt;script&gt;alert(1)")
    assert "\\x1b[31m" in everything


def test_today_stands_against_the_target(full: dict[str, str]) -> None:
    """The tile tells what was saved today, the target and its share."""
    assert "300 g CO2e of 500 g aimed at: 60 %" in _words(full["today"])
    assert "reached on 0 of them" in _words(full["saved"])
    assert "Days below zero" in full["saved"]


def test_waiting_job_is_told_until_when(full: dict[str, str]) -> None:
    """Start, time until it, latest start, reason and share of the job stand in its row."""
    row = _words(full["waits"])
    assert "today 14:00 in 2 h today 21:00 75 % 2" in row
    assert "100 g/kWh then, 400 when it was queued" in row


def test_intensity_is_told_now_and_next(full: dict[str, str]) -> None:
    """The tile and the chart's words tell what it is now and when it is cleanest."""
    assert "400 g/kWh, XX cleanest of the next 24 h: 100 g/kWh, today 14:00" in _words(
        full["today"]
    )
    assert "falls from 400 to 100 g/kWh (75 % less) today 14:00" in _words(full["intensity"])


def test_charts_hold_what_they_show(full: dict[str, str]) -> None:
    """Both charts are drawn in two widths, without styles or scripts that the policy refuses."""
    made = charts(_board(FULL, target_g=500.0), UTC)
    assert {"intensity", "saved"} == made.keys()
    for svg in (one for chart in made.values() for one in drawn(chart).values()):
        assert svg.startswith("<svg")
        assert [] == re.findall(r"<script|<style|\sstyle=|\son\w+=|href=", svg)
    assert ORANGE in drawn(made["intensity"])["wide"]  # the planned run
    assert 4 == sum(html.count("<svg") for html in full.values())


def test_empty_board_says_what_would_fill_it() -> None:
    """Without jobs, savings and intensity every section still says so, and how that changes."""
    made = _sections(_board(Look(title="queue q", kind="queue", at_ms=NOON_MS)))
    assert "batch submit" in made["waits"]
    assert "Nothing was settled" in made["saved"]
    assert "Nothing is known" in made["intensity"]
    assert "None: nothing is overdue" in made["alarms"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles"])
def test_jobs_count_on_the_local_day_that_they_ended(zone: str) -> None:
    """Also where clocks change, an ending is of the day that the local clock said."""
    there, now_ms = ZoneInfo(zone), 1_793_880_000_000  # 2026-11-05T12:00Z
    ends_ms = range(now_ms - 20 * DAY_MS, now_ms + 2 * DAY_MS, 17 * 60_000)
    savings = {str(ms): Saving(end_ms=ms, saved_mg=1_000, by="actual") for ms in ends_ms}
    look = Look(title="l", kind="ledger", at_ms=now_ms, savings=savings)
    days = Counter(datetime.fromtimestamp(ms / 1_000, there).date() for ms in ends_ms)
    board = board_of([look], now_ms, None, there)
    assert [days[day.day] for day in board.days] == [day.jobs for day in board.days]
    assert [float(day.jobs) for day in board.days] == [day.saved_g for day in board.days]
    assert datetime.fromtimestamp(now_ms / 1_000, there).date() == board.today.day


def test_nothing_is_put_together_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many jobs there are, a board is made beside the loop that answers requests."""
    beside: list[bool] = []

    def made(*given: Any) -> Board:
        beside.append(current_thread() is not main_thread())
        return board_of(*given)

    async def told() -> None:
        hub = Hub([_Place()], zone=UTC)
        monkeypatch.setattr("greensched.serve.hub.board_of", made)
        async with hub.running():
            await hub._show()

    asyncio.run(told())
    assert {True} == set(beside)


def test_values_do_not_grow_with_jobs() -> None:
    """What is answered as JSON has sums by day, and of no job its saving."""

    async def size(jobs: int) -> int:
        place = _Place()
        saving = Saving(end_ms=NOON_MS, saved_mg=0, by="actual")
        savings = dict.fromkeys(map(str, range(jobs)), saving)
        place.seen = Look(title="ledger", kind="ledger", at_ms=NOON_MS, savings=savings)
        hub = Hub([place], zone=UTC)
        async with hub.running():
            transport = httpx.ASGITransport(app_of(hub, ["a"]))
            async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
                return len((await client.get("/board.json")).content)

    assert abs(asyncio.run(size(1_000)) - asyncio.run(size(1))) < 20


class _Place:
    """A place that shows what it is told to."""

    period_s = 3_600.0
    title = kind = "queue"

    def __init__(self) -> None:
        self.seen: Look | Exception = Look(title="queue", kind="queue", at_ms=NOON_MS)

    def look(self, now_ms: int) -> Look:  # noqa: ARG002 as every place
        if isinstance(self.seen, Exception):
            raise self.seen
        return self.seen


def test_only_what_changed_is_sent() -> None:
    """After a change who has the page gets the sections that differ, a stranger gets all."""

    async def told() -> tuple[set[str], set[str], set[str]]:
        place = _Place()
        hub = Hub([place], zone=UTC)
        async with hub.running():
            first = hub.version
            place.seen = Look(title="queue", kind="queue", at_ms=NOON_MS, facts=(("a", "b"),))
            await hub._look(0)
            assert await hub.changed(first, 10.0)
            return set(hub.since(first)), set(hub.since("other-9")), set(hub.since(hub.version))

    changed, everything, nothing = asyncio.run(told())
    assert {"places"} == changed
    assert set(SECTIONS) == everything
    assert set() == nothing


def test_place_that_fails_is_an_alarm_and_no_end(caplog: pytest.LogCaptureFixture) -> None:
    """A place whose look breaks is told of, and is seen again once it can be."""

    async def told() -> tuple[str, int]:
        place = _Place()
        place.seen = RuntimeError("no such thing")
        hub = Hub([place], zone=UTC)
        async with hub.running():
            (alarm,) = hub.board.alarms
            first, place.seen = hub.version, Look(title="queue", kind="queue", at_ms=NOON_MS)
            await hub._look(0)
            assert await hub.changed(first, 10.0)
            return alarm.what, len(hub.board.alarms)

    assert ("RuntimeError: no such thing", 0) == asyncio.run(told())
    assert "queue" in caplog.text


@pytest.mark.parametrize(
    ("away_ms", "clocked", "away"),
    [
        (0, "today 12:00", "now"),
        (130 * 60_000, "today 14:10", "in 2 h 10 min"),
        (-5 * 60_000, "today 11:55", "5 min ago"),
        (13 * HOUR_MS, "tomorrow 01:00", "in 13 h"),
        (3 * DAY_MS, "Mon 12:00", "in 3 days"),
        (30 * DAY_MS, "20 Dec 12:00", "in 30 days"),
        (-3 * DAY_MS, "17 Nov 12:00", "3 days ago"),
    ],
)
def test_instants_as_people_say_them(away_ms: int, clocked: str, away: str) -> None:
    """Instants are named from now by day and time, and by how far away they are."""
    assert clocked == clock(NOON_MS + away_ms, NOON_MS, UTC)
    assert away == until(NOON_MS + away_ms, NOON_MS)


@pytest.mark.parametrize(
    ("grams", "said"), [(0.0, "0 g"), (12.34, "12.3 g"), (-412.0, "-412 g"), (2_345.0, "2.35 kg")]
)
def test_masses_have_their_unit(grams: float, said: str) -> None:
    """Masses are told in g or kg by size."""
    assert said == mass(grams)
