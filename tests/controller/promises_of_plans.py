"""More of what is promised: of plans, of what is learnt, of views, and of taking it all away.

Fake and real ones run all of it, as those of `promises`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from greensched.cli.controller import controller
from greensched.controller.job import read_job
from greensched.controller.overdue import release_all
from greensched.controller.words import DRY_RUN, would_wait
from greensched.providers.points import utc
from greensched.units import MS_PER_H, MS_PER_S
from tests.controller.cases import job_body
from tests.controller.driver import Driver, Server, wait_for
from tests.controller.promises import is_complete, made_job

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM_RUNS = 5  # from which on a duration is learnt


def test_a_cap_spreads_jobs_over_slots(server: Server, policy: str) -> None:
    """Of three Jobs of 2 cores under a cap of 4 two get the clean hour, and one another."""
    server.human.patch(policy, {"spec": {"capacity": {"cpu": "4"}}})
    names = ("one", "two", "three")
    for name in names:
        made_job(server, name)
    driver = Driver(server)
    driver.turn()
    starts = [server.notes(name).get("planned-start", "at once") for name in names]
    assert 2 == starts.count(utc(driver.clean_ms))
    driver.go_to(driver.clean_ms)
    assert [utc(driver.clean_ms)[:16]] * 2 == [
        at[:16]
        for name in names
        if (at := server.notes(name).get("released-at", "")) >= utc(driver.clean_ms)
    ]


def _cron(server: Server, hour: int) -> dict[str, Any]:
    """Make a CronJob that runs daily at an hour (UTC), and none now; return who owns its Jobs."""
    path = f"/apis/batch/v1/namespaces/{server.space}/cronjobs"
    spec = {"schedule": f"0 {hour} * * *", "timeZone": "UTC", "suspend": True}
    spec["jobTemplate"] = {"spec": job_body("x")["spec"]}
    body = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}}
    uid = server.human.create(path, {**body, "spec": spec})["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": uid}
    return {**owner, "controller": True}


def test_a_run_of_a_cronjob_ends_before_the_next(server: Server, policy: str) -> None:
    """Its wait ends D before the next run, and its template's deadline is ignored, with a word."""
    driver = Driver(server, clean_hours=(4, 6))
    next_ms = driver.grid.zero_ms + 5 * MS_PER_H
    owner = _cron(server, datetime.fromtimestamp(next_ms / MS_PER_S, UTC).hour)
    body = job_body("one", max_delay="12h", duration="1h", deadline="2099-01-01T00:00:00Z")
    body["metadata"]["ownerReferences"] = [owner]
    server.human.create(server.jobs, body)
    driver.turn()
    notes = server.notes("one")
    assert utc(next_ms - MS_PER_H) == notes["latest-start"] == notes["planned-start"]
    assert "comes from a CronJob's template" in notes["status"]
    assert server.is_suspended("one")
    driver.go_to(next_ms - MS_PER_H)
    assert not server.is_suspended("one")


def test_a_dry_run_keeps_nothing_waiting(server: Server, policy: str) -> None:
    """It lets the Job run at once, says what it would have done, and records that it was dry."""
    uid, driver = made_job(server, actual_s=600), Driver(server, dry_run=True)
    driver.turn()
    assert not server.is_suspended("one")
    notes = server.notes("one")
    assert utc(driver.clean_ms) == notes["planned-start"]
    assert notes["status"].startswith(f"{DRY_RUN}waits until ")
    assert would_wait(read_job(server.job("one")), driver.now_ms())
    assert server.record(uid)["dryRun"]


def test_durations_are_learnt(server: Server, policy: str) -> None:
    """After five runs of a program the next is taken to be as long as they were."""
    names = [f"run-{i}" for i in range(PROGRAM_RUNS)]
    for name in names:
        made_job(server, name, duration=None, run_now="true", actual_s=2)
    driver = Driver(server)
    driver.turn()
    wait_for(lambda: all(is_complete(server, name) for name in names), "the runs complete")
    driver.turn()
    (runs,) = server.human.get(policy)["status"]["learnt"].values()
    assert PROGRAM_RUNS == len(runs)
    uid = made_job(server, "next", duration=None)
    after = Driver(server)
    after.turn()
    terms = after.controller.standing[uid].terms
    assert terms is not None
    assert "95th percentile of its earlier runs" == terms.duration_from
    assert terms.duration_ms <= 60 * MS_PER_S


def _said(server: Server, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    """Return what a command prints of a server, as JSON."""
    monkeypatch.setattr("greensched.cli.controller_views.connected", lambda *_: server.cluster)
    done = CliRunner().invoke(controller, [*words, "-n", server.space, "-o", "json"])
    assert 0 == done.exit_code, done.output
    return json.loads(done.stdout)


def test_scout_plan_and_explain(
    server: Server, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They tell what could wait, what does, and why, and leave everything as it was."""
    made_job(server)
    _cron(server, 3)
    driver = Driver(server)
    driver.turn()
    file, before = tmp_path / "intensity.csv", server.job("one")
    zero_ms = driver.grid.zero_ms
    rows = [f"{utc(zero_ms + h * MS_PER_H)},{v:g}\n" for h, v in enumerate(driver.grid.values)]
    file.write_text("datetime,DE\n" + "".join(rows), encoding="utf-8")
    (planned,) = _said(server, monkeypatch, "plan")
    assert f"{server.space}/one" == planned["job"]
    assert utc(driver.clean_ms) == planned["planned_start"]
    explained = _said(server, monkeypatch, "explain", "job/one")
    assert ("waiting", server.space) == (explained["standing"], explained["policy"])
    assert planned["why"] == explained["why"]
    words = ("--zone", "DE", "--intensity", str(file))
    found = {one["name"]: one for one in _said(server, monkeypatch, "scout", *words)}
    assert found["one"]["saved_g"] > 0
    assert "is suspended itself" == found["nightly"]["left_alone"]
    assert before == server.job("one")


@pytest.mark.parametrize("account", ["way_out", "hook"])
def test_release_all_leaves_nothing_suspended(server: Server, policy: str, account: str) -> None:
    """After `release-all` nothing waits that waited for us, held Jobs neither."""
    made_job(server)
    made_job(server, "held", hold_until="2099-01-01T00:00:00Z")
    made_job(server, "unknown", max_delay="never")
    driver = Driver(server)
    driver.look()
    done = release_all(getattr(server, account), driver.now_ms, server.space)
    assert [] == list(done.failed)
    assert {"one", "held", "unknown"} == {job.name for job, _ in done.released}
    for name in ("one", "held", "unknown"):
        assert not server.is_suspended(name)
