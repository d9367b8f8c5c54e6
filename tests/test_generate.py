"""Samples: the same seed gives the same bytes, and what they achieve is what was published."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched import generate
from greensched.errors import UsageError
from greensched.generate.figures import day_ratios, intensity_figures, job_figures, service_figures
from greensched.generate.samples import HISTORY_DAYS, SAMPLE_DAYS, SURGE_DAY
from greensched.model import NONE, Jobs, Services
from greensched.readers.bundled import BUNDLED, bundled_path
from greensched.units import MS_PER_DAY, MS_PER_H
from tests.effort import examples

if TYPE_CHECKING:
    from collections.abc import Callable

TRACES = Path(__file__).parents[1] / "traces"
STEPS_A_DAY = 288
CONTENT_SHA256 = {  # of the integer columns; changes only together with GENERATOR_VERSION
    "online-week": "e705bb2adf89c7666e7d2e246c532ebd8f843186acd4941c68673581784db801",
    "batch-week": "a73c5d48b77a41a91f6e69228a44e4ac17f8db59482cafe990b050d4140fadbb",
    "database-week": "a148113e9df108c0cb9dcac368e2fb391f7e3b2ddb4504d739dfe712c5ff3f58",
    "three-zones": "4069793461296ae9fabff8095875b322624ed2a9e7628490914f271bbb93b3f0",
}


@cache
def sample_services() -> Services:
    """Return the bundled services, made once."""
    return generate.sample_services()


@cache
def sample_jobs() -> Jobs:
    """Return the bundled jobs, made once."""
    return generate.sample_jobs()


@cache
def window_figures() -> dict[str, float]:
    """Return the figures of the bundled jobs in the scored week, made once."""
    return job_figures(sample_jobs(), HISTORY_DAYS * MS_PER_DAY, SAMPLE_DAYS * MS_PER_DAY)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the samples as written anew."""
    out = tmp_path_factory.mktemp("samples")
    generate.write_samples(out)
    return out


def decoded_sha256(path: Path) -> str:
    """Return a digest of a file's rows in order, whatever the Parquet around them."""
    digest = hashlib.sha256()
    with duckdb.connect() as connection:
        relation = connection.read_parquet(str(path))
        digest.update(repr(relation.columns).encode())
        for row in relation.fetchall():
            digest.update(repr(row).encode())
    return digest.hexdigest()


def job_bytes(jobs: Jobs) -> bytes:
    """Return every column of `jobs` as bytes."""
    names = ("submit_ms", "duration_ms", "cpu_m", "memory_mib", "tasks", "estimate_ms")
    columns = [getattr(jobs, name) for name in (*names, "deadline_ms", "job_class")]
    return b"".join(column.tobytes() for column in columns)


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_file_is_what_the_seed_gives(name: str, written: Path) -> None:
    """The shipped file holds, row for row, what seed 7 gives on any machine."""
    assert CONTENT_SHA256[name] == decoded_sha256(TRACES / f"{name}.parquet")
    assert CONTENT_SHA256[name] == decoded_sha256(written / f"{name}.parquet")


def test_same_seed_same_bytes_in_another_process(written: Path, tmp_path: Path) -> None:
    """A second process with another hash seed writes the same four files, byte for byte."""
    command = [sys.executable, "-m", "greensched.generate", "--seed", "7", "--out", str(tmp_path)]
    environment = {"PYTHONHASHSEED": "123", "PYTHONPATH": str(TRACES.parent)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    expected = {path.name: path.read_bytes() for path in written.iterdir()}
    assert {f"{name}.parquet" for name in BUNDLED} == set(expected)
    assert expected == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_another_seed_gives_other_samples(written: Path, tmp_path: Path) -> None:
    """Seed 8 differs from seed 7 in all four files."""
    for path in generate.write_samples(tmp_path, seed=8):
        assert decoded_sha256(written / path.name) != decoded_sha256(path)


def test_samples_are_small() -> None:
    """All that `traces/` ships is below 2 MB."""
    assert 2_000_000 > sum(path.stat().st_size for path in TRACES.iterdir())


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    """Writing below a plain file is refused with the place in words."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="samples cannot be written there"):
        generate.write_samples(tmp_path / "file" / "out")


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_path_finds_each_sample(name: str) -> None:
    """Every bundled name leads to a file of that name."""
    assert f"{name}.parquet" == bundled_path(name).name
    assert bundled_path(name).is_file()


def test_bundled_path_names_what_there_is() -> None:
    """An unknown sample is refused with the names of those that exist."""
    with pytest.raises(UsageError, match="batch-week, database-week, online-week, three-zones"):
        bundled_path("../online-week")


# Services -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "published", "tolerance"),
    [
        ("utilisation_mean_percent", 40.2, 1.0),
        ("utilisation_hour_most_percent", 51.7, 1.0),
        ("utilisation_hour_least_percent", 29.5, 1.0),
        ("web_peak_over_trough_median", 3.95, 0.1),
        ("recorded_cores", 225 * 64, 200),
    ],
)
def test_services_fit_published_figures(figure: str, published: float, tolerance: float) -> None:
    """Bundled services have the tide that was published, within the stated tolerance."""
    assert published == pytest.approx(service_figures(sample_services())[figure], abs=tolerance)


def test_inference_falls_a_hundredfold_at_night() -> None:
    """Each inference service's busiest hour carries over 100 times its quietest."""
    assert service_figures(sample_services())["inference_peak_over_trough_least"] > 100


def test_weekends_are_quieter() -> None:
    """Saturday and Sunday carry 5 to 15 % less than workdays."""
    assert 0.85 < service_figures(sample_services())["weekend_over_workday"] < 0.95


def test_surge_is_in_the_scored_week_alone() -> None:
    """At 02:30 nine web services want three times their usual load on one night of 35."""
    services = sample_services()
    steps = slice(30, 36)  # 02:30 to 03:00
    nights = services.load_cpu_m.reshape(len(services), -1, STEPS_A_DAY)[:, :, steps].mean(axis=2)
    ratio = nights / np.median(nights, axis=1)[:, None]
    surged = np.argwhere(ratio > 1.8)
    assert {SURGE_DAY} == set(surged[:, 1].tolist())
    assert SURGE_DAY >= HISTORY_DAYS
    assert [f"web-{n:02d}" for n in range(0, 18, 2)] == [services.names[i] for i in surged[:, 0]]
    assert 3.0 == pytest.approx(float(ratio[surged[:, 0], SURGE_DAY].mean()), abs=0.4)


def test_surge_changes_nothing_else() -> None:
    """Without the surge the load is the same but for 75 minutes of one night."""
    calm = generate.services(generate.SAMPLE_SEED)
    changed = np.flatnonzero((calm.load_cpu_m != sample_services().load_cpu_m).any(axis=0))
    first = SURGE_DAY * STEPS_A_DAY + 145 // 5
    assert first < changed.min()
    assert first + 75 // 5 > changed.max()


def test_noise_is_autocorrelated() -> None:
    """What is left after the hour of the week is taken away is alike from hour to hour."""
    load = sample_services().load_cpu_m[-1].reshape(-1, 12).mean(axis=1)
    weeks = load.reshape(-1, 168)
    rest = (weeks - weeks.mean(axis=0)).ravel()
    assert 0.5 < np.corrcoef(rest[1:], rest[:-1])[0, 1]


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 2**63), count=st.integers(1, 120), days=st.integers(1, 9))
def test_services_are_valid_for_any_seed(seed: int, count: int, days: int) -> None:
    """Any services are sorted by name, positive and within their recorded replicas."""
    services = generate.services(seed, count=count, days=days, surge_day=0)
    assert count == len(services)
    assert sorted(services.names) == list(services.names)
    assert count == len(set(services.names))
    assert (count, days * STEPS_A_DAY) == services.load_cpu_m.shape
    assert services.load_cpu_m.min() > 0
    recorded = services.replicas * services.replica_cpu_m
    assert (services.load_cpu_m.max(axis=1) * 13 <= recorded * 10).all()
    assert {1_000, 4_000, 8_000} >= set(services.replica_cpu_m.tolist())
    assert services.startup_ms.min() >= 30_000
    assert services.startup_ms.max() <= 180_000
    assert 5 <= services.service_time_ms.min() <= services.service_time_ms.max() <= 200
    gib_a_core = services.replica_memory_mib * 1_000 // services.replica_cpu_m
    assert {2_048, 4_096, 8_192} >= set(gib_a_core.tolist())


def test_a_longer_step_keeps_the_tide() -> None:
    """Hourly services have the same day as those of five minutes."""
    hourly = generate.services(1, step_s=3_600, days=7)
    assert (40, 168) == hourly.load_cpu_m.shape
    fine = generate.services(1, days=7)
    assert np.median(day_ratios(fine)) == pytest.approx(np.median(day_ratios(hourly)), rel=0.1)


# Jobs ---------------------------------------------------------------------------------------

# Quantiles of the three lists of 100,000 jobs (pai, azure, mustang), typed by hand.
LENGTHS_H = {
    25: (0.2187, 0.25, 0.125),
    50: (0.6644, 0.5833, 0.1828),
    75: (2.0994, 2.1667, 2.3842),
    90: (5.5366, 11.3333, 7.6248),
    95: (9.5368, 20.0, 10.4908),
    99: (24.0583, 50.3333, 15.4525),
}
CORES = {
    25: (1, 2, 1),
    50: (1, 2, 1),
    75: (2, 4, 6),
    90: (8, 8, 25),
    95: (16, 8, 50),
    99: (40, 24, 128),
}


@pytest.mark.parametrize("percent", LENGTHS_H)
def test_lengths_lie_among_the_three_lists(percent: int) -> None:
    """Each quantile of length lies between the least and greatest of three public lists."""
    found = window_figures()[f"length_p{percent}_h"]
    assert min(LENGTHS_H[percent]) <= found <= max(LENGTHS_H[percent])


@pytest.mark.parametrize("percent", CORES)
def test_sizes_lie_among_the_three_lists(percent: int) -> None:
    """Each quantile of cores lies between the least and greatest of three public lists."""
    found = window_figures()[f"cores_p{percent}_job"]
    assert min(CORES[percent]) <= found <= max(CORES[percent])


@pytest.mark.data
def test_typed_quantiles_are_those_of_the_lists() -> None:
    """The quantiles that samples are held against are those of the three files themselves."""
    folder = Path(os.environ.get("GREENSCHED_DATA", "../shared/data")) / "workload" / "gaia"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    for column, name in enumerate(("pai-100k", "azure-100k", "mustang-trace-2015-100k")):
        with duckdb.connect() as connection:
            rows = connection.read_csv(str(folder / f"{name}.csv")).fetchnumpy()
        for percent in LENGTHS_H:
            length_h = float(np.quantile(rows["length"], percent / 100))
            assert LENGTHS_H[percent][column] == pytest.approx(length_h, abs=1e-4)
            assert CORES[percent][column] == np.quantile(rows["cpus"], percent / 100)


def test_one_percent_of_jobs_uses_most() -> None:
    """The largest 1 % of jobs takes over half of all core-hours."""
    assert 0.5 < window_figures()["top_1_percent_share"] < 0.65


def test_batch_fits_the_demo_fleet() -> None:
    """Jobs that never wait use 60 to 80 machines of 64 cores on average and at most 140."""
    assert 60 * 64 < window_figures()["cores_mean"] < 80 * 64
    assert 80 * 64 < window_figures()["cores_peak"] < 140 * 64


def test_online_and_offline_pods_stand_57_to_43() -> None:
    """Recorded replicas are 57 % of all pods that run at once, within a point."""
    online = float(sample_services().replicas.sum())
    share = online / (online + window_figures()["tasks_running_mean"])
    assert 0.57 == pytest.approx(share, abs=0.01)


def test_twenty_thousand_jobs_in_each_week() -> None:
    """The scored week and each week of history have 20,000 jobs, in order of submit."""
    weeks = sample_jobs().submit_ms // (7 * MS_PER_DAY)
    assert [20_000] * 5 == np.bincount(weeks).tolist()
    assert (np.diff(sample_jobs().submit_ms) >= 0).all()


def test_arrivals_follow_the_day_and_the_week() -> None:
    """More jobs come in the afternoon than at night, and on workdays than at weekends."""
    submit_ms = sample_jobs().submit_ms
    hours = np.bincount(submit_ms // MS_PER_H % 24)
    days = np.bincount(submit_ms // MS_PER_DAY % 7)
    assert 2 < hours[14:16].mean() / hours[2:4].mean() < 4
    assert days[5:].mean() < 0.85 * days[:5].mean()


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 2**63), count=st.integers(1, 3_000), days=st.integers(1, 40))
def test_jobs_are_valid_for_any_seed(seed: int, count: int, days: int) -> None:
    """Any jobs are sorted, in their days, positive, and estimated at 1 to 5 times the truth."""
    jobs = generate.jobs(seed, count=count, days=days)
    assert count == len(jobs)
    assert (np.diff(jobs.submit_ms) >= 0).all()
    assert 0 <= jobs.submit_ms.min() <= jobs.submit_ms.max() < days * MS_PER_DAY
    assert 300_000 <= jobs.duration_ms.min() <= jobs.duration_ms.max() <= 48 * MS_PER_H
    assert (jobs.duration_ms % 1_000 == 0).all()
    assert (jobs.estimate_ms >= jobs.duration_ms).all()
    assert (jobs.estimate_ms <= 5 * jobs.duration_ms).all()
    assert {1_000, 2_000, 4_000} >= set(jobs.cpu_m.tolist())
    cores = jobs.cpu_m.astype(np.int64) // 1_000 * jobs.tasks
    assert 1 <= cores.min() <= cores.max() <= 256
    assert (cores * jobs.duration_ms <= 4_096 * MS_PER_H).all()
    due = jobs.deadline_ms != NONE
    assert (jobs.deadline_ms[due] >= jobs.submit_ms[due] + jobs.estimate_ms[due]).all()
    assert 0 <= jobs.job_class.min() <= jobs.job_class.max() < len(jobs.classes)


def test_jobs_are_repeatable_and_differ_by_seed() -> None:
    """The same seed gives the same jobs, another seed or stream gives others."""
    first = job_bytes(generate.jobs(1, count=500))
    assert first == job_bytes(generate.jobs(1, count=500))
    assert first != job_bytes(generate.jobs(2, count=500))
    assert first != job_bytes(generate.jobs(1, count=500, stream_name="others"))


def test_many_jobs_are_drawn_in_parts() -> None:
    """A count above one part's rows leaves no row undrawn and keeps the quantiles."""
    jobs = generate.jobs(3, count=(1 << 20) + 1_000, days=8)
    assert jobs.duration_ms.min() >= 300_000
    assert set(jobs.job_class[-1_000:].tolist()) == {0, 1, 2, 3}
    assert 0.433 == pytest.approx(np.median(jobs.duration_ms) / MS_PER_H, rel=0.02)


def test_uniform_jobs_are_poisson_and_exponential() -> None:
    """Benchmark jobs have mean 300 s with variation 1, spread evenly over the day."""
    jobs = generate.uniform_jobs(5, count=200_000)
    assert (np.diff(jobs.submit_ms) >= 0).all()
    assert 300_000 == pytest.approx(jobs.duration_ms.mean(), rel=0.01)
    assert 1.0 == pytest.approx(jobs.duration_ms.std() / jobs.duration_ms.mean(), abs=0.01)
    gaps = np.diff(jobs.submit_ms)
    assert 1.0 == pytest.approx(gaps.std() / gaps.mean(), abs=0.01)
    assert jobs.submit_ms.max() < MS_PER_DAY


# Intensity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "mean_g_per_kwh", "variation"),
    [("CN-EAST", 561.7, 0.170), ("CN-NORTH", 677.6, 0.050), ("CN-SOUTH", 386.9, 0.400)],
)
def test_intensity_has_its_zone_s_mean_and_variation(
    zone: str, mean_g_per_kwh: float, variation: float
) -> None:
    """Each zone has its official factor's mean and the variation it was shaped for."""
    found = intensity_figures(generate.sample_intensity())
    assert mean_g_per_kwh == pytest.approx(found[f"{zone}_mean_g_per_kwh"], abs=1.5)
    assert variation == pytest.approx(found[f"{zone}_variation"], abs=0.01)


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 2**63), hours=st.integers(24, 1_000))
def test_intensity_is_positive_and_smooth(seed: int, hours: int) -> None:
    """Any seed gives positive whole grams, and neighbouring hours alike."""
    table = generate.intensity(seed, hours=hours)
    assert ("CN-EAST", "CN-NORTH", "CN-SOUTH") == table.zones
    assert (3, hours) == table.g_per_kwh.shape
    assert table.g_per_kwh.min() >= 40
    for row in table.g_per_kwh:
        assert np.corrcoef(row[1:], row[:-1])[0, 1] > 0.7


# Refusals -----------------------------------------------------------------------------------


def test_settings_that_cannot_be_are_usage_errors() -> None:
    """Counts below 1, steps that do not divide the hour and negative seeds are refused."""
    refused: list[Callable[[], object]] = [
        lambda: generate.services(1, count=0),
        lambda: generate.services(1, step_s=7),
        lambda: generate.jobs(1, count=0),
        lambda: generate.jobs(1, days=1_001),
        lambda: generate.uniform_jobs(1, days=41),
        lambda: generate.intensity(1, zones=4),
        lambda: generate.intensity(1, hours=23),
        lambda: generate.jobs(-1),
    ]
    for make in refused:
        with pytest.raises(UsageError):
            make()
