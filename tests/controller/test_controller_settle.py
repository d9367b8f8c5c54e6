"""What waiting saved: worked out by hand, entered once, corrected once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from greensched.accounting.settlement import Segment, is_actual
from greensched.carbon import ACTUAL, FORECAST, CarbonIntensity, Labels
from greensched.controller.deferral import ENDED, Deferral, body_of, read_deferral
from greensched.controller.energy import Power
from greensched.controller.outlook import outlook_series, outlook_text
from greensched.controller.settle import GIVEN_UP_MS, PATIENCE_MS, entry, settled, totals
from greensched.units import MS_PER_H
from tests.controller.cases import START_MS

H = MS_PER_H


def grid(*values: float, status: int = ACTUAL) -> CarbonIntensity:
    """Return intensity by hour from the start."""
    return CarbonIntensity(
        zone="DE",
        edges_ms=START_MS + H * np.arange(len(values) + 1),
        values_g_per_kwh=np.array(values),
        status=np.full(len(values), status, np.int8),
        labels=Labels(source="meters", vintage="2026-03"),
    )


OUTLOOK = outlook_text(grid(400, 300, 100, 350, status=FORECAST), START_MS, START_MS + 4 * H)


def ended(*runs: tuple[int, int, bool], created_ms: int = START_MS) -> Deferral:
    """Return a record of a Job that took 1,000 W in these hours from the start."""
    return Deferral(
        namespace="jobs",
        job="one",
        uid="u",
        version="1",
        policy="default",
        zone="DE",
        created_ms=created_ms,
        phase=ENDED,
        ended_ms=START_MS + runs[-1][1] * H,
        runs=tuple((START_MS + a * H, START_MS + b * H, kept) for a, b, kept in runs),
        outlook=OUTLOOK,
        power=Power(low_w=500.0, mid_w=1_000.0, high_w=2_000.0, quality="assumed"),
    )


def test_a_saving_by_hand() -> None:
    """1 kWh at 100 instead of 400 g/kWh saves 300 g, from 150 to 600 by the range of power."""
    found = settled(ended((2, 3, True)), grid(400, 300, 100), START_MS + 3 * H)
    assert found is not None
    assert found.settled is not None
    assert 300_000 == found.settled["saved_mg"]
    assert [150_000, 600_000] == found.settled["saved_range_mg"]
    assert (100_000, 400_000) == (found.settled["actual_mg"], found.settled["counterfactual_mg"])
    assert found.is_final


def test_what_cost_is_kept_and_lost_work_is_charged() -> None:
    """An hour lost to a pause counts in the actual alone, and the saving is below 0."""
    one = ended((0, 1, True), (1, 2, False), (3, 4, True))
    found = settled(one, grid(100, 100, 100, 300), START_MS + 4 * H)
    assert found is not None
    assert found.settled is not None
    assert 200_000 - (100_000 + 100_000 + 300_000) == found.settled["saved_mg"]
    assert 3_000_000 == found.settled["energy_mwh_milli"]


def test_nothing_is_settled_before_actuals_cover_both() -> None:
    """A series that ends too early, or was only foretold, settles nothing for 72 hours."""
    one, now_ms = ended((2, 3, True)), START_MS + 3 * H
    assert settled(one, grid(400, 300), now_ms) is None
    assert settled(one, grid(400, 300, 100, status=FORECAST), now_ms) is None
    assert settled(one, None, now_ms + PATIENCE_MS - 1) is None


def test_one_forecast_settles_what_was_and_what_would_have_been() -> None:
    """The forecast of its first plan stands for both, whatever later plans were made by."""
    one = ended((1, 2, True), (2, 3, False), (3, 4, True), created_ms=START_MS + H)
    found = settled(one, None, START_MS + 4 * H + PATIENCE_MS)
    assert found is not None
    assert found.settled is not None
    assert (300 + 100 + 350) * 1_000 == found.settled["actual_mg"]
    assert (300 + 100) * 1_000 == found.settled["counterfactual_mg"]
    assert ("meters", "2026-03") == tuple(
        found.settled["intensity"][name] for name in ("source", "vintage")
    )


def test_without_a_forecast_of_all_of_it_nothing_stands_in() -> None:
    """A Job that ran beyond its forecast, or never had one, waits for actuals until the end."""
    for one in (ended((3, 5, True)), replace(ended((2, 3, True)), outlook="")):
        assert settled(one, None, START_MS + 5 * H + PATIENCE_MS) is None


def test_an_outlook_tells_of_the_time_since_creation() -> None:
    """Its first value holds back to the creation, an hour at most, and it ends with the series."""
    series = grid(400.004, 300, 100, status=FORECAST)
    kept = outlook_series(outlook_text(series, START_MS - H, START_MS + 2 * H), "DE")
    assert [START_MS - H, START_MS + H, START_MS + 2 * H] == kept.edges_ms.tolist()
    assert [400.0, 300.0] == kept.values_g_per_kwh.tolist()
    assert not is_actual(kept, Segment(start_ms=START_MS, end_ms=START_MS + H))
    assert "" == outlook_text(series, START_MS - H - 1, START_MS + H)
    assert "" == outlook_text(series, START_MS + 3 * H, START_MS + 4 * H)


def test_an_outlook_keeps_steps_of_one_value_as_one() -> None:
    """A record of ten thousand is small also where a source tells the same every few seconds."""
    series = grid(400, 400, 400, 100, 100, 300, status=FORECAST)
    text = outlook_text(series, START_MS, START_MS + 9 * H)
    kept = outlook_series(text, "DE")
    assert [START_MS, START_MS + 3 * H, START_MS + 5 * H, START_MS + 6 * H] == (
        kept.edges_ms.tolist()
    )
    assert [400.0, 100.0, 300.0] == kept.values_g_per_kwh.tolist()
    assert "" == outlook_text(series, START_MS - H, START_MS - H + 1)


def test_the_forecast_stands_in_and_is_corrected() -> None:
    """After 72 hours the first forecast settles, flagged; actuals supersede it later."""
    now_ms = START_MS + 3 * H + PATIENCE_MS
    first = settled(ended((2, 3, True)), None, now_ms)
    assert first is not None
    assert first.settled is not None
    assert ("forecast", 300_000) == (
        first.settled["intensity"]["status"],
        first.settled["saved_mg"],
    )
    assert not first.is_final
    assert settled(first, None, now_ms + H) is None
    second = settled(first, grid(300, 300, 100), now_ms + 2 * H)
    assert second is not None
    record = entry(second, entry(first, None))
    assert record is not None
    assert entry(first, entry(first, None)) is None
    assert entry(first, entry(second, None)) is None
    assert ("k8s/u/actual", "k8s/u", 200_000) == (
        record["key"],
        record["supersedes"],
        record["saved_mg"],
    )
    given_up = settled(first, None, START_MS + 3 * H + GIVEN_UP_MS)
    assert given_up is not None
    assert given_up.is_final


def test_totals_are_counterfactual_minus_actual() -> None:
    """The sum over Jobs is the sum of what would have been less the sum of what was."""
    series = grid(400, 300, 100, 500, 250)
    now_ms = START_MS + 5 * H
    every = [settled(ended((a, a + 1, True)), series, now_ms) for a in range(5)]
    plain = [one.settled for one in every if one is not None and one.settled is not None]
    assert 5 == len(plain)
    jobs, saved_mg, spent = totals([one for one in every if one is not None])["jobs"]
    expected = sum(p["counterfactual_mg"] for p in plain) - sum(p["actual_mg"] for p in plain)
    assert (5, expected, 5_000_000) == (jobs, saved_mg, spent)
    assert min(p["saved_mg"] for p in plain) < 0


def test_a_record_survives_its_json() -> None:
    """What is written into the cluster is read back as it was; when final the Job owns it."""
    one = settled(ended((2, 3, True)), grid(400, 300, 100), START_MS + 3 * H)
    assert one is not None
    body = body_of(one)
    assert "u" == body["metadata"]["ownerReferences"][0]["uid"]
    assert one == read_deferral(body)
    assert "ownerReferences" not in body_of(replace(one, is_final=False))["metadata"]
