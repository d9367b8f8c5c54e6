"""What the reader `prometheus` makes of saved answers, and of bad ones."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from greensched.cli.metrics_fetch import Asked, asked_of
from greensched.errors import DataError, UsageError
from greensched.readers import prometheus
from greensched.readers.cluster.metrics import GRIDDED, QUERIES, metric_names, queries
from greensched.readers.options import ReadOptions
from greensched.readers.prometheus import UNFINISHED
from tests.readers.builders import refusal
from tests.readers.prometheus_cases import START_S, answer, owner, series, shop, written

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Trace


def read(folder: Path, **options: Any) -> Trace:
    """Return the trace of a folder of answers."""
    return prometheus.read([folder], ReadOptions(**options))


def test_workloads_over_time(tmp_path: Path) -> None:
    """Load is the use of a Deployment through its ReplicaSet, in the step before each sample."""
    trace = read(written(tmp_path, shop()))
    services = trace.services
    assert services is not None
    assert ("shop/db", "shop/web") == services.names
    assert [500 + 100 * i for i in range(12)] == services.load_cpu_m[1].tolist()
    assert (300_000, "2026-03-01T23:55:00Z") == (services.step_ms, trace.zero_utc)
    assert [1_500, 500] == services.replica_cpu_m.tolist()
    assert [0, 1_024] == services.replica_memory_mib.tolist()
    assert ([1, 4], [1, 3], [-1, 6]) == (
        services.replicas.tolist(), services.replicas_min.tolist(), services.replicas_max.tolist()
    )  # fmt: skip
    assert trace.timeline


def test_nodes_less_what_daemons_ask_for(tmp_path: Path) -> None:
    """Equal nodes are one group, less their part of what DaemonSets ask for."""
    machines = read(written(tmp_path, shop())).machines
    assert machines is not None
    assert ([2], [3_900], [8_192]) == (
        machines.count.tolist(), machines.cpu_m.tolist(), machines.memory_mib.tolist()
    )  # fmt: skip


def test_jobs_have_their_own_times(tmp_path: Path) -> None:
    """A Job lasts from start to completion with the most that it asked for."""
    jobs = read(written(tmp_path, shop())).jobs
    assert jobs is not None
    assert ([360_000], [600_000], [2_000], [1_024]) == (
        jobs.submit_ms.tolist(), jobs.duration_ms.tolist(), jobs.cpu_m.tolist(),
        jobs.memory_mib.tolist(),
    )  # fmt: skip
    assert (("namespace", "shop"), ("owner", "etl-*")) == jobs.classes[0].attributes


def test_jobs_without_end_or_request(tmp_path: Path) -> None:
    """One that was never sampled is left out, one without completion lasts until seen last."""
    answers = shop()
    del answers["job_end"]
    gone = {"namespace": "shop", "job_name": "short"}
    answers["job_start"]["data"]["result"].append(series(gone, [START_S]))
    trace = read(written(tmp_path, answers))
    assert trace.jobs is not None
    assert [540_000] == trace.jobs.duration_ms.tolist()
    said = "\n".join(trace.findings)
    assert "1 Jobs left out: they were gone before their request was sampled" in said
    assert "1 Jobs without a completion, taken to last" in said


def test_chunks_are_one_series(tmp_path: Path) -> None:
    """Files of one series in several chunks are joined; equal samples in both are kept once."""
    answers = shop()
    folder = written(tmp_path, answers)
    both = answers["cpu_use"]["data"]["result"][0]
    for name, part in (("a", slice(0, 7)), ("b", slice(6, None))):
        chunk = {"metric": both["metric"], "values": both["values"][part]}
        (folder / f"cpu_use.{name}.json").write_text(json.dumps(answer(chunk)))
    others = answer(*answers["cpu_use"]["data"]["result"][1:])
    (folder / "cpu_use.json").write_text(json.dumps(others))
    trace = read(folder)
    assert trace.services is not None
    assert [500 + 100 * i for i in range(12)] == trace.services.load_cpu_m[1].tolist()
    assert "1 sample given again, dropped" in "\n".join(trace.findings)


def test_a_gap_in_all_series_needs_a_fill(tmp_path: Path) -> None:
    """Where no series has a sample nothing is known; where one has none it had no Pod."""
    answers = shop()
    for one in answers["cpu_use"]["data"]["result"]:
        one["values"] = [v for v in one["values"] if not 4 <= (v[0] - START_S) // 300 <= 6]
    answers["cpu_use"]["data"]["result"][1]["values"].pop(0)
    folder = written(tmp_path, answers)
    said = refusal(lambda: read(folder), DataError)
    assert "3 of 12 steps are missing in all series, in 1 gap, the longest 900 s" in said
    for fill, expected in (("hold", 800), ("zero", 0)):
        services = read(folder, fill=fill).services
        assert services is not None
        assert [expected] * 3 == services.load_cpu_m[1, 4:7].tolist()
        assert 0 == services.load_cpu_m[0, 0]


def test_names_that_two_share(tmp_path: Path) -> None:
    """A Deployment and a StatefulSet of one name are two services, in the order of names."""
    answers = shop()
    answers["cpu_use"]["data"]["result"].append(series(owner("db"), [1.0] * 12))
    services = read(written(tmp_path, answers)).services
    assert services is not None
    assert ("shop/db (Deployment)", "shop/db (StatefulSet)", "shop/web") == services.names


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[START_S, "x"]], "no finite number"),
        ([[START_S, "+Inf"]], "no finite number"),
        ([[START_S, 1.0]], "no finite number"),
        ([[START_S, "-1"]], "negative"),
        ([[START_S, "9e17"]], "more than is held"),
        ([["now", "1"]], "no time"),
        ([[START_S]], "no pair of time and value"),
        ([[START_S, "0.7"]], "given again with another value"),
    ],
)
def test_bad_samples_are_refused_or_dropped(values: Any, said: str, tmp_path: Path) -> None:
    """A sample that cannot be is refused with file and row, or dropped and counted."""
    folder = written(tmp_path, shop())
    extra = answer({"metric": owner("web-5d9c", "ReplicaSet"), "values": values})
    (folder / "cpu_use.more.json").write_text(json.dumps(extra))
    told = refusal(lambda: read(folder), DataError)
    assert said in told
    assert "cpu_use.more.json" in told
    assert any("dropped" in f for f in read(folder, on_bad="drop").findings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "is no answer of Prometheus"),
        ('{"status": "error", "error": "parse error"}', "the query had failed: parse error"),
        ('{"status": "success", "data": {"resultType": "vector", "result": []}}', "is no matrix"),
        ('{"status": "success", "data": {"resultType": "matrix"}}', "has no result"),
        (json.dumps(answer({"metric": {}})), "no labels or no values"),
        (json.dumps(answer()), "no samples of cpu_use"),
    ],
)
def test_answers_that_are_none(text: str, said: str, tmp_path: Path) -> None:
    """A file that is no matrix is refused with what it is."""
    folder = written(tmp_path, shop())
    (folder / "cpu_use.json").write_text(text)
    assert said in refusal(lambda: read(folder), DataError)


def test_times_off_the_grid_are_refused(tmp_path: Path) -> None:
    """Chunks that were asked for from other instants do not fit, and are not moved."""
    answers = shop()
    answers["cpu_use"]["data"]["result"][0]["values"][3][0] += 7
    said = refusal(lambda: read(written(tmp_path, answers)), DataError)
    assert "1 time not 300 s apart from the first" in said


@pytest.mark.parametrize("name", GRIDDED)
def test_series_of_other_times_are_refused(name: str, tmp_path: Path) -> None:
    """What is beside the steps of the load would count as not there: it is refused instead."""
    answers = shop()
    answers["gpu_request"] = answer(series(owner("web"), [1] * 12))
    for one in answers[name]["data"]["result"]:
        one["values"] = [[time_s + 7, value] for time_s, value in one["values"]]
    said = refusal(lambda: read(written(tmp_path, answers)), DataError)
    assert f"samples of {name} are between the steps of cpu_use" in said


def test_a_job_whose_name_is_given_again_is_one_each_time(tmp_path: Path) -> None:
    """Two runs of one name are two jobs, each with its own times and request."""
    answers, job = shop(), {"namespace": "shop", "job_name": "etl-1"}
    starts = [START_S + 60] * 6 + [START_S + 1_800] * 6
    answers["job_start"] = answer(series(job, starts))
    ends = [None] * 3 + [START_S + 660] * 5 + [START_S + 2_160] * 4
    answers["job_end"] = answer(series(job, ends))
    asked = [2.0] * 3 + [None] * 3 + [4.0] * 2
    answers["cpu_request"]["data"]["result"][-1] = series(owner("etl-1", "Job"), asked)
    jobs = read(written(tmp_path, answers)).jobs
    assert jobs is not None
    assert ([360_000, 2_100_000], [600_000, 360_000], [2_000, 4_000]) == (
        jobs.submit_ms.tolist(), jobs.duration_ms.tolist(), jobs.cpu_m.tolist(),
    )  # fmt: skip
    assert jobs.ids is not None
    assert ["shop/etl-1", "shop/etl-1/2"] == [jobs.ids[i] for i in range(2)]
    assert [0, 0] == jobs.job_class.tolist()


def test_what_the_server_warned_of_is_told(tmp_path: Path) -> None:
    """An answer that says it is partial is read, and says so in the trace."""
    answers = shop()
    answers["cpu_use"]["warnings"] = ["partial response"]
    findings = read(written(tmp_path, answers)).findings
    assert "cpu_use.json: the server warned: partial response" in findings


def test_a_fetch_that_was_cut_short_is_not_read(tmp_path: Path) -> None:
    """A folder in which a fetch began and did not end is no record of the cluster."""
    folder = written(tmp_path, shop())
    (folder / UNFINISHED).write_text("")
    said = refusal(lambda: read(folder), DataError)
    assert "did not come to its end; run it again" in said


def test_files_are_named_after_their_series(tmp_path: Path) -> None:
    """Other files of a folder are not read; `--map` says how a series' files are called."""
    folder = written(tmp_path, shop())
    (folder / "notes.json").write_text("{")
    (folder / "cpu_use.json").rename(folder / "mine.json")
    assert "no samples of cpu_use" in refusal(lambda: read(folder), DataError)
    assert read(folder, map=(("cpu_use", "mine"),)).services is not None
    said = refusal(lambda: read(folder, map=(("cpu_usage", "mine"),)), UsageError)
    assert "did you mean 'cpu_use'?" in said


def test_metrics_are_renamed_in_queries() -> None:
    """A renamed metric is asked for under its name there, the step is that of the samples."""
    asked = queries(60_000, {"kube_pod_owner": "my_owner"})
    assert set(QUERIES) == set(asked)
    assert "kube_pod_owner" in metric_names()
    assert "my_owner{" in asked["replicas"]
    assert "[60s]" in asked["cpu_use"]


def test_chunks_cover_the_span_once() -> None:
    """Chunks are days from the first to the last sample; no sample is in two."""
    asked = asked_of("http://127.0.0.1:9", 0, {"days": 2.5, "until": "2026-03-02T06:02Z"})
    assert START_S * 1000 + 6 * 3_600_000 == asked.until_ms
    chunks = asked.chunks()
    assert (asked.from_ms, asked.until_ms) == (chunks[0][0], chunks[-1][1])
    assert all(b[0] - a[1] == 300_000 for a, b in pairwise(chunks))
    assert [288, 288, 144] == [(b - a) // 300_000 + 1 for a, b in chunks]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"days": 0.001}, "are less than one step of 300 s"),
        ({"step": "1500ms"}, "is not whole seconds"),
        ({"until": "yesterday"}, "is no ISO 8601 time"),
    ],
)
def test_spans_that_cannot_be(given: dict[str, Any], said: str) -> None:
    """A span or step that cannot be asked for is refused before anything is."""
    assert said in refusal(lambda: asked_of("http://127.0.0.1:9", 0, given), UsageError)


def test_an_answer_has_at_most_what_the_server_gives() -> None:
    """With a step of a second a chunk has 11,000 samples, not a day."""
    asked = Asked(url="http://x", from_ms=0, until_ms=86_399_000, step_ms=1_000)
    assert 11_000 == (asked.chunks()[0][1] - asked.chunks()[0][0]) // 1_000 + 1
