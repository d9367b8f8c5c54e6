"""Calendars of forecasts: local hours, changes of the clock, holidays, worked weekends."""

from __future__ import annotations

import numpy as np
import pytest

from greensched.errors import UsageError
from greensched.forecast import Calendar, Forecast
from greensched.forecast.calendar import WEEK_SLOTS
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN
from tests.forecast_cases import DAY, STEP_MS, calendar, fitted, usual, utc_ms, weeks


@pytest.mark.parametrize(
    ("zone", "change", "before_utc_h", "after_utc_h"),
    [
        ("Europe/Berlin", "2023-03-26", 8, 7),
        ("Europe/Berlin", "2023-10-29", 7, 8),
        ("America/New_York", "2023-03-12", 14, 13),
        ("Asia/Shanghai", "2023-03-26", 1, 1),
    ],
)
def test_hours_are_local_when_the_clock_changes(
    zone: str, change: str, before_utc_h: int, after_utc_h: int
) -> None:
    """Who is busiest from 9 to 10 local time is forecast so after the clock has changed."""
    where = calendar(zero=change, time_zone=zone)
    start_ms = -28 * MS_PER_DAY
    load = np.full((1, 28 * DAY), 1_000, np.int64)
    middles = start_ms + np.arange(28 * DAY) * STEP_MS + STEP_MS // 2
    load[0, (middles // MS_PER_H) % 24 == before_utc_h] = 5_000
    forecast = fitted(load, where, start_ms=start_ms)
    assert after_utc_h == usual(forecast, 2)[:, 0].argmax()
    assert 5_000.0 == usual(forecast, 2).max()


def test_the_hour_that_comes_twice_and_the_one_that_is_missing() -> None:
    """In Berlin 02:30 of Sunday comes twice in October, and not at all in March."""
    sunday = 6 * 24
    for change, times in (("2023-10-29", 2), ("2023-03-26", 0)):
        hours = calendar(zero=change, time_zone="Europe/Berlin").hours(0, 5 * MS_PER_H)
        assert times == hours.slot.count(sunday + 2)
        assert {MS_PER_H} == set(np.diff(hours.at_ms).tolist())


def test_zones_off_the_hour() -> None:
    """India's hours have their centres at full hours of UTC, Nepal's 45 minutes past."""
    for zone, past_ms in (("Asia/Kolkata", 0), ("Asia/Kathmandu", 45 * MS_PER_MIN)):
        hours = calendar(time_zone=zone).hours(0, MS_PER_DAY)
        assert {past_ms} == {t % MS_PER_H for t in hours.at_ms}
    assert calendar(time_zone="+05:30").hours(0, MS_PER_DAY) == calendar(
        time_zone="Asia/Kolkata"
    ).hours(0, MS_PER_DAY)
    assert calendar(time_zone="+08").hours(0, 0) == calendar(time_zone="+08:00").hours(0, 0)


def _with_holiday(*, seen: bool) -> Forecast:
    """Return a forecast from 2023-06-05 of who rests on holidays and of who does not.

    Where `seen`, Juneteenth (Monday 19 June) is in its four weeks; 4 July always comes later.
    """
    load = np.repeat(weeks(services=1, noise_share=0.0), 2, axis=0)
    if seen:
        load[0, 14 * DAY : 15 * DAY] = load[0, 6 * DAY : 7 * DAY]
    return fitted(load, calendar(zero="2023-06-05", country="US"))


def test_a_holiday_is_a_sunday_to_those_who_were_seen_to_rest() -> None:
    """After one holiday in history the next is a Sunday to one service, a Tuesday to the other."""
    forecast = _with_holiday(seen=True)
    fourth, sunday, tuesday = (usual(forecast, day) for day in (29, 34, 36))
    assert sunday[12, 0] < tuesday[12, 0]
    np.testing.assert_allclose(sunday[1:23, 0], fourth[1:23, 0])
    np.testing.assert_allclose(tuesday[1:23, 1], fourth[1:23, 1])


def test_a_holiday_is_like_its_weekday_to_those_who_were_seen_to_work() -> None:
    """Who worked on the holiday in history is forecast to work on the next."""
    forecast = _with_holiday(seen=False)
    np.testing.assert_allclose(usual(forecast, 36), usual(forecast, 29))


def test_a_holiday_is_like_its_weekday_without_evidence() -> None:
    """Where history has no holiday, Labor Day is a Monday like the one after it."""
    forecast = fitted(weeks(), calendar(zero="2023-07-10", country="US"), more_days=40)
    np.testing.assert_array_equal(usual(forecast, 63)[1:23], usual(forecast, 56)[1:23])


def test_a_holiday_does_not_spoil_the_hour_of_day() -> None:
    """A silent holiday in a short history leaves the mean day as it is without it."""
    load = np.full((1, 7 * DAY), 5_000, np.int64)
    load[0, 3 * DAY : 4 * DAY] = 0
    forecast = fitted(load, calendar(zero="2023-06-16", country="US"))
    assert (336, 1) == forecast.week_cpu_m.shape
    assert [5_000.0] * 24 == pytest.approx(usual(forecast, 8)[:, 0].tolist(), rel=1e-12)


def test_a_holiday_does_not_spoil_its_weekday() -> None:
    """A quiet Monday that is a holiday leaves the forecast of Mondays as it was."""
    np.testing.assert_allclose(
        usual(_with_holiday(seen=False), 35)[:, 0], usual(_with_holiday(seen=True), 35)[:, 0]
    )


def test_a_worked_weekend_day() -> None:
    """China worked on Sunday 2023-04-23: that day breaks its week and resembles a Monday."""
    where = calendar(zero="2023-04-22T16:00", time_zone="Asia/Shanghai", country="CN")
    assert min(where.hours(6 * MS_PER_H, 9 * MS_PER_H).slot) >= WEEK_SLOTS
    assert [6, 6, 6, 6, 6, 4, 0] == where.stand_ins().tolist()


def test_a_weekend_without_sunday() -> None:
    """Where Friday and Saturday are the weekend, a holiday resembles a Saturday."""
    assert [5, 5, 5, 5, 3, 6, 5] == Calendar(country="IL").stand_ins().tolist()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"time_zone": "Europe/Atlantis"}, "unknown time zone 'Europe/Atlantis'.*IANA"),
        ({"time_zone": "+99:00"}, "unknown time zone"),
        ({"time_zone": "+08:99"}, "unknown time zone"),
        ({"time_zone": "+8:00"}, "unknown time zone"),
        ({"country": "XX"}, "no holidays known for 'XX'.*ISO 3166"),
        ({"country": "US", "subdivision": "QQ"}, "no holidays known for 'US' 'QQ'"),
    ],
)
def test_unknown_places_are_refused(given: dict[str, str], words: str) -> None:
    """A zone or country that nobody knows is refused, and the remedy is named."""
    with pytest.raises(UsageError, match=words):
        Calendar(**given)  # type: ignore[arg-type]


def test_zero_is_where_the_calendar_says() -> None:
    """Time 0 of a calendar is the instant it names: 2023-01-02 is a Monday."""
    hours = Calendar(zero_utc_ms=utc_ms("2023-01-02")).hours(0, MS_PER_H)
    assert 0 == hours.slot[hours.at_ms.index(MS_PER_H // 2)]
