"""A controller that is watched, by what it shows to Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.errors import OutsideError
from greensched.serve.look import NO_LEADER, OVERDUE, STALE
from greensched.serve.watch.metrics import MetricsWatch
from tests.serve.cases import NOON_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.serve.look import Look

CALM = """\
# TYPE greensched_waiting_jobs gauge
greensched_waiting_jobs{namespace="ml"} 3.0
greensched_waiting_jobs{namespace="web"} 0.0
greensched_overdue_jobs 0.0
greensched_leader 1.0
greensched_forecast_age_seconds{provider="gb",zone="GB"} 120.0
greensched_settled_jobs{namespace="ml"} 5.0
greensched_saved_kilograms{namespace="ml"} 1.25
greensched_energy_kilowatt_hours{namespace="ml"} 7.5
"""


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Look]:
    """Return what looks at a controller that answers with a text."""

    def looked(text: str) -> Look:
        monkeypatch.setattr("greensched.serve.watch.metrics._text", lambda _: text)
        return MetricsWatch("http://127.0.0.1:9/metrics").look(NOON_MS)

    return looked


def test_calm_controller_has_no_alarm(look: Callable[[str], Look]) -> None:
    """Waiting Jobs are summed and namespaces listed; nothing is wrong."""
    found = look(CALM)
    assert (3, ()) == (found.waiting, found.alarms)
    assert ("ml", "3", "5", "1.250", "7.50") == found.table[1]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("overdue_jobs 0.0", "overdue_jobs 2.0", OVERDUE),
        ("leader 1.0", "leader 0.0", NO_LEADER),
        ("120.0", "30000.0", STALE),
    ],
)
def test_what_the_chart_alerts_of_is_an_alarm(
    look: Callable[[str], Look], before: str, after: str, kind: str
) -> None:
    """Overdue Jobs, a replica that does not lead and an old forecast are each an alarm."""
    assert [kind] == [alarm.kind for alarm in look(CALM.replace(before, after)).alarms]


@pytest.mark.parametrize("text", ["<html>", "other_metric 1.0\n", "greensched_leader{ 1\n"])
def test_other_answers_are_refused(look: Callable[[str], Look], text: str) -> None:
    """What is no page of our metrics is told as such."""
    with pytest.raises(OutsideError, match=r"metric|form"):
        look(text)


def test_nobody_there_is_told() -> None:
    """An address at which nobody answers is an error of the outside, with its name."""
    with pytest.raises(OutsideError, match=r"127\.0\.0\.1:1/metrics: does not answer"):
        MetricsWatch("http://127.0.0.1:1/metrics").look(NOON_MS)
