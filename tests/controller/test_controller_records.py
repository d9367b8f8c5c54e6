"""When a run ended that nobody saw end: held by a human, or gone with its Job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from greensched.controller.api import DEFERRALS
from greensched.controller.cache import Cache
from greensched.controller.deferral import ENDED, HELD, OVERRIDDEN, RELEASED, Deferral
from greensched.controller.names import RELEASED_AT
from greensched.controller.reconcile import Assessed, Standing
from greensched.controller.records import departed, recorded
from greensched.controller.reflector import Changed
from greensched.providers.points import utc
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.controller.cases import START_MS, job_body
from tests.controller.runner import FAILS
from tests.controller.test_controller_loop import CLEAN_AT_3, JOBS, Small
from tests.controller.test_controller_terms import made

if TYPE_CHECKING:
    from tests.controller.store import Change

H = MS_PER_H
RUNS = Deferral(
    namespace="jobs",
    job="one",
    uid="u",
    created_ms=START_MS,
    phase=RELEASED,
    released_ms=START_MS + H,
    expected_ms=2 * H,
)
LET_RUN = {RELEASED_AT: utc(START_MS + H)}


def test_a_record_of_a_job_that_nobody_knows_is_followed() -> None:
    """A record that is heard of after its Job has gone from sight has the Job asked about."""
    for uid, is_final in (("u", False), ("v", True)):
        cache, one = Cache(), replace(RUNS, uid=uid, is_final=is_final)
        cache.take(Changed(kind=DEFERRALS, uid="job's own, not the record's", value=one))
        assert ({uid} if not is_final else set()) == cache.departed


def _small(actual_s: int) -> tuple[Small, list[dict[str, Any]]]:
    """Return a cluster at 03:30, half an hour after its Job was let run, and what is recorded."""
    small = Small(CLEAN_AT_3)
    small.make(JOBS, job_body("one", actual_s=actual_s, duration="1h", max_delay="12h"))
    small.go(4 * H + 30 * MS_PER_MIN)
    written: list[dict[str, Any]] = []

    def hear(change: Change) -> None:
        if change.key[0] == "deferrals" and change.after is not None:
            written.append(change.after["spec"])

    small.store.hooks.append(hear)
    return small, written


def test_a_hold_ends_the_run() -> None:
    """Held at 03:30 and deleted at 09:30, a Job ran for half an hour, which saved 636 mg."""
    small, written = _small(actual_s=7_200)
    small.store.handle("PATCH", f"{JOBS}/one", {}, {"spec": {"suspend": True}}, "human")
    small.go(6 * H)
    assert "Held" == small.record()["phase"]
    small.store.handle("DELETE", f"{JOBS}/one", {}, None, "human")
    small.go(H)
    run = [START_MS + 4 * H, START_MS + 4 * H + 30 * MS_PER_MIN, True]
    assert [run] == written[-1]["runs"]
    assert 636 == written[-1]["settled"]["saved_mg"]


def test_a_job_that_is_gone_ran_as_long_as_expected() -> None:
    """A Job that ended and went while the controller was away is settled by its duration."""
    small, written = _small(actual_s=3_600)
    small.clock.time_ms += 9 * H
    small.runner.step(small.clock.time_ms)
    small.store.handle("DELETE", f"{JOBS}/one", {}, None, "human")
    small.start(None, dry_run=False)
    small.go(H)
    record = written[-1]
    assert [[START_MS + 4 * H, START_MS + 5 * H, True]] == record["runs"]
    assert record["isEstimated"]
    assert 1_272 == record["settled"]["saved_mg"]


def test_a_job_that_goes_as_it_ends_is_recorded_as_it_ended() -> None:
    """With a `ttlSecondsAfterFinished` of 0 it is gone at once: that it failed is kept."""
    small, written = _small(actual_s=3_600)
    small.store.handle(
        "PATCH", f"{JOBS}/one", {}, {"metadata": {"annotations": {FAILS: "true"}}}, "human"
    )
    small.go(28 * MS_PER_MIN)
    small.reflectors[2]._list()  # so that the next minutes are watched
    small.clock.time_ms = START_MS + 5 * H
    small.runner.step(small.clock.time_ms)
    small.store.handle("DELETE", f"{JOBS}/one", {}, None, "ttl")
    small.clock.time_ms += MS_PER_MIN
    small.go(H)
    assert written[-1]["hasFailed"]
    assert START_MS + 5 * H == written[-1]["endedMs"]
    assert not written[-1]["isEstimated"]


@pytest.mark.parametrize(
    ("is_seen", "after_h", "ended_h"), [(True, 5, 5), (False, 5, 3), (False, 2, 2)]
)
def test_the_end_of_a_deleted_job(*, is_seen: bool, after_h: int, ended_h: int) -> None:
    """It ended as it was seen to, else when it was expected to, and never later than now."""
    found = departed(RUNS, START_MS + after_h * H, is_seen=is_seen)
    assert (ENDED, START_MS + ended_h * H) == (found.phase, found.ended_ms)
    assert ((START_MS + H, START_MS + ended_h * H, True),) == found.runs
    assert found.is_estimated is not is_seen


def test_a_hold_is_dated_by_the_cluster() -> None:
    """The cluster says since when a Job is suspended; a hold is noticed later, and once."""
    job = made()
    job = replace(job, notes={**job.notes, **LET_RUN}, suspended_ms=START_MS + 2 * H)
    held = Assessed(standing=Standing.HELD)
    first = recorded(RUNS, job, held, None, START_MS + 9 * H)
    assert (HELD, ((START_MS + H, START_MS + 2 * H, True),)) == (first.phase, first.runs)
    assert first == recorded(first, job, held, None, START_MS + 10 * H)
    ended = replace(job, is_suspended=False, ended_ms=START_MS + 12 * H)
    last = recorded(first, ended, Assessed(standing=Standing.ENDED), None, START_MS + 12 * H)
    assert (OVERRIDDEN, True) == (last.phase, last.is_final)
