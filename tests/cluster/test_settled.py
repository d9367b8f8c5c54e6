"""A saving on a real control plane: from a suspended Job to an entry of a ledger that verifies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from greensched.units import J_PER_KWH
from tests.cluster.api import DEFERRALS, JOBS, job
from tests.cluster.control_plane import wait_for
from tests.cluster.worker import CLEAN, DIRTY, forecast

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.api import Api
    from tests.cluster.conftest import Hire
    from tests.cluster.worker import Worker

DIRTY_S, RUNS_S = 40, 8
WATTS = 2.12  # of one core, as assumed where no policy says otherwise
PATIENCE_S = 240


def _ledger(worker: Worker, *words: str) -> str:
    """Return what a command says of a replica's ledger, which the replica has let go of."""
    command = [sys.executable, "-m", "greensched", "ledger", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_a_saving_is_settled_and_entered(
    admin: Api, space: str, hire: Hire, tmp_path: Path
) -> None:
    """It waits for the clean time, kwok runs it, and what that saved is in the ledger, by hand."""
    clean_ms = forecast(tmp_path, DIRTY_S)
    path = JOBS.format(space)
    body = job("one", runs_s=RUNS_S, max_delay="30m", duration="20s")
    uid = admin.create(path, body)["metadata"]["uid"]
    worker = hire("first")
    record: dict[str, Any] = {}

    def is_settled() -> bool:
        found = [o["spec"] for o in admin.get(DEFERRALS.format(space))["items"]]
        record.update(found[0] if found else {})
        return bool(record.get("isFinal"))

    wait_for(is_settled, "it is settled", PATIENCE_S)
    assert ("Ended", uid) == (record["phase"], record["uid"])
    ((start_ms, end_ms, kept),) = record["runs"]
    assert kept
    assert start_ms >= clean_ms - 1_000
    settled = record["settled"]
    assert "actual" == settled["intensity"]["status"]
    kwh = WATTS * (end_ms - start_ms) / 1_000 / J_PER_KWH
    assert pytest.approx(kwh * (DIRTY - CLEAN) * 1_000, abs=1.1) == settled["saved_mg"]
    assert settled["saved_mg"] > 0
    events = admin.get(f"/apis/events.k8s.io/v1/namespaces/{space}/events")["items"]
    told = [one["note"] for one in events if one["reason"] == "Settled"]
    assert 1 == len(told)
    assert re.match(r"settled by actual intensity: saved [\d.]+ g CO2e", told[0])
    assert 0 == worker.stop()
    key = re.search(r"its public key (\S+)", worker.log.read_text(encoding="utf-8"))
    assert key is not None
    _ledger(worker, "verify", str(worker.ledger), "--key", key[1])
    records = json.loads(_ledger(worker, "export", str(worker.ledger)))["records"]
    (entry,) = (one for one in records if one["type"] == "settlement")
    assert f"k8s/{uid}" == entry["key"]
    assert settled["saved_mg"] == entry["saved_mg"]
