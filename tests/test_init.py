"""`init --from`: files of every reader become scenarios that check and run as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import DataError
from greensched.model import Machines, Trace
from greensched.readers.bundled import bundled_path
from greensched.registry import READERS
from greensched.scenario import build_workload, fleet_types, init_text, load, loads
from greensched.scenario.cut import cut_services, first_ms
from greensched.scenario.sizing import assumed
from tests.init_cases import FORMATS, PUBLISHED, written
from tests.test_cli import call
from tests.test_scenario_workload import jobs_of, services_of

if TYPE_CHECKING:
    from greensched.scenario import Scenario

H_MS = 3_600_000
DAY_MS = 24 * H_MS


def test_every_registered_reader_is_here() -> None:
    """A reader that is registered is tried here, but for databases, which no run replays yet."""
    assert set(READERS) - {"planetlab"} == set(FORMATS)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in PUBLISHED)) for n in FORMATS]
)
def test_files_of_every_reader_become_a_scenario_that_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init`, `validate` and `run` follow each other without a change to what was written."""
    monkeypatch.chdir(tmp_path)
    told = call("init", "--from", *written(name, tmp_path), "--out", "made.yaml")
    assert (0, "made.yaml") == (told.exit_code, told.stdout.strip()), told.stderr
    text = (tmp_path / "made.yaml").read_text(encoding="utf-8")
    assert "#   greensched run made.yaml" in text
    assert "name: made" in text
    assert text.count("ASSUMED") > 5
    told = call("validate", "made.yaml", "-o", "json")
    assert 0 == told.exit_code, told.stderr
    found = json.loads(told.stdout)
    services, jobs = FORMATS[name].services, FORMATS[name].jobs
    assert services == found["services"]
    assert jobs == pytest.approx(found["jobs"], rel=0.1 if name == "openb" else 0.0)
    shorter = () if name == "canonical" else ("--no-attribution", "--no-sizing")
    told = call("run", "made.yaml", "-o", "json", *shorter)
    assert 0 == told.exit_code, told.stderr
    summary = json.loads(told.stdout)
    assert 0.0 < summary["scenario"]["energy_it_kwh"] <= summary["static_peak"]["energy_it_kwh"]


def test_a_cluster_becomes_its_pools_and_autoscalers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pools are the fleet with their type and region, HPAs the baseline, the rest is assumed."""
    monkeypatch.chdir(tmp_path)
    written("kubernetes", tmp_path)
    told = call("init", "--from", "kubernetes:cluster.json", "--out", "-")
    assert 0 == told.exit_code, told.stderr
    for line in (
        "    # for the site's zone: greensched carbon zones --cloud aws:eu-central-1",
        "    type: 'm6i.4xlarge'",
        "    reserved: {cores: 0.21, memory: 4296 MiB}",
        "    'shop/web': 0.6",
        "# ASSUMED: no job may wait. Say which may, and add {kind: shifting} to the policies:",
    ):
        assert line in told.stdout.splitlines()


def test_machines_alone_make_no_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of machines without demand is refused with what to add, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    written("openb", tmp_path)
    told = call("init", "--from", "node_list.csv", "--out", "made.yaml")
    assert 3 == told.exit_code
    assert (
        "no services, jobs and databases: nothing to run; name the files of the demand"
        in told.stderr
    )
    assert not (tmp_path / "made.yaml").exists()


def test_flags_and_place_stand_in_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands in the scenario's head can be copied: its own place, and what it needs."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("GREENSCHED_DATA", raising=False)
    words = written("jobs", tmp_path)
    call("init", "--from", f"../{words[0]}", *words[1:], "--out", "a.yaml")
    head = (here / "a.yaml").read_text(encoding="utf-8")
    assert "#   greensched validate a.yaml --allow-outside\n" in head


def made(trace: Trace) -> Scenario:
    """Return the scenario that `init` writes for a trace."""
    return loads(init_text(trace, files=("file.csv",), reader="canonical"))


def machines_of(cpu_m: list[int]) -> Machines:
    """Return one machine of each size."""
    n = len(cpu_m)
    return Machines(
        names=tuple(f"m{i}" for i in range(n)),
        count=np.ones(n, np.int64),
        cpu_m=np.array(cpu_m, np.int64),
        memory_mib=np.full(n, 1_024, np.int64),
        gpus=np.zeros(n, np.int64),
        gpu_models=("",) * n,
    )


def test_assumed_machines_suffice_in_their_scarcest_resource() -> None:
    """Jobs that fill memory or GPUs ask for more machines than their cores alone would."""
    ones = np.ones(90, np.int32)
    jobs = replace(jobs_of([(0, H_MS, 1_000)] * 90), memory_mib=ones * 128 * 1_024)
    assert 3 == assumed(Trace(jobs=jobs_of([(0, H_MS, 1_000)] * 90))).count
    assert 70 == assumed(Trace(jobs=jobs)).count  # 90 x 128 GiB / 256 GiB / 0.65
    jobs = replace(jobs_of([(0, H_MS, 1_000)] * 90), gpu_m=ones * 4_000)
    fleet = assumed(Trace(jobs=jobs))
    assert (8, 70) == (fleet.gpus, fleet.count)  # 90 x 4 / 8 / 0.65


def test_assumed_machines_count_gpus_of_services() -> None:
    """A service of 26 busy GPUs gets machines for 26 / 0.6 replicas."""
    services = replace(services_of([[26_000]]), replica_gpu_m=np.array([1_000]))
    fleet = assumed(Trace(services=services))
    assert (8, 9) == (fleet.gpus, fleet.count)  # 26 / 0.6 / 8 / 0.65


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 50), st.integers(1, 9)),
        min_size=1,
        max_size=30,
    )
)
def test_assumed_machines_hold_the_busiest_moment(rows: list[tuple[int, int, int]]) -> None:
    """At no instant do jobs that start on submission ask for more than 0.65 of the fleet."""
    rows.sort()
    jobs = replace(
        jobs_of([(s * H_MS, d * H_MS, c * 16_000) for s, d, c in rows]),
        memory_mib=np.array([c * 100_000 for *_, c in rows], np.int32),
    )
    fleet = assumed(Trace(jobs=jobs))
    for now in range(101):
        busy = sum(c for s, d, c in rows if s <= now < s + d)
        assert busy * 16 <= 0.65 * fleet.count * fleet.cores + 1e-6
        assert busy * 100_000 <= 0.65 * fleet.count * fleet.memory_gib * 1_024 + 1e-6


@pytest.mark.parametrize("cpu_m", [[1_000], [2_000, 4_000], [8_000, 128_000], [64_000]])
def test_listed_machines_never_draw_more_asleep_than_idle(cpu_m: list[int]) -> None:
    """Logs that list processors as machines get watts by the core, asleep and off too."""
    trace = Trace(jobs=jobs_of([(0, H_MS, 500)]), machines=machines_of(cpu_m))
    text = init_text(trace, files=("machines.csv",))
    text = text.replace("from: 'machines.csv'", "from: data:machines.csv")
    entry = loads(text).spec.fleet[0]
    idle_w = min(cpu_m) / 1000 * 5 * 0.27
    assert entry.off.power <= entry.sleep.power <= idle_w + 1e-9


def test_objectives_are_those_that_the_trace_can_miss() -> None:
    """Batch has a limit on waiting, without which one machine would do; services on latency."""
    batch = made(Trace(jobs=jobs_of([(0, H_MS, 1_000)])))
    assert (None, H_MS) == (batch.slo.latency_factor_p99, batch.slo.batch_wait_p95)
    assert batch.slo.deadline_miss is None  # the list has no deadlines
    assert 0.01 == loads(init_text()).slo.deadline_miss
    assert ["elastic-predictive"] == [p.kind for p in batch.policies]
    online = made(Trace(services=services_of([[1, 2]], step_ms=H_MS)))
    assert (1.1, None) == (online.slo.latency_factor_p99, online.slo.batch_wait_p95)
    assert ["elastic-predictive"] == [p.kind for p in online.policies]


def test_every_job_is_in_the_window_that_is_written() -> None:
    """The window of a short list reaches past its last arrival, in whole minutes."""
    for last_ms in (0, 1, 5 * H_MS, 5 * H_MS + 1, 7 * DAY_MS - 60_000):
        jobs = jobs_of([(0, H_MS, 1_000), (last_ms, H_MS, 1_000)])
        scenario = made(Trace(jobs=jobs, zero_utc="2024-01-01T00:00:00.250Z"))
        assert last_ms < scenario.window_ms <= 7 * DAY_MS
        assert 0 == scenario.window_ms % 60_000


def test_a_trace_without_demand_is_refused_in_python_too() -> None:
    """`init_text` refuses what `init` does."""
    with pytest.raises(DataError, match="nothing to run"):
        init_text(Trace(machines=machines_of([1_000])), files=("m.csv",))


@pytest.mark.parametrize(
    ("load_ms", "job_ms", "expected"),
    [
        (0, 5_000, 0),
        (5_000, 0, 0),
        (-DAY_MS, 5_000, 0),  # what is negative is history
        (None, 5_000, 0),
        (None, 9 * DAY_MS, 9 * DAY_MS),  # seconds since some far zero
        (9 * DAY_MS, 9 * DAY_MS - H_MS, 9 * DAY_MS - H_MS),
        (9 * DAY_MS, 2 * DAY_MS, 9 * DAY_MS),
        (9 * DAY_MS, 20 * DAY_MS, 9 * DAY_MS),
        (DAY_MS, None, 0),
        (-5_000, None, -5_000),  # all of it before zero: there is no other window
        (None, None, 0),
    ],
)
def test_a_window_without_a_date_begins_at_trace_zero(
    load_ms: int | None, job_ms: int | None, expected: int
) -> None:
    """Services and jobs of traces that count from one zero keep in step."""
    services = None if load_ms is None else services_of([[1, 2]], start_ms=load_ms)
    jobs = None if job_ms is None else jobs_of([(job_ms, 1_000, 1_000)])
    if load_ms == -DAY_MS:
        services = services_of([[1, 2, 3]], step_ms=DAY_MS, start_ms=load_ms)
    assert expected == first_ms(Trace(services=services, jobs=jobs))


def test_services_and_jobs_of_two_files_keep_in_step(tmp_path: Path) -> None:
    """A job submitted 300 s after zero arrives 300 s after the services' first step."""
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib\n"
    rows = "".join(f"w,{600 * i},500,1000,64\n" for i in range(12))
    (tmp_path / "services.csv").write_text(head + rows, encoding="utf-8")
    (tmp_path / "jobs.csv").write_text("job,submit_s,duration_s,cpu_m\na,300,60,500\n")
    text = init_text(Trace(services=services_of([[1, 2]], step_ms=H_MS)), files=("services.csv",))
    text = text.replace("\nslo:", "  jobs: jobs.csv\n\nslo:")
    (tmp_path / "both.yaml").write_text(text, encoding="utf-8")
    workload = build_workload(load(tmp_path / "both.yaml"))
    assert workload.jobs is not None
    assert workload.services is not None
    assert (300_000, 0) == (int(workload.jobs.submit_ms[0]), workload.services.start_ms)


def test_load_that_begins_late_is_zero_until_then() -> None:
    """A series may begin up to a day after the window, on its own grid; later is refused."""
    services = services_of([[7, 8]], step_ms=10, start_ms=25)
    cut, repeated = cut_services(services, 0, 45)
    assert (-5, [[0, 0, 0, 7, 8]], False) == (cut.start_ms, cut.load_cpu_m.tolist(), repeated)
    with pytest.raises(DataError, match="from 25 ms to 45 ms of the trace, not at 0 d"):
        cut_services(services, 0, 25)  # nothing of it is in the window
    late = services_of([[7, 8]], step_ms=10, start_ms=DAY_MS + 1)
    with pytest.raises(DataError, match="not at 0 d"):
        cut_services(late, 0, 2 * DAY_MS)


def test_late_load_is_told(tmp_path: Path) -> None:
    """What was taken as 0 before the series begins is among the findings."""
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib\n"
    rows = "".join(f"w,{3600 + 600 * i},500,1000,64\n" for i in range(12))
    (tmp_path / "services.csv").write_text(head + rows, encoding="utf-8")
    trace = Trace(services=services_of([[1, 2]], step_ms=3 * H_MS))
    (tmp_path / "late.yaml").write_text(init_text(trace, files=("services.csv",)))
    workload = build_workload(load(tmp_path / "late.yaml"))
    assert "load is not known in the first 3,600 s, taken as 0" in workload.findings


def test_a_copy_of_a_bundled_file_keeps_its_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a Parquet file says of its zero and its origin holds wherever the file lies."""
    monkeypatch.chdir(tmp_path)
    Path("own.parquet").write_bytes(bundled_path("online-week").read_bytes())
    found = json.loads(call("trace", "inspect", "own.parquet", "-o", "json").stdout)
    assert ("2023-02-05T16:00:00Z", True) == (found["zero_utc"], found["is_synthetic"])
    assert 0 == call("init", "--from", "own.parquet").exit_code
    told = call("validate", "own.yaml")
    assert "40 services" in told.stdout, told.stderr


def test_the_bundled_template_has_a_fleet_for_its_week() -> None:
    """Without a trace the fleet is the demonstration's 400 machines."""
    (kind,) = fleet_types(loads(init_text()))
    assert (400, 64_000) == (kind.count, kind.cpu_m)


def test_a_longer_trace_says_what_is_left_out(tmp_path: Path) -> None:
    """Of ten days with a job a day seven are taken, and the scenario says so."""
    rows = [f"j{i},{i * 86_400},60,1000,10" for i in range(11)]
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["job,submit_s,duration_s,cpu_m,memory_mib", *rows]), "utf-8")
    told = call("init", "--from", path, "--reader", "canonical", "--out", "-")
    assert 0 == told.exit_code, told.stderr
    assert "# ASSUMED: the first 7 of its 10.0 days, 7 of 11 jobs; more with" in told.stdout
    assert "seed: 1  # ASSUMED" in told.stdout


def test_of_a_longer_trace_with_load_the_last_week_is_taken(tmp_path: Path) -> None:
    """What is before it is history, so that forecasts are made; jobs of these days are counted."""
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
    for hours, begin_d, kept in ((24 * 21, 14, 7), (24 * 8, 0, 7)):
        rows = [f"web,{3600 * h},{1000 + 100 * (h % 24)},2000,2048" for h in range(hours)]
        (tmp_path / "s.csv").write_text("\n".join([head, *rows]), "utf-8")
        jobs = [f"j{i},{i * 86_400},60,1000,10" for i in range(hours // 24)]
        (tmp_path / "j.csv").write_text(
            "\n".join(["job,submit_s,duration_s,cpu_m,memory_mib", *jobs]), "utf-8"
        )
        out = tmp_path / f"{hours}.yaml"
        told = call(
            "init", "--from", tmp_path / "s.csv", "--from", tmp_path / "j.csv", "--out", out
        )
        assert 0 == told.exit_code, told.stderr
        text = out.read_text("utf-8")
        assert f"{kept} of {len(jobs)} jobs" in text
        assert (f"from: {begin_d} d" in text) == (begin_d > 0)
        made = build_workload(load(out))
        assert made.services is not None
        assert 7 * 24 == made.services.load_cpu_m.shape[1]
        past = made.history_services
        assert (0 if past is None else past.load_cpu_m.shape[1]) == 24 * begin_d


def test_databases_get_machines_and_their_switch(tmp_path: Path) -> None:
    """Alone or beside others; what is written holds them, however large, and runs."""
    head = "database,time,cpu_m,iops,memory_mib,disk_gib,replicas,apart"
    for cpu_m, memory_mib, apart in ((2_000, 4_096, "machine"), (40_000, 300_000, "rack")):
        rows = [
            f"{name},2024-01-0{1 + h // 24}T{h % 24:02}:00Z,{cpu_m},10,{memory_mib},50,3,{apart}"
            for name in ("a", "b")
            for h in range(48)
        ]
        path = tmp_path / "databases.csv"
        path.write_text("\n".join([head, *rows]) + "\n", "utf-8")
        out = tmp_path / "data.yaml"
        told = call("init", "--from", path, "--out", out, "--force")
        assert 0 == told.exit_code, told.stderr
        scenario = load(out)
        assert ["consolidation"] == [policy.kind for policy in scenario.policies]
        told = call("run", out, "--out", tmp_path / str(cpu_m), "--no-sizing", "-o", "json")
        assert 0 == told.exit_code, told.stderr
        found = json.loads(told.stdout)["scenario"]["databases"]
        assert (2, 6, 0) == tuple(found[k] for k in ("databases", "replicas", "unplaced"))
