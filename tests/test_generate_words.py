"""What all samples are made of: the calendar of steps."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from greensched.generate.words import SATURDAY, weekday


@pytest.mark.parametrize("a_day", [1, 24, 288])
def test_weekday_is_the_calendar_s(a_day: int) -> None:
    """Steps from a Monday on have the weekdays of a calendar, however many there are in a day."""
    monday = date(2023, 2, 6)
    expected = [(monday + timedelta(days=i // a_day)).weekday() for i in range(20 * a_day)]
    assert expected == weekday(20 * a_day, a_day).tolist()
    assert date(2023, 2, 11).weekday() == SATURDAY
    assert [4, 5, 6, 0] == weekday(4, 1, first_day=4).tolist()
