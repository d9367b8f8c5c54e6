"""`trace` and `init`: files in, stores and scenarios out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from greensched.cli.guess import guess
from greensched.readers import resolve
from greensched.readers.store import is_store
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

HEADERS = {
    "openb": "name,cpu_milli,memory_mib,num_gpu,gpu_milli,qos\na,1,1,0,0,BE\n",
    "jobs": "arrival_time,length,cpus\n0,1,1\n",
    "canonical": "job,submit_s,duration_s,cpu_m\na,0,10,100\n",
    "opendc": "id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity\n1,0,1,1,1,1\n",
    "": "time,value\n0,1\n",
}


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """Return a list of jobs without a unit of time."""
    path = tmp_path / "list.csv"
    rows = [f"{i / 10},{0.2 + i % 3 / 10},{1 + i % 4}" for i in range(200)]
    path.write_text("\n".join(["arrival_time,length,cpus", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("reader", sorted(HEADERS))
def test_formats_are_told_only_where_certain(tmp_path: Path, reader: str) -> None:
    """A format is told from columns that only it has; anything else is asked for."""
    path = tmp_path / "file.csv"
    path.write_text(HEADERS[reader], encoding="utf-8")
    assert reader == guess([path])
    other = tmp_path / "log.swf"
    other.write_text("", encoding="utf-8")
    assert "swf" == guess([other])
    assert "" == guess([path, other])


def test_import_then_inspect(jobs: Path, tmp_path: Path) -> None:
    """A trace is imported into a store, and the store shows what the file shows."""
    store = tmp_path / "store"
    told = call("trace", "import", jobs, "--time-unit", "h", "--out", store)
    assert 0 == told.exit_code, told.stderr
    assert str(store) == told.stdout.strip()
    assert is_store(store)
    of_store = json.loads(call("trace", "inspect", store, "-o", "json").stdout)
    of_file = call("trace", "inspect", jobs, "--time-unit", "h", "-o", "json").stdout
    assert of_store == json.loads(of_file)
    assert (200, 0, 0) == tuple(of_store[k]["rows"] for k in ("jobs", "services", "machines"))
    shown = call("trace", "inspect", store).stdout
    assert "200 rows" in shown
    assert "the day" in shown


def test_blocks_stand_above_their_hours(tmp_path: Path) -> None:
    """Under the day's blocks each label stands where its hour is, with the clock that it means."""
    path = tmp_path / "services.csv"
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib\n"
    rows = (f"w,{3600 * h},{8000 if h % 6 == 0 else 0},500,64\n" for h in range(48))
    path.write_text(head + "".join(rows), encoding="utf-8")
    shown = call("trace", "inspect", path).stdout.splitlines()
    at = next(i for i, line in enumerate(shown) if line.startswith("the day"))
    blocks, hours = shown[at][10:34], shown[at + 1][10:34]
    assert "█▁▁▁▁▁" * 4 == blocks
    assert all(blocks[hours.index(hour)] == "█" for hour in ("00", "06", "12", "18"))
    assert "0 .. 8 cores of work that services want" in shown[at]
    assert shown[at + 1].endswith("from trace zero")
    assert any("replicas" in line and "not known" in line for line in shown)


def test_hostile_names_reach_no_terminal(tmp_path: Path) -> None:
    """Escapes and marks that turn text around are shown as escapes, in data and in errors."""
    path = tmp_path / "jobs.csv"
    hostile = "\x1b[31m\u202egnp"
    path.write_text(f"job,submit_s,duration_s,cpu_m,class\na,0,1,1,{hostile}\n", encoding="utf-8")
    shown = call("trace", "inspect", path)
    assert (0, True) == (shown.exit_code, "\\x1b[31m\\x202egnp" in shown.stdout)
    assert not {"\x1b", "\u202e"} & set(shown.stdout)
    path.write_text(f"job,submit_s,duration_s,cpu_m\na,0,1,{hostile}\n", encoding="utf-8")
    refused = call("trace", "inspect", path)
    assert 3 == refused.exit_code
    assert not {"\x1b", "\u202e"} & set(refused.stderr)


@pytest.mark.parametrize("command", ["inspect", "import", "init", "validate"])
def test_slow_reading_is_told_on_stderr(
    command: str, jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command that reads a trace says so on stderr once it takes long; -q says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    call("init", "--from", jobs, "--time-unit", "h", "--out", "list.yaml")
    every: dict[str, list[str | Path]] = {
        "inspect": ["trace", "inspect", jobs, "--time-unit", "h"],
        "import": ["trace", "import", jobs, "--time-unit", "h", "--out", "store"],
        "init": ["init", "--from", jobs, "--time-unit", "h", "--out", "-"],
        "validate": ["validate", "list.yaml"],
    }
    words = every[command]
    monkeypatch.setattr(resolve, "SLOW_S", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    told = call(*words)
    assert 0 == told.exit_code, told.stderr
    assert "reading list.csv: 0 s so far" in told.stderr
    assert "reading" not in told.stdout
    assert "" == call(*words, "-q").stderr


def test_options_reach_the_reader(tmp_path: Path) -> None:
    """--map, --time-unit and --allow-instant mean what they say."""
    path = tmp_path / "own.csv"
    path.write_text(
        "created_at,took,milli,who\n0,5,100,a\n60,0,100,b\n120,7,100,c\n", encoding="utf-8"
    )
    words: list[str | Path] = [
        "trace",
        "inspect",
        path,
        "--reader",
        "canonical",
        "--time-unit",
        "min",
        "-o",
        "json",
    ]
    for pair in ("submit=created_at", "duration=took", "cpu_m=milli", "job=who"):
        words += ["--map", pair]
    refused = call(*words)
    assert 3 == refused.exit_code
    assert "--allow-instant" in refused.stderr
    found = json.loads(call(*words, "--allow-instant").stdout)
    assert (3, 420.0) == (found["jobs"]["rows"], found["jobs"]["duration_s"]["max"])


def test_series_needs_what_it_does_not_say(tmp_path: Path) -> None:
    """A series of requests is read with step, column, unit and CPU seconds per request."""
    path = tmp_path / "rates.csv"
    path.write_text("rate\n100\n200\n", encoding="utf-8")
    unknown = call("trace", "inspect", path)
    assert 2 == unknown.exit_code
    assert "name it with --reader" in unknown.stderr
    words: list[str | Path] = ["trace", "inspect", path, "--reader", "series", "-o", "json"]
    words += ["--step", "300s", "--column", "rate", "--unit", "requests"]
    assert "--cpu-s-per-request" in call(*words).stderr
    told = call(*words, "--cpu-seconds-per-request", "0.5")
    assert 0 == told.exit_code, told.stderr
    assert 100.0 == json.loads(told.stdout)["services"]["load_cores"]["max"]


def test_bad_options_come_all_at_once(jobs: Path) -> None:
    """Quantities and choices that cannot be are usage errors."""
    told = call("trace", "inspect", jobs, "--step", "300", "--per", "x")
    assert 2 == told.exit_code
    assert 2 == len(told.stderr.splitlines())
    told = call("trace", "inspect", jobs, "--time-unit", "fortnight")
    assert 2 == told.exit_code
    assert "unknown value 'fortnight'" in told.stderr


def test_init_writes_a_scenario_that_runs(
    jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init --from FILE` writes a scenario, with its assumptions told, that runs as it is."""
    monkeypatch.chdir(tmp_path)
    told = call("init", "--from", "list.csv", "--time-unit", "h")
    assert (0, "list.yaml") == (told.exit_code, told.stdout.strip()), told.stderr
    text = (tmp_path / "list.yaml").read_text(encoding="utf-8")
    assert "# ASSUMED" in text
    assert "'list.csv'" in text
    told = call("run", "list.yaml", "-o", "json")
    assert 0 == told.exit_code, told.stderr
    assert json.loads(told.stdout)["demand"]["jobs"] > 0
    again = call("init", "--from", "list.csv", "--time-unit", "h")
    assert (2, True) == (again.exit_code, "is there already" in again.stderr)


def test_init_names_files_elsewhere(
    jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file below the data folder is named data:, one outside says that a run has to allow it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("GREENSCHED_DATA", raising=False)
    words = ("init", "--from", jobs, "--time-unit", "h", "--out")
    told = call(*words, "a.yaml")
    assert "greensched run a.yaml --allow-outside" in told.stderr
    assert "../list.csv" in (here / "a.yaml").read_text(encoding="utf-8")
    monkeypatch.setenv("GREENSCHED_DATA", str(tmp_path))
    assert "'data:list.csv'" in call(*words, "-").stdout
    told = call(*words, "b.yaml")
    assert "--allow-outside" not in told.stderr
    assert 0 == call("validate", "b.yaml").exit_code


def test_init_of_canonical_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services and jobs given together make one scenario that checks."""
    write_scenario(tmp_path)
    monkeypatch.chdir(tmp_path)
    told = call("init", "--from", "services.csv", "jobs.csv", "--out", "both.yaml")
    assert 0 == told.exit_code, told.stderr
    told = call("validate", "both.yaml")
    assert "2 services, 40 jobs" in told.stdout, told.stderr


def test_init_of_the_bundled_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a trace the scenario is of the bundled week, and checks."""
    monkeypatch.chdir(tmp_path)
    assert "my-cluster.yaml" == call("init").stdout.strip()
    assert "40 services" in call("validate", "my-cluster.yaml").stdout


def test_init_of_a_log_that_lists_its_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log with jobs of length 0 and its own machines is read alike for both."""
    monkeypatch.chdir(tmp_path)
    head = "; MaxProcs: 8\n; MaxNodes: 4\n; UnixStartTime: 749433603\n"
    tail = "-1 2 -1 -1 1 1 1 -1 -1 -1 -1 -1"
    rows = [f"{i} {60 * i} 0 {i % 2 * 30} 2 -1 {tail}\n" for i in range(1, 9)]
    (tmp_path / "log.swf").write_text(head + "".join(rows), encoding="utf-8")
    told = call("init", "--from", "log.swf", "--allow-instant")
    assert 0 == told.exit_code, told.stderr
    assert "from: 'log.swf'" in (tmp_path / "log.yaml").read_text(encoding="utf-8")
    told = call("validate", "log.yaml", "-o", "json")
    assert 0 == told.exit_code, told.stderr
    assert 8 == json.loads(told.stdout)["jobs"]


def test_an_empty_file_is_told_at_once(tmp_path: Path) -> None:
    """A file without a byte is of no format: nobody is asked for one."""
    empty = tmp_path / "empty.csv"
    empty.touch()
    for words in (("trace", "inspect", empty), ("init", "--from", empty)):
        told = call(*words)
        assert 3 == told.exit_code
        assert "the file is empty" in told.stderr
        assert "--reader" not in told.stderr
