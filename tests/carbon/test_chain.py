"""Gates, cache and chain: what is believed, what is kept, and what is done when nobody knows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest

from greensched.carbon import ACTUAL, FORECAST, Labels
from greensched.errors import Finding, OutsideError
from greensched.providers.advice import advise
from greensched.providers.cache import EXPIRY_MS, Cache
from greensched.providers.chain import Answer, ask
from greensched.providers.gates import judged
from greensched.providers.points import Points, Query, nothing, points_of
from greensched.providers.web import Web
from tests.carbon.worlds import HOUR_MS, NOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAN = float("nan")
DAY_H = 24
DAMAGED = '{"version": 1, "points": [[0, 1e999, 1, 0]]}'


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """A source that says what it is told to; None refuses. Values are by the hour."""

    live: ClassVar[bool] = True
    name: str = "first"
    past: Sequence[float] | None = ()
    ahead: Sequence[float] | None = ()
    labels: Labels = field(default_factory=Labels)
    issued_h: int = 0
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Return nowhere."""
        return "nowhere"

    def actual(self, query: Query, web: Web) -> Points:  # noqa: ARG002 as every provider
        """Return the hours before now."""
        self.asked.append(("actual", query.from_ms, query.until_ms))
        if self.past is None:
            raise OutsideError(Finding(where=self.name, what="answered 403: plan lacks history"))
        start = NOW_MS - len(self.past) * HOUR_MS
        return self._points(self.past, start, ACTUAL, query)

    def forecast(self, query: Query, web: Web) -> Points:  # noqa: ARG002
        """Return the hours from now on."""
        self.asked.append(("forecast", query.from_ms, query.until_ms))
        if self.ahead is None:
            raise OutsideError(Finding(where=self.name, what="answered 503"))
        if not len(self.ahead):
            return nothing(query.zone, self.labels, "has no forecast")
        return self._points(self.ahead, NOW_MS, FORECAST, query)

    def _points(self, values: Sequence[float], start: int, status: int, query: Query) -> Points:
        hours = [
            (start + i * HOUR_MS, start + (i + 1) * HOUR_MS, v, status)
            for i, v in enumerate(values)
            if start + (i + 1) * HOUR_MS > query.from_ms
        ]
        issued = NOW_MS - self.issued_h * HOUR_MS if status == FORECAST else None
        labels = replace(self.labels, source=self.name, issued_at_ms=issued)
        return points_of(query.zone, hours, labels)


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a web that nobody may use."""
    with Web.open(httpx.MockTransport(lambda _: httpx.Response(500))) as opened:
        yield opened


def question(hours: int = 6, past_h: int = 0, later_ms: int = 0) -> Query:
    """Return the question for the next hours."""
    now = NOW_MS + later_ms
    return Query(
        zone="DE", from_ms=now - past_h * HOUR_MS, until_ms=now + hours * HOUR_MS, now_ms=now
    )


def answered(
    web: Web, *sources: Any, query: Query | None = None, folder: Path | None = None
) -> Answer:
    """Return what sources know of the next six hours."""
    return ask(sources, query or question(), web, Cache(folder=folder))


def told(answer: Answer) -> list[tuple[str, float]]:
    """Return who filled how many hours."""
    return [(step.source, step.filled_h) for step in answer.steps]


def values(answer: Answer) -> list[float]:
    """Return the values of the answer's steps."""
    assert answer.series is not None
    found: list[float] = answer.series.values_g_per_kwh.tolist()
    return found


def gate(
    values: Sequence[float], *, live: bool = True, status: int = FORECAST, **labels: Any
) -> Any:
    """Return the values that pass and the notes, by the hour from now on."""
    rows = [
        (NOW_MS + i * HOUR_MS, NOW_MS + (i + 1) * HOUR_MS, v, status) for i, v in enumerate(values)
    ]
    points = points_of("DE", rows, Labels(**labels))
    good, notes = judged(points, live=live, now_ms=NOW_MS)
    return good.values_g_per_kwh.tolist(), notes


def test_gates_of_values() -> None:
    """Null, zero, negative and impossible values are left out, each kind counted."""
    good, notes = gate([NAN, 0.0, -1.0, 2_001.0, 100.0])
    assert [100.0] == good
    assert (
        "1 of 5 values null",
        "2 of 5 values not above 0",
        "1 of 5 values above 2,000 g/kWh: a wrong unit?",
    ) == notes


def test_gate_of_frozen_feeds() -> None:
    """One value for over a day is a fault of a live feed, and may be true of a file."""
    frozen = [300.0] * 25 + [310.0]
    good, notes = gate(frozen)
    assert ([310.0], ("25 of 26 values the same for over 24 h: a frozen feed",)) == (good, notes)
    assert (frozen, ()) == gate(frozen, live=False)
    assert ([300.0] * 24, ()) == gate([300.0] * 24)


def test_gate_of_stale_forecasts() -> None:
    """A live forecast that was made over a day ago is left out."""
    good, notes = gate([300.0], issued_at_ms=NOW_MS - 25 * HOUR_MS)
    assert ([], ("1 of 1 values forecast over 24 h ago",)) == (good, notes)
    assert ([300.0], ()) == gate([300.0], issued_at_ms=NOW_MS - 23 * HOUR_MS)


def test_gate_of_the_future() -> None:
    """What claims to be measured hours ahead of now is left out."""
    good, notes = gate([1.0, 2.0, 3.0], status=ACTUAL)
    assert ([1.0, 2.0], ("1 of 3 values measured in the future",)) == (good, notes)


def test_gate_of_contradictions() -> None:
    """Two values for one time are both left out; one said twice counts once; overlaps are cut."""
    step = HOUR_MS
    rows = [
        (0, step, 5.0, 0),
        (0, step, 6.0, 0),
        (step, 3 * step, 7.0, 0),
        (step, 3 * step, 7.0, 0),
    ]
    rows += [(2 * step, 3 * step, 8.0, 0)]
    good, notes = judged(points_of("DE", rows, Labels()), live=False, now_ms=NOW_MS)
    assert ("2 of 5 values two values for one time",) == notes
    assert [step, 2 * step] == good.start_ms.tolist()
    assert [2 * step, 3 * step] == good.end_ms.tolist()


def test_first_source_is_enough(web: Web) -> None:
    """Where the first source knows all, nobody else is asked."""
    second = Source(name="second")
    answer = answered(web, Source(ahead=[100.0 + i for i in range(8)]), second)
    assert ([("first", 6.0)], []) == (told(answer), second.asked)
    assert answer.is_whole
    assert [FORECAST] * 6 == answer.series.status.tolist() if answer.series else False


def test_bad_points_go_to_the_next_source(web: Web) -> None:
    """Hours that fail a gate are filled by the next source, those that pass are kept."""
    first = Source(ahead=[100.0, 0.0, 0.0, 130.0, 140.0, 150.0])
    answer = answered(web, first, Source(name="second", ahead=[200.0 + i for i in range(8)]))
    assert [100.0, 201.0, 202.0, 130.0, 140.0, 150.0] == values(answer)
    assert [("first", 4.0), ("second", 2.0)] == told(answer)
    assert "2 of 6 values not above 0" in answer.steps[0].what
    assert "first, second" == (answer.series.labels.source if answer.series else "")


def test_signals_are_never_mixed(web: Web) -> None:
    """A marginal source does not fill the hours of an average one, and that is told."""
    first = Source(ahead=[100.0, NAN])
    other = Source(name="other", ahead=[900.0] * 6, labels=Labels(signal="marginal"))
    answer = answered(web, first, other)
    assert [100.0] == values(answer)
    assert "marginal, left out: the others are average" in answer.steps[1].what


def hour_of_day(hours: int) -> list[float]:
    """Return hours of a day that repeats, the last ending now."""
    return [300.0 + 10.0 * ((i - hours) % DAY_H) for i in range(hours)]


def test_forecast_is_made_where_there_is_none(web: Web) -> None:
    """A source with a history and no forecast gets one; the next source is not asked."""
    second = Source(name="second", ahead=[1.0] * 6)
    answer = answered(web, Source(past=hour_of_day(28 * DAY_H)), second)
    assert [300.0 + 10.0 * i for i in range(6)] == pytest.approx(values(answer), rel=0.05)
    assert "hour-of-week forecast made of 28.0 days of history" in answer.steps[0].what
    assert ([("first", 6.0)], []) == (told(answer), second.asked)
    assert answer.made is not None
    assert answer.made.skill


def test_forecast_that_ends_early_is_carried_on(web: Web) -> None:
    """Where all forecasts end before the window does, one is made for the rest."""
    source = Source(past=hour_of_day(28 * DAY_H), ahead=[500.0, 510.0])
    answer = answered(web, source)
    assert [500.0, 510.0] == values(answer)[:2]
    assert [("first", 2.0), ("forecast made of first", 4.0)] == told(answer)
    assert answer.is_whole


def test_old_history_is_told_or_left(web: Web) -> None:
    """History that ended hours ago is told, after two days without a band, after three left."""
    for age_h, said in ((1, False), (10, True), (48, True), (60, True), (72, True)):
        past = hour_of_day(28 * DAY_H)[:-age_h] + [NAN] * age_h
        answer = answered(web, Source(past=past))
        assert answer.is_whole
        assert said == (f"its last value is {age_h} h old" in answer.steps[0].what)
        assert answer.made is not None
        known = age_h <= 2 * DAY_H
        assert (known, known) == (bool(answer.made.skill), answer.made.coverage_share is not None)
    answer = answered(web, Source(past=hour_of_day(28 * DAY_H)[:-73] + [NAN] * 73))
    assert "its last value is 73 h old; too old to make a forecast of" in answer.steps[0].what
    assert (None, None) == (answer.series, answer.made)


def test_last_good_forecast_helps(web: Web, tmp_path: Path) -> None:
    """When nobody answers, the last forecast that was kept helps for three days, not longer."""
    good = Source(ahead=[100.0 + i for i in range(100)])
    answered(web, good, folder=tmp_path)
    dead = Source(past=None, ahead=None)
    later = question(later_ms=71 * HOUR_MS)
    answer = answered(web, dead, query=later, folder=tmp_path)
    assert [171.0 + i for i in range(6)] == values(answer)
    assert ("last good forecast of first", 6.0) == told(answer)[-1]
    assert "71 h old" in answer.steps[-1].what
    answer = answered(web, dead, query=question(later_ms=73 * HOUR_MS), folder=tmp_path)
    assert answer.series is None
    assert "too old" in answer.steps[1].what


def test_mean_day_helps(web: Web) -> None:
    """With one day of history there is no forecast, but a mean day; with less, nothing."""
    answer = answered(web, Source(past=hour_of_day(30), ahead=None))
    assert [300.0 + 10.0 * i for i in range(6)] == values(answer)
    assert ("mean day", 6.0) == told(answer)[-1]
    answer = answered(web, Source(past=hour_of_day(20), ahead=None))
    assert answer.series is None
    assert "unknown: run now" == answer.steps[-1].source


def test_unknown_is_said(web: Web) -> None:
    """Where nothing is known the advice is to run now, with every step on the way told."""
    answer = answered(
        web, Source(past=None, ahead=None), Source(name="second", past=None, ahead=None)
    )
    assert answer.series is None
    assert NOW_MS == answer.known_until_ms
    assert "answered 403: plan lacks history" in answer.steps[0].what
    advice = advise(answer, HOUR_MS, 6 * HOUR_MS)
    assert ("unknown", NOW_MS) == (advice.decision, advice.start_ms)
    assert "unknown: run now" in advice.reason


def test_past_and_future_are_kept_apart(web: Web) -> None:
    """A window that holds now has measured values before it and forecast ones after it."""
    source = Source(past=[50.0, 60.0, 70.0], ahead=[100.0] * 5 + [90.0])
    answer = answered(web, source, query=question(past_h=2))
    assert [60.0, 70.0, 100.0] == values(answer)[:3]
    assert answer.series is not None
    assert [ACTUAL, ACTUAL, FORECAST] == answer.series.status.tolist()[:3]


def test_fresh_answers_are_not_asked_again(web: Web, tmp_path: Path) -> None:
    """Within a quarter of an hour a source is asked once, after it again."""
    source = Source(ahead=[100.0 + i for i in range(40)])
    for later, times in ((0, 1), (EXPIRY_MS - 1, 1), (EXPIRY_MS, 2)):
        answered(web, source, query=question(later_ms=later), folder=tmp_path)
        assert times == len(source.asked), later


def test_measured_values_are_gathered(web: Web, tmp_path: Path) -> None:
    """A source that tells of one day has, asked daily, a longer history; its corrections count."""
    cache = Cache(folder=tmp_path)
    first = Source(past=[1.0, 2.0, 3.0])
    query = question(past_h=3)
    cache.keep(first, "actual", query, first.actual(query, web))
    later = points_of(
        "DE",
        [(NOW_MS - HOUR_MS, NOW_MS, 9.0, 0), (NOW_MS, NOW_MS + HOUR_MS, 4.0, 0)],
        Labels(source="first"),
    )
    both = cache.keep(first, "actual", question(past_h=1, later_ms=HOUR_MS), later)
    assert [1.0, 2.0, 9.0, 4.0] == both.values_g_per_kwh.tolist()
    kept = cache.read(first, "actual", "DE")
    assert kept is not None
    assert [1.0, 2.0, 9.0, 4.0] == kept.points.values_g_per_kwh.tolist()
    assert query.from_ms == kept.from_ms


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 0}', '{"version": 1}', DAMAGED])
def test_damaged_cache_is_left_aside(
    web: Web, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A kept answer that is damaged is told and left aside; the source is asked."""
    source = Source(ahead=[100.0 + i for i in range(12)])
    answered(web, source, folder=tmp_path)
    (file,) = tmp_path.glob("*forecast*")
    file.write_text(text, encoding="utf-8")
    assert answered(web, source, folder=tmp_path).is_whole
    assert 2 == len(source.asked)
    assert "is damaged" in caplog.text


def test_cache_that_cannot_be_written_is_told(
    web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing can be kept the answer stands all the same, with a warning."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    answer = answered(web, Source(ahead=[100.0] * 5 + [90.0] * 3), folder=tmp_path / "file")
    assert answer.is_whole
    assert "cannot be kept" in caplog.text


def test_cache_holds_plain_json(web: Web, tmp_path: Path) -> None:
    """What is kept is one JSON file a source, zone and kind, null where nothing is known."""
    answered(
        web,
        Source(past=[5.0, NAN, 7.0], ahead=[100.0] * 5 + [90.0] * 3),
        query=question(past_h=3),
        folder=tmp_path,
    )
    files = sorted(tmp_path.iterdir())
    assert ["first-DE-actual-", "first-DE-forecast-"] == [
        f.name[: f.name.rindex("-") + 1] for f in files
    ]
    assert [5.0, None, 7.0] == [row[2] for row in json.loads(files[0].read_text())["points"]]


def test_short_gaps_of_history_are_bridged(web: Web) -> None:
    """A forecast is made of history with a short gap; before a long one nothing counts."""
    past = hour_of_day(28 * DAY_H)
    past[100:104] = [NAN] * 4
    answer = answered(web, Source(past=past))
    assert "28.0 days of history" in answer.steps[0].what
    past[300:310] = [NAN] * 10
    answer = answered(web, Source(past=past))
    assert f"{(28 * DAY_H - 310) / DAY_H:.1f} days of history" in answer.steps[0].what


def test_advice_waits_for_the_cleanest_window(web: Web) -> None:
    """The advice is the cleanest window that ends in time, exact between hours."""
    answer = answered(web, Source(ahead=[300.0, 200.0, 100.0, 50.0, 400.0, 400.0]))
    advice = advise(answer, 90 * 60_000, 6 * HOUR_MS)
    assert ("wait", NOW_MS + 2.5 * HOUR_MS) == (advice.decision, advice.start_ms)
    assert advice.choice is not None
    assert 100.0 / 1.5 == pytest.approx(advice.choice.best.mean_g_per_kwh)
    assert (800.0 - 200.0) / 3.0 == pytest.approx(advice.choice.saving_g_per_kwh)
    assert NOW_MS + 4.5 * HOUR_MS == advice.latest_start_ms


def test_advice_uses_what_is_known(web: Web) -> None:
    """Where only the next hours are known, the advice is their best, and says so."""
    answer = answered(web, Source(ahead=[300.0, 200.0, 100.0, NAN]))
    advice = advise(answer, HOUR_MS, 6 * HOUR_MS)
    assert NOW_MS + 2 * HOUR_MS == advice.start_ms
    assert "nothing is known of the last 3 h" in advice.reason
