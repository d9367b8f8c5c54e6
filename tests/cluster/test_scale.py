"""Ten thousand Jobs that wait, on a real control plane."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from tests.cluster.api import JOBS, Api, job
from tests.cluster.control_plane import ADMIN, ControlPlane, wait_for
from tests.cluster.worker import forecast

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import Hire

COUNT: Final = int(os.environ.get("GREENSCHED_TEST_JOBS") or 10_000)
MAKERS: Final = 8
PAGE: Final = 500
PATIENCE_S: Final = 900.0
LOOK_S: Final = 2.0  # between two lists of them all
MIB: Final = 2**20
GROWTH_MIB: Final = 80


def _make(plane: ControlPlane, space: str, part: int) -> None:
    with Api(plane, ADMIN) as human:
        for i in range(part, COUNT, MAKERS):
            body = job(f"job-{i}", max_delay="100m", duration="10m")
            human.create(JOBS.format(space), body)


def test_ten_thousand_jobs_wait(
    shipped: ControlPlane,
    admin: Api,
    space: str,
    hire: Hire,
    tmp_path: Path,
) -> None:
    """All are announced, in 80 MiB more than none take; who starts anew writes nothing."""
    forecast(tmp_path, dirty_s=3_600)
    first = hire("first")
    wait_for(lambda: first.metric("leader"), "the first leads")
    before = first.resident_bytes()
    began = time.monotonic()
    with ThreadPoolExecutor(MAKERS) as pool:
        list(pool.map(lambda part: _make(shipped, space, part), range(MAKERS)))
    made_s = time.monotonic() - began
    wait_for(lambda: COUNT == len(_announced(admin, space)), "all are announced", PATIENCE_S)
    announced_s = time.monotonic() - began
    grown_mib = (first.resident_bytes() - before) / MIB
    plan_s = first.metric("plan_duration_seconds")
    figures = f"{made_s:.0f} s made, {announced_s:.0f} s announced, {plan_s:.2f} s the last plan"
    sys.stderr.write(f"\n{COUNT} Jobs: {figures}, {grown_mib:.0f} MiB\n")
    assert grown_mib < GROWTH_MIB
    first.kill()
    told = _announced(admin, space)
    second = hire("second")
    wait_for(lambda: COUNT == second.metric("waiting_jobs"), "the second has seen all", PATIENCE_S)
    assert told == _announced(admin, space)


def _announced(admin: Api, space: str) -> dict[str, str]:
    """Return the Jobs that wait and say until when, with their versions."""
    found: dict[str, str] = {}
    more = ""
    while True:
        page = admin.get(f"{JOBS.format(space)}?limit={PAGE}&continue={more}")
        found |= {
            one["metadata"]["name"]: one["metadata"]["resourceVersion"]
            for one in page["items"]
            if "greensched.io/planned-start" in one["metadata"]["annotations"]
            and one["spec"]["suspend"]
        }
        more = page["metadata"].get("continue", "")
        if not more:
            time.sleep(LOOK_S)
            return found
