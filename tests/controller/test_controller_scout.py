"""How far the runs of a CronJob may be put off."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from greensched.carbon import CarbonIntensity
from greensched.controller.scout import scouted
from greensched.units import MS_PER_H
from tests.controller.cases import START_MS, job_body
from tests.controller.client import Clock, FakeCluster
from tests.controller.store import Store

CRONS = "/apis/batch/v1/namespaces/jobs/cronjobs"
HOURS = 72


@pytest.mark.parametrize(("schedule", "delay"), [("0 6 * * *", "23h"), ("0 */8 * * *", "7h")])
def test_no_run_waits_into_the_next(schedule: str, delay: str) -> None:
    """A run of an hour waits 23 h at most if the next comes a day later, whoever asks for 40 h."""
    store = Store(lambda: START_MS)
    body: dict[str, Any] = {"schedule": schedule, "jobTemplate": {"spec": job_body("x")["spec"]}}
    store.handle("POST", CRONS, {}, {"metadata": {"name": "nightly"}, "spec": body}, "human")
    values = np.linspace(500.0, 100.0, HOURS)
    series = CarbonIntensity(
        zone="DE", edges_ms=START_MS + MS_PER_H * np.arange(HOURS + 1), values_g_per_kwh=values
    )
    cluster = FakeCluster(store, Clock(START_MS), "scout")
    (found,) = scouted(cluster, series, START_MS, 40 * MS_PER_H)
    patch = json.loads(found.patch.partition("-p '")[2].removesuffix("'"))
    marks = patch["spec"]["jobTemplate"]["metadata"]["annotations"]
    assert delay == marks["greensched.io/max-delay"]
    step_g = 4.24 / 1_000 * (500 - 100) / (HOURS - 1)  # of 2 cores for an hour, by the hour
    assert pytest.approx(found.runs * step_g * int(delay[:-1])) == found.saved_g
