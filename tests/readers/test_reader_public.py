"""What readers make of Google's, Azure's and Alibaba's tables, by their documented schemas."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from greensched import registry
from greensched.errors import DataError, UsageError
from greensched.readers.options import ReadOptions
from tests.readers import public_cases as cases
from tests.readers.builders import refusal, write

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Jobs, Trace

WHOLE = {"cpu_m": 32_000, "memory_mib": 65_536}  # what 1.0 is


def read(folder: Path, name: str, files: cases.Tables, **options: Any) -> Trace:
    """Return the trace of these files."""
    paths = [write(folder, file, *lines) for file, lines in files.items()]
    made: Trace = registry.load("reader", name)(paths, ReadOptions(**options))
    return made


def jobs_of(trace: Trace) -> Jobs:
    """Return the jobs that a trace has."""
    assert trace.jobs is not None
    return trace.jobs


def test_google_2011(tmp_path: Path) -> None:
    """A task is as long as all of its runs, from its first submission; shares become sizes."""
    trace = read(tmp_path, "google-2011", cases.GOOGLE_2011, **WHOLE)
    jobs = jobs_of(trace)
    assert jobs.ids is not None
    assert ["7-0", "7-1", "7-2"] == list(jobs.ids)
    assert [600_000] * 3 == jobs.submit_ms.tolist()
    assert [200_000, 350_000, 100_000] == jobs.duration_ms.tolist()
    assert [8_000, 16_000, 8_000] == jobs.cpu_m.tolist()
    assert [8_192] * 3 == jobs.memory_mib.tolist()
    assert (("priority", "priority-2"), ("scheduling_class", "class-0")) == (
        jobs.classes[0].attributes
    )
    said = "\n".join(trace.findings)
    assert "1 task that never ran left out" in said
    assert "1 task run more than once" in said
    assert "1 task still at work at the end of the trace" in said
    machines = trace.machines
    assert machines is not None
    assert ([1, 1], [16_000, 32_000], [16_384, 32_768]) == (
        machines.count.tolist(), machines.cpu_m.tolist(), machines.memory_mib.tolist()
    )  # fmt: skip


def test_google_2019(tmp_path: Path) -> None:
    """Tables in several files are one; alloc sets run nothing; event codes are those of v3."""
    trace = read(tmp_path, "google-2019", cases.GOOGLE_2019, **WHOLE)
    jobs = jobs_of(trace)
    assert ([600_000], [60_000], [3_200]) == (
        jobs.submit_ms.tolist(), jobs.duration_ms.tolist(), jobs.cpu_m.tolist()
    )  # fmt: skip
    assert "1 event of alloc sets left out" in "\n".join(trace.findings)
    assert trace.machines is not None
    assert [16_000] == trace.machines.cpu_m.tolist()


def test_azure_2017(tmp_path: Path) -> None:
    """A virtual machine is a job that uses its mean; its category is its class."""
    trace = read(tmp_path, "azure-2017", cases.AZURE_2017)
    jobs = jobs_of(trace)
    assert ([4_000, 1_000, 2_000], [1_020, 500, 10]) == (
        jobs.cpu_m.tolist(), jobs.use_cpu_m.tolist()
    )  # fmt: skip
    assert ([0, 600_000, 900_000], [3_600_000, 6_600_000, 6_300_000]) == (
        jobs.submit_ms.tolist(), jobs.duration_ms.tolist()
    )  # fmt: skip
    assert [7_168, 1_792, 3_584] == jobs.memory_mib.tolist()
    names = [jobs.classes[i].name for i in jobs.job_class]
    assert ["Delay-insensitive", "Interactive", "Unknown"] == names
    assert "1 VMs were there when it began" in "\n".join(trace.findings)


def test_azure_2019_buckets_have_to_be_said(tmp_path: Path) -> None:
    """What is in the open buckets is never guessed, also where bad rows are dropped."""
    for on_bad in ("fail", "drop"):
        given = partial(read, tmp_path, "azure-2019", cases.AZURE_2019, on_bad=on_bad)
        said = refusal(given, DataError)
        assert "cores: an open bucket ('>24')" in said
        assert "say which size is in it with --cores" in said
    jobs = jobs_of(read(tmp_path, "azure-2019", cases.AZURE_2019, cpu_m=30_000, memory_mib=71_680))
    assert ([4_000, 30_000], [8_192, 71_680], [1_000, 15_000]) == (
        jobs.cpu_m.tolist(), jobs.memory_mib.tolist(), jobs.use_cpu_m.tolist()
    )  # fmt: skip


def test_alibaba_2017(tmp_path: Path) -> None:
    """A task that ended well is a gang of instances; what 100 of plan_cpu is has to be said."""
    files = cases.ALIBABA_2017
    said = refusal(lambda: read(tmp_path, "alibaba-2017", files, memory_mib=1), UsageError)
    assert "--cores: 'alibaba-2017' gives shares only: say how many cores a plan_cpu" in said
    trace = read(tmp_path, "alibaba-2017", files, cpu_m=1_000, memory_mib=100_000)
    jobs = jobs_of(trace)
    assert ([3], [500], [1_000], [300_000]) == (
        jobs.tasks.tolist(), jobs.cpu_m.tolist(), jobs.memory_mib.tolist(),
        jobs.duration_ms.tolist(),
    )  # fmt: skip
    said = "\n".join(trace.findings)
    assert "1 task without a good end" in said
    assert "1 task without plan_cpu left out" in said
    assert trace.machines is not None
    assert ([2], [64_000], [69_000]) == (
        trace.machines.count.tolist(), trace.machines.cpu_m.tolist(),
        trace.machines.memory_mib.tolist(),
    )  # fmt: skip


def test_alibaba_2018(tmp_path: Path) -> None:
    """Containers of one application are a service that wants what they used."""
    trace = read(tmp_path, "alibaba-2018", cases.ALIBABA_2018, memory_mib=524_288)
    jobs, services = jobs_of(trace), trace.services
    assert ([2, 1], [1_000, 500], [300_000, 60_000]) == (
        jobs.tasks.tolist(), jobs.cpu_m.tolist(), jobs.duration_ms.tolist()
    )  # fmt: skip
    assert services is not None
    assert ("app_1", "app_2") == services.names
    assert ([2, 1], [4_000, 8_000]) == (
        services.replicas.tolist(), services.replica_cpu_m.tolist()
    )  # fmt: skip
    expected = [[1_200 + 80 * k for k in range(3)], [2_400 + 80 * k for k in range(3)]]
    assert expected == services.load_cpu_m.tolist()


def test_alibaba_2018_without_usage(tmp_path: Path) -> None:
    """Containers without their use have no load: left out and told, not made up."""
    files = {k: v for k, v in cases.ALIBABA_2018.items() if k != "container_usage.csv"}
    trace = read(tmp_path, "alibaba-2018", files, memory_mib=1)
    assert trace.services is None
    assert "no container_usage, so no load: services left out" in "\n".join(trace.findings)


@pytest.mark.parametrize("name", ["google-2011", "google-2019", "alibaba-2018", "alibaba-2017"])
def test_shares_need_a_whole(name: str, tmp_path: Path) -> None:
    """Where a trace gives shares, what they are of has to be said, all of it at once."""
    said = refusal(lambda: read(tmp_path, name, {"batch_task.csv": ("x",)}), UsageError)
    assert "it is never guessed" in said


@pytest.mark.parametrize(
    ("name", "file", "row", "said"),
    [
        ("google-2011", "task_events.csv", cases.task_2011(1, 0, 0, cpus="1.5"), "larger than 1"),
        ("google-2011", "task_events.csv", cases.task_2011(1, 0, 11), "type: larger than 10"),
        ("google-2011", "task_events.csv", "1,2,3", "short row"),
        ("azure-2017", "vmtable.csv", "d,s,d,900,600,1,1,1,Unknown,1,1", "end before start"),
        ("azure-2017", "vmtable.csv", "d,s,d,0,60,1,101,1,Unknown,1,1", "avg: larger than 100"),
        ("azure-2017", "vmtable.csv", "d,s,d,0,60,1,1,1,Unknown,few,1", "cores: text where"),
        ("alibaba-2018", "batch_task.csv", "M,1,j,1,Terminated,9,8,100,1", "end before start"),
        ("alibaba-2018", "batch_task.csv", "M1,9,j_1,1,Terminated,100,400,100.0,0.5",
         "a task given again with other values"),
    ],
)  # fmt: skip
def test_bad_rows(name: str, file: str, row: str, said: str, tmp_path: Path) -> None:
    """A row that cannot be is refused with its place, or dropped and counted."""
    whole = {"google-2011": cases.GOOGLE_2011, "azure-2017": cases.AZURE_2017,
             "alibaba-2018": cases.ALIBABA_2018}[name]  # fmt: skip
    files: cases.Tables = {**whole, file: (*whole[file], row)}
    options = {} if name.startswith("azure") else WHOLE
    assert said in refusal(lambda: read(tmp_path, name, files, **options), DataError)
    kept = read(tmp_path, name, files, on_bad="drop", **options)
    assert any("dropped" in finding for finding in kept.findings)


def test_files_of_no_table(tmp_path: Path) -> None:
    """A file that is called after none of the tables is refused with their names."""
    files: cases.Tables = {"tasks.csv": ("1",)}
    said = refusal(lambda: read(tmp_path, "google-2011", files, **WHOLE), DataError)
    assert "call files after their tables: task_events, machine_events" in said
