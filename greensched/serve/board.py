"""All that is seen, put together: what the page shows at an instant. Pure: time is an argument."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from greensched.units import MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from greensched.serve.look import Ahead, Alarm, Look, Saving, Task

DAYS_SHOWN: Final = 14
TASKS_SHOWN: Final = 200
MG_PER_G: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What jobs that ended on a local day saved [g CO2e], below 0 where it cost."""

    day: date
    saved_g: float
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What is shown; `target_g` is for one day, None where no target was given.

    `by_forecast` of today's jobs are settled by a forecast until actuals come.
    """

    at_ms: int
    alarms: tuple[Alarm, ...]
    waiting: int
    running: int
    tasks: tuple[Task, ...]
    days: tuple[Day, ...]
    by_forecast: int
    is_synthetic: bool
    has_books: bool
    target_g: float | None
    ahead: Ahead | None
    looks: tuple[Look, ...]

    @property
    def today(self) -> Day:
        """Return the last day shown, which has not ended."""
        return self.days[-1]

    @property
    def next_start_ms(self) -> int | None:
        """Return when the next waiting job starts, None where none waits."""
        waits = (t.start_ms for t in self.tasks if t.state == "waiting")
        return min(waits, default=None)

    def cleanest(self) -> tuple[int, float] | None:
        """Return begin and intensity [g/kWh] of the cleanest step of the next day, if known."""
        if self.ahead is None:
            return None
        steps = [
            (value, begin)
            for begin, end, value in zip(
                self.ahead.edges_ms,
                self.ahead.edges_ms[1:],
                self.ahead.values_g_per_kwh,
                strict=False,
            )
            if end > self.at_ms and begin < self.at_ms + 24 * MS_PER_H
        ]
        if not steps:
            return None
        value, begin = min(steps)
        return max(begin, self.at_ms), value


def board_of(
    looks: Sequence[Look], now_ms: int, target_g: float | None, zone: tzinfo | None
) -> Board:
    """Return the board of what was seen; days are local ones of `zone`, None: this machine's."""
    tasks = sorted((t for look in looks for t in look.tasks), key=_order)
    shown = _shown_days(now_ms, zone)
    begin_ms = [_begin_ms(day, zone) for day in (*shown, shown[-1] + timedelta(days=1))]
    savings = [s for s in merged(looks).values() if begin_ms[0] <= s.end_ms < begin_ms[-1]]
    ahead = [look.ahead for look in looks if look.ahead is not None]
    return Board(
        at_ms=now_ms,
        alarms=tuple(alarm for look in looks for alarm in look.alarms),
        waiting=sum(look.waiting for look in looks),
        running=sum(look.running for look in looks),
        tasks=tuple(tasks[:TASKS_SHOWN]),
        days=_days(savings, shown, begin_ms),
        by_forecast=sum(s.by == "forecast" and s.end_ms >= begin_ms[-2] for s in savings),
        is_synthetic=any(s.synthetic for s in savings),
        has_books=any(look.kind in ("queue", "ledger") for look in looks),
        target_g=target_g,
        ahead=max(ahead, key=lambda one: one.asked_ms, default=None),
        looks=tuple(looks),
    )


def merged(looks: Iterable[Look]) -> Mapping[str, Saving]:
    """Return what was saved on machines that ran, each job once however many places tell of it.

    A ledger goes before the queue that writes to it.
    """
    found: dict[str, Saving] = {}
    for look in sorted(looks, key=lambda one: one.kind == "ledger"):
        if look.is_real:
            found.update(look.savings)
    return found


def _order(task: Task) -> tuple[bool, int, str]:
    """Return what tasks are listed by: those that run first, then by start."""
    return (task.state in ("waiting", "held"), task.start_ms, task.id)


def local(at_ms: int, zone: tzinfo | None) -> datetime:
    """Return an instant as local time of `zone`, None: of this machine's."""
    return datetime.fromtimestamp(at_ms / MS_PER_S, UTC).astimezone(zone)


def _shown_days(now_ms: int, zone: tzinfo | None) -> tuple[date, ...]:
    """Return the days up to today that are shown, also those on which nothing ended."""
    last = local(now_ms, zone).date()
    return tuple(last - timedelta(days=back) for back in range(DAYS_SHOWN - 1, -1, -1))


def _begin_ms(day: date, zone: tzinfo | None) -> int:
    """Return when a local day begins [ms since 1970 UTC]."""
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * MS_PER_S)


def _days(
    savings: Iterable[Saving], shown: Sequence[date], begin_ms: Sequence[int]
) -> tuple[Day, ...]:
    """Return what was saved on each day: `begin_ms` of the days shown, and of the day after."""
    saved_mg = [0] * len(shown)
    jobs = [0] * len(shown)
    for one in savings:
        at = bisect_right(begin_ms, one.end_ms) - 1
        saved_mg[at] += one.saved_mg
        jobs[at] += 1
    return tuple(
        Day(day=day, saved_g=mg / MG_PER_G, jobs=count)
        for day, mg, count in zip(shown, saved_mg, jobs, strict=True)
    )
