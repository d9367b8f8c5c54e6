"""The reader `prometheus` on what a real server answers, filled with a cluster that is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from greensched.cli.metrics_fetch import asked_of, fetch
from greensched.errors import DataError, OutsideError, UsageError
from greensched.providers.web import Web
from greensched.readers import prometheus
from greensched.readers.options import ReadOptions
from tests.cluster import metrics_world as world
from tests.readers.builders import refusal
from tests.test_cli import call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cluster

PORT = 19_387
SPAN = ("--days", "0.25", "--until", "2026-03-02T06:00Z")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a real Prometheus with six hours of the small cluster."""
    with world.served(tmp_path_factory.mktemp("prometheus"), PORT) as url:
        yield url


@pytest.fixture(scope="module")
def answers(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of its answers, as the command saves them."""
    folder = tmp_path_factory.mktemp("saved") / "answers"
    told = call("trace", "fetch", server, "--out", str(folder), *SPAN)
    assert 0 == told.exit_code, told.stderr
    return folder


def test_load_is_the_cpu_that_was_used(answers: Path) -> None:
    """Each step has the mean CPU of all replicas in it, within a rate's extrapolation."""
    services = prometheus.read([answers], ReadOptions(fill="hold")).services
    assert services is not None
    assert ("shop/db", "shop/web") == services.names
    known = [s for s in range(2, 71) if not 39 <= s <= 46]  # the gap, and rates that look into it
    expected = [
        sum(
            world.web_cores(m) * world.WEB[m >= 180]
            for m in range(5 * s + 1, 5 * s + 6)
        ) / 5
        for s in known
    ]  # fmt: skip
    assert expected == pytest.approx(services.load_cpu_m[1, known] / 1000, abs=0.4)
    steady = np.array([s for s in known if not 34 <= s <= 37])  # a replica came at hour 3
    exact = np.array(expected)[np.isin(known, steady)]
    assert exact == pytest.approx(services.load_cpu_m[1, steady] / 1000, rel=0.02)
    assert services.load_cpu_m[0, known] / 1000 == pytest.approx(world.DB_CORES, rel=0.01)


def test_sizes_limits_machines_and_jobs(answers: Path) -> None:
    """Requests, the HPA, nodes by type and a CronJob's Job come from kube-state-metrics."""
    trace = prometheus.read([answers], ReadOptions(fill="zero"))
    services, machines, jobs = trace.services, trace.machines, trace.jobs
    assert services is not None
    assert machines is not None
    assert jobs is not None
    assert ([2_000, 1_000], [4_096, 2_048]) == (
        services.replica_cpu_m.tolist(), services.replica_memory_mib.tolist(),
    )  # fmt: skip
    assert ([1, 3], [1, 2], [-1, 8]) == (
        services.replicas.tolist(), services.replicas_min.tolist(), services.replicas_max.tolist(),
    )  # fmt: skip
    assert (("m6i.xlarge-1",), [3], [3_900]) == (
        machines.names, machines.count.tolist(), machines.cpu_m.tolist(),
    )  # fmt: skip
    assert "2026-03-02T00:00:00Z" == trace.zero_utc
    assert "nodes are busy with 2.5 cores on average" in "\n".join(trace.findings)
    assert (3_600_000 - 30_000, 1_800_000, 2_000, "shop/etl") == (
        jobs.submit_ms[0], jobs.duration_ms[0], jobs.cpu_m[0], jobs.classes[0].name,
    )  # fmt: skip
    runs = [60_000 * begin for begin in world.MIGRATE_MIN]
    assert (runs, [1_200_000] * 2, [1_500] * 2, [1, 1]) == (
        jobs.submit_ms[1:].tolist(), jobs.duration_ms[1:].tolist(), jobs.cpu_m[1:].tolist(),
        jobs.job_class[1:].tolist(),
    )  # fmt: skip


def test_a_gap_of_the_server_is_refused_unless_filled(answers: Path) -> None:
    """Half an hour without samples is told with its length, and filled only as asked."""
    said = refusal(lambda: prometheus.read([answers], ReadOptions()), DataError)
    assert "steps are missing in all series, in 1 gap, the longest" in said
    assert "--fill hold" in said


def test_a_fetch_is_gone_on_with(answers: Path, server: str) -> None:
    """Answers that are there are not asked for again; one that is missing is."""
    (answers / "replicas.2026-03-02T000500Z.json").unlink()
    asked = asked_of(server, 0, {"days": 0.25, "until": "2026-03-02T06:00Z"})
    with Web.open() as web:
        assert 1 == fetch(asked, answers, web, lambda *_: None)
        assert 0 == fetch(asked, answers, web, lambda *_: None)
        other = asked_of(server, 0, {"days": 0.25, "until": "2026-03-02T05:00Z"})
        said = refusal(lambda: fetch(other, answers, web, lambda *_: None), UsageError)
    assert "has other answers already" in said


def test_a_query_that_fails_is_told(server: str, tmp_path: Path) -> None:
    """The server's own words are told, with how to rename metrics."""
    given: dict[str, Any] = {"mapped": {"kube_job_owner": "1 +"}, "until": "2026-03-02T06:00Z"}
    with Web.open() as web:
        asked = asked_of(server, 0, given)
        said = refusal(lambda: fetch(asked, tmp_path / "x", web, lambda *_: None), OutsideError)
    assert "parse error" in said
    with pytest.raises(DataError, match="did not come to its end"):
        prometheus.read([tmp_path / "x"], ReadOptions())


def test_a_url_becomes_a_scenario_that_runs(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init --from prometheus:URL` and `run` follow each other; HPAs are the baseline."""
    monkeypatch.chdir(tmp_path)
    source = f"prometheus:{server}"
    told = call("init", "--from", source, *SPAN, "--fill", "hold", "--out", "mine.yaml")
    assert 0 == told.exit_code, told.stderr
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert "type: 'm6i.xlarge'" in text
    assert "    'shop/web': 0.55" in text
    told = call("run", "mine.yaml", "-o", "json")
    assert 0 == told.exit_code, told.stderr
    summary = json.loads(told.stdout)
    assert 0 < summary["baseline"]["energy_it_kwh"] <= summary["static_peak"]["energy_it_kwh"]
    assert "modelled, energy allocated" == summary["stamp"]["result"]
