"""The commands, from outside: processes that reach a fake API server over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from greensched.controller.words import DRY_RUN
from greensched.ledger import init_ledger
from greensched.providers.points import utc
from greensched.units import MS_PER_H
from tests.controller.cases import job_body, policy_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.controller.conftest import Server

JOBS = "/apis/batch/v1/namespaces/jobs/jobs"
POLICIES = "/apis/greensched.io/v1alpha1/carbonpolicies"
PATIENCE_S = 60.0


def _command(server: Server, *words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "greensched",
        "controller",
        *words,
        "--kubeconfig",
        str(server.kubeconfig),
    ]


def _done(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    command = _command(server, *words)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _seen(what: Callable[[], Any]) -> Any:
    """Return what comes to be true."""
    until = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
    return found


@pytest.fixture
def forecast(tmp_path: Path) -> Path:
    """Return a file of intensity in which the hour after the next is the cleanest."""
    hour_ms = int(time.time() * 1_000) // MS_PER_H * MS_PER_H
    rows = [f"{utc(hour_ms + h * MS_PER_H)},{50 if h == 2 else 400}" for h in range(-24, 96)]
    file = tmp_path / "intensity.csv"
    file.write_text("\n".join(["datetime,DE", *rows]) + "\n", encoding="utf-8")
    return file


def _ledger(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a ledger, as an earlier start would have."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    place = folder / "books" / "ledger"
    (folder / "key").write_text(init_ledger(place, "example.org/a", "operated").verifier_key)
    return place


@pytest.mark.slow
def test_run_defers_and_release_all_lets_run(
    server: Server, forecast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells its ledger's key and announces the clean hour; release-all lets the Job run."""
    server.make(POLICIES, policy_body())
    server.make(JOBS, job_body("train", duration="1h", max_delay="12h"))
    command = _command(
        server, "run", "--source", f"main={forecast}", "--cache", str(forecast.parent)
    )
    command += ["--ledger", str(_ledger(forecast.parent, monkeypatch))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        notes = server.job("train")["metadata"]["annotations"]
        try:
            status = _seen(
                lambda: server.job("train")["metadata"]["annotations"].get("greensched.io/status")
            )
        finally:
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=60)
        assert 0 == process.returncode, told
    assert "50 instead of" in status
    assert "working as" in told
    assert f"its public key {(forecast.parent / 'key').read_text()}" in told
    lease = server.store.objects["leases", "default", "greensched-controller"]
    assert "" == lease["spec"]["holderIdentity"]
    assert "greensched.io/latest-start" not in notes
    done = _done(server, "plan", "-o", "json")
    assert "jobs/train" == json.loads(done.stdout)[0]["job"]
    done = _done(server, "explain", "jobs/train", "-o", "json")
    assert "waiting" == json.loads(done.stdout)["standing"]
    done = _done(server, "release-overdue")
    assert "nothing had to be let run" in done.stderr
    assert server.job("train")["spec"]["suspend"]
    done = _done(server, "release-all", "--yes", "-o", "json")
    assert "everything is let run" == json.loads(done.stdout)[0]["why"]
    assert not server.job("train")["spec"]["suspend"]


def test_release_overdue_needs_no_controller(server: Server) -> None:
    """What is overdue, and what no policy covers, is let run by the command alone."""
    server.make(JOBS, job_body("late", duration="1h", max_delay="12h"))
    done = _done(server, "release-overdue", "-o", "json")
    assert "no policy covers the namespace jobs" == json.loads(done.stdout)[0]["why"]
    assert not server.job("late")["spec"]["suspend"]


def test_plan_lists_what_would_wait(server: Server) -> None:
    """In a dry run Jobs run, and `plan` lists those whose planned start is still to come."""
    now_ms = int(time.time() * 1_000)
    for name, at_ms in (("past", now_ms - MS_PER_H), ("later", now_ms + MS_PER_H)):
        said = f"{DRY_RUN}waits until then"
        body = job_body(name, suspend=False, planned_start=utc(at_ms), status=said)
        body["metadata"]["annotations"]["greensched.io/released-at"] = utc(now_ms)
        server.make(JOBS, body)
    server.make(JOBS, job_body("plain", suspend=False))
    rows = json.loads(_done(server, "plan", "-o", "json").stdout)
    assert ["jobs/later"] == [row["job"] for row in rows]
    assert f"{DRY_RUN}waits until then" == rows[0]["why"]


@pytest.mark.slow
def test_without_definitions_nothing_waits(server: Server) -> None:
    """Where our kinds are not installed commands find none, and what is suspended is let run."""
    server.make(JOBS, job_body("late", duration="1h", max_delay="12h"))
    server.store.unknown.update({"carbonpolicies", "deferrals"})
    done = _done(server, "explain", "jobs/late", "-o", "json")
    assert "no policy covers the namespace jobs" == json.loads(done.stdout)["why"]
    done = _done(server, "release-overdue", "-o", "json")
    assert 0 == done.returncode, done.stderr
    assert "no policy covers the namespace jobs" == json.loads(done.stdout)[0]["why"]
    assert not server.job("late")["spec"]["suspend"]


def test_scout_reads_and_tells(server: Server, forecast: Path) -> None:
    """Scout tells what a CronJob would save, why another is left alone, and changes nothing."""
    template = {"spec": job_body("x")["spec"]}
    path = "/apis/batch/v1/namespaces/jobs/cronjobs"
    for name, schedule in (("nightly", "0 */6 * * *"), ("often", "*/5 * * * *")):
        spec = {"schedule": schedule, "jobTemplate": template}
        server.make(path, {"metadata": {"name": name}, "spec": spec})
    version = server.store.version
    done = _done(server, "scout", "--zone", "DE", "--intensity", str(forecast), "-o", "json")
    assert 0 == done.returncode, done.stderr
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert 4 == found["nightly"]["runs"]
    assert "kubectl -n jobs patch cronjob nightly" in found["nightly"]["patch"]
    assert "follow each other too closely" in found["often"]["left_alone"]
    assert version == server.store.version
    assert {"GET"} == {method for method, *_ in server.front.requests}


def test_a_server_that_is_not_there_is_told(server: Server) -> None:
    """Without an API server a command says so, in a line, and exits with 4."""
    server.front.server_close()
    done = _done(server, "plan")
    assert 4 == done.returncode
    assert 1 == len(done.stderr.splitlines())
    assert os.linesep + "Traceback" not in done.stderr
