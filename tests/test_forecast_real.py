"""Forecasts of the bundled week and of real traces: better than persistence, bands that hold."""

from __future__ import annotations

import csv
import io
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.forecast import Calendar, Score, fit, score
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN
from tests.conftest import ROOT
from tests.forecast_cases import utc_ms

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import IntArray

STEP_MS = 5 * MS_PER_MIN
DAY = MS_PER_DAY // STEP_MS


def _scored(load: IntArray, days: int, where: Calendar, quantile: float = 0.95) -> Score:
    """Return the score of what follows `days` of history."""
    end_ms = load.shape[1] * STEP_MS
    forecast = fit(
        load[:, : days * DAY], start_ms=0, step_ms=STEP_MS, calendar=where, until_ms=end_ms
    )
    return score(
        forecast,
        load,
        start_ms=0,
        step_ms=STEP_MS,
        from_ms=days * MS_PER_DAY,
        quantile=quantile,
    )


def _bundled() -> IntArray:
    """Return the bundled services' load [S, T], 35 days from Monday 00:00 local time."""
    import duckdb

    file = ROOT / "traces" / "online-week.parquet"
    columns = duckdb.execute(
        f"select load_cpu_m from '{file}' order by service, time_s"  # noqa: S608
    ).fetchnumpy()
    return np.asarray(columns["load_cpu_m"], np.int64).reshape(-1, 35 * DAY)


def _skills(scored: Score) -> list[float]:
    """Return the skill at each lead."""
    return [lead.skill_share for lead in scored.leads if lead.skill_share is not None]


@pytest.mark.parametrize(("quantile", "least"), [(0.95, 0.945), (0.99, 0.985)])
def test_bundled_week(quantile: float, least: float) -> None:
    """Bands fitted on 28 bundled days hold on the next 7, and every lead beats persistence."""
    where = Calendar(time_zone="+08:00", zero_utc_ms=utc_ms("2023-02-05T16:00"))
    scored = _scored(_bundled(), 28, where, quantile)
    assert "hour-of-week" == scored.method
    assert [0.18, 0.19, 0.38, 0.30, 0.26, 0.19] == pytest.approx(_skills(scored), abs=0.01)
    errors = [lead.error_share for lead in scored.leads]
    assert [0.0435, 0.0463, 0.0623, 0.0809, 0.0863, 0.0940] == pytest.approx(errors, abs=1e-4)
    for lead in scored.leads:
        assert least <= lead.coverage_share <= quantile + 0.012
        assert quantile - 0.08 <= lead.coverage_worst_share


@pytest.mark.data
def test_a_web_server_in_a_month_with_a_holiday(data_folder: Path) -> None:
    """NASA's July of 1995, 20 days fitted: leads to 24 h beat persistence, bands hold to 3 %."""
    path = data_folder / "workload" / "other" / "nasa_http_jul95_300s.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    load = np.array([[10 * int(row["requests"]) for row in rows]], np.int64)
    where = Calendar(
        time_zone="America/New_York", country="US", zero_utc_ms=utc_ms("1995-07-01T04:00")
    )
    scored = _scored(load, 20, where)
    assert "hour-of-week" == scored.method
    assert [0.13, 0.20, 0.28, 0.23, 0.20, 0.07] == pytest.approx(_skills(scored), abs=0.01)
    for lead in scored.leads:
        assert 0.92 <= lead.coverage_share
    for lead in _scored(load, 20, where, 0.99).leads:
        assert 0.985 <= lead.coverage_share


@pytest.mark.data
def test_a_cluster_with_six_days_of_history(data_folder: Path) -> None:
    """Alibaba 2018: with less than a fortnight the hour of the day still beats persistence."""
    path = data_folder / "workload" / "other" / "alibaba2018_machine_usage_300s.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    cpu = [round(1_000 * float(row["cpu_util_percent"])) for row in rows]
    scored = _scored(np.array([cpu[:-1]], np.int64), 6, Calendar())
    assert "hour-of-day" == scored.method
    assert [0.11, 0.12, 0.24, 0.19, 0.16, 0.01] == pytest.approx(_skills(scored), abs=0.01)
    for lead in scored.leads:
        assert 0.92 <= lead.coverage_share


@pytest.mark.data
def test_less_than_a_day_of_inference(data_folder: Path) -> None:
    """Alibaba's 22 hours of inference requests are too little for any forecast, and it says so."""
    archive = data_folder / "workload" / "alibaba-genai" / "qps.tar.gz"
    with tarfile.open(archive) as files:
        member = files.extractfile(files.getmembers()[0])
        assert member is not None
        rows = list(csv.DictReader(io.TextIOWrapper(member, "utf-8")))
    seconds = np.array([float(row["timestamp_anon"]) for row in rows])
    bins = ((seconds - seconds.min()) // (STEP_MS / 1_000)).astype(np.int64)
    values = np.array([float(row["value"]) for row in rows])
    load = np.rint(1_000 * np.bincount(bins, weights=values)).astype(np.int64)[np.newaxis]
    forecast = fit(load, start_ms=0, step_ms=STEP_MS, calendar=Calendar(), until_ms=100 * MS_PER_H)
    assert "reactive" == forecast.method
    assert "0.9 days of history, less than 2" == forecast.reason
