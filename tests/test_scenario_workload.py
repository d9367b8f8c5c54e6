"""From a scenario to its world and demand: sources, windows, derived workloads, breakpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import DataError, ScenarioError
from greensched.model import NONE, JobClass, Jobs, Services, Trace
from greensched.readers.options import ReadOptions
from greensched.scenario import (
    build_trace,
    build_workload,
    edges,
    fleet_types,
    init_text,
    intensities,
    load,
    loads,
    sites,
)
from greensched.scenario.cut import cut_jobs, cut_services, history_jobs, history_services
from greensched.scenario.derived import drawn, living
from greensched.scenario.fits import check_sizes
from greensched.scenario.workload import imported

ROOT = Path(__file__).resolve().parent.parent
WEEK_MS = 7 * 86_400_000

CANONICAL = """\
service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib
a,0,100,1000,1024
a,300,100,1000,1024
"""
HEAD = """\
apiVersion: greensched/v1
kind: Scenario
name: small
window: {start: 2023-03-06T00:00+08:00, days: 1}
sites:
  - {name: hz, zone: CN-EAST, pue: {fixed: 10 kW, slope: 1.2}, intensity: 500 g/kWh}
  - {name: spare, zone: CN-NORTH, pue: 1.5, intensity: missing.csv}
fleet:
  - {name: gen8, site: hz, count: 4, cores: 64, memory: 256 GiB, reserved: {cores: 0.5},
     power: {idle: 110 W, peak: 320 W}, gpus: 2, gpu_model: T4,
     gpu_power: {idle: 10 W, peak: 70 W}, embodied: {kgco2e: 1300, range: [900, 2100]}}
"""


def services_of(load_cpu_m: list[list[int]], step_ms: int = 1_000, start_ms: int = 0) -> Services:
    """Return services a, b, .. with replicas of one core and the given load."""
    n = len(load_cpu_m)
    ones = np.ones(n, np.int64)
    return Services(
        names=tuple("abcdefgh"[:n]),
        replica_cpu_m=ones * 1_000,
        replica_memory_mib=ones * 1_024,
        replica_gpu_m=ones * 0,
        replicas=ones * 2,
        replicas_min=ones,
        replicas_max=ones * NONE,
        startup_ms=ones * 60_000,
        service_time_ms=np.full(n, 50.0),
        service_time_assumed=np.ones(n, np.bool_),
        start_ms=start_ms,
        step_ms=step_ms,
        load_cpu_m=np.array(load_cpu_m, np.int64),
    )


def jobs_of(rows: list[tuple[int, int, int]]) -> Jobs:
    """Return jobs with (submit_ms, duration_ms, cpu_m)."""
    n = len(rows)
    submit, duration, cpu = (np.array([r[i] for r in rows], np.int64) for i in range(3))
    none = np.full(n, NONE, np.int64)
    zero = np.zeros(n, np.int32)
    return Jobs(
        submit_ms=submit,
        duration_ms=duration,
        cpu_m=cpu.astype(np.int32),
        memory_mib=zero,
        gpu_m=zero,
        tasks=zero + 1,
        estimate_ms=none,
        deadline_ms=none,
        job_class=zero,
        classes=(JobClass(),),
    )


def test_a_fleet_becomes_machine_types_with_units_inside() -> None:
    """Cores, memory, watts, GPUs, reserve and embodied carbon arrive as the model's integers."""
    (kind,) = fleet_types(loads(HEAD + "traces: {services: bundled:online-week}\n"))
    assert (64_000, 262_144, 500) == (kind.cpu_m, kind.memory_mib, kind.reserved_cpu_m)
    assert (110.0, 320.0) == (kind.power.watts(0.0), kind.power.watts(1.0))
    assert (10.0, 70.0, True) == (kind.gpu_idle_w, kind.gpu_peak_w, kind.gpu_power_assumed)
    assert kind.boot_w == 320.0 + 2 * 70.0
    assert (900.0, 1300.0, 2100.0) == (
        kind.embodied_low_kg,
        kind.embodied_kg,
        kind.embodied_high_kg,
    )


def test_only_sites_with_machines_count() -> None:
    """A site without machines is no part of the world, and its intensity is not read."""
    scenario = loads(HEAD + "traces: {services: bundled:online-week}\n")
    (site,) = sites(scenario)
    assert ("hz", 1.2, 10_000.0) == (site.name, site.pue_slope, site.fixed_w)
    assert ["hz"] == list(intensities(scenario))


def test_breakpoints_are_the_grid_and_every_change_of_intensity() -> None:
    """Breakpoints begin at 0, end with the window, and are at most five minutes apart."""
    scenario = load(ROOT / "simulations/tidal-week.yaml")
    found = edges(scenario)
    assert (0, WEEK_MS) == (found[0], found[-1])
    assert np.diff(found).max() == 300_000
    (series,) = intensities(scenario).values()
    changes = series.window(scenario.start_utc_ms, scenario.window_ms)[0]
    assert np.isin(changes, found).all()


def test_an_unknown_zone_names_near_ones() -> None:
    """No zone is assumed: one that the file does not have is an error with near names."""
    scenario = load(ROOT / "simulations/tidal-week.yaml", {"sites.0.zone": "CN-EST"})
    with pytest.raises(DataError, match=r"'CN-EST' has no rows.*CN-EAST"):
        intensities(scenario)


def test_the_bundled_week_has_history_and_load() -> None:
    """The demonstration's window is the 29th day on; the 28 days before are history."""
    scenario = load(ROOT / "simulations/tidal-week.yaml")
    made = build_workload(scenario)
    assert made.services is not None
    assert made.history_services is not None
    assert made.jobs is not None
    assert made.history_jobs is not None
    assert (0, 2016) == (made.services.start_ms, made.services.load_cpu_m.shape[1])
    assert -28 * 86_400_000 == made.history_services.start_ms
    assert 20_000 == pytest.approx(len(made.jobs), rel=0.05)
    ended = made.history_jobs.submit_ms + made.history_jobs.duration_ms
    assert ended.max() <= 0 <= made.jobs.submit_ms.min()
    assert made.synthetic
    assert () == check_sizes(made, fleet_types(scenario))
    trace = build_trace(scenario)
    assert trace.jobs is not None
    assert (len(made.jobs), True) == (len(trace.jobs), trace.synthetic)


def test_running_jobs_begin_at_zero_with_what_remains() -> None:
    """Of jobs before, across, inside and after the window, those across keep the rest."""
    jobs = jobs_of([(0, 5, 1), (2, 20, 2), (10, 3, 3), (14, 9, 4), (20, 1, 5)])
    cut = cut_jobs(jobs, 10, 10)
    assert [0, 0, 4] == cut.submit_ms.tolist()
    assert [12, 3, 9] == cut.duration_ms.tolist()
    assert [2, 3, 4] == cut.cpu_m.tolist()
    assert cut.ids is not None
    assert ["1", "2", "3"] == list(cut.ids)
    before = history_jobs(jobs, 10, 10)
    assert before is not None
    assert [-10] == before.submit_ms.tolist()


def test_use_steps_of_running_jobs_lose_what_is_past() -> None:
    """A job that has run 6 ms keeps the steps of progress beyond 6 ms, shifted by 6 ms."""
    jobs = replace(
        jobs_of([(4, 10, 8), (4, 2, 8), (11, 5, 8)]),
        use_offsets=np.array([0, 3, 4, 5], np.int64),
        use_until_ms=np.array([3, 7, 10, 2, 5], np.int64),
        use_cpu_m=np.array([1, 2, 3, 9, 4], np.int32),
    )
    cut = cut_jobs(jobs, 10, 10)
    assert [0, 2, 3] == cut.use_offsets.tolist()
    assert [1, 4, 5] == cut.use_until_ms.tolist()
    assert [2, 3, 4] == cut.use_cpu_m.tolist()


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), max_size=20),
    st.integers(0, 40),
    st.integers(1, 30),
)
def test_cutting_conserves_the_work_of_the_window(
    rows: list[tuple[int, int]], from_ms: int, window_ms: int
) -> None:
    """Work of the cut is the work of admitted jobs less what ran before the window."""
    jobs = jobs_of(sorted((s, d, 1) for s, d in rows))
    cut = cut_jobs(jobs, from_ms, window_ms)
    expected = sum(
        s + d - max(s, from_ms) for s, d in rows if s < from_ms + window_ms and s + d > from_ms
    )
    assert expected == int(cut.duration_ms.sum())
    assert (np.diff(cut.submit_ms) >= 0).all()


def test_services_are_cut_on_their_own_grid() -> None:
    """A window that begins inside a step keeps that step, beginning before zero."""
    services = services_of([[1, 2, 3, 4, 5]], step_ms=10, start_ms=0)
    cut, repeated = cut_services(services, 15, 20)
    assert (-5, [[2, 3, 4]], False) == (cut.start_ms, cut.load_cpu_m.tolist(), repeated)
    before = history_services(services, 20, 100)
    assert before is not None
    assert (-20, [[1, 2]]) == (before.start_ms, before.load_cpu_m.tolist())
    with pytest.raises(DataError, match="not at 90 ms"):
        cut_services(services, 90, 20)


def test_a_short_series_is_repeated_with_seeded_noise_and_says_so() -> None:
    """Repeated steps are near what they repeat, the same for a seed; zero stays zero."""
    services = services_of([[1_000_000, 0, 3_000_000]], step_ms=10)
    first, repeated = cut_services(services, 0, 60, noise=0.05, rng=np.random.default_rng(7))
    again, _ = cut_services(services, 0, 60, noise=0.05, rng=np.random.default_rng(7))
    plain, _ = cut_services(services, 0, 60)
    assert repeated
    assert first.load_cpu_m.tolist() == again.load_cpu_m.tolist()
    assert [1_000_000, 0, 3_000_000] * 2 == plain.load_cpu_m[0].tolist()
    assert first.load_cpu_m[0, 4] == 0
    assert 3_000_000 == pytest.approx(first.load_cpu_m[0, 5], rel=0.3)
    assert 3_000_000 != first.load_cpu_m[0, 5]


def test_pods_that_live_all_week_use_their_request_times_the_tide() -> None:
    """Load is replicas x request x share, on the tide's steps."""
    made = living(services_of([[1], [1]]), np.array([0.25, 1.0]), 300_000)
    assert [[500, 2_000], [500, 2_000]] == made.load_cpu_m.tolist()
    assert 300_000 == made.step_ms


def test_drawn_batch_has_the_demand_asked_for_and_follows_the_seed() -> None:
    """The mean CPU drawn comes out within the Poisson error; a seed gives the same bytes."""
    ran = jobs_of([(0, 60_000, 1_000), (0, 120_000, 4_000), (0, 30_000, 500)])
    one = drawn(ran, 50_000.0, 10**9, 7, "BE")
    two = drawn(ran, 50_000.0, 10**9, 7, "BE")
    assert np.array_equal(one.submit_ms, two.submit_ms)
    assert not np.array_equal(one.submit_ms, drawn(ran, 50_000.0, 10**9, 8, "BE").submit_ms)
    work = float(np.dot(one.cpu_m.astype(float), one.duration_ms)) / 10**9
    assert 50_000.0 == pytest.approx(work, rel=0.02)
    assert (np.diff(one.submit_ms) >= 0).all()
    pairs = {(60_000, 1_000), (120_000, 4_000), (30_000, 500)}
    assert pairs == set(zip(one.duration_ms.tolist(), one.cpu_m.tolist(), strict=True))


def test_what_fits_no_machine_is_found() -> None:
    """A replica or job larger than every machine is a finding of its part of the demand."""
    scenario = loads(HEAD + "traces: {services: bundled:online-week}\n")
    made = build_workload(scenario)
    big = replace(made, jobs=jobs_of([(0, 1, 63_500), (0, 1, 63_501)]))
    (finding,) = check_sizes(big, fleet_types(scenario))
    assert "1 job is larger than every machine, the first: " in finding.what


def test_paths_stay_inside_the_folder(tmp_path: Path) -> None:
    """Outside files are refused, also through `..` and links, unless allowed."""
    inside = tmp_path / "inside"
    inside.mkdir()
    outside = tmp_path / "load.csv"
    outside.write_text(CANONICAL, encoding="utf-8")
    (inside / "link.csv").symlink_to(outside)
    text = HEAD + "traces: {services: {file: 'FILE', from: 0 h}}\n"
    for path in ("../load.csv", str(outside), "link.csv"):
        scenario = loads(text.replace("FILE", path), folder=inside)
        with pytest.raises(ScenarioError, match="outside the scenario's folder"):
            build_workload(scenario)
    with pytest.raises(ScenarioError, match=r"'none\.csv' is not there"):
        build_workload(loads(text.replace("FILE", "none.csv"), folder=inside))
    allowed = loads(text.replace("FILE", "../load.csv"), folder=inside, allow_outside=True)
    made = build_workload(allowed)
    assert made.services is not None
    assert 288 == made.services.load_cpu_m.shape[1]
    assert made.synthetic


def test_data_paths_need_the_variable_and_stay_below_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`data:` without $GREENSCHED_DATA, or leaving that folder, is refused."""
    text = HEAD + "traces: {services: 'data:../x.csv'}\n"
    monkeypatch.delenv("GREENSCHED_DATA", raising=False)
    with pytest.raises(ScenarioError, match="needs \\$GREENSCHED_DATA, which is not set"):
        build_workload(loads(text))
    monkeypatch.setenv("GREENSCHED_DATA", str(tmp_path))
    with pytest.raises(ScenarioError, match="outside the data folder"):
        build_workload(loads(text))


def test_from_takes_an_instant_or_a_time_of_the_trace() -> None:
    """`from:` takes a date and the time since trace zero alike; nonsense is refused."""
    text = HEAD + "traces: {services: {file: bundled:online-week, from: FROM}}\n"
    loads_of = [
        build_workload(loads(text.replace("FROM", value))).services
        for value in ("28 d", "2023-03-06T00:00+08:00")
    ]
    assert loads_of[0] is not None
    assert loads_of[1] is not None
    assert loads_of[0].load_cpu_m.tolist() == loads_of[1].load_cpu_m.tolist()
    with pytest.raises(ScenarioError, match="no instant of the trace"):
        build_workload(loads(text.replace("FROM", "yesterday")))


def test_a_window_outside_of_the_trace_says_what_the_trace_covers() -> None:
    """A calendar trace that does not reach the window is refused with the `from:` to add."""
    text = HEAD.replace("2023-03-06", "2024-03-06") + "traces: {services: bundled:online-week}\n"
    with pytest.raises(ScenarioError, match="add 'from: 2023-02-05T16:00:00"):
        build_workload(loads(text))


def test_init_of_a_trace_runs_as_it_is() -> None:
    """The template of a trace with a calendar is a good scenario that says its assumptions."""
    trace = Trace(
        services=services_of([[64_000] * 4], step_ms=3_600_000),
        jobs=jobs_of([(0, 3_600_000, 128_000)]),
        zero_utc="2024-01-01T00:00:00+00:00",
        findings=("3 rows dropped",),
    )
    text = init_text(trace, files=("week.csv",), reader="canonical")
    scenario = loads(text)
    assert "# - 3 rows dropped" in text
    assert 4 * 3_600_000 == pytest.approx(scenario.window_ms, rel=1e-4)
    (kind,) = fleet_types(scenario)
    assert 128_000 == kind.cpu_m  # the job asks for that much
    assert 3 == kind.count  # (64 / 0.6 + 128) / 128 / 0.65


@pytest.mark.data
def test_openb_draws_about_375_000_jobs_on_1523_machines(
    monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    """The real population gives 105 services, 27 machine types and the published job count."""
    monkeypatch.setenv("GREENSCHED_DATA", str(data_folder))
    scenario = load(ROOT / "simulations/openb.yaml")
    fleet = fleet_types(scenario)
    made = build_workload(scenario)
    assert made.services is not None
    assert made.jobs is not None
    assert (27, 1_523) == (len(fleet), sum(t.count for t in fleet))
    assert (105, 4_754) == (len(made.services), int(made.services.replicas.sum()))
    assert 375_000 == pytest.approx(len(made.jobs), rel=0.005)
    assert () == check_sizes(made, fleet)
    request_cpu_m = float((made.services.replicas * made.services.replica_cpu_m).sum())
    share = made.services.load_cpu_m.sum(axis=0) / request_cpu_m
    assert 0.161 == pytest.approx(share.min(), abs=0.001)  # Alibaba 2018: 16.1 .. 79.1 %


@pytest.mark.data
def test_init_of_a_population_runs_as_it_is(
    monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    """A template of pods and nodes takes the machines from the trace and draws its batch."""
    monkeypatch.setenv("GREENSCHED_DATA", str(data_folder))
    names = ("openb_node_list_all_node.csv", "openb_pod_list_default.csv")
    paths = [data_folder / "workload/openb" / name for name in names]
    trace = imported(paths, "openb", ReadOptions())
    files = tuple(f"data:workload/openb/{name}" for name in names)
    scenario = loads(init_text(trace, files=files, reader="openb"))
    made = build_workload(scenario)
    assert 1_523 == sum(kind.count for kind in fleet_types(scenario))
    assert made.services is not None
    assert made.jobs is not None
    assert 375_000 == pytest.approx(len(made.jobs), rel=0.005)
    request_cpu_m = (made.services.replicas * made.services.replica_cpu_m).sum()
    assert 0.4 * request_cpu_m == pytest.approx(made.services.load_cpu_m.sum(axis=0)[0])


@pytest.mark.data
def test_inference_night_sleeps_at_night(
    monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    """The real request rate falls by over 100x from the day's to the night's hours."""
    monkeypatch.setenv("GREENSCHED_DATA", str(data_folder))
    scenario = load(ROOT / "simulations/inference-night.yaml")
    made = build_workload(scenario)
    assert made.services is not None
    assert ("Generative Requests",) == made.services.names
    hours = made.services.load_cpu_m[0].reshape(22, 12).mean(axis=1)
    assert hours.max() > 100 * hours.min()
    assert () == check_sizes(made, fleet_types(scenario))
    assert 265 == len(edges(scenario))


@pytest.mark.data
def test_surf_week_is_whole(monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> None:
    """All 6,295 tasks and their fragments lie in the window; 279 machines of 16 cores."""
    monkeypatch.setenv("GREENSCHED_DATA", str(data_folder))
    scenario = load(ROOT / "simulations/surf-week.yaml")
    made = build_workload(scenario)
    assert made.jobs is not None
    assert (6_295, 604_800_000) == (len(made.jobs), scenario.window_ms)
    assert {16_000} == set(made.jobs.cpu_m.tolist())
    (host,) = fleet_types(scenario)
    assert (279, 32.0, 180.0) == (host.count, host.power.watts(0.0), host.power.watts(1.0))
    assert () == scenario.policies
