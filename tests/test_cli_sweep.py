"""`sweep` as a command: parts, resuming, processes, a cluster."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from greensched.accounting import Check
from greensched.experiment.outcome import Outcome
from greensched.report.sweep_folder import SweepFolder
from greensched.report.tables import read_parquet
from tests.conftest import ROOT
from tests.sweep_cases import write_tiny
from tests.test_cli import call

if TYPE_CHECKING:
    from collections.abc import Iterator

GRID = ("--grid", "seed=1:6:1", "--grid", "policies.elastic-reactive.enabled=true,false")
CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
                      dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny scenario, swept as `one` by one process."""
    folder = tmp_path_factory.mktemp("swept")
    write_tiny(folder)
    told = call("sweep", folder / "small.yaml", *GRID, "--out", folder / "one", "-o", "json")
    assert 0 == told.exit_code, told.stderr
    (folder / "printed.json").write_text(told.stdout, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a Dask cluster of two processes on loopback."""
    script = tmp_path_factory.mktemp("cluster") / "cluster.py"
    script.write_text(CLUSTER, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(30)


def test_one_row_a_point(folder: Path) -> None:
    """The table has a row for each of 12 points in order; JSON has the same rows."""
    assert {"points.parquet", "report.html", "sweep.json"} == {
        p.name for p in (folder / "one").iterdir()
    }
    table = read_parquet(folder / "one" / "points.parquet")
    assert list(range(12)) == table["point"].tolist()
    assert [1.0, 1.0, 2.0] == table["seed"].tolist()[:3]
    printed = json.loads((folder / "printed.json").read_text(encoding="utf-8"))
    assert 12 == len(printed["points"])
    for row, (_, stored) in zip(printed["points"], table.iterrows(), strict=True):
        assert stored["scenario.energy_it_kwh"] == row["scenario.energy_it_kwh"]
        assert (
            stored["policies.elastic-reactive.enabled"] == row["policies.elastic-reactive.enabled"]
        )


def test_columns_and_keys_are_documented(folder: Path) -> None:
    """Each column and each key of sweep.json is named in the reference."""
    text = (ROOT / "docs/reference/sweep.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    about = json.loads((folder / "one" / "sweep.json").read_text(encoding="utf-8"))
    table = read_parquet(folder / "one" / "points.parquet")
    own = {
        c for c in table.columns if not re.match(r"(baseline|static_peak|scenario|savings)\.", c)
    }
    axes = {axis["path"] for axis in about["axes"]}
    assert set(about) | (own - axes) == rows


@pytest.mark.slow
def test_workers_change_no_byte(folder: Path) -> None:
    """Two processes write the same bytes as one, also of what is swept."""
    told = call("sweep", folder / "small.yaml", *GRID, "--out", folder / "two", "-j", "2")
    assert 0 == told.exit_code, told.stderr
    for name in ("points.parquet",):
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()
    one, two = (json.loads((folder / n / "sweep.json").read_text("utf-8")) for n in ("one", "two"))
    assert one.pop("command").replace("/one", "/two") == two.pop("command")
    assert one == two


def test_a_cluster_gives_the_same_bytes(folder: Path, scheduler: str) -> None:
    """A Dask cluster of two processes on loopback writes the same table as one process."""
    out = folder / "cluster"
    told = call("sweep", folder / "small.yaml", *GRID, "--out", out, "--scheduler", scheduler)
    assert 0 == told.exit_code, told.stderr
    assert (folder / "one" / "points.parquet").read_bytes() == (
        out / "points.parquet"
    ).read_bytes()


def test_a_scheduler_that_does_not_answer_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody at the address is exit code 4 with a remedy, and nothing of the sweep is lost."""
    monkeypatch.setattr("greensched.experiment.sweep_pool.CONNECT_S", 1)
    out = folder / "nobody"
    told = call(
        "sweep", folder / "small.yaml", *GRID, "--out", out, "--scheduler", "tcp://127.0.0.1:1"
    )
    assert 4 == told.exit_code
    assert "no scheduler answers" in told.stderr
    assert "dask scheduler" in told.stderr


@pytest.mark.parametrize("address", ["here", "127.0.0.1:8786", "tcp://127.0.0.1:port"])
def test_what_is_no_address_is_refused(folder: Path, address: str) -> None:
    """Nobody is asked at what cannot be a scheduler's address: exit code 2, and one line."""
    out = folder / "nowhere"
    told = call("sweep", folder / "small.yaml", *GRID, "--out", out, "--scheduler", address)
    remedy = "is no address of a scheduler; write it as tcp://127.0.0.1:8786"
    assert (2, [f"--scheduler {address}: {remedy}"]) == (told.exit_code, told.stderr.splitlines())


# The command line, but rows become parts as they come: a short sweep can be interrupted after one.
KEPT_AT_ONCE = """\
import runpy
from greensched.experiment import sweep
sweep.KEEP_EVERY_S = 0.0
runpy.run_module("greensched", run_name="__main__")
"""


def test_an_interrupted_sweep_is_resumed(folder: Path) -> None:
    """Ctrl-C keeps what is done as parts that can be read; resumed, the bytes are the same."""
    out = folder / "stopped"
    command = [sys.executable, "-c", KEPT_AT_ONCE, "sweep", str(folder / "small.yaml")]
    grid = ("--grid", "seed=1:60:1", "--grid", "policies.elastic-reactive.enabled=true,false")
    with subprocess.Popen([*command, *grid, "--out", str(out)], stderr=subprocess.PIPE) as process:
        while not list(out.glob("parts/*.parquet")) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert 130 == process.returncode
    assert b"--resume goes on" in stderr
    with duckdb.connect() as con:
        parts = con.read_parquet(f"{out}/parts/*.parquet").fetchall()
    assert 0 < len(parts) < 120
    assert not (out / "points.parquet").exists()
    told = call("sweep", folder / "small.yaml", *grid, "--out", out)
    assert 2 == told.exit_code
    assert "holds a sweep that was not finished" in told.stderr
    told = call("sweep", folder / "small.yaml", *grid, "--out", out, "--resume")
    assert 0 == told.exit_code, told.stderr
    assert f"{len(parts):,} of 120 points are there already" in told.stderr
    whole = call("sweep", folder / "small.yaml", *grid, "--out", folder / "whole", "-q")
    assert 0 == whole.exit_code
    assert (folder / "whole" / "points.parquet").read_bytes() == (
        out / "points.parquet"
    ).read_bytes()


def _is_there(process: str) -> bool:
    """Say whether a process is there and has not ended."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_sweep_that_is_ended(folder: Path, number: signal.Signals) -> None:
    """Ended by a batch system or killed, a sweep leaves none of the processes it started."""
    out = folder / f"ended-{number}"
    command = [sys.executable, "-c", KEPT_AT_ONCE, "sweep", str(folder / "small.yaml")]
    grid = ("--grid", "seed=1:500:1", "-j", "2", "--out", str(out))
    with subprocess.Popen([*command, *grid], stderr=subprocess.DEVNULL) as process:
        while not list(out.glob("parts/*.parquet")) and process.poll() is None:
            time.sleep(0.02)
        tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
        started = [one for task in tasks for one in task.read_text(encoding="utf-8").split()]
        process.send_signal(number)
        process.wait(timeout=60)
    assert process.returncode == (130 if number == signal.SIGTERM else -number)
    assert len(started) >= 2
    give_up_s = time.monotonic() + 60
    while any(map(_is_there, started)) and time.monotonic() < give_up_s:
        time.sleep(0.1)
    assert not [one for one in started if _is_there(one)]


def test_interrupted_before_the_first_point_nothing_is_promised(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before a point is finished leaves no folder, and says that nothing was kept."""

    def interrupted(scenario: object, point: int, values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("greensched.experiment.sweep.row_of", interrupted)
    out = folder / "early"
    told = call("sweep", folder / "small.yaml", *GRID, "--out", out)
    assert 130 == told.exit_code
    assert "nothing to go on with" in told.stderr
    assert not out.exists()


def test_another_sweep_is_not_resumed(folder: Path, tmp_path: Path) -> None:
    """Rows of another grid or scenario are refused with what differs; other files are kept."""
    out = tmp_path / "r"
    shutil.copytree(folder / "one", out)
    told = call("sweep", folder / "small.yaml", "--grid", "seed=1:9:1", "--out", out, "--resume")
    assert 2 == told.exit_code
    assert "holds another sweep: axes differ" in told.stderr
    told = call(
        *("sweep", folder / "small.yaml", *GRID, "--out", out, "--resume"),
        *("--set", "fleet.0.count=7"),
    )
    assert "scenario_sha256" in told.stderr
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    table = (changed / "jobs.csv").read_text(encoding="utf-8")
    (changed / "jobs.csv").write_text(table + table.splitlines()[-1] + "\n", encoding="utf-8")
    told = call("sweep", changed / "small.yaml", *GRID, "--out", out, "--resume")
    assert 2 == told.exit_code
    assert "holds another sweep: checksums differ" in told.stderr
    small = ("sweep", changed / "small.yaml", "--set", "fleet.0.cores=1", "--grid")
    axis = "fleet.0.cores=8:16:8"  # its replicas find room with the axis alone
    assert 0 == call(*small, axis, "--out", changed / "of").exit_code
    (changed / "jobs.csv").write_text(table, encoding="utf-8")
    told = call(*small, axis, "--out", changed / "of", "--resume")
    assert 2 == told.exit_code
    assert "holds another sweep: checksums differ" in told.stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    told = call("sweep", folder / "small.yaml", *GRID, "--out", tmp_path / "other")
    assert 2 == told.exit_code
    assert "is not a sweep of greensched" in told.stderr
    assert (tmp_path / "other" / "mine.txt").exists()


def test_two_grids_on_one_scalar_are_refused(folder: Path, tmp_path: Path) -> None:
    """A machine type by number and by name is one, in dots or brackets."""
    grids = ("fleet.0.count=6,7", "fleet.server.count=8,9", "fleet[0].count=3", "seed=1,2")
    words = [word for grid in grids for word in ("--grid", grid)]
    told = call("sweep", folder / "small.yaml", *words, "--out", tmp_path / "r")
    assert 2 == told.exit_code
    for other in ("fleet.server.count", "fleet[0].count"):
        assert f"--grid {other}: is the same scalar as fleet.0.count" in told.stderr
    assert "seed: is" not in told.stderr
    assert not (tmp_path / "r").exists()


def test_a_sweep_that_is_replaced_leaves_files_of_others(folder: Path, tmp_path: Path) -> None:
    """A finished sweep's own files are replaced; what a user put beside them stays."""
    out = tmp_path / "r"
    shutil.copytree(folder / "one", out)
    (out / "my-notes.txt").write_text("mine", encoding="utf-8")
    place = SweepFolder(out, {"points": 1}, [], resume=False)
    place.keep([{"point": 0, "error": None}])
    assert {"my-notes.txt", "parts", "sweep.json"} == {p.name for p in out.iterdir()}


def test_a_finished_sweep_is_resumed_without_a_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all points are there nothing is run, and the file stays the same."""
    out = tmp_path / "r"
    shutil.copytree(folder / "one", out)

    def run(*_: Any, **__: Any) -> None:
        raise AssertionError("it was run")

    monkeypatch.setattr("greensched.experiment.sweep.run", run)
    told = call("sweep", folder / "small.yaml", *GRID, "--out", out, "--resume")
    assert 0 == told.exit_code, told.stderr
    assert (folder / "one" / "points.parquet").read_bytes() == (
        out / "points.parquet"
    ).read_bytes()


def test_a_point_that_fails_is_told_and_the_others_are_written(folder: Path) -> None:
    """A value that the demand does not fit ends all others with exit code 2, told even with -q."""
    out = folder / "failed"
    told = call(
        *("sweep", folder / "small.yaml", "--grid", "fleet.0.memory=1 GiB,64 GiB"),
        *("--out", out, "-q"),
    )
    assert 2 == told.exit_code
    assert "1 point could not be run; the first: " in told.stderr
    table = read_parquet(out / "points.parquet")
    assert [False, True] == table["error"].isna().tolist()


def test_points_that_break_objectives_are_marked(folder: Path, tmp_path: Path) -> None:
    """The last column of the table says whether a point keeps what the scenario asks for."""
    told = call(
        *("sweep", folder / "small.yaml", "--set", "slo.batch_wait_p95=1 min", "-q"),
        *("--grid", "fleet.0.count=1,8", "--out", tmp_path / "marked"),
    )
    assert 0 == told.exit_code, told.stderr
    head, one, eight = told.stdout.splitlines()[:3]
    assert head.endswith("SLO")
    assert one.endswith("1 broken")
    assert eight.endswith("held")


def test_wrong_values_write_nothing(folder: Path) -> None:
    """A value that cannot be is told with exit code 2 before anything is run or written."""
    out = folder / "wrong"
    told = call("sweep", folder / "small.yaml", "--grid", "fleet.0.count=-2,8", "--out", out)
    assert 2 == told.exit_code
    assert "-2 is below 0" in told.stderr
    assert not out.exists()


def test_other_forms(folder: Path) -> None:
    """The table, Markdown and CSV have a line a point and the grid's paths as columns."""
    for form, lines in (("table", 3), ("md", 4), ("csv", 3)):
        told = call(
            *("sweep", folder / "small.yaml", "--grid", "seed=1,2"),
            *("--out", folder / f"form-{form}", "-q", "-o", form),
        )
        assert 0 == told.exit_code, told.stderr
        assert lines == len(told.stdout.splitlines())
        assert "seed" in told.stdout.splitlines()[0]


def test_parts_are_whole(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that cannot be written leaves no file behind and names the place."""
    printed = json.loads((folder / "printed.json").read_text(encoding="utf-8"))
    place = SweepFolder(tmp_path / "r", {**printed, "points": 12}, [], resume=False)

    def full(_frame: Any, path: Path) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("greensched.report.sweep_folder.write_parquet", full)
    with pytest.raises(Exception, match="No space left on device"):
        place.keep([{"point": 0, "error": None}])
    assert [] == list((tmp_path / "r" / "parts").iterdir())


@pytest.mark.slow
def test_a_point_that_does_not_balance_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed check of one point exits with 70, has no numbers, and its case is written."""
    path = write_tiny(tmp_path)

    def checks(self: Outcome, _fleet: object) -> tuple[Check, ...]:
        machines = int(self.entries.machine_ms[0].sum() // self.entries.edges_ms[1])
        return (Check(name="a = b", left=machines, right=4, unit="mWh"),)

    monkeypatch.setattr(Outcome, "checks", checks)
    monkeypatch.chdir(tmp_path)
    told = call("sweep", path, "--grid", "fleet.0.count=4,5", "--out", tmp_path / "out")
    assert 70 == told.exit_code
    assert "1 of 2 points do not balance; the first: point 1" in told.stderr
    table = read_parquet(tmp_path / "out" / "points.parquet")
    assert ["", "a = b differs by 1 mWh"] == table["balance"].fillna("").tolist()
    assert [True, False] == table["scenario.energy_it_kwh"].notna().tolist()
    (case,) = tmp_path.glob("balance-small-*")
    assert "count: 5" in (case / "scenario.yaml").read_text("utf-8")
