"""The loop on a fake API server, hour by hour under a virtual clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import generate_latest

from greensched.controller.api import ApiError
from greensched.controller.main import Clocks, Controller
from greensched.controller.metrics import Metrics
from greensched.ledger import Ledger, init_ledger
from greensched.providers.points import instant_ms, utc
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN
from tests.controller.cases import START_MS, job_body, policy_body
from tests.controller.client import Clock, FakeCluster
from tests.controller.grid import HOURS, Grid, sources
from tests.controller.runner import Runner
from tests.controller.store import Store

if TYPE_CHECKING:
    from pathlib import Path

JOBS = "/apis/batch/v1/namespaces/jobs/jobs"
POLICIES = "/apis/greensched.io/v1alpha1/carbonpolicies"


@dataclass
class Small:
    """A cluster with one controller, and a grid by hour of the day (UTC)."""

    hours: tuple[float, ...]
    spec: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    ledger: Path | None = None

    def __post_init__(self) -> None:
        """Begin at 23:00 UTC."""
        self.clock = Clock(START_MS)
        self.store = Store(self.clock.now_ms)
        self.runner = Runner(self.store)
        self.cluster = FakeCluster(self.store, self.clock, "greensched")
        values = tuple(self.hours[(23 + h) % 24] for h in range(HOURS))
        clocks = Clocks(wall_ms=self.cluster.wall_ms, steady_s=lambda: 0.0)
        self.grid, self.clocks = sources(Grid(START_MS, values, noise=0.0)), clocks
        self.start(self.ledger, dry_run=self.dry_run)
        self.make(POLICIES, policy_body(**self.spec))

    def start(self, ledger: Path | None, *, dry_run: bool) -> None:
        """Let a controller that has seen nothing take the place of the one before."""
        self.controller = Controller(
            self.cluster, self.grid, self.clocks, "greensched", ledger, dry_run=dry_run
        )
        self.reflectors = self.controller.reflectors()

    def make(self, path: str, body: Any) -> None:
        """Make an object."""
        self.store.handle("POST", path, {}, body, "human")

    def go(self, span_ms: int) -> None:
        """Let time pass; the controller turns when it said, and when a Job ends."""
        end_ms = self.clock.time_ms + span_ms
        while True:
            self.runner.step(self.clock.time_ms)
            for one in self.reflectors:
                one.turn()
            next_ms = self.controller.turn()
            self.runner.step(self.clock.time_ms)
            if self.clock.time_ms >= end_ms:
                return
            next_ms = min(next_ms, self.runner.next_ms() or next_ms, end_ms)
            self.clock.time_ms = max(self.clock.time_ms + 1_000, next_ms)

    def notes(self, name: str) -> dict[str, str]:
        """Return the annotations of a Job, ours without prefix."""
        found = self.store.objects["jobs", "jobs", name]["metadata"]["annotations"]
        return {k.removeprefix("greensched.io/"): v for k, v in found.items()}

    def record(self) -> dict[str, Any]:
        """Return what is remembered of the one Job."""
        found = [o["spec"] for k, o in self.store.objects.items() if k[0] == "deferrals"]
        assert 1 == len(found)
        return dict(found[0])

    def said(self) -> list[str]:
        """Return what Events told."""
        return [o["note"] for k, o in self.store.objects.items() if k[0] == "events"]


CLEAN_AT_3 = (*(400.0,) * 3, 100.0, *(400.0,) * 20)


def test_a_job_waits_for_the_clean_hour_and_is_settled() -> None:
    """It starts at 03:00, ends at 04:00, and saved 300 g for each kWh: 1.272 g at 4.24 W."""
    small = Small(CLEAN_AT_3)
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    assert "2026-03-10T03:00:00Z" == small.notes("one")["planned-start"]
    sentence = small.notes("one")["status"]
    assert sentence.startswith("waits until 03:00 UTC: ")
    assert sentence.endswith("; latest start 11:00 UTC")
    assert [sentence] == small.said()
    small.go(6 * MS_PER_H)
    assert instant_ms("2026-03-10T03:00:00Z") == small.record()["releasedMs"]
    settled = small.record()["settled"]
    assert 1_272 == settled["saved_mg"]
    assert "actual" == settled["intensity"]["status"]
    assert small.record()["isFinal"]
    assert "settled by actual intensity: saved 1.3 g CO2e" in small.said()


def test_a_job_is_never_started_again_after_a_restart() -> None:
    """A controller that starts anew finds all it needs in the cluster, and changes nothing."""
    small = Small(CLEAN_AT_3)
    small.make(JOBS, job_body("one", actual_s=7_200, duration="2h", max_delay="12h"))
    small.go(5 * MS_PER_H)
    patches = small.store.calls["PATCH jobs"]
    clocks = Clocks(wall_ms=small.cluster.wall_ms, steady_s=lambda: 0.0)
    grid = Grid(START_MS, (100.0,) * HOURS)
    small.controller = Controller(small.cluster, sources(grid), clocks, "greensched")
    small.reflectors = small.controller.reflectors()
    small.go(MS_PER_H)
    assert patches == small.store.calls["PATCH jobs"]


def test_capacity_spreads_jobs_over_slots() -> None:
    """Of three Jobs of 2 cores under a cap of 4 cores one has to take another hour."""
    small = Small(CLEAN_AT_3, {"capacity": {"cpu": "4"}})
    for name in ("one", "two", "three"):
        small.make(JOBS, job_body(name, duration="1h", max_delay="12h"))
    small.go(6 * MS_PER_H)
    starts = sorted(small.notes(name)["released-at"] for name in ("one", "two", "three"))
    assert ["2026-03-10T03:00:00Z"] * 2 == [s for s in starts if "T03:00" in s]


def test_an_interruptible_job_pauses_and_ends_in_time() -> None:
    """It runs in clean hours alone, each pause noted, its work since the checkpoint charged."""
    hours = tuple(100.0 if h in (23, 2, 5) else 500.0 for h in range(24))
    small = Small(hours)
    words: dict[str, Any] = {"duration": "3h", "max_delay": "8h", "checkpoint_interval": "10m"}
    small.make(JOBS, job_body("one", actual_s=10_800, interruptible="true", **words))
    small.go(16 * MS_PER_H)
    runs = small.notes("one")["runs"].split(",")
    assert len(runs) >= 1
    assert "2026-03-09T23:00:00Z" == runs[0].partition("/")[0]
    record = small.record()
    assert sum(b - a for a, b, kept in record["runs"] if kept) >= 3 * MS_PER_H
    assert record["endedMs"] <= START_MS + 11 * MS_PER_H
    assert record["settled"]["saved_mg"] > 0


def test_durations_are_learnt_from_five_runs() -> None:
    """After five runs of a program the sixth is taken to be as long as they were."""
    small = Small(tuple(300.0 + h for h in range(24)))
    for i in range(5):
        small.make(JOBS, job_body(f"run-{i}", actual_s=600 + i, max_delay="1m"))
    small.go(MS_PER_H)
    small.make(JOBS, job_body("next", max_delay="12h"))
    small.go(MS_PER_MIN)
    uid = small.store.objects["jobs", "jobs", "next"]["metadata"]["uid"]
    terms = small.controller.standing[uid].terms
    assert terms is not None
    assert "95th percentile of its earlier runs" == terms.duration_from
    assert 603_000 < terms.duration_ms <= 664_000


def test_the_last_twenty_runs_are_kept_and_written_once() -> None:
    """Of thirty runs twenty are kept; with nothing new the status is not written again."""
    small = Small(tuple(300.0 + h for h in range(24)))
    for i in range(30):
        small.make(JOBS, job_body(f"run-{i}", actual_s=600 + i, max_delay="1m"))
    small.go(MS_PER_H)
    learnt = small.store.objects["carbonpolicies", "", "default"]["status"]["learnt"]
    assert [20] == [len(runs) for runs in learnt.values()]
    calls = small.store.calls["PUT carbonpolicies"]
    small.go(MS_PER_H)
    assert calls == small.store.calls["PUT carbonpolicies"]


def test_a_dry_run_lets_run_and_settles_what_would_have_been() -> None:
    """Every Job runs at once, its sentence says what else; the plan's saving is recorded."""
    small = Small(CLEAN_AT_3, dry_run=True)
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    assert utc(START_MS) == small.notes("one")["released-at"]
    assert small.notes("one")["status"].startswith("dry run, so it runs now; else it waits until")
    small.go(8 * MS_PER_H)
    record = small.record()
    assert record["dryRun"]
    assert instant_ms("2026-03-10T03:00:00Z") == record["runs"][0][0]
    assert 1_272 == record["settled"]["saved_mg"]


def test_what_is_left_of_a_dry_run_is_no_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone live, a controller closes the record of a dry run, and enters and counts nothing."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    place = tmp_path / "books" / "ledger"
    init_ledger(place, "example.org/cluster", "operated")
    small = Small(CLEAN_AT_3, dry_run=True)
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(2 * MS_PER_H)
    small.start(ledger=place, dry_run=False)
    small.go(6 * MS_PER_H)
    assert 1_272 == small.record()["settled"]["saved_mg"]
    assert small.record()["isFinal"]
    with Ledger(place) as ledger:
        assert ledger.row_of(f"k8s/{small.record()['uid']}") is None
    metrics = Metrics()
    metrics.show(small.controller, 0.1)
    assert "greensched_saved_kilograms{" not in generate_latest(metrics.registry).decode()


def test_the_policy_says_how_it_is() -> None:
    """Conditions tell of a policy that overlaps with another, and what was seen of it."""
    small = Small((300.0,) * 24)
    small.make(POLICIES, policy_body("other", namespaces=["jobs"]))
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    status = small.store.objects["carbonpolicies", "", "default"]["status"]
    conditions = {c["type"]: (c["status"], c["message"]) for c in status["conditions"]}
    assert {"Ready": ("True", ""), "Conflict": ("True", "other")} == conditions
    assert 1 == status["observedGeneration"]
    assert "several policies cover" in small.said()[0]


def test_a_record_outlives_its_policy() -> None:
    """A Job whose policy is deleted while it runs is settled all the same."""
    small = Small(CLEAN_AT_3)
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(4 * MS_PER_H + 30 * MS_PER_MIN)
    small.store.handle("DELETE", f"{POLICIES}/default", {}, None, "human")
    small.go(MS_PER_H)
    assert 1_272 == small.record()["settled"]["saved_mg"]


def test_without_definitions_nothing_waits() -> None:
    """A controller that starts where our kinds are not installed lets run what is suspended."""
    small = Small(CLEAN_AT_3)
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    small.store.unknown |= {"carbonpolicies", "deferrals"}
    small.start(None, dry_run=False)
    for one in small.reflectors[:2]:
        with pytest.raises(ApiError, match="is not installed"):
            one.turn()
    small.reflectors[2].turn()
    small.controller.turn()
    assert "released-at" in small.notes("one")
    assert "no policy covers" in small.notes("one")["status"]


def test_metrics_tell_what_waits_and_was_saved() -> None:
    """Waiting Jobs and kilograms are shown by namespace, in the text that Prometheus reads."""
    small, metrics = Small(CLEAN_AT_3), Metrics()
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    metrics.show(small.controller, 0.1)
    assert (
        'greensched_waiting_jobs{namespace="jobs"} 1.0'
        in generate_latest(metrics.registry).decode()
    )
    small.go(MS_PER_DAY)
    metrics.show(small.controller, 0.1)
    text = generate_latest(metrics.registry).decode()
    assert 'greensched_waiting_jobs{namespace="jobs"} 0.0' in text
    assert 'greensched_saved_kilograms{namespace="jobs"} 0.001272' in text
    assert "greensched_overdue_jobs 0.0" in text


def _shown(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_metrics_of_what_is_gone_are_gone() -> None:
    """No plan needs a forecast, so it has no age; no record is left, so nothing is shown of it."""
    small, metrics = Small(CLEAN_AT_3), Metrics()
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_H)
    metrics.show(small.controller, 0.1)
    assert 'greensched_forecast_age_seconds{provider="main",zone="DE"}' in _shown(metrics)
    small.go(MS_PER_DAY)
    metrics.show(small.controller, 0.1)
    assert "greensched_forecast_age_seconds{" not in _shown(metrics)
    assert "greensched_saved_kilograms{" in _shown(metrics)
    small.store.handle("DELETE", f"{JOBS}/one", {}, None, "human")
    small.go(MS_PER_H)
    metrics.show(small.controller, 0.1)
    assert "{namespace=" not in _shown(metrics)


def test_who_stands_by_tells_nothing_of_jobs() -> None:
    """A replica that leads no longer shows no Jobs, so that sums over replicas are right."""
    small, metrics = Small(CLEAN_AT_3), Metrics()
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_H)
    metrics.lead(is_leader=True)
    metrics.tell_ledger("example.org/a+1+b")
    metrics.show(small.controller, 0.1)
    assert 'greensched_waiting_jobs{namespace="jobs"} 1.0' in _shown(metrics)
    metrics.lead(is_leader=False)
    assert "greensched_leader 0.0" in _shown(metrics)
    assert "{namespace=" not in _shown(metrics)
    assert "{provider=" not in _shown(metrics)
    assert 'greensched_ledger_info{key="example.org/a+1+b"} 1.0' in _shown(metrics)
