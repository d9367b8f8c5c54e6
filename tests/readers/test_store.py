"""The trace store, the cache of imports, and inspection."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.errors import DataError, UsageError
from greensched.model import Databases, JobClass, Jobs, Machines, Services, Trace
from greensched.readers import canonical, resolve
from greensched.readers.columns import TextColumn
from greensched.readers.inspect import NO_TIMELINE, inspect, sparkline
from greensched.readers.options import ReadOptions
from greensched.readers.store import is_store, open_store, span_ms, write_store
from tests.effort import examples
from tests.readers.builders import JOBS_HEADER, refusal, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from greensched.readers.options import Reader


def jobs_of(submit_h: list[float], duration_h: list[float], cpu_m: int = 2000) -> Jobs:
    """Return jobs at `submit_h` for `duration_h`, in hours, sorted as given."""
    n = len(submit_h)
    ones = np.ones(n, np.int32)
    return Jobs(
        submit_ms=np.rint(np.array(submit_h) * 3_600_000).astype(np.int64),
        duration_ms=np.rint(np.array(duration_h) * 3_600_000).astype(np.int64),
        cpu_m=ones * cpu_m, memory_mib=ones, gpu_m=ones * 0, tasks=ones,
        estimate_ms=np.full(n, -1), deadline_ms=np.full(n, -1), job_class=ones * 0,
        ids=[f"job-{i}-é" for i in range(n)],
        classes=(JobClass(name="x", priority=3, machine_types=("gen8",)),),
    )  # fmt: skip


def services_of(load_cpu_m: list[list[int]], step_ms: int = 3_600_000) -> Services:
    """Return services with `load_cpu_m`."""
    n = len(load_cpu_m)
    ones = np.ones(n, np.int64)
    return Services(
        names=tuple(f"s{i}" for i in range(n)), replica_cpu_m=ones, replica_memory_mib=ones,
        replica_gpu_m=ones, replicas=ones * -1, replicas_min=ones, replicas_max=ones,
        startup_ms=ones, service_time_ms=np.full(n, 50.0), service_time_assumed=ones > 0,
        start_ms=0, step_ms=step_ms, load_cpu_m=np.array(load_cpu_m, np.int64),
    )  # fmt: skip


def whole_trace() -> Trace:
    """Return a trace with every kind."""
    one = np.ones(1, np.int64)
    return Trace(
        services=services_of([[1, 2, 3], [4, 5, 6]]),
        jobs=jobs_of([0, 1], [2, 0.5]),
        machines=Machines(names=("m",), count=one, cpu_m=one, memory_mib=one, gpus=one,
                          gpu_models=("T4",)),
        databases=Databases(names=("d",), start_ms=0, step_ms=2, cpu_m=one[:, None],
                            iops=one[:, None], memory_mib=one, disk_gib=one, replicas=one,
                            apart=one),
        zero_utc="2023-03-06T00:00:00Z", timeline=False, synthetic=True, checksum="abc",
        findings=("a", "b"),
    )  # fmt: skip


def assert_same(a: object, b: object) -> None:
    """Assert that two nouns have equal fields, arrays by their values and types."""
    for about in fields(a):  # type: ignore[arg-type]
        left, right = getattr(a, about.name), getattr(b, about.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right)
        elif about.name == "ids":
            assert list(left) == list(right)
        elif hasattr(left, "__dataclass_fields__"):
            assert_same(left, right)
        else:
            assert left == right


def test_store_gives_back_the_trace(tmp_path: Path) -> None:
    """What is written to a store is what it opens to, field by field."""
    trace = whole_trace()
    write_store(trace, tmp_path / "store")
    assert_same(trace, open_store(tmp_path / "store"))


def test_store_of_one_kind_has_no_others(tmp_path: Path) -> None:
    """A trace of jobs alone opens without services and machines, one without ids without."""
    write_store(Trace(jobs=replace(jobs_of([0], [1]), ids=None)), tmp_path / "store")
    trace = open_store(tmp_path / "store")
    assert (None, None) == (trace.services, trace.machines)
    assert trace.jobs is not None
    assert trace.jobs.ids is None


def test_opened_columns_are_mapped_and_read_only(tmp_path: Path) -> None:
    """Columns of an open store are plain arrays over mapped pages that nobody can change."""
    write_store(whole_trace(), tmp_path / "store")
    jobs = open_store(tmp_path / "store").jobs
    assert jobs is not None
    assert type(jobs.submit_ms) is np.ndarray
    assert isinstance(jobs.submit_ms.base, np.memmap)
    assert not jobs.submit_ms.flags.writeable


def test_store_replaces_a_store_and_nothing_else(tmp_path: Path) -> None:
    """Writing replaces an older store whole, and refuses a folder that is something else."""
    place = tmp_path / "store"
    write_store(whole_trace(), place)
    write_store(Trace(jobs=jobs_of([0], [1])), place)
    assert open_store(place).services is None
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("dear")
    assert "left untouched" in refusal(lambda: write_store(whole_trace(), other), DataError)
    assert "dear" == (other / "thesis.txt").read_text()
    assert ["mine", "store"] == sorted(p.name for p in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"store_version": 99}, "store version 99"),
        ({"rows": {"services": 2, "jobs": 3, "machines": 1}}, "has 3 rows where 4 belong"),
        ({"rows": {"services": 2, "jobs": "x", "machines": 1}}, "is no count"),
        ({"services": {"start_ms": 0, "step_ms": 0}}, "no time step"),
        ({"timeline": "yes"}, "is not of type bool"),
        ({"jobs": {}}, "lacks what it should have"),
    ],
)
def test_wrong_meta_is_refused(tmp_path: Path, change: dict[str, object], what: str) -> None:
    """A store whose meta.json does not fit is refused, naming what is wrong."""
    place = tmp_path / "store"
    write_store(whole_trace(), place)
    meta = json.loads((place / "meta.json").read_text())
    (place / "meta.json").write_text(json.dumps(meta | change))
    assert what in refusal(lambda: open_store(place), DataError)


@pytest.mark.parametrize("damage", ["cut", "gone", "other-type", "meta"])
def test_damaged_store_is_refused(tmp_path: Path, damage: str) -> None:
    """A column that is cut, gone or of another type, and cut meta, are refused by name."""
    place = tmp_path / "store"
    write_store(whole_trace(), place)
    column = place / "jobs.submit_ms.npy"
    name = "meta.json" if damage == "meta" else column.name
    if damage == "cut":
        column.write_bytes(column.read_bytes()[:-4])
    elif damage == "gone":
        column.unlink()
    elif damage == "other-type":
        np.save(column, np.zeros(2))
    else:
        (place / name).write_text("{")
    assert name in refusal(lambda: open_store(place), DataError)
    assert "no trace store" in refusal(lambda: open_store(tmp_path / "none"), DataError)


@given(texts=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_text_column_is_a_list(texts: list[str]) -> None:
    """A text column is the sequence of texts it was made of."""
    column = TextColumn.of(texts)
    assert texts == list(column)
    assert texts == [column[i] for i in range(len(column))]
    assert texts[::-1] == column[::-1]
    assert texts[-1:] == ([column[-1]] if texts else [])


def counted(runs: list[int]) -> Reader:
    """Return a reader that counts its runs; it is of the module of the real one."""

    def read(files: Sequence[Path], options: ReadOptions) -> Trace:
        runs.append(len(files))
        return canonical.read(files, options)

    return read


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder that is in use."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "greensched" / "traces"


def test_raw_trace_is_imported_once(tmp_path: Path, cache: Path) -> None:
    """The second use opens the cached store; other contents or options import again."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    runs: list[int] = []
    reader = counted(runs)
    first = resolve.import_cached([path], reader, ReadOptions())
    assert_same(first, resolve.import_cached([path], reader, ReadOptions()))
    assert 1 == len(runs)
    resolve.import_cached([path], reader, ReadOptions(allow_instant=True))
    assert 2 == len(runs)
    write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,2,1")
    changed = resolve.import_cached([path], reader, ReadOptions())
    assert changed.jobs is not None
    assert [2000] == changed.jobs.duration_ms.tolist()
    assert 3 == len(list(cache.iterdir()))


def test_imports_at_the_same_time_agree(tmp_path: Path, cache: Path) -> None:
    """Several imports of one file at once all get it, and leave one store and nothing else."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1", "b,1,1,1")
    with ThreadPoolExecutor(4) as pool:
        traces = list(
            pool.map(lambda _: resolve.import_cached([path], "canonical", ReadOptions()), range(8))
        )
    for trace in traces[1:]:
        assert_same(traces[0], trace)
    assert 1 == len(list(cache.iterdir()))


@settings(max_examples=examples(15))
@given(order=st.permutations(range(6)))
def test_order_of_rows_changes_nothing(
    order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows of distinct keys in any order give the same jobs."""
    lines = ["a,5,1,1", "b,5,1,2", "c,0,9,3", "d,7,1,4", "e,0,2,5", "f,9,9,6"]
    folder = tmp_path_factory.mktemp("order")
    sorted_file = write(folder, "sorted.csv", JOBS_HEADER, *lines)
    other = write(folder, "other.csv", JOBS_HEADER, *(lines[i] for i in order))
    first, second = (canonical.read([p], ReadOptions()).jobs for p in (sorted_file, other))
    assert_same(first, second)


def test_slow_reading_is_told_and_fast_reading_is_not(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks is told, again and again, which file takes long; nobody else hears anything."""
    monkeypatch.setattr(resolve, "SLOW_S", 0.02)
    monkeypatch.setattr(resolve, "AGAIN_S", 0.02)
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    told: list[str] = []
    enough = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if len(told) > 1:
            enough.set()

    def slow(files: Sequence[Path], options: ReadOptions) -> Trace:
        assert enough.wait(30)
        return canonical.read(files, options)

    token = resolve.slow_reading.set(tell)
    try:
        resolve.import_cached([path], slow, ReadOptions())
        assert "reading jobs.csv: 0 s so far" == told[0]
        monkeypatch.setattr(resolve, "SLOW_S", 600.0)
        told.clear()
        resolve.import_cached([path], "canonical", ReadOptions())
    finally:
        resolve.slow_reading.reset(token)
    assert [] == told


def test_damaged_cache_is_imported_again(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A cached store that is damaged is made anew, with a warning."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    resolve.import_cached([path], "canonical", ReadOptions())
    (column,) = cache.glob("*/jobs.submit_ms.npy")
    column.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        trace = resolve.import_cached([path], "canonical", ReadOptions())
    assert trace.jobs is not None
    assert "damaged" in caplog.text


def test_cache_that_cannot_be_written_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the cache cannot be written a temporary store is used, with a warning."""
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    with caplog.at_level(logging.WARNING):
        trace = resolve.import_cached([path], "canonical", ReadOptions())
    assert trace.jobs is not None
    assert [1000] == trace.jobs.duration_ms.tolist()
    assert "the cache cannot be written" in caplog.text


def test_store_is_opened_as_it_is_and_readers_have_names(tmp_path: Path, cache: Path) -> None:
    """A folder that is a store needs no reader; a format that is not known is a usage error."""
    write_store(whole_trace(), tmp_path / "store")
    assert is_store(tmp_path / "store")
    assert_same(whole_trace(), resolve.import_cached([tmp_path / "store"], "none", ReadOptions()))
    assert not cache.exists()
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    for name in ("none", "store", "../x"):
        use = partial(resolve.import_cached, [path], name, ReadOptions())
        said = refusal(use, UsageError)
        assert "no trace format is called" in said


def test_options_are_checked_together() -> None:
    """Unknown choices and impossible numbers in options are told in one error."""
    wrong: dict[str, Any] = {"unit": "percents", "time_unit": "d", "cpu_m": -1, "startup_ms": -5}
    said = refusal(lambda: ReadOptions(**wrong), UsageError)
    assert all(word in said for word in ("--unit", "--time-unit", "--cores", "--startup"))


def test_inspect_has_rows_of_each_kind_even_when_none() -> None:
    """The rows of jobs, services and machines are told even where there are none."""
    found = inspect(Trace(jobs=jobs_of([0], [1])))
    assert (1, 0, 0) == tuple(found[k]["rows"] for k in ("jobs", "services", "machines"))
    assert "" == found["timeline_note"]
    found = inspect(whole_trace())
    assert (2, 2, 1) == tuple(found[k]["rows"] for k in ("jobs", "services", "machines"))
    assert (False, NO_TIMELINE) == (found["is_timeline"], found["timeline_note"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_inspect_of_nothing() -> None:
    """An empty trace has no rows, no span and a flat day."""
    found = inspect(Trace())
    assert (0.0, [0.0] * 24) == (found["span_s"], found["day_profile"])


def test_concurrency_by_hand() -> None:
    """Two jobs on [0, 2) and [1, 1.5) h: mean 1 then 1.5, at most 1 then 2, of two cores each."""
    found = inspect(Trace(jobs=jobs_of([0, 1], [2, 0.5])))["concurrency"]
    assert [1.0, 1.5] == found["jobs_mean"]
    assert [1, 2] == found["jobs_max"]
    assert [2.0, 3.0] == found["cores_mean"]
    assert 3600.0 == found["step_s"]


def test_load_over_time_by_hand() -> None:
    """Load is the mean of each hour, 0 before its first step and no longer than it is known."""
    services = services_of([[1000, 3000, 5000]], step_ms=1_800_000)
    found = inspect(Trace(services=services))["concurrency"]
    assert ([2.0, 5.0], []) == (found["load_cores_mean"], found["jobs_mean"])
    both = Trace(services=replace(services, start_ms=3_600_000), jobs=jobs_of([0], [9]))
    found = inspect(both)["concurrency"]
    assert ([0.0, 2.0, 5.0], 9) == (found["load_cores_mean"], len(found["jobs_mean"]))


@given(jobs=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 300)), min_size=1, max_size=12))
def test_concurrency_equals_counting(jobs: list[tuple[int, int]]) -> None:
    """Mean and maximum of running jobs by the hour equal those counted minute by minute."""
    ordered = sorted(jobs)
    found = inspect(
        Trace(jobs=jobs_of([s / 60 for s, _ in ordered], [d / 60 for _, d in ordered]))
    )["concurrency"]
    start = ordered[0][0]
    hours = len(found["jobs_mean"])
    running = counts([(s - start, s + d - start) for s, d in ordered], hours * 60)
    assert running.reshape(hours, 60).mean(axis=1) == pytest.approx(found["jobs_mean"], abs=1e-5)
    assert running.reshape(hours, 60).max(axis=1).tolist() == found["jobs_max"]


def counts(intervals: list[tuple[int, int]], minutes: int) -> NDArray[np.int64]:
    """Return how many of `intervals` hold in each minute."""
    running = np.zeros(minutes, np.int64)
    for a, b in intervals:
        running[a:b] += 1
    return running


def test_day_profile_is_by_hour_of_day() -> None:
    """48 hours with a load that is its hour of the day give 0 .. 23, moved by the zero's hour."""
    load = [[h % 24 * 1000 for h in range(48)]]
    trace = Trace(services=services_of(load))
    assert [float(h) for h in range(24)] == inspect(trace)["day_profile"]
    moved = inspect(replace(trace, zero_utc="2023-03-06T01:00:00Z"))["day_profile"]
    assert [23.0, *(float(h) for h in range(23))] == moved
    daily = Trace(services=services_of([[6000, 8000]], step_ms=86_400_000))
    assert [7.0] * 24 == inspect(daily)["day_profile"]


def test_span_of_a_trace() -> None:
    """The span reaches from the first submission or step to the last end."""
    assert (0, 3 * 3_600_000) == span_ms(whole_trace())
    assert (3_600_000, 7_200_000) == span_ms(Trace(jobs=jobs_of([1], [1])))


def test_sparkline_scales_from_zero() -> None:
    """Blocks grow from 0 to the largest value; all zero is all low."""
    assert "▁▂▃▄▅▆▇█" == sparkline([0, 1, 2, 3, 4, 5, 6, 7])
    assert "▁▁" == sparkline([0, 0])
    assert "" == sparkline([])
