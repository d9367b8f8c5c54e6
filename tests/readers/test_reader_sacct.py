"""What the reader `sacct` makes of Slurm's accounting; the format is that of its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError, UsageError
from greensched.readers import sacct
from greensched.readers.options import ReadOptions
from greensched.readers.slurm import elapsed_s, gpus_of, memory_mib, minutes
from tests.readers.builders import refusal, write

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Jobs, Trace

HEADER = (
    "JobID|JobName|Partition|QOS|Account|Submit|Start|End|ElapsedRaw|TimelimitRaw|AllocCPUS"
    "|NNodes|AllocTRES|State"
)
GANG = (
    "100|train_12|gpu|normal|ml|2026-03-02T10:00:00|2026-03-02T10:05:00|2026-03-02T12:05:00|7200"
    "|240|32|2|cpu=32,gres/gpu=4,mem=128G,node=2|COMPLETED"
)
STEP = "100.batch|batch||||2026-03-02T10:05:00|2026-03-02T10:05:00||7200||16|1||COMPLETED"
ARRAY = (
    "101_{}|sweep|cpu|low|phys|2026-03-02T10:10:00|2026-03-02T11:00:00|2026-03-02T11:30:00|1800"
    "|UNLIMITED|4|1|cpu=4,mem=8G|COMPLETED"
)
RUNS = (
    "102|long|cpu|normal|phys|2026-03-02T09:00:00|2026-03-02T09:30:00|Unknown|12600||8|1||RUNNING"
)
WAITS = "101_[3-9%2]|sweep|cpu|low|phys|2026-03-02T10:10:00|Unknown|Unknown|0|60|0|1||PENDING"
BERLIN = {"time_zone": "Europe/Berlin"}


def read(folder: Path, *lines: str, header: str = HEADER, **options: Any) -> Trace:
    """Return the trace of a file with these rows."""
    return sacct.read([write(folder, "slurm.txt", header, *lines)], ReadOptions(**options))


def jobs_of(folder: Path, *lines: str, **options: Any) -> Jobs:
    """Return the jobs of a file with these rows, in Berlin's time."""
    jobs = read(folder, *lines, **BERLIN, **options).jobs
    assert jobs is not None
    return jobs


def test_a_job_is_a_gang_of_its_nodes(tmp_path: Path) -> None:
    """Cores, memory and GPUs are of each node; the time limit is the estimate."""
    trace = read(tmp_path, GANG, **BERLIN)
    jobs = trace.jobs
    assert jobs is not None
    assert ([2], [16_000], [65_536], [2_000]) == (
        jobs.tasks.tolist(), jobs.cpu_m.tolist(), jobs.memory_mib.tolist(), jobs.gpu_m.tolist()
    )  # fmt: skip
    assert ([0], [7_200_000], [14_400_000]) == (
        jobs.submit_ms.tolist(), jobs.duration_ms.tolist(), jobs.estimate_ms.tolist()
    )  # fmt: skip
    assert "2026-03-02T09:00:00Z" == trace.zero_utc
    (only,) = jobs.classes
    assert "gpu/normal/ml/train_*" == only.name
    assert ("partition", "gpu") == only.attributes[0]


def test_steps_are_not_counted_again_and_arrays_once(tmp_path: Path) -> None:
    """A step is part of its job; each started task of an array is a job, the rest never ran."""
    trace = read(tmp_path, GANG, STEP, ARRAY.format(1), ARRAY.format(2), WAITS, **BERLIN)
    assert trace.jobs is not None
    assert trace.jobs.ids is not None
    assert ["100", "101_1", "101_2"] == list(trace.jobs.ids)
    said = "\n".join(trace.findings)
    assert "1 steps left out: they are parts of their jobs" in said
    assert "1 job that never started left out" in said


def test_unfinished_jobs_are_kept(tmp_path: Path) -> None:
    """A job that still runs has lasted as long as it has run, and has no estimate."""
    jobs = jobs_of(tmp_path, RUNS)
    assert ([12_600_000], [-1]) == (jobs.duration_ms.tolist(), jobs.estimate_ms.tolist())
    assert "1 job not ended yet" in "\n".join(read(tmp_path, RUNS, **BERLIN).findings)


def test_the_time_zone_is_needed(tmp_path: Path) -> None:
    """Local times without a zone are refused; Unix times, as SLURM_TIME_FORMAT=%s prints, not."""
    said = refusal(lambda: read(tmp_path, GANG), UsageError)
    assert "--time-zone: sacct prints the site's local times without their zone" in said
    unix = "7|j|p|q|a|1772442000|1772442060|1772442120|60|1|1|1||COMPLETED"
    trace = read(tmp_path, unix)
    assert trace.jobs is not None
    assert ([0], [60_000]) == (trace.jobs.submit_ms.tolist(), trace.jobs.duration_ms.tolist())
    assert "2026-03-02T09:00:00Z" == trace.zero_utc


def test_a_repeated_hour_is_refused(tmp_path: Path) -> None:
    """A local time that occurs twice when clocks change is a bad row, not a guess."""
    row = GANG.replace("2026-03-02T10:00:00", "2026-10-25T02:30:00")
    said = refusal(lambda: jobs_of(tmp_path, row), DataError)
    assert "occurs twice" in said
    assert "ask sacct with SLURM_TIME_FORMAT=%s" in said


def test_older_columns_will_do(tmp_path: Path) -> None:
    """Elapsed, NCPUS, Timelimit and ReqMem by CPU or node stand for the raw ones."""
    header = "JobID|Submit|Start|End|Elapsed|NCPUS|ReqMem|Timelimit"
    at = "2026-03-02T10:00:00|2026-03-02T10:00:00|2026-03-03T12:03:04"
    jobs = jobs_of(
        tmp_path, f"1|{at}|1-02:03:04|4|2Gc|2-00:00:00", f"2|{at}||4|3Gn|", header=header
    )
    elapsed_ms = ((26 * 60 + 3) * 60 + 4) * 1000
    assert [elapsed_ms, elapsed_ms] == jobs.duration_ms.tolist()
    assert [8_192, 3_072] == jobs.memory_mib.tolist()
    assert [2 * 86_400_000, -1] == jobs.estimate_ms.tolist()
    assert "batch" == jobs.classes[0].name


def test_a_bar_at_the_end_of_lines(tmp_path: Path) -> None:
    """`sacct -p` ends each line with a bar, which is no cell."""
    assert 1 == len(jobs_of(tmp_path, GANG + "|", header=HEADER))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (GANG.replace("T12:05:00", "T09:05:00"), "end before start"),
        (GANG.replace("T10:00:00", "T10:06:00"), "start before submission"),
        (GANG.replace("|32|2|", "|many|2|"), "cpus: text where a number belongs ('many')"),
        (GANG.replace("|32|2|", "|NaN|2|"), "cpus: not a finite number"),
        (GANG.replace("|32|2|", "|1e30|2|"), "cpus:"),
        (GANG.replace("|32|2|", "|0|2|"), "ran on no CPU"),
        (GANG.replace("|7200|", "|0|"), "a job of length 0"),
        (GANG.replace("|240|", "|soon|"), "limit_min: text where a number belongs ('soon')"),
        (GANG.replace("train_12", "train|12"), "long row"),
        ("100|short", "short row"),
        (GANG.replace("|32|2|", "|16|2|"), "a job and its start given again with other values"),
    ],
)
def test_bad_rows(row: str, said: str, tmp_path: Path) -> None:
    """A bad row is told with its row of the file, steps counted; or dropped and counted."""
    lines = (STEP, GANG if "16|2" in row else ARRAY.format(1), row)
    told = refusal(lambda: jobs_of(tmp_path, *lines), DataError)
    assert said in told
    assert "slurm.txt row " in told
    if "|16|2|" not in row:
        assert "row 3" in told
        assert 1 == len(jobs_of(tmp_path, *lines, on_bad="drop"))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("JobID|Submit|End|AllocCPUS", "no column Start"),
        ("JobID|Submit|Start|End", "no column AllocCPUS or NCPUS or ReqCPUS"),
        ("JobID|Submit|Start|AllocCPUS", "no column ElapsedRaw or Elapsed or End"),
    ],
)
def test_columns_that_are_needed(header: str, said: str, tmp_path: Path) -> None:
    """A missing column is told with what to ask sacct for."""
    told = refusal(lambda: jobs_of(tmp_path, "1|2|3|4", header=header), DataError)
    assert said in told
    assert "ask with sacct -P -o JobID,Submit,Start,.." in told


def test_nothing_that_started(tmp_path: Path) -> None:
    """A file of pending jobs alone has nothing to replay, and is refused."""
    assert "no job in it has started" in refusal(lambda: jobs_of(tmp_path, WAITS), DataError)


def test_names_beyond_a_thousand_classes_are_left_out(tmp_path: Path) -> None:
    """With too many kinds of names jobs are told apart by partition, QoS and account alone."""
    letters = "abcdefghijk"
    names = [f"{a}{b}{c}x" for a in letters for b in letters for c in letters][:1_001]
    rows = [ARRAY.format(i).replace("|sweep|", f"|{name}|") for i, name in enumerate(names)]
    assert ("cpu/low/phys",) == tuple(c.name for c in jobs_of(tmp_path, *rows).classes)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("01:02", "62"),
        ("1:00:00", "3600"),
        ("2-00:00:01", "172801"),
        ("00:10.5", "10"),
        ("x", "x"),
    ],
)
def test_elapsed(text: str, seconds: str) -> None:
    """Elapsed time is `[DD-[HH:]]MM:SS`; what is not stays as it is, to be found bad."""
    assert seconds == elapsed_s(text)


def test_limits_memory_and_gpus() -> None:
    """No limit is none; memory is of TRES, else as requested of CPUs or nodes."""
    assert ("", "", "90", "1440") == tuple(
        minutes(t) for t in ("UNLIMITED", "Partition_Limit", "90", "1-00:00:00")
    )
    assert "1536" == memory_mib("cpu=1,mem=1.50G", "9Gn", "1", "1")
    assert ("8192", "500", "1", "") == tuple(
        memory_mib("", t, "4", "2") for t in ("2Gc", "500M", "512K", "?")
    )
    assert ("4", "") == (gpus_of("gres/gpu=4,gres/gpu:a100=4"), gpus_of("cpu=1"))
